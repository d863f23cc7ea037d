"""The web console: its files over HTTP, and its use in a browser (tests/node/console.test.js)."""
import gzip
import os
import re
import subprocess

import pytest

from lib.server import ROOT, free_port

pytestmark = pytest.mark.tokamak

NODE_TESTS = ROOT / "tests" / "node"
GZIPPED_MAX = 200 * 1024


def asset_paths(http):
    page = http.request("GET", "/").body.decode()
    return re.findall(r'(?:href|src)="(/[^"]+)"', page)


def test_the_page_lets_nothing_else_in(http):
    for path in ["/", *asset_paths(http)]:
        headers = http.request("GET", path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy and "require-trusted-types-for 'script'" in policy
        assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"


def test_files_and_their_names(http):
    page = http.request("GET", "/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    assert b"<script>" not in page.body and b"style=" not in page.body and b"http://" not in page.body
    paths = asset_paths(http)
    assert sorted(path.rsplit(".", 1)[1] for path in paths) == ["css", "js", "svg"]
    for path in paths:
        answer = http.request("GET", path)
        assert answer.status == 200 and answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert re.fullmatch(r"/console/\w+-[0-9a-f]{16}\.\w+", path)
    assert http.request("GET", "/console/app-0000000000000000.js").status == 400  # a command, which does not exist


@pytest.mark.parametrize("accepts, packed", [
    (None, False), ("gzip", True), ("br, gzip;q=0.5", True), ("deflate,GZIP ", True), ("gzip;q=0", False),
    ("gzip; q=0.000, br", False), ("identity", False), ("xgzip", False), ("", False), ("*", False)])
def test_codings(http, accepts, packed):
    for path in ["/", *asset_paths(http)]:
        plain, answer = http.request("GET", path), http.request("GET", path, accept_encoding=accepts)
        assert answer.headers.get("content-encoding") == ("gzip" if packed else None)
        assert answer.headers["vary"] == "Accept-Encoding"
        assert (gzip.decompress(answer.body) if packed else answer.body) == plain.body
        assert (answer.headers["etag"] == plain.headers["etag"]) != packed


def test_what_is_known_is_not_sent_again(http):
    for path in ["/", *asset_paths(http)]:
        for headers in {}, {"accept_encoding": "gzip"}:
            tag = http.request("GET", path, **headers).headers["etag"]
            for known in tag, f'"x", W/{tag}', "*":
                answer = http.request("GET", path, if_none_match=known, **headers)
                assert answer.status == 304 and not answer.body and answer.headers["etag"] == tag
            assert http.request("GET", path, if_none_match='"x"', **headers).status == 200


def test_head(http):
    for path in ["/", *asset_paths(http)]:
        get, head = http.request("GET", path), http.request("HEAD", path)
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.body))


def test_accept_encoding_may_stand_twice(http):
    http.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nAccept-Encoding: br\r\n\r\n")
    assert http.read().headers["content-encoding"] == "gzip"


def test_everybody_gets_the_page_and_nobody_data(start_server):
    server = start_server(http_port=free_port(), requirepass="secret")
    with server.connect_http() as http:
        assert http.request("GET", "/").status == 200
        assert http.post("/", ["GET", "k"]).status == 401
        assert http.request("GET", "/dbsize").status == 401


def test_links_of_other_sites_lead_to_the_page_alone(http_server):
    with http_server.connect_http() as http:
        assert http.request("GET", "/", sec_fetch_site="cross-site").status == 200
        assert http.request("GET", "/get/k", sec_fetch_site="cross-site").status == 403
    with http_server.connect_http() as http:
        assert http.request("POST", "/", b'["SET","k",1]', sec_fetch_site="cross-site").status == 403
    with http_server.connect_http() as http:
        assert http.request("GET", "/", host="evil.example").status == 421


def test_it_can_be_switched_off(start_server):
    server = start_server(http_port=free_port(), http_console="no")
    with server.connect_http() as http:
        answer = http.request("GET", "/")
        assert answer.headers["content-type"] == "text/plain" and b"openapi" in answer.body
        assert http.post("/", ["PING"]).json() == {"result": "PONG"}


def test_size(http):
    sizes = {path: len(http.request("GET", path, accept_encoding="gzip").body) for path in ["/", *asset_paths(http)]}
    assert sum(sizes.values()) < GZIPPED_MAX, sizes


def test_types_are_right(node):
    result = subprocess.run([node, "node_modules/typescript/bin/tsc", "-p", ROOT / "console"], cwd=NODE_TESTS, timeout=120,
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_in_a_browser(http_server, start_server, node):
    locked = start_server(http_port=free_port(), requirepass="boss")
    with locked.connect() as conn:
        conn.cmd("AUTH", "boss")
        conn.cmd("ACL", "SETUSER", "ann", "on", ">secret", "+@all", "-@write", "~*", "&*")
    ports = {"TOKAMAK_PORT": http_server.port, "TOKAMAK_HTTP": http_server.directives["http-port"],
             "TOKAMAK_LOCKED": locked.directives["http-port"]}
    result = subprocess.run([node, "--test", "console.test.js"], cwd=NODE_TESTS, timeout=400,
                            env={**os.environ, **{name: str(port) for name, port in ports.items()}}, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]
    assert "fail 0" in result.stdout
