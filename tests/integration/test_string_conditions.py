"""String commands younger than Redis 7.2: conditions, digests, MSETEX, INCREX, CL.THROTTLE."""
import pytest

from diff.dump import differing, dump
from lib.resp import Error, Simple
from lib.wait import wait_until

OK = Simple(b"OK")
SYNTAX = Error(b"ERR syntax error")
NOT_INT = Error(b"ERR value is not an integer or out of range")
WRONGTYPE = Error(b"WRONGTYPE Operation against a key holding the wrong kind of value")
NOT_HEX = Error(b"ERR must be exactly 16 hexadecimal characters")
HELLO = b"9555e8555c62dcfd"  # DIGEST of "hello"
OTHER = b"0" * 16
INT_MAX, INT_MIN = 2**63 - 1, -2**63


def replies(conn, *lines):
    """At once, so that no time passes between setting a time to live and asking for it."""
    return conn.pipeline([line.split() for line in lines])


@pytest.mark.smoke
def test_digest(conn):
    assert replies(conn, "SET k hello", "DIGEST k", "DIGEST none", "RPUSH l x", "DIGEST l", "SET n 12345") == \
        [OK, HELLO, None, 1, WRONGTYPE, OK]
    number = conn.cmd("DIGEST", "n")
    assert replies(conn, "OBJECT ENCODING n", "SETRANGE n 0 12345", "OBJECT ENCODING n", "DIGEST n") == \
        [b"int", 5, b"raw", number]
    for size in (0, 1, 44, 512, 513, 100_000):
        conn.cmd("MSET", "a", b"x" * size, "b", b"x" * size)
        assert conn.cmd("DIGEST", "a") == conn.cmd("DIGEST", "b") and len(conn.cmd("DIGEST", "a")) == 16


@pytest.mark.parametrize("option, operand, holds", [
    ("IFEQ", b"hello", True), ("IFEQ", b"world", False), ("IFEQ", b"", False), ("ifeq", b"hello", True),
    ("IFNE", b"hello", False), ("IFNE", b"world", True),
    ("IFDEQ", HELLO, True), ("IFDEQ", HELLO.upper(), True), ("IFDEQ", OTHER, False),
    ("IFDNE", HELLO, False), ("IFDNE", OTHER, True)])
def test_set_and_delex_conditions(conn, option, operand, holds):
    after = b"new" if holds else b"hello"
    conn.cmd("SET", "k", "hello")
    assert conn.cmd("SET", "k", "new", option, operand) == (OK if holds else None)
    assert conn.cmd("GET", "k") == after
    conn.cmd("SET", "k", "hello", "EX", 100)
    assert conn.cmd("SET", "k", "new", "KEEPTTL", option, operand, "GET") == b"hello"
    assert conn.cmd("GET", "k") == after and 0 < conn.cmd("TTL", "k") <= 100
    conn.cmd("SET", "k", "hello")
    assert conn.pipeline([["SET", "k", "new", "EX", 50, option, operand], ["TTL", "k"]]) == \
        ([OK, 50] if holds else [None, -1])
    conn.cmd("SET", "k", "hello")
    assert conn.cmd("DELEX", "k", option, operand) == holds and conn.cmd("EXISTS", "k") == (not holds)


def test_conditions_on_other_keys(conn):
    assert replies(conn, "SET k v IFEQ x", "SET k v IFDEQ short", "EXISTS k", "SET k v IFNE x", "GET k") == \
        [None, None, 0, OK, b"v"]
    assert replies(conn, "SET m v IFDNE short GET", "GET m", "SET k w IFDEQ short", "SET k w IFDNE " + "g" * 16) == \
        [None, b"v", NOT_HEX, NOT_HEX]
    assert conn.cmd("SET", "k", "w", "IFDEQ", "short", "GET") == NOT_HEX
    conn.cmd("RPUSH", "l", "a")
    for line in ("SET l v IFEQ a", "SET l v IFNE a", "SET l v IFDEQ x", "SET l v IFDNE x", "SET l v IFNE a GET",
                 "DELIFEQ l a"):
        assert conn.cmd(*line.split()) == WRONGTYPE, line
    assert replies(conn, "LLEN l", "GET k") == [1, b"v"]


