"""Snapshots under load: sums stay equal, and SIGKILL at any moment leaves a whole file."""
import random
import shutil
import threading
import time
from pathlib import Path

import pytest

from lib.log_faults import fault
from lib.resp import Connection, encode
from lib.server import REDIS
from lib.wait import wait_until

pytestmark = pytest.mark.tokamak
ACCOUNTS = 100_000
BALANCE = 1000


def info(conn, field):
    for line in conn.cmd("INFO", "persistence").decode().splitlines():
        name, _, text = line.partition(":")
        if name == field:
            return text
    raise KeyError(field)


def open_accounts(conn):
    for start in range(0, ACCOUNTS, 1000):
        conn.cmd("MSET", *(part for i in range(start, start + 1000) for part in (b"account:%d" % i, BALANCE)))


class Transfers(threading.Thread):
    """Moves money between accounts, in transactions and with MSET, until told to stop."""

    def __init__(self, port, seed):
        super().__init__(daemon=True)
        self.port, self.rng, self.count, self.stopping = port, random.Random(seed), 0, False

    def run(self):
        try:
            with Connection(self.port, 60) as conn:
                while not self.stopping:
                    batch = []
                    for _ in range(50):
                        a, b = (b"account:%d" % self.rng.randrange(ACCOUNTS) for _ in range(2))
                        amount = self.rng.randrange(100)
                        batch += [[b"MULTI"], [b"DECRBY", a, amount], [b"INCRBY", b, amount], [b"EXEC"]]
                    conn.pipeline(batch)
                    self.count += 50
        except OSError:
            pass


def total(twin, path):
    shutil.copy(path, f"{twin.dir}/dump.rdb")
    with twin.connect(60) as conn:
        assert conn.cmd("DEBUG", "RELOAD", "NOSAVE") == b"OK", twin.log()[-500:]
        assert conn.cmd("DBSIZE") == ACCOUNTS
        return sum(int(v) for start in range(0, ACCOUNTS, 5000)
                   for v in conn.cmd("MGET", *(b"account:%d" % i for i in range(start, start + 5000))))


def started(start_server):
    server = start_server(io_threads=4)
    with server.connect(60) as conn:
        open_accounts(conn)
    threads = [Transfers(server.port, seed) for seed in range(4)]
    for thread in threads:
        thread.start()
    return server, threads


def test_sums_are_equal_in_every_file(start_server):
    server, threads = started(start_server)
    twin = start_server()
    with server.connect(60) as conn:
        for _ in range(6):
            before = sum(thread.count for thread in threads)
            assert conn.cmd("BGSAVE") == b"Background saving started"
            assert wait_until(lambda: info(conn, "rdb_bgsave_in_progress") == "0", 120)
            assert sum(thread.count for thread in threads) > before
            assert total(twin, f"{server.dir}/dump.rdb") == ACCOUNTS * BALANCE
    for thread in threads:
        thread.stopping = True
    for thread in threads:
        thread.join(60)
    redis = start_server(binary=REDIS)
    assert total(redis, f"{server.dir}/dump.rdb") == ACCOUNTS * BALANCE


def test_killed_at_any_moment(start_server):
    """What is there after a SIGKILL is the last whole file, old or new."""
    server, threads = started(start_server)
    twin, rng = start_server(), random.Random(5)
    with server.connect(60) as conn:
        conn.cmd("SAVE")
    for round_number in range(8):
        with server.connect(60) as conn:
            conn.cmd("BGSAVE")
            time.sleep(rng.random() * 0.15)
        server.process.kill()
        server.process.wait()
        for thread in threads:
            thread.join(60)
        assert total(twin, f"{server.dir}/dump.rdb") == ACCOUNTS * BALANCE, round_number
        server.start()
        with server.connect(60) as conn:
            assert wait_until(lambda: info(conn, "loading") == "0", 60)
            assert conn.cmd("DBSIZE") == ACCOUNTS
        threads = [Transfers(server.port, seed) for seed in range(2)]
        for thread in threads:
            thread.start()
    assert len(list(Path(server.dir).glob("temp-*"))) <= 1, "leftovers pile up"
    for thread in threads:
        thread.stopping = True
    for thread in threads:
        thread.join(60)


def test_flush_and_swap_while_it_walks(start_server):
    server, twin = start_server(), start_server()
    with server.connect(60) as conn:
        for db in range(3):
            conn.cmd("SELECT", db)
            conn.cmd("DEBUG", "POPULATE", 2000 * (db + 1), "db%d" % db)
        conn.cmd("SELECT", 0)
        for change in (["FLUSHALL"], ["SWAPDB", 0, 2], ["FLUSHDB"], ["FLUSHALL", "ASYNC"]):
            digest = conn.cmd("DEBUG", "DIGEST")
            sizes = [int(info(conn, "current_save_keys_total"))]
            conn.cmd("CONFIG", "SET", "rdb-key-save-delay", 20)
            conn.cmd("BGSAVE")
            sizes.append(int(info(conn, "current_save_keys_total")))
            conn.cmd(*change)
            conn.cmd("DEBUG", "POPULATE", 3000, "new")
            conn.cmd("SWAPDB", 1, 2)
            conn.cmd("FLUSHDB")
            conn.cmd("CONFIG", "SET", "rdb-key-save-delay", 0)
            assert wait_until(lambda: info(conn, "rdb_bgsave_in_progress") == "0", 60)
            assert sizes[0] == 0 < sizes[1]
            shutil.copy(f"{server.dir}/dump.rdb", f"{twin.dir}/dump.rdb")
            with twin.connect(60) as other:
                assert other.cmd("DEBUG", "RELOAD", "NOSAVE") == b"OK"
                assert other.cmd("DEBUG", "DIGEST") == digest, change
            conn.cmd("FLUSHALL")
            for db in range(3):
                conn.cmd("SELECT", db)
                conn.cmd("DEBUG", "POPULATE", 2000 * (db + 1), "db%d" % db)
            conn.cmd("SELECT", 0)


