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

import features
import hot_keys
import memory
import report
import scripts
import speed
import tls
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
    parser.add_argument("--no-features", action="store_true")
    parser.add_argument("--no-scripts", action="store_true")
    parser.add_argument("--no-hot-keys", action="store_true")
    parser.add_argument("--no-tls", action="store_true")
    parser.add_argument("--server", default=os.environ.get("TOKAMAK_SERVER", str(ROOT / "build" / "tokamak-server")))
    parser.add_argument("--output", default=str(ROOT / "bench" / "RESULTS.md"))
    options = parser.parse_args()
    options.server = str(Path(options.server).resolve())
    tools = Path(options.server).parent / "bench"
    options.floor, options.expiry = str(tools / "bench-floor"), str(tools / "bench-expiry")
    options.pipeline, options.load = str(tools / "micro" / "bench_pipeline"), str(tools.parent / "tokamak-bench")
    return options


def keep_best(best, results):
    """What disturbs a measurement only ever adds CPU time."""
    for key, result in results.items():
        best[key] = min(best.get(key, result), result)


def speed_rows(options, scale):
    """{"ours" | "theirs" | "floor": {(test, pipeline): result}}, yielded whenever a test is done."""
    names, pipelines = options.tests.split(","), [int(p) for p in options.pipelines.split(",")]
    rows = {"ours": {}, "theirs": {}, "floor": {}}
    for name in names:  # in turn, test by test, so that a change of the machine's mood hits all
        for _ in range(options.repeat):
            for side, binary in [("ours", options.server), ("theirs", REDIS)]:
                keep_best(rows[side], speed.measure(partial(BenchServer, binary), [name], pipelines, scale))
            keep_best(rows["floor"], speed.floor(options.floor, name, pipelines, scale))
        finished = {key: row for key, row in rows["ours"].items() if key[0] == name}
        print("\n".join(report.speed_table(finished, rows["theirs"])[2:]), file=sys.stderr, flush=True)
        yield rows


def speed_section(rows):
    lines = ["## CPU per operation", "", *report.speed_table(rows["ours"], rows["theirs"]), ""]
    if rows["floor"]:
        lines += ["The floor is an epoll loop that receives, and answers without looking: the kernel's part.", "",
                  *report.floor_table(rows["floor"], rows["ours"], rows["theirs"]), ""]
    return lines


def reactor_section(options, scale):
    results = speed.reactors(options.server, BenchServer, scale)
    return ["## One and two reactors", "", *report.reactor_table(results), ""]


def memory_section(options, scale):
    names = list(memory.CASES)[::3] if options.quick else list(memory.CASES)
    sizes, rates = [], []
    for binary in (options.server, REDIS):
        start = partial(BenchServer, binary)
        idle_bytes, idle_rates = memory.idle_connections(start, int(speed.OPERATIONS[16] * scale))
        sizes.append({**memory.measure(start, names), "idle connection": idle_bytes})
        rates.append(idle_rates)
    return ["## Memory", "", *report.memory_table(*sizes), "", *report.idle_table(*rates), ""]


def feature_section(options, scale):
    starts = [partial(BenchServer, binary) for binary in (options.server, REDIS)]
    return ["## Expiry", "", *features.expiry_table(*(features.expiry(s, options.expiry, scale) for s in starts)), "",
            "## Bitmaps", "", *features.bitcount_table(*(features.bitcount(s, scale) for s in starts)), "",
            "## Users", "", *features.users_table(*(features.users(s, scale) for s in starts)), ""]


def script_section(options, scale):
    starts = [partial(BenchServer, binary) for binary in (options.server, REDIS)]
    return ["## Scripts", "", *scripts.calls_table(*scripts.three_calls(starts, scale)), "",
            *scripts.declared_table(scripts.declared(options.server, BenchServer, scale)), ""]


def hot_key_section(options, scale):
    names = hot_keys.found(partial(BenchServer, options.server), options.load, scale)
    return ["## Hot keys", "", *hot_keys.table(names, hot_keys.cost(options.pipeline)), ""]


def tls_section(options, scale):
    settings = ["--server", options.server, "--operations", str(int(200_000 * scale)), "--seconds", str(10 * scale)]
    return ["## TLS", "", *tls.tables(tls.arguments(settings)), ""]


def made_by(options):
    """The command line without paths, which mean nothing elsewhere."""
    words = ["bench/run.py"] + ["--quick"] * options.quick + [f"--repeat {options.repeat}"] * (options.repeat > 1)
    for name in ("tests", "pipelines"):
        if getattr(options, name) != DEFAULTS[name]:
            words.append(f"--{name} {getattr(options, name)}")
    return f"Made by `{' '.join(words)}`; redis-benchmark with {CONNECTIONS} connections, 1 M keys."


def sections(options, scale):
    """What there is so far, whenever there is more."""
    done = []
    if not options.no_speed:
        for rows in speed_rows(options, scale):
            yield speed_section(rows)
        done = speed_section(rows)
    for wanted, section in ((not options.no_reactors, reactor_section), (not options.no_features, feature_section),
                            (not options.no_scripts, script_section), (not options.no_hot_keys, hot_key_section),
                            (not options.no_tls, tls_section), (not options.no_memory, memory_section)):
        if wanted:
            done = done + section(options, scale)
            yield done


def main():
    options = arguments()
    if not (options.no_hot_keys or Path(options.pipeline).exists()):
        sys.exit(f"there is no {options.pipeline}: `ninja -C build bench/micro/bench_pipeline`, or --no-hot-keys")
    head = ["# Results of `make bench`", "", made_by(options), "", *report.facts(), ""]
    text = ""
    for lines in sections(options, QUICK_SCALE if options.quick else 1):
        text = "\n".join(head + lines)
        Path(options.output).write_text(text)  # at once: an interrupted run has been long, too
    print(text)


if __name__ == "__main__":
    main()
