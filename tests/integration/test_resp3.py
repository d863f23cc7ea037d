"""HELLO and RESP3: the wire bytes of each reply type, beside redis-server."""
import pytest

from lib.resp import Map, encode

SETUP = [["SET", "s", "v"], ["HSET", "h", "f", "1"], ["SADD", "t", "m"], ["ZADD", "z", "1.5", "m"],
         ["ZADD", "zz", "inf", "a", "-inf", "b", "3", "c"], ["RPUSH", "l", "a", "b", "c", "a"],
         ["SET", "n", "10"]]

REPLIES = [
    ["GET", "s"], ["GET", "none"], ["MGET", "s", "none"], ["HGETALL", "h"], ["HGETALL", "none"],
    ["SMEMBERS", "t"], ["SMEMBERS", "none"], ["SINTER", "t", "t"], ["SUNION", "t"], ["SDIFF", "t"],
    ["ZSCORE", "z", "m"], ["ZSCORE", "z", "none"], ["ZSCORE", "zz", "a"], ["ZSCORE", "zz", "b"],
    ["ZMSCORE", "z", "m", "none"], ["ZRANGE", "zz", "0", "-1", "WITHSCORES"], ["ZINCRBY", "z", "1", "m"],
    ["ZADD", "z", "INCR", "1", "m"], ["ZADD", "z", "XX", "INCR", "1", "none"], ["ZRANK", "z", "none"],
    ["ZPOPMIN", "zz"], ["ZPOPMAX", "zz", "2"], ["ZPOPMIN", "none"], ["ZRANDMEMBER", "z", "1", "WITHSCORES"],
    ["ZUNION", "2", "z", "t", "WITHSCORES"], ["ZDIFF", "1", "z", "WITHSCORES"], ["ZMPOP", "1", "none", "MIN"],
    ["HRANDFIELD", "h", "1", "WITHVALUES"], ["HRANDFIELD", "none"], ["HRANDFIELD", "none", "1"],
    ["HGET", "h", "none"], ["HMGET", "h", "f", "none"], ["HKEYS", "h"], ["HVALS", "h"],
    ["HINCRBYFLOAT", "h", "f", "0.5"], ["INCRBYFLOAT", "n", "0.5"], ["LPOP", "none"], ["LPOP", "none", "1"],
    ["LPOP", "l", "0"], ["LPOS", "l", "none"], ["LPOS", "l", "a", "COUNT", "0"], ["LMPOP", "1", "none", "LEFT"],
    ["LMPOP", "1", "l", "LEFT", "COUNT", "2"], ["SPOP", "t"], ["SPOP", "none"], ["SPOP", "none", "1"],
    ["SRANDMEMBER", "none"], ["SRANDMEMBER", "none", "2"], ["SET", "s", "v", "NX"],
    ["SET", "s", "w", "GET"], ["GETDEL", "none"], ["SMISMEMBER", "t", "a"], ["EXPIRE", "none", "1"],
    ["CONFIG", "GET", "maxmemory"], ["CONFIG", "GET", "no-such"], ["CLIENT", "GETNAME"], ["NOSUCH"],
    ["OBJECT", "ENCODING", "none"], ["SCAN", "0", "MATCH", "nothing"], ["COMMAND", "GETKEYS", "GET", "k"],
    *[["DEBUG", "PROTOCOL", kind] for kind in ("string", "integer", "double", "null", "array", "set", "map",
                                               "attrib", "bignum", "true", "false", "verbatim")],
]

HELLOS = [["HELLO", "3"], ["HELLO", "2"], ["HELLO"], ["HELLO", "3", "SETNAME", "me"],
          ["HELLO", "3", "AUTH", "default", "x"], ["HELLO", "3", "AUTH", "default", "x", "SETNAME", "n"]]

BAD_HELLOS = [["HELLO", "4"], ["HELLO", "1"], ["HELLO", "0"], ["HELLO", "-3"], ["HELLO", "abc"], ["HELLO", "3.0"],
              ["HELLO", "3", "AUTH"], ["HELLO", "3", "AUTH", "u"], ["HELLO", "3", "AUTH", "nobody", "x"],
              ["HELLO", "3", "SETNAME"], ["HELLO", "3", "SETNAME", "a b"], ["HELLO", "3", "NOSUCH"],
              ["HELLO", "9223372036854775808"], ["HELLO", "2", "2"]]


def raw_replies(server, protocol):
    """The bytes of each reply, one at a time: pushes or extra bytes would show."""
    with server.connect() as conn:
        conn.cmd("FLUSHALL")
        conn.pipeline(SETUP)
        conn.cmd("HELLO", protocol)
        answers = []
        for command in REPLIES:
            conn.send(encode(command))
            answers.append(conn.read_raw())
            assert not conn.reader.pending(), f"extra bytes after {command}"
        return answers


@pytest.mark.smoke
@pytest.mark.parametrize("protocol", [2, 3])
def test_raw_bytes_of_replies(server, oracle, protocol):
    ours, theirs = raw_replies(server, protocol), raw_replies(oracle, protocol)
    different = [(c, a, b) for c, a, b in zip(REPLIES, ours, theirs) if a != b]
    assert not different, "\n".join(f"{c}: got {a!r}, redis {b!r}" for c, a, b in different)


@pytest.mark.parametrize("command", HELLOS, ids=" ".join)
def test_hello(server, oracle, command):
    """Fields, their order, types and the protocol they are sent in; id and version differ."""
    replies = []
    for each in (server, oracle):
        with each.connect() as conn:
            replies.append(conn.cmd(*command))
            replies[-1][3] = replies[-1][7] = None
            assert conn.cmd("GET", "none") is None
    assert replies[0] == replies[1]
    assert isinstance(replies[0], Map) == ("3" in command)


@pytest.mark.parametrize("command", BAD_HELLOS, ids=" ".join)
def test_bad_hello_changes_nothing(server, oracle, command):
    replies = []
    for each in (server, oracle):
        with each.connect() as conn:
            replies.append([conn.cmd(*command), type(conn.cmd("CONFIG", "GET", "maxmemory")).__name__])
    assert replies[0] == replies[1]
    assert replies[0][1] == "list"


def test_reset_returns_to_resp2(server):
    with server.connect() as conn:
        conn.cmd("HELLO", "3", "SETNAME", "me")
        assert conn.cmd("RESET") == b"RESET"
        assert conn.cmd("CLIENT", "GETNAME") in (None, b"")
        assert type(conn.cmd("CONFIG", "GET", "maxmemory")) is list
