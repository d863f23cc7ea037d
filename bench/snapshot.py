#!/usr/bin/python3
"""Saving, loading, and what a snapshot costs those who write meanwhile: Tokamak and redis-server in turn.

Speed: both hold the same keys; SAVE, BGSAVE and the start from the file are timed round by round, one
server after the other, so that a change of the machine's mood hits both. Neither is pinned; Tokamak has
two reactors and two workers. Then the start from a log: its base with an RDB preamble, and commands.

Under load: an open loop of SETs (tokamak-bench --rate) at half of what a closed loop reaches, with
snapshots end to end; beside it stands the same load next to an unrelated nice-19 CPU hog. Latencies
run from when a request was due. What redis's child copies is its own figure, rdb_last_cow_size.
"""
import argparse
import json
import multiprocessing
import os
import random
import shutil
import statistics
import string
import subprocess
import sys
import threading
import time
from pathlib import Path

import report
from bench_server import REDIS, BenchServer
from load import load

ROOT = Path(__file__).resolve().parents[1]
TEXT_BYTES = 1 << 20
SAVE_GOAL, LOAD_GOAL, LATENCY_GOAL, PAUSE_GOAL_MS, MEMORY_GOAL = 1.0, 2.0, 1.5, 5, 0.15


class SavingServer(BenchServer):
    """With files; the directory may outlive it, for the next start. Not pinned."""

    def __init__(self, binary, options, directory=None, more=()):
        self.more = more
        self.is_redis = binary == REDIS
        self.keep = directory
        super().__init__(binary, ",".join(map(str, range(os.cpu_count()))), options.io_threads)

    def arguments(self, io_threads):
        words = ["--port", str(self.port), "--save", "", "--protected-mode", "no", *self.more]
        if self.keep:
            words += ["--dir", self.keep]
        return words if self.is_redis else [*words, "--io-threads", str(io_threads), "--worker-threads", "2"]

    def _wait(self):
        """Until it answers with data: a server that loads says so instead."""
        while self.process.poll() is None:
            try:
                if self.send(b"PING\r\n").startswith(b"+PONG"):
                    return
            except OSError:
                pass
            time.sleep(0.005)
        raise RuntimeError("the server has ended")

    def info(self, section):
        text = self.send(f"INFO {section}\r\n".encode()).decode()
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    def cpu_s(self):
        """With threads and children that have ended."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def ask(self, request):
        answer = self.send(request + b"\r\n")
        if answer.startswith(b"-"):
            raise RuntimeError(f"{request}: {answer}")
        return answer

    def await_end_of(self, field):
        while self.info("persistence")[field] != "0":
            time.sleep(0.005)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--keys", type=int, default=5_000_000)
    parser.add_argument("--bytes", type=int, default=100, help="of each value")
    parser.add_argument("--compressible", action="store_true", help="values that LZF makes shorter")
    parser.add_argument("--rounds", type=int, default=3, help="the medians count")
    parser.add_argument("--seconds", type=int, default=15, help="of each run under load")
    parser.add_argument("--io-threads", type=int, default=2)
    parser.add_argument("--directory", help="where the files are, e.g. on a memory file system")
    parser.add_argument("--only", choices=("speed", "log", "load"))
    parser.add_argument("--server", default=os.environ.get("TOKAMAK_SERVER", str(ROOT / "build" / "tokamak-server")))
    options = parser.parse_args()
    options.server = str(Path(options.server).resolve())
    options.bench = str(Path(options.server).parent / "tokamak-bench")
    if options.directory:
        os.environ["TMPDIR"] = options.directory
    return options


def commands(options):
    """Values of letters: drawn at random, or always the same one."""
    letters = "x" if options.compressible else string.ascii_letters + string.digits
    text = "".join(random.Random(1).choices(letters, k=TEXT_BYTES)).encode()
    size, places = options.bytes, TEXT_BYTES - options.bytes
    head = b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$" + b"%d" % size + b"\r\n"
    for i in range(options.keys):
        at = i * 7919 % places
        yield head % i + text[at:at + size] + b"\r\n"


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def save(server):
    server.ask(b"SAVE")


def save_beside(server):
    server.ask(b"BGSAVE")
    server.await_end_of("rdb_bgsave_in_progress")


def start_time(binary, options, directory, more=()):
    """(seconds, CPU seconds) from the exec to the first answer with data."""
    begun = time.perf_counter()
    with SavingServer(binary, options, directory, more) as server:
        took, cpu = time.perf_counter() - begun, server.cpu_s()
        keys = int(server.ask(b"DBSIZE").strip(b":\r\n"))
        if keys != options.keys:
            raise RuntimeError(f"{keys} keys are there after the start, not {options.keys}")
    return took, cpu


def row(what, results, goal=None):
    ours, theirs = (statistics.median(times for times, _ in results[name]) for name in ("Tokamak", "redis"))
    our_cpu, their_cpu = (statistics.median(cpu for _, cpu in results[name]) for name in ("Tokamak", "redis"))
    pairs = [b[0] / a[0] for a, b in zip(results["Tokamak"], results["redis"])]
    ratio = statistics.median(pairs)
    mark = "" if goal is None else f"≥ {goal:g}" + ("" if ratio >= goal else " **missed**")
    print(f"| {what} | {ours:.2f} | {theirs:.2f} | {our_cpu:.2f} | {their_cpu:.2f} | {ratio:.2f} "
          f"({min(pairs):.2f}–{max(pairs):.2f}) | {mark} |", flush=True)


def in_turn(options, measure):
    """{name: [(seconds, CPU seconds)]}, round by round."""
    results = {"Tokamak": [], "redis": []}
    for _ in range(options.rounds):
        for name in results:
            results[name].append(measure(name))
    return results


def timed_save(server, work):
    before = server.cpu_s()
    seconds = timed(lambda: work(server))
    return seconds, server.cpu_s() - before


def speed(options, servers, directories):
    running = {name: SavingServer(binary, options, directories[name]) for name, binary in servers.items()}
    try:
        for server in running.values():
            load(server, commands(options))
        row("SAVE", in_turn(options, lambda name: timed_save(running[name], save)), SAVE_GOAL)
        row("BGSAVE", in_turn(options, lambda name: timed_save(running[name], save_beside)), SAVE_GOAL)
    finally:
        for server in running.values():
            server.__exit__()
    row("load", in_turn(options, lambda name: start_time(servers[name], options, directories[name])), LOAD_GOAL)


def log_of(options, binary, directory, preamble):
    """Makes a log of the dump beside it: a base with or without preamble."""
    more = ["--appendonly", "no", "--aof-use-rdb-preamble", "yes" if preamble else "no"]
    with SavingServer(binary, options, directory, more) as server:
        server.ask(b"CONFIG SET appendonly yes")
        server.await_end_of("aof_rewrite_scheduled")
        server.await_end_of("aof_rewrite_in_progress")
        if server.info("persistence")["aof_last_bgrewrite_status"] != "ok":
            raise RuntimeError("the rewrite has failed")


def logs(options, servers, directories):
    more = ["--appendonly", "yes"]
    for what, preamble, goal in (("load of a log with RDB base", True, LOAD_GOAL),
                                 ("load of a log of commands", False, None)):
        for name, binary in servers.items():
            shutil.rmtree(Path(directories[name]) / "appendonlydir", ignore_errors=True)
            log_of(options, binary, directories[name], preamble)
        row(what, in_turn(options, lambda name: start_time(servers[name], options, directories[name], more)), goal)


def write_load(server, options, *more):
    line = [options.bench, "-p", str(server.port), "-t", "set", "-d", str(options.bytes), "-r", str(options.keys),
            "-c", "50", "-q", "--format", "json", "--duration", str(options.seconds), *more]
    return json.loads(subprocess.run(line, capture_output=True, text=True, check=True).stdout)["result"]


def hog():
    os.nice(19)
    while True:
        pass


def beside_hog(server, options, rate):
    process = multiprocessing.Process(target=hog, daemon=True)
    process.start()
    try:
        return write_load(server, options, "--rate", str(rate)), 0
    finally:
        process.kill()
        process.join()


class Snapshots(threading.Thread):
    """One after the other until stopped; the highest resident size, and redis's largest copies."""

    def __init__(self, server):
        super().__init__()
        self.server, self.stopping, self.count, self.peak, self.copied = server, False, 0, 0, 0

    def run(self):
        while not self.stopping:
            self.server.ask(b"BGSAVE")
            while True:
                self.peak = max(self.peak, self.server.rss_bytes())
                figures = self.server.info("persistence")
                if figures["rdb_bgsave_in_progress"] == "0":
                    break
                time.sleep(0.02)
            self.copied = max(self.copied, int(figures.get("rdb_last_cow_size", 0)))
            self.count += 1


