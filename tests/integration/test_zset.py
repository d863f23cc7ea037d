"""Sorted set commands: direct expectations, wire types in both protocols, encodings, edges of every integer."""
import pytest

from lib.resp import Double, Error, NullArray

EDGES = [-2**63, -2**63 + 1, -2**62, -2**32, -2**31 - 1, -1, 0, 1, 2**31 - 1, 2**31, 2**31 + 1, 2**32, 2**62,
         2**63 - 1]
WRONGTYPE = Error(b"WRONGTYPE Operation against a key holding the wrong kind of value")
SYNTAX = Error(b"ERR syntax error")
NOT_FLOAT = Error(b"ERR value is not a valid float")
NOT_INTEGER = Error(b"ERR value is not an integer or out of range")
BAD_RANGE = Error(b"ERR min or max is not a float")
BAD_LEX = Error(b"ERR min or max not valid string range item")


def fill(conn, key, count=5, first=1):
    """m1 … with scores 1 …"""
    conn.cmd("DEL", key)
    return conn.cmd("ZADD", key, *[x for i in range(first, first + count) for x in (i, f"m{i}")])


def big(conn, key, count=500):
    """The same in the large form."""
    fill(conn, key, count)
    assert encoding(conn, key) == b"skiplist"


def encoding(conn, key):
    return conn.cmd("OBJECT", "ENCODING", key)


def all_of(conn, key):
    return conn.cmd("ZRANGE", key, 0, -1, "WITHSCORES")


def names(*numbers):
    return [b"m%d" % i for i in numbers]


@pytest.fixture(params=[5, 500], ids=["listpack", "skiplist"])
def size(request, conn):
    """A set z of each encoding whose first five members are the same."""
    fill(conn, "z", request.param)
    return request.param


@pytest.mark.smoke
def test_add_ask_remove(conn):
    assert conn.cmd("ZADD", "z", 1, "a", "2.5", "b", "-inf", "c") == 3
    assert conn.cmd("ZADD", "z", 1, "a", 3, "b", 4, "") == 1
    assert conn.cmd("ZSCORE", "z", "b") == b"3" and conn.cmd("ZSCORE", "z", "c") == b"-inf"
    assert conn.cmd("ZSCORE", "z", "x") is None and conn.cmd("ZSCORE", "none", "x") is None
    assert conn.cmd("ZMSCORE", "z", "a", "x", "") == [b"1", None, b"4"]
    assert conn.cmd("ZMSCORE", "none", "a", "b") == [None, None]
    assert conn.cmd("ZCARD", "z") == 4 and conn.cmd("ZCARD", "none") == 0
    assert all_of(conn, "z") == [b"c", b"-inf", b"a", b"1", b"b", b"3", b"", b"4"]
    assert conn.cmd("ZREM", "z", "a", "x", "a") == 1 and conn.cmd("ZREM", "none", "a") == 0
    assert conn.cmd("ZREM", "z", "b", "c", "") == 3 and conn.cmd("EXISTS", "z") == 0


@pytest.mark.parametrize("options, score, reply, after", [
    ("NX", 9, 0, b"3"), ("XX", 9, 0, b"9"), ("XX CH", 9, 1, b"9"), ("GT CH", 2, 0, b"3"), ("GT CH", 4, 1, b"4"),
    ("LT CH", 4, 0, b"3"), ("LT CH", 2, 1, b"2"), ("CH", 3, 0, b"3"), ("INCR", 2, b"5", b"5"),
    ("INCR NX", 2, None, b"3"), ("INCR GT", -1, None, b"3"), ("INCR LT", -1, b"2", b"2"), ("XX GT INCR", 0, None, b"3"),
    ("INCR", 0, b"3", b"3")])
def test_add_options(conn, size, options, score, reply, after):
    assert conn.cmd("ZADD", "z", *options.split(), score, "m3") == reply
    assert conn.cmd("ZSCORE", "z", "m3") == after
    assert conn.cmd("ZCARD", "z") == size


