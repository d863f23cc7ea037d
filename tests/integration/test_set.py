"""Set commands: direct expectations, wire types in both protocols, encodings, edges of every integer."""
import pytest

from lib.resp import Error, Set

EDGES = [-2**63, -2**63 + 1, -2**62, -2**32, -2**31 - 1, -1, 0, 1, 2**31 - 1, 2**31, 2**31 + 1, 2**32, 2**62,
         2**63 - 1]
WRONGTYPE = Error(b"WRONGTYPE Operation against a key holding the wrong kind of value")
SYNTAX = Error(b"ERR syntax error")
NOT_INTEGER = Error(b"ERR value is not an integer or out of range")
NOT_POSITIVE = Error(b"ERR value is out of range, must be positive")
TOO_LOW = Error(b"ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807")
OUT_OF_RANGE = Error(b"ERR value is out of range")


def numbers(*bounds):
    return [b"%d" % n for n in range(*bounds)]


def words(*bounds):
    return [b"word:%d" % n for n in range(*bounds)]


def fill(conn, key, members):
    conn.cmd("DEL", key)
    return conn.cmd("SADD", key, *members)


def members(conn, key):
    return sorted(conn.cmd("SMEMBERS", key))


def encoding(conn, key):
    return conn.cmd("OBJECT", "ENCODING", key).decode()


@pytest.mark.smoke
def test_add_remove_ask(conn):
    assert conn.cmd("SADD", "s", "a", "b", "a", "") == 3
    assert conn.cmd("SADD", "s", "a") == 0
    assert conn.cmd("SCARD", "s") == 3 and conn.cmd("SCARD", "none") == 0
    assert conn.cmd("SISMEMBER", "s", "") == 1 and conn.cmd("SISMEMBER", "s", "c") == 0
    assert conn.cmd("SISMEMBER", "none", "a") == 0
    assert conn.cmd("SMISMEMBER", "s", "a", "x", "b") == [1, 0, 1]
    assert conn.cmd("SMISMEMBER", "none", "a", "b") == [0, 0]
    assert members(conn, "s") == [b"", b"a", b"b"] and members(conn, "none") == []
    assert conn.cmd("SREM", "s", "a", "x", "a") == 1
    assert conn.cmd("SREM", "none", "a") == 0
    assert conn.cmd("SREM", "s", "b", "", "b") == 2
    assert conn.cmd("EXISTS", "s") == 0


def test_numbers_are_members_by_their_text(conn):
    """Only the canonical form is the number; the others are other members."""
    assert conn.cmd("SADD", "s", "1", "01", "+1", "1.0", "-0", "0") == 6
    assert conn.cmd("SISMEMBER", "s", "1") == 1 and conn.cmd("SISMEMBER", "s", "001") == 0
    assert fill(conn, "i", [b"-9223372036854775808", b"9223372036854775807"]) == 2
    assert encoding(conn, "i") == "intset"
    assert conn.cmd("SADD", "i", "9223372036854775808") == 1 and encoding(conn, "i") == "listpack"
    assert members(conn, "i") == [b"-9223372036854775808", b"9223372036854775807", b"9223372036854775808"]


@pytest.mark.parametrize("first, expected", [
    (numbers(512), "intset"), (numbers(513), "hashtable"), (words(128), "listpack"), (words(129), "hashtable"),
    (numbers(127) + [b"x"], "listpack"), (numbers(128) + [b"x"], "hashtable"), ([b"x" * 64], "listpack"),
    ([b"x" * 65], "hashtable"), ([b"1", b"x" * 65], "hashtable"),
])
def test_encodings(conn, first, expected):
    fill(conn, "together", first)
    for member in first:
        conn.cmd("SADD", "apart", member)
    assert encoding(conn, "together") == encoding(conn, "apart") == expected
    assert members(conn, "together") == members(conn, "apart") == sorted(first)


def test_many_arguments_decide_at_once(conn):
    """As in 7.2 the number of arguments counts, even if they are all the same member."""
    fill(conn, "s", [b"1"] * 513)
    assert encoding(conn, "s") == "hashtable" and conn.cmd("SCARD", "s") == 1
    fill(conn, "s", [b"a"])
    conn.cmd("SADD", "s", *[b"a"] * 129)
    assert encoding(conn, "s") == "hashtable" and members(conn, "s") == [b"a"]


def test_encodings_do_not_go_back(conn):
    fill(conn, "s", words(129))
    conn.cmd("SREM", "s", *words(1, 129))
    assert encoding(conn, "s") == "hashtable" and members(conn, "s") == words(1)


