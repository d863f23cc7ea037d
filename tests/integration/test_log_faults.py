"""Faults of the disk under load, again and again, and a kill in the last one: nothing that was answered is lost, reads go on,
and it heals by itself.

FAULT_ROUNDS is the number of faults per policy, spread over the settings of the axes: 8 by default.
"""
import errno
import os
import random
import threading
import time

import pytest

from lib import axes as matrix
from lib.log_faults import MISCONF, fault, info, mounted_disk
from lib.resp import Error, encode
from lib.wait import wait_until

pytestmark = pytest.mark.tokamak

ROUNDS = -(-int(os.environ.get("FAULT_ROUNDS", "8")) // len(matrix.settings_for(False)))
WRITERS = 8
LONG = 60


class Writer(threading.Thread):
    """Counts up in two keys at once, and notes what was answered. A refused round has no effect."""

    def __init__(self, server, number):
        super().__init__(daemon=True)
        self.conn, self.number = server.connect(LONG), number
        self.acked = self.sent = self.refused = 0
        self.error = None
        self.ending = threading.Event()

    def turn(self):
        n, i = self.number, self.sent + 1
        self.sent = i
        self.conn.send(b"".join(map(encode, (["MULTI"], ["SET", f"a{n}", i], ["SET", f"b{n}", i], ["EXEC"]))))
        replies = [self.conn.read() for _ in range(4)]
        if isinstance(replies[3], Error):
            assert replies[1].startswith(MISCONF) or replies[3].startswith((MISCONF, b"EXECABORT")), replies
            self.refused += 1
            time.sleep(0.01)
        else:
            assert replies[3] == [b"OK", b"OK"], replies
            self.acked = i

    def run(self):
        try:
            while not self.ending.is_set():
                self.turn()
        except (AssertionError, OSError) as error:
            if not self.ending.is_set():
                self.error = error


def wait_refused(conn):
    """-MISCONF is the answer to writes; says after how many seconds."""
    started = time.monotonic()
    assert wait_until(lambda: info(conn, "aof_last_write_status") == b"err", LONG)
    took = time.monotonic() - started
    refused = conn.cmd("SET", "refused", "1")
    assert isinstance(refused, Error) and refused.startswith(MISCONF), refused
    return took


def acked(writers):
    return sum(writer.acked for writer in writers)


def wait_progress(conn, writers, count=20):
    before = acked(writers)
    healthy = wait_until(lambda: acked(writers) >= before + count or any(w.error for w in writers), LONG)
    assert healthy and not any(w.error for w in writers), ([w.error for w in writers], conn.cmd("INFO", "persistence"))


def fail_writes(conn, error):
    fault(conn, "WRITE-ERROR", error)
    took = wait_refused(conn)
    still = conn.cmd("GET", "still")
    assert still == b"here" or still.startswith(MISCONF)  # its shard may hold a record that is not safe
    fault(conn, "WRITE-ERROR", 0)
    return took


def fail_syncs(conn, policy):
    """Nothing is accepted before a rewrite has succeeded, though syncs work again."""
    rewrites = int(info(conn, "aof_rewrites"))
    fault(conn, "SYNC-ERROR", errno.EIO)

    def has_failed():
        if policy == "no":  # only the start of a rewrite syncs
            conn.cmd("BGREWRITEAOF")
        return info(conn, "aof_last_write_status") == b"err" or int(info(conn, "aof_rewrites")) > rewrites

    assert wait_until(has_failed, LONG)
    assert conn.cmd("GET", "still") == b"here"
    fault(conn, "SYNC-ERROR", 0)
    assert wait_until(lambda: info(conn, "aof_last_write_status") == b"ok", LONG)
    assert wait_until(lambda: int(info(conn, "aof_rewrites")) > rewrites, LONG)  # counted a moment later


def slow_down(conn, policy):
    conn.cmd("LATENCY", "RESET")
    fault(conn, "WRITE-DELAY-US", 200_000)
    assert wait_until(lambda: b"aof-write" in [event[0] for event in conn.cmd("LATENCY", "LATEST")], LONG)
    assert conn.cmd("GET", "still") == b"here"
    assert info(conn, "aof_last_write_status") == b"ok"
    fault(conn, "WRITE-DELAY-US", 0)
    names = {event[0] for event in conn.cmd("LATENCY", "LATEST")}
    assert names & {b"aof-write-alone", b"aof-write-pending-fsync", b"aof-write-active-child"}, names
    assert policy != "no" or b"aof-fsync-always" not in names


def break_disk(conn, kind, policy):
    if kind == "slow":
        slow_down(conn, policy)
    elif kind == "sync":
        fail_syncs(conn, policy)
    else:
        took = fail_writes(conn, errno.EIO if kind == "write" else errno.ENOSPC)
        assert took < 10, took  # the promise is a second, on a machine that is not ours alone


@pytest.mark.parametrize("policy", ("always", "everysec", "no"))
def test_faults_under_load(start_server, policy):
    rng = random.Random(policy)
    server = start_server(appendonly="yes", appendfsync=policy, io_threads=4, latency_monitor_threshold=100)
    writers = [Writer(server, n) for n in range(WRITERS)]
    with server.connect(LONG) as conn:
        assert conn.cmd("SET", "still", "here") == b"OK"
        for writer in writers:
            writer.start()
        for round_number in range(ROUNDS):
            wait_progress(conn, writers)
            if rng.random() < 0.3:
                conn.cmd("BGREWRITEAOF")
            break_disk(conn, ("full", "write", "sync", "slow")[round_number % 4], policy)
        wait_progress(conn, writers)
        fault(conn, "WRITE-ERROR", errno.ENOSPC)
        wait_refused(conn)
    for writer in writers:
        writer.ending.set()
    server.process.kill()
    server.process.wait()
    for writer in writers:
        writer.join(LONG)
        writer.conn.close()
        assert not writer.error
    server.start()
    with server.connect(LONG) as conn:
        assert wait_until(lambda: b"\r\nloading:0" in conn.cmd("INFO", "persistence"), LONG)
        assert conn.cmd("GET", "refused") is None
        for writer in writers:
            one, two = conn.cmd("MGET", f"a{writer.number}", f"b{writer.number}")
            assert one == two and writer.acked <= int(one) <= writer.sent, (writer.number, writer.acked, one, two)
    assert sum(writer.refused for writer in writers) > 0


def test_latency_of_syncs(start_server):
    server = start_server(appendonly="yes", appendfsync="always", latency_monitor_threshold=100)
    with server.connect() as conn:
        fault(conn, "SYNC-DELAY-US", 150_000)
        conn.cmd("SET", "a", "1")
        fault(conn, "SYNC-DELAY-US", 0)
        assert b"aof-fsync-always" in [event[0] for event in conn.cmd("LATENCY", "LATEST")]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MB."""
    with mounted_disk(tmp_path, "8m") as disk:
        yield disk


def fill(path):
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC


@pytest.mark.parametrize("policy", ("always", "everysec", "no"))
def test_disk_that_is_really_full(start_server, small_disk, policy):
    server = start_server(appendonly="yes", appendfsync=policy, io_threads=4, dir=str(small_disk))
    with server.connect(LONG) as conn, server.connect(LONG) as writer:
        assert conn.cmd("MSET", "still", "here", "calm", "here") == b"OK"
        for i in range(3):
            fill(small_disk / "fill")
            writer.send(encode(["SET", f"large{i}", bytes([65 + i]) * 100_000]))
            wait_refused(conn)
            assert b"here" in [conn.cmd("GET", key) for key in ("still", "calm")]  # one may share the shard of large…
            os.unlink(small_disk / "fill")
            assert writer.read() == b"OK"
            assert wait_until(lambda n=i: conn.cmd("SET", "round", n) == b"OK", LONG)
        # a rewrite finds no room: the log goes on as it was, and nothing half written stays
        fill(small_disk / "fill")
        conn.cmd("BGREWRITEAOF")
        assert wait_until(lambda: int(info(conn, "aof_rewrites_consecutive_failures")) > 0, LONG)
        assert not [name for name in os.listdir(small_disk / "appendonlydir") if name.startswith("temp")]
        os.unlink(small_disk / "fill")
        assert wait_until(lambda: not isinstance(conn.cmd("BGREWRITEAOF"), Error) and
                          info(conn, "aof_last_bgrewrite_status") == b"ok", LONG)
        assert wait_until(lambda: conn.cmd("SET", "round", "last") == b"OK", LONG)
    server.process.kill()
    server.process.wait()
    server.start()
    with server.connect(LONG) as conn:
        assert wait_until(lambda: conn.cmd("DBSIZE") == 6, LONG)
        assert conn.cmd("MGET", "still", "round") == [b"here", b"last"]
        assert all(conn.cmd("GET", f"large{i}") == bytes([65 + i]) * 100_000 for i in range(3))
