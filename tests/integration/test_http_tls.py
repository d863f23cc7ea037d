"""HTTP over TLS: the same messages, users by certificate, the port and the certificate changed while it runs."""
import ssl
import subprocess

import pytest

from lib.http import HttpConnection, message
from lib.resp import Error
from lib.server import free_port
from lib.tls import Authority
from lib.wait import wait_until

pytestmark = pytest.mark.tokamak


@pytest.fixture
def start_https(start_server, authority):
    """Factory: a server with HTTP over TLS and no other port for TLS; it asks for certificates unless told otherwise."""
    def start(**directives):
        server = start_server(http_tls_port=free_port(), **{**authority.server(), **directives})
        server.https_port = int(server.directives["http-tls-port"])
        return server
    return start


@pytest.fixture
def server(start_https):
    return start_https()


def served(server, context):
    """True when a client with that context is answered."""
    try:
        with HttpConnection(server.https_port, context=context) as http:
            return http.cmd("PING") == {"result": "PONG"}
    except (ssl.SSLError, ConnectionError):
        return False


def certificate(http):
    return dict(item[0] for item in http.sock.getpeercert()["subject"])["commonName"]


@pytest.mark.smoke
def test_messages(server, authority):
    value = bytes(range(256)) * 12000
    with HttpConnection(server.https_port, context=authority.context("client")) as http:
        assert http.request("PUT", "/kv/k", value).status == 204
        assert http.request("GET", "/kv/k").body == value
        http.send(b"".join(message("POST", "/", b'["INCR","n"]') for _ in range(300)))
        assert [http.read().json()["result"] for _ in range(300)] == list(range(1, 301))
        http.send(message("PUT", "/kv/c", None, transfer_encoding="chunked", expect="100-continue"))
        assert http.head() == (100, {})
        http.send(b"3\r\nabc\r\n0\r\n\r\n")
        assert http.read().status == 204
        assert http.request("GET", "/get/c", connection="close").json() == {"result": "abc"}
        assert http.closed()


def test_the_origin_of_a_page_of_ours(server, authority):
    with HttpConnection(server.https_port, context=authority.context("client")) as http:
        assert http.post("/", ["PING"], origin="https://localhost", sec_fetch_site="same-origin").status == 200
        assert http.post("/", ["PING"], origin="https://evil.example").status == 403


def test_events(server, authority):
    with server.connect() as conn, HttpConnection(server.https_port, context=authority.context("client")) as http:
        http.send(message("GET", "/subscribe/c"))
        assert http.head()[0] == 200 and http.until(b"\n\n") == b"data: subscribe,c,1\n\n"
        for text in (b"x", b"y" * 100000):
            assert conn.cmd("PUBLISH", "c", text) == 1
            assert http.until(b"\n\n") == b"data: message,c,%b\n\n" % text


def test_curl(server, authority):
    cert, key = authority.issue("curl")
    url = f"https://localhost:{server.https_port}/kv/k"
    line = ["curl", "-sfS", "--connect-to", "localhost::127.0.0.1:", "--cacert", authority.ca, "--cert", cert, "--key", key]
    authority.issue("localhost")
    with server.connect() as conn:
        assert conn.cmd("CONFIG", "SET", "tls-cert-file", authority.path("localhost", "crt"),
                        "tls-key-file", authority.path("localhost", "key")) == b"OK"
    subprocess.run([*line, "-T", "-", url], input=b"x" * 100000, check=True, timeout=60)
    assert subprocess.run([*line, url, url], capture_output=True, check=True, timeout=60).stdout == b"x" * 200000


def test_certificates_of_clients(server, authority, tmp_path):
    stranger = authority.context()
    stranger.load_cert_chain(*Authority(tmp_path / "stranger").issue("client"))
    with server.connect() as conn:
        for mode, without, other in (("yes", False, False), ("optional", True, False), ("no", True, True)):
            assert conn.cmd("CONFIG", "SET", "tls-auth-clients", mode) == b"OK"
            assert served(server, authority.context("client"))
            assert served(server, authority.context()) == without, mode
            assert served(server, stranger) == other, mode


