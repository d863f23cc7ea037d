"""The unix socket: its mode, what stands at its path, redis-cli -s; and the addresses to listen on."""
import os
import socket
import stat
import subprocess

import pytest
import redis

from lib.resp import Connection, UnixConnection
from lib.server import free_port
from lib.wait import wait_until


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s"


@pytest.mark.smoke
def test_clients(start_server, path):
    start_server(unixsocket=path)
    ran = subprocess.run(["redis-cli", "-s", path, "SET", "k", "v"], capture_output=True, check=True, timeout=20)
    assert ran.stdout == b"OK\n"
    with redis.Redis(unix_socket_path=str(path)) as client:
        assert client.get("k") == b"v"
    with UnixConnection(path) as conn:
        info = dict(item.split(b"=", 1) for item in conn.cmd("CLIENT", "INFO").split())
        shown = f"{str(path)[:60]}:0".encode()
        assert (info[b"addr"], info[b"laddr"], info[b"flags"]) == (shown, shown, b"U")


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.mark.parametrize("perm,umask,expected", [("700", 0, 0o700), ("777", 0o77, 0o777), ("660", 0, 0o660),
                                                 ("0", 0o27, 0o750), ("0", 0, 0o777)])
def test_mode(start_server, path, perm, umask, expected):
    """unixsocketperm, or what the umask leaves, as in Redis."""
    old = os.umask(umask)
    try:
        server = start_server(unixsocket=path, unixsocketperm=perm)
    finally:
        os.umask(old)
    assert mode_of(path) == expected
    with server.connect() as conn:
        assert conn.cmd("CONFIG", "GET", "unixsocketperm")[1] == perm.encode()


def test_stale_socket_is_replaced_and_goes_at_the_end(start_server, path):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    server = start_server(unixsocket=path)
    with UnixConnection(path) as conn:
        assert conn.cmd("PING") == b"PONG"
    server.stop()
    assert not path.exists()


@pytest.mark.tokamak
def test_another_file_is_left_alone(server, path):
    """Redis deletes whatever stands at the path."""
    path.write_text("precious")
    ran = subprocess.run([server.binary, "--port", "0", "--unixsocket", path, "--save", ""], capture_output=True,
                         text=True, timeout=20)
    assert ran.returncode == 1 and "Failed opening Unix socket: bind: Address already in use" in ran.stdout
    assert path.read_text() == "precious"


def test_protected_mode_is_not_for_unix_sockets(start_server, path):
    start_server(unixsocket=path, protected_mode="yes")
    with UnixConnection(path) as conn:
        assert conn.cmd("PING") == b"PONG"


def own_address():
    """An address of this machine that is not loopback; None without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
            return sock.getsockname()[0]
        except OSError:
            return None


def greeting(address, port):
    with socket.create_connection((address, port), 10) as sock:
        sock.sendall(b"PING\r\n")
        data = b""
        try:
            while part := sock.recv(4096):
                data += part
                if data == b"+PONG\r\n":
                    break
        except ConnectionError:
            pass
        return data


def test_protected_mode_text(start_server, oracle):
    """What somebody from elsewhere is told, byte for byte."""
    address = own_address()
    if not address or address.startswith("127."):
        pytest.skip("there is only loopback")
    server = start_server()
    answers = []
    for each in (server, oracle):
        with each.connect() as conn:
            assert conn.cmd("CONFIG", "SET", "bind", f"127.0.0.1 {address}", "protected-mode", "yes") == b"OK"
            answers.append(greeting(address, each.port))
            assert conn.cmd("CONFIG", "SET", "protected-mode", "no") == b"OK"
            assert greeting(address, each.port) == b"+PONG\r\n"
            assert conn.cmd("CONFIG", "SET", "bind", "127.0.0.1") == b"OK"
    answers[1] = answers[1].replace(b"4) Setup a an", b"4) Set up an")  # 7.0's slip, put right since
    assert answers[0] == answers[1] and answers[0].startswith(b"-DENIED ")


def test_addresses_that_may_be_missing(start_server):
    server = start_server(bind="127.0.0.1 127.0.0.2 -203.0.113.7 -::1")
    assert greeting("127.0.0.2", server.port) == b"+PONG\r\n"
    ran = subprocess.run([server.binary, "--port", str(free_port()), "--bind", "203.0.113.7", "--save", ""],
                         capture_output=True, text=True, timeout=20)
    assert ran.returncode == 1 and "203.0.113.7" in ran.stdout


def test_keepalive(start_server):
    """The kernel shows a timer of the accepted socket: tcp-keepalive is 20 s, then off."""
    server = start_server(tcp_keepalive=20, bind_source_addr="127.0.0.1", tcp_backlog=10)

    def timer(conn):
        port = f"{conn.sock.getsockname()[1]:04X}"
        for line in open("/proc/net/tcp", encoding="ascii"):
            fields = line.split()
            if fields[1].endswith(f":{server.port:04X}") and fields[2].endswith(f":{port}"):
                return fields[5].split(":")[0]
        return None

    with server.connect() as conn:
        conn.cmd("PING")
        assert wait_until(lambda: timer(conn) == "02")
        assert conn.cmd("CONFIG", "SET", "tcp-keepalive", "0") == b"OK"
    with Connection(server.port) as conn:
        conn.cmd("PING")
        assert wait_until(lambda: timer(conn) == "00")
