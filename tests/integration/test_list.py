"""List commands: direct expectations, wire types in both protocols, encodings, edges of every integer."""
import pytest

from lib.resp import Error, NullArray

EDGES = [-2**63, -2**63 + 1, -2**62, -2**32, -2**31 - 1, -1, 0, 1, 2**31 - 1, 2**31, 2**31 + 1, 2**32, 2**62,
         2**63 - 1]
WRONGTYPE = Error(b"WRONGTYPE Operation against a key holding the wrong kind of value")
SYNTAX = Error(b"ERR syntax error")
NOT_INTEGER = Error(b"ERR value is not an integer or out of range")
NOT_POSITIVE = Error(b"ERR value is out of range, must be positive")
SIGNED = Error(b"ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807")


def letters(text):
    return [bytes([c]) for c in text.encode()]


def fill(conn, key, text):
    conn.cmd("DEL", key)
    return conn.cmd("RPUSH", key, *letters(text)) if text else 0


def content(conn, key):
    return b"".join(conn.cmd("LRANGE", key, 0, -1)).decode()


def encoding(conn, key):
    return conn.cmd("OBJECT", "ENCODING", key).decode()


@pytest.mark.smoke
def test_push_and_pop(conn):
    assert conn.cmd("RPUSH", "l", "b", "c") == 2
    assert conn.cmd("LPUSH", "l", "a", "0") == 4
    assert conn.cmd("LRANGE", "l", 0, -1) == [b"0", b"a", b"b", b"c"]
    assert conn.cmd("LPUSHX", "none", "x") == 0 and conn.cmd("RPUSHX", "none", "x") == 0
    assert conn.cmd("EXISTS", "none") == 0
    assert conn.cmd("LPUSHX", "l", "x") == 5 and conn.cmd("RPUSHX", "l", "y", "z") == 7
    assert conn.cmd("LPOP", "l") == b"x" and conn.cmd("RPOP", "l") == b"z"
    assert conn.cmd("LPOP", "l", 2) == [b"0", b"a"]
    assert conn.cmd("RPOP", "l", 2) == [b"y", b"c"]
    assert conn.cmd("RPOP", "l", 100) == [b"b"]
    assert conn.cmd("EXISTS", "l") == 0


def test_pop_of_nothing(conn):
    assert conn.cmd("LPOP", "none") is None
    assert conn.cmd("LPOP", "none", 3) == NullArray()
    fill(conn, "l", "a")
    assert conn.cmd("LPOP", "l", 0) == []
    assert conn.cmd("RPOP", "l", -1) == NOT_POSITIVE
    assert conn.cmd("RPOP", "l", "x") == NOT_POSITIVE
    assert conn.cmd("LPOP", "l", 1, 2) == Error(b"ERR wrong number of arguments for 'lpop' command")


@pytest.mark.smoke
def test_nulls_of_resp3(conn):
    conn.cmd("HELLO", 3)
    for command in (["LPOP", "none"], ["RPOP", "none", 2], ["LINDEX", "none", 0], ["LPOS", "none", "x"],
                    ["LMPOP", 2, "a", "b", "LEFT"], ["LMOVE", "none", "l", "LEFT", "LEFT"], ["RPOPLPUSH", "none", "l"]):
        assert conn.cmd(*command) is None, command
    assert conn.cmd("LPOS", "none", "x", "COUNT", 1) == []
    assert conn.cmd("LRANGE", "none", 0, -1) == []


def test_positions(conn):
    fill(conn, "l", "abcde")
    assert conn.cmd("LLEN", "l") == 5 and conn.cmd("LLEN", "none") == 0
    assert conn.cmd("LINDEX", "l", 0) == b"a" and conn.cmd("LINDEX", "l", -1) == b"e"
    assert conn.cmd("LINDEX", "l", 5) is None and conn.cmd("LINDEX", "l", -6) is None
    assert conn.cmd("LINDEX", "none", "x") is None
    assert conn.cmd("LINDEX", "l", "x") == NOT_INTEGER
    assert conn.cmd("LSET", "l", 1, "B") == b"OK" and conn.cmd("LSET", "l", -5, "A") == b"OK"
    assert content(conn, "l") == "ABcde"
    assert conn.cmd("LSET", "l", 5, "x") == Error(b"ERR index out of range")
    assert conn.cmd("LSET", "none", 0, "x") == Error(b"ERR no such key")


@pytest.mark.parametrize("start, stop, kept", [
    (0, -1, "abcde"), (1, 3, "bcd"), (-2, -1, "de"), (-100, 100, "abcde"), (3, 1, ""), (5, 9, ""), (0, -6, ""),
    (4, 4, "e"), (-1, -2, ""), (2, 2**62, "cde")])
def test_ranges(conn, start, stop, kept):
    fill(conn, "l", "abcde")
    assert b"".join(conn.cmd("LRANGE", "l", start, stop)).decode() == kept
    assert conn.cmd("LTRIM", "l", start, stop) == b"OK"
    assert content(conn, "l") == kept
    assert conn.cmd("EXISTS", "l") == (1 if kept else 0)


