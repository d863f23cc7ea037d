"""Waiters fed by slow commands, by each other and in circles, with everything that gets in between: no element is
lost, none comes twice, and in the end nobody waits and nothing runs."""
import itertools
import os
import threading
import time
from collections import Counter

import pytest

from lib.resp import Error, NullArray, encode
from lib.storm import StormBase
from lib.wait import wait_until

SECONDS = float(os.environ.get("STORM_SECONDS", "4"))
STORES = 4
QUEUES = [f"q{i}" for i in range(5)]
LISTS = [f"d{i}" for i in range(STORES)] # filled by SORT … STORE alone
ZSETS = [f"z{i}" for i in range(STORES)] # filled by ZUNIONSTORE alone
KEPT = [f"kept{i}" for i in range(3)]


class Storm(StormBase):
    def __init__(self, server):
        super().__init__(server, SECONDS)
        self.numbers, self.stores = itertools.count(), itertools.count()
        self.added, self.taken = [], []

    def fresh(self, count):
        with self.lock:
            values = [b"%d" % next(self.numbers) for _ in range(count)]
            self.added += values
        return values

    def take(self, values):
        with self.lock:
            self.taken += values

    def push(self, rng):
        with self.server.connect(60) as conn:
            while not self.over():
                queue, values = rng.choice(QUEUES), self.fresh(rng.randint(1, 3))
                push = [rng.choice(["LPUSH", "RPUSH"]), queue, *values]
                move = ["LMOVE", queue, rng.choice(QUEUES), "LEFT", "RIGHT"]
                if rng.random() < 0.3:
                    replies = conn.pipeline([["MULTI"], push, move, ["EXEC"]])
                    assert isinstance(replies[-1], list), replies
                else:
                    assert conn.cmd(*push) >= 1

    def store(self, rng):
        """Stores what is new into a key only when all that was there is gone."""
        number = next(self.stores)
        source, target = f"source{number}", (LISTS + ZSETS)[number]
        with self.server.connect(60) as conn:
            while not self.over():
                if conn.cmd("EXISTS", target):
                    continue
                values = self.fresh(rng.choice([1, 3, 40]))
                if target in LISTS:
                    commands = [["DEL", source], ["RPUSH", source, *values], ["SORT", source, "STORE", target]]
                else:
                    scored = [part for value in values for part in (rng.randrange(9), value)]
                    commands = [["DEL", source], ["ZADD", source, *scored], ["ZUNIONSTORE", target, 1, source]]
                if rng.random() < 0.2:
                    commands.append(["PEXPIRE", source, rng.randint(1, 20)])
                assert conn.pipeline(commands)[2] == len(values)

    def pop(self, rng):
        with self.server.connect(60) as conn:
            self.ids.append(conn.cmd("CLIENT", "ID"))
            while not self.over():
                keys, timeout = rng.sample(QUEUES + LISTS, rng.randint(1, 4)), rng.choice(["0.001", "0.02", "0.2"])
                if rng.random() < 0.3:
                    reply = conn.cmd("BLMPOP", timeout, len(keys), *keys, "LEFT", "COUNT", rng.randint(1, 3))
                elif rng.random() < 0.5:
                    reply = conn.cmd("BZPOPMIN", *rng.sample(ZSETS, 2), timeout)
                else:
                    reply = conn.cmd(rng.choice(["BLPOP", "BRPOP"]), *keys, timeout)
                if isinstance(reply, (NullArray, Error)):
                    assert not isinstance(reply, Error) or reply.startswith(b"UNBLOCKED"), reply
                else:
                    self.take(reply[1] if isinstance(reply[1], list) else [reply[1]])

    def move(self, rng):
        """Moves, also in circles, so what it gets is not lost with it; ends by closing, or killed."""
        while not self.over():
            with self.server.connect(60) as conn:
                self.ids.append(conn.cmd("CLIENT", "ID"))
                for _ in range(rng.randint(1, 3)):
                    source, target = rng.choice(QUEUES + LISTS + KEPT), rng.choice(QUEUES + KEPT)
                    conn.send(encode(["BLMOVE", source, target, "LEFT", "RIGHT", rng.choice([0, "0.01"])]))
                if rng.random() < 0.5:
                    time.sleep(rng.random() / 20)

    def read(self, rng):
        """Keeps values pinned."""
        with self.server.connect(60) as conn:
            while not self.over():
                lists, zsets = QUEUES + LISTS + KEPT, rng.sample(ZSETS, 2)
                conn.cmd(*rng.choice([["SORT", rng.choice(lists), "DESC"], ["LRANGE", rng.choice(lists), 0, -1],
                                      ["ZUNION", 2, *zsets], ["KEYS", "*"], ["SUNIONSTORE", "s", "s", "mortal"],
                                      ["SORT", rng.choice(lists), "STORE", "sorted"],
                                      ["ZUNIONSTORE", "united", 2, *zsets]]))

    def die(self, rng):
        with self.server.connect(60) as conn:
            while not self.over():
                member = rng.randrange(50)
                conn.pipeline([["SADD", "mortal", member], ["HSET", "hash", member, 1],
                               ["HPEXPIRE", "hash", 1, "FIELDS", 1, member], ["HGETALL", "hash"],
                               ["PEXPIRE", rng.choice(["s", "united", "sorted", "mortal"]), 3]])

    def disturb(self, rng):
        """Alone, in the other databases; and ends of waits."""
        with self.server.connect(60) as conn:
            conn.cmd("SELECT", 1)
            while not self.over():
                victim = rng.choice(self.ids[-40:] or [0])
                conn.cmd(*rng.choice([["CLIENT", "UNBLOCK", victim, rng.choice(["TIMEOUT", "ERROR"])]] * 4 +
                                     [["FLUSHDB"], ["SWAPDB", 1, 2], ["BGSAVE"], ["CONFIG", "SET", "maxmemory-samples", 5],
                                      ["CLIENT", "PAUSE", 2, "WRITE"]]))
                time.sleep(rng.random() / 100)

    def kill(self, rng):
        while not self.over():
            with self.server.connect(60) as victim, self.server.connect(60) as killer:
                number = victim.cmd("CLIENT", "ID")
                victim.send(encode(rng.choice([["BLMOVE", rng.choice(QUEUES + LISTS), "kept0", "LEFT", "RIGHT", 0],
                                               ["SORT", rng.choice(QUEUES + LISTS), "STORE", "sorted"]])))
                assert killer.cmd("CLIENT", "KILL", "ID", number) in (0, 1)


