"""MIGRATE: keys move to redis-server and to another server of ours, and nobody waits for a slow target."""
import socket
import threading
import time

import pytest

from lib.resp import Error, Simple, encode
from lib.server import free_port
from lib.wait import wait_until

OK, NOKEY = Simple(b"OK"), Simple(b"NOKEY")
SYNTAX = Error(b"ERR syntax error")
NOT_INT = Error(b"ERR value is not an integer or out of range")
CONNECTING = Error(b"IOERR error or timeout connecting to the client")
READING = Error(b"IOERR error or timeout reading to target instance")
LOCAL = "127.0.0.1"


class SlowTarget:
    """Takes a connection and what is sent; answers when told to."""

    def __init__(self, reply=b""):
        self.listener = socket.create_server((LOCAL, 0))
        self.port = self.listener.getsockname()[1]
        self.reply = reply
        self.go = threading.Event()
        self.received = b""
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        sock, _ = self.listener.accept()
        with sock:
            self.received = sock.recv(1 << 20)
            self.go.wait(60)
            if self.reply:
                sock.sendall(self.reply)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.go.set()
        self.listener.close()
        self.thread.join(20)


def fill(conn):
    conn.cmd("SET", "s", b"\0\1binary" * 1000, "EX", 1000)
    conn.cmd("RPUSH", "l", *range(300))
    conn.cmd("HSET", "h", "f", "v")
    conn.cmd("SADD", "set", 1, 2, 3)
    conn.cmd("ZADD", "z", 1.5, "m")


@pytest.mark.smoke
def test_to_redis(conn, oracle):
    fill(conn)
    assert conn.cmd("MIGRATE", LOCAL, oracle.port, "s", 0, 20000) == OK
    assert conn.cmd("MIGRATE", LOCAL, oracle.port, "", 3, 20000, "KEYS", "l", "h", "none", "set", "z") == OK
    assert conn.cmd("DBSIZE") == 0
    with oracle.connect() as redis:
        assert redis.cmd("GET", "s") == b"\0\1binary" * 1000 and 900 < redis.cmd("TTL", "s") <= 1000
        redis.cmd("SELECT", 3)
        assert redis.cmd("LRANGE", "l", 0, -1) == [b"%d" % i for i in range(300)]
        assert redis.cmd("HGETALL", "h") == [b"f", b"v"] and redis.cmd("SCARD", "set") == 3
        assert redis.cmd("ZSCORE", "z", "m") == b"1.5" and redis.cmd("TTL", "z") == -1
        assert redis.cmd("FLUSHALL") == OK


def test_copy_and_replace(conn, start_server):
    target = start_server()
    busy = Error(b"ERR Target instance replied with error: BUSYKEY Target key name already exists.")
    conn.cmd("MSET", "a", 1, "b", 2)
    assert conn.cmd("MIGRATE", LOCAL, target.port, "a", 0, 20000, "COPY") == OK and conn.cmd("GET", "a") == b"1"
    conn.cmd("SET", "a", "new")
    assert conn.cmd("MIGRATE", LOCAL, target.port, "", 0, 20000, "KEYS", "a", "b") == busy
    assert conn.cmd("EXISTS", "a") == 1 and conn.cmd("EXISTS", "b") == 0  # what was accepted has moved
    assert conn.cmd("MIGRATE", LOCAL, target.port, "a", 0, 20000, "COPY", "REPLACE") == OK
    assert conn.cmd("MIGRATE", LOCAL, target.port, "a", 0, 20000, "replace") == OK and conn.cmd("DBSIZE") == 0
    with target.connect() as other:
        assert other.cmd("MGET", "a", "b") == [b"new", b"2"]


def test_replies_stay_in_order(server, start_server):
    """What stands behind a MIGRATE in the pipeline runs after it."""
    target = start_server()
    with server.connect() as conn:
        fill(conn)
        got = conn.pipeline([["SET", "a", 1], ["MIGRATE", LOCAL, target.port, "a", 0, 20000], ["EXISTS", "a"],
                             ["MIGRATE", LOCAL, target.port, "a", 0, 20000], ["PING"]])
        assert got == [OK, OK, 0, NOKEY, Simple(b"PONG")]
        conn.send(b"".join(map(encode, [["SET", "a", 1], ["CLIENT", "REPLY", "SKIP"],
                                        ["MIGRATE", LOCAL, target.port, "a", 0, 20000, "REPLACE"], ["EXISTS", "a"]])))
        assert conn.read() == OK and conn.read() == 0


def test_authentication(conn, start_server):
    target = start_server(requirepass="secret")
    conn.cmd("SET", "a", 1)
    assert conn.cmd("MIGRATE", LOCAL, target.port, "a", 0, 20000).startswith(
        b"ERR Target instance replied with error: NOAUTH")
    assert conn.cmd("MIGRATE", LOCAL, target.port, "a", 0, 20000, "AUTH", "wrong").startswith(
        b"ERR Target instance replied with error: WRONGPASS")
    assert conn.cmd("GET", "a") == b"1"
    assert conn.cmd("MIGRATE", LOCAL, target.port, "a", 0, 20000, "COPY", "AUTH", "secret") == OK
    assert conn.cmd("MIGRATE", LOCAL, target.port, "a", 0, 20000, "REPLACE", "AUTH2", "default", "secret") == OK
    assert conn.cmd("EXISTS", "a") == 0