def test_move(conn):
    fill(conn, "a", [b"1", b"x"])
    assert conn.cmd("SMOVE", "a", "b", "1") == 1 and encoding(conn, "b") == "intset"
    assert conn.cmd("SMOVE", "a", "b", "1") == 0 and conn.cmd("SMOVE", "none", "b", "1") == 0
    assert conn.cmd("SMOVE", "a", "a", "x") == 1 and conn.cmd("SMOVE", "a", "a", "y") == 0
    assert conn.cmd("SMOVE", "a", "b", "x") == 1 and conn.cmd("EXISTS", "a") == 0
    assert members(conn, "b") == [b"1", b"x"]
    conn.cmd("SET", "string", "v")
    assert conn.cmd("SMOVE", "none", "string", "x") == 0
    assert conn.cmd("SMOVE", "b", "string", "x") == WRONGTYPE
    assert conn.cmd("SMOVE", "string", "b", "x") == WRONGTYPE
    assert members(conn, "b") == [b"1", b"x"]


KINDS = [numbers(30), words(30), numbers(600), words(300), numbers(20) + words(20)]


@pytest.mark.parametrize("others", range(1, 7))
def test_operations_on_all_encodings(conn, others):
    """Each encoding as the first operand against `others` further ones, the last of them missing."""
    for first in KINDS:
        sources = [first] + [KINDS[(others + i) % len(KINDS)][i:] for i in range(others - 1)] + [[]] * (others > 4)
        keys = [f"k{i}" for i in range(len(sources))]
        for key, content in zip(keys, sources):
            conn.cmd("DEL", key)
            if content:
                fill(conn, key, content)
        sets = [set(content) for content in sources]
        for name, expected in [("SINTER", set.intersection(*sets)), ("SUNION", set.union(*sets)),
                               ("SDIFF", sets[0].difference(*sets[1:]))]:
            assert sorted(conn.cmd(name, *keys)) == sorted(expected)
            assert conn.cmd(name + "STORE", "result", *keys) == len(expected)
            assert members(conn, "result") == sorted(expected)
        assert conn.cmd("SINTERCARD", len(keys), *keys) == len(set.intersection(*sets))


def test_difference_by_removing(conn):
    """Many sets smaller than the first: their members are taken out of a copy."""
    fill(conn, "big", words(400))
    for i in range(20):
        fill(conn, f"k{i}", words(i * 10, i * 10 + 10))
    keys = [f"k{i}" for i in range(20)]
    assert sorted(conn.cmd("SDIFF", "big", *keys)) == sorted(words(200, 400))
    assert conn.cmd("SDIFFSTORE", "big", "big", *keys) == 200
    assert conn.cmd("SDIFF", "big", *keys, "big") == []


@pytest.mark.parametrize("first, second, stored, expected", [
    (numbers(600), numbers(300), "SINTERSTORE", "intset"), (words(200), words(150), "SINTERSTORE", "hashtable"),
    (words(200) + numbers(9), numbers(9), "SINTERSTORE", "intset"),
    (words(200), words(9), "SINTERSTORE", "listpack"), (numbers(300), numbers(300, 512), "SUNIONSTORE", "intset"),
    (numbers(300), numbers(300, 513), "SUNIONSTORE", "hashtable"), (numbers(9), words(9), "SUNIONSTORE", "listpack"),
    (numbers(129), words(1), "SUNIONSTORE", "hashtable"), (words(200), words(190), "SDIFFSTORE", "listpack"),
    (words(9) + numbers(9), words(9), "SDIFFSTORE", "intset"),
])
def test_results_choose_their_encoding(conn, first, second, stored, expected):
    fill(conn, "a", first)
    fill(conn, "b", second)
    conn.cmd(stored, "r", "a", "b")
    assert encoding(conn, "r") == expected


def test_stores_replace_whatever_was_there(conn):
    fill(conn, "a", [b"1", b"2"])
    for before in (["SET", "r", "v"], ["RPUSH", "r", "x"], ["SADD", "r", "y"]):
        conn.cmd("DEL", "r")
        conn.cmd(*before)
        conn.cmd("PEXPIRE", "r", 100000)
        assert conn.cmd("SUNIONSTORE", "r", "a", "none") == 2
        assert members(conn, "r") == [b"1", b"2"] and conn.cmd("TTL", "r") == -1
    assert conn.cmd("SINTERSTORE", "r", "a", "none") == 0 and conn.cmd("EXISTS", "r") == 0
    assert conn.cmd("SINTERSTORE", "a", "a", "a") == 2 and conn.cmd("SDIFFSTORE", "a", "a", "a") == 0
    assert conn.cmd("EXISTS", "a") == 0
    conn.cmd("SET", "string", "v")
    fill(conn, "a", [b"1"])
    for name in ("SINTER", "SUNION", "SDIFF"):
        assert conn.cmd(name, "a", "string") == WRONGTYPE and conn.cmd(name, "none", "string") == WRONGTYPE
        assert conn.cmd(name + "STORE", "r", "a", "string") == WRONGTYPE
    assert conn.cmd("EXISTS", "r") == 0


