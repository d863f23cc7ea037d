"""The frame protocol end to end: every kind of value, pipelines in any chunking, hostile frames, limits."""
import struct

import pytest

from lib.frame import CODES, FrameConnection, FrameError, encode
from lib.resp import Error, NullArray
from lib.server import free_port

pytestmark = pytest.mark.tokamak

SETUP = [["SET", "s", "v"], ["SET", "n", "10"], ["HSET", "h", "f", "1", "g", "2"], ["RPUSH", "l", "a", "", "1"],
         ["ZADD", "z", "1.5", "m", "inf", "i"], ["SADD", "t", "x"], ["SET", "big", "b" * 100_000]]
SAME = [["PING"], ["ECHO", ""], ["GET", "s"], ["GET", "none"], ["GET", "big"], ["STRLEN", "big"], ["MGET", "s", "none", "l"],
        ["LRANGE", "l", 0, -1], ["LPOP", "none", 1], ["LPOS", "l", "a", "COUNT", 0], ["LMPOP", 1, "none", "LEFT"],
        ["HGETALL", "h"], ["HGET", "h", "none"], ["SMEMBERS", "t"], ["SMISMEMBER", "t", "x", "y"], ["ZRANGE", "z", 0, -1],
        ["EXISTS", "s", "n", "none"], ["INCRBY", "n", "-9223372036854775808"], ["INCR", "s"], ["LPUSH", "s", "x"],
        ["GET"], ["NOSUCH", "a"], ["SET", "s", "v", "NX"], ["TYPE", "z"], ["SCAN", "0", "MATCH", "nothing", "COUNT", 1000],
        ["OBJECT", "ENCODING", "n"], ["ECHO", "bin\r\n\0ary"]]


@pytest.fixture
def frame_server(start_server):
    server = start_server(frame_port=free_port())
    server.frame_port = server.directives["frame-port"]
    return server


@pytest.fixture
def frame(frame_server):
    with FrameConnection(frame_server.frame_port) as connection:
        yield connection


def as_frame(value):
    """A RESP2 reply as the frame protocol says it."""
    if isinstance(value, Error):
        code = value.code().decode()
        return FrameError(CODES.index(code) if code in CODES else 0, bytes(value))
    if isinstance(value, list):
        return list(map(as_frame, value))
    return None if isinstance(value, NullArray) else value


@pytest.mark.smoke
def test_values_are_those_of_resp2(frame_server, frame):
    with frame_server.connect() as resp:
        for command in SETUP:
            resp.cmd(*command)
        want = [as_frame(resp.cmd(*command)) for command in SAME]
        resp.cmd("FLUSHALL")
        for command in SETUP:
            resp.cmd(*command)
    got = [frame.cmd(*command) for command in SAME]
    different = [(c, a, b) for c, a, b in zip(SAME, got, want) if a != b]
    assert not different, different


def test_doubles_are_doubles(frame):
    frame.cmd("ZADD", "z", "0.1", "a", "-inf", "b")
    assert frame.cmd("ZSCORE", "z", "a") == 0.1
    assert frame.cmd("ZSCORE", "z", "b") == float("-inf")
    assert frame.cmd("ZRANGE", "z", 0, -1, "WITHSCORES") == [b"b", float("-inf"), b"a", 0.1]
    assert frame.cmd("ZSCORE", "z", "none") is None


@pytest.mark.parametrize("chunk", [None, 1, 3, 1000])
def test_pipeline_in_any_chunking(frame, chunk):
    count = 50 if chunk == 1 else 500
    frame.send(b"".join(encode(["INCR", "n"]) + encode(["ECHO", b"x" * i]) for i in range(count)), chunk)
    assert [frame.read() for _ in range(2 * count)] == [
        v for i in range(count) for v in (i + 1, b"x" * i)]


def test_many_and_large_arguments(frame):
    members = [b"member:%d" % i for i in range(10_000)]  # more than a batch has room for
    assert frame.cmd("RPUSH", "l", *members) == len(members)
    assert frame.cmd("LRANGE", "l", 0, -1) == members
    value = bytes(range(256)) * 40_000
    assert frame.cmd("SET", "big", value) == b"OK" and frame.cmd("GET", "big") == value


def test_hello_keeps_the_protocol(frame):
    assert isinstance(frame.cmd("HELLO"), list)
    assert isinstance(frame.cmd("HELLO", 3), FrameError)
    assert frame.cmd("HGETALL", "none") == []


@pytest.mark.parametrize("data, text", [
    (struct.pack("<I", 0), b"invalid frame length"),
    (struct.pack("<I", 3), b"invalid frame length"),
    (struct.pack("<II", 4, 0), b"frame without arguments"),
    (struct.pack("<III", 8, 0xffffffff, 0), b"frame too short for its arguments"),
    (struct.pack("<III", 8, 1, 0xffffffff), b"invalid argument length in frame"),
    (struct.pack("<III", 12, 1, 3) + b"PING", b"bytes left over in frame"),
])
def test_hostile_frames(frame, data, text):
    """What came before is answered, then the error, then the end."""
    frame.send(encode(["PING"]) + data)
    assert frame.read() == b"PONG"
    assert frame.read() == FrameError(1, b"ERR Protocol error: " + text)
    assert frame.closed()


def test_announced_length_costs_nothing(frame_server, frame):
    frame.cmd("PING")
    before = frame_server.rss_kb()
    others = [FrameConnection(frame_server.frame_port) for _ in range(100)]
    for other in others:
        other.send(struct.pack("<II", 0xfffffff0, 0x0fffffff) + b"some")
    assert frame.cmd("PING") == b"PONG"
    assert frame_server.rss_kb() - before < 20_000
    for other in others:
        other.sock.close()


def test_too_large_an_argument(start_server):
    server = start_server(frame_port=free_port(), proto_max_bulk_len="1mb")
    with FrameConnection(server.directives["frame-port"]) as frame:
        frame.send(encode(["ECHO", b"x" * (1 << 20)]))
        assert len(frame.read()) == 1 << 20
        frame.send(encode(["ECHO", b"x" * ((1 << 20) + 1)]))
        assert frame.read() == FrameError(1, b"ERR Protocol error: invalid bulk length")
        assert frame.closed()


def test_before_authentication(start_server):
    server = start_server(frame_port=free_port(), requirepass="secret")
    port = server.directives["frame-port"]
    with FrameConnection(port) as frame:
        assert frame.cmd("GET", "k") == FrameError(3, b"NOAUTH Authentication required.")
        assert frame.cmd("AUTH", "wrong").code == 0  # WRONGPASS is not among the codes
        assert frame.cmd("AUTH", "secret") == b"OK" and frame.cmd("GET", "k") is None
    with FrameConnection(port) as frame:
        frame.send(struct.pack("<I", 16385))
        assert frame.read() == FrameError(1, b"ERR Protocol error: unauthenticated frame length")
        assert frame.closed()


def test_too_many_clients(start_server):
    server = start_server(frame_port=free_port(), maxclients=1)
    with FrameConnection(server.directives["frame-port"]) as first:
        while first.cmd("PING") == FrameError(1, b"ERR max number of clients reached"):
            first = FrameConnection(server.directives["frame-port"])  # the start's own PING is still leaving
        with FrameConnection(server.directives["frame-port"]) as second:
            assert second.read() == FrameError(1, b"ERR max number of clients reached")
            assert second.closed()
