"""The PROXY protocol: a load balancer says whose connection it is, in front of RESP, frames and TLS."""
import random
import socket
import struct
import time

import pytest

from lib.frame import FrameConnection
from lib.resp import Connection, UnixConnection, encode
from lib.server import free_port
from lib.tls import Authority, TlsConnection
from lib.wait import wait_until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL = SIGNATURE + b"\x20\x00\x00\x00"


def v1(source="192.0.2.7", port=5555, family="TCP4", destination="198.51.100.1"):
    return f"PROXY {family} {source} {destination} {port} 6379\r\n".encode()


def v2(source="192.0.2.7", port=5555, fields=b""):
    addresses = socket.inet_aton(source) + socket.inet_aton("198.51.100.1") + struct.pack(">HH", port, 6379)
    return SIGNATURE + b"\x21\x11" + struct.pack(">H", len(addresses) + len(fields)) + addresses + fields


@pytest.fixture
def server(start_server, tmp_path):
    """The tests' own connections come over the unix socket, which has no header."""
    server = start_server(protected_mode="no", unixsocket=tmp_path / "s")
    with server.connect() as conn:
        assert conn.cmd("CONFIG", "SET", "proxy-protocol", "yes") == b"OK"
    server.unixsocket = str(tmp_path / "s")
    return server


@pytest.fixture
def admin(server):
    with UnixConnection(server.unixsocket) as conn:
        yield conn


def connect(server, header, chunk=None):
    conn = Connection(server.port)
    conn.send(header, chunk)
    return conn


def addresses(conn):
    info = dict(item.split(b"=", 1) for item in conn.cmd("CLIENT", "INFO").split())
    return info[b"addr"], info[b"laddr"]


@pytest.mark.parametrize("chunk", [None, 1, 5])
@pytest.mark.parametrize("header,expected", [
    (v1(), (b"192.0.2.7:5555", b"198.51.100.1:6379")),
    (v1("2001:db8::1", 1, "TCP6", "::1"), (b"[2001:db8::1]:1", b"[::1]:6379")),
    (v2(), (b"192.0.2.7:5555", b"198.51.100.1:6379")),
    (v2(fields=b"\x04" + struct.pack(">H", 4000) + b"x" * 4000), (b"192.0.2.7:5555", b"198.51.100.1:6379")),
])
def test_addresses(server, header, expected, chunk):
    with connect(server, header, chunk) as conn:
        assert addresses(conn) == expected
        assert conn.pipeline([["INCR", "n"]] * 1000) == list(range(1, 1001))


@pytest.mark.parametrize("header", [LOCAL, b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff::1 x 1 2\r\n",
                                    SIGNATURE + b"\x21\x00\x00\x02xx"])
def test_without_addresses_the_sockets_own_hold(server, header):
    with connect(server, header) as conn:
        assert addresses(conn) == (b"127.0.0.1:%d" % conn.sock.getsockname()[1], b"127.0.0.1:%d" % server.port)


def test_commands_in_the_same_packet(server):
    with connect(server, v1() + encode(["SET", "k", "v"]) + encode(["GET", "k"])[:-3]) as conn:
        assert conn.read() == b"OK"
        conn.send(encode(["GET", "k"])[-3:])
        assert conn.read() == b"v"


@pytest.mark.parametrize("data", [encode(["PING"]), b"PING\r\n", b"\r\n\r\n\r\n", b"PROXY TCP4 1.2.3.4\r\n", b"\0",
                                  v1("1.2.3.400"), v2()[:12] + b"\x31" + v2()[13:], b"PROXY UNKNOWN " + b"x" * 200])
def test_what_is_no_header_ends_the_connection(server, admin, data):
    with connect(server, data + encode(["SET", "k", "v"])) as conn:
        assert conn.drain() == (b"", True)
    assert admin.cmd("EXISTS", "k") == 0


def test_client_kill_by_the_real_address(server, admin):
    with connect(server, v1(port=7777)) as one, connect(server, v1(port=8888)) as two:
        assert one.cmd("PING") == two.cmd("PING") == b"PONG"
        assert admin.cmd("CLIENT", "KILL", "ADDR", "192.0.2.7:7777") == 1
        assert one.drain()[1]
        assert two.cmd("PING") == b"PONG"


def test_protected_mode_asks_whose_connection_it_is(server, admin):
    """A balancer on the same machine does not make the world local."""
    assert admin.cmd("CONFIG", "SET", "protected-mode", "yes") == b"OK"
    for header in (v1(), v2(), v1("2001:db8::1", 1, "TCP6", "::1")):
        with connect(server, header + encode(["PING"])) as conn:
            data, closed = conn.drain()
            assert closed and data.startswith(b"-DENIED Redis is running in protected mode") and data.count(b"\r\n") == 1
    for header in (v1("127.0.0.1"), v1("::1", 1, "TCP6", "::1"), LOCAL):
        with connect(server, header) as conn:
            assert conn.cmd("PING") == b"PONG"
    assert admin.cmd("CONFIG", "SET", "requirepass", "secret") == b"OK"
    with connect(server, v1()) as conn:
        assert conn.cmd("PING").code() == b"NOAUTH"


def test_an_unfinished_header_ends_after_ten_seconds(server, admin):
    began = time.monotonic()
    with connect(server, v1()[:-1]) as one, connect(server, b"") as two:
        assert one.drain() == (b"", True) and two.drain() == (b"", True)
    assert time.monotonic() - began > 9
    assert admin.cmd("PING") == b"PONG"


def test_in_front_of_tls_and_frames(start_server, tmp_path):
    authority = Authority(tmp_path)
    server = start_server(protected_mode="no", tls_port=free_port(), frame_port=free_port(),
                          **authority.server(tls_auth_clients="no"))
    with server.connect() as conn:
        assert conn.cmd("CONFIG", "SET", "proxy-protocol", "yes") == b"OK"
        for header in (v1(), v2()):
            with TlsConnection(int(server.directives["tls-port"]), authority.context(), first=header) as tls:
                assert addresses(tls)[0] == b"192.0.2.7:5555"
                assert tls.cmd("PING") == b"PONG"
        with FrameConnection(int(server.directives["frame-port"])) as frame:
            frame.sock.sendall(v2())
            assert frame.cmd("PING") == b"PONG"
        assert conn.cmd("CONFIG", "SET", "proxy-protocol", "no") == b"OK"
    with server.connect() as conn:
        assert conn.cmd("PING") == b"PONG"


def test_a_storm_of_headers(server, admin):
    """Valid, cut, and broken ones, closed at any moment: nobody is forgotten."""
    rng = random.Random(1)
    for i in range(500):
        data = bytearray(rng.choice([v1(), v2(), LOCAL]) + encode(["INCR", "n"]))
        if i % 2:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        with connect(server, bytes(data[:rng.randrange(len(data) + 1)])) as conn:
            if i % 5 == 0:
                conn.drain(0.01)
    assert wait_until(lambda: b"connected_clients:1\r\n" in admin.cmd("INFO", "clients"))
