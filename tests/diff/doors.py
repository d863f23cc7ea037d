"""The comparison through other doors: frames and HTTP on our side, RESP on redis-server's.

A door has the part of a connection that the runner uses, and gives replies as RESP2 would, but for the wire types that
its protocol has not: statuses and nil arrays.
"""
import base64
import collections
import json
import random
import re
import urllib.parse

from diff.campaign import Campaign
from diff.runner import Pair
from lib.frame import CODES, FrameConnection, FrameError
from lib.frame import encode as encode_frame
from lib.http import HttpConnection, message
from lib.resp import Connection, Error, NullArray, Simple

UNSAID = object()  # the reply that a door has not
PATH_MAX = 12_000
NUMBER = re.compile(rb"-?(0|[1-9][0-9]*)(\.[0-9]+)?")


def without_wire_types(reply):
    if isinstance(reply, list):
        return [without_wire_types(item) for item in reply]
    if isinstance(reply, NullArray):
        return None
    return bytes(reply) if isinstance(reply, Simple) else reply


class RespDoor(Connection):
    """Redis-server's side."""

    def read(self):
        return without_wire_types(super().read())


class FrameDoor:
    def __init__(self, server):
        self.conn = FrameConnection(int(server.directives["frame-port"]), 60)

    def send_commands(self, commands):
        self.conn.send(b"".join(map(encode_frame, commands)))

    def read(self):
        return self._as_resp(self.conn.read())

    def cmd(self, *args):
        self.send_commands([args])
        return self.read()

    def close(self):
        self.conn.sock.close()

    def _as_resp(self, value):
        if isinstance(value, list):
            return [self._as_resp(item) for item in value]
        if isinstance(value, float):
            return b"%.17g" % value
        if isinstance(value, FrameError):
            word = value.text.split(b" ", 1)[0].decode("latin1")
            assert value.code == (CODES.index(word) if word in CODES else 0), value
            return Error(value.text)
        return value


class HttpDoor:
    """Commands as JSON, one or several in a body, or in the path, where JSON cannot say their bytes; a transaction in one
    message. Replies in base64."""

    def __init__(self, server):
        self.conn = HttpConnection(server.directives["http-port"], 60)
        self.rng = random.Random(1)
        self.db, self.block, self.group = b"0", None, []
        self.expected = collections.deque()  # of messages: the form, and how many commands it holds
        self.replies = collections.deque()
        self.out = b""

    @staticmethod
    def can_say(command, in_block):
        """Not what belongs to a session; what is no text only a path can say."""
        name = b" ".join(command[:2]).upper()
        if name == b"CLIENT NO-EVICT" or (name.startswith(b"MULTI") and (in_block or len(command) > 1)):
            return False
        return _is_text(command) or (not in_block and len(_path(command)) < PATH_MAX)

    def send_commands(self, commands):
        for command in map(list, commands):
            self._add(command)
        self._end_group()
        self.conn.send(self.out)
        self.out = b""

    def _add(self, command):
        name = command[0].upper()
        if self.block is not None:
            self._add_to_block(name, command)
        elif name == b"MULTI" and len(command) == 1:
            self._end_group()
            self.block = []
            self.expected.append(("unsaid", 1))
        elif name == b"SELECT":
            self._end_group()
            self.db = command[1]
            self.expected.append(("unsaid", 1))
        elif _is_text(command):
            self.group.append(command)
            if self.rng.random() < 0.3:
                self._end_group()
        else:
            self._end_group()
            self._put("one", 1, "GET", _path(command), None)

    def _add_to_block(self, name, command):
        if name not in (b"EXEC", b"DISCARD") or len(command) > 1:
            self.block.append(command)
            self.expected.append(("unsaid", 1))
            return
        if name == b"EXEC" and self.block:
            self._put("many", 1, "POST", "/multi-exec", self._json(self.block))
        else:
            self.expected.append(("unsaid", 1))
        self.block = None

    def _end_group(self):
        if len(self.group) == 1:
            self._put("one", 1, "POST", "/", self._json(self.group[0]))
        elif self.group:
            self._put("many", len(self.group), "POST", "/pipeline", self._json(self.group))
        self.group = []

    def _put(self, form, count, method, target, body):
        target += f"?db={self.db.decode()}"
        self.out += message(method, target, body, upstash_encoding="base64")
        self.expected.append((form, count))

    def _json(self, value):
        """Numbers are numbers now and then."""
        if not isinstance(value, bytes):
            return b"[" + b",".join(map(self._json, value)) + b"]"
        if NUMBER.fullmatch(value) and self.rng.random() < 0.3:
            return value
        return json.dumps(value.decode(), ensure_ascii=self.rng.random() < 0.5).encode()

    def read(self):
        while not self.replies:
            self._read_message()
        return self.replies.popleft()

    def _read_message(self):
        form, count = self.expected.popleft()
        if form == "unsaid":
            self.replies.append(UNSAID)
            return
        response = self.conn.read()
        body = response.json()
        assert (response.status == 200) == (isinstance(body, list) or "result" in body), response
        if isinstance(body, list) and count > 1:
            assert len(body) == count, response
            self.replies.extend(map(_unwrapped, body))
        else:
            self.replies.append(list(map(_unwrapped, body)) if isinstance(body, list) else _unwrapped(body))

    def cmd(self, *args):
        self.send_commands([[arg if isinstance(arg, bytes) else str(arg).encode() for arg in args]])
        return self.read()

    def close(self):
        self.conn.sock.close()