def test_bad_arguments(conn):
    conn.cmd("MSET", "a", 1, "", 2)
    base = ["MIGRATE", LOCAL, free_port(), "a", 0, 1000]
    for tail in (["NOSUCH"], ["AUTH"], ["AUTH2", "u"], ["COPY", "COPY", "x"]):
        assert conn.cmd(*base, *tail) == SYNTAX, tail
    assert conn.cmd(*base, "KEYS", "b") == Error(
        b"ERR When using MIGRATE KEYS option, the key argument must be set to the empty string")
    assert conn.cmd("MIGRATE", LOCAL, 1, "a", "x", 1) == conn.cmd("MIGRATE", LOCAL, 1, "a", 0, "x") == NOT_INT
    assert conn.cmd("MIGRATE", LOCAL, 1, "a", 2**63, 1) == NOT_INT
    for port in (0, -1, 65536, 2**63 - 1, "x"):
        assert conn.cmd("MIGRATE", LOCAL, port, "a", 0, 1) == CONNECTING
    assert conn.cmd("MIGRATE", "h" * 1000, 1, "a", 0, 1) == CONNECTING
    assert conn.cmd(*base) == CONNECTING and conn.cmd("MIGRATE", LOCAL, 1, "none", 0, 1) == NOKEY
    assert conn.cmd("MIGRATE", LOCAL, 1, "", 0, 1, "KEYS") == NOKEY
    assert conn.cmd("DBSIZE") == 2


def test_keys_named_like_the_option(conn, start_server):
    target = start_server()
    conn.cmd("MSET", "a", 1, "keys", 2, "b", 3)
    assert conn.cmd("COMMAND", "GETKEYS", "MIGRATE", "h", 1, "", 0, 1, "KEYS", "a", "b") == [b"a", b"b"]
    assert conn.cmd("COMMAND", "GETKEYS", "MIGRATE", "h", 1, "a", 0, 1) == [b"a"]
    assert conn.cmd("MIGRATE", LOCAL, target.port, "", 0, 20000, "KEYS", "a", "keys", "b") == OK
    assert conn.cmd("DBSIZE") == 0


def test_inside_multi(conn, start_server):
    conn.cmd("SET", "a", 1)
    got = conn.pipeline([["MULTI"], ["MIGRATE", LOCAL, 1, "a", 0, 1], ["GET", "a"], ["EXEC"]])
    assert isinstance(got[3][0], Error) and got[3][1] == b"1"


def test_nobody_waits(server):
    """While a target says nothing, the same reactors serve others; afterwards the client gets its answer."""
    with SlowTarget(b"+OK\r\n" * 2) as target, server.connect() as mover, server.connect() as other:
        mover.cmd("SET", "a", 1)
        mover.send(encode(["MIGRATE", LOCAL, target.port, "a", 0, 60000]))
        assert wait_until(lambda: target.received, 20)
        started = time.monotonic()
        for i in range(200):
            assert other.cmd("SET", "x", i) == OK and other.cmd("GET", "a") == b"1"
        assert time.monotonic() - started < 20
        target.go.set()
        assert mover.read() == OK and other.cmd("EXISTS", "a") == 0


def test_a_changed_key_stays(server):
    with SlowTarget(b"+OK\r\n" * 3) as target, server.connect() as mover, server.connect() as other:
        mover.cmd("MSET", "a", 1, "b", 2)
        mover.send(encode(["MIGRATE", LOCAL, target.port, "", 0, 60000, "KEYS", "a", "b"]))
        assert wait_until(lambda: target.received, 20)
        assert other.cmd("APPEND", "a", "2") == 2
        target.go.set()
        reply = mover.read()
        assert isinstance(reply, Error) and reply.startswith(b"TRYAGAIN ")
        assert other.cmd("MGET", "a", "b") == [b"12", None]


def test_timeout_and_disconnect(server):
    with SlowTarget() as silent, server.connect() as conn:
        conn.cmd("SET", "a", 1)
        assert conn.cmd("MIGRATE", LOCAL, silent.port, "a", 0, 200) == READING and conn.cmd("GET", "a") == b"1"
    with SlowTarget() as target, server.connect() as conn, server.connect() as other:
        number = conn.cmd("CLIENT", "ID")
        conn.send(encode(["MIGRATE", LOCAL, target.port, "a", 0, 60000]))
        assert wait_until(lambda: target.received, 20)
        assert other.cmd("CLIENT", "KILL", "ID", number) == 1
        assert other.cmd("GET", "a") == b"1"
        assert wait_until(lambda: b"id=%d " % number not in other.cmd("CLIENT", "LIST"), 20)


def test_stop_during_a_migration(start_server):
    server = start_server()
    with SlowTarget() as target, server.connect() as conn:
        conn.cmd("SET", "a", 1)
        conn.send(encode(["MIGRATE", LOCAL, target.port, "a", 0, 60000]))
        assert wait_until(lambda: target.received, 20)
        server.stop(15)