def beside_snapshots(server, options, rate):
    before = server.rss_bytes()
    snapshots = Snapshots(server)
    snapshots.start()
    try:
        result = write_load(server, options, "--rate", str(rate))
    finally:
        snapshots.stopping = True
        snapshots.join()
    return result, (snapshots.peak + snapshots.copied - before) / before, snapshots.count


def under_load(name, binary, directory, options):
    with SavingServer(binary, options, directory) as server:
        capacity = write_load(server, options)["requests_per_second"]
        rate = int(capacity / 2)
        rows = [("nice-19 hog", *beside_hog(server, options, rate), ""),
                ("snapshots", *beside_snapshots(server, options, rate))]
    tails = []
    for what, result, growth, count in rows:
        latency = result["latency_us"]
        tails.append(latency["p99.9"])
        print(f"| {name} | {what} | {count} | {result['requests_per_second']:,.0f} | "
              + " | ".join(f"{latency[at] / 1000:.2f}" for at in ("p50", "p99", "p99.9", "max"))
              + f" | {100 * growth:.1f} % |", flush=True)
    return tails[1] / tails[0], rows[1][1]["latency_us"]["max"] / 1000, rows[1][2]


def loads(options, servers, directories):
    print("\n| server | beside | snapshots | SET/s | p50 ms | p99 ms | p99.9 ms | max ms | memory |"
          "\n|---|---|--:|--:|--:|--:|--:|--:|--:|")
    for name, binary in servers.items():
        ratio, longest, growth = under_load(name, binary, directories[name], options)
        if name == "Tokamak":
            ours = ratio, longest, growth
    print(f"\np99.9 beside snapshots: {ours[0]:.2f} × beside a hog (goal ≤ {LATENCY_GOAL}), longest {ours[1]:.1f} ms "
          f"(goal ≤ {PAUSE_GOAL_MS}), memory + {100 * ours[2]:.0f} % (goal ≤ {100 * MEMORY_GOAL:.0f} %)")


