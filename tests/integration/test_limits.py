"""Limits that keep one client from harming the others."""
import resource
import subprocess
import time
from pathlib import Path

import pytest

from lib.resp import Connection, encode
from lib.server import binary_under_test
from lib.wait import wait_until

VALUE = 100_000
REQUESTS = 2000


def open_fds(server):
    return len(list(Path(f"/proc/{server.pid}/fd").iterdir()))


def usual_ping_ms(conn, count=200):
    """The median: what a machine that stood still does to a few is not the server's."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        assert conn.cmd("PING") == b"PONG"
        times.append(time.perf_counter() - start)
    return sorted(times)[count // 2] * 1000


@pytest.mark.release
@pytest.mark.smoke
def test_slow_reader_is_bounded(server):
    """200 MB of replies nobody reads: closed at the limit, memory bounded, others not slowed."""
    with server.connect() as admin, server.connect() as slow:
        admin.cmd("CONFIG", "SET", "client-output-buffer-limit", "normal 4mb 0 0")
        admin.cmd("SET", "k", b"v" * VALUE)
        before = server.rss_kb()
        slow.send(encode(["GET", "k"]) * REQUESTS)
        assert usual_ping_ms(admin) < 100
        assert wait_until(lambda: admin.cmd("CLIENT", "LIST").count(b"\n") == 1)
        assert server.rss_kb() - before < 40 * 1024
        data, closed = slow.drain()
        assert closed and len(data) < VALUE * REQUESTS


def test_reader_below_the_limit_gets_everything(server):
    """Slow is no crime: without a limit every reply arrives, in order and whole."""
    with server.connect() as conn:
        conn.cmd("SET", "k", b"v" * VALUE)
        conn.send(encode(["GET", "k"]) * 300)
        time.sleep(0.5)
        assert all(conn.read() == b"v" * VALUE for _ in range(300))
        assert conn.cmd("PING") == b"PONG"


@pytest.mark.release
@pytest.mark.tokamak
def test_out_of_descriptors_does_not_spin(server):
    _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    limit = open_fds(server) + 4
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (limit, hard))
    connections = [Connection(server.port) for _ in range(30)]
    before = server.cpu_s()
    time.sleep(2)
    assert server.cpu_s() - before < 0.4, "the acceptor spins"
    for connection in connections:
        connection.close()
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (limit + 100, hard))
    with Connection(server.port) as conn:
        assert conn.cmd("PING") == b"PONG"


def test_maxclients(start_server):
    server = start_server(maxclients=10)
    connections = [server.connect()]
    assert wait_until(lambda: connections[0].cmd("CLIENT", "LIST").count(b"\n") == 1), "start-up's PING"
    connections += [server.connect() for _ in range(9)]
    assert all(conn.cmd("PING") == b"PONG" for conn in connections)
    with server.connect() as refused:
        assert refused.drain() == (b"-ERR max number of clients reached\r\n", True)
    connections.pop().close()

    def admitted():
        with server.connect() as conn:
            try:
                return conn.cmd("PING") == b"PONG"
            except ConnectionError:
                return False
    assert wait_until(admitted)


@pytest.mark.release
def test_idle_server_sleeps(server):
    before = server.cpu_s()
    time.sleep(2)
    assert server.cpu_s() - before < 0.1


def test_killed_client_mid_pipeline(server):
    """CLIENT KILL of a busy connection: the rest goes on, nothing answers twice."""
    with server.connect() as admin, server.connect() as victim:
        number = victim.cmd("CLIENT", "ID")
        victim.send(encode(["INCR", "n"]) * 10_000)
        assert admin.cmd("CLIENT", "KILL", "ID", number) in (0, 1)
        victim.drain()
        assert wait_until(lambda: admin.cmd("CLIENT", "LIST").count(b"\n") == 1)
        assert 0 <= int(admin.cmd("GET", "n") or 0) <= 10_000


@pytest.mark.tokamak
def test_unknown_directive_names_file_and_line(tmp_path):
    """The start stops and says where, and what was probably meant."""
    config = tmp_path / "bad.conf"
    config.write_text("# fine\nport 0\nmaxmemry 100mb\n")
    result = subprocess.run([binary_under_test(), str(config)], capture_output=True, text=True, timeout=10)
    output = result.stdout + result.stderr
    assert result.returncode != 0
    assert "bad.conf" in output and "3" in output and "maxmemory" in output