def test_add_options_on_missing(conn):
    assert conn.cmd("ZADD", "z", "XX", 1, "a") == 0 and conn.cmd("ZADD", "z", "XX", "INCR", 1, "a") is None
    assert conn.cmd("EXISTS", "z") == 0
    assert conn.cmd("ZADD", "z", "GT", 1, "a") == 1 and conn.cmd("ZADD", "z", "NX", "CH", 1, "b") == 1
    assert conn.cmd("ZADD", "z", "LT", "INCR", 7, "c") == b"7"


@pytest.mark.parametrize("args, error", [
    ("NX XX 1 a", b"ERR XX and NX options at the same time are not compatible"),
    ("NX GT 1 a", b"ERR GT, LT, and/or NX options at the same time are not compatible"),
    ("GT LT 1 a", b"ERR GT, LT, and/or NX options at the same time are not compatible"),
    ("INCR 1 a 2 b", b"ERR INCR option supports a single increment-element pair"),
    ("1 a 2", SYNTAX), ("NX XX", SYNTAX), ("CH 1", SYNTAX), ("x a", NOT_FLOAT), ("nan a", NOT_FLOAT),
    ("1 a x b", NOT_FLOAT)])
def test_add_errors_change_nothing(conn, args, error):
    assert conn.cmd("ZADD", "z", *args.split()) == Error(error)
    assert conn.cmd("EXISTS", "z") == 0


def test_incrby(conn):
    assert conn.cmd("ZINCRBY", "z", "1.5", "a") == b"1.5" and conn.cmd("ZINCRBY", "z", "-0.5", "a") == b"1"
    assert conn.cmd("ZINCRBY", "z", "+inf", "a") == b"inf"
    assert conn.cmd("ZINCRBY", "z", "-inf", "a") == Error(b"ERR resulting score is not a number (NaN)")
    assert conn.cmd("ZSCORE", "z", "a") == b"inf" and conn.cmd("ZINCRBY", "z", "x", "a") == NOT_FLOAT


@pytest.mark.parametrize("score, text", [
    ("0.1", b"0.1"), ("1e17", b"100000000000000000"), ("1e20", b"1e+20"), ("1e21", b"1e+21"), ("-1e-7", b"-1e-7"),
    ("3.0", b"3"), ("4503599627370497", b"4503599627370497"), ("1.7976931348623157e308", b"1.7976931348623157e+308")])
def test_scores_keep_their_shortest_text(conn, size, score, text):
    conn.cmd("ZADD", "z", score, "m1")
    assert conn.cmd("ZSCORE", "z", "m1") == text


def test_encodings(conn):
    fill(conn, "z", 128)
    assert encoding(conn, "z") == b"listpack"
    conn.cmd("ZADD", "z", 1, "m1")
    assert encoding(conn, "z") == b"listpack"
    conn.cmd("ZADD", "z", 1, "one more")
    assert encoding(conn, "z") == b"skiplist"
    conn.cmd("ZREM", "z", "one more", *names(*range(2, 129)))
    assert encoding(conn, "z") == b"skiplist" and all_of(conn, "z") == [b"m1", b"1"]
    conn.cmd("ZADD", "long", 1, "x" * 64)
    assert encoding(conn, "long") == b"listpack"
    conn.cmd("ZADD", "long", 1, "x" * 65)
    assert encoding(conn, "long") == b"skiplist"
    assert conn.cmd("ZUNIONSTORE", "back", 1, "z") == 1 and encoding(conn, "back") == b"listpack"
    assert conn.cmd("ZUNIONSTORE", "back", 2, "z", "long") == 3 and encoding(conn, "back") == b"skiplist"
    assert conn.cmd("ZRANGESTORE", "back", "long", 0, 0) == 1 and encoding(conn, "back") == b"listpack"


