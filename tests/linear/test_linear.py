"""Concurrent histories of a real server are linearizable, and a broken server's are not.

The broken server is a build with -Dbroken_lock=true, which leaves out one shard's lock in four:
TOKAMAK_BROKEN_SERVER names it. A checker that finds nothing there would prove nothing elsewhere.
"""
import os
import random
import subprocess
from pathlib import Path

import pytest

from lib.server import ROOT, Server
from lib.tools import build_tool
from linear.checker import Undecided, linearizable, register_linearizable
from linear.models import MODELS, Operation, is_register, parse_histories

CONNECTIONS, ROUNDS, OPERATIONS = 64, 40, 15
BROKEN = os.environ.get("TOKAMAK_BROKEN_SERVER", str(ROOT / "build-broken" / "tokamak-server"))
BROKEN_ATTEMPTS = 5


def record(port, seed):
    line = [build_tool("linear"), *map(str, (port, CONNECTIONS, ROUNDS, OPERATIONS, seed))]
    return parse_histories(subprocess.run(line, capture_output=True, text=True, check=True, timeout=120).stdout)


def decide(name, operations):
    return register_linearizable(operations) if is_register(name) else linearizable(operations, *MODELS[name[0]])


def judge(histories):
    """(objects with an anomaly, objects that could not be decided)."""
    anomalies, undecided = [], []
    for name, operations in sorted(histories.items()):
        try:
            if not decide(name, operations):
                anomalies.append(name)
        except Undecided:
            undecided.append(name)
    return anomalies, undecided


def excerpt(operations):
    return "\n".join(map(repr, sorted(operations, key=lambda op: op.start)))[:4000]


def overlapping(histories):
    """How many operations ran while another one on the same object was under way."""
    count = 0
    for operations in histories.values():
        ordered = sorted(operations, key=lambda op: op.start)
        count += sum(a.end > b.start for a, b in zip(ordered, ordered[1:]))
    return count


@pytest.mark.parametrize("threshold", [4000, pytest.param(1, marks=pytest.mark.tokamak)])
def test_histories_are_linearizable(start_server, threshold):
    server = start_server(io_threads=4, slow_command_threshold=threshold)
    histories = record(server.port, seed=1)
    assert len(histories) >= 200 and overlapping(histories) > 10_000
    anomalies, undecided = judge(histories)
    assert not anomalies, f"{anomalies}\n{excerpt(histories[anomalies[0]])}"
    assert len(undecided) <= len(histories) // 100, undecided


@pytest.mark.skipif(not Path(BROKEN).exists(), reason=f"no build with -Dbroken_lock=true at {BROKEN}")
def test_a_missing_lock_is_found():
    for seed in range(BROKEN_ATTEMPTS):
        server = Server({"io-threads": 4}, BROKEN)
        try:
            anomalies, _ = judge(record(server.port, seed))
        finally:
            server.process.kill()
            server.process.wait()
        if anomalies:
            return
    pytest.fail(f"no anomaly in {BROKEN_ATTEMPTS} runs against the broken build")


def op(name, start, end, value=b"", reply=None, known=True):
    return Operation(name, value, start, end, reply, known)


GOOD = {
    "overlapping set and get": ("r", [op("SET", 0, 9, b"1", b"OK"), op("GET", 1, 2), op("GET", 3, 4, b"", b"1")]),
    "lost answer that happened": ("r", [op("SET", 0, float("inf"), b"1", known=False), op("GET", 5, 6, b"", b"1")]),
    "lost answer that did not": ("r", [op("SET", 0, float("inf"), b"1", known=False), op("GET", 5, 6)]),
    "pushes": ("l", [op("RPUSH", 0, 5, b"a", 2), op("RPUSH", 1, 6, b"b", 1), op("LRANGE", 7, 8, b"", [b"b", b"a"])]),
    "pair": ("p", [op("MGET", 0, 9, b"", [None, None]), op("MSET", 1, 2, b"1", b"OK")]),
}
BAD = {
    "stale read": ("r", [op("SET", 0, 1, b"1", b"OK"), op("GET", 2, 3)]),
    "read back in time": ("r", [op("SET", 0, 9, b"1", b"OK"), op("GET", 1, 2, b"", b"1"), op("GET", 3, 4)]),
    "two orders seen": ("r", [op("SET", 0, 9, b"1", b"OK"), op("SET", 0, 9, b"2", b"OK"), op("GET", 10, 11, b"", b"1"),
                              op("GET", 12, 13, b"", b"2")]),
    "two pushes, one length": ("l", [op("RPUSH", 0, 5, b"a", 1), op("RPUSH", 1, 6, b"b", 1)]),
    "element lost": ("l", [op("RPUSH", 0, 1, b"a", 1), op("LRANGE", 2, 3, b"", [])]),
    "order against time": ("l", [op("RPUSH", 0, 1, b"a", 2), op("RPUSH", 2, 3, b"b", 1)]),
    "torn append": ("a", [op("APPEND", 0, 1, b"xy", 2), op("GETALL", 2, 3, b"", b"x")]),
    "torn pair": ("p", [op("MSET", 0, 9, b"1", b"OK"), op("MGET", 1, 2, b"", [b"1", None])]),
}


@pytest.mark.parametrize("name", GOOD)
def test_checkers_accept(name):
    kind, operations = GOOD[name]
    assert linearizable(operations, *MODELS[kind]) and decide(kind, operations)


@pytest.mark.parametrize("name", BAD)
def test_checkers_reject(name):
    kind, operations = BAD[name]
    assert not linearizable(operations, *MODELS[kind]) and not decide(kind, operations)


def random_history(rng):
    """A few overlapping operations on one register, answered at random: about as often right as wrong."""
    operations = []
    for i in range(7):
        start = rng.randrange(20)
        end = start + rng.randrange(1, 8)
        if rng.random() < 0.4:
            operations.append(op("SET", start, end, b"%d" % i, b"OK"))
        else:
            operations.append(op("GET", start, end, b"", rng.choice([None, b"0", b"1", b"2", b"3"])))
    return operations


def test_both_checkers_agree():
    """The fast checker of registers against the general search, over small random histories."""
    rng = random.Random(1)
    verdicts = []
    for _ in range(20_000):
        history = random_history(rng)
        verdicts.append(register_linearizable(history))
        assert verdicts[-1] == linearizable(history, *MODELS["r"]), excerpt(history)
    assert 200 < sum(verdicts) < 19_800
