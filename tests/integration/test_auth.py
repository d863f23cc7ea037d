"""Before and around authentication: limits, and one reply for each pipelined command."""
import pytest

from lib.resp import Connection, Error, encode
from lib.server import REDIS

PIPELINE = [["PING"], ["AUTH", "wrong"], ["ECHO", "a"], ["SET", "k", "v"], ["AUTH", "u", "wrong"],
            ["NOSUCH"], ["GET"], ["HELLO", "3"], ["HELLO", "2", "AUTH", "default", "bad"],
            ["AUTH", "secret"], ["PING"], ["SET", "k", "v"], ["AUTH", "wrong"], ["GET", "k"], ["RESET"],
            ["GET", "k"], ["AUTH", "default", "secret"], ["GET", "k"], ["AUTH"], ["AUTH", "a", "b", "c"]]


def as_72(reply):
    """7.2 names the protocol version in the text of a HELLO without AUTH."""
    return Error(reply.replace(b"the HELLO AUTH", b"the HELLO <proto> AUTH")) if isinstance(reply, Error) else reply


@pytest.fixture
def locked(start_server):
    return start_server(requirepass="secret")


@pytest.mark.smoke
def test_failed_auth_in_a_pipeline(locked, start_server):
    with locked.connect() as ours, start_server(REDIS, requirepass="secret").connect() as theirs:
        assert ours.pipeline(PIPELINE) == [as_72(reply) for reply in theirs.pipeline(PIPELINE)]


@pytest.mark.parametrize("request_bytes", [
    encode(["ECHO"] + ["a"] * 17), encode(["ECHO", "a" * 17000]), b"*17\r\n", b"*1\r\n$17000\r\n",
    b"*2\r\n$9\r\nAUTHORIZE\r\n$2147483647\r\n"],
    ids=["17 arguments", "17 KB", "17 announced", "17 KB announced", "2 GB announced"])
def test_limits_before_authentication(locked, request_bytes):
    with locked.connect() as conn:
        conn.send(request_bytes)
        data, closed = conn.drain()
        assert closed and data.startswith(b"-ERR Protocol error: ")


def test_no_limits_after_authentication(locked):
    with locked.connect() as conn:
        assert conn.cmd("AUTH", "secret") == b"OK"
        assert conn.cmd("ECHO", "a" * 100_000) == b"a" * 100_000
        assert conn.cmd("DEL", *range(1000)) == 0


def test_requirepass_at_run_time(server):
    with server.connect() as old, server.connect() as admin:
        assert admin.cmd("CONFIG", "SET", "requirepass", "new") == b"OK"
        assert old.cmd("PING") == b"PONG", "connections already in stay in"
        with Connection(server.port) as fresh:
            assert fresh.cmd("PING") == Error(b"NOAUTH Authentication required.")
            assert fresh.cmd("AUTH", "new") == b"OK" and fresh.cmd("PING") == b"PONG"
        assert admin.cmd("CONFIG", "SET", "requirepass", "") == b"OK"


def test_auth_without_a_password(conn):
    assert conn.cmd("AUTH", "x").startswith(b"ERR AUTH <password> called without any password")
    assert conn.cmd("AUTH", "default", "x") == b"OK"