def test_rank(conn, size):
    assert conn.cmd("ZRANK", "z", "m3") == 2 and conn.cmd("ZREVRANK", "z", "m3") == size - 3
    assert conn.cmd("ZRANK", "z", "x") is None and conn.cmd("ZRANK", "none", "x") is None
    assert conn.cmd("ZRANK", "z", "m3", "WITHSCORE") == [2, b"3"]
    assert conn.cmd("ZREVRANK", "z", "m3", "withscore") == [size - 3, b"3"]
    assert conn.cmd("ZRANK", "z", "x", "WITHSCORE") == NullArray()
    assert conn.cmd("ZRANK", "z", "m3", "WITHSCORES") == SYNTAX
    assert conn.cmd("ZRANK", "z", "m3", "WITHSCORE", "x") == \
        Error(b"ERR wrong number of arguments for 'zrank' command")


def test_range_by_rank(conn, size):
    assert conn.cmd("ZRANGE", "z", 0, 2) == names(1, 2, 3)
    assert conn.cmd("ZRANGE", "z", 1, 1, "WITHSCORES") == [b"m2", b"2"]
    assert conn.cmd("ZRANGE", "z", -2, -1) == names(size - 1, size)
    assert conn.cmd("ZRANGE", "z", 0, 1, "REV") == names(size, size - 1) == conn.cmd("ZREVRANGE", "z", 0, 1)
    assert conn.cmd("ZREVRANGE", "z", -2, -1, "WITHSCORES") == [b"m2", b"2", b"m1", b"1"]
    assert conn.cmd("ZRANGE", "z", 3, 1) == [] == conn.cmd("ZRANGE", "none", 0, -1)
    assert conn.cmd("ZRANGE", "z", 0, 0, "LIMIT", 0, 1).startswith(b"ERR syntax error, LIMIT is only supported")


def test_range_by_score(conn, size):
    assert conn.cmd("ZRANGEBYSCORE", "z", 2, "(4") == names(2, 3)
    assert conn.cmd("ZRANGEBYSCORE", "z", "-inf", 2, "WITHSCORES") == [b"m1", b"1", b"m2", b"2"]
    assert conn.cmd("ZRANGEBYSCORE", "z", "-inf", "+inf", "LIMIT", 1, 2) == names(2, 3)
    assert conn.cmd("ZREVRANGEBYSCORE", "z", 4, "(1", "LIMIT", 1, 5) == names(3, 2)
    assert conn.cmd("ZRANGE", "z", 4, 1, "BYSCORE", "REV", "LIMIT", 0, 2) == names(4, 3)
    assert conn.cmd("ZRANGE", "z", "(2", 3.5, "BYSCORE", "WITHSCORES") == [b"m3", b"3"]
    assert conn.cmd("ZRANGEBYSCORE", "z", 3, 2) == [] == conn.cmd("ZRANGEBYSCORE", "z", "(2", "(2")
    assert conn.cmd("ZRANGEBYSCORE", "z", 1, 3, "LIMIT", -1, 5) == []
    assert conn.cmd("ZRANGEBYSCORE", "z", 1, 3, "LIMIT", 1, -5) == names(2, 3)
    assert conn.cmd("ZCOUNT", "z", 2, "(5") == 3 and conn.cmd("ZCOUNT", "none", 0, 1) == 0
    for bad in ("x", "(", "1x", "nan"):
        reply = conn.cmd("ZRANGEBYSCORE", "z", bad, 3)
        assert reply == (BAD_RANGE if bad != "(" else names(1, 2, 3))  # strtod reads nothing as 0
    assert conn.cmd("ZCOUNT", "z", 0, "x") == BAD_RANGE


