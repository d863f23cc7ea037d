"""Scripts: the CPU of three calls beside redis-server, and scripts with declared keys on two reactors."""
import hashlib
import statistics

from load import benchmark, command, load
from speed import LOADERS, OPERATIONS, TESTS

ROUNDS = 5
CALLS_GOAL, DECLARED_GOAL = 0.6, 1.6
LOOPS = 4500  # about 50 µs
DECLARED = (f"#!lua flags=declared-keys\nlocal sum = 0 for i = 1, {LOOPS} do sum = sum + i % 7 end "
            "redis.call('INCR', KEYS[1]) return sum").encode()
DECLARED_OPERATIONS, DECLARED_CLIENTS = 100_000, 8


def three_calls(starts, scale):
    """CPU ns per EVALSHA at P=16 of each server: medians of rounds in turn, so that the machine's mood hits both."""
    loader, arguments, share = TESTS["EVALSHA"]
    operations = max(int(OPERATIONS[16] * share * scale), 20_000)
    with starts[0]() as ours, starts[1]() as theirs:
        for server in (ours, theirs):
            load(server, LOADERS[loader]())
        rows = [[benchmark(server, operations, 16, arguments)[0] for server in (ours, theirs)] for _ in range(ROUNDS)]
    return [statistics.median(side) for side in zip(*rows)]


def declared(binary, start, scale):
    """{reactors: (CPU ns per script, scripts per second)}; the client takes a few percent of its core."""
    arguments = ["EVALSHA", hashlib.sha1(DECLARED).hexdigest(), "1", "counter:__rand_int__"]
    operations, results = max(int(DECLARED_OPERATIONS * scale), 10_000), {}
    for _ in range(ROUNDS):
        for threads in (1, 2):
            with start(binary, cores="0,1", io_threads=threads) as server:
                load(server, [command("SCRIPT", "LOAD", DECLARED)])
                result = benchmark(server, operations, 16, arguments, clients=DECLARED_CLIENTS)
                results[threads] = max(results.get(threads, result), result, key=lambda row: row[1])
    return results


def calls_table(ours, theirs):
    mark = "" if ours / theirs <= CALLS_GOAL else " **missed**"
    return ["| EVALSHA of three calls, P=16 | Tokamak | redis | Tokamak / redis | goal |", "|---|--:|--:|--:|--:|",
            f"| CPU µs | {ours / 1000:.2f} | {theirs / 1000:.2f} | {ours / theirs:.2f} | ≤ {CALLS_GOAL}{mark} |"]


def declared_table(results):
    (cpu, one), (_, two) = results[1], results[2]
    mark = "" if two / one >= DECLARED_GOAL else " **missed**"
    return [f"| scripts of {cpu / 1000:.0f} µs with declared keys | one reactor | two reactors | ratio | goal |",
            "|---|--:|--:|--:|--:|", f"| per second | {one:,.0f} | {two:,.0f} | {two / one:.2f} | ≥ {DECLARED_GOAL}{mark} |"]
