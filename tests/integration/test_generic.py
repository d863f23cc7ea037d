"""Commands on keys of any type: expiry, names, copies, walks, databases, OBJECT and MEMORY."""
import random
import threading
import time

import pytest

from lib.resp import Error, Map, Simple, Verbatim
from lib.wait import wait_until

EDGES = [-2**63, -2**63 + 1, -2**62, -2**32, -2**31 - 1, -1, 0, 1, 2**31 - 1, 2**31, 2**31 + 1, 2**32, 2**62,
         2**63 - 1]
NOT_INTEGER = Error(b"ERR value is not an integer or out of range")
SYNTAX = Error(b"ERR syntax error")
SAME_OBJECT = Error(b"ERR source and destination objects are the same")
DB_RANGE = Error(b"ERR DB index is out of range")
EXPIRE_COMMANDS = ["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"]


def fill_all_types(conn, suffix=""):
    """One key per type and encoding; returns the names."""
    conn.cmd("SET", "int" + suffix, 12345)
    conn.cmd("SET", "short" + suffix, "text")
    conn.cmd("SET", "long" + suffix, "x" * 5000)
    conn.cmd("RPUSH", "list" + suffix, *range(50), "tail")
    conn.cmd("RPUSH", "biglist" + suffix, *("element:%d" % i for i in range(3000)))
    conn.cmd("SADD", "intset" + suffix, *range(100))
    conn.cmd("SADD", "set" + suffix, *("m%d" % i for i in range(20)))
    conn.cmd("SADD", "bigset" + suffix, *("m%d" % i for i in range(2000)))
    conn.cmd("HSET", "hash" + suffix, *(w for i in range(20) for w in ("f%d" % i, i)))
    conn.cmd("HSET", "bighash" + suffix, *(w for i in range(2000) for w in ("f%d" % i, "v%d" % i)))
    conn.cmd("ZADD", "zset" + suffix, *(w for i in range(20) for w in (i / 3, "m%d" % i)))
    conn.cmd("ZADD", "bigzset" + suffix, *(w for i in range(2000) for w in (i / 7, "m%d" % i)))
    conn.cmd("ZADD", "infzset" + suffix, "inf", "a", "-inf", "b", "1e300", "c", "-0.1", "d")
    return [name + suffix for name in ("int short long list biglist intset set bigset hash bighash zset bigzset "
                                       "infzset").split()]


# ---- expiry ----

def test_expire_options(conn):
    conn.cmd("SET", "k", "v")
    assert conn.cmd("EXPIRE", "k", 100, "XX") == 0
    assert conn.cmd("EXPIRE", "k", 100, "GT") == 0  # a key without a TTL lives for ever
    assert conn.cmd("EXPIRE", "k", 100, "lt") == 1
    assert conn.cmd("EXPIRE", "k", 50, "NX") == 0
    assert conn.cmd("EXPIRE", "k", 50, "GT") == 0 and conn.cmd("EXPIRE", "k", 150, "XX", "GT") == 1
    assert conn.cmd("EXPIRE", "k", 200, "LT") == 0 and conn.cmd("EXPIRE", "k", 120, "XX", "LT") == 1
    assert conn.cmd("TTL", "k") in (119, 120)
    incompatible = Error(b"ERR NX and XX, GT or LT options at the same time are not compatible")
    for other in ("XX", "GT", "LT"):
        assert conn.cmd("EXPIRE", "k", 1, "NX", other) == incompatible
    assert conn.cmd("EXPIRE", "k", 1, "GT", "LT") == \
        Error(b"ERR GT and LT options at the same time are not compatible")
    assert conn.cmd("EXPIRE", "k", 1, "foo") == Error(b"ERR Unsupported option foo")
    assert conn.cmd("PERSIST", "k") == 1 and conn.cmd("PERSIST", "k") == 0
    assert conn.cmd("TTL", "k") == -1


@pytest.mark.parametrize("name", EXPIRE_COMMANDS)
def test_expire_at_the_edges(conn, oracle, name):
    """Far future, overflow and the past answer as redis-server does, and leave the same behind. In one transaction, in
    which time stands still: a millisecond is long enough to be seen."""
    with oracle.connect() as reference:
        for value in EDGES + ["", "1.5", "+1", " 1", "0x1", 9223372036854776, -9223372036854776, 9223370399119966]:
            got = []
            for c in (conn, reference):
                reply, when, exists = c.pipeline([["MULTI"], ["SET", "k", "v"], [name, "k", value], ["PEXPIRETIME", "k"],
                                                  ["EXISTS", "k"], ["EXEC"]])[-1][1:]
                relative = name in ("EXPIRE", "PEXPIRE") and when > 0
                got.append((reply, "later" if relative else when, exists))
            assert got[0] == got[1], f"{name} k {value}"


