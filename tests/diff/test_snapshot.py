"""A snapshot taken under random commands holds exactly the data of the moment when it began.

The walk is slowed down, so that commands of every kind meet keys it has not reached: their old values must be handed
over first. A handler that changes a value before it announces the edit is caught here too.
"""
import random
import shutil
import time

import pytest

from diff.dump import differing, dump
from diff.generator import Generator
from lib.wait import wait_until

pytestmark = pytest.mark.tokamak
LIMITS = {"databases": 3, "proto_max_bulk_len": "1mb"}
FILLERS = 300
ROUNDS = 8
COMMANDS = 2500
BATCH = 250


def filler(rng):
    return b"filler:%d" % rng.randrange(FILLERS)


def make_filler(rng):
    """A command that creates a filler of some type; two out of ten are long."""
    key, count = filler(rng), rng.choice([1, 3, 10, 10, 600])
    words = [b"m%d" % rng.randrange(1000) for _ in range(count)]
    return rng.choice([
        lambda: [b"SET", key, rng.randbytes(rng.choice([3, 100, 600, 9000]))],
        lambda: [b"SET", key, rng.randrange(1 << 40)],
        lambda: [b"RPUSH", key, *words],
        lambda: [b"SADD", key, *words],
        lambda: [b"HSET", key, *(part for w in words for part in (w, w * 3))],
        lambda: [b"ZADD", key, *(part for w in words for part in (rng.random(), w))],
        lambda: [b"SETRANGE", key, 20000, b"x" * 30000],
        lambda: [b"XADD", key, b"*", *(part for w in words[:20] for part in (w, w * 3))],
        lambda: [b"XGROUP", b"CREATE", key, b"g", b"0", b"MKSTREAM"],
    ])()


def change_stream(rng, key):
    group, some = [b"GROUP", b"g", b"c%d" % rng.randrange(2)], b"%d" % (rng.randrange(1000) + 1)
    return rng.choice([
        [b"XADD", key, b"*", b"f", b"v"], [b"XTRIM", key, b"MAXLEN", 2], [b"XSETID", key, b"9999999999999-1"],
        [b"XREADGROUP", *group, b"COUNT", 2, b"STREAMS", key, b">"], [b"XREADGROUP", *group, b"STREAMS", key, b"0"],
        [b"XAUTOCLAIM", key, b"g", b"c0", 0, b"0"], [b"XGROUP", b"DELCONSUMER", key, b"g", b"c1"],
        [b"XGROUP", b"SETID", key, b"g", some], [b"XGROUP", b"DESTROY", key, b"g"],
        [b"XGROUP", b"CREATE", key, b"g", b"0"]])


def change_members(rng, key):
    """Of those that make_filler() gives; some are due at once."""
    names, when = [b"m%d" % rng.randrange(1000) for _ in range(40)], rng.choice([5, 10**8, 10**9])
    return rng.choice([
        [b"HPEXPIRE", key, when, b"FIELDS", 40, *names], [b"ZPEXPIRE", key, when, b"MEMBERS", 40, *names],
        [b"SADDEX", key, 100000, *names[:2]], [b"EXPIREMEMBER", key, names[0], when, b"ms"],
        [b"HPERSIST", key, b"FIELDS", 40, *names], [b"HGETDEL", key, b"FIELDS", 2, *names[:2]]])


def change_filler(rng):
    key, other, db = filler(rng), filler(rng), rng.randrange(3)
    return rng.choice([
        lambda: make_filler(rng), lambda: make_filler(rng), lambda: [b"DEL", key], lambda: [b"UNLINK", key, other],
        lambda: [b"RENAME", key, other], lambda: [b"MOVE", key, db], lambda: [b"COPY", key, other, b"REPLACE"],
        lambda: [b"APPEND", key, b"tail" * 300], lambda: [b"SETBIT", key, rng.randrange(5000), 1],
        lambda: [b"INCR", key], lambda: [b"PEXPIRE", key, rng.randrange(10**8, 10**9)], lambda: [b"PERSIST", key],
        lambda: [b"PEXPIRE", key, 5], lambda: [b"LPOP", key], lambda: [b"SPOP", key, 3], lambda: [b"ZPOPMIN", key],
        lambda: [b"LTRIM", key, 1, 2], lambda: [b"SORT", key, b"ALPHA", b"STORE", other],
        lambda: [b"SUNIONSTORE", other, key], lambda: [b"ZUNIONSTORE", other, 1, key],
        lambda: change_stream(rng, key), lambda: change_stream(rng, key), lambda: change_members(rng, key),
        lambda: change_members(rng, key), lambda: change_members(rng, key),
    ])()


