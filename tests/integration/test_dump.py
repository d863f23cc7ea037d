"""DUMP and RESTORE: options, both ways with redis-server, every encoding there ever was, damaged payloads."""
import random
import struct

import pytest

from lib import rdb
from lib.resp import Error

FOOTER = Error(b"ERR DUMP payload version or checksum are wrong")
FORMAT = Error(b"ERR Bad data format")
SYNTAX = Error(b"ERR syntax error")
BIG = [b"member:%d" % i for i in range(1500)]


def fill(conn):
    """One key per type and encoding; their names."""
    conn.cmd("SET", "int", 12345)
    for i, number in enumerate((0, -1, 127, -128, 128, 32767, -32769, 2**31 - 1, -2**31, 2**31, 2**63 - 1)):
        conn.cmd("SET", "int:%d" % i, number)
    conn.cmd("SET", "empty", "")
    conn.cmd("SET", "short", "text\x00\xff")
    conn.cmd("SET", "long", "x" * 5000)
    conn.cmd("SET", "random", random.Random(1).randbytes(70000))
    conn.cmd("RPUSH", "list", *range(50), "tail", "", "y" * 100)
    conn.cmd("RPUSH", "biglist", *BIG, "z" * 10000, *range(100), random.Random(2).randbytes(20000), "end")
    conn.cmd("SADD", "intset", *range(100), -5, 70000)
    conn.cmd("SADD", "intset64", 2**40, -2**40)
    conn.cmd("SADD", "set", *("m%d" % i for i in range(20)), 7, "")
    conn.cmd("SADD", "bigset", *BIG, *range(500))
    conn.cmd("HSET", "hash", *(w for i in range(20) for w in ("f%d" % i, i)), "", "")
    conn.cmd("HSET", "bighash", *(w for m in BIG for w in (m, m * 3)))
    conn.cmd("ZADD", "zset", *(w for i in range(20) for w in (i / 3, "m%d" % i)), "inf", "i", "-inf", "j", "5e-324", 9)
    conn.cmd("ZADD", "bigzset", *(w for i, m in enumerate(BIG) for w in (i / 7, m)), "inf", "i", "-inf", "j")
    return conn.cmd("KEYS", "*")


def value(conn, key):
    kind = conn.cmd("TYPE", key)
    if kind == b"string":
        return conn.cmd("GET", key)
    if kind == b"list":
        return conn.cmd("LRANGE", key, 0, -1)
    if kind == b"zset":
        flat = conn.cmd("ZRANGE", key, 0, -1, "WITHSCORES")
        return list(zip(flat[::2], map(float, flat[1::2])))
    flat = conn.cmd("SMEMBERS" if kind == b"set" else "HGETALL", key)
    return sorted(flat) if kind == b"set" else sorted(zip(flat[::2], flat[1::2]))


def move(source, target, names):
    for key in names:
        payload = source.cmd("DUMP", key)
        assert target.cmd("RESTORE", b"copy:" + key, 0, payload) == b"OK", key
        assert value(target, b"copy:" + key) == value(source, key), key
    return len(names)


@pytest.mark.smoke
def test_to_itself(conn):
    names = fill(conn)
    assert move(conn, conn, names) == len(names) >= 20
    for key in names:
        assert conn.cmd("OBJECT", "ENCODING", b"copy:" + key) == conn.cmd("OBJECT", "ENCODING", key) or \
            key in (b"short", b"long"), key
    assert conn.cmd("DUMP", "none") is None


def test_to_redis_and_back(conn, oracle):
    with oracle.connect() as redis:
        redis.cmd("FLUSHALL")
        assert move(conn, redis, fill(conn)) >= 20
        conn.cmd("FLUSHALL")
        redis.cmd("FLUSHALL")
        assert move(redis, conn, fill(redis)) >= 20


def test_same_payload_as_redis(conn, oracle):
    """Where both keep values in one block, the bytes are the same."""
    with oracle.connect() as redis:
        redis.cmd("FLUSHALL")
        fill(conn)
        fill(redis)
        for key in ("int", "int:2", "int:7", "empty", "short", "intset", "intset64", "hash"):
            assert conn.cmd("DUMP", key) == redis.cmd("DUMP", key), key


