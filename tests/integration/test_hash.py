"""Hashes: replies, errors and encodings, each with both encodings and beside redis-server where chance plays no part."""
import pytest

from lib.resp import Error, Map

SMALL, LARGE = 5, 600
WRONGTYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"


def fields(count):
    return {b"f%d" % i: b"v%d" % i for i in range(count)}


def flat(mapping):
    return [part for pair in mapping.items() for part in pair]


def fill(conn, key, count):
    conn.cmd("HSET", key, *flat(fields(count)))
    return fields(count)


@pytest.fixture(params=[SMALL, LARGE], ids=["listpack", "hashtable"])
def filled(request, conn):
    """The fields of the hash `h`."""
    expected = fill(conn, "h", request.param)
    assert conn.cmd("OBJECT", "ENCODING", "h") == (b"listpack" if request.param == SMALL else b"hashtable")
    return expected


def pairs_of(reply):
    return dict(zip(reply[::2], reply[1::2]))


def test_set_and_get(conn, filled):
    assert conn.cmd("HLEN", "h") == len(filled)
    assert conn.cmd("HSET", "h", "f0", "new", "another", "x", "another", "y") == 1
    assert conn.cmd("HMGET", "h", "f0", "none", "another", "f1") == [b"new", None, b"y", b"v1"]
    assert conn.cmd("HSETNX", "h", "f0", "z") == 0 and conn.cmd("HSETNX", "h", "free", "z") == 1
    assert conn.cmd("HEXISTS", "h", "free") == 1 and conn.cmd("HEXISTS", "h", "none") == 0
    assert conn.cmd("HSTRLEN", "h", "f0") == 3 and conn.cmd("HSTRLEN", "h", "none") == 0
    assert conn.cmd("HGET", "h", "none") is None
    assert conn.cmd("HMSET", "h", "f0", "again") == b"OK"
    assert conn.cmd("HGET", "h", "f0") == b"again"


def test_whole_hash(conn, filled):
    assert pairs_of(conn.cmd("HGETALL", "h")) == filled
    assert conn.cmd("HKEYS", "h") == conn.cmd("HGETALL", "h")[::2]
    assert conn.cmd("HVALS", "h") == conn.cmd("HGETALL", "h")[1::2]


def test_delete_to_the_last_field(conn, filled):
    names = list(filled)
    assert conn.cmd("HDEL", "h", "none", names[0], names[0]) == 1
    assert conn.cmd("HDEL", "h", *names[1:-1]) == len(names) - 2
    assert conn.cmd("EXISTS", "h") == 1
    assert conn.cmd("HDEL", "h", names[-1]) == 1
    assert conn.cmd("EXISTS", "h") == 0


def test_counters(conn, filled):
    assert conn.cmd("HINCRBY", "h", "n", 5) == 5
    assert conn.cmd("HINCRBY", "h", "n", -7) == -2
    assert conn.cmd("HINCRBYFLOAT", "h", "n", "0.5") == b"-1.5"
    assert conn.cmd("HINCRBYFLOAT", "h", "n", "1.5") == b"0"
    assert conn.cmd("HINCRBY", "h", "n", 2**63 - 1) == 2**63 - 1
    assert conn.cmd("HINCRBY", "h", "n", 1) == Error(b"ERR increment or decrement would overflow")
    assert conn.cmd("HINCRBY", "h", "f0", 1) == Error(b"ERR hash value is not an integer")
    assert conn.cmd("HINCRBYFLOAT", "h", "f0", 1) == Error(b"ERR hash value is not a float")
    assert conn.cmd("HINCRBYFLOAT", "h", "n", "inf") == Error(b"ERR value is NaN or Infinity")


def scan_all(conn, *options):
    cursor, seen = b"0", []
    while True:
        cursor, part = conn.cmd("HSCAN", "h", cursor, *options)
        seen.append(part)
        if cursor == b"0":
            return seen


def test_scan(conn, filled):
    parts = scan_all(conn)
    assert pairs_of(sum(parts, [])) == filled
    assert (len(parts) == 1) == (len(filled) == SMALL)
    assert pairs_of(sum(scan_all(conn, "MATCH", "f*1", "COUNT", 7), [])) == \
        {f: v for f, v in filled.items() if f.endswith(b"1")}
    assert len(scan_all(conn, "COUNT", 2**63 - 1)) == 1