def _is_text(command):
    try:
        for arg in command:
            arg.decode()
    except UnicodeDecodeError:
        return False
    return True


def _path(command):
    return "/" + "/".join(urllib.parse.quote(arg, safe="") for arg in command)


def _unwrapped(reply):
    assert len(reply) == 1, reply
    return Error(reply["error"].encode()) if "error" in reply else _value(reply["result"])


def _value(value):
    if isinstance(value, list):
        return list(map(_value, value))
    if isinstance(value, str):
        return b"OK" if value == "OK" else base64.b64decode(value, validate=True)
    return value


def _as_text(error):
    return Error(re.sub("\ufffd+", "\ufffd", error.decode(errors="replace")).encode())


class DoorPair(Pair):
    """`protocol` is the door, not a version."""

    def connect(self):
        return self.door(self.servers[0]), RespDoor(self.servers[1].port, 60)

    def greet(self, protocol):
        self.both(["FLUSHALL"])


class FramePair(DoorPair):
    door = FrameDoor


class HttpPair(DoorPair):
    door = HttpDoor

    def agree(self, command, ours, theirs):
        """JSON is text: what is none in an error was replaced, byte by byte or not."""
        if isinstance(ours, Error) and isinstance(theirs, Error):
            ours, theirs = map(_as_text, (ours, theirs))
        agree = super().agree(command, theirs if ours is UNSAID else ours, theirs)
        return agree or ours is UNSAID


class DoorCampaign(Campaign):
    def __init__(self, servers, pair, exclude=()):
        super().__init__(servers, None, exclude)
        self.pair = pair

    def settings(self, seed):
        return {"small": seed % 2 == 1, "make_pair": self.pair}


class HttpCampaign(DoorCampaign):
    def __init__(self, servers, exclude=()):
        super().__init__(servers, HttpPair, {b"SELECT", b"WATCH", b"UNWATCH", b"EXEC", b"DISCARD", *exclude})

    def commands(self, seed, count):
        """Other databases now and then, between transactions."""
        rng, chosen, within = random.Random(seed), [], False
        for command in super().commands(seed, count):
            if not HttpDoor.can_say(command, within):
                continue
            if not within and rng.random() < 0.05:
                chosen.append([b"SELECT", rng.choice([b"0", b"0", b"1", b"2"])])
            chosen.append(command)
            name = command[0].upper()
            if len(command) == 1 and name in (b"MULTI", b"EXEC", b"DISCARD"):
                within = name == b"MULTI"
        return chosen
