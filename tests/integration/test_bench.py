"""tokamak-bench as a user calls it: modes, reports, what is refused."""
import http.server
import json
import subprocess
import threading
import time
from pathlib import Path

import pytest

from lib.server import binary_under_test, free_port
from lib.tls import Authority

pytestmark = pytest.mark.tokamak


def run(*args):
    program = Path(binary_under_test()).with_name("tokamak-bench")
    return subprocess.run([program, *map(str, args)], capture_output=True, text=True, timeout=120)


def report(*args):
    result = run(*args, "--format", "json")
    assert result.returncode == 0, result
    return json.loads(result.stdout)


def calls(conn, command):
    line = next(row for row in conn.cmd("INFO", "commandstats").split(b"\r\n")
                if row.startswith(b"cmdstat_%s:" % command.encode()))
    return int(line.split(b"calls=")[1].split(b",")[0])


@pytest.mark.parametrize("protocol", ["resp", "resp3", "frame"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_mix_is_counted_per_command(start_server, protocol, threads):
    server = start_server(frame_port=free_port())
    port = server.directives["frame-port"] if protocol == "frame" else server.port
    result = report("-p", port, "--protocol", protocol, "--threads", threads, "-c", 7, "-P", 5, "-n", 8000, "-r", 50,
                    "-t", "set:3,get:1", "-e", "4*HSET h:{key} f:{rand} {value}", "-d", "5-500")["result"]
    assert result["requests"] == 8000 and result["errors"] == 0
    counts = {name: row["count"] for name, row in result["commands"].items()}
    with server.connect() as conn:
        assert {name: calls(conn, name) for name in ("set", "get", "hset")} == {
            "set": counts["set"], "get": counts["get"], "hset": counts["HSET h:{key} f:{rand} {value}"]}
    assert 2600 < counts["set"] < 3400 and 700 < counts["get"] < 1300
    assert result["server_cpu_us_per_request"] >= 0 and result["client_cpu_us_per_request"] > 0


@pytest.mark.parametrize("threads", [1, 4])
def test_a_sequence_names_each_key_once(start_server, threads):
    server = start_server()
    report("-p", server.port, "-t", "set", "--keys", "sequential", "-r", 1003, "-n", 1003, "--threads", threads, "-P", 8)
    with server.connect() as conn:
        assert conn.cmd("DBSIZE") == 1003
        assert conn.cmd("EXISTS", "key:000000000000", "key:000000001002") == 2


def test_zipf_prefers_the_first_keys(start_server):
    server = start_server()
    report("-p", server.port, "-t", "incr", "--keys", "zipf:1.2", "-r", 100000, "-n", 5000, "-P", 16)
    with server.connect() as conn:
        first, later = (int(conn.cmd("GET", "num:%012d" % key) or 0) for key in (0, 50))
    assert first > 500 and first > 10 * later


def test_open_loop_keeps_its_rate(start_server):
    server = start_server()
    started = time.monotonic()
    result = report("-p", server.port, "--rate", 500, "-n", 1000, "-P", 4, "--threads", 2)["result"]
    assert time.monotonic() - started > 1.9 and result["requests"] == 1000 and result["seconds"] > 1.9


def test_open_loop_counts_who_waited(start_server):
    """During a pause of the server hundreds of requests are due; a closed loop would notice two."""
    server = start_server()
    timer = threading.Timer(1, lambda: pause(server))
    timer.start()
    latency = report("-p", server.port, "-t", "set", "--rate", 500, "--duration", 4, "-c", 2)["result"]["latency_us"]
    timer.join()
    assert latency["max"] > 900_000 and latency["p90"] > 100_000, latency


def pause(server):
    with server.connect() as conn:
        conn.cmd("CLIENT", "PAUSE", "1000", "WRITE")


def test_duration_ends_a_closed_loop(start_server):
    server = start_server()
    result = report("-p", server.port, "--duration", 1)["result"]
    assert result["requests"] > 0 and 0.9 < result["seconds"] < 20


def test_tls_with_a_client_certificate(start_server, tmp_path):
    authority = Authority(tmp_path / "ca")
    cert, key = authority.issue("client")
    port = free_port()
    start_server(tls_port=port, tls_auth_clients="yes", **authority.server())
    line = ["-p", port, "--tls", "--cacert", authority.ca, "-t", "set,get", "-n", 3000, "-P", 20, "-d", 2000, "-c", 5]
    assert report(*line, "--cert", cert, "--key", key)["result"]["requests"] == 3000
    assert run(*line).returncode == 1  # no certificate
    stranger = Authority(tmp_path / "stranger", "stranger")
    result = run("-p", port, "--tls", "--cacert", stranger.ca, "--cert", cert, "--key", key, "-n", 1)
    assert result.returncode == 1 and "certificate" in result.stderr
    assert run("-p", port, "--tls", "--cacert", tmp_path / "nosuch").returncode == 2


def test_logs_in_and_selects(start_server):
    server = start_server(requirepass="a secret")
    for protocol in ("resp", "resp3"):
        line = ["-p", server.port, "--protocol", protocol, "-t", "set", "-n", 100, "-r", 10, "--db", 3]
        assert "WRONGPASS" in run(*line, "-a", "wrong").stderr
        assert report(*line, "-a", "a secret", "--user", "default")["result"]["errors"] == 0
    with server.connect() as conn:
        conn.cmd("AUTH", "a secret")
        conn.cmd("SELECT", "3")
        assert 0 < conn.cmd("DBSIZE") <= 10


def test_compares_two_servers(start_server):
    ours, theirs = start_server(), start_server()
    line = ["-p", ours.port, "--compare", f"127.0.0.1:{theirs.port}", "--rounds", 2, "-n", 500, "-t", "incr", "-r", 1]
    both = report(*line)
    assert [len(both[side]) for side in ("server", "compared")] == [2, 2]
    for server in (ours, theirs):
        with server.connect() as conn:
            assert conn.cmd("GET", "num:000000000000") == b"1000"
    text = run(*line).stdout
    assert "requests/s" in text and "server CPU us/request" in text and "better by" in text
    assert len(run(*line, "--csv").stdout.splitlines()) == 4
    assert run("-p", ours.port, "--compare", free_port(), "-n", 10).returncode == 1


def test_distribution_file(server, tmp_path):
    path = tmp_path / "latency.hgrm"
    assert run("-p", server.port, "-t", "ping", "-n", 2000, "--hgrm", path).returncode == 0
    rows = [line.split() for line in path.read_text().splitlines()[2:] if not line.startswith("#")]
    assert int(rows[-1][2]) == 2000 and float(rows[-1][1]) == 1
    assert [float(row[0]) for row in rows] == sorted(float(row[0]) for row in rows)
    assert run("-p", server.port, "-n", 1, "--hgrm", tmp_path / "no" / "such").returncode == 1


class Store(http.server.BaseHTTPRequestHandler):
    """What the http codec asks for, on Python's server: bodies in a dictionary."""
    protocol_version = "HTTP/1.1"
    values, arrays, lock = {}, [], threading.Lock()

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        return self.rfile.read(int(self.headers["Content-Length"]))

    def do_GET(self):
        value = self.values.get(self.path)
        self.answer(404 if value is None else 200, value or b"")

    def do_PUT(self):
        self.values[self.path] = self.body()
        self.answer(200, b"OK")

    def do_POST(self):
        with self.lock:
            self.arrays.append(json.loads(self.body()))
        self.answer(200 if self.headers["Authorization"] == "Bearer token" else 401, b'{"result":1}')

    def log_message(self, *args):
        pass


def test_http_against_a_plain_server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        port = httpd.server_address[1]
        line = ["-p", port, "--protocol", "http", "-c", 3, "-n", 90, "-P", 2, "-r", 20]
        assert report(*line, "-t", "get")["result"]["nils"] == 90
        assert report(*line, "-t", "set", "-d", 300)["result"]["errors"] == 0
        assert set(map(len, Store.values.values())) == {300} and "/kv/key:000000000001" in Store.values
        Store.arrays.clear()
        assert report(*line, "-t", "incr", "-a", "token")["result"]["errors"] == 0
        commands = [array for array in Store.arrays if array[0] == "INCR"]
        assert len(commands) == 90 and commands[0][1].startswith("num:0000")
        assert run(*line, "-t", "incr", "-a", "wrong").returncode == 1
        httpd.shutdown()


def test_http_port(start_server):
    server = start_server(http_port=free_port(), requirepass="secret")
    line = ["-p", server.directives["http-port"], "--protocol", "http", "-a", "secret", "-c", 4, "-P", 5, "-n", 2000, "-r", 40]
    result = report(*line, "-t", "set,get", "-e", "HSET hash f{key} {value}", "-d", 700)["result"]
    assert result["errors"] == 0 and result["server_cpu_us_per_request"] >= 0
    counts = {name: row["count"] for name, row in result["commands"].items()}
    assert sum(counts.values()) == 2000 and min(counts.values()) > 400
    with server.connect() as conn:
        conn.cmd("AUTH", "secret")
        assert conn.cmd("HLEN", "hash") == 40 and conn.cmd("STRLEN", "key:000000000003") == 700
    refused = run(*line[:4], "-a", "wrong", "-n", 10)
    assert refused.returncode == 1 and "10 error replies" in refused.stderr


def test_a_lost_server_ends_the_run(start_server):
    server = start_server()
    threading.Timer(1, server.stop).start()
    result = run("-p", server.port, "--duration", 60)
    assert result.returncode == 1 and "lost" in result.stderr


@pytest.mark.parametrize("args", [
    ["--rate", "0"], ["--threads", "0"], ["--threads", "65"], ["--threads", "3", "-c", "2"], ["--keys", "zipf:0"],
    ["--keys", "zipf:nan"], ["--keys", "normal"], ["-d", "5-4"], ["-d", "1-99999999999"], ["-d", "-1"], ["-t", "get:0"],
    ["-e", "0*PING"], ["--format", "xml"], ["--compare", "0"], ["--compare", "host:x"], ["--protocol", "gopher"],
    ["-c", "50000", "-P", "100000"], ["--protocol", "http", "--db", "1"], ["-e", ""], ["--duration", "0"]])
def test_wrong_usage(args):
    result = run("-p", free_port(), *args)
    assert result.returncode == 2 and "tokamak-bench: " in result.stderr, result