def test_random_fields(conn, filled):
    assert conn.cmd("HRANDFIELD", "h") in filled
    for count in (1, 3, len(filled) - 1, len(filled), len(filled) + 10):
        some = conn.cmd("HRANDFIELD", "h", count)
        assert len(set(some)) == len(some) == min(count, len(filled)) and set(some) <= set(filled)
        pairs = conn.cmd("HRANDFIELD", "h", count, "WITHVALUES")
        assert len(pairs) == 2 * len(some) and pairs_of(pairs).items() <= filled.items()
    many = conn.cmd("HRANDFIELD", "h", -5000)
    assert len(many) == 5000 and set(many) <= set(filled)
    assert len(set(many)) > len(filled) * 0.9
    assert conn.cmd("HRANDFIELD", "h", 0) == []


@pytest.mark.tokamak
def test_endless_random_fields_are_refused(conn, filled):
    for count in (-2**24 - 1, -2**31, -2**62, -2**63 + 1):
        assert conn.cmd("HRANDFIELD", "h", count) == Error(b"ERR value is out of range")
    conn.cmd("HSET", "h", "f0", b"x" * 100_000, "f1", b"y" * 100_000)
    assert len(conn.cmd("HRANDFIELD", "h", -1000)) == 1000


def test_shapes_in_resp3(conn, filled):
    conn.cmd("HELLO", 3)
    whole = conn.cmd("HGETALL", "h")
    assert isinstance(whole, Map) and pairs_of(whole) == filled
    assert conn.cmd("HGETALL", "none") == Map([])
    some = conn.cmd("HRANDFIELD", "h", 2, "WITHVALUES")
    assert [len(pair) for pair in some] == [2, 2] and dict(map(tuple, some)).items() <= filled.items()
    assert all(len(pair) == 2 for pair in conn.cmd("HRANDFIELD", "h", -3, "WITHVALUES"))
    assert type(conn.cmd("HKEYS", "h")) is list
    assert conn.cmd("HGET", "h", "none") is None and conn.cmd("HRANDFIELD", "none") is None
    assert conn.cmd("HINCRBYFLOAT", "h", "n", "0.5") == b"0.5"


@pytest.mark.parametrize("grow", [
    [b"HSET", b"h", *flat(fields(513))], [b"HSET", b"h", b"f", b"x" * 65], [b"HSET", b"h", b"x" * 65, b"v"],
    [b"HSETNX", b"h", b"f", b"x" * 65], [b"HINCRBY", b"h", b"x" * 65, b"1"],
    [b"HINCRBYFLOAT", b"h", b"f", b"1e70"]], ids=lambda command: b" ".join(command)[:20].decode())
def test_grows_into_a_table_as_redis_does(conn, oracle, grow):
    with oracle.connect() as theirs:
        for where in (conn, theirs):
            where.cmd("HSET", "h", "a", "1", "b", "-9223372036854775808", "c", "")
            assert where.cmd("OBJECT", "ENCODING", "h") == b"listpack"
            where.cmd(*grow)
            assert where.cmd("OBJECT", "ENCODING", "h") == b"hashtable"
        assert pairs_of(conn.cmd("HGETALL", "h")) == pairs_of(theirs.cmd("HGETALL", "h"))


def test_encoding_follows_the_directives(conn):
    conn.cmd("CONFIG", "SET", "hash-max-listpack-entries", 2, "hash-max-listpack-value", 3)
    for index, (command, encoding) in enumerate([
            (["a", "1", "b", "2"], b"listpack"), (["a", "1", "b", "2", "c", "3"], b"hashtable"),
            (["a", "123"], b"listpack"), (["a", "1234"], b"hashtable"), (["abcd", "1"], b"hashtable")]):
        conn.cmd("HSET", f"h{index}", *command)
        assert conn.cmd("OBJECT", "ENCODING", f"h{index}") == encoding