def test_intercard(conn):
    fill(conn, "a", numbers(10))
    fill(conn, "b", numbers(5, 20))
    assert conn.cmd("SINTERCARD", 2, "a", "b") == 5
    assert [conn.cmd("SINTERCARD", 2, "a", "b", "LIMIT", n) for n in (0, 1, 5, 6, 2**63 - 1)] == [5, 1, 5, 5, 5]
    assert conn.cmd("SINTERCARD", 2, "a", "none") == 0
    assert conn.cmd("SINTERCARD", 0, "a") == Error(b"ERR numkeys should be greater than 0")
    assert conn.cmd("SINTERCARD", "x", "a") == Error(b"ERR numkeys should be greater than 0")
    assert conn.cmd("SINTERCARD", 3, "a", "b") == Error(b"ERR Number of keys can't be greater than number of args")
    assert conn.cmd("SINTERCARD", 1, "a", "b") == SYNTAX
    assert conn.cmd("SINTERCARD", 2, "a", "b", "LIMIT") == SYNTAX
    assert conn.cmd("SINTERCARD", 1, "a", "LIMIT", -1) == Error(b"ERR LIMIT can't be negative")
    assert conn.cmd("SINTERCARD", 1, "a", "LIMIT", "x") == Error(b"ERR LIMIT can't be negative")


POP_SIZES = [(numbers(100), "intset"), (words(100), "listpack"), (words(500), "hashtable")]


@pytest.mark.parametrize("content, before", POP_SIZES)
def test_pop(conn, content, before):
    for count in (0, 1, 4, 5, 50, len(content) - 3, len(content), len(content) + 1):
        fill(conn, "s", content)
        assert encoding(conn, "s") == before
        popped = conn.cmd("SPOP", "s", count)
        left = members(conn, "s")
        assert len(popped) == min(count, len(content)) and sorted(popped + left) == sorted(content)
        assert conn.cmd("EXISTS", "s") == (1 if left else 0)
    fill(conn, "s", content)
    conn.cmd("PEXPIRE", "s", 100000)
    conn.cmd("SPOP", "s", len(content) - 1)
    assert conn.cmd("PTTL", "s") > 0
    assert conn.cmd("SPOP", "s") in content and conn.cmd("SPOP", "s") is None