def test_lrem(conn):
    for count, left, removed in [(0, "bcb", 3), (2, "bcba", 2), (-2, "abcb", 2), (-100, "bcb", 3), (1, "bacba", 1)]:
        fill(conn, "l", "abacba")
        assert conn.cmd("LREM", "l", count, "a") == removed
        assert content(conn, "l") == left
    assert conn.cmd("LREM", "l", 0, "none") == 0
    assert conn.cmd("LREM", "none", 0, "a") == 0
    fill(conn, "l", "abab")
    assert conn.cmd("LREM", "l", -2**63, "a") == 2 and content(conn, "l") == "bb"
    fill(conn, "l", "aaa")
    assert conn.cmd("LREM", "l", 0, "a") == 3 and conn.cmd("EXISTS", "l") == 0


def test_numbers_match_by_text(conn):
    conn.cmd("RPUSH", "l", "10", "010", "1e1", "-0", "0")
    assert conn.cmd("LPOS", "l", "010") == 1 and conn.cmd("LPOS", "l", "0") == 4
    assert conn.cmd("LREM", "l", 0, "10") == 1
    assert conn.cmd("LRANGE", "l", 0, -1) == [b"010", b"1e1", b"-0", b"0"]


def test_linsert(conn):
    fill(conn, "l", "abab")
    assert conn.cmd("LINSERT", "l", "BEFORE", "b", "1") == 5
    assert conn.cmd("LINSERT", "l", "after", "b", "2") == 6
    assert content(conn, "l") == "a1b2ab"
    assert conn.cmd("LINSERT", "l", "AFTER", "x", "3") == -1
    assert conn.cmd("LINSERT", "none", "AFTER", "x", "3") == 0
    assert conn.cmd("LINSERT", "none", "AROUND", "x", "3") == SYNTAX


def test_lpos(conn):
    fill(conn, "l", "abcaba")
    assert conn.cmd("LPOS", "l", "a") == 0 and conn.cmd("LPOS", "l", "z") is None
    assert conn.cmd("LPOS", "l", "a", "RANK", 2) == 3 and conn.cmd("LPOS", "l", "a", "RANK", -1) == 5
    assert conn.cmd("LPOS", "l", "a", "RANK", 4) is None
    assert conn.cmd("LPOS", "l", "a", "COUNT", 0) == [0, 3, 5]
    assert conn.cmd("LPOS", "l", "a", "COUNT", 2, "RANK", -1) == [5, 3]
    assert conn.cmd("LPOS", "l", "a", "COUNT", 0, "MAXLEN", 4) == [0, 3]
    assert conn.cmd("LPOS", "l", "z", "COUNT", 5) == []
    assert conn.cmd("LPOS", "l", "a", "RANK", -2**63) == SIGNED
    assert conn.cmd("LPOS", "l", "a", "COUNT", -1) == Error(b"ERR COUNT can't be negative")
    assert conn.cmd("LPOS", "l", "a", "MAXLEN", "x") == Error(b"ERR MAXLEN can't be negative")
    assert conn.cmd("LPOS", "l", "a", "RANK") == SYNTAX
    assert conn.cmd("LPOS", "l", "a", "RANK", 0).startswith(b"ERR RANK can't be zero")


@pytest.mark.parametrize("source, target", [("l", "m"), ("l", "l")])
@pytest.mark.parametrize("start", ["LEFT", "RIGHT"])
@pytest.mark.parametrize("end", ["LEFT", "RIGHT"])
def test_lmove(conn, source, target, start, end):
    model = {"l": list("abc"), "m": []}
    fill(conn, "l", "abc")
    for _ in range(5):
        if not model[source]:
            assert conn.cmd("LMOVE", source, target, start, end) is None
            continue
        moved = model[source].pop(0 if start == "LEFT" else -1)
        model[target].insert(0 if end == "LEFT" else len(model[target]), moved)
        assert conn.cmd("LMOVE", source, target, start, end) == moved.encode()
        for key, want in model.items():
            assert content(conn, key) == "".join(want)
            assert conn.cmd("EXISTS", key) == bool(want)


def test_move_errors(conn):
    fill(conn, "l", "abc")
    conn.cmd("SET", "s", "v")
    assert conn.cmd("LMOVE", "l", "m", "UP", "LEFT") == SYNTAX
    assert conn.cmd("LMOVE", "l", "s", "LEFT", "LEFT") == WRONGTYPE
    assert conn.cmd("RPOPLPUSH", "s", "l") == WRONGTYPE
    assert conn.cmd("RPOPLPUSH", "none", "s") is None
    assert content(conn, "l") == "abc"


