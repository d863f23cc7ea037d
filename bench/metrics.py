#!/usr/bin/python3
"""What /metrics costs with 16 databases and all commands used, and what others notice of it.

Server CPU per scrape; and the waits of a client that asks for a key all the time: alone, beside a process that takes as much
processor time as a hundred scrapes a second and their client, and beside these scrapes. Where there are fewer processors than
threads the second tells what the processor time alone does; only what comes on top of it is a wait for the scrape.
"""
import argparse
import multiprocessing
import os
import re
import socket
import statistics
import time
from pathlib import Path

from bench_server import BenchServer, _free_port
from load import command

ROOT = Path(__file__).resolve().parents[1]
GOAL_MS = 2
PERIOD_S = 0.01
SKIPPED = {b"shutdown", b"quit", b"monitor", b"debug", b"failover", b"reset", b"hello", b"auth", b"exec", b"multi", b"client|reply",
           b"client|kill", b"client|pause", b"script|kill", b"function|kill", b"config|rewrite", b"config|resetstat", b"save", b"bgsave",
           b"bgrewriteaof", b"subscribe", b"psubscribe", b"ssubscribe", b"wait", b"waitaof", b"migrate", b"select", b"sync", b"psync",
           b"latency|reset", b"acl|save", b"acl|load", b"client|no-evict", b"client|tracking", b"replicaof", b"slaveof", b"swapdb"}


class MetricsServer(BenchServer):
    def __init__(self, binary, cores, io_threads):
        self.http_port = _free_port()
        super().__init__(binary, cores, io_threads)

    def arguments(self, io_threads):
        return super().arguments(io_threads) + ["--http-port", str(self.http_port), "--databases", "16"]


class Client:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), 60)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")

    def cmd(self, *args):
        self.sock.sendall(command(*args))
        return self._reply()

    def _reply(self):
        line = self.file.readline()
        kind, text = line[:1], line[1:-2]
        if kind == b"$":
            return self.file.read(int(text) + 2)[:-2] if int(text) >= 0 else None
        if kind == b"*":
            return [self._reply() for _ in range(int(text))]
        return int(text) if kind == b":" else text

    def scrape(self):
        self.sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        length = 0
        while (line := self.file.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return self.file.read(length)


def use_everything(server):
    """A key in each database; each command once, most of them in vain. Returns how many have been called."""
    client = Client(server.port)
    for db in range(16):
        client.cmd("SELECT", db)
        client.cmd("SET", "key", "v", "EX", 100000)
    names = []
    for row in client.cmd("COMMAND"):
        names += [(sub[0], sub[1]) for sub in row[9]] if row[9] else [(row[0], row[1])]
    for name, arity in names:
        if name not in SKIPPED and not name.startswith((b"cluster", b"b")):
            client.cmd(*name.split(b"|"), *["1"] * max(abs(arity) - 1 - name.count(b"|"), 0))
    return client.cmd("INFO", "commandstats").count(b"cmdstat_")


def cost(options):
    """(ms of CPU per scrape, bytes, commands in it)"""
    with MetricsServer(options.server, "0", 1) as server:
        commands, client = use_everything(server), Client(server.http_port)
        size = len(client.scrape())
        results = []
        for _ in range(options.rounds):
            before = server.cpu_ns()
            for _ in range(100):
                client.scrape()
            results.append((server.cpu_ns() - before) / 100 / 1e6)
        return statistics.median(results), size, commands


def waits(client, seconds):
    """Sorted waits for GET in µs."""
    found = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = time.perf_counter_ns()
        client.cmd("GET", "key")
        found.append((time.perf_counter_ns() - before) / 1000)
    return sorted(found)


def scrape_on(port, done):
    client = Client(port)
    while not done.wait(PERIOD_S):
        client.scrape()


def spin_on(ms, done):
    while not done.wait(PERIOD_S):
        until = time.thread_time() + ms / 1000
        while time.thread_time() < until:
            pass


def beside(client, seconds, work, *args):
    """waits() while another process is at work."""
    done = multiprocessing.Event()
    process = multiprocessing.Process(target=work, args=(*args, done))
    process.start()
    found = waits(client, seconds)
    done.set()
    process.join()
    return found


def scrape_cost(server):
    """ms of processor time of a scrape, the client's too."""
    scraper = Client(server.http_port)
    before = server.cpu_ns() / 1e6 + time.process_time() * 1000
    for _ in range(200):
        scraper.scrape()
    return (server.cpu_ns() / 1e6 + time.process_time() * 1000 - before) / 200


def compare(options):
    """[(how, waits)], and {field of INFO: number} about the parts that scrapes were made in."""
    with MetricsServer(options.server, "0,1", 2) as server:
        use_everything(server)
        client, ms = Client(server.port), scrape_cost(server)
        cases = {"alone": [], f"beside 100 × {ms:.1f} ms of work": [], "beside 100 scrapes": []}
        alone, worked, scraped = cases.values()
        for _ in range(options.rounds):
            alone += waits(client, options.seconds)
            worked += beside(client, options.seconds, spin_on, ms)
            scraped += beside(client, options.seconds, scrape_on, server.http_port)
        slices = re.findall(r"(slice_us_\w+):(\d+)", client.cmd("INFO", "stats").decode())
        return [(how, sorted(found)) for how, found in cases.items()], slices


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--server", default=os.environ.get("TOKAMAK_SERVER", str(ROOT / "build" / "tokamak-server")))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    options = parser.parse_args()
    options.server = str(Path(options.server).resolve())
    ms, size, commands = cost(options)
    print(f"/metrics, 16 databases, {commands} commands: {ms:.2f} ms of CPU (goal ≤ {GOAL_MS}"
          f"{'' if ms <= GOAL_MS else ', **missed**'}), {size:,} bytes\n")
    print("| waits for GET, µs | p50 | p99 | p99.9 | max |\n|---|--:|--:|--:|--:|")
    cases, slices = compare(options)
    for how, found in cases:
        print(f"| {how} | " + " | ".join(f"{found[min(int(len(found) * q), len(found) - 1)]:.0f}" for q in (0.5, 0.99, 0.999, 1)) + " |")
    print("\nRuns of commands and parts of scrapes by time: " + ", ".join(f"{name} {count}" for name, count in slices))


if __name__ == "__main__":
    main()
