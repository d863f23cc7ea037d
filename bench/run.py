#!/usr/bin/python3
"""Tokamak and redis-server in turn: CPU per operation, throughput and memory, with the ratios.

The server is pinned to core 0 and the load to core 1. What counts is the ratio of the server's CPU time
per operation: absolute figures from a shared machine mean nothing.
"""
import argparse
import os
import sys
from functools import partial
from pathlib import Path

import memory
import report
import speed
from bench_server import REDIS, BenchServer
from load import CONNECTIONS

ROOT = Path(__file__).resolve().parents[1]
QUICK_SCALE = 0.2
DEFAULTS = {"tests": ",".join(speed.TESTS), "pipelines": "1,16,64"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a fifth of the operations, fewer memory cases")
    parser.add_argument("--tests", default=DEFAULTS["tests"], help="comma separated commands")
    parser.add_argument("--pipelines", default=DEFAULTS["pipelines"])
    parser.add_argument("--repeat", type=int, default=1, help="the best of so many runs, on a noisy machine")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--no-speed", action="store_true")
    parser.add_argument("--no-reactors", action="store_true")
    parser.add_argument("--server", default=os.environ.get("TOKAMAK_SERVER", str(ROOT / "build" / "tokamak-server")))
    parser.add_argument("--output", default=str(ROOT / "bench" / "RESULTS.md"))
    options = parser.parse_args()
    options.server = str(Path(options.server).resolve())
    return options


def keep_best(best, results):
    """What disturbs a measurement only ever adds CPU time."""
    for key, result in results.items():
        best[key] = min(best.get(key, result), result)


def speed_section(options, scale):
    names, pipelines = options.tests.split(","), [int(p) for p in options.pipelines.split(",")]
    rows = {"ours": {}, "theirs": {}}
    for name in names:  # in turn, test by test, so that a change of the machine's mood hits both
        for side, binary in [("ours", options.server), ("theirs", REDIS)] * options.repeat:
            keep_best(rows[side], speed.measure(partial(BenchServer, binary), [name], pipelines, scale))
        finished = {key: row for key, row in rows["ours"].items() if key[0] == name}
        print("\n".join(report.speed_table(finished, rows["theirs"])[2:]), file=sys.stderr, flush=True)
    return ["## CPU per operation", "", *report.speed_table(rows["ours"], rows["theirs"]), ""]


def memory_section(options, scale):
    names = list(memory.CASES)[::3] if options.quick else list(memory.CASES)
    sizes, rates = [], []
    for binary in (options.server, REDIS):
        start = partial(BenchServer, binary)
        idle_bytes, idle_rates = memory.idle_connections(start, int(speed.OPERATIONS[16] * scale))
        sizes.append({**memory.measure(start, names), "idle connection": idle_bytes})
        rates.append(idle_rates)
    return ["## Memory", "", *report.memory_table(*sizes), "", *report.idle_table(*rates), ""]


def made_by(options):
    """The command line without paths, which mean nothing elsewhere."""
    words = ["bench/run.py"] + ["--quick"] * options.quick + [f"--repeat {options.repeat}"] * (options.repeat > 1)
    for name in ("tests", "pipelines"):
        if getattr(options, name) != DEFAULTS[name]:
            words.append(f"--{name} {getattr(options, name)}")
    return f"Made by `{' '.join(words)}`; redis-benchmark with {CONNECTIONS} connections, 1 M keys."


def main():
    options = arguments()
    scale = QUICK_SCALE if options.quick else 1
    lines = ["# Results of `make bench`", "", made_by(options), "", *report.facts(), ""]
    if not options.no_speed:
        lines += speed_section(options, scale)
    if not options.no_reactors:
        results = speed.reactors(options.server, BenchServer, scale)
        lines += ["## One and two reactors", "", *report.reactor_table(results), ""]
    if not options.no_memory:
        lines += memory_section(options, scale)
    Path(options.output).write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
