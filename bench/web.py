#!/usr/bin/python3
"""HTTP and frames: server CPU per request beside nginx, webdis with redis-server, and our own RESP.

`wrk -t2 -c64` asks for one value of 100 bytes; nginx answers with the same bytes from its configuration.
Each server is pinned to core 0 and the load to core 1. The floor is a loop that receives as many bytes and
sends as many, without looking: no server can be cheaper. Rounds take all servers in turn, so that what
disturbs the machine hits all; what counts are the medians of the rounds' ratios.
"""
import argparse
import json
import os
import re
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from bench_server import REDIS, BenchServer, FloorServer, _free_port

ROOT = Path(__file__).resolve().parents[1]
VALUE = "v" * 100
CLIENT_CORE = "1"
NGINX = """
worker_processes 1; daemon off; pid {dir}/pid; error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 1000000000;
    server {{ listen 127.0.0.1:{port} backlog=1024; default_type application/octet-stream; location / {{ return 200 "{value}"; }} }}
}}
"""


def cpu_ns(pid):
    """Of all threads of a process and of its children."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
        total += sum(cpu_ns(child) for child in (task / "children").read_text().split())
    return total


class Tokamak(BenchServer):
    def __init__(self, binary):
        self.http_port, self.frame_port = _free_port(), _free_port()
        super().__init__(binary)
        self.send(f"SET key {VALUE}\r\n".encode())

    def arguments(self, io_threads):
        return super().arguments(io_threads) + ["--http-port", str(self.http_port), "--frame-port", str(self.frame_port)]

    def url(self):
        return f"http://127.0.0.1:{self.http_port}/kv/key"

    def answer(self):
        """Of one request, all of it."""
        with socket.create_connection(("127.0.0.1", self.http_port), 60) as sock:
            sock.sendall(b"GET /kv/key HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return sock.recv(1 << 16)

    def cpu_ns(self):
        return cpu_ns(self.process.pid)


class Floor(FloorServer):
    """Answers as many bytes as we do."""

    def __init__(self, binary, answer):
        super().__init__(binary, b"GET /kv/key HTTP/1.1\r\nHost: 127.0.0.1:12345\r\n\r\n",
                         answer.decode().replace("\r", "\\r").replace("\n", "\\n"))

    def url(self):
        return f"http://127.0.0.1:{self.port}/kv/key"


class Program:
    """nginx or webdis with a configuration of its own, on core 0."""

    def __init__(self, line, text):
        self.port = _free_port()
        self.directory = tempfile.TemporaryDirectory(prefix="bench-")
        path = Path(self.directory.name, "configuration")
        path.write_text(text(self.port, self.directory.name))
        self.process = subprocess.Popen(["taskset", "-c", "0", *line, str(path)], cwd=self.directory.name,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def cpu_ns(self):
        return cpu_ns(self.process.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)
        self.directory.cleanup()


class Nginx(Program):
    def __init__(self):
        super().__init__(["nginx", "-c"], lambda port, folder: NGINX.format(port=port, dir=folder, value=VALUE))

    def url(self):
        return f"http://127.0.0.1:{self.port}/"


class Webdis(Program):
    """With its redis-server, whose CPU is counted in: the two answer a request together."""

    def __init__(self):
        self.redis = BenchServer(REDIS)
        self.redis.send(f"SET key {VALUE}\r\n".encode())
        super().__init__(["webdis"], lambda port, folder: json.dumps({
            "redis_host": "127.0.0.1", "redis_port": self.redis.port, "http_host": "127.0.0.1", "http_port": port, "threads": 1,
            "pool_size": 20, "daemonize": False, "database": 0, "acl": [], "verbosity": 0, "logfile": f"{folder}/log"}))

    def url(self):
        return f"http://127.0.0.1:{self.port}/GET/key.txt"

    def cpu_ns(self):
        return super().cpu_ns() + self.redis.cpu_ns()

    def __exit__(self, *_):
        super().__exit__()
        self.redis.__exit__()


def await_answer(url):
    for _ in range(500):
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                body = answer.read().decode()
                if len(body) > 120 or VALUE not in body:
                    raise RuntimeError(f"{url} answers {body[:200]}")
                return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"nobody answers at {url}")


def wrk(server, seconds):
    """CPU µs of the server per request."""
    line = ["taskset", "-c", CLIENT_CORE, "wrk", "-t2", "-c64", f"-d{seconds}s", server.url()]
    before = server.cpu_ns()
    text = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    used = server.cpu_ns() - before
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(text)
    return used / int(re.search(r"(\d+) requests in", text).group(1)) / 1000


def bench(server, tool, protocol, requests):
    """The same for GETs of tokamak-bench, one at a time per connection."""
    port = {"http": server.http_port, "frame": server.frame_port}.get(protocol, server.port)
    line = ["taskset", "-c", CLIENT_CORE, tool, "-p", str(port), "--protocol", protocol, "-c", "50", "-n", str(requests),
            "-e", "GET key", "-q"]
    before = server.cpu_ns()
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    return (server.cpu_ns() - before) / requests / 1000


def one_round(options, results):
    with Tokamak(options.server) as ours, Nginx() as nginx, Webdis() as webdis, Floor(options.floor, ours.answer()) as floor:
        for name, server in (("tokamak", ours), ("nginx", nginx), ("webdis", webdis), ("floor", floor)):
            await_answer(server.url())
            results.setdefault(name, []).append(wrk(server, options.seconds))
        for protocol in ("resp", "frame", "http"):
            results.setdefault(protocol, []).append(bench(ours, options.tool, protocol, options.requests))


ROWS = [("GET /kv/key by wrk, nginx's CPU ÷ ours", "nginx", "tokamak", "≥", 1.0),
        ("the same, webdis and redis-server ÷ ours", "webdis", "tokamak", "≥", 4.0),
        ("HTTP GET ÷ RESP GET, P=1, by tokamak-bench", "http", "resp", "≤", 1.6),
        ("frame GET ÷ RESP GET, P=1", "frame", "resp", "≤", 1.0)]


def table(results):
    lines = ["| server µs per request | median |", "|---|--:|"]
    names = {"tokamak": "Tokamak, /kv/key", "nginx": "nginx, static", "webdis": "webdis + redis-server", "resp": "Tokamak, RESP GET",
             "frame": "Tokamak, frame GET", "http": "Tokamak, POST of GET", "floor": "the kernel's part of /kv/key"}
    lines += [f"| {names[name]} | {statistics.median(values):.2f} |" for name, values in results.items()]
    lines += ["", "| | ratio | goal |", "|---|--:|--:|"]
    for text, above, below, sign, goal in ROWS:
        ratio = statistics.median(a / b for a, b in zip(results[above], results[below]))
        missed = ratio < goal if sign == "≥" else ratio > goal
        lines.append(f"| {text} | {ratio:.2f} | {sign} {goal}{' **missed**' if missed else ''} |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of wrk")
    parser.add_argument("--requests", type=int, default=100_000, help="of tokamak-bench")
    options = parser.parse_args()
    build = Path(os.path.abspath(options.build))
    options.server, options.tool = str(build / "tokamak-server"), str(build / "tokamak-bench")
    options.floor = str(build / "bench" / "bench-floor")
    results = {}
    for _ in range(options.rounds):
        one_round(options, results)
    print("\n".join(table(results)))


if __name__ == "__main__":
    main()