@pytest.mark.parametrize("options", ["NX IFEQ a", "IFEQ a NX", "XX IFNE a", "IFDEQ a XX", "IFEQ a IFNE b", "IFEQ",
                                     "IFEQ a IFEQ a", "EX 1 IFDNE"])
def test_condition_syntax(conn, options):
    conn.cmd("SET", "k", "a")
    assert conn.cmd("SET", "k", "b", *options.split()) == SYNTAX and conn.cmd("GET", "k") == b"a"
    assert conn.cmd("GETEX", "k", "IFEQ", "a") == SYNTAX


def test_delex_delifeq(conn):
    arity = Error(b"ERR wrong number of arguments for 'delex' command")
    strings = Error(b"ERR Key should be of string type if conditions are specified")
    unknown = Error(b"ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE")
    assert replies(conn, "DELEX k", "DELEX k IFEQ", "DELEX k NOSUCH x y", "DELIFEQ k v") == [0, 0, 0, 0]
    assert replies(conn, "SET k v", "DELEX k IFEQ", "DELEX k IFEQ v x", "DELEX k NX v", "DELEX k IFDEQ 12") == \
        [OK, arity, arity, unknown, NOT_HEX]
    assert replies(conn, "DELIFEQ k w", "DELIFEQ k v", "DELIFEQ k v", "HSET h f v", "DELEX h IFEQ v", "DELEX h") == \
        [0, 1, 0, 1, strings, 1]


def test_msetex(conn):
    assert replies(conn, "MSETEX 2 a 1 b 2", "MGET a b", "TTL a", "MSETEX 2 a 3 b 4 EX 100", "TTL a", "TTL b") == \
        [1, [b"1", b"2"], -1, 1, 100, 100]
    assert replies(conn, "MSETEX 1 a 5 KEEPTTL", "TTL a", "MSETEX 2 c 1 a 6 NX", "EXISTS c", "GET a") == \
        [1, 100, 0, 0, b"5"]
    assert replies(conn, "MSETEX 2 c 1 a 6 XX", "MSETEX 2 c 1 d 2 NX PX 90000", "TTL d", "MSETEX 2 c 3 a 4 xx") == \
        [0, 1, 90, 1]
    assert replies(conn, "MSETEX 3 x 1 x 2 x 3", "GET x", "MSETEX 2 p 1 q 2 EXAT 1", "EXISTS p q") == \
        [1, b"3", 1, 0]
    conn.cmd("RPUSH", "l", "e")
    assert replies(conn, "MSETEX 1 l v", "GET l", "COMMAND GETKEYS MSETEX 2 a 1 b 2 NX") == [1, b"v", [b"a", b"b"]]


@pytest.mark.parametrize("arguments, text", [
    ("0 a 1", "invalid numkeys value"), ("-1 a 1", "invalid numkeys value"), ("x a 1", "invalid numkeys value"),
    ("9223372036854775807 a 1", "invalid numkeys value"), ("2 a 1", "wrong number of key-value pairs"),
    ("2147483647 a 1", "wrong number of key-value pairs"), ("1 a 1 b 2", "syntax error"),
    ("1 a 1 NX XX", "syntax error"), ("1 a 1 EX", "syntax error"), ("1 a 1 EX 1 PX 1", "syntax error"),
    ("1 a 1 GET", "syntax error"), ("1 a 1 IFEQ x", "syntax error"), ("1 a 1 KEEPTTL EX 1", "syntax error"),
    ("1 a 1 EX 0", "invalid expire time in 'msetex' command"), ("1 a 1 EX x", "value is not an integer or out of range"),
    ("1 a", "wrong number of arguments for 'msetex' command")])
