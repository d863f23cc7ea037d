#!/usr/bin/python3
"""The load generators themselves: client CPU per request of tokamak-bench and redis-benchmark, in pairs.

Both ask the same server the same GETs in turn; the ratio of each pair counts, and of these the median.
"""
import argparse
import os
import resource
import statistics
import subprocess
from pathlib import Path

from bench_server import BenchServer

ROOT = Path(__file__).resolve().parents[1]
REQUESTS = {1: 100_000, 16: 1_000_000, 64: 2_000_000}
GOAL = 1.5


def cpu_us(line, requests):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["taskset", "-c", "1", *map(str, line)], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / requests * 1e6


def pair(server, bench, pipeline, requests):
    common = ["-p", server.port, "-t", "get", "-n", requests, "-P", pipeline, "-r", 1_000_000, "-c", 50, "-q"]
    return cpu_us([bench, *common], requests), cpu_us(["redis-benchmark", *common], requests)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    build = Path(os.path.abspath(options.build))
    print("| GET, P | tokamak-bench µs | redis-benchmark µs | ratio | goal |\n|---|--:|--:|--:|--:|")
    with BenchServer(str(build / "tokamak-server")) as server:
        for pipeline, requests in REQUESTS.items():
            pairs = [pair(server, build / "tokamak-bench", pipeline, requests) for _ in range(options.pairs)]
            ratio = statistics.median(theirs / ours for ours, theirs in pairs)
            ours, theirs = (statistics.median(side) for side in zip(*pairs))
            missed = " **missed**" if ratio < GOAL and pipeline != 16 else ""
            print(f"| {pipeline} | {ours:.3f} | {theirs:.3f} | {ratio:.2f} | {'' if pipeline == 16 else f'≥ {GOAL}'}{missed} |")


if __name__ == "__main__":
    main()
