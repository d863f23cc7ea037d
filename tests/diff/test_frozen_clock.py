"""Times to live to the millisecond: both servers under a clock that stands still and jumps between batches.

So what expires, and what TTL says, has one right answer.
"""
import os
import random
import sys
import time

import pytest

from diff import compare
from diff.generator import Generator
from diff.runner import run, show
from lib.server import REDIS
from lib.tools import build_library

SEED = int(os.environ.get("DIFF_SEED", "1"))
SEGMENT, SEGMENTS = 2000, 10
LIMITS = {"databases": 3, "proto_max_bulk_len": "1mb"}
JUMPS_MS = [0, 1, 499, 500, 999, 1000, 1000, 1001, 2000]


class Clock:
    """The wall clock of both servers: a file that they have mapped (tests/tools/frozen_clock.c)."""

    def __init__(self, path):
        self.path = path
        self.now_ms = int(time.time()) * 1000
        self.advance_ms(0)

    def advance_ms(self, delta):
        self.now_ms += delta
        with open(self.path, "r+b" if os.path.exists(self.path) else "wb", buffering=0) as file:
            file.write(self.now_ms.to_bytes(8, sys.byteorder))

    def prefix(self):
        return ("env", f"LD_PRELOAD={build_library('frozen_clock')}", f"FROZEN_CLOCK={self.path}")


# CONFIG RESETSTAT forgets how many expired; Redis counts and measures keys that are due and not yet deleted.
EXCLUDED = {b"CONFIG", b"DBSIZE", b"MEMORY"}


class NearTimes(Generator):
    """Keys live for a few jumps of the clock, and often end on one exactly."""

    def __init__(self, seed, now_s):
        super().__init__(seed, exclude=EXCLUDED)
        self.base_s = now_s

    def draw_sec(self):
        return b"%d" % self.rng.randint(1, 8)

    def draw_ms(self):
        return b"%d" % (self.rng.randint(1, 8) * 1000 + self.rng.choice([0, 0, 1, -1, 500]))

    def draw_at(self):
        return b"%d" % (self.base_s + self.rng.randint(-2, 40))

    def draw_atms(self):
        return b"%d" % ((self.base_s + self.rng.randint(-2, 40)) * 1000 + self.rng.choice([0, 1, -1]))


def segments(servers, clocks):
    """Runs all segments; the first difference, told with the commands before it, or None."""
    rng = random.Random(SEED)
    for seed in range(SEED, SEED + SEGMENTS):
        generator = NearTimes(seed, clocks[0].now_ms // 1000)
        commands = [generator.command() for _ in range(SEGMENT)]
        found = run(servers, commands, protocol=2 + seed % 2, between=lambda: advance(clocks, rng.choice(JUMPS_MS)))
        if found:
            before = (" ".join(map(show, command)) for command in commands[max(0, found.index - 40):found.index])
            return "\n".join([f"seed {seed}: {found}", "after", *before])
    return None


def advance(clocks, delta_ms):
    for clock in clocks:
        clock.advance_ms(delta_ms)


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    monkeypatch.setattr(compare, "TOLERANCE_S", 0)


@pytest.mark.release
def test_expiry_under_a_frozen_clock(start_server, tmp_path):
    clock = Clock(str(tmp_path / "now"))
    servers = [start_server(binary, prefix=clock.prefix(), **LIMITS) for binary in (None, REDIS)]
    assert not (found := segments(servers, [clock])), found
    counts = [expired(server) for server in servers]
    assert min(counts) > 100, f"too few keys expired for the test to mean anything: {counts}"


@pytest.mark.release
def test_a_millisecond_would_be_noticed(start_server, tmp_path):
    clocks = [Clock(str(tmp_path / name)) for name in ("ours", "theirs")]
    clocks[0].advance_ms(1)
    servers = [start_server(binary, prefix=clock.prefix(), **LIMITS) for binary, clock in zip((None, REDIS), clocks)]
    assert segments(servers, clocks)


def expired(server):
    with server.connect() as conn:
        text = conn.cmd("INFO", "stats")
    return int(text.split(b"expired_keys:")[1].split(b"\r\n")[0])