def test_times(conn):
    assert [conn.cmd(c, "none") for c in ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME")] == [-2] * 4
    conn.cmd("SET", "k", "v")
    assert [conn.cmd(c, "k") for c in ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME")] == [-1] * 4
    assert conn.cmd("PEXPIREAT", "k", 33177117420499) == 1
    assert conn.cmd("PEXPIRETIME", "k") == 33177117420499 and conn.cmd("EXPIRETIME", "k") == 33177117420
    assert conn.cmd("PEXPIREAT", "k", 33177117420500) == 1 and conn.cmd("EXPIRETIME", "k") == 33177117421
    assert conn.cmd("PEXPIREAT", "k", 2**63 - 1) == 1 and conn.cmd("PEXPIRETIME", "k") == 2**63 - 1
    _, seconds, ms = conn.pipeline([["PEXPIRE", "k", 1600], ["TTL", "k"], ["PTTL", "k"]])
    assert seconds == 2 and 1500 < ms <= 1600


def test_expired_keys_are_gone_for_every_command(conn):
    conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    names = fill_all_types(conn)
    for name in names:
        conn.cmd("PEXPIRE", name, 20)
    time.sleep(0.06)
    assert conn.cmd("DBSIZE") == len(names)  # nobody has looked yet
    assert conn.cmd("KEYS", "i*") == [] and conn.cmd("DBSIZE") == len(names) - 3
    assert conn.cmd("RANDOMKEY") is None and conn.cmd("DBSIZE") == 0
    fill_all_types(conn)
    for name in names:
        conn.cmd("PEXPIRE", name, 20)
    time.sleep(0.06)
    assert conn.cmd("SCAN", 0, "COUNT", 1000) == [b"0", []] and conn.cmd("DBSIZE") == 0
    conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 1)


def test_active_expiry_can_be_stopped(conn):
    conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    conn.cmd("SET", "k", "v", "PX", 10)
    time.sleep(0.2)
    assert conn.cmd("DBSIZE") == 1
    conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    assert wait_until(lambda: conn.cmd("DBSIZE") == 0)


# ---- names, copies, databases ----

@pytest.mark.smoke
def test_rename(conn):
    conn.cmd("SET", "a", "1", "EX", 100)
    conn.cmd("SET", "b", "2")
    assert conn.cmd("RENAMENX", "a", "b") == 0
    assert conn.cmd("RENAME", "a", "b") == Simple(b"OK")
    assert conn.cmd("GET", "b") == b"1" and conn.cmd("EXISTS", "a") == 0 and conn.cmd("TTL", "b") > 90
    assert conn.cmd("RENAME", "b", "b") == Simple(b"OK") and conn.cmd("RENAMENX", "b", "b") == 0
    assert conn.cmd("RENAMENX", "b", "c") == 1 and conn.cmd("TTL", "c") > 90
    conn.cmd("SET", "d", "4")
    assert conn.cmd("RENAME", "d", "c") == Simple(b"OK") and conn.cmd("TTL", "c") == -1
    for args in (("none", "x"), ("none", "none")):
        assert conn.cmd("RENAME", *args) == Error(b"ERR no such key")
        assert conn.cmd("RENAMENX", *args) == Error(b"ERR no such key")
    assert conn.cmd("DBSIZE") == 1


def test_rename_and_copy_keep_every_type(conn):
    names = fill_all_types(conn)
    digests = conn.cmd("DEBUG", "DIGEST-VALUE", *names)
    encodings = [conn.cmd("OBJECT", "ENCODING", name) for name in names]
    assert len(set(digests)) == len(names)
    for name in names:
        assert conn.cmd("COPY", name, "copy:" + name) == 1
        assert conn.cmd("COPY", name, "copy:" + name) == 0
        assert conn.cmd("RENAME", name, "moved:" + name) == Simple(b"OK")
    for prefix in ("copy:", "moved:"):
        assert conn.cmd("DEBUG", "DIGEST-VALUE", *(prefix + name for name in names)) == digests
        assert [conn.cmd("OBJECT", "ENCODING", prefix + name) for name in names] == encodings


def test_copies_are_deep(conn):
    names = fill_all_types(conn)
    before = conn.cmd("DEBUG", "DIGEST-VALUE", *names)
    for name in names:
        conn.cmd("COPY", name, "copy:" + name)
    conn.pipeline([["INCR", "copy:int"], ["APPEND", "copy:short", "x"], ["SETRANGE", "copy:long", 3, "y"],
                   ["LSET", "copy:list", 0, "x"], ["RPOP", "copy:biglist"], ["LPUSH", "copy:biglist", "x"],
                   ["SREM", "copy:intset", 5], ["SADD", "copy:set", "x"], ["SREM", "copy:bigset", "m5"],
                   ["HSET", "copy:hash", "f1", "x"], ["HSET", "copy:bighash", "f1", "x"], ["ZADD", "copy:zset", 9, "m1"],
                   ["ZADD", "copy:bigzset", 9, "m1"], ["ZREM", "copy:infzset", "a"]])
    assert conn.cmd("DEBUG", "DIGEST-VALUE", *names) == before
    after = conn.cmd("DEBUG", "DIGEST-VALUE", *("copy:" + name for name in names))
    assert not set(after) & set(before)


def test_copy_options(conn):
    conn.cmd("SET", "a", "1", "EX", 100)
    conn.cmd("SET", "b", "2")
    assert conn.cmd("COPY", "none", "b") == 0 and conn.cmd("COPY", "a", "b") == 0
    assert conn.cmd("COPY", "a", "b", "REPLACE") == 1 and conn.cmd("TTL", "b") > 90
    assert conn.cmd("COPY", "a", "a", "DB", 1) == 1 and conn.cmd("COPY", "a", "c", "replace", "db", 1) == 1
    assert conn.cmd("COPY", "a", "a") == SAME_OBJECT and conn.cmd("COPY", "a", "a", "DB", 0) == SAME_OBJECT
    assert conn.cmd("COPY", "a", "b", "DB", 16) == DB_RANGE and conn.cmd("COPY", "a", "b", "DB", -1) == DB_RANGE
    assert conn.cmd("COPY", "a", "b", "DB", "x") == NOT_INTEGER
    assert conn.cmd("COPY", "a", "b", "DB") == SYNTAX and conn.cmd("COPY", "a", "b", "foo") == SYNTAX
    conn.cmd("SELECT", 1)
    assert sorted(conn.cmd("KEYS", "*")) == [b"a", b"c"] and conn.cmd("TTL", "a") > 90


def test_move(conn):
    conn.cmd("SET", "k", "v", "EX", 100)
    assert conn.cmd("MOVE", "k", 0) == SAME_OBJECT and conn.cmd("MOVE", "none", 1) == 0
    assert conn.cmd("MOVE", "k", 1) == 1 and conn.cmd("EXISTS", "k") == 0 and conn.cmd("DBSIZE") == 0
    conn.cmd("SET", "k", "w")
    assert conn.cmd("MOVE", "k", 1) == 0
    for db, error in ((16, DB_RANGE), (-1, DB_RANGE), ("x", NOT_INTEGER)):
        assert conn.cmd("MOVE", "k", db) == error
    assert conn.cmd("MOVE", "k", 2**31) == \
        Error(b"ERR value is out of range, value must between -2147483648 and 2147483647")
    conn.cmd("SELECT", 1)
    assert conn.cmd("GET", "k") == b"v" and conn.cmd("TTL", "k") > 90


def test_expired_target_of_move_gives_way(conn):
    conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    conn.cmd("SELECT", 1)
    conn.cmd("SET", "k", "old", "PX", 10)
    conn.cmd("SELECT", 0)
    conn.cmd("SET", "k", "new")
    time.sleep(0.05)
    assert conn.cmd("MOVE", "k", 1) == 1
    conn.cmd("SELECT", 1)
    assert conn.cmd("GET", "k") == b"new" and conn.cmd("TTL", "k") == -1
    conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 1)