@pytest.mark.parametrize("limit", [4, 128])
def test_range_by_member(conn, server, limit):
    conn.cmd("CONFIG", "SET", "zset-max-listpack-entries", limit)
    conn.cmd("ZADD", "z", *[x for member in "abcdef" for x in (0, member)])
    assert conn.cmd("ZRANGEBYLEX", "z", "[b", "(e") == [b"b", b"c", b"d"]
    assert conn.cmd("ZRANGEBYLEX", "z", "-", "+", "LIMIT", 4, 9) == [b"e", b"f"]
    assert conn.cmd("ZREVRANGEBYLEX", "z", "[c", "-") == [b"c", b"b", b"a"]
    assert conn.cmd("ZRANGE", "z", "+", "(d", "BYLEX", "REV") == [b"f", b"e"]
    assert conn.cmd("ZRANGEBYLEX", "z", "+", "-") == [] and conn.cmd("ZLEXCOUNT", "z", "[aa", "[dd") == 3
    assert conn.cmd("ZRANGEBYLEX", "z", "b", "[c") == BAD_LEX == conn.cmd("ZLEXCOUNT", "z", "-x", "+")
    assert conn.cmd("ZRANGE", "z", "-", "+", "BYLEX", "WITHSCORES").startswith(b"ERR syntax error, WITHSCORES not")
    assert conn.cmd("ZREMRANGEBYLEX", "z", "(b", "[d") == 2
    assert conn.cmd("ZRANGE", "z", 0, -1) == [b"a", b"b", b"e", b"f"]


def test_remove_ranges(conn, size):
    assert conn.cmd("ZREMRANGEBYRANK", "z", 1, 2) == 2 and conn.cmd("ZRANGE", "z", 0, 1) == names(1, 4)
    assert conn.cmd("ZREMRANGEBYSCORE", "z", "(1", "(5") == 1 and conn.cmd("ZSCORE", "z", "m4") is None
    assert conn.cmd("ZREMRANGEBYSCORE", "z", 900, 1000) == 0 == conn.cmd("ZREMRANGEBYRANK", "none", 0, -1)
    assert conn.cmd("ZREMRANGEBYRANK", "z", 0, -1) == size - 3 and conn.cmd("EXISTS", "z") == 0
    assert conn.cmd("ZREMRANGEBYSCORE", "z", "x", 1) == BAD_RANGE


def test_range_store(conn, size):
    conn.cmd("SET", "to", "string")
    assert conn.cmd("ZRANGESTORE", "to", "z", 1, 2) == 2 and all_of(conn, "to") == [b"m2", b"2", b"m3", b"3"]
    assert conn.cmd("ZRANGESTORE", "z", "z", "(3", 2, "BYSCORE", "REV") == 1 == conn.cmd("ZCARD", "z")
    assert conn.cmd("ZRANGESTORE", "to", "none", 0, -1) == 0 and conn.cmd("EXISTS", "to") == 0
    assert conn.cmd("ZRANGESTORE", "to", "z", 0, -1, "WITHSCORES") == SYNTAX


def test_pop(conn, size):
    assert conn.cmd("ZPOPMIN", "z") == [b"m1", b"1"] and conn.cmd("ZPOPMAX", "z") == [b"m%d" % size, b"%d" % size]
    assert conn.cmd("ZPOPMIN", "z", 2) == [b"m2", b"2", b"m3", b"3"] and conn.cmd("ZPOPMIN", "z", 0) == []
    assert conn.cmd("ZPOPMAX", "none") == [] == conn.cmd("ZPOPMAX", "none", 3)
    assert conn.cmd("ZPOPMIN", "z", -1) == Error(b"ERR value is out of range, must be positive")
    assert conn.cmd("ZPOPMIN", "z", 1, 2) == SYNTAX
    rest = conn.cmd("ZPOPMAX", "z", 2**63 - 1)
    assert rest[-2:] == [b"m4", b"4"] and len(rest) == 2 * (size - 4) and conn.cmd("EXISTS", "z") == 0