@pytest.mark.parametrize("end", ["SHUTDOWN SAVE", "SIGTERM"])
def test_nothing_is_answered_after_the_last_save(start_server, end):
    """What a client has been told before a graceful stop is in the file."""
    server = start_server(io_threads=4, save="3600 1000000")
    acked = [0] * 4
    def write(number):
        try:
            with Connection(server.port, 30) as conn:
                while True:
                    acked[number] = conn.cmd("INCR", b"counter:%d" % number)
        except OSError:
            pass
    for _ in range(5):
        threads = [threading.Thread(target=write, args=(i,), daemon=True) for i in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        server.stopped = True
        with server.connect(30) as conn:
            if end == "SIGTERM":
                server.process.terminate()
            else:
                conn.send(b"SHUTDOWN SAVE\r\n")
            assert server.process.wait(60) == 0
        for thread in threads:
            thread.join(60)
        server.stopped = False
        server.start()
        with server.connect(30) as conn:
            assert wait_until(lambda: info(conn, "loading") == "0", 30)
            found = [int(n) for n in conn.cmd("MGET", *(b"counter:%d" % i for i in range(4)))]
        assert all(have >= told for have, told in zip(found, acked)), (found, acked)


def peak_kb(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


@pytest.mark.parametrize("overwrite", [False, True], ids=["walk", "queue"])
def test_long_strings_are_encoded_one_by_one(start_server, overwrite):
    """Not all that the walk meets in a moment, or that a transaction overwrites, at once."""
    server = start_server(rdbcompression="no")
    if b"__asan_init" in Path(server.binary).read_bytes():
        pytest.skip("freed memory stays in quarantine")
    with server.connect(60) as conn:
        conn.cmd("DEBUG", "POPULATE", 100, "key", 1 << 20)
        Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
        before = peak_kb(server)
        conn.cmd("BGSAVE")
        if overwrite:
            conn.cmd("MSET", *(part for i in range(100) for part in (b"key:%d" % i, b"")))
        assert wait_until(lambda: info(conn, "rdb_bgsave_in_progress") == "0", 60)
        assert Path(server.dir, "dump.rdb").stat().st_size > 100 << 20
        assert peak_kb(server) - before < 50 << 10


def rss_kb(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


def test_old_values_wait_for_a_slow_disk_within_bounds(start_server):
    """Who would hand over one more waits until there is room; all others go on, and the file is exact."""
    server, twin = start_server(rdbcompression="no", io_threads=4), start_server()
    keys = 160
    with server.connect(60) as conn:
        conn.cmd("DEBUG", "POPULATE", keys, "key", 1 << 20)
        conn.cmd("SET", "small", "old")
        digest, before = conn.cmd("DEBUG", "DIGEST"), rss_kb(server)
        fault(conn, "WRITE-DELAY-US", 300_000)  # each is a megabyte
        assert conn.cmd("BGSAVE") == b"Background saving started"
        writers = [server.connect(60) for _ in range(4)]
        for i in range(keys - 2):  # two are for those who run alone
            writers[i % 4].send(encode(["SETRANGE", f"key:{i}", 0, "x"]))
        assert wait_until(lambda: int(info(conn, "current_cow_size")) >= 64 << 20, 60)
        time.sleep(0.2)  # a writer has met the limit: until half is written, nobody passes
        alone = [server.connect(60) for _ in range(2)]
        alone[0].send(encode(["EVAL", "return redis.call('SET', KEYS[1], 'y')", 1, "key:159"]))
        alone[1].send(b"".join(map(encode, (["MULTI"], ["SET", "key:158", "z"], ["EXEC"]))))
        assert alone[1].read() == b"OK" and alone[1].read() == b"QUEUED"
        time.sleep(1)
        assert conn.cmd("SET", "new", "v") == b"OK" and len(conn.cmd("GET", "key:159")) == 1 << 20
        assert conn.cmd("EVAL_RO", "return redis.call('GET', KEYS[1])", 1, "new") == b"v"
        held = int(info(conn, "current_cow_size"))
        assert info(conn, "rdb_bgsave_in_progress") == "1", "the disk was too quick"
        assert held <= (64 << 20) + (8 << 20)
        if not any(name in Path(server.binary).read_bytes() for name in (b"__asan_init", b"__tsan_init")):
            assert rss_kb(server) - before < (64 + 40) << 10
        fault(conn, "WRITE-DELAY-US", 0)
        for i in range(keys - 2):
            assert writers[i % 4].read() == 1 << 20
        assert alone[0].read() == b"OK" and alone[1].read() == [b"OK"]
        assert wait_until(lambda: info(conn, "rdb_bgsave_in_progress") == "0", 60)
        assert info(conn, "rdb_last_bgsave_status") == "ok"
        shutil.copy(f"{server.dir}/dump.rdb", f"{twin.dir}/dump.rdb")
        for other in [*writers, *alone]:
            other.close()
    with twin.connect(60) as conn:
        assert conn.cmd("DEBUG", "RELOAD", "NOSAVE") == b"OK"
        assert conn.cmd("DEBUG", "DIGEST") == digest