def test_flush_and_swap(conn):
    for db in range(3):
        conn.cmd("SELECT", db)
        fill_all_types(conn, str(db))
    conn.cmd("SELECT", 0)
    assert conn.cmd("SWAPDB", 0, 2) == Simple(b"OK") and conn.cmd("EXISTS", "int2") == 1
    assert conn.cmd("SWAPDB", 1, 1) == Simple(b"OK")
    assert conn.cmd("SWAPDB", "a", 1) == Error(b"ERR invalid first DB index")
    assert conn.cmd("SWAPDB", 1, "a") == Error(b"ERR invalid second DB index")
    assert conn.cmd("SWAPDB", 1, 16) == DB_RANGE and conn.cmd("SWAPDB", -1, 0) == DB_RANGE
    assert conn.cmd("FLUSHDB", "foo") == SYNTAX and conn.cmd("FLUSHALL", "SYNC", "ASYNC") == SYNTAX
    assert conn.cmd("FLUSHDB", "ASYNC") == Simple(b"OK") and conn.cmd("DBSIZE") == 0
    conn.cmd("SELECT", 2)
    assert conn.cmd("EXISTS", "int0") == 1
    assert conn.cmd("FLUSHALL", "sync") == Simple(b"OK")
    for db in range(3):
        conn.cmd("SELECT", db)
        assert conn.cmd("DBSIZE") == 0 and conn.cmd("KEYS", "*") == [] and conn.cmd("RANDOMKEY") is None


