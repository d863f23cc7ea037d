"""SORT and SORT_RO: orders, limits, patterns, storing."""
import random

import pytest

from lib.resp import Error

SYNTAX = Error(b"ERR syntax error")
EDGES = [-2**63, -2**62, -2**31 - 1, -1, 0, 1, 2, 2**31, 2**32, 2**62, 2**63 - 1]
WRONGTYPE = Error(b"WRONGTYPE Operation against a key holding the wrong kind of value")


def numbers(replies):
    return [int(reply) for reply in replies]


@pytest.mark.smoke
def test_orders(conn):
    conn.cmd("RPUSH", "l", 3, 10, 1, 2)
    assert numbers(conn.cmd("SORT", "l")) == [1, 2, 3, 10]
    assert numbers(conn.cmd("SORT_RO", "l", "DESC")) == [10, 3, 2, 1]
    assert numbers(conn.cmd("SORT", "l", "ALPHA")) == [1, 10, 2, 3]
    assert numbers(conn.cmd("SORT", "l", "BY", "nosort")) == [3, 10, 1, 2]
    assert numbers(conn.cmd("SORT", "l", "LIMIT", 1, 2)) == [2, 3]
    assert conn.cmd("SORT", "none") == [] and conn.cmd("SORT", "none", "BY", "w_*", "GET", "#") == []


def test_sorted_sets_without_sorting_keep_their_order(conn):
    conn.cmd("ZADD", "z", 1, "a", 5, "b", 2, "c", 10, "d", 3, "e")
    assert conn.cmd("SORT", "z", "BY", "x", "ASC") == [b"a", b"c", b"e", b"b", b"d"]
    assert conn.cmd("SORT", "z", "BY", "x", "DESC", "LIMIT", 1, 2) == [b"b", b"e"]
    assert conn.cmd("SORT", "z", "BY", "x", "LIMIT", 3, 100) == [b"b", b"d"]
    assert conn.cmd("OBJECT", "ENCODING", "z") == b"listpack"


def test_patterns(conn):
    conn.cmd("SADD", "s", 1, 2, 3)
    conn.cmd("MSET", "w_1", 30, "w_2", 10, "name_1", "one", "name_2", "two")
    conn.cmd("HSET", "h_3", "weight", 20, "name", "three")
    assert conn.cmd("SORT", "s", "BY", "w_*") == [b"3", b"2", b"1"]  # no weight counts as 0
    assert conn.cmd("SORT_RO", "s", "BY", "h_*->weight", "DESC")[0] == b"3"
    assert conn.cmd("SORT", "s", "BY", "w_*", "GET", "name_*", "GET", "#", "GET", "h_*->name", "GET", "x") == \
        [None, b"3", b"three", None, b"two", b"2", None, None, b"one", b"1", None, None]
    conn.cmd("SET", "h_1->", "arrow")  # nothing behind the arrow: part of the name
    assert conn.cmd("SORT", "s", "GET", "h_*->", "LIMIT", 0, 1) == [b"arrow"]
    assert conn.cmd("SORT", "s", "BY", "w_*", "GET", "name_*", "STORE", "d") == 3
    assert conn.cmd("LRANGE", "d", 0, -1) == [b"", b"two", b"one"]


def test_pattern_may_expire_what_is_sorted(conn):
    conn.cmd("RPUSH", "l", *range(100))
    conn.cmd("PEXPIRE", "l", 1)
    conn.cmd("SORT", "l", "BY", "l*", "GET", "l*", "GET", "#")
    assert conn.cmd("SORT", "s", "BY", "*", "GET", "*") == []


def test_store(conn):
    conn.cmd("RPUSH", "l", 3, 1, 2)
    assert conn.cmd("SORT", "l", "STORE", "l") == 3
    assert conn.cmd("LRANGE", "l", 0, -1) == [b"1", b"2", b"3"]
    conn.cmd("SET", "d", "x", "EX", 1000)
    assert conn.cmd("SORT", "l", "DESC", "LIMIT", 0, 2, "STORE", "d") == 2
    assert conn.cmd("LRANGE", "d", 0, -1) == [b"3", b"2"] and conn.cmd("TTL", "d") == -1
    assert conn.cmd("OBJECT", "ENCODING", "d") == b"listpack"
    assert conn.cmd("SORT", "none", "STORE", "d") == 0 and conn.cmd("EXISTS", "d") == 0
    conn.cmd("RPUSH", "big", *range(5000))
    assert conn.cmd("SORT", "big", "DESC", "STORE", "d") == 5000
    assert conn.cmd("OBJECT", "ENCODING", "d") == b"quicklist"
    # The word STORE as a pattern, and twice: the last one counts.
    assert conn.cmd("SORT", "l", "BY", "store", "STORE", "e") == 3
    assert conn.cmd("SORT", "l", "STORE", "e", "STORE", "f", "STORE", "g") == 3
    assert conn.cmd("EXISTS", "g") == 1 and conn.cmd("EXISTS", "f") == 0
    conn.cmd("SADD", "s", "b", "a", "c")
    assert conn.cmd("SORT", "s", "BY", "nosort", "STORE", "e") == 3
    assert conn.cmd("LRANGE", "e", 0, -1) == [b"a", b"b", b"c"]


def test_errors(conn):
    conn.cmd("SET", "string", "x")
    conn.cmd("RPUSH", "l", "1", "x", "2")
    for args in (["LIMIT", 1], ["BY"], ["GET"], ["STORE"], ["x"], ["ASC", "y"]):
        assert conn.cmd("SORT", "l", *args) == SYNTAX
    assert conn.cmd("SORT_RO", "l", "STORE", "d") == SYNTAX
    assert conn.cmd("SORT", "string") == WRONGTYPE and conn.cmd("SORT", "string", "x") == SYNTAX
    assert conn.cmd("SORT", "l") == Error(b"ERR One or more scores can't be converted into double")
    assert conn.cmd("SORT", "l", "LIMIT", "a", 1) == Error(b"ERR value is not an integer or out of range")
    for offset in EDGES:
        for count in EDGES:
            reply = conn.cmd("SORT", "l", "ALPHA", "LIMIT", offset, count)
            start = max(offset, 0)
            assert reply == [b"1", b"2", b"x"][start:start + count if count >= 0 else None]


def test_command_getkeys(conn):
    assert conn.cmd("COMMAND", "GETKEYS", "SORT", "abc", "STORE", "x", "STORE", "def") == [b"abc", b"def"]


def test_large_against_python(conn):
    rng = random.Random(1)
    values = [rng.uniform(-1000, 1000) for _ in range(3000)]
    conn.cmd("RPUSH", "l", *map(repr, values))
    assert list(map(float, conn.cmd("SORT", "l"))) == sorted(values)
    assert list(map(float, conn.cmd("SORT", "l", "DESC", "LIMIT", 10, 20))) == sorted(values, reverse=True)[10:30]
