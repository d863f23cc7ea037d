"""Members with a time to live of their own: hash fields as in Redis 8, sorted sets as in Garnet, sets as in
Dragonfly, EXPIREMEMBER as in KeyDB. What has expired is seen by no command, whoever or whatever removes it."""
import random
import struct
import threading
import time

import pytest

from lib import rdb
from lib.resp import Error, NullArray
from lib.wait import wait_until

WRONGTYPE = Error(b"WRONGTYPE Operation against a key holding the wrong kind of value")
NOT_INTEGER = Error(b"ERR value is not an integer or out of range")
NEGATIVE = Error(b"ERR invalid expire time, must be >= 0")
LATEST_MS = 2**46 - 1


class Family:
    """How a type's members are added and its commands are called."""

    def __init__(self, prefix, word, key, add, parameter, noun):
        self.prefix, self.word, self.key, self.add = prefix, word, key, add
        self.parameter, self.noun = parameter, noun

    def name(self, verb):
        return self.prefix + verb

    def fill(self, conn, *members):
        for member in members:
            assert conn.cmd(*self.add(member)) == 1

    def expire(self, conn, verb, when, *members, rule=()):
        return conn.cmd(self.name(verb), self.key, when, *rule, self.word, len(members), *members)

    def ask(self, conn, verb, *members):
        return conn.cmd(self.name(verb), self.key, self.word, len(members), *members)


HASH = Family("H", "FIELDS", "h", lambda m: ("HSET", "h", m, 1), b"numfields", b"fields")
ZSET = Family("Z", "MEMBERS", "z", lambda m: ("ZADD", "z", 1, m), b"nummembers", b"members")


@pytest.fixture(params=[HASH, ZSET], ids=["hash", "zset"])
def family(request):
    return request.param


def now_ms(conn):
    seconds, micros = conn.cmd("TIME")
    return int(seconds) * 1000 + int(micros) // 1000


def pass_ms(conn, ms):
    """Until the server's clock is beyond now + ms."""
    until = now_ms(conn) + ms
    assert wait_until(lambda: now_ms(conn) > until)


class Left(int):
    """What is left of a time of so many seconds, of which some may have passed since it was set."""

    def __eq__(self, other):
        return max(self - 20, 1) <= other <= int(self)

    __hash__ = None


def info_number(conn, section, name):
    text = conn.cmd("INFO", section)
    return int(text.split(name.encode() + b":")[1].split(b"\r\n")[0])


def subexpiry(conn, db=0):
    text = conn.cmd("INFO", "keyspace")
    head = b"db%d:" % db
    return int(text.split(head)[1].split(b"subexpiry=")[1].split(b"\r\n")[0]) if head in text else 0


# ---- HEXPIRE, HTTL, HPERSIST and ZEXPIRE … ----