@pytest.mark.smoke
def test_delete_exists_touch_type(conn):
    names = fill_all_types(conn)
    kinds = [conn.cmd("TYPE", name) for name in names]
    assert kinds == [Simple(t) for t in [b"string"] * 3 + [b"list"] * 2 + [b"set"] * 3 + [b"hash"] * 2 + [b"zset"] * 3]
    assert conn.cmd("TYPE", "none") == Simple(b"none")
    assert conn.cmd("EXISTS", *names, "none", names[0]) == len(names) + 1
    assert conn.cmd("TOUCH", *names, "none") == len(names)
    assert conn.cmd("DEL", names[0], names[0], "none") == 1
    assert conn.cmd("UNLINK", *names) == len(names) - 1 and conn.cmd("DBSIZE") == 0


# ---- walks ----

def scan_all(conn, *options):
    cursor, keys, calls = b"0", [], 0
    while True:
        cursor, found = conn.cmd("SCAN", cursor, *options)
        keys += found
        calls += 1
        assert int(cursor) < 2**53, "clients read cursors as doubles"
        if cursor == b"0":
            return keys, calls


@pytest.mark.smoke
def test_scan(conn):
    conn.cmd("MSET", *(w for i in range(3000) for w in ("key:%d" % i, i)))
    conn.cmd("RPUSH", "list", 1)
    expected = {b"key:%d" % i for i in range(3000)} | {b"list"}
    for count in (1, 10, 1000, 10**6, 2**63 - 1):
        keys, calls = scan_all(conn, "COUNT", count)
        assert set(keys) == expected and len(keys) == len(expected)
        assert calls <= 3001 // min(count, 3001) + 2
    assert set(scan_all(conn, "MATCH", "key:1?")[0]) == {b"key:%d" % i for i in range(10, 20)}
    assert scan_all(conn, "TYPE", "LIST", "COUNT", 100)[0] == [b"list"]
    assert scan_all(conn, "TYPE", "nosuch", "COUNT", 5000)[0] == []
    assert scan_all(conn, "MATCH", "*1*", "TYPE", "list", "COUNT", 5000)[0] == []


def test_scan_arguments(conn):
    conn.cmd("SET", "k", "v")
    invalid = Error(b"ERR invalid cursor")
    for cursor in ("x", "1x", " 1", "+", "-", "99999999999999999999", "1.0"):
        assert conn.cmd("SCAN", cursor) == invalid
    for cursor in ("0", "-1", "", "+0", 2**64 - 1, *EDGES):
        reply = conn.cmd("SCAN", cursor)
        assert len(reply) == 2 and reply[1] in ([], [b"k"])
    for options in (("COUNT", 0), ("COUNT", -1), ("MATCH",), ("COUNT",), ("TYPE",), ("foo", "bar")):
        assert conn.cmd("SCAN", 0, *options) == SYNTAX
    assert conn.cmd("SCAN", 0, "COUNT", "x") == NOT_INTEGER


def test_scan_while_others_write(server, conn):
    """What stays is returned, whatever grows and shrinks around it."""
    conn.cmd("MSET", *(w for i in range(2000) for w in ("stay:%d" % i, i)))
    stop = threading.Event()

    def churn():
        rng = random.Random(1)
        with server.connect() as other:
            while not stop.is_set():
                base = rng.randrange(20)
                other.pipeline([["SET", "go:%d:%d" % (base, i), i] for i in range(400)])
                other.pipeline([["DEL", "go:%d:%d" % (rng.randrange(20), i)] for i in range(400)])

    writer = threading.Thread(target=churn)
    writer.start()
    try:
        for count in (3, 10, 100):
            keys, _ = scan_all(conn, "MATCH", "stay:*", "COUNT", count)
            assert set(keys) == {b"stay:%d" % i for i in range(2000)}
        assert len(conn.cmd("KEYS", "stay:*")) == 2000
    finally:
        stop.set()
        writer.join()