def test_msetex_errors(conn, arguments, text):
    assert conn.cmd("MSETEX", *arguments.split()) == Error(b"ERR " + text.encode())
    assert conn.cmd("DBSIZE") == 0


@pytest.mark.smoke
def test_increx_integers(conn):
    assert replies(conn, "INCREX n", "INCREX n BYINT 9", "INCREX n BYINT -20", "GET n", "OBJECT ENCODING n") == \
        [[1, 1], [10, 9], [-10, -20], b"-10", b"int"]
    assert replies(conn, "SET n 99", "INCREX n BYINT 5 UBOUND 100", "INCREX n BYINT 5 UBOUND 100 SATURATE",
                   "INCREX n BYINT -500 LBOUND 0", "INCREX n SATURATE LBOUND 0 BYINT -500") == \
        [OK, [99, 0], [100, 1], [100, 0], [0, -100]]
    assert replies(conn, "INCREX new UBOUND 0", "EXISTS new", "INCREX new LBOUND 10", "INCREX new LBOUND 10 SATURATE") == \
        [[0, 0], 0, [0, 0], [10, 10]]
    conn.cmd("SET", "n", INT_MAX - 7)
    assert conn.cmd("INCREX", "n", "BYINT", INT_MAX) == [INT_MAX - 7, 0]
    assert conn.cmd("INCREX", "n", "BYINT", INT_MAX, "SATURATE") == [INT_MAX, 7]
    assert conn.cmd("INCREX", "n", "BYINT", -1, "LBOUND", INT_MIN, "UBOUND", INT_MIN, "SATURATE") == \
        Error(b"ERR increment or decrement would overflow")
    assert conn.cmd("GET", "n") == b"%d" % INT_MAX


def test_increx_floats(conn):
    assert replies(conn, "SET f 1.5", "INCREX f BYFLOAT 0.25", "INCREX f BYFLOAT 10 UBOUND 5.5",
                   "INCREX f BYFLOAT 10 UBOUND 5.5 SATURATE", "GET f", "INCREX f") == \
        [OK, [b"1.75", b"0.25"], [b"1.75", b"0"], [b"5.5", b"3.75"], b"5.5", NOT_INT]
    infinite = Error(b"ERR value or increment would produce Infinity")
    assert replies(conn, "INCREX f BYFLOAT inf", "SET i inf", "INCREX i BYFLOAT 1", "GET i", "INCREX f BYFLOAT x") == \
        [infinite, OK, infinite, b"inf", Error(b"ERR value is not a valid float")]
    huge = "1" + "0" * 4932
    conn.cmd("SET", "f", huge)
    rejected = conn.cmd("INCREX", "f", "BYFLOAT", huge)
    assert rejected[1] == b"0" and conn.cmd("GET", "f") == huge.encode()
    conn.cmd("HELLO", 3)
    assert replies(conn, "SET f 1", "INCREX f BYFLOAT 0.5", "INCREX n BYINT 2") == [OK, [1.5, 0.5], [2, 2]]


def test_increx_expiry(conn):
    assert replies(conn, "INCREX n EX 100", "TTL n", "INCREX n", "TTL n", "INCREX n EX 500 ENX", "TTL n",
                   "INCREX n PERSIST", "TTL n", "INCREX n PX 90000 ENX", "TTL n", "INCREX n EXAT 99999999999",
                   "EXPIRETIME n", "INCREX n EX 5 UBOUND 3", "EXPIRETIME n") == \
        [[1, 1], 100, [2, 1], 100, [3, 1], 100, [4, 1], -1, [5, 1], 90, [6, 1], 99999999999, [6, 0], 99999999999]
    assert replies(conn, "INCREX n PXAT 1", "EXISTS n", "INCREX f BYFLOAT 1.5 EX 7", "TTL f") == \
        [[7, 1], 0, [b"1.5", b"1.5"], 7]


