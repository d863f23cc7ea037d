"""LATENCY: events, histograms, and what INFO says of both."""
import re
import time

import pytest

from lib.resp import Error, Map
from lib.wait import wait_until


def watch(conn, ms):
    conn.cmd("CONFIG", "SET", "latency-monitor-threshold", ms)
    conn.cmd("LATENCY", "RESET")


@pytest.mark.smoke
def test_an_event(conn):
    watch(conn, 100)
    started = int(time.time())
    conn.cmd("DEBUG", "SLEEP", "0.15")
    time.sleep(1.1)  # a second keeps its worst only
    conn.cmd("DEBUG", "SLEEP", "0.3")
    (name, when, last, worst), = conn.cmd("LATENCY", "LATEST")
    assert name == b"command" and when > started and 300 <= last == worst
    history = conn.cmd("LATENCY", "HISTORY", "command")
    assert len(history) == 2 and history[1] == [when, last] and 150 <= history[0][1]
    graph = conn.cmd("LATENCY", "GRAPH", "command").decode().splitlines()
    assert re.fullmatch(r"command - high \d+ ms, low \d+ ms \(all time high \d+ ms\)", graph[0])
    assert graph[1] == "-" * 80 and "#" in graph[2]
    assert conn.cmd("LATENCY", "RESET", "nothing", "command") == 1
    assert conn.cmd("LATENCY", "LATEST") == [] and conn.cmd("LATENCY", "RESET") == 0


def test_nothing_below_the_threshold(conn):
    watch(conn, 10_000)
    conn.cmd("DEBUG", "SLEEP", "0.05")
    watch(conn, 0)
    conn.cmd("DEBUG", "SLEEP", "0.05")
    assert conn.cmd("LATENCY", "LATEST") == []
    assert conn.cmd("LATENCY", "HISTORY", "command") == []
    assert conn.cmd("LATENCY", "GRAPH", "command") == Error(
        b"ERR No samples available for event 'command'")
    assert conn.cmd("LATENCY", "HELP", "x") == Error(
        b"ERR wrong number of arguments for 'latency|help' command")


@pytest.mark.tokamak
def test_the_doctor(conn):
    watch(conn, 0)
    assert b"latency-monitor-threshold" in conn.cmd("LATENCY", "DOCTOR")
    watch(conn, 50)
    assert conn.cmd("LATENCY", "DOCTOR").startswith(b"No latency spike of 50 ms")
    conn.cmd("DEBUG", "SLEEP", "0.1")
    text = conn.cmd("LATENCY", "DOCTOR")
    assert text.startswith(b"1. command: 1 latency spikes") and b"SLOWLOG" in text


def histogram(conn, *names):
    """{command: (calls, {microseconds: calls up to there})}"""
    flat = conn.cmd("LATENCY", "HISTOGRAM", *names)
    result = {}
    for name, (_, calls, _, buckets) in zip(flat[::2], flat[1::2]):
        result[name] = (calls, dict(zip(buckets[::2], buckets[1::2])))
    return result


def test_histogram(conn):
    conn.cmd("CONFIG", "RESETSTAT")
    conn.pipeline([["SET", "a", "b"], ["SET", "c", "d"], ["GET", "a"], ["CLIENT", "ID"], ["CLIENT", "GETNAME"]])
    conn.cmd("DEBUG", "SLEEP", "0.1")
    all_of_them = histogram(conn)
    assert {name: calls for name, (calls, _) in all_of_them.items()} == {
        b"config|resetstat": 1, b"set": 2, b"get": 1, b"client|id": 1, b"client|getname": 1, b"debug": 1}
    for calls, buckets in all_of_them.values():
        counts = [buckets[us] for us in sorted(buckets)]
        assert counts == sorted(set(counts)) and counts[-1] == calls
    assert min(all_of_them[b"debug"][1]) >= 100_000
    assert set(histogram(conn, "client")) == {b"client|id", b"client|getname"}
    assert set(histogram(conn, "client|id", "nonsense", "GET", "zadd")) == {b"client|id", b"get"}


