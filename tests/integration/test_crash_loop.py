"""kill -9 at random moments under load: what was answered, or seen by anybody, is there afterwards.

CRASH_KILLS is the number of kills per policy, spread over the settings of the axes: 20 by default, 300 for the long run.
"""
import os
import random
import selectors
import time

import pytest

from lib import axes as matrix
from lib.resp import INCOMPLETE, Error, Reader, encode
from lib.wait import wait_until

pytestmark = pytest.mark.tokamak

KILLS = -(-int(os.environ.get("CRASH_KILLS", "20")) // len(matrix.settings_for(False)))
CLIENTS = 64
FRESH_AFTER = 25  # kills: then the lists are long enough
SCRIPT = "redis.call('set', KEYS[1], ARGV[1]) redis.call('set', KEYS[2], ARGV[1])"


def round_of(n, i, other):
    """What client n does in round i, by kind. The last command's reply says that it is done."""
    return {"string": [["SET", f"s{n}", i]],
            "list": [["RPUSH", f"l{n}", i]],
            "pair": [["MSET", f"p{n}", i, f"q{n}", i]],
            "multi": [["MULTI"], ["SET", f"m{n}", i], ["INCR", "total"], ["SET", f"n{n}", i], ["EXEC"]],
            "transfer": [["MULTI"], ["DECRBY", f"t{other}", i], ["INCRBY", f"t{n}", i], ["SET", f"o{n}", i], ["EXEC"]],
            "script": [["EVAL", SCRIPT, 2, f"e{n}", f"w{n}", i]],
            "hash": [["HSET", f"h{n}", "f", i, "g", i]],
            "zset": [["ZADD", f"z{n}", i, "m"]],
            "stream": [["XADD", f"x{n}", f"{i}-1", "f", i]],
            "renamed": [["SET", f"j{n}", i], ["RENAME", f"j{n}", f"k{n}"]],
            "members": [["SADD", f"a{n}", i], ["SMOVE", f"a{n}", f"b{n}", i]],
            "moved": [["LPUSH", f"u{n}", i], ["LMOVE", f"u{n}", f"v{n}", "LEFT", "RIGHT"]]}


KINDS = tuple(round_of(0, 0, 0))


class Client:
    """One connection with keys of its own, and counters of what it sent and what was answered.

    Round i writes i everywhere: so each key must afterwards hold a round from `acked` to `sent`.
    """

    def __init__(self, number):
        self.number, self.round = number, 0
        self.sent = dict.fromkeys(KINDS, 0)
        self.acked = dict.fromkeys(KINDS, 0)
        self.incr_sent = self.incr_acked = self.total_seen = 0
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
        other = rng.randrange(CLIENTS)
        work = round_of(self.number, self.round, other)
        commands = []
        for kind in rng.sample(KINDS, len(KINDS)):
            self.sent[kind] = self.round
            self.incr_sent += kind == "multi"
            commands += [(command, None) for command in work[kind][:-1]] + [(work[kind][-1], kind)]
        commands.append((["GET", f"s{other}"], other))
        return commands

    def send(self, rng):
        commands = self.batch(rng)
        self.expected = [meaning for _, meaning in commands]
        data = b"".join(encode(command) for command, _ in commands)
        assert self.conn.sock.send(data) == len(data)

    def take(self, reply):
        meaning = self.expected.pop(0)
        assert not isinstance(reply, Error), reply
        if isinstance(meaning, str):
            self.acked[meaning] = self.round
            if meaning == "list":
                self.listed.add(self.round)
            if meaning == "multi":
                self.incr_acked += 1
                self.total_seen = max(self.total_seen, reply[1])
        elif meaning is not None and reply is not None:
            self.seen[meaning] = max(self.seen.get(meaning, 0), int(reply))

    def receive(self):
        """True when the whole batch is answered."""
        data = self.conn.sock.recv(1 << 16)
        assert data, "the server hung up"
        self.reader.feed(data)
        while self.expected:
            reply = self.reader.next()
            if reply is INCOMPLETE:
                return False
            self.take(reply)
        return True

    def receive_rest(self):
        """What had left the server before it was killed counts."""
        self.conn.sock.setblocking(True)
        try:
            while data := self.conn.sock.recv(1 << 16):
                self.reader.feed(data)
                while self.expected and (reply := self.reader.next()) is not INCOMPLETE:
                    self.take(reply)
        except ConnectionError:
            pass
        self.conn.close()


def new_clients():
    return [Client(number) for number in range(CLIENTS)]


def load_until(server, clients, rng, end, snapshots=()):
    """Load up to `end`, with these commands on the way, then the kill."""
    selector = selectors.DefaultSelector()
    admin, due = server.connect(), sorted((rng.uniform(time.monotonic(), end), command) for command in snapshots)
    for client in clients:
        client.connect(server)
        selector.register(client.conn.sock, selectors.EVENT_READ, client)
        client.send(rng)
    while time.monotonic() < end:
        while due and due[0][0] <= time.monotonic():
            admin.send(encode([due.pop(0)[1]]))  # an error says that another one runs
        for key, _ in selector.select(0.01):
            if key.data.receive():
                key.data.send(rng)
    server.process.kill()
    for client in clients:
        client.receive_rest()
    admin.close()
    selector.close()
    server.process.wait()


def start_again(server, rng):
    """Now and then the machine has it that the start is killed, too."""
    server.start()
    while rng.random() < 0.2:
        time.sleep(rng.uniform(0, 0.1))
        server.process.kill()
        server.process.wait()
        server.start()


def number(reply):
    return 0 if reply is None else int(reply)


QUESTIONS = ("GET s", "MGET p q", "MGET m n", "MGET e w", "HMGET h", "LRANGE l", "XREVRANGE x", "ZSCORE z", "GET k",
             "GET o", "LRANGE u", "LRANGE v", "SMEMBERS a", "SMEMBERS b")


def ask(conn, n):
    """Sends all questions about a client's keys at once."""
    arguments = {"HMGET": ["f", "g"], "LRANGE": [0, -1], "XREVRANGE": ["+", "-", "COUNT", 1], "ZSCORE": ["m"]}
    out = []
    for question in QUESTIONS:
        command, *keys = question.split()
        out.append(encode([command, *(f"{key}{n}" for key in keys), *arguments.get(command, ())]))
    conn.send(b"".join(out))
    return {question: conn.read() for question in QUESTIONS}


def apart(left, right, what):
    """What was moved is in one place; all rounds that are there."""
    left, right = [set(map(int, part)) for part in (left, right)]
    assert not left & right, (what, left & right)
    return max(left | right, default=0), max(right, default=0)


def found(conn, n):
    """The round that each kind of key has; a half transaction or multi-key command is an error here."""
    answers = ask(conn, n)
    halves = {}
    for question, kind in (("MGET p q", "pair"), ("MGET m n", "multi"), ("MGET e w", "script"), ("HMGET h", "hash")):
        one, two = answers[question]
        assert one == two, (n, kind, one, two)
        halves[kind] = number(one)
    rounds = [int(value) for value in answers["LRANGE l"]]
    assert rounds == sorted(set(rounds)), (n, rounds)
    entries = answers["XREVRANGE x"]
    return {**halves, "string": number(answers["GET s"]), "list": rounds[-1] if rounds else 0,
            "zset": number(answers["ZSCORE z"]), "renamed": number(answers["GET k"]),
            "transfer": number(answers["GET o"]),
            "moved": apart(answers["LRANGE u"], answers["LRANGE v"], (n, "moved"))[1],
            "members": apart(answers["SMEMBERS a"], answers["SMEMBERS b"], (n, "members"))[1],
            "stream": number(bytes(entries[0][0]).split(b"-")[0] if entries else None)}, rounds


def judge(conn, clients, kill):
    strings = {}
    for client in clients:
        values, rounds = found(conn, client.number)
        strings[client.number] = values["string"]
        for kind in KINDS:
            low, high = client.acked[kind], client.sent[kind]
            assert low <= values[kind] <= high, (kill, client.number, kind, low, values[kind], high)
        assert client.listed <= set(rounds), (kill, client.number, client.listed - set(rounds))
    for client in clients:
        for other, seen in client.seen.items():
            assert seen <= strings[other], (kill, "seen and lost", other, seen, strings[other])
    total = number(conn.cmd("GET", "total"))
    assert sum(c.incr_acked for c in clients) <= total <= sum(c.incr_sent for c in clients), kill
    assert max(c.total_seen for c in clients) <= total, (kill, "seen and lost")
    assert sum(map(number, conn.cmd("MGET", *(f"t{n}" for n in range(CLIENTS))))) == 0, (kill, "half a transfer")


def wait_loaded(conn):
    assert wait_until(lambda: b"\r\nloading:0" in conn.cmd("INFO", "persistence"), 60)


@pytest.mark.parametrize("policy", ("always", "everysec", "no"))
def test_kill(start_server, policy):
    rng = random.Random(policy)
    server = start_server(appendonly="yes", appendfsync=policy, io_threads=4,
                          aof_use_rdb_preamble=rng.choice(("yes", "no")))
    clients, rounds = new_clients(), 0
    for kill in range(KILLS):
        snapshots = rng.choices(("BGREWRITEAOF", "BGSAVE"), (3, 1), k=rng.randrange(4))
        load_until(server, clients, rng, time.monotonic() + rng.uniform(0.05, 0.8), snapshots)
        start_again(server, rng)
        with server.connect(60) as conn:
            wait_loaded(conn)
            judge(conn, clients, kill)
            if kill % FRESH_AFTER == FRESH_AFTER - 1:
                conn.cmd("FLUSHALL")
                rounds += sum(client.round for client in clients)
                clients = new_clients()
    assert rounds + sum(client.round for client in clients) > KILLS * CLIENTS
    log = server.log()
    assert log.count("Background append only file rewriting started") >= KILLS // 10, "the kills met no rewrite"


def test_checker_notices_early_replies(start_server):
    """The test of the test: where replies do not wait for the log, something is missing after a kill."""
    rng = random.Random(1)
    server = start_server(appendonly="yes", appendfsync="always", io_threads=4)
    clients = new_clients()
    for kill in range(10):
        with server.connect() as conn:
            assert conn.cmd("DEBUG", "AOF-FAULT", "SYNC-DELAY-US", 100_000) == b"OK"
            assert conn.cmd("DEBUG", "AOF-FAULT", "EARLY-REPLIES", 1) == b"OK"
        load_until(server, clients, rng, time.monotonic() + 0.5)
        server.start()
        with server.connect() as conn:
            wait_loaded(conn)
            try:
                judge(conn, clients, kill)
            except AssertionError:
                return
    pytest.fail("ten kills with early replies, and nothing was missed")


@pytest.mark.parametrize("half", (["SET", "m3", 1 << 40], ["INCR", "t3"], ["HSET", "h3", "f", 0], ["DEL", "w3"],
                                  ["SADD", "a3", 1], ["DECR", "total"], ["LREM", "l3", 1, 1]), ids=lambda c: c[0] + c[1])
def test_checker_notices_halves(start_server, half):
    """Without a kill all is there; and half of anything is noticed."""
    server, clients = start_server(io_threads=4), [Client(3)]
    with server.connect() as conn:
        client = clients[0]
        client.connect(server)
        client.send(random.Random(1))
        client.conn.sock.setblocking(True)
        while not client.receive():
            pass
        client.conn.close()
        judge(conn, clients, 0)
        conn.cmd(*half)
        with pytest.raises(AssertionError):
            judge(conn, clients, 0)