def test_expire_ask_persist(conn, family):
    family.fill(conn, "a", "b", "c")
    assert family.expire(conn, "EXPIRE", 100, "a", "none", "b") == [1, -2, 1]
    assert subexpiry(conn) == 1
    assert family.ask(conn, "TTL", "a", "b", "c", "none") == [Left(100), Left(100), -1, -2]
    left = family.ask(conn, "PTTL", "a", "c", "none")
    assert 0 < left[0] <= 100_000 and left[1:] == [-1, -2]
    at = family.ask(conn, "PEXPIRETIME", "a", "c", "none")
    assert abs(at[0] - now_ms(conn) - 100_000) < 20_000 and at[1:] == [-1, -2]
    assert family.ask(conn, "EXPIRETIME", "a", "c", "none") == [(at[0] + 999) // 1000, -1, -2]
    assert family.ask(conn, "PERSIST", "a", "a", "c", "none") == [1, -1, -1, -2]
    assert family.ask(conn, "TTL", "a", "b") == [-1, Left(100)]
    assert subexpiry(conn) == 1
    assert family.ask(conn, "PERSIST", "b") == [1] and subexpiry(conn) == 0


def test_absolute_times(conn, family):
    family.fill(conn, "a", "b")
    assert family.expire(conn, "EXPIREAT", 33177117420, "a") == [1]
    assert family.expire(conn, "PEXPIREAT", 33177117420123, "b") == [1]
    assert family.ask(conn, "PEXPIRETIME", "a", "b") == [33177117420000, 33177117420123]
    assert family.ask(conn, "EXPIRETIME", "a", "b") == [33177117420, 33177117421]
    assert family.expire(conn, "PEXPIRE", 5_000_000, "b") == [1]
    assert 4_900_000 < family.ask(conn, "PTTL", "b")[0] <= 5_000_000


def test_conditions(conn, family):
    family.fill(conn, "a", "free")
    expire = lambda when, rule, *members: family.expire(conn, "EXPIREAT", when, *members, rule=(rule,))
    at = 33177117420
    assert expire(at, "XX", "a", "none") == [0, -2]
    assert expire(at, "gt", "a") == [0]
    assert expire(at, "NX", "a") == [1] and expire(at + 1, "nx", "a") == [0]
    assert expire(at, "GT", "a") == [0] and expire(at + 1, "GT", "a") == [1]
    assert expire(at + 1, "LT", "a") == [0] and expire(at, "Lt", "a", "free") == [1, 1]
    assert expire(at + 9, "XX", "a") == [1]
    assert family.ask(conn, "EXPIRETIME", "a", "free") == [at + 9, at]
    assert expire(1, "NX", "a") == [0], "a rule is asked before the past"
    assert expire(1, "LT", "a") == [2]


def test_past_times_remove(conn, family):
    family.fill(conn, "a", "b", "c", "d", "e")
    assert family.expire(conn, "EXPIRE", 0, "a", "a", "none") == [2, -2, -2]
    assert family.expire(conn, "PEXPIRE", 0, "b") == [2]
    assert family.expire(conn, "EXPIREAT", 1, "c") == [2]
    assert family.expire(conn, "PEXPIREAT", 0, "d") == [2]
    assert conn.cmd("EXISTS", family.key) == 1
    assert family.expire(conn, "EXPIRE", 0, "e") == [2]
    assert conn.cmd("EXISTS", family.key) == 0
    assert info_number(conn, "stats", "expired_subkeys") == 0


def test_missing_keys_and_wrong_types(conn, family):
    assert family.expire(conn, "EXPIRE", 10, "a", "b") == [-2, -2]
    for verb in ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME", "PERSIST"):
        assert family.ask(conn, verb, "a", "b") == [-2, -2]
    assert conn.cmd("EXISTS", family.key) == 0
    conn.cmd("SET", family.key, "text")
    assert family.expire(conn, "EXPIRE", "bad", "a") == WRONGTYPE
    for verb in ("TTL", "PERSIST"):
        assert family.ask(conn, verb, "a") == WRONGTYPE


def test_bad_arguments(conn, family):
    family.fill(conn, "a")
    key, word = family.key, family.word
    call = lambda verb, *args: conn.cmd(family.name(verb), key, *args)
    name = family.name("EXPIRE").lower().encode()
    parameter = b"numFields" if family is HASH else b"numMembers"
    missing = Error(b"ERR Mandatory argument %s is missing or not at the right position" % word.encode())
    mismatch = Error(b"ERR The `%s` parameter must match the number of arguments" % family.parameter)
    count = Error(b"ERR Number of %s must be a positive integer" % family.noun)
    for bad in (0, -1, "x", 2**63, ""):
        assert call("EXPIRE", 10, word, bad, "a") == Error(b"ERR Parameter `%s` should be greater than 0" % parameter)
        assert call("TTL", word, bad, "a") == count and call("PERSIST", word, bad, "a") == count
    for bad in (2, 3, 2**63 - 1, 2**32 + 1):
        assert call("EXPIRE", 10, word, bad, "a") == mismatch
        assert call("TTL", word, bad, "a") == mismatch and call("PERSIST", word, bad, "a") == mismatch
    assert call("EXPIRE", 10, "NX", word, 1, "a", "b") == mismatch
    assert call("EXPIRE", 10, "XY", word, 1, "a") == missing and call("TTL", "F", 1, "a") == missing
    assert call("EXPIRE", 10, "NX", "GT", word, 1, "a") == missing
    assert call("EXPIRE", 10, "NX", word, 1) == mismatch
    for bad in ("x", "", "1.5", 2**63, -2**63 - 1):
        assert call("EXPIRE", bad, word, 1, "a") == NOT_INTEGER
    assert call("EXPIRE", -1, word, 1, "a") == NEGATIVE and call("PEXPIREAT", -2**63, word, 1, "a") == NEGATIVE
    late = Error(b"ERR invalid expire time in '%s' command" % name)
    for when in (2**63 - 1, LATEST_MS // 1000 + 1, LATEST_MS // 1000):
        assert call("EXPIRE", when, word, 1, "a") == late
    assert call("TTL", word) == Error(b"ERR wrong number of arguments for '%sttl' command" % family.prefix.lower().encode())
    assert family.ask(conn, "TTL", "a") == [-1], "nothing was changed"


def test_latest_time(conn, family):
    family.fill(conn, "a")
    assert family.expire(conn, "PEXPIREAT", LATEST_MS, "a") == [1]
    assert family.ask(conn, "PEXPIRETIME", "a") == [LATEST_MS]
    assert family.expire(conn, "EXPIREAT", LATEST_MS // 1000, "a") == [1]
    for verb, when in (("PEXPIREAT", LATEST_MS + 1), ("EXPIREAT", LATEST_MS // 1000 + 1)):
        name = family.name(verb).lower().encode()
        assert family.expire(conn, verb, when, "a") == Error(b"ERR invalid expire time in '%s' command" % name)


def test_encoding_and_memory(conn, family):
    small, large = (b"listpack", b"hashtable" if family is HASH else b"skiplist")
    family.fill(conn, "a", "b")
    assert conn.cmd("OBJECT", "ENCODING", family.key) == small
    assert family.ask(conn, "PERSIST", "a") == [-1]
    assert conn.cmd("OBJECT", "ENCODING", family.key) == small
    family.expire(conn, "EXPIRE", 100, "a")
    assert conn.cmd("OBJECT", "ENCODING", family.key) == large
    with_one = conn.cmd("MEMORY", "USAGE", family.key)
    members = ["m%d" % i for i in range(1000)]
    family.fill(conn, *members)
    plain = conn.cmd("MEMORY", "USAGE", family.key, "SAMPLES", 0)
    family.expire(conn, "EXPIRE", 100, *members)
    # 4 bytes in the node, which may be 16 with its size class, and 16 in the heap, with its slack
    assert 16 <= (conn.cmd("MEMORY", "USAGE", family.key, "SAMPLES", 0) - plain) / 1000 <= 37 and with_one > 0


# ---- what writes do to a time to live ----

def test_hash_writes(conn):
    expire = lambda: HASH.expire(conn, "EXPIRE", 100, "n")
    ttl = lambda: HASH.ask(conn, "TTL", "n")[0]
    conn.cmd("HSET", "h", "n", 1, "other", 1)
    for write in (("HSET", "h", "n", 5), ("HMSET", "h", "n", "a longer value than before, in another size class"),
                  ("HSET", "h", "n", 1)):
        assert expire() == [1]
        conn.cmd(*write)
        assert ttl() == -1
    assert expire() == [1]
    assert conn.cmd("HINCRBY", "h", "n", 10**17) == 10**17 + 1 and ttl() == Left(100)
    assert conn.cmd("HINCRBYFLOAT", "h", "n", 0.5) and ttl() == Left(100)
    assert conn.cmd("HSETNX", "h", "n", 1) == 0 and ttl() == Left(100)
    assert conn.cmd("HDEL", "h", "n") == 1 and ttl() == -2
    conn.cmd("HSET", "h", "n", 1)
    assert ttl() == -1 and subexpiry(conn) == 0


def test_zset_writes(conn):
    expire = lambda: ZSET.expire(conn, "EXPIRE", 100, "m")
    ttl = lambda: ZSET.ask(conn, "TTL", "m")[0]
    conn.cmd("ZADD", "z", 1, "m", 2, "other")
    for args in ((5, "m"), (5, "m"), ("CH", 6, "m"), ("GT", 9, "m"), (1, "m", 7, "new")):
        assert expire() == [1]
        conn.cmd("ZADD", "z", *args)
        assert ttl() == -1
    assert expire() == [1]
    for args in (("NX", 5, "m"), ("LT", 500, "m"), ("INCR", 5, "m"), ("XX", "INCR", 5, "m")):
        conn.cmd("ZADD", "z", *args)
        assert ttl() == Left(100)
    assert conn.cmd("ZINCRBY", "z", 1, "m") == b"12" and ttl() == Left(100)
    assert conn.cmd("ZADD", "z", "CH", 12, "m") == 0 and ttl() == -1, "the same score, no change to count"
    assert subexpiry(conn) == 0
    assert expire() == [1]
    assert conn.cmd("ZADD", "z", 12, "m", 2, "other") == 0 and ttl() == -1 and subexpiry(conn) == 0
    assert conn.cmd("ZREM", "z", "m") == 1 and ttl() == -2
    expire_all = ZSET.expire(conn, "EXPIRE", 100, "new", "other")
    assert expire_all == [1, 1]
    assert conn.cmd("ZPOPMIN", "z") == [b"other", b"2"] and subexpiry(conn) == 1
    assert conn.cmd("ZREMRANGEBYRANK", "z", 0, -1) == 1 and conn.cmd("DBSIZE") == 0 and subexpiry(conn) == 0


# ---- HGETEX, HSETEX, HGETDEL ----

def test_hgetex(conn):
    conn.cmd("HSET", "h", "a", 1, "b", 2, "c", 3)
    get = lambda *args: conn.cmd("HGETEX", "h", *args)
    assert get("FIELDS", 3, "a", "none", "b") == [b"1", None, b"2"] and subexpiry(conn) == 0
    assert get("EX", 100, "FIELDS", 2, "a", "none") == [b"1", None]
    assert get("px", 50_000, "fields", 1, "b") == [b"2"]
    assert HASH.ask(conn, "TTL", "a", "b", "c", "none") == [Left(100), Left(50), -1, -2]
    assert get("EXAT", 33177117420, "FIELDS", 1, "a") == [b"1"] and get("PXAT", 33177117421001, "FIELDS", 1, "b") == [b"2"]
    assert HASH.ask(conn, "PEXPIRETIME", "a", "b") == [33177117420000, 33177117421001]
    assert get("PERSIST", "FIELDS", 2, "a", "c") == [b"1", b"3"]
    assert HASH.ask(conn, "TTL", "a", "c") == [-1, -1]
    assert get("EX", 0, "FIELDS", 2, "a", "a") == [b"1", None]
    assert get("PXAT", 1, "FIELDS", 2, "b", "c") == [b"2", b"3"] and conn.cmd("EXISTS", "h") == 0
    assert get("EX", 10, "FIELDS", 2, "a", "b") == [None, None] and conn.cmd("EXISTS", "h") == 0


def test_hgetex_bad_arguments(conn):
    conn.cmd("HSET", "h", "a", 1)
    missing = Error(b"ERR Mandatory argument FIELDS is missing or not at the right position")
    positive = Error(b"ERR Number of fields must be a positive integer")
    arity = Error(b"ERR wrong number of arguments for 'hgetex' command")
    for args, error in (
            (("FIELDS", 1), arity), (("XFIELDX", 1, "a"), missing), (("PXAT", 1, 1), missing),
            (("PERSIST", 1, "FIELDS", 1, "a"), missing), (("EX", 1, "FIELDS"), arity),
            (("FIELDS", 0, "a"), positive), (("FIELDS", -1, "a"), positive), (("FIELDS", 2**63, "a"), positive),
            (("FIELDS", 2, "a"), Error(b"ERR The `numfields` parameter must match the number of arguments")),
            (("EX", "bla", "FIELDS", 1, "a"), NOT_INTEGER), (("EXAT", 2**63, "FIELDS", 1, "a"), NOT_INTEGER),
            (("PX", -1, "FIELDS", 1, "a"), NEGATIVE),
            (("EX", 1 << 48, "FIELDS", 1, "a"), Error(b"ERR invalid expire time in 'hgetex' command"))):
        assert conn.cmd("HGETEX", "h", *args) == error, args
    conn.cmd("SET", "s", "x")
    assert conn.cmd("HGETEX", "s", "FIELDS", 1, "a") == WRONGTYPE


def test_hsetex(conn):
    put = lambda *args: conn.cmd("HSETEX", "h", *args)
    assert put("FXX", "EX", 10, "FIELDS", 1, "a", 1) == 0 and conn.cmd("EXISTS", "h") == 0
    assert put("EX", 100, "FIELDS", 2, "a", 1, "b", 2) == 1
    assert HASH.ask(conn, "TTL", "a", "b") == [Left(100), Left(100)] and conn.cmd("HMGET", "h", "a", "b") == [b"1", b"2"]
    assert put("FNX", "FIELDS", 2, "c", 3, "a", 9) == 0 and put("FXX", "FIELDS", 2, "a", 9, "c", 9) == 0
    assert conn.cmd("HGETALL", "h") in ([b"a", b"1", b"b", b"2"], [b"b", b"2", b"a", b"1"])
    assert put("KEEPTTL", "FXX", "FIELDS", 1, "a", 11) == 1 and put("fields", 1, "b", 22) == 1
    assert HASH.ask(conn, "TTL", "a", "b") == [Left(100), -1] and conn.cmd("HMGET", "h", "a", "b") == [b"11", b"22"]
    assert put("FNX", "PXAT", 33177117421001, "FIELDS", 1, "c", 3) == 1
    assert HASH.ask(conn, "PEXPIRETIME", "c") == [33177117421001]
    assert put("XX", "EXAT", 33177117420, "FIELDS", 1, "c", 4) == 1 and put("NX", "FIELDS", 1, "c", 5) == 0
    assert HASH.ask(conn, "EXPIRETIME", "c") == [33177117420] and conn.cmd("HGET", "h", "c") == b"4"
    assert put("PX", 0, "FIELDS", 2, "a", "x", "new", "y") == 1
    assert conn.cmd("HMGET", "h", "a", "new", "b") == [None, None, b"22"]
    assert put("EXAT", 1, "FIELDS", 2, "b", "x", "c", "y") == 1 and conn.cmd("EXISTS", "h") == 0
    assert conn.cmd("HSETEX", "k", "XX", "FIELDS", 1, "a", 1) == 0 and conn.cmd("HSETEX", "k", "NX", "FIELDS", 1, "a", 1) == 1


def test_hsetex_bad_arguments(conn):
    arity = Error(b"ERR wrong number of arguments for 'hsetex' command")
    number = Error(b"ERR invalid number of fields")
    times = Error(b"ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified")
    for args, error in (
            (("FIELDS", 1, "a"), arity), (("FIELDS", 2, "a", "b"), arity), (("FIELDS", 2, "a", "b", "c"), arity),
            (("FIELDS", 1, "a", "b", "c"), arity), (("FIELDS", 1, "a", "b", "c", "d"), arity),
            (("FIELDS", 0, "a", "b"), number), (("FIELDS", -1, "a", "b"), number), (("FIELDS", "x", "a", "b"), number),
            (("FIELDS", 2**31, "a", "b"), number), (("FIELDS", 2**31 - 1, "a", "b"), arity),
            (("WHAT", "FIELDS", 1, "a", "b"), Error(b"ERR unknown argument: WHAT")),
            (("FXX", "FNX", "FIELDS", 1, "a", "b"), Error(b"ERR Only one of FXX or FNX arguments can be specified")),
            (("EX", 1, "PX", 1, "FIELDS", 1, "a", "b"), times), (("KEEPTTL", "EX", 1, "FIELDS", 1, "a", "b"), times),
            (("EX", -1, "FIELDS", 1, "a", "b"), NEGATIVE), (("EX", "x", "FIELDS", 1, "a", "b"), NOT_INTEGER),
            (("PX", 2**46, "FIELDS", 1, "a", "b"), Error(b"ERR invalid expire time in 'hsetex' command")),
            (("FNX", "KEEPTTL", "FNX", "FXX"), Error(b"ERR Only one of FXX or FNX arguments can be specified")),
            (("FNX", "XX", "EX", "1"), Error(b"ERR missing FIELDS argument")),
            (("FNX", "XX", "KEEPTTL", "EX"), times), (("FNX", "XX", "NX", "EX"), Error(b"ERR Only one of XX or NX arguments can be specified"))):
        assert conn.cmd("HSETEX", "h", *args) == error, args
    assert conn.cmd("EXISTS", "h") == 0
    conn.cmd("SET", "s", "x")
    assert conn.cmd("HSETEX", "s", "FIELDS", 1, "a", 1) == WRONGTYPE


def test_hgetdel(conn):
    conn.cmd("HSET", "h", "a", 1, "b", 2, "c", 3)
    HASH.expire(conn, "EXPIRE", 100, "a")
    assert conn.cmd("HGETDEL", "h", "FIELDS", 3, "a", "none", "a") == [b"1", None, None]
    assert subexpiry(conn) == 0 and conn.cmd("HLEN", "h") == 2
    assert conn.cmd("HGETDEL", "h", "FIELDS", 3, "b", "c", "b") == [b"2", b"3", None]
    assert conn.cmd("EXISTS", "h") == 0 and conn.cmd("HGETDEL", "h", "FIELDS", 1, "a") == [None]
    assert conn.cmd("HGETDEL", "h", "FIELD", 1, "a") == \
        Error(b"ERR Mandatory argument FIELDS is missing or not at the right position")
    assert conn.cmd("HGETDEL", "h", "FIELDS", 0, "a") == Error(b"ERR Number of fields must be a positive integer")
    assert conn.cmd("HGETDEL", "h", "FIELDS", 2, "a") == \
        Error(b"ERR The `numfields` parameter must match the number of arguments")


# ---- Dragonfly's and KeyDB's spellings ----

@pytest.mark.parametrize("members", [["1", "2"], ["x", "y"]], ids=["intset", "listpack"])
def test_sets(conn, members):
    one, two = members
    ttl = lambda member: conn.cmd("FIELDTTL", "s", member)
    conn.cmd("SADD", "s", one)
    assert conn.cmd("SADDEX", "s", 100, one, two) == 1
    assert conn.cmd("OBJECT", "ENCODING", "s") == b"hashtable" and subexpiry(conn) == 1
    assert ttl(one) == Left(100) and ttl(two) == Left(100) and ttl("none") == -3 and conn.cmd("FIELDTTL", "none", "m") == -2
    assert conn.cmd("SADDEX", "s", "KEEPTTL", 50, one, "three") == 1 and ttl(one) == Left(100) and ttl("three") == Left(50)
    assert conn.cmd("SADDEX", "s", 70, one) == 0 and ttl(one) == Left(70)
    assert conn.cmd("SADD", "s", one, "four") == 1 and ttl(one) == Left(70) and ttl("four") == -1
    assert conn.cmd("FIELDEXPIRE", "s", 30, "four", "none", one) == [1, -2, 1] and ttl("four") == Left(30)
    assert conn.cmd("FIELDEXPIRE", "none", 30, "a", "b") == [-2, -2]
    assert conn.cmd("SADDEX", "fresh", "KEEPTTL", 9, "m") == 1 and conn.cmd("FIELDTTL", "fresh", "m") == Left(9)
    assert conn.cmd("SREM", "s", one, two, "three") == 3
    assert conn.cmd("SPOP", "s") == b"four" and conn.cmd("EXISTS", "s") == 0 and subexpiry(conn) == 1


def test_sets_bad_arguments(conn):
    for bad in (0, -1, "x", 2**46, 2**63, ""):
        assert conn.cmd("SADDEX", "s", bad, "m") == NOT_INTEGER and conn.cmd("FIELDEXPIRE", "s", bad, "m") == NOT_INTEGER
    assert conn.cmd("SADDEX", "s", "KEEPTTL", 5) == Error(b"ERR wrong number of arguments for 'saddex' command")
    conn.cmd("SET", "text", "x")
    assert conn.cmd("SADDEX", "text", 5, "m") == WRONGTYPE and conn.cmd("FIELDTTL", "text", "m") == WRONGTYPE
    assert conn.cmd("FIELDEXPIRE", "text", 5, "m") == WRONGTYPE and conn.cmd("EXISTS", "s") == 0


@pytest.mark.parametrize("add", [("HSET", "k", "m", 1), ("SADD", "k", "m"), ("ZADD", "k", 1, "m")], ids=["hash", "set", "zset"])
def test_expiremember(conn, add):
    ttl = lambda: conn.cmd("FIELDTTL", "k", "m")
    assert conn.cmd("EXPIREMEMBER", "k", "m", 100) == 0
    conn.cmd(*add)
    assert conn.cmd("EXPIREMEMBER", "k", "none", 100) == 0 and ttl() == -1
    for args, left in (((100,), 100), ((90, "s"), 90), ((80_000, "MS"), 80), ((70 * 10**6, "us"), 70), ((60 * 10**9, "ns"), 60)):
        assert conn.cmd("EXPIREMEMBER", "k", "m", *args) == 1 and ttl() == Left(left)
    assert conn.cmd("EXPIREMEMBERAT", "k", "m", now_ms(conn) // 1000 + 500) == 1 and 480 <= ttl() <= 500
    assert conn.cmd("PEXPIREMEMBERAT", "k", "m", now_ms(conn) + 50_000) == 1 and 30 <= ttl() <= 50
    assert conn.cmd("EXPIREMEMBER", "k", "m", 1, "h") == Error(b"ERR Invalid unit arg")
    assert conn.cmd("EXPIREMEMBER", "k", "m", 1, "s", "s") == Error(b"ERR syntax error")
    assert conn.cmd("EXPIREMEMBER", "k", "m", "x") == NOT_INTEGER
    for when in (2**63 - 1, 2**46):
        assert conn.cmd("EXPIREMEMBER", "k", "m", when) == Error(b"ERR invalid expire time in 'expiremember' command")
    assert conn.cmd("EXPIREMEMBER", "k", "m", -2**63) == Error(b"ERR invalid expire time in 'expiremember' command")
    assert ttl() > 0
    assert conn.cmd("EXPIREMEMBER", "k", "m", -1) == 1 and conn.cmd("EXISTS", "k") == 0
    conn.cmd("LPUSH", "l", "m")
    assert conn.cmd("EXPIREMEMBER", "l", "m", 1) == Error(b"ERR object type is unsupported")


# ---- the clock ----

def fill_all(conn, ms):
    """h, s and z with a member that stays and one that goes; hh, ss and zz with one that goes."""
    conn.pipeline([
        ["HSET", "h", "stays", 1, "goes", 2], ["SADD", "s", "1", "2"], ["ZADD", "z", 1, "stays", 2, "goes"],
        ["HSET", "hh", "goes", 2], ["SADD", "ss", "goes"], ["ZADD", "zz", 2, "goes"],
        ["HPEXPIRE", "h", ms, "FIELDS", 1, "goes"], ["EXPIREMEMBER", "s", "2", ms, "ms"],
        ["ZPEXPIRE", "z", ms, "MEMBERS", 1, "goes"], ["HPEXPIRE", "hh", ms, "FIELDS", 1, "goes"],
        ["EXPIREMEMBER", "ss", "goes", ms, "ms"], ["ZPEXPIRE", "zz", ms, "MEMBERS", 1, "goes"]])


@pytest.mark.smoke
def test_members_go_without_being_looked_at(conn):
    fill_all(conn, 50)
    assert wait_until(lambda: info_number(conn, "stats", "expired_subkeys") == 6)
    assert conn.cmd("DBSIZE") == 3 and subexpiry(conn) == 0
    assert info_number(conn, "stats", "expired_keys") == 0
    assert (conn.cmd("HLEN", "h"), conn.cmd("SCARD", "s"), conn.cmd("ZCARD", "z")) == (1, 1, 1)


SEEN = [
    (("HLEN", "h"), 1), (("HGET", "h", "goes"), None), (("HGETALL", "h"), [b"stays", b"1"]), (("HKEYS", "h"), [b"stays"]),
    (("HEXISTS", "h", "goes"), 0), (("HRANDFIELD", "h", 10), [b"stays"]), (("HSCAN", "h", 0), [b"0", [b"stays", b"1"]]),
    (("HTTL", "h", "FIELDS", 1, "goes"), [-2]), (("HSETNX", "h", "goes", 7), 1), (("HINCRBY", "h", "goes", 5), 5),
    (("HDEL", "h", "goes"), 0), (("HGETDEL", "h", "FIELDS", 1, "goes"), [None]), (("HSTRLEN", "h", "goes"), 0),
    (("SCARD", "s"), 1), (("SMEMBERS", "s"), [b"1"]), (("SISMEMBER", "s", "2"), 0), (("SRANDMEMBER", "s", 10), [b"1"]),
    (("SSCAN", "s", 0), [b"0", [b"1"]]), (("SUNION", "s", "ss"), [b"1"]), (("SINTER", "s", "ss"), []), (("SREM", "s", "2"), 0),
    (("SADD", "s", "2"), 1), (("SUNIONSTORE", "t", "s", "ss"), 1), (("SMOVE", "s", "t", "2"), 0), (("SPOP", "s", 10), [b"1"]),
    (("ZCARD", "z"), 1), (("ZRANGE", "z", 0, -1), [b"stays"]), (("ZSCORE", "z", "goes"), None), (("ZRANK", "z", "goes"), None),
    (("ZCOUNT", "z", "-inf", "+inf"), 1), (("ZUNION", 2, "z", "zz"), [b"stays"]), (("ZADD", "z", "XX", "CH", 9, "goes"), 0),
    (("ZPOPMAX", "z"), [b"stays", b"1"]), (("ZINCRBY", "z", 3, "goes"), b"3"), (("ZSCAN", "z", 0), [b"0", [b"stays", b"1"]]),
    (("ZRANDMEMBER", "z", 5), [b"stays"]), (("ZREM", "z", "goes"), 0), (("SORT", "s"), [b"1"]), (("SORT", "z", "BY", "nosort"), [b"stays"]),
    (("EXISTS", "hh", "ss", "zz", "h"), 1), (("TYPE", "hh"), b"none"), (("DEL", "ss"), 0), (("OBJECT", "ENCODING", "zz"), None),
    (("DUMP", "hh"), None), (("COPY", "ss", "t"), 0), (("RENAME", "zz", "t"), Error(b"ERR no such key")), (("EXPIRE", "hh", 10), 0),
    (("HSET", "hh", "x", 1), 1), (("SADD", "ss", "goes"), 1), (("ZADD", "zz", "NX", 5, "goes"), 1), (("SET", "hh", "x", "NX"), b"OK"),
    (("RANDOMKEY",), (b"h", b"s", b"z")), (("SMISMEMBER", "s", "1", "2"), [1, 0]), (("GEOPOS", "z", "goes"), [NullArray()]),
]


@pytest.mark.parametrize("command, expected", SEEN, ids=[" ".join(map(str, command)) for command, _ in SEEN])
def test_nobody_sees_what_has_expired(conn, command, expected):
    """With no timer to remove it first."""
    conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    fill_all(conn, 1)
    pass_ms(conn, 2)
    reply = conn.cmd(*command)
    assert reply in expected if isinstance(expected, tuple) else reply == expected


def test_walks_leave_dead_keys_out(conn):
    conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    fill_all(conn, 1)
    pass_ms(conn, 2)
    assert conn.cmd("DBSIZE") == 6
    assert sorted(conn.cmd("KEYS", "*")) == [b"h", b"s", b"z"]
    cursor, names = b"0", []
    while True:
        cursor, part = conn.cmd("SCAN", cursor)
        names += part
        if cursor == b"0":
            break
    assert sorted(names) == [b"h", b"s", b"z"] and conn.cmd("DBSIZE") == 3


def test_members_live_to_the_end_of_their_time(conn):
    """Whoever reads a member has not read a time after its end before; one that is gone has had its time."""
    conn.cmd("HSET", "h", "stays", 1)
    for _ in range(20):
        conn.cmd("HSETEX", "h", "PX", 30, "FIELDS", 1, "goes", 1)
        [deadline] = conn.cmd("HPEXPIRETIME", "h", "FIELDS", 1, "goes")
        while True:
            before = now_ms(conn)
            value = conn.cmd("HGET", "h", "goes")
            if value is None:
                assert now_ms(conn) >= deadline
                break
            assert before <= deadline + 1


@pytest.mark.parametrize("active", [0, 1], ids=["by the lookup", "by the timer"])
@pytest.mark.parametrize("ms, outcome", [(1500, NullArray()), (100_000, [b"OK"])], ids=["expires", "stays"])
def test_watchers_hear_of_it(conn, active, ms, outcome):
    conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", active)
    conn.cmd("HSET", "h", "stays", 1, "goes", 1)
    conn.cmd("HPEXPIRE", "h", ms, "FIELDS", 1, "goes")
    conn.cmd("WATCH", "h")
    if ms < 100_000:
        pass_ms(conn, ms + 100)
    conn.cmd("MULTI")
    conn.cmd("SET", "x", 1)
    assert conn.cmd("EXEC") == outcome


EVENTS = [
    (["HSETEX", "h", "EX", 100, "FIELDS", 2, "a", 1, "b", 2], ["hset", "hexpire"]), (["HEXPIRE", "h", 50, "FIELDS", 1, "a"], ["hexpire"]),
    (["HPERSIST", "h", "FIELDS", 1, "a"], ["hpersist"]), (["HGETEX", "h", "EX", 9, "FIELDS", 1, "a"], ["hexpire"]),
    (["HGETEX", "h", "PERSIST", "FIELDS", 2, "a", "b"], ["hpersist"]), (["HGETEX", "h", "FIELDS", 1, "a"], []),
    (["HEXPIRE", "h", 50, "XX", "FIELDS", 1, "a"], []), (["HGETDEL", "h", "FIELDS", 1, "a"], ["hdel"]),
    (["HEXPIRE", "h", 0, "FIELDS", 1, "b"], ["hdel", "del"]), (["SADDEX", "s", 100, "a"], ["sadd", "sexpire"]),
    (["EXPIREMEMBER", "s", "a", 0], ["srem", "del"]), (["ZADD", "z", 1, "a", 2, "b"], ["zadd"]),
    (["ZEXPIRE", "z", 100, "MEMBERS", 1, "a"], ["zexpire"]), (["ZPERSIST", "z", "MEMBERS", 1, "a"], ["zpersist"]),
    (["ZEXPIRE", "z", 0, "MEMBERS", 1, "a"], ["zrem"]), (["ZPEXPIRE", "z", 20, "MEMBERS", 1, "b"], ["zexpire", "zexpired", "del"]),
    (["HSETEX", "h", "PX", 20, "FIELDS", 2, "a", 1, "b", 2], ["hset", "hexpire", "hexpired", "del"]),
    (["SADDEX", "s", 1, "a"], ["sadd", "sexpire", "sexpired", "del"]),
]


def test_events(start_server):
    server = start_server(notify_keyspace_events="KEA")
    with server.connect() as conn, server.connect() as listener:
        listener.cmd("PSUBSCRIBE", "__keyspace@0__:*")
        for command, expected in EVENTS:
            assert not isinstance(conn.cmd(*command), Error)
            names = [(reply[2], reply[3].decode()) for reply in (listener.read() for _ in expected)]
            assert names == [(b"__keyspace@0__:" + command[1].encode(), name) for name in expected], command


# ---- members travel with their keys ----

def test_copies_and_moves_keep_times(conn):
    fill_all(conn, 100_000)
    for key, member in (("h", "goes"), ("s", "2"), ("z", "goes")):
        ttl = lambda name: conn.cmd("FIELDTTL", name, member)
        assert conn.cmd("COPY", key, "copy") == 1 and ttl("copy") == Left(100)
        assert conn.cmd("RENAME", "copy", "a-much-longer-name") == b"OK" and ttl("a-much-longer-name") == Left(100)
        assert conn.cmd("EXPIRE", "a-much-longer-name", 1000) == 1 and conn.cmd("PERSIST", "a-much-longer-name") == 1
        assert conn.cmd("MOVE", "a-much-longer-name", 1) == 1 and subexpiry(conn, 1) == 1
        conn.cmd("SELECT", 1)
        assert ttl("a-much-longer-name") == Left(100)
        conn.cmd("SELECT", 0)
        conn.cmd("SWAPDB", 0, 1)
        assert ttl("a-much-longer-name") == Left(100) and (subexpiry(conn), subexpiry(conn, 1)) == (1, 6)
        conn.cmd("SWAPDB", 0, 1)
        assert conn.cmd("COPY", key, "a-much-longer-name", "DB", 1, "REPLACE") == 1 and subexpiry(conn, 1) == 1
        conn.cmd("SELECT", 1)
        conn.cmd("SET", "a-much-longer-name", "over")
        assert subexpiry(conn, 1) == 0
        conn.cmd("FLUSHDB")
        conn.cmd("SELECT", 0)
    conn.cmd("FLUSHALL")
    assert subexpiry(conn) == 0


def test_copies_expire_too(conn):
    conn.cmd("HSETEX", "h", "PX", 100, "FIELDS", 1, "f", 1)
    conn.cmd("COPY", "h", "copy")
    conn.cmd("HPERSIST", "h", "FIELDS", 1, "f")
    assert wait_until(lambda: conn.cmd("DBSIZE") == 1)
    assert conn.cmd("HGET", "h", "f") == b"1"


def test_results_of_operations_live_for_ever(conn):
    fill_all(conn, 100_000)
    conn.cmd("SUNIONSTORE", "t", "s")
    conn.cmd("ZUNIONSTORE", "u", 1, "z")
    conn.cmd("ZRANGESTORE", "v", "z", 0, -1)
    conn.cmd("SMOVE", "s", "t2", "2")
    for key, member in (("t", "2"), ("u", "goes"), ("v", "goes"), ("t2", "2")):
        assert conn.cmd("FIELDTTL", key, member) == -1
    conn.cmd("SUNIONSTORE", "s", "ss")
    assert conn.cmd("FIELDTTL", "s", "goes") == -1 and subexpiry(conn) == 5


def test_spop_of_most_keeps_times(conn):
    members = ["m%d" % i for i in range(300)]
    conn.cmd("SADDEX", "s", 1000, *members)
    assert len(conn.cmd("SPOP", "s", 290)) == 290
    left = conn.cmd("SMEMBERS", "s")
    assert len(left) == 10 and {conn.cmd("FIELDTTL", "s", m) for m in left} <= set(range(950, 1001))
    assert conn.cmd("ZADD", "z", *[a for i, m in enumerate(members) for a in (i, m)]) == 300
    conn.cmd("ZEXPIRE", "z", 1000, "MEMBERS", 300, *members)
    assert len(conn.cmd("ZPOPMIN", "z", 290)) == 580 and conn.cmd("FIELDTTL", "z", "m299") > 900


# ---- RDB payloads ----

AT = 33177117420000


def u64(number):
    return struct.pack("<Q", number)


EXPIRING = [
    ("metadata", 24, u64(AT) + b"\3" + b"\1" + rdb.strings(b"a", b"1")[1:] + rdb.length(1001) + rdb.strings(b"b", b"2")[1:] +
     b"\0" + rdb.strings(b"c", b"3")[1:]),
    ("listpack", 25, u64(AT) + rdb.text(rdb.listpack(b"a", 1, AT, b"b", 2, AT + 1000, b"c", 3, 0))),
    ("early metadata", 22, b"\3" + rdb.length(AT) + rdb.strings(b"a", b"1")[1:] + rdb.length(AT + 1000) +
     rdb.strings(b"b", b"2")[1:] + b"\0" + rdb.strings(b"c", b"3")[1:]),
    ("early listpack", 23, rdb.text(rdb.listpack(b"a", 1, AT, b"b", 2, AT + 1000, b"c", 3, 0))),
]


@pytest.mark.parametrize("name, kind, body", EXPIRING, ids=[v[0] for v in EXPIRING])
def test_restore_of_redis_forms(conn, name, kind, body):
    assert conn.cmd("RESTORE", "h", 0, rdb.payload(kind, body, 12)) == b"OK"
    assert conn.cmd("HMGET", "h", "a", "b", "c") == [b"1", b"2", b"3"] and conn.cmd("HLEN", "h") == 3
    assert conn.cmd("HPEXPIRETIME", "h", "FIELDS", 3, "a", "b", "c") == [AT, AT + 1000, -1]
    assert subexpiry(conn) == 1
    dumped = conn.cmd("DUMP", "h")
    assert dumped[0] == 24 and struct.unpack("<H", dumped[-10:-8]) == (12,)
    assert conn.cmd("RESTORE", "again", 0, dumped) == b"OK"
    assert conn.cmd("HPEXPIRETIME", "again", "FIELDS", 3, "a", "b", "c") == [AT, AT + 1000, -1]
    conn.cmd("HPERSIST", "h", "FIELDS", 2, "a", "b")
    plain = conn.cmd("DUMP", "h")
    assert plain[0] == 4 and struct.unpack("<H", plain[-10:-8]) == (10,), "what Redis 7.0 reads, when it can"


def test_restore_of_fields_whose_time_is_past(conn):
    body = u64(1000) + b"\2" + b"\1" + rdb.strings(b"a", b"1")[1:] + b"\0" + rdb.strings(b"c", b"3")[1:]
    assert conn.cmd("RESTORE", "h", 0, rdb.payload(24, body, 12)) == b"OK"
    assert conn.cmd("HGETALL", "h") == [b"c", b"3"]


BAD = [
    ("metadata without a head", 24, b"\1"), ("empty metadata", 24, u64(AT) + b"\0"), ("huge head", 24, u64(1 << 48) + b"\1\1\1a\1b"),
    ("huge count", 24, u64(AT) + b"\x80\xff\xff\xff\xff\1\1a\1b"), ("huge ttl", 24, u64(AT) + b"\1\x81" + b"\xff" * 8 + b"\1a\1b"),
    ("ttl beyond", 24, u64((1 << 48) - 1) + b"\1\2\1a\1b"), ("cut field", 24, u64(AT) + b"\1\1\1a"),
    ("twice", 24, u64(AT) + b"\2\1\1a\1b\1\1a\1b"), ("pair in a listpack of threes", 25, u64(AT) + rdb.text(rdb.listpack(b"a", 1))),
    ("no number", 25, u64(AT) + rdb.text(rdb.listpack(b"a", 1, b"x"))), ("negative", 25, u64(AT) + rdb.text(rdb.listpack(b"a", 1, -1))),
    ("empty listpack", 25, u64(AT) + rdb.text(rdb.listpack())), ("left over", 24, u64(AT) + b"\1\1\1a\1bx"),
    ("early huge", 22, b"\1\x81" + b"\0\1" + b"\0" * 6 + b"\1a\1b"), ("unknown type", 26, b"\1\1\1a\1b"),
]


@pytest.mark.parametrize("name, kind, body", BAD, ids=[b[0] for b in BAD])
def test_bad_payloads(conn, name, kind, body):
    assert conn.cmd("RESTORE", "h", 0, rdb.payload(kind, body, 12)) == Error(b"ERR Bad data format")
    assert conn.cmd("EXISTS", "h") == 0


# ---- several reactors ----

STORM_S = 4
STORM_KEYS = ["k%d" % i for i in range(12)]


def storm_command(rng):
    kind, number = rng.choice("hsz"), rng.randrange(12)
    key, member, ms = "%s%d" % (kind, number), "m%d" % rng.randrange(20), rng.choice((1, 3, 20, 100))
    other = "%s%d" % (kind, rng.randrange(12))
    add = {"h": ["HSET", key, member, "v" * rng.choice((1, 40))], "s": ["SADD", key, member], "z": ["ZADD", key, rng.randrange(5), member]}
    read = {"h": ["HGETALL", key], "s": ["SMEMBERS", key], "z": ["ZRANGE", key, 0, -1]}
    remove = {"h": ["HDEL", key, member], "s": ["SPOP", key], "z": ["ZPOPMIN", key]}
    return rng.choice([
        add[kind], add[kind], add[kind], read[kind], remove[kind], ["PEXPIREMEMBERAT", key, member, 1],
        ["EXPIREMEMBER", key, member, ms, "ms"], ["EXPIREMEMBER", key, member, ms, "ms"], ["FIELDTTL", key, member],
        ["COPY", key, other, "REPLACE"], ["RENAME", key, other], ["MOVE", key, 1], ["PEXPIRE", key, ms], ["DEL", key],
        ["HSETEX", "h%d" % number, "PX", ms, "FIELDS", 1, member, 1], ["SADDEX", "s%d" % number, 1, member],
        ["HGETEX", "h%d" % number, "PERSIST", "FIELDS", 1, member], ["SUNIONSTORE", "s%d" % number, "s1", "s2"],
        ["ZUNIONSTORE", "z%d" % number, 2, "z1", "z2"], ["HINCRBYFLOAT", "h%d" % number, member, 1], ["SWAPDB", 0, 1], ["KEYS", "*"]])


@pytest.mark.smoke
def test_storm(server):
    """Eight clients on the same few keys; then everything goes away by itself."""
    failures = []

    def client(seed):
        rng = random.Random(seed)
        try:
            with server.connect(60) as conn:
                until = time.monotonic() + STORM_S
                while time.monotonic() < until:
                    conn.pipeline([storm_command(rng) for _ in range(20)])
        except Exception as failure:  # noqa: BLE001 - told below
            failures.append(failure)

    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with server.connect(60) as conn:
        assert info_number(conn, "stats", "expired_subkeys") > 100
        for db in (0, 1):
            conn.cmd("SELECT", db)
            for key in conn.cmd("KEYS", "*"):
                members = conn.cmd(*{b"h": ["HKEYS", key], b"s": ["SMEMBERS", key], b"z": ["ZRANGE", key, 0, -1]}[key[:1]])
                for member in members:
                    conn.cmd("EXPIREMEMBER", key, member, 20, "ms")
        assert wait_until(lambda: conn.cmd("INFO", "keyspace") == b"# Keyspace\r\n")