def test_histogram_buckets_are_those_of_redis(conn):
    powers = set()
    for power in range(30):
        ns = 1024 << power
        powers.add((ns + ns // 128 - 1) // 1000)
    conn.pipeline([["SET", f"key{i}", "x" * 10 * i] for i in range(200)])
    assert set(histogram(conn, "set")[b"set"][1]) <= powers


def test_histogram_in_resp3(conn):
    conn.cmd("HELLO", "3")
    conn.cmd("SET", "a", "b")
    reply = conn.cmd("LATENCY", "HISTOGRAM", "set")
    assert isinstance(reply, Map)
    text = repr(reply)
    assert "histogram_usec" in text and "calls" in text


def test_calls_inside_exec_and_of_waiters_count(server, conn):
    conn.cmd("CONFIG", "RESETSTAT")
    conn.pipeline([["MULTI"], ["INCR", "n"], ["INCR", "n"], ["EXEC"]])
    with server.connect() as waiter:
        conn.cmd("RPUSH", "l", "x")
        waiter.cmd("BLPOP", "l", 0)
    calls = {name: calls for name, (calls, _) in histogram(conn, "incr", "exec", "blpop").items()}
    assert calls == {b"incr": 2, b"exec": 1, b"blpop": 1}
    info = conn.cmd("INFO", "latencystats")
    assert re.search(rb"latency_percentiles_usec_incr:p50=[\d.]+,p99=[\d.]+,p99.9=[\d.]+\r\n", info)


def test_tracking_can_be_turned_off(conn):
    conn.cmd("CONFIG", "SET", "latency-tracking", "no")
    conn.cmd("CONFIG", "RESETSTAT")
    conn.pipeline([["MULTI"], ["INCR", "n"], ["EXEC"], ["GET", "n"]])
    assert conn.cmd("LATENCY", "HISTOGRAM") == []
    assert b"cmdstat_incr:calls=1" in conn.cmd("INFO", "commandstats")


@pytest.mark.tokamak
def test_many_keys_that_expire_together_are_an_event(conn):
    """A reactor expires for a millisecond, then lets its clients go on."""
    watch(conn, 1)
    when = int(time.time() * 1000) + 3000
    for start in range(0, 100_000, 1000):
        conn.pipeline([["SET", f"key:{i}", "x", "PXAT", when] for i in range(start, start + 1000)])
    assert wait_until(lambda: conn.cmd("DBSIZE") == 0, 60)
    assert b"expire-cycle" in [event[0] for event in conn.cmd("LATENCY", "LATEST")]


def large_set(conn, key):
    for start in range(0, 100_000, 10_000):
        conn.cmd("SADD", key, *[f"member:{i}" for i in range(start, start + 10_000)])


@pytest.mark.tokamak
@pytest.mark.parametrize("event", [b"expire-del", b"eviction-del"])
def test_a_large_key_that_goes_during_a_snapshot_is_an_event(start_server, event):
    """Its value is written under its shard's lock, before it goes: a worker frees it, but does not write it."""
    server = start_server(enable_debug_command="yes", latency_monitor_threshold=1)
    with server.connect() as conn:
        conn.cmd("DEBUG", "POPULATE", 1000)
        conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        large_set(conn, "large")
        conn.cmd("CONFIG", "SET", "rdb-key-save-delay", 10_000)  # the walk does not get to the key
        conn.cmd("LATENCY", "RESET")
        if event == b"expire-del":
            conn.cmd("PEXPIRE", "large", 1)
            conn.cmd("DEBUG", "SLEEP", "0.01")
            conn.cmd("BGSAVE")
            assert conn.cmd("EXISTS", "large") == 0
        else:
            conn.cmd("EXPIRE", "large", 10_000)  # the only one that may be evicted
            conn.cmd("BGSAVE")
            conn.cmd("CONFIG", "SET", "maxmemory-policy", "volatile-ttl", "maxmemory", 1)
            assert wait_until(lambda: conn.cmd("EXISTS", "large") == 0, 30)
        assert event in [name for name, *_ in conn.cmd("LATENCY", "LATEST")]
        conn.cmd("CONFIG", "SET", "rdb-key-save-delay", 0, "maxmemory", 0)


@pytest.mark.tokamak
def test_evicting_for_a_command_is_an_event(start_server):
    server = start_server(enable_debug_command="yes", latency_monitor_threshold=1, maxmemory_eviction_tenacity=100,
                          maxmemory_policy="allkeys-random")
    with server.connect() as conn:
        conn.cmd("DEBUG", "POPULATE", 100_000)
        conn.cmd("LATENCY", "RESET")
        conn.cmd("CONFIG", "SET", "maxmemory", 1)
        conn.cmd("SET", "one", "more")
        assert wait_until(lambda: conn.cmd("DBSIZE") < 1000, 30)
        assert b"eviction-cycle" in [name for name, *_ in conn.cmd("LATENCY", "LATEST")]