def rare(rng):
    return rng.choice([[b"SWAPDB", 0, 1], [b"SWAPDB", 1, 2], [b"FLUSHDB"], [b"FLUSHDB", b"ASYNC"], [b"FLUSHALL"]])


def storm(rng, generator, count):
    """A batch of all of these; whole databases go or change places only now and then."""
    out = []
    for _ in range(count):
        dice = rng.random()
        out.append(generator.command() if dice < 0.4 else rare(rng) if dice > 0.9995 else change_filler(rng))
    return out


def refill(conn, rng):
    for db in range(3):
        conn.cmd("SELECT", db)
        conn.pipeline([make_filler(rng) for _ in range(FILLERS)])
        conn.pipeline([change_members(rng, filler(rng)) for _ in range(FILLERS)])
    conn.cmd("SELECT", 0)
    time.sleep(0.05) # what is due in 5 ms is gone


def lives(server, data):
    """When the members of hashes and sorted sets in a dump expire."""
    times = {}
    with server.connect(60) as conn:
        for (db, key), entry in data.items():
            if entry.kind not in (b"hash", b"zset"):
                continue
            names = [part[0] for part in entry.value]
            words = [b"HPEXPIRETIME", key, b"FIELDS"] if entry.kind == b"hash" else [b"ZPEXPIRETIME", key, b"MEMBERS"]
            found = conn.pipeline([[b"SELECT", db], [*words, len(names), *names]])[1]
            times[db, key] = {name: time for name, time in zip(names, found) if time != -1}
    return times


def saved(conn):
    return b"rdb_bgsave_in_progress:0" in conn.cmd("INFO", "persistence")


@pytest.mark.smoke
def test_a_snapshot_is_of_one_moment(start_server):
    check_one_moment(start_server(**LIMITS), start_server(**LIMITS))


def test_a_snapshot_takes_large_values_without_their_locks(start_server):
    """Nearly every collection counts as large: the walk pins it, and who changes it first waits for a worker."""
    check_one_moment(start_server(slow_command_threshold=8, io_threads=4, **LIMITS), start_server(**LIMITS))


def check_one_moment(server, twin):
    rng = random.Random(server.port)
    generator = Generator(server.port)
    with server.connect(120) as conn, twin.connect(120) as reader:
        conn.cmd("CONFIG", "SET", "rdb-key-save-delay", 150)
        seen = 0
        for round_number in range(ROUNDS):
            refill(conn, rng)
            expected = dump(server)
            expected_lives = lives(server, expected)
            assert conn.cmd("BGSAVE") == b"Background saving started"
            with server.connect(120) as first, server.connect(120) as second:
                for _ in range(0, COMMANDS, BATCH):
                    first.pipeline(storm(rng, generator, BATCH))
                    second.pipeline([change_filler(rng) for _ in range(BATCH)])
            generator.block = None
            assert wait_until(lambda: saved(conn), 120)
            assert b"rdb_last_bgsave_status:ok" in conn.cmd("INFO", "persistence")
            shutil.copy(f"{server.dir}/dump.rdb", f"{twin.dir}/dump.rdb")
            assert reader.cmd("DEBUG", "RELOAD", "NOSAVE") == b"OK", twin.log()[-500:]
            actual = dump(twin)
            wrong = differing(expected, actual, tolerance_ms=0, encodings=False)
            assert not wrong, f"seed {server.port}, round {round_number}\n" + "\n".join(
                f"{where}: had {expected.get(where)}\n  the file says {actual.get(where)}" for where in wrong[:5])
            assert lives(twin, actual) == expected_lives, f"seed {server.port}, round {round_number}"
            seen += sum(map(len, expected_lives.values()))
    assert seen > 100 # members that expire