def test_the_user_of_a_certificate(start_https, authority):
    """Who a message that names nobody comes from; another's credential counts for its message alone."""
    server = start_https(tls_auth_clients_user="CN", requirepass="secret")
    with server.connect() as conn:
        conn.cmd("AUTH", "secret")
        conn.cmd("ACL", "SETUSER", "reader", "on", "nopass", "~a*", "+get", "+acl|whoami")
        with HttpConnection(server.https_port, context=authority.context("reader")) as http:
            for _ in range(2):
                assert http.cmd("ACL", "WHOAMI") == {"result": "reader"}
                assert http.post("/", ["SET", "a", 1]).status == 403
                assert http.post("/", ["GET", "b"]).status == 403
                assert http.post("/", ["ACL", "WHOAMI"], authorization="Bearer secret").json() == {"result": "default"}
                assert http.post("/", ["GET", "a"], authorization="Bearer wrong").status == 401
        with HttpConnection(server.https_port, context=authority.context("nobody")) as http:
            assert http.post("/", ["GET", "a"]).status == 401
            assert http.post("/", ["GET", "a"], authorization="Bearer secret").status == 200
        with HttpConnection(server.https_port, context=authority.context("reader")) as http:
            assert http.cmd("GET", "a") == {"result": None}
            conn.cmd("ACL", "DELUSER", "reader")
            assert wait_until(lambda: conn.cmd("CLIENT", "LIST").count(b"user=reader") == 0)


def test_reload(server, authority, tmp_path):
    old = HttpConnection(server.https_port, context=authority.context("client"))
    authority.issue("renewed")
    with old, server.connect() as conn:
        assert old.cmd("PING") == {"result": "PONG"} and certificate(old) == "server"
        files = "tls-cert-file", authority.path("renewed", "crt"), "tls-key-file", authority.path("renewed", "key")
        assert conn.cmd("CONFIG", "SET", *files) == b"OK"
        with HttpConnection(server.https_port, context=authority.context("client")) as new:
            assert new.cmd("PING") == {"result": "PONG"} and certificate(new) == "renewed"
        failed = conn.cmd("CONFIG", "SET", "tls-cert-file", "/nonexistent")
        assert isinstance(failed, Error) and b"Unable to update TLS configuration" in failed
        assert served(server, authority.context("client"))
        assert old.cmd("PING") == {"result": "PONG"} and certificate(old) == "server"


def test_the_ports_come_and_go(start_server, authority):
    server = start_server()
    server.https_port, port = free_port(), free_port()
    with server.connect() as conn:
        refused = conn.cmd("CONFIG", "SET", "http-tls-port", server.https_port)
        assert isinstance(refused, Error) and b"Unable to update TLS configuration" in refused
        assert conn.cmd("CONFIG", "GET", "http-tls-port") == [b"http-tls-port", b"0"]
        for name, value in authority.server().items():
            assert conn.cmd("CONFIG", "SET", name.replace("_", "-"), value) == b"OK"
        assert conn.cmd("CONFIG", "SET", "http-tls-port", server.https_port, "http-port", port) == b"OK"
        assert served(server, authority.context("client"))
        with HttpConnection(port) as http:
            assert http.cmd("PING") == {"result": "PONG"}
            assert conn.cmd("CONFIG", "SET", "http-tls-port", 0, "http-port", 0) == b"OK"
            assert http.cmd("PING") == {"result": "PONG"}, "who is connected stays"
        for closed in (server.https_port, port):
            with pytest.raises(ConnectionRefusedError):
                HttpConnection(closed)


def test_plain_messages_get_nothing_on_the_tls_port(server):
    with HttpConnection(server.https_port) as http:
        http.send(message("GET", "/set/k/v"))
        try:
            data = b"".join(iter(lambda: http.sock.recv(1000), b""))
        except ConnectionResetError:
            data = b""
        assert b"HTTP" not in data
    with server.connect() as conn:
        assert conn.cmd("EXISTS", "k") == 0


def test_no_start_without_a_certificate(server, authority):
    line = [server.binary, "--port", "0", "--http-tls-port", str(free_port()), "--save", ""]
    result = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and "No tls-cert-file configured!" in result.stdout
