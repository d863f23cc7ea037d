"""Frozen shapes of published vulnerabilities of this family of servers. docs/security.md says which rule designs each
class out, and where the shapes are that have tests elsewhere."""
import time

import pytest

from lib.resp import Error

TOP, BOTTOM = 2**63 - 1, -2**63

# Counts and sizes at the edge of what 64 bits hold: (number of the record, command)
COUNTS = [
    ("CVE-2022-35977", ["SETRANGE", "s", TOP, "x"]), ("CVE-2022-35977", ["SETRANGE", "s", 2**62, "x"]),
    ("CVE-2022-35977", ["SORT", "l", "LIMIT", BOTTOM, TOP]), ("CVE-2022-35977", ["SORT", "l", "LIMIT", TOP, TOP]),
    ("CVE-2023-22458", ["HRANDFIELD", "h", BOTTOM, "WITHVALUES"]), ("CVE-2023-22458", ["ZRANDMEMBER", "z", BOTTOM, "WITHSCORES"]),
    ("CVE-2023-25155", ["SRANDMEMBER", "set", BOTTOM]), ("CVE-2023-25155", ["HRANDFIELD", "h", BOTTOM + 1]),
    ("CVE-2023-25155", ["ZRANDMEMBER", "z", -2**62, "WITHSCORES"]), ("CVE-2026-111279", ["ZRANDMEMBER", "z", BOTTOM + 1]),
    ("CVE-2021-32761", ["SETBIT", "s", 2**63 - 8, 1]), ("CVE-2021-32761", ["BITFIELD", "s", "GET", "u8", TOP]),
    ("CVE-2021-32761", ["BITFIELD", "s", "SET", "i64", "#1152921504606846976", 1]),
    ("CVE-2023-36824", ["COMMAND", "GETKEYS", "EVAL", "x", TOP, "k"]),
    ("CVE-2023-36824", ["COMMAND", "GETKEYS", "ZUNIONSTORE", "d", 2**31, "k"]),
    ("CVE-2023-36824", ["COMMAND", "GETKEYS", "MIGRATE", "h", 1, "", 0, 1, "KEYS"]),
]


@pytest.mark.parametrize("number, command", COUNTS, ids=[f"{n}-{c[0]}-{i}" for i, (n, c) in enumerate(COUNTS)])
def test_counts(conn, number, command):
    conn.pipeline([["SADD", "set", "a", "b"], ["HSET", "h", "f", "v"], ["ZADD", "z", 1, "a"], ["RPUSH", "l", "1", "2"]])
    reply = conn.cmd(*command)
    # an error, or no more than there is
    assert isinstance(reply, Error) or len(reply) <= 2, number
    assert conn.cmd("EXISTS", "s") == 0 and conn.cmd("PING") == b"PONG"


def test_the_same_new_key_twice(conn):
    """CVE-2023-28425: MSETNX of one key twice."""
    assert conn.cmd("MSETNX", "k", "a", "k", "b") == 1
    assert conn.cmd("GET", "k") == b"b" and conn.cmd("MSETNX", "k", "c", "k", "d") == 0


def test_a_field_that_is_no_number_comes_not_to_be(conn):
    """CVE-2023-28856: HINCRBYFLOAT with what is no finite number."""
    for increment in ("inf", "-inf", "nan", "1e5000", "", "1 "):
        assert isinstance(conn.cmd("HINCRBYFLOAT", "h", "f", increment), Error)
    assert conn.cmd("EXISTS", "h") == 0


@pytest.mark.parametrize("pattern", ["a*" * 60 + "b", "*a" * 60 + "b", "[a]*" * 60 + "b", "?*" * 60 + "b", "*" * 100_000 + "b",
                                     "[" * 50_000, "\\" * 50_001])
def test_patterns(conn, pattern):
    """CVE-2022-36021 and CVE-2024-31228: patterns that take exponential time, or the stack."""
    conn.cmd("SET", "a" * 200, "x")
    started = time.monotonic()
    assert conn.cmd("KEYS", pattern) == []
    assert conn.cmd("SCAN", 0, "MATCH", pattern, "COUNT", 1000)[1] == []
    conn.cmd("ACL", "DRYRUN", "default", "GET", "a" * 200)
    conn.cmd("PUBSUB", "CHANNELS", pattern)
    assert time.monotonic() - started < 30  # the exponential ones take years


def test_more_ids_than_any_array_on_the_stack(conn):
    """CVE-2025-62507: XACKDEL with many ids; the commands of Redis 7.2 that take ids."""
    conn.cmd("XGROUP", "CREATE", "x", "g", "$", "MKSTREAM")
    ids = [f"{i}-1" for i in range(1, 5001)]
    assert conn.cmd("XACK", "x", "g", *ids) == 0 and conn.cmd("XDEL", "x", *ids) == 0
    assert conn.cmd("XCLAIM", "x", "g", "c", 0, *ids) == []


@pytest.mark.parametrize("rule", ["(", "(()", "((", "(+get", "(+get (", "(%R~", "(~a) (", "()("])
def test_selectors_that_are_none(conn, rule):
    """CVE-2024-31227, CVE-2024-51741: malformed selectors."""
    for words in ([rule], rule.split(" ")):
        conn.cmd("ACL", "SETUSER", "u", *words)
        conn.cmd("ACL", "DRYRUN", "u", "GET", "k")
        conn.cmd("ACL", "LIST")
    conn.cmd("ACL", "DELUSER", "u")
    assert conn.cmd("PING") == b"PONG"


def test_keys_that_permissions_must_see(conn):
    """CVE-2023-41053 (SORT_RO), and what Valkey and Redis forgot in 2026: COPY with DB, MSETEX."""
    conn.cmd("ACL", "SETUSER", "u", "reset", "on", "nopass", "+@all", "~mine*")
    for command in (["SORT_RO", "other"], ["COPY", "mine", "other", "DB", 1], ["COPY", "other", "mine", "DB", 1],
                    ["MSETEX", 2, "mine", 1, "other", 2, "EX", 5], ["SORT", "mine", "STORE", "other"]):
        answer = conn.cmd("ACL", "DRYRUN", "u", *command)
        assert answer != b"OK", command
    conn.cmd("ACL", "DELUSER", "u")


@pytest.mark.parametrize("wire", [b"*0\r\nPING\r\n", b"\r\n*1\r\n$4\r\nPING\r\n", b"*-1\r\n*1\r\n$4\r\nPING\r\n",
                                  b"*0\r\n*0\r\n\r\nPING\r\n"])
def test_requests_behind_an_empty_one(server, wire):
    """CVE-2026-27623: the kind of a request survived an empty one."""
    with server.connect() as conn:
        conn.send(wire)
        assert conn.read() == b"PONG"


def test_ends_of_bulks_are_looked_at(server):
    """Valkey 9.0.5: the two bytes behind a bulk could be any."""
    with server.connect() as conn:
        conn.send(b"*2\r\n$3\r\nGET\r\n$1\r\nkXY*1\r\n$4\r\nPING\r\n")
        try:
            assert isinstance(conn.read(), Error)
        except (EOFError, OSError):
            pass
    with server.connect() as conn:
        assert conn.cmd("PING") == b"PONG"
