"""kill -9 at random moments under load: what was answered, or seen by anybody, is there afterwards.

AOF_KILLS is the number of kills per policy: 7 by default, 300 for the long run.
"""
import os
import random
import selectors
import time

import pytest

from lib.resp import INCOMPLETE, Error, Reader, encode
from lib.wait import wait_until

pytestmark = pytest.mark.tokamak

KILLS = int(os.environ.get("AOF_KILLS", "7"))
CLIENTS = 64


class Client:
    """One connection with keys of its own, and counters of what it sent and what was answered.

    Round i writes i everywhere: so each key must afterwards hold a round from `acked` to `sent`.
    """

    KINDS = ("string", "list", "pair", "multi", "hash", "zset", "stream", "moved")

    def __init__(self, number):
        self.number, self.round = number, 0
        self.sent = dict.fromkeys(self.KINDS, 0)
        self.acked = dict.fromkeys(self.KINDS, 0)
        self.incr_sent = self.incr_acked = 0
        self.listed = set()  # answered rounds of the list
        self.seen = {}  # client: a round of its string that was read
        self.conn = self.reader = None
        self.expected = []

    def connect(self, server):
        self.conn, self.reader, self.expected = server.connect(), Reader(), []
        self.conn.sock.setblocking(False)

    def batch(self, rng):
        """Commands of a round, each with what its reply means."""
        self.round += 1
        n, i, other = self.number, self.round, rng.randrange(CLIENTS)
        work = {"string": [["SET", f"s{n}", i]],
                "list": [["RPUSH", f"l{n}", i]],
                "pair": [["MSET", f"p{n}", i, f"q{n}", i]],
                "multi": [["MULTI"], ["SET", f"m{n}", i], ["INCR", "total"], ["SET", f"n{n}", i], ["EXEC"]],
                "hash": [["HSET", f"h{n}", "f", i, "g", i]],
                "zset": [["ZADD", f"z{n}", i, "m"]],
                "stream": [["XADD", f"x{n}", f"{i}-1", "f", i]],
                "moved": [["LPUSH", f"u{n}", i], ["LMOVE", f"u{n}", f"v{n}", "LEFT", "RIGHT"]]}
        commands = []
        for kind in rng.sample(self.KINDS, len(self.KINDS)):
            self.sent[kind] = i
            self.incr_sent += kind == "multi"
            commands += [(command, None) for command in work[kind][:-1]] + [(work[kind][-1], kind)]
        commands.append((["GET", f"s{other}"], other))
        return commands

    def send(self, rng):
        commands = self.batch(rng)
        self.expected = [meaning for _, meaning in commands]
        self.conn.sock.send(b"".join(encode(command) for command, _ in commands))

    def take(self, reply):
        meaning = self.expected.pop(0)
        assert not isinstance(reply, Error), reply
        if isinstance(meaning, str):
            self.acked[meaning] = self.round
            if meaning == "list":
                self.listed.add(self.round)
            self.incr_acked += meaning == "multi"
        elif meaning is not None and reply is not None:
            self.seen[meaning] = max(self.seen.get(meaning, 0), int(reply))

    def receive(self):
        """True when the whole batch is answered."""
        self.reader.feed(self.conn.sock.recv(1 << 16))
        while self.expected:
            reply = self.reader.next()
            if reply is INCOMPLETE:
                return False
            self.take(reply)
        return True


def load_until(server, clients, rng, end):
    selector = selectors.DefaultSelector()
    for client in clients:
        client.connect(server)
        selector.register(client.conn.sock, selectors.EVENT_READ, client)
        client.send(rng)
    while time.monotonic() < end:
        for key, _ in selector.select(0.01):
            if key.data.receive():
                key.data.send(rng)
    server.process.kill()
    for client in clients:  # what had left the server counts
        client.conn.sock.setblocking(True)
        try:
            while True:
                data = client.conn.sock.recv(1 << 16)
                if not data:
                    break
                client.reader.feed(data)
                while client.expected and (reply := client.reader.next()) is not INCOMPLETE:
                    client.take(reply)
        except ConnectionError:
            pass
        client.conn.close()
    selector.close()
    server.process.wait()


def number(reply):
    return 0 if reply is None else int(reply)


def found(conn, n):
    """The round that each kind of key has; a half transaction or multi-key command is an error here."""
    pair, multi, fields = (conn.cmd("MGET", f"p{n}", f"q{n}"), conn.cmd("MGET", f"m{n}", f"n{n}"),
                           conn.cmd("HMGET", f"h{n}", "f", "g"))
    assert pair[0] == pair[1] and multi[0] == multi[1] and fields[0] == fields[1], (n, pair, multi, fields)
    rounds = [int(value) for value in conn.cmd("LRANGE", f"l{n}", 0, -1)]
    assert rounds == sorted(set(rounds)), (n, rounds)
    entries = conn.cmd("XREVRANGE", f"x{n}", "+", "-", "COUNT", 1)
    moved = conn.cmd("LRANGE", f"v{n}", -1, -1)
    return {"string": number(conn.cmd("GET", f"s{n}")), "list": rounds[-1] if rounds else 0,
            "pair": number(pair[0]), "multi": number(multi[0]), "hash": number(fields[0]),
            "zset": number(conn.cmd("ZSCORE", f"z{n}", "m")), "moved": number(moved[0] if moved else None),
            "stream": number(bytes(entries[0][0]).split(b"-")[0] if entries else None)}, rounds


def judge(conn, clients, kill):
    strings = {}
    for client in clients:
        values, rounds = found(conn, client.number)
        strings[client.number] = values["string"]
        for kind in Client.KINDS:
            low, high = client.acked[kind], client.sent[kind]
            assert low <= values[kind] <= high, (kill, client.number, kind, low, values[kind], high)
        assert client.listed <= set(rounds), (kill, client.number, client.listed - set(rounds))
    for client in clients:
        for other, seen in client.seen.items():
            assert seen <= strings[other], (kill, "seen and lost", other, seen, strings[other])
    total = number(conn.cmd("GET", "total"))
    assert sum(c.incr_acked for c in clients) <= total <= sum(c.incr_sent for c in clients), kill


@pytest.mark.parametrize("policy", ("always", "everysec", "no"))
def test_kill(start_server, policy):
    rng = random.Random(policy)
    server = start_server(appendonly="yes", appendfsync=policy, io_threads=4)
    clients = [Client(n) for n in range(CLIENTS)]
    for kill in range(KILLS):
        load_until(server, clients, rng, time.monotonic() + rng.uniform(0.05, 0.8))
        server.start()
        with server.connect() as conn:
            assert wait_until(lambda: b"\r\nloading:0" in conn.cmd("INFO", "persistence"), 30)
            judge(conn, clients, kill)
    assert sum(client.round for client in clients) > KILLS * CLIENTS