@pytest.mark.parametrize("options, text", [
    ("NOSUCH", "syntax error"), ("BYINT", "syntax error"), ("BYINT 1 BYFLOAT 1", "syntax error"),
    ("BYINT 1 BYINT 1", "syntax error"), ("LBOUND 1 LBOUND 2", "syntax error"), ("EX 1 PX 1", "syntax error"),
    ("EX 1 PERSIST", "syntax error"), ("PERSIST ENX", "syntax error"), ("KEEPTTL", "syntax error"),
    ("ENX", "ENX flag requires an expiration option"), ("BYINT 1.5", "value is not an integer or out of range"),
    ("LBOUND 2 UBOUND 1", "LBOUND can't be greater than UBOUND"), ("EX 0", "invalid expire time in 'increx' command"),
    ("BYFLOAT 1 LBOUND 2.5 UBOUND 1.5", "LBOUND can't be greater than UBOUND"),
    ("UBOUND 1.5", "value is not an integer or out of range")])
def test_increx_errors(conn, options, text):
    assert conn.cmd("INCREX", "n", *options.split()) == Error(b"ERR " + text.encode())
    conn.cmd("RPUSH", "l", "a")
    assert conn.cmd("INCREX", "l") == conn.cmd("INCREX", "l", "BYFLOAT", 1) == WRONGTYPE
    assert conn.cmd("DBSIZE") == 1


def test_throttle(conn):
    """A burst of 3 beyond the first, then one per 1000 s: nothing drips in while the test runs."""
    answers = [conn.cmd("CL.THROTTLE", "t", 3, 1, 1000) for _ in range(6)]
    assert [row[:3] for row in answers] == [[0, 4, 3], [0, 4, 2], [0, 4, 1], [0, 4, 0], [1, 4, 0], [1, 4, 0]]
    assert [row[3] == -1 for row in answers] == [True] * 4 + [False] * 2
    assert 900 < answers[4][3] <= 1000 and 3900 < answers[4][4] <= 4000
    assert 3900 < conn.cmd("TTL", "t") <= 4000
    assert conn.cmd("CL.THROTTLE", "t", 3, 1, 1000, 0)[:3] == [0, 4, 0]
    assert conn.cmd("CL.THROTTLE", "u", 3, 1, 1000, 5) == [1, 4, 4, -1, 0] and conn.cmd("EXISTS", "u") == 0
    assert conn.cmd("CL.THROTTLE", "u", 3, 1, 1000, 4)[:4] == [0, 4, 0, -1]


def test_throttle_refills(conn):
    first, second = [conn.cmd("CL.THROTTLE", "t", 0, 5, 1) for _ in range(2)]
    assert first[0] == 0 and second[0] == 1
    assert wait_until(lambda: conn.cmd("CL.THROTTLE", "t", 0, 5, 1)[0] == 0)


def test_throttle_errors(conn):
    assert replies(conn, "CL.THROTTLE t x 1 1", "CL.THROTTLE t 1 1 1 1 1", "CL.THROTTLE t 1 0 1") == \
        [Error(b"ERR invalid max_burst"), SYNTAX, Error(b"ERR invalid count")]
    assert replies(conn, "CL.THROTTLE t -1 1 1", "CL.THROTTLE t 1 1 0", "CL.THROTTLE t 1 1 1 -1") == \
        [Error(b"ERR invalid max_burst"), Error(b"ERR invalid period"), Error(b"ERR invalid quantity")]
    assert replies(conn, "RPUSH l a", "CL.THROTTLE l 1 1 1", "SET s x", "CL.THROTTLE s 1 1 1") == \
        [1, WRONGTYPE, OK, NOT_INT]
    assert isinstance(conn.cmd("CL.THROTTLE", "t", 2**31 - 1, 1, 2**31 - 1, 2**31 - 1), Error)
    assert conn.cmd("EXISTS", "t") == 0