def test_mpop(conn, size):
    assert conn.cmd("ZMPOP", 2, "none", "z", "MIN", "COUNT", 2) == [b"z", [[b"m1", b"1"], [b"m2", b"2"]]]
    assert conn.cmd("ZMPOP", 1, "z", "max") == [b"z", [[b"m%d" % size, b"%d" % size]]]
    assert conn.cmd("ZMPOP", 1, "none", "MIN") == NullArray()
    assert conn.cmd("ZMPOP", 0, "z", "MIN") == Error(b"ERR numkeys should be greater than 0")
    assert conn.cmd("ZMPOP", 1, "z", "MIN", "COUNT", 0) == Error(b"ERR count should be greater than 0")
    for args in ((2, "z", "MIN"), (1, "z", "MID"), (1, "z", "MIN", "COUNT"), (1, "z", "MIN", "COUNT", 1, "COUNT", 1)):
        assert conn.cmd("ZMPOP", *args) == SYNTAX


def test_random(conn, size):
    everything = {b"m%d" % i for i in range(1, size + 1)}
    assert conn.cmd("ZRANDMEMBER", "z") in everything and conn.cmd("ZRANDMEMBER", "none") is None
    assert conn.cmd("ZRANDMEMBER", "z", 0) == [] == conn.cmd("ZRANDMEMBER", "none", 4)
    for count in (1, 3, size // 2, size, size + 7):
        chosen = conn.cmd("ZRANDMEMBER", "z", count)
        assert len(set(chosen)) == len(chosen) == min(count, size) and set(chosen) <= everything
    chosen = conn.cmd("ZRANDMEMBER", "z", -2 * size, "WITHSCORES")
    assert len(chosen) == 4 * size
    assert all(member == b"m" + score for member, score in zip(chosen[::2], chosen[1::2]))
    assert conn.cmd("ZRANDMEMBER", "z", 1, "WITHSCORE") == SYNTAX
    assert conn.cmd("ZRANDMEMBER", "z", -2**62 - 1, "WITHSCORES") == Error(b"ERR value is out of range")


def test_scan(conn, size):
    found, cursor = {}, b"0"
    while True:
        cursor, items = conn.cmd("ZSCAN", "z", cursor, "COUNT", 20)
        found.update(zip(items[::2], items[1::2]))
        if cursor == b"0":
            break
    assert found == {b"m%d" % i: b"%d" % i for i in range(1, size + 1)}
    assert conn.cmd("ZSCAN", "z", 0, "MATCH", "m[2]", "COUNT", 10000) == [b"0", [b"m2", b"2"]]
    assert conn.cmd("ZSCAN", "none", 0, "NONSENSE") == [b"0", []]
    assert conn.cmd("ZSCAN", "z", "x") == Error(b"ERR invalid cursor") and conn.cmd("ZSCAN", "z", 0, "COUNT", 0) == SYNTAX


def test_scan_prints_scores_of_large_sets_with_17_digits(conn):
    conn.cmd("ZADD", "small", 0.1, "a")
    big(conn, "large")
    conn.cmd("ZADD", "large", 0.1, "a", "inf", "b")
    assert conn.cmd("ZSCAN", "small", 0) == [b"0", [b"a", b"0.1"]]
    assert conn.cmd("ZSCAN", "large", 0, "MATCH", "a", "COUNT", 9999)[1] == [b"a", b"0.10000000000000001"]
    assert conn.cmd("ZSCAN", "large", 0, "MATCH", "b", "COUNT", 9999)[1] == [b"b", b"inf"]


def test_set_operations(conn, size):
    conn.cmd("ZADD", "y", 10, "m2", 20, "m3", 30, "other")
    conn.cmd("SADD", "s", "m3", "m4", "else")
    assert conn.cmd("ZINTER", 2, "z", "y", "WITHSCORES") == [b"m2", b"12", b"m3", b"23"]
    assert conn.cmd("ZINTER", 3, "z", "y", "s", "WEIGHTS", 1, 2, 3, "WITHSCORES") == [b"m3", b"46"]
    assert conn.cmd("ZINTER", 2, "z", "y", "AGGREGATE", "MAX", "WITHSCORES") == [b"m2", b"10", b"m3", b"20"]
    assert conn.cmd("ZUNION", 2, "y", "s", "AGGREGATE", "MIN", "WITHSCORES") == \
        [b"else", b"1", b"m3", b"1", b"m4", b"1", b"m2", b"10", b"other", b"30"]
    assert conn.cmd("ZDIFF", 2, "y", "z", "WITHSCORES") == [b"other", b"30"]
    assert conn.cmd("ZDIFF", 3, "z", "y", "s")[:2] == names(1, 5) and conn.cmd("ZDIFF", 2, "z", "z") == []
    assert conn.cmd("ZINTERCARD", 2, "z", "y") == 2 and conn.cmd("ZINTERCARD", 2, "z", "y", "LIMIT", 1) == 1
    assert conn.cmd("ZUNION", 1, "none") == [] and conn.cmd("ZINTER", 2, "z", "none") == []


def test_stored_set_operations(conn, size):
    conn.cmd("ZADD", "y", 10, "m2", 20, "m3")
    conn.cmd("SET", "to", "string", "EX", 100)
    assert conn.cmd("ZINTERSTORE", "to", 2, "z", "y") == 2 and conn.cmd("TTL", "to") == -1
    assert conn.cmd("ZUNIONSTORE", "y", 2, "y", "to", "WEIGHTS", 1, "-1") == 2
    assert all_of(conn, "y") == [b"m3", b"-3", b"m2", b"-2"]
    assert conn.cmd("ZDIFFSTORE", "to", 2, "y", "z") == 0 and conn.cmd("EXISTS", "to") == 0
    assert conn.cmd("ZDIFFSTORE", "y", 1, "y") == 2


def test_sums_that_are_not_numbers_are_zero(conn):
    conn.cmd("ZADD", "a", "inf", "m")
    conn.cmd("ZADD", "b", "-inf", "m")
    assert conn.cmd("ZUNION", 2, "a", "b", "WITHSCORES") == [b"m", b"0"]
    assert conn.cmd("ZUNION", 1, "a", "WEIGHTS", 0, "WITHSCORES") == [b"m", b"0"]


@pytest.mark.parametrize("args, error", [
    (("ZUNION", 0, "z"), b"ERR at least 1 input key is needed for 'zunion' command"),
    (("ZINTERSTORE", "to", 0, "z"), b"ERR at least 1 input key is needed for 'zinterstore' command"),
    (("ZUNION", "x", "z"), NOT_INTEGER), (("ZUNION", 2, "z"), SYNTAX), (("ZUNION", 2**63 - 1, "z"), SYNTAX),
    (("ZUNION", 1, "z", "WEIGHTS", "x"), b"ERR weight value is not a float"),
    (("ZUNION", 1, "z", "WEIGHTS"), SYNTAX), (("ZUNION", 1, "z", "AGGREGATE", "AVG"), SYNTAX),
    (("ZDIFF", 1, "z", "WEIGHTS", 1), SYNTAX), (("ZUNIONSTORE", "to", 1, "z", "WITHSCORES"), SYNTAX),
    (("ZINTERCARD", 1, "z", "LIMIT", -1), b"ERR LIMIT can't be negative"),
    (("ZUNION", 1, "string", "NONSENSE"), WRONGTYPE)])
def test_set_operation_errors(conn, args, error):
    conn.cmd("SET", "string", "x")
    assert conn.cmd(*args) == Error(error)


@pytest.mark.parametrize("command", [
    "ZADD s 1 a", "ZINCRBY s 1 a", "ZREM s a", "ZCARD s", "ZSCORE s a", "ZMSCORE s a", "ZRANK s a", "ZREVRANK s a",
    "ZCOUNT s 0 1", "ZLEXCOUNT s - +", "ZRANGE s 0 1", "ZRANGESTORE to s 0 1", "ZREVRANGE s 0 1",
    "ZRANGEBYSCORE s 0 1", "ZRANGEBYLEX s - +", "ZREMRANGEBYRANK s 0 1", "ZREMRANGEBYSCORE s 0 1",
    "ZREMRANGEBYLEX s - +", "ZPOPMIN s", "ZPOPMAX s 1", "ZMPOP 1 s MIN", "ZRANDMEMBER s", "ZRANDMEMBER s 1",
    "ZSCAN s 0", "ZUNION 1 s", "ZINTERSTORE to 1 s", "ZDIFF 1 s", "ZINTERCARD 1 s"])
def test_wrong_type(conn, command):
    conn.cmd("SET", "s", "x")
    assert conn.cmd(*command.split()) == WRONGTYPE


def test_resp3(conn, size):
    conn.cmd("HELLO", 3)
    two = [[b"m1", Double(1)], [b"m2", Double(2)]]
    replies = {
        "ZSCORE z m2": Double(2), "ZADD z INCR 0 m2": Double(2), "ZINCRBY z 0 m2": Double(2),
        "ZMSCORE z m1 x": [Double(1), None], "ZRANK z m1 WITHSCORE": [0, Double(1)],
        "ZRANGE z 0 1 WITHSCORES": two, "ZRANGEBYSCORE z 1 2 WITHSCORES": two, "ZRANGE z 0 0": [b"m1"],
        "ZUNION 1 z WITHSCORES": two, "ZINTER 2 z z AGGREGATE MIN WITHSCORES": two, "ZDIFF 2 z x WITHSCORES": two}
    for command, expected in replies.items():
        reply = conn.cmd(*command.split())
        reply = reply[:2] if isinstance(reply, list) else reply
        assert reply == expected and repr(reply) == repr(expected), command
    assert conn.cmd("ZSCAN", "z", 0, "MATCH", "m1", "COUNT", 9999)[1] == [b"m1", b"1"]  # texts, as in Redis
    (member, score), = conn.cmd("ZRANDMEMBER", "z", 1, "WITHSCORES")
    assert isinstance(score, Double) and member == b"m%d" % score
    assert repr(conn.cmd("ZPOPMIN", "z")) == repr([b"m1", Double(1)])
    assert repr(conn.cmd("ZPOPMIN", "z", 1)) == repr([[b"m2", Double(2)]])
    assert repr(conn.cmd("ZMPOP", 1, "z", "MIN")) == repr([b"z", [[b"m3", Double(3)]]])
    assert conn.cmd("ZRANK", "z", "x") is None and conn.cmd("ZMPOP", 1, "none", "MIN") is None


@pytest.mark.parametrize("template", [
    "ZRANGE z {} {}", "ZREVRANGE z {} {} WITHSCORES", "ZRANGEBYSCORE z -inf +inf LIMIT {} {}",
    "ZREVRANGEBYLEX z + - LIMIT {} {}", "ZRANGEBYSCORE z {} {}", "ZCOUNT z {} {}", "ZRANGESTORE to z {} {}",
    "ZINTERCARD {} z LIMIT {}"])
def test_integer_edges_agree_with_redis(conn, oracle, size, template):
    commands = [template.format(a, b).split() for a in EDGES for b in EDGES]
    with oracle.connect() as redis:
        fill(redis, "z", size)
        for command in commands:
            assert conn.cmd(*command) == redis.cmd(*command), command


def test_integer_edges_of_counts(conn, size):
    for edge in EDGES:
        reply = conn.cmd("ZRANDMEMBER", "z", edge)
        assert isinstance(reply, Error) if edge < -2**24 else len(reply) <= size
        assert isinstance(conn.cmd("ZMPOP", edge, "z", "MIN"), (Error, list))
        assert isinstance(conn.cmd("ZUNION", edge, "z"), (Error, list))
    for edge in EDGES:
        assert isinstance(conn.cmd("ZREMRANGEBYRANK", "z", edge, edge), int)


def test_copy_and_digest(conn, size):
    assert conn.cmd("COPY", "z", "twin") == 1 and all_of(conn, "twin") == all_of(conn, "z")
    conn.cmd("ZADD", "twin", 0, "m5")
    assert conn.cmd("ZSCORE", "z", "m5") == b"5"
    assert encoding(conn, "z") == encoding(conn, "twin")
