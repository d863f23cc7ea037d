"""Keyspace events and invalidations of random commands: the same ones, in the same order, as redis-server's.

After each command a listener has seen all that it caused: events of all classes, and the keys that changed (BCAST). The
client of the commands is tracked itself, so the keys that it reads and changes come back to it behind its replies.
NOTIFY_SEED and NOTIFY_COMMANDS choose another or a longer run.
"""
import os

import pytest

from diff.generator import Generator
from diff.random_replies import HANDLERS
from diff.runner import SMALL_ENCODINGS, show
from lib.resp import Push, encode
from lib.server import REDIS

LIMITS = {"databases": 3, "proto_max_bulk_len": "1mb", "notify_keyspace_events": "KEAmn"}
SEED = int(os.environ.get("NOTIFY_SEED", "1"))
MARK = b"no such event"
EARLIER = b"xgroup-createconsumer"  # 7.2 makes consumers also when they get nothing
# Commands whose outcome or order of lookups is random; those that change what the test relies on; PFDEBUG and BITFIELD,
# since Redis tells nobody when one of them only changes the shape or the length of a value; and those that look at their
# arguments before the key, as in 7.2.
LEFT_OUT = set(HANDLERS) | {b"SORT", b"SORT_RO", b"PFDEBUG", b"BITFIELD", b"BITCOUNT", b"BITPOS",
                            b"CONFIG", b"DEBUG", b"HELLO", b"RESET", b"CLIENT", b"SELECT"}


class Watched:
    """A server with a tracked client and somebody who hears of everything."""

    def __init__(self, server):
        self.queueing = False
        self.conn, self.listener = server.connect(60), server.connect(60)
        for conn in (self.conn, self.listener):
            conn.cmd("HELLO", 3)
        for name, value in SMALL_ENCODINGS.items():
            self.conn.cmd("CONFIG", "SET", name, value)
        self.conn.cmd("FLUSHALL")
        assert self.conn.cmd("CLIENT", "TRACKING", "ON") == b"OK"
        assert self.listener.cmd("CLIENT", "TRACKING", "ON", "BCAST") == b"OK"
        for pattern in ("__key*__:*", "mark"):
            self.listener.send(encode(["PSUBSCRIBE", pattern]))
            self.listener.read()

    def effects(self, command):
        """What the command sends to its own client besides its reply, and to the other. Nothing is looked at between
        MULTI and EXEC, where all is queued."""
        self.conn.send(encode(command))
        own = self._until(self.conn, lambda reply: not isinstance(reply, Push))
        reply, word = own.pop(), command[0].upper() if len(command) == 1 else None
        self.queueing = self.queueing or reply == b"OK" if word == b"MULTI" else self.queueing and word not in (b"EXEC", b"DISCARD")
        if self.queueing:
            return own, []
        self.conn.send(encode(["ECHO", MARK]))
        own += self._until(self.conn, lambda reply: reply == MARK)[:-1]
        assert self.conn.cmd("PUBLISH", "mark", MARK) == 1
        heard = self._until(self.listener, lambda push: push[-1] == MARK)[:-1]
        return own, [push for push in heard if not any(isinstance(part, bytes) and EARLIER in part for part in push)]

    @staticmethod
    def _until(conn, is_last):
        seen = [conn.read()]
        while not is_last(seen[-1]):
            seen.append(conn.read())
        return seen


@pytest.fixture
def pair(start_server):
    return Watched(start_server(io_threads=3, **LIMITS)), Watched(start_server(REDIS, **LIMITS))


def first_difference(pair, commands):
    """The first command with other effects, described; if any."""
    for i, command in enumerate(commands):
        ours, theirs = (one.effects(command) for one in pair)
        if ours != theirs:
            return f"#{i} {' '.join(map(show, command))}\n    got   {ours}\n    redis {theirs}"
    return None


@pytest.mark.smoke
def test_effects_are_redis_s(pair):
    generator = Generator(SEED, exclude=LEFT_OUT)
    commands = [generator.command() for _ in range(int(os.environ.get("NOTIFY_COMMANDS", "3000")))]
    difference = first_difference(pair, commands)
    assert not difference, f"seed {SEED}: {difference}"