def test_effects_replay_on_redis(start_server, oracle, tmp_path):
    """The log of the new commands holds only what Redis 7 knows."""
    path = tmp_path / "effects"
    server = start_server(debug_effects_file=path)
    with server.connect() as conn:
        replies(conn, "SET a hello", f"SET a 1 IFDEQ {HELLO.decode()}", "SET a 2 IFEQ 1 EX 100", "SET a 3 IFEQ 9",
                "MSETEX 3 b 1 c 2 d 3 PX 900000", "MSETEX 2 b 4 e 5 KEEPTTL", "MSETEX 1 b 4 NX", "DELEX d IFEQ 3",
                "DELEX e IFEQ 9", "INCREX n BYINT 5 EX 500", "INCREX n UBOUND 5", "INCREX n", "INCREX n PERSIST",
                "INCREX f BYFLOAT 0.1 EX 1000", "INCREX g PXAT 1", "CL.THROTTLE t 3 1 1000", "SET x v", "DELIFEQ x v")
    expected = dump(server)
    server.stop()
    with oracle.connect() as redis:
        redis.send(path.read_bytes())
        for _ in range(path.read_bytes().count(b"*")):
            assert not isinstance(redis.read(), Error)
    assert expected and not differing(expected, dump(oracle), tolerance_ms=0, encodings=False)


def test_counts_of_set_operations(conn):
    conn.cmd("SADD", "a", *range(1000))
    conn.cmd("SADD", "b", *range(500, 1500))
    conn.cmd("SADD", "c", "x", "y", "1")
    assert replies(conn, "SUNIONCARD 3 a b c", "SUNIONCARD 2 a b LIMIT 700", "SUNIONCARD 2 a b LIMIT 1200",
                   "SUNIONCARD 2 a none", "SUNIONCARD 1 none", "SUNIONCARD 2 a a", "SUNIONCARD 2 c b LIMIT 0") == \
        [1502, 700, 1200, 1000, 0, 1000, 1002 + 1]
    assert replies(conn, "SDIFFCARD 2 a b", "SDIFFCARD 2 a b LIMIT 7", "SDIFFCARD 1 a", "SDIFFCARD 2 a a",
                   "SDIFFCARD 2 none a", "SDIFFCARD 3 a b c", "SDIFFCARD 2 c none") == [500, 7, 1000, 0, 0, 499, 3]
    assert abs(conn.cmd("SUNIONCARD", 2, "a", "b", "APPROX") - 1500) < 60
    assert conn.cmd("SUNIONCARD", 2, "a", "b", "LIMIT", 10, "APPROX") == 10
    for name in ("SUNIONCARD", "SDIFFCARD"):
        assert conn.cmd(name, 0, "a") == conn.cmd(name, "x", "a") == Error(b"ERR numkeys should be greater than 0")
        assert conn.cmd(name, 3, "a") == Error(b"ERR Number of keys can't be greater than number of args")
        assert conn.cmd(name, 1, "a", "LIMIT", -1) == Error(b"ERR LIMIT can't be negative")
        assert conn.cmd(name, 1, "a", "LIMIT") == conn.cmd(name, 1, "a", "b") == SYNTAX
        conn.cmd("SET", "s", "v")
        assert conn.cmd(name, 2, "a", "s") == WRONGTYPE
    assert conn.cmd("SDIFFCARD", 1, "a", "APPROX") == SYNTAX


def test_aggregate_count(conn):
    conn.cmd("ZADD", "a", 10, "x", 20, "y")
    conn.cmd("ZADD", "b", 5, "y", "-inf", "z")
    conn.cmd("SADD", "s", "y")
    assert conn.cmd("ZUNION", 3, "a", "b", "s", "AGGREGATE", "COUNT", "WITHSCORES") == \
        [b"x", b"1", b"z", b"1", b"y", b"3"]
    assert conn.cmd("ZINTER", 2, "a", "b", "WEIGHTS", 2, 5, "AGGREGATE", "count", "WITHSCORES") == [b"y", b"7"]
    assert conn.cmd("ZUNIONSTORE", "out", 2, "a", "b", "AGGREGATE", "COUNT") == 3
    assert conn.cmd("ZSCORE", "out", "y") == b"2"
