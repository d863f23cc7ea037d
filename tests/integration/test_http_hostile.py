"""HTTP that tries to deceive: bodies without end, paths that are not what they seem, text that is none, crowds of headers."""
import json
import subprocess

import pytest

from lib.http import message
from lib.server import Server, free_port

pytestmark = pytest.mark.tokamak
HEAD = b"PUT /kv/k HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def shared_server():
    server = Server({"http-port": free_port(), "proto-max-bulk-len": "1mb"})
    yield server
    server.finish()


@pytest.fixture
def http_server(shared_server):
    """One for all that is refused; emptied for each."""
    shared_server.check()
    with shared_server.connect() as conn:
        conn.cmd("FLUSHALL")
    return shared_server


def curl(http_server, *args, stdin=b""):
    """(status, body)"""
    url = [arg.replace("URL", f"http://localhost:{http_server.directives['http-port']}") for arg in args]
    out = subprocess.run(["curl", "-sS", "--path-as-is", "-w", "\n%{http_code}", *url], input=stdin, capture_output=True, check=True,
                         timeout=60).stdout
    body, status = out.rsplit(b"\n", 1)
    return int(status), body


# ---- bodies ----

@pytest.mark.parametrize("data", [
    HEAD + b"Content-Length: 1048577\r\n\r\n",
    HEAD + b"Content-Length: 999999999999999999\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n100001\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"8000\r\n" + b"x" * 0x8000 + b"\r\n") * 32 + b"1\r\n",
], ids=["length", "absurd length", "chunk", "absurd chunk", "chunks together"])
def test_bodies_that_are_too_long(http_server, http, data):
    """Refused as soon as that is known, at the limit and not a byte later; nothing is stored."""
    http.send(data)
    response = http.read()
    assert response.status == 413 and response.headers["connection"] == "close"
    with http_server.connect() as conn:
        assert conn.cmd("EXISTS", "k") == 0


def test_the_longest_body(http_server, http):
    assert http.request("PUT", "/kv/k", b"x" * (1 << 20)).status == 204
    http.send(message("PUT", "/kv/c", None, transfer_encoding="chunked") + (b"8000\r\n" + b"y" * 0x8000 + b"\r\n") * 32 + b"0\r\n\r\n")
    assert http.read().status == 204
    with http_server.connect() as conn:
        assert conn.cmd("STRLEN", "k") == conn.cmd("STRLEN", "c") == 1 << 20


@pytest.mark.parametrize("length", ["1e3", "0x10", "-1", "1 0", "", "9999999999999999999", "18446744073709551616", "1;2"])
def test_lengths_that_are_none(http, length):
    http.send(HEAD + f"Content-Length: {length}\r\n\r\n".encode())
    assert http.read().status == 400 and http.closed()


@pytest.mark.parametrize("chunks", [b"-1\r\n", b"0x3\r\nabc\r\n", b"3 \r\nabc\r\n", b"\r\n", b"3\nabc\r\n", b"3\r\nabcd\r\n", b"3\r\nabc\n0\r\n",
                                    b"000000003\r\nabc\r\n", b"g\r\n", b"3;x=y\r\nabc\r\n"])
def test_chunks_that_are_none(http_server, http, chunks):
    http.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n" + message("GET", "/set/evil/1"))
    assert http.read().status == 400 and http.closed()
    with http_server.connect() as conn:
        assert conn.cmd("DBSIZE") == 0


def test_a_body_that_ends_early(http_server):
    """The client is gone before its body has come: nothing of it is executed."""
    for head in (b"Content-Length: 100\r\n\r\n0123", b"Transfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n"):
        with http_server.connect_http() as http:
            http.send(HEAD + head)
    with http_server.connect_http() as http:
        assert http.cmd("EXISTS", "k") == {"result": 0}


# ---- heads ----

def test_headers_at_their_limits(http):
    many = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 99 + b"\r\n"
    http.send(many)
    assert http.read().status == 200
    room = 16384 - len(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: \r\n\r\n")
    http.send(message("GET", "/healthz", x="y" * (room - 1)))
    assert http.read().status == 200
    http.send(message("GET", "/healthz", x="y" * (room + 1)))
    assert http.read().status == 431 and http.closed()


def test_one_header_too_many(http):
    http.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 100 + b"\r\n")
    assert http.read().status == 431 and http.closed()


def test_a_target_without_end(http):
    http.send(b"GET /get/" + b"a" * 20000)
    assert http.read().status == 431 and http.closed()


@pytest.mark.parametrize("line", [b"GET /get/a b HTTP/1.1", b"GET  /get/a HTTP/1.1", b"GET\t/get/a HTTP/1.1", b"GET /get/a", b"GET /get/a HTTP/1.1 ",
                                  b"GET /get/a\0 HTTP/1.1", b"GET /get/\x7f HTTP/1.1", b"GET /get/\xc3\xa9 HTTP/1.1", b"GET /get/a#b HTTP/1.1",
                                  b"GET get/a HTTP/1.1", b"GET * HTTP/1.1", b"G@T /get/a HTTP/1.1", b"GET /get/a http/1.1", b"GET /get/a HTTP/1.12"])