@pytest.mark.parametrize("content, before", POP_SIZES)
def test_random_members(conn, content, before):
    fill(conn, "s", content)
    assert conn.cmd("SRANDMEMBER", "s") in content
    for count in (0, 1, 5, len(content) // 2, len(content) - 1, len(content), 2**63 - 1):
        drawn = conn.cmd("SRANDMEMBER", "s", count)
        assert len(drawn) == len(set(drawn)) == min(count, len(content)) and set(drawn) <= set(content)
    drawn = conn.cmd("SRANDMEMBER", "s", -3 * len(content))
    assert len(drawn) == 3 * len(content) > len(set(drawn)) and set(drawn) <= set(content)
    assert members(conn, "s") == sorted(content) and encoding(conn, "s") == before


def test_every_member_is_drawn_in_the_end(conn):
    for content, _ in POP_SIZES:
        fill(conn, "s", content)
        assert {conn.cmd("SPOP", "s") for _ in content} == set(content)
        fill(conn, "s", content)
        assert set(conn.cmd("SRANDMEMBER", "s", -20 * len(content))) == set(content)


def test_random_arguments(conn):
    fill(conn, "s", [b"a"])
    assert conn.cmd("SPOP", "s", -1) == conn.cmd("SPOP", "s", "x") == conn.cmd("SPOP", "none", "x") == NOT_POSITIVE
    assert conn.cmd("SPOP", "s", 1, 2) == conn.cmd("SRANDMEMBER", "s", 1, 2) == SYNTAX
    assert conn.cmd("SRANDMEMBER", "s", "x") == NOT_INTEGER
    assert conn.cmd("SRANDMEMBER", "s", -2**63) == conn.cmd("SRANDMEMBER", "none", -2**63) == TOO_LOW
    assert conn.cmd("SRANDMEMBER", "s", -2**63 + 1) == OUT_OF_RANGE
    assert conn.cmd("SRANDMEMBER", "none", -2**63 + 1) == []
    for edge in EDGES:
        conn.cmd("SRANDMEMBER", "s", edge)
        conn.cmd("SINTERCARD", edge, "s")
        conn.cmd("SINTERCARD", 1, "s", "LIMIT", edge)
        conn.cmd("SSCAN", "s", edge, "COUNT", edge)
        conn.cmd("SPOP", "s", edge)
        conn.cmd("SADD", "s", "a")
    assert members(conn, "s") == [b"a"]


def test_long_members_bound_a_repeated_draw(conn):
    """A reply that would not end is refused, whatever the count promises."""
    conn.cmd("SADD", "s", b"x" * 1_000_000)
    assert conn.cmd("SRANDMEMBER", "s", -1000) == OUT_OF_RANGE
    assert len(conn.cmd("SRANDMEMBER", "s", -10)) == 10


@pytest.mark.parametrize("content", [numbers(100), words(100), words(2000)])
def test_scan(conn, content):
    fill(conn, "s", content)
    cursor, seen, calls = b"0", [], 0
    while True:
        cursor, page = conn.cmd("SSCAN", "s", cursor, "COUNT", 20)
        seen += page
        calls += 1
        if cursor == b"0":
            break
    assert set(seen) == set(content) and (calls > 20 if len(content) == 2000 else calls == 1)
    cursor, page = conn.cmd("SSCAN", "s", 0, "MATCH", "*99", "COUNT", 100000)
    assert cursor == b"0" and sorted(set(page)) == sorted(m for m in content if m.endswith(b"99"))


def test_scan_arguments(conn):
    fill(conn, "s", [b"a"])
    assert conn.cmd("SSCAN", "none", 0) == [b"0", []] == conn.cmd("SSCAN", "none", 0, "COUNT", 0)
    assert conn.cmd("SSCAN", "s", "x") == Error(b"ERR invalid cursor")
    assert conn.cmd("SSCAN", "s", 0, "COUNT", 0) == conn.cmd("SSCAN", "s", 0, "COUNT") == SYNTAX
    assert conn.cmd("SSCAN", "s", 0, "COUNT", "x") == NOT_INTEGER
    assert conn.cmd("SSCAN", "s", 0, "TYPE", "set") == SYNTAX


def test_wire_types_of_resp3(conn):
    conn.cmd("HELLO", 3)
    fill(conn, "s", [b"a"])
    for command in (["SMEMBERS", "s"], ["SINTER", "s"], ["SUNION", "s"], ["SDIFF", "s"], ["SMEMBERS", "none"],
                    ["SINTER", "s", "none"], ["SUNION", "none"], ["SDIFF", "none"], ["SPOP", "none", 1],
                    ["SPOP", "s", 0], ["SPOP", "s", 1]):
        assert type(conn.cmd(*command)) is Set, command
    assert conn.cmd("SPOP", "none") is None and conn.cmd("SRANDMEMBER", "none") is None
    fill(conn, "s", [b"a", b"b"])
    for command in (["SRANDMEMBER", "s", 1], ["SRANDMEMBER", "s", 9], ["SRANDMEMBER", "none", 1],
                    ["SMISMEMBER", "s", "a"], ["SSCAN", "s", 0]):
        assert type(conn.cmd(*command)) is list, command


def test_wrong_types(conn):
    conn.cmd("SET", "string", "v")
    for command in (["SADD", "string", "a"], ["SREM", "string", "a"], ["SISMEMBER", "string", "a"],
                    ["SMISMEMBER", "string", "a"], ["SCARD", "string"], ["SMEMBERS", "string"], ["SPOP", "string"],
                    ["SPOP", "string", 0], ["SRANDMEMBER", "string"], ["SRANDMEMBER", "string", 0],
                    ["SSCAN", "string", 0], ["SSCAN", "string", 0, "COUNT", 0]):
        assert conn.cmd(*command) == WRONGTYPE, command


@pytest.mark.tokamak
def test_chance_is_logged_as_what_it_chose(start_server, tmp_path):
    """SPOP reaches the log as SREM of the chosen members, or as DEL."""
    server = start_server(debug_effects_file=tmp_path / "effects")
    with server.connect() as conn:
        fill(conn, "s", words(3000))
        one = conn.cmd("SPOP", "s")
        many = conn.cmd("SPOP", "s", 1500)
        conn.cmd("SPOP", "s", 5000)
    effects = (tmp_path / "effects").read_bytes()
    assert b"SPOP" not in effects
    assert b"$4\r\nSREM\r\n$1\r\ns\r\n$%d\r\n%b\r\n" % (len(one), one) in effects
    assert all(b"\r\n%b\r\n" % member in effects.split(b"SADD", 1)[1].split(b"SREM", 1)[1] for member in many)
    assert effects.endswith(b"*2\r\n$3\r\nDEL\r\n$1\r\ns\r\n")
