"""Waits on all reactors at once, ended in every way there is: no element is lost, none comes twice."""
import itertools
import socket
import threading
import time
from collections import Counter

import pytest

from lib.resp import Error, NullArray, encode
from lib.storm import StormBase
from lib.wait import wait_until

SECONDS = 4
QUEUES = [f"q{i}" for i in range(6)]
KEPT = [f"kept{i}" for i in range(4)]


class Storm(StormBase):
    def __init__(self, server):
        super().__init__(server, SECONDS)
        self.numbers = itertools.count()
        self.pushed, self.popped = [], []

    def fresh(self, count):
        with self.lock:
            values = [b"%d" % next(self.numbers) for _ in range(count)]
            self.pushed += values
        return values

    def produce(self, rng):
        with self.server.connect() as conn:
            while not self.over():
                queue, values = rng.choice(QUEUES), self.fresh(rng.randint(1, 4))
                push = encode([rng.choice(["LPUSH", "RPUSH"]), queue] + values)
                if rng.random() < 0.3:
                    other = rng.choice(QUEUES)
                    move = encode(["LMOVE", queue, other, "LEFT", "RIGHT"])
                    conn.send(encode(["MULTI"]) + push + move + encode(["EXEC"]))
                    replies = [conn.read() for _ in range(4)]
                    assert isinstance(replies[-1], list), replies
                else:
                    conn.send(push)
                    assert conn.read() >= 1

    def consume(self, rng):
        with self.server.connect() as conn:
            self.ids.append(conn.cmd("CLIENT", "ID"))
            while not self.over():
                queues, timeout = rng.sample(QUEUES, rng.randint(1, 3)), rng.choice(["0.001", "0.02", "0.2"])
                if rng.random() < 0.3:
                    reply = conn.cmd("BLMPOP", timeout, len(queues), *queues, "LEFT", "COUNT", rng.randint(1, 3))
                else:
                    reply = conn.cmd(rng.choice(["BLPOP", "BRPOP"]), *queues, timeout)
                if isinstance(reply, (NullArray, Error)):
                    assert not isinstance(reply, Error) or reply.startswith(b"UNBLOCKED"), reply
                    continue
                values = reply[1] if isinstance(reply[1], list) else [reply[1]]
                with self.lock:
                    self.popped += values

    def die(self, rng):
        """Moves, so what it gets is not lost with it; ends by closing, or by being killed."""
        while not self.over():
            conn = self.server.connect()
            self.ids.append(conn.cmd("CLIENT", "ID"))
            source, target = rng.choice(QUEUES + KEPT), rng.choice(QUEUES + KEPT)
            conn.send(encode(["BLMOVE", source, target, "LEFT", "RIGHT", 0]) * rng.randint(1, 3))
            if rng.random() < 0.5:
                time.sleep(rng.random() / 50)
            if rng.random() < 0.3:
                conn.sock.shutdown(socket.SHUT_WR)
            conn.close()

    def disturb(self, rng):
        with self.server.connect() as conn:
            while not self.over():
                if self.ids:
                    conn.cmd("CLIENT", "UNBLOCK", rng.choice(self.ids[-40:]), rng.choice(["TIMEOUT", "ERROR"]))
                if rng.random() < 0.02:
                    conn.send(b"".join(map(encode, [["SELECT", 1], ["FLUSHDB"], ["SWAPDB", 1, 2], ["SELECT", 0]])))
                    for _ in range(4):
                        conn.read()

    def kill(self, rng):
        while not self.over():
            victim, killer = self.server.connect(), self.server.connect()
            number = victim.cmd("CLIENT", "ID")
            victim.send(encode(["BLMOVE", rng.choice(QUEUES), rng.choice(KEPT), "LEFT", "RIGHT", 0]))
            assert killer.cmd("CLIENT", "KILL", "ID", number) in (0, 1)
            victim.close()
            killer.close()


@pytest.mark.tokamak
def test_every_element_is_popped_once(start_server):
    server = start_server(io_threads=4, shards=64, databases=3)
    storm = Storm(server)
    works = [storm.produce] * 4 + [storm.consume] * 6 + [storm.die] * 4 + [storm.kill] * 2 + [storm.disturb]
    threads = [threading.Thread(target=storm.run, args=pair) for pair in zip(works, range(100))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not storm.failures
    with server.connect() as conn:
        assert wait_until(lambda: b"blocked_clients:0\r\n" in conn.cmd("INFO", "clients"), 20)
        assert b"total_blocking_keys:0\r\n" in conn.cmd("INFO", "clients")
        left = [value for key in QUEUES + KEPT for value in conn.cmd("LRANGE", key, 0, -1)]
        assert conn.cmd("DBSIZE") == sum(conn.cmd("EXISTS", key) for key in QUEUES + KEPT)
    assert len(storm.popped) > 50 and len(storm.pushed) > 200
    assert Counter(storm.popped + left) == Counter(storm.pushed)