def test_request_lines_that_are_none(http, line):
    http.send(line + b"\r\nHost: localhost\r\n\r\n" + message("GET", "/set/evil/1"))
    assert http.read().status == 400 and http.closed()


@pytest.mark.parametrize("header", [b"Authorization: Bearer a\r\nAuthorization: Bearer b", b"Origin: http://localhost\r\nOrigin: http://localhost",
                                    b"X\xff: y", b": y", b"X y", b"X: \x01", b"X: a\0b", b"Content-Length\t: 0"])
def test_headers_that_are_none(http, header):
    http.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\n\r\n")
    assert http.read().status == 400 and http.closed()


# ---- paths ----

@pytest.mark.parametrize("path, key", [
    ("/kv/../metrics", b"../metrics"), ("/kv/%2e%2e/metrics", b"../metrics"), ("/kv/%2Fetc%2Fpasswd", b"/etc/passwd"), ("/kv//", b"/"),
    ("/kv/%00", b"\0"), ("/kv/a%00b", b"a\0b"), ("/kv/%ff%fe", b"\xff\xfe"), ("/kv/%c0%ae", b"\xc0\xae"), ("/kv/%25%32%65", b"%2e"),
    ("/kv/a;b", b"a;b"), ("/kv/a\\b", b"a\\b"), ("/kv/a+b", b"a+b"), ("/kv/%0d%0aX:%20y", b"\r\nX: y")])
def test_a_path_is_a_key_and_nothing_else(http_server, path, key):
    """Decoded once, never resolved, never text."""
    status, body = curl(http_server, "-T", "-", "URL" + path, stdin=b"value")
    assert (status, body) == (204, b"")
    with http_server.connect() as conn:
        assert conn.cmd("KEYS", "*") == [key]
    assert curl(http_server, "URL" + path) == (200, b"value")


@pytest.mark.parametrize("path, status", [("/kv/%", 400), ("/kv/%4", 400), ("/kv/%zz", 400), ("/kv/%u0041", 400), ("/kv", 400), ("/KV/k", 400),
                                          ("/kv/", 400), ("//metrics", 400), ("/metrics/", 400), ("/Metrics", 400), ("/./healthz", 400),
                                          ("/x/../healthz", 400), ("/%68ealthz", 400), ("/healthz/", 400), ("/healthz?x=y", 200)])
def test_paths_that_are_nearly_others(http_server, path, status):
    assert curl(http_server, "URL" + path)[0] == status


# ---- text ----

@pytest.mark.parametrize("text", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80", b"\\ud800", b"\\udc00\\ud800",
                                  b"\\u12", b"\\x41", b"\x00", b"\n"])
def test_strings_that_are_no_utf8(http_server, http, text):
    for target, body in (("/", b'["SET","k","%b"]'), ("/pipeline", b'[["SET","k","v"],["SET","k","%b"]]'),
                         ("/multi-exec", b'[["SET","k","v"],["SET","k","%b"]]')):
        refused = http.request("POST", target, body % text)
        assert refused.status == 400 and "error" in refused.json(), target
    with http_server.connect() as conn:
        assert conn.cmd("EXISTS", "k") == 0


def test_values_that_are_no_utf8_come_out_as_text(http):
    http.request("PUT", "/kv/k", b"a\xff\xfe\x00\x1b\"\\b")
    response = http.request("POST", "/", b'["GET","k"]')
    assert json.loads(response.body.decode())["result"] == "a\ufffd\ufffd\x00\x1b\"\\b"
    error = http.request("GET", "/%ff%0d%0aX")
    assert error.status == 400 and "x" not in error.headers and "\ufffd" in error.json()["error"]


# ---- what curl sends ----

def test_what_curl_sends(http_server):
    assert curl(http_server, "--http1.0", "URL/ping") == (200, b'{"result":"PONG"}')
    assert curl(http_server, "-H", "Transfer-Encoding: chunked", "-d", '["SET","k","v"]', "URL/") == (200, b'{"result":"OK"}')
    assert curl(http_server, "-H", "Expect: 100-continue", "-d", '["GET","k"]', "URL/") == (200, b'{"result":"v"}')
    assert curl(http_server, "--compressed", "URL/kv/k") == (200, b"v")
    assert curl(http_server, "-X", "DELETE", "URL/kv/k")[0] == 204
    assert curl(http_server, "-X", "TRACE", "URL/")[0] == 501
    assert curl(http_server, "-X", "OPTIONS", "URL/kv/k")[0] == 204
    assert curl(http_server, "-H", "Host: evil.example", "URL/ping")[0] == 421
    assert curl(http_server, "-H", "Host;", "URL/ping")[0] == 421
    assert curl(http_server, "-H", "Origin: https://evil.example", "-d", '["SET","k","v"]', "URL/")[0] == 403
    assert curl(http_server, "-H", "Content-Type: text/plain", "-H", "Sec-Fetch-Site: cross-site", "-d", '["SET","k","v"]', "URL/")[0] == 403
    assert curl(http_server, "-u", "default:wrong", "URL/ping")[0] in (200, 401)
    assert curl(http_server, "URL/exists/k") == (200, b'{"result":0}')