def test_keys(conn):
    conn.cmd("MSET", "a", 1, "ab", 2, "abc", 3, "[x]", 4, "", 5)
    assert sorted(conn.cmd("KEYS", "*")) == [b"", b"[x]", b"a", b"ab", b"abc"]
    assert sorted(conn.cmd("KEYS", "a*")) == [b"a", b"ab", b"abc"]
    assert conn.cmd("KEYS", "a?") == [b"ab"] and conn.cmd("KEYS", "\\[*") == [b"[x]"]
    assert conn.cmd("KEYS", "") == [b""] and conn.cmd("KEYS", "zz*") == []


def test_randomkey_is_fair(conn):
    conn.cmd("MSET", *(w for i in range(50) for w in ("k%d" % i, i)))
    draws = conn.pipeline([["RANDOMKEY"]] * 10_000)
    counts = [draws.count(b"k%d" % i) for i in range(50)]
    assert sum(counts) == 10_000
    # chi-square with 49 degrees of freedom: above 100 once in 40,000 runs
    assert sum((n - 200) ** 2 / 200 for n in counts) < 100


# ---- OBJECT, MEMORY ----

def test_object(conn):
    conn.cmd("SET", "k", "v")
    assert conn.cmd("OBJECT", "ENCODING", "k") == b"embstr" and conn.cmd("OBJECT", "REFCOUNT", "k") == 1
    assert conn.cmd("OBJECT", "IDLETIME", "k") in (0, 1)
    for sub in ("ENCODING", "REFCOUNT", "IDLETIME", "FREQ"):
        assert conn.cmd("OBJECT", sub, "none") is None
    assert conn.cmd("OBJECT", "FREQ", "k").startswith(b"ERR An LFU maxmemory policy is not selected")
    conn.cmd("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    conn.cmd("SET", "lfu", "v")
    assert conn.cmd("OBJECT", "FREQ", "lfu") in (4, 5)
    assert conn.cmd("OBJECT", "IDLETIME", "lfu").startswith(b"ERR An LFU maxmemory policy is selected")
    assert conn.cmd("OBJECT", "NOSUCH", "k") == Error(b"ERR unknown subcommand 'NOSUCH'. Try OBJECT HELP.")
    help_lines = conn.cmd("OBJECT", "HELP")
    assert help_lines[0].startswith(b"OBJECT <subcommand>") and help_lines[-2] == Simple(b"HELP")


def test_idle_time_is_not_reset_by_questions(conn):
    conn.cmd("SET", "k", "v")
    time.sleep(2.1)
    for command in (["TTL", "k"], ["TYPE", "k"], ["EXISTS", "k"], ["OBJECT", "ENCODING", "k"], ["MEMORY", "USAGE", "k"],
                    ["DEBUG", "OBJECT", "k"], ["SCAN", 0], ["KEYS", "*"], ["RANDOMKEY"]):
        conn.cmd(*command)
    assert conn.cmd("OBJECT", "IDLETIME", "k") >= 2
    conn.cmd("TOUCH", "k")
    assert conn.cmd("OBJECT", "IDLETIME", "k") <= 1


def test_memory_usage(conn):
    names = fill_all_types(conn)
    sizes = [conn.cmd("MEMORY", "USAGE", name, "SAMPLES", 0) for name in names]
    assert all(size > 0 for size in sizes)
    named = dict(zip(names, sizes))
    assert 5000 < named["long"] < 7000 and named["short"] < 64
    assert named["bigset"] > 2000 * 8 > named["set"] and named["bighash"] > 2000 * 12
    assert conn.cmd("MEMORY", "USAGE", "none") is None
    for args in (("SAMPLES", -1), ("foo",), ("SAMPLES",), ("foo", 1)):
        assert conn.cmd("MEMORY", "USAGE", "int", *args) == SYNTAX
    assert conn.cmd("MEMORY", "USAGE", "int", "SAMPLES", "x") == NOT_INTEGER
    for samples in EDGES:
        reply = conn.cmd("MEMORY", "USAGE", "bighash", "SAMPLES", samples)
        assert reply == SYNTAX if samples < 0 else reply > 0


def test_memory_reports(server):
    with server.connect() as conn:
        conn.cmd("HELLO", 3)
        conn.cmd("SET", "k", "v", "EX", 100)
        stats = conn.cmd("MEMORY", "STATS")
        assert isinstance(stats, Map)
        fields = dict(zip(stats[::2], stats[1::2]))
        assert fields[b"keys.count"] == 1 and fields[b"total.allocated"] > 0
        assert isinstance(fields[b"db.0"], Map) and isinstance(fields[b"peak.percentage"], float)
        assert isinstance(conn.cmd("MEMORY", "DOCTOR"), Verbatim)
        assert isinstance(conn.cmd("MEMORY", "MALLOC-STATS"), Verbatim)
        assert conn.cmd("MEMORY", "PURGE") == Simple(b"OK")
