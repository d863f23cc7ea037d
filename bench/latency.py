#!/usr/bin/python3
"""How long clients with quick commands wait while others run slow ones, for Tokamak and redis-server.

One client loops SORT, ZUNIONSTORE and KEYS over large values, another stores and deletes large sets; an
open-loop load of GET and SET on other keys is timed from when each request was due, so that a stall counts
for all requests that fell into it. Beside it stands the same load next to an unrelated nice-19 CPU hog.
"""
import argparse
import multiprocessing
import os
import random
import selectors
import socket
import sys
import time
from collections import deque
from pathlib import Path

import report
from bench_server import REDIS, BenchServer
from load import command, load

ROOT = Path(__file__).resolve().parents[1]
SLOW = [("SORT", "list", "LIMIT", 0, 10), ("ZUNIONSTORE", "stored", 1, "zset"), ("KEYS", "key:*99999")]
DELETES = [("SUNIONSTORE", "doomed", "set"), ("DEL", "doomed")]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--elements", type=int, default=1_000_000, help="of each large value, and keys")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=int, default=2000, help="GET and SET per second")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--io-threads", type=int, default=2)
    parser.add_argument("--server", default=os.environ.get("TOKAMAK_SERVER", str(ROOT / "build" / "tokamak-server")))
    return parser.parse_args()


def fill(server, count):
    value = b"x" * 32
    load(server, (command("SET", b"key:%d" % i, value) for i in range(count)))
    for start in range(0, count, 100):
        numbers = range(start, min(start + 100, count))
        mixed = [n * 7919 % count for n in numbers]
        scored = [part for n in mixed for part in (n, b"m%d" % n)]
        load_now = [command("RPUSH", "list", *mixed), command("ZADD", "zset", *scored),
                    command("SADD", "set", *(b"m%d" % n for n in mixed))]
        yield from load_now


def loop(port, commands, counter):
    """Closed loop until killed; replies are read whole."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        reader = sock.makefile("rb", 1 << 20)
        while True:
            for words in commands:
                sock.sendall(command(*words))
                skip_reply(reader)
                with counter.get_lock():
                    counter.value += 1


def skip_reply(reader):
    left = 1
    while left:
        line = reader.readline()
        left -= 1
        if line[:1] == b"*":
            left += int(line[1:])
        elif line[:1] == b"$" and int(line[1:]) >= 0:
            reader.read(int(line[1:]) + 2)
        elif line[:1] == b"-":
            raise RuntimeError(line)


def hog():
    os.nice(19)
    while True:
        pass


def open_loop(port, options):
    """Latencies in seconds, measured from when a request was due."""
    rng = random.Random(1)
    selector = selectors.DefaultSelector()
    socks = [socket.create_connection(("127.0.0.1", port)) for _ in range(options.connections)]
    waiting = {sock: deque() for sock in socks}  # when the unanswered requests were due
    for sock in socks:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(sock, selectors.EVENT_READ)
    count = int(options.rate * options.seconds)
    start = time.perf_counter() + 0.1
    due = [(start + i / options.rate) for i in range(count)]
    latencies, sent = [], 0
    while len(latencies) < count:
        now = time.perf_counter()
        while sent < count and due[sent] <= now:
            sock = socks[sent % len(socks)]
            name = b"key:%d" % rng.randrange(options.elements)
            sock.sendall(command("GET", name) if sent & 1 else command("SET", name, b"y" * 32))
            waiting[sock].append(due[sent])
            sent += 1
        timeout = max(due[sent] - time.perf_counter(), 0) if sent < count else 1
        for key, _ in selector.select(timeout):
            data = key.fileobj.recv(1 << 16)
            now = time.perf_counter()
            for _ in range(data.count(b"+OK\r\n") + data.count(b"$32\r\n")):
                latencies.append(now - waiting[key.fileobj].popleft())
    return latencies


def measure(server, options, others):
    """(percentiles in ms, rounds of the other processes)."""
    counter = multiprocessing.Value("l", 0)
    processes = [multiprocessing.Process(target=target, args=args(counter), daemon=True) for target, args in others]
    for process in processes:
        process.start()
    try:
        time.sleep(1)
        before = counter.value
        latencies = sorted(open_loop(server.port, options))
        rounds = counter.value - before
    finally:
        for process in processes:
            process.kill()
            process.join()
    at = lambda part: 1000 * latencies[min(int(part * len(latencies)), len(latencies) - 1)]
    return (at(.5), at(.99), at(.999), 1000 * latencies[-1]), rounds


def run(name, binary, options):
    with BenchServer(binary, cores=",".join(map(str, range(os.cpu_count()))), io_threads=options.io_threads) as server:
        load(server, fill(server, options.elements))
        quiet, _ = measure(server, options, [(hog, lambda counter: ())])
        slow, rounds = measure(server, options, [(loop, lambda counter: (server.port, SLOW, counter)),
                                                 (loop, lambda counter: (server.port, DELETES, counter))])
    for what, row, more in (("nice-19 hog", quiet, ""), ("slow commands", slow, f"{rounds / options.seconds:.1f}/s")):
        print(f"| {name} | {what} | {more} | " + " | ".join(f"{ms:.2f}" for ms in row) + " |", flush=True)


def main():
    options = arguments()
    print("\n".join(report.facts()))
    print(f"{options.rate} GET and SET per second, {options.connections} connections, {options.elements:,} elements, "
          f"{options.seconds:.0f} s\n")
    print("| server | beside | slow commands | p50 ms | p99 ms | p99.9 ms | max ms |\n|---|---|--:|--:|--:|--:|--:|")
    for name, binary in (("Tokamak", str(Path(options.server).resolve())), ("redis-server", REDIS)):
        run(name, binary, options)


if __name__ == "__main__":
    sys.exit(main())