def test_options(conn):
    conn.cmd("SET", "k", "value")
    payload = conn.cmd("DUMP", "k")
    assert conn.cmd("RESTORE", "k", 0, payload) == Error(b"BUSYKEY Target key name already exists.")
    assert conn.cmd("RESTORE", "k", 5000, payload, "replace") == b"OK"
    assert 0 < conn.cmd("PTTL", "k") <= 5000
    conn.cmd("SADD", "s", "a")
    conn.cmd("EXPIRE", "s", 100)
    assert conn.cmd("RESTORE", "s", 0, payload, "REPLACE") == b"OK"
    assert conn.cmd("TTL", "s") == -1 and conn.cmd("TYPE", "s") == b"string"
    conn.cmd("RPUSH", "l", "a")
    assert conn.cmd("RESTORE", "s", 2**42, conn.cmd("DUMP", "l"), "ABSTTL", "REPLACE") == b"OK"
    assert conn.cmd("PEXPIRETIME", "s") == 2**42 and conn.cmd("LRANGE", "s", 0, -1) == [b"a"]
    assert conn.cmd("RESTORE", "s", 1000, payload, "ABSTTL", "REPLACE") == b"OK"  # long gone
    assert conn.cmd("EXISTS", "s") == 0
    assert conn.cmd("RESTORE", "s", 0, payload, "IDLETIME", 1000) == b"OK"
    assert conn.cmd("OBJECT", "IDLETIME", "s") in (1000, 1001)
    assert conn.cmd("RESTORE", "s", 0, payload, "IDLETIME", 2**63 - 1, "REPLACE") == b"OK"
    assert conn.cmd("RESTORE", "s", 2**63 - 1, payload, "REPLACE") == b"OK"  # wraps around to the past
    assert conn.cmd("EXISTS", "s") == 0
    for ttl in (-1, -2**63):
        assert conn.cmd("RESTORE", "n", ttl, payload) == Error(b"ERR Invalid TTL value, must be >= 0")
    assert conn.cmd("RESTORE", "n", 0, payload, "IDLETIME", -1) == Error(b"ERR Invalid IDLETIME value, must be >= 0")
    for frequency in (-1, 256):
        assert conn.cmd("RESTORE", "n", 0, payload, "FREQ", frequency) == \
            Error(b"ERR Invalid FREQ value, must be >= 0 and <= 255")
    assert conn.cmd("RESTORE", "n", 0, payload, "FREQ") == SYNTAX
    assert conn.cmd("RESTORE", "n", 0, payload, "FREQ", 1, "IDLETIME", 1) == SYNTAX
    conn.cmd("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    assert conn.cmd("RESTORE", "f", 0, payload, "FREQ", 100) == b"OK"
    assert conn.cmd("OBJECT", "FREQ", "f") == 100
    conn.cmd("CONFIG", "SET", "maxmemory-policy", "noeviction")


LONG = b"long text " * 50
VALUES = [
    ("lzf string", 0, rdb.lzf(LONG), LONG),
    ("32-bit length", 0, b"\x80\0\0\0\3abc", b"abc"),
    ("64-bit length", 0, b"\x81\0\0\0\0\0\0\0\3abc", b"abc"),
    ("linked list", 1, rdb.strings(b"a", b"b", b"a"), [b"a", b"b", b"a"]),
    ("set", 2, rdb.strings(b"a", b"1"), [b"1", b"a"]),
    ("zset", 3, b"\4\1a\3" b"1.5" b"\1b\xfe\1c\xff\1d\1" b"7", [(b"c", -float("inf")), (b"a", 1.5), (b"d", 7),
                                                               (b"b", float("inf"))]),
    ("hash", 4, b"\1" + rdb.text(b"f") + rdb.lzf(LONG), [(b"f", LONG)]),
    ("zset2", 5, b"\1\1a" + struct.pack("<d", 0.1), [(b"a", 0.1)]),
    ("zipmap", 9, rdb.text(rdb.zipmap((b"k", b"v"), (b"", b"w" * 300))), [(b"", b"w" * 300), (b"k", b"v")]),
    ("zipmap with free bytes", 9, rdb.text(rdb.zipmap((b"k", b"v"), (b"l", b"w"), free=3)), [(b"k", b"v"), (b"l", b"w")]),
    ("list ziplist", 10, rdb.text(rdb.ziplist(b"a", 0, 12, 13, -1, 127, -128, 300, -40000, 8388607, 2**31, -2**63, LONG,
                                              b"b" * 20000, b"last")),
     [b"a", b"0", b"12", b"13", b"-1", b"127", b"-128", b"300", b"-40000", b"8388607", b"%d" % 2**31, b"%d" % -2**63,
      LONG, b"b" * 20000, b"last"]),
    ("intset 16", 11, rdb.text(rdb.intset(2, -5, 3, 300)), [b"-5", b"3", b"300"]),
    ("intset 64", 11, rdb.lzf(rdb.intset(8, -2**63, 2**63 - 1)), [b"%d" % -2**63, b"%d" % (2**63 - 1)]),
    ("zset ziplist", 12, rdb.text(rdb.ziplist(b"a", 1, b"b", b"2.5", b"c", b"inf")),
     [(b"a", 1), (b"b", 2.5), (b"c", float("inf"))]),
    ("hash ziplist", 13, rdb.lzf(rdb.ziplist(b"f", 1, b"g", b"h")), [(b"f", b"1"), (b"g", b"h")]),
    ("quicklist", 14, b"\2" + rdb.text(rdb.ziplist(b"a", 2)) + rdb.lzf(rdb.ziplist(b"c")), [b"a", b"2", b"c"]),
    ("hash listpack", 16, rdb.text(rdb.listpack(b"f", b"1")), [(b"f", b"1")]),
    ("zset listpack", 17, rdb.text(rdb.listpack(b"a", b"1.25")), [(b"a", 1.25)]),
    ("quicklist2", 18, b"\3\2" + rdb.text(rdb.listpack(b"a", b"b")) + b"\1" + rdb.text(LONG) + b"\2" +
     rdb.lzf(rdb.listpack(b"c")), [b"a", b"b", LONG, b"c"]),
    ("set listpack", 20, rdb.text(rdb.listpack(b"a", b"b")), [b"a", b"b"]),
]


@pytest.mark.parametrize("name, kind, body, expected", VALUES, ids=[v[0] for v in VALUES])
def test_every_encoding(conn, name, kind, body, expected):
    for version in (1, 10, 11, 12, 80):
        assert conn.cmd("RESTORE", "k", 0, rdb.payload(kind, body, version), "REPLACE") == b"OK"
        assert value(conn, "k") == expected
    for version in (0, 13, 79, 81, 65535):
        assert conn.cmd("RESTORE", "n", 0, rdb.payload(kind, body, version)) == FOOTER


NAN = struct.pack("<d", float("nan"))
BAD = [
    ("nothing", 0, b""), ("cut string", 0, b"\5abc"), ("left over", 0, b"\1ab"), ("unknown type", 6, b"\1a"),
    ("module", 7, b"\1a"), ("stream", 21, b"\0"), ("opcode", 255, b""), ("bad special", 0, b"\xc4\1"),
    ("bad length", 0, b"\x82\0\0\0\1a"), ("huge string", 0, b"\x81" + b"\xff" * 8 + b"a"),
    ("lzf of nothing", 0, b"\xc3\1\0\0"), ("lzf bomb", 0, b"\xc3\2\x80\x7f\xff\xff\xff\0a"),
    ("lzf too short", 0, b"\xc3\2\2\0a"), ("lzf back reference", 0, b"\xc3\2\3\x20\0"),
    ("empty list", 1, b"\0"), ("empty set", 2, b"\0"), ("empty hash", 4, b"\0"), ("empty zset", 5, b"\0"),
    ("empty ziplist", 10, rdb.text(rdb.ziplist())), ("empty quicklist", 18, b"\0"),
    ("huge set", 2, b"\x81\x7f" + b"\xff" * 7 + b"\1a"), ("huge hash", 4, b"\x80\xff\xff\xff\xff\1a\1b"),
    ("huge zset", 5, b"\x81\x7f" + b"\xff" * 7 + b"\1a" + b"\0" * 8), ("huge quicklist", 18, b"\x80\xff\xff\xff\xff\1\1a"),
    ("set twice", 2, rdb.strings(b"a", b"b", b"a")), ("hash twice", 4, b"\2\1a\1b\1a\1c"),
    ("zset twice", 5, b"\2\1a" + b"\0" * 8 + b"\1a" + b"\0" * 8), ("zset nan", 5, b"\1\1a" + NAN),
    ("zset old nan", 3, b"\1\1a\xfd"), ("zset bad score", 3, b"\1\1a\1x"),
    ("intset order", 11, rdb.text(rdb.intset(2, 3, 1))), ("intset twice", 11, rdb.text(rdb.intset(2, 3, 3))),
    ("intset width", 11, rdb.text(rdb.intset(3, 1))), ("intset cut", 11, rdb.text(rdb.intset(2, 1, 2)[:-1])),
    ("ziplist odd", 13, rdb.text(rdb.ziplist(b"a", b"b", b"c"))),
    ("ziplist twice", 13, rdb.text(rdb.ziplist(b"a", b"b", b"a", b"c"))),
    ("ziplist nan", 12, rdb.text(rdb.ziplist(b"a", b"nan"))), ("ziplist score", 12, rdb.text(rdb.ziplist(b"a", b""))),
    ("ziplist end", 10, rdb.text(rdb.ziplist(b"a")[:-1] + b"\0")),
    ("ziplist bytes", 10, rdb.text(b"\xff" + rdb.ziplist(b"a")[1:])),
    ("ziplist tail", 10, rdb.text(rdb.ziplist(b"a", b"b").replace(b"\x0d\0\0\0", b"\x0b\0\0\0"))),
    ("ziplist count", 10, rdb.text(rdb.ziplist(b"a")[:8] + b"\2\0" + rdb.ziplist(b"a")[10:])),
    ("ziplist before", 10, rdb.text(rdb.ziplist(b"a")[:10] + b"\1" + rdb.ziplist(b"a")[11:])),
    ("ziplist form", 10, rdb.text(struct.pack("<IIH", 13, 10, 1) + b"\0\xff\xff")),
    ("zipmap cut", 9, rdb.text(b"\1\1k\5\0v\xff")), ("zipmap odd", 9, rdb.text(b"\1\1k\xff")),
    ("zipmap twice", 9, rdb.text(rdb.zipmap((b"k", b"v"), (b"k", b"w")))),
    ("zipmap count", 9, rdb.text(b"\2" + rdb.zipmap((b"k", b"v"))[1:])),
    ("listpack odd", 16, rdb.text(rdb.listpack(b"a"))), ("listpack back", 18, b"\1\2" + rdb.text(rdb.listpack(b"a").replace(b"a\2", b"a\3"))),
    ("listpack bytes", 18, b"\1\2" + rdb.text(rdb.listpack(b"a") + b"\0")), ("bad container", 18, b"\1\3\1a"),
    ("set listpack twice", 20, rdb.text(rdb.listpack(b"a", b"a"))),
]


@pytest.mark.parametrize("name, kind, body", BAD, ids=[b[0] for b in BAD])
def test_bad_values(conn, name, kind, body):
    assert conn.cmd("RESTORE", "k", 0, rdb.payload(kind, body)) == FORMAT
    assert conn.cmd("EXISTS", "k") == 0


def test_footers(conn):
    payload = rdb.payload(0, b"\1a")
    # (A zero byte in front does not change the sum: without it, the payload is another valid one.)
    for damaged in (b"", b"a", payload[:-1], payload[2:], payload[:-1] + bytes([payload[-1] ^ 1]), b"\0" * 10):
        assert conn.cmd("RESTORE", "k", 0, damaged) == FOOTER


def test_damaged_payloads(conn):
    """Whatever a flipped or missing byte does, the server answers and stays."""
    rng = random.Random(5)
    bodies = [conn.cmd("DUMP", key)[:-10] for key in fill(conn)] + [bytes([v[1]]) + v[2] for v in VALUES]
    for _ in range(1500):
        body = bytearray(rng.choice(bodies)[:3000])
        for _ in range(rng.randint(1, 3)):
            body[rng.randrange(len(body))] = rng.randrange(256)
        if rng.random() < 0.2:
            del body[rng.randrange(1, len(body) + 1):]
        reply = conn.cmd("RESTORE", "k", 0, rdb.payload(body[0], bytes(body[1:])), "REPLACE")
        assert reply in (b"OK", FORMAT)
    assert conn.cmd("PING") == b"PONG"