def test_lmpop(conn):
    fill(conn, "l", "abcd")
    conn.cmd("SET", "s", "v")
    assert conn.cmd("LMPOP", 2, "none", "l", "LEFT") == [b"l", [b"a"]]
    assert conn.cmd("LMPOP", 2, "l", "s", "RIGHT", "COUNT", 2) == [b"l", [b"d", b"c"]]
    assert conn.cmd("LMPOP", 2, "s", "l", "LEFT") == WRONGTYPE
    assert conn.cmd("LMPOP", 1, "l", "LEFT", "COUNT", 9) == [b"l", [b"b"]]
    assert conn.cmd("LMPOP", 1, "l", "LEFT") == NullArray()
    assert conn.cmd("LMPOP", 0, "l", "LEFT") == Error(b"ERR numkeys should be greater than 0")
    assert conn.cmd("LMPOP", 2**63 - 1, "l", "LEFT") == SYNTAX
    assert conn.cmd("LMPOP", 2, "l", "LEFT") == SYNTAX
    assert conn.cmd("LMPOP", 1, "l", "LEFT", "COUNT", 0) == Error(b"ERR count should be greater than 0")
    assert conn.cmd("LMPOP", 1, "l", "LEFT", "COUNT", 1, "COUNT", 1) == SYNTAX


def test_wrong_type(conn):
    conn.cmd("SET", "s", "v")
    for command in (["LPUSH", "s", "a"], ["RPUSHX", "s", "a"], ["LPOP", "s"], ["RPOP", "s", 1], ["LLEN", "s"],
                    ["LINDEX", "s", 0], ["LSET", "s", 0, "a"], ["LINSERT", "s", "BEFORE", "a", "b"],
                    ["LRANGE", "s", 0, 1], ["LREM", "s", 0, "a"], ["LTRIM", "s", 0, 1], ["LPOS", "s", "a"]):
        assert conn.cmd(*command) == WRONGTYPE, command


@pytest.mark.parametrize("edge", EDGES)
def test_edges_answer_at_once(conn, edge):
    """No crash, no endless loop, and the list is what the replies say."""
    for command in (["LRANGE", "l", edge, edge], ["LINDEX", "l", edge], ["LPOP", "l", edge], ["LREM", "l", edge, "a"],
                    ["LTRIM", "l", edge, -1], ["LTRIM", "l", 0, edge], ["LSET", "l", edge, "x"],
                    ["LPOS", "l", "a", "RANK", edge], ["LPOS", "l", "a", "COUNT", edge, "MAXLEN", edge],
                    ["LMPOP", edge, "l", "LEFT"], ["LMPOP", 1, "l", "RIGHT", "COUNT", edge]):
        fill(conn, "l", "abcabc")
        conn.cmd(*command)
        assert conn.cmd("LLEN", "l") == len(content(conn, "l"))


def test_encodings(start_server):
    server = start_server(list_max_listpack_size=4)
    with server.connect() as conn:
        fill(conn, "l", "abcd")
        assert encoding(conn, "l") == "listpack"
        conn.cmd("RPUSH", "l", "e")
        assert encoding(conn, "l") == "quicklist"
        conn.cmd("LPOP", "l", 2)
        assert encoding(conn, "l") == "quicklist"
        conn.cmd("RPOP", "l")
        assert encoding(conn, "l") == "listpack"
        conn.cmd("LSET", "l", 0, "x" * 9000)
        assert encoding(conn, "l") == "quicklist"


def test_long_list(conn):
    """Many blocks: positions, ranges and removals far from both ends."""
    values = [b"element:%06d" % i for i in range(20_000)]
    for start in range(0, len(values), 1000):
        conn.cmd("RPUSH", "l", *values[start:start + 1000])
    assert conn.cmd("LINDEX", "l", 12_345) == values[12_345]
    assert conn.cmd("LRANGE", "l", 9_990, 10_010) == values[9_990:10_011]
    assert conn.cmd("LPOS", "l", values[15_000], "RANK", -1) == 15_000
    assert conn.cmd("LINSERT", "l", "BEFORE", values[10_000], "new") == 20_001
    assert conn.cmd("LREM", "l", -1, "new") == 1
    assert conn.cmd("RPOP", "l", 5_000) == values[:14_999:-1]
    assert conn.cmd("LTRIM", "l", 5_000, -1) == b"OK"
    assert conn.cmd("LRANGE", "l", 0, -1) == values[5_000:15_000]


def test_large_elements(conn):
    sizes = [0, 63, 64, 4095, 4096, 8192, 100_000, 1_000_000]
    elements = [b"x" * size for size in sizes]
    conn.cmd("RPUSH", "l", *elements)
    assert conn.cmd("LRANGE", "l", 0, -1) == elements
    assert conn.cmd("RPOPLPUSH", "l", "l") == elements[-1]
    assert conn.cmd("LPOP", "l") == elements[-1]
    assert conn.cmd("LREM", "l", 0, elements[5]) == 1
    assert conn.cmd("LRANGE", "l", 0, -1) == elements[:5] + elements[6:7]
