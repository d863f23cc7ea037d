#!/usr/bin/python3
"""What the append-only file costs: Tokamak and redis-server, each with and without it, in turn.

everysec: SET in pipelines of 16, the CPU time that the file adds to an operation. always: SET, one at a
time, from 50 and from 200 clients, operations per second; what counts are the ratios. The server is
pinned to core 0 and the load to core 1, as in run.py; the file is on the disk of the temporary directory.
"""
import argparse
import os
import statistics
from pathlib import Path

from bench_server import REDIS, BenchServer
from load import benchmark

ROOT = Path(__file__).resolve().parents[1]
GOALS = {("always", 50): (0.6, 1.8), ("always", 200): (0.9, None)}


class LoggingServer(BenchServer):
    def __init__(self, binary, policy, cores="0"):
        self.policy = policy
        super().__init__(binary, cores)

    def arguments(self, io_threads):
        log = ["--appendonly", "yes", "--appendfsync", self.policy] if self.policy else ["--appendonly", "no"]
        no_rewrite = ["--auto-aof-rewrite-percentage", "0"]
        return super().arguments(io_threads) + log + no_rewrite


def measure(binary, policy, clients, pipeline, operations, cores):
    with LoggingServer(binary, policy, cores) as server:
        return benchmark(server, operations, pipeline, ["-t", "set"], clients=clients)


def median(options, binary, policy, clients, pipeline, operations):
    results = [measure(binary, policy, clients, pipeline, operations, options.cores)
               for _ in range(options.repeat)]
    return tuple(statistics.median(column) for column in zip(*results))


def everysec(options):
    added = {}
    for name, binary in options.servers.items():
        plain = median(options, binary, None, 50, 16, options.operations * 10)[0]
        logging = median(options, binary, "everysec", 50, 16, options.operations * 10)[0]
        added[name] = (logging - plain) / 1000
        print(f"| everysec, P=16 | {name} | {plain / 1000:.3f} | {logging / 1000:.3f} | {added[name]:.3f} µs/op |",
              flush=True)
    ours, theirs = added["Tokamak"], added["redis"]
    print(f"\nadded by everysec: {ours:.3f} µs (goal ≤ 0.2), {ours / theirs:.2f} × redis's (goal ≤ 0.7)\n")


def always(options, clients):
    rates = {}
    for name, binary in options.servers.items():
        for policy in (None, "always"):
            rates[name, policy] = median(options, binary, policy, clients, 1, options.operations)[1]
        print(f"| always, {clients} clients | {name} | {rates[name, None]:,.0f} | {rates[name, 'always']:,.0f} | "
              f"{rates[name, 'always'] / rates[name, None]:.2f} |", flush=True)
    own, redis = GOALS["always", clients]
    ours = rates["Tokamak", "always"]
    print(f"\n{clients} clients: {ours / rates['Tokamak', None]:.2f} × own rate (goal ≥ {own}), "
          f"{ours / rates['redis', 'always']:.2f} × redis" + (f" (goal ≥ {redis})" if redis else "") + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--server", default=os.environ.get("TOKAMAK_SERVER", str(ROOT / "build" / "tokamak-server")))
    parser.add_argument("--operations", type=int, default=200_000)
    parser.add_argument("--repeat", type=int, default=3, help="the median of so many runs")
    parser.add_argument("--cores", default="0", help="of the server")
    parser.add_argument("--only", choices=("everysec", "always"))
    options = parser.parse_args()
    options.servers = {"Tokamak": str(Path(options.server).resolve()), "redis": REDIS}
    print("| | server | without | with | |\n|---|---|--:|--:|--:|")
    if options.only != "always":
        everysec(options)
    if options.only != "everysec":
        always(options, 50)
        always(options, 200)


if __name__ == "__main__":
    main()