def make_dumps(options, servers, directories):
    """What the other parts start from, when the first is left out."""
    for name, binary in servers.items():
        if not (Path(directories[name]) / "dump.rdb").exists():
            with SavingServer(binary, options, directories[name]) as server:
                load(server, commands(options))
                save(server)


def main():
    options = arguments()
    servers = {"Tokamak": options.server, "redis": REDIS}
    print("\n".join(report.facts()))
    print(f"{options.keys:,} keys, values of {options.bytes} bytes{' that compress' if options.compressible else ''}; "
          f"{options.rounds} rounds\n")
    print("| | Tokamak s | redis s | Tokamak CPU s | redis CPU s | redis / Tokamak | goal |\n|---|--:|--:|--:|--:|--:|--:|")
    base = Path(options.directory or "/tmp") / f"bench-snapshot-{os.getpid()}"
    directories = {name: str(base / name) for name in servers}
    for path in directories.values():
        Path(path).mkdir(parents=True)
    try:
        if options.only in (None, "speed"):
            speed(options, servers, directories)
        make_dumps(options, servers, directories)
        if options.only in (None, "log"):
            logs(options, servers, directories)
            for path in directories.values():
                shutil.rmtree(Path(path) / "appendonlydir")
        if options.only in (None, "load"):
            loads(options, servers, directories)
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    sys.exit(main())
