"""MONITOR, SLOWLOG, LATENCY, HOTKEYS, CLIENT LIST and their settings at once, with traffic on all reactors: nothing is
torn, nobody is lost."""
import os
import re
import threading

import pytest

from lib.resp import Error
from lib.storm import StormBase

pytestmark = pytest.mark.tokamak
SECONDS = int(os.environ.get("STORM_SECONDS", "6"))
LINE = re.compile(rb"\d+\.\d{6} \[\d+ [^\]]+\] \".*\"")


class Storm(StormBase):
    def traffic(self, rng):
        with self.server.connect() as conn:
            while not self.over():
                key = f"key:{rng.randrange(200)}"
                conn.pipeline([
                    ["SET", key, "x" * rng.choice((10, 10, 5000, 40_000))], ["GET", key], ["RPUSH", f"list:{key}", key],
                    ["LRANGE", f"list:{key}", 0, -1], ["MULTI"], ["INCR", "n"], ["GET", key], ["EXEC"],
                    ["EVAL", "return redis.call('GET', KEYS[1])", 1, key],
                    ["MGET", key, "n", "other"], ["GET", f"list:{key}"]])
                if rng.random() < 0.01:
                    conn.cmd("FLUSHDB")

    def waiting(self, rng):
        with self.server.connect() as conn:
            while not self.over():
                if conn.cmd("BLPOP", "queue", "0.05"):
                    with self.lock:
                        self.served += 1

    def feeding(self, rng):
        with self.server.connect() as conn:
            while not self.over():
                conn.cmd("RPUSH", "queue", "x")

    def monitoring(self, rng):
        while not self.over():
            with self.server.connect() as conn:
                assert conn.cmd("MONITOR") == b"OK"
                for _ in range(rng.randrange(1, 400)):
                    try:
                        assert LINE.fullmatch(conn.read())
                    except TimeoutError:
                        assert self.over()
                        return
                    with self.lock:
                        self.lines += 1

    def looking(self, rng):
        with self.server.connect() as conn:
            while not self.over():
                for entry in conn.cmd("SLOWLOG", "GET", -1):
                    assert len(entry) == 6 and entry[3]
                numbers = [e[0] for e in conn.cmd("COMMANDLOG", "GET", 50, "large-request")]
                assert numbers == sorted(set(numbers), reverse=True)
                conn.cmd("COMMANDLOG", "GET", -1, "large-reply")
                conn.cmd("LATENCY", "HISTOGRAM")
                conn.cmd("LATENCY", "LATEST")
                conn.cmd("LATENCY", "DOCTOR")
                conn.cmd("HOTKEYS", "GET")
                conn.cmd("MEMORY", "BIGKEYS")
                conn.cmd("INFO", "everything")
                assert b"id=" in conn.cmd("CLIENT", "LIST", "NOT-NAME", "nobody", "DB", 0)

    def changing(self, rng):
        with self.server.connect() as conn:
            while not self.over():
                command = rng.choice([
                    ["CONFIG", "SET", "slowlog-log-slower-than", rng.choice((-1, 0, 100, 10_000))],
                    ["CONFIG", "SET", "slowlog-max-len", rng.choice((0, 1, 20, 1000))],
                    ["CONFIG", "SET", "commandlog-request-larger-than", rng.choice((-1, 0, 1000))],
                    ["CONFIG", "SET", "commandlog-reply-larger-than", rng.choice((-1, 0, 1000))],
                    ["CONFIG", "SET", "latency-monitor-threshold", rng.choice((0, 1))],
                    ["CONFIG", "SET", "maxmemory-clients", rng.choice((0, 500_000_000))],
                    ["CONFIG", "SET", "log-format", rng.choice(("text", "json", "logfmt"))],
                    ["SLOWLOG", "RESET"], ["LATENCY", "RESET"], ["COMMANDLOG", "RESET", "large-reply"],
                    ["HOTKEYS", "START", "METRICS", 2, "CPU", "NET", "SAMPLE", rng.choice((1, 5))],
                    ["HOTKEYS", "STOP"], ["HOTKEYS", "RESET"], ["CONFIG", "RESETSTAT"]])
                reply = conn.cmd(*command)
                assert not isinstance(reply, Error) or command[0] == "HOTKEYS", (command, reply)


def test_storm(start_server):
    server = start_server(io_threads=4, slow_command_threshold=50)
    storm = Storm(server, SECONDS)
    storm.lines = storm.served = 0
    workers = [storm.traffic] * 4 + [storm.waiting, storm.feeding] + [storm.monitoring] * 2 + [storm.looking] * 2 + [
        storm.changing]
    threads = [threading.Thread(target=storm.run, args=(work, seed)) for seed, work in enumerate(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.check()
    assert not storm.failures
    assert storm.lines > 100 and storm.served > 5
    with server.connect() as conn:
        assert conn.cmd("PING") == b"PONG"