COMMANDS = {"HSET": ["f", "v"], "HSETNX": ["f", "v"], "HMSET": ["f", "v"], "HGET": ["f"], "HMGET": ["f"], "HDEL": ["f"],
            "HLEN": [], "HSTRLEN": ["f"], "HINCRBY": ["f", "1"], "HINCRBYFLOAT": ["f", "1"], "HKEYS": [], "HVALS": [],
            "HGETALL": [], "HEXISTS": ["f"], "HSCAN": ["0"], "HRANDFIELD": []}


@pytest.mark.parametrize("name", COMMANDS)
def test_wrong_type_and_missing_key(conn, oracle, name):
    with oracle.connect() as theirs:
        for key in ("string", "none"):
            for where in (conn, theirs):
                where.cmd("SET", "string", "x")
            reply = conn.cmd(name, key, *COMMANDS[name])
            assert reply == theirs.cmd(name, key, *COMMANDS[name])
            assert (reply == Error(WRONGTYPE)) == (key == "string")


EDGES = [-2**63, -2**63 + 1, -2**31 - 1, -1, 0, 1, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, "x", "", "1.0", "+1", " 1"]
BAD = [["HSET", "h", "f"], ["HSET", "h", "f", "v", "g"], ["HMSET", "h", "f", "v", "g"], ["HSCAN", "h", "x"],
       ["HSCAN", "h", "0", "COUNT", "0"], ["HSCAN", "h", "0", "COUNT"], ["HSCAN", "h", "0", "TYPE", "hash"],
       ["HSCAN", "none", "0", "COUNT", "0"], ["HSCAN", "none", "x", "COUNT"], ["HSCAN", "string", "x"],
       ["HRANDFIELD", "h", "1", "VALUES"], ["HRANDFIELD", "h", "x", "VALUES"], ["HRANDFIELD", "h", "1", "WITHVALUES", "x"],
       ["HINCRBY", "string", "f", "x"], ["HINCRBYFLOAT", "string", "f", "x"], ["HINCRBYFLOAT", "h", "f", "nan"],
       ["HINCRBYFLOAT", "h", "big", "1e4932"], ["HINCRBYFLOAT", "h", "f", ""], ["HINCRBYFLOAT", "h", "spaces", "1"],
       *[["HINCRBY", "h", "n", edge] for edge in EDGES], *[["HINCRBYFLOAT", "h", "n", edge] for edge in EDGES],
       *[["HSCAN", "h", "0", "COUNT", edge] for edge in EDGES],
       *[["HRANDFIELD", "empty", edge] for edge in EDGES],
       *[["HRANDFIELD", "empty", edge, "WITHVALUES"] for edge in EDGES]]


def test_arguments_beside_redis(conn, oracle):
    with oracle.connect() as theirs:
        for where in (conn, theirs):
            where.cmd("SET", "string", "x")
            where.cmd("HSET", "h", "f", "v", "n", "17", "big", "1e4932", "spaces", " 1")
        for command in BAD:
            assert conn.cmd(*command) == theirs.cmd(*command), command


def test_scan_of_names_alone(conn):
    """HSCAN … NOVALUES is Redis 7.4's, ZSCAN … NOSCORES Valkey's."""
    for fields in (3, 600):  # packed, and a table
        conn.cmd("DEL", "h", "z")
        conn.pipeline([["HSET", "h", f"f{i}", i] for i in range(fields)] + [["ZADD", "z", i, f"f{i}"] for i in range(fields)])
        names = sorted(b"f%d" % i for i in range(fields))
        assert sorted(conn.cmd("HSCAN", "h", 0, "COUNT", 5000, "NOVALUES")[1]) == names
        assert sorted(conn.cmd("ZSCAN", "z", 0, "NOSCORES", "COUNT", 5000, "MATCH", "f*")[1]) == names
    assert conn.cmd("HSCAN", "h", 0, "NOSCORES") == b"ERR NOSCORES option can only be used in ZSCAN"
    assert conn.cmd("ZSCAN", "z", 0, "NOVALUES") == b"ERR NOVALUES option can only be used in HSCAN"
    assert conn.cmd("SCAN", 0, "NOVALUES") == b"ERR NOVALUES option can only be used in HSCAN"