def is_idle(conn):
    clients, stats = conn.cmd("INFO", "clients"), conn.cmd("INFO", "stats")
    return (b"blocked_clients:0\r\n" in clients and b"total_blocking_keys:0\r\n" in clients and
            b"slow_commands_active:0\r\n" in stats)


@pytest.mark.tokamak
def test_slow_commands_feed_waiters(start_server):
    server = start_server(io_threads=4, shards=64, databases=3, slow_command_threshold=1)
    storm = Storm(server)
    works = ([storm.push] * 2 + [storm.store] * 2 * STORES + [storm.pop] * 6 + [storm.move] * 6 + [storm.read] * 4 +
             [storm.die, storm.disturb] + [storm.kill] * 2)
    threads = [threading.Thread(target=storm.run, args=pair) for pair in zip(works, range(100))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.check()
    assert not storm.failures
    with server.connect(60) as conn:
        assert wait_until(lambda: is_idle(conn), 30)
        left = [value for key in QUEUES + KEPT + LISTS for value in conn.cmd("LRANGE", key, 0, -1)]
        left += [value for key in ZSETS for value in conn.cmd("ZRANGE", key, 0, -1)]
        assert conn.cmd("FLUSHALL") == b"OK" and conn.cmd("DBSIZE") == 0
    assert len(storm.taken) > 50 and len(storm.added) > 200
    assert Counter(storm.taken + left) == Counter(storm.added)
