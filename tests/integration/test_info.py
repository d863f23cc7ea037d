"""INFO: sections, fields and whether the numbers are true."""
import re

import pytest

from lib.resp import Error, Verbatim
from lib.wait import wait_until

DEFAULT = ["Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU", "Modules",
           "Errorstats", "Cluster", "Keyspace"]
EXTRA = ["Commandstats", "Latencystats"]
# Redis 7.0 fields that say something about Redis's own build or threads, or appeared only there.
NOT_OURS = set()


def info(conn, *sections):
    """(titles, fields)"""
    text = conn.cmd("INFO", *sections).decode()
    assert text == "" or text.endswith("\r\n")
    lines = text.split("\r\n")
    return [line[2:] for line in lines if line.startswith("# ")], \
        dict(line.split(":", 1) for line in lines if line and not line.startswith("#"))


def field(conn, name, section):
    return info(conn, section)[1][name]


def number(conn, name, section="stats"):
    return int(field(conn, name, section))


def test_sections(conn):
    everything = DEFAULT[:8] + ["Commandstats", "Errorstats", "Latencystats", "Cluster", "Keyspace"]
    assert info(conn)[0] == DEFAULT
    assert info(conn, "default")[0] == DEFAULT
    assert info(conn, "everything")[0] == everything
    assert info(conn, "all")[0] == [title for title in everything if title != "Modules"]
    assert info(conn, "cpu", "SERVER", "cpu", "nosuch")[0] == ["Server", "CPU"]
    assert conn.cmd("INFO", "nosuch") == b""
    conn.cmd("HELLO", "3")
    assert isinstance(conn.cmd("INFO", "cpu"), Verbatim)


@pytest.mark.parametrize("section", ["server", "clients", "memory", "persistence", "stats",
                                     "replication", "cpu", "cluster"])
def test_every_field_of_redis_is_there(conn, oracle, section):
    with oracle.connect() as theirs:
        assert set(info(theirs, section)[1]) - set(info(conn, section)[1]) == NOT_OURS


def test_server_section(server, conn):
    fields = info(conn, "server")[1]
    assert tuple(map(int, fields["redis_version"].split("."))) >= (7, 2, 0)
    assert re.fullmatch(r"\d+\.\d+\.\d+", fields["tokamak_version"])
    assert int(fields["tcp_port"]) == server.port and int(fields["process_id"]) == server.pid
    assert fields["engine_status"] in ("waiting", "busy") and fields["redis_mode"] == "standalone"
    assert re.fullmatch("[0-9a-f]{40}", fields["run_id"])
    assert fields["executable"] == server.binary


def test_client_and_connection_counts(server, conn):
    before = number(conn, "total_connections_received")
    others = [server.connect() for _ in range(5)]
    assert wait_until(lambda: number(conn, "connected_clients", "clients") == 6)
    assert number(conn, "total_connections_received") == before + 5
    for other in others:
        other.close()
    assert wait_until(lambda: number(conn, "connected_clients", "clients") == 1)


@pytest.mark.smoke
def test_command_counts_over_all_reactors(server, conn):
    conn.cmd("CONFIG", "RESETSTAT")
    others = [server.connect() for _ in range(4)]
    for other in others:
        for i in range(25):
            assert other.cmd("SET", "k", i) == b"OK"
        other.cmd("GET")
        other.cmd("INCR", "k", "x")
        other.cmd("GET", "k")
        other.cmd("GET", "none")
        other.cmd("NOSUCH")
    stats = info(conn, "commandstats")[1]
    assert re.fullmatch(r"calls=100,usec=\d+,usec_per_call=\d+\.\d\d,rejected_calls=0,failed_calls=0",
                        stats["cmdstat_set"])
    assert stats["cmdstat_get"].startswith("calls=8,")
    assert stats["cmdstat_get"].endswith("rejected_calls=4,failed_calls=0")
    assert info(conn, "errorstats")[1] == {"errorstat_ERR": "count=12"}
    fields = info(conn, "stats")[1]
    assert fields["total_error_replies"] == "12"
    assert fields["keyspace_hits"] == "4" and fields["keyspace_misses"] == "4"
    assert 100 <= int(fields["total_commands_processed"]) <= 120
    for other in others:
        other.close()


def test_errors_by_code_and_failed_calls(conn):
    conn.cmd("RPUSH", "l", "x")
    conn.cmd("CONFIG", "RESETSTAT")
    for _ in range(3):
        assert isinstance(conn.cmd("GET", "l"), Error)
    conn.cmd("AUTH", "x")
    conn.cmd("HELLO", "9")
    assert info(conn, "errorstats")[1] == {
        "errorstat_WRONGTYPE": "count=3", "errorstat_ERR": "count=1", "errorstat_NOPROTO": "count=1"}
    stats = info(conn, "commandstats")[1]
    assert "calls=3," in stats["cmdstat_get"] and stats["cmdstat_get"].endswith("failed_calls=3")
    assert stats["cmdstat_auth"].endswith("rejected_calls=0,failed_calls=1")


def test_resetstat(conn):
    conn.pipeline([["SET", "k", "v"], ["GET", "k"], ["NOSUCH"]])
    assert conn.cmd("CONFIG", "RESETSTAT") == b"OK"
    titles, stats = info(conn, "commandstats", "errorstats")
    assert titles == ["Commandstats", "Errorstats"] and set(stats) <= {"cmdstat_config|resetstat"}
    fields = info(conn, "stats")[1]
    for name in ("keyspace_hits", "keyspace_misses", "total_error_replies", "expired_keys",
                 "total_connections_received", "rejected_connections"):
        assert fields[name] == "0"
    assert int(fields["total_net_input_bytes"]) < 200


def test_network_bytes(conn):
    before = info(conn, "stats")[1]
    conn.cmd("SET", "k", "x" * 10_000)
    conn.cmd("GET", "k")
    after = info(conn, "stats")[1]
    for name in ("total_net_input_bytes", "total_net_output_bytes"):
        assert 10_000 <= int(after[name]) - int(before[name]) < 20_000


def test_operations_per_second(conn):
    assert wait_until(lambda: conn.pipeline([["PING"]] * 100) and number(conn, "instantaneous_ops_per_sec") > 500)
    assert wait_until(lambda: number(conn, "instantaneous_ops_per_sec") < 100), "it falls again"


def test_keyspace(conn):
    assert info(conn, "keyspace")[1] == {}
    conn.pipeline([["SET", "a", "1"], ["SET", "b", "1", "EX", "100"], ["SELECT", "3"],
                   ["SET", "c", "1"]])
    assert info(conn, "keyspace")[1] == {"db0": "keys=2,expires=1,avg_ttl=0,subexpiry=0",
                                         "db3": "keys=1,expires=0,avg_ttl=0,subexpiry=0"}


def test_memory(conn):
    before = number(conn, "used_memory", "memory")
    conn.cmd("SET", "big", "x" * 4_000_000)
    fields = info(conn, "memory")[1]
    used = int(fields["used_memory"])
    assert used - before >= 4_000_000 and int(fields["used_memory_peak"]) >= used
    assert int(fields["used_memory_dataset"]) >= 4_000_000
    assert re.fullmatch(r"\d+\.\d\dM", fields["used_memory_human"])
    assert int(fields["used_memory_rss"]) > 1_000_000 and fields["maxmemory_policy"] == "noeviction"
    conn.cmd("DEL", "big")
    assert wait_until(lambda: number(conn, "used_memory", "memory") < before + 1_000_000)
    assert number(conn, "used_memory_peak", "memory") >= used


def test_rejected_connections(start_server):
    server = start_server(maxclients=2)
    with server.connect() as first:
        assert wait_until(lambda: number(first, "connected_clients", "clients") == 1)
        refuse_a_third(server, first)


def refuse_a_third(server, first):
    with server.connect() as second:
        assert second.cmd("PING") == b"PONG"
        before = number(first, "rejected_connections")
        third = server.connect()
        assert third.drain() == (b"-ERR max number of clients reached\r\n", True)
        assert number(first, "rejected_connections") == before + 1
        assert number(first, "connected_clients", "clients") == 2


def percentiles(conn, command):
    return dict(part.split("=") for part in field(conn, "latency_percentiles_usec_" + command, "latencystats").split(","))


@pytest.mark.tokamak
def test_latencystats(conn):
    for i in range(50):
        conn.cmd("SET", "k", i)
    conn.cmd("DEBUG", "SLEEP", 0.05)
    ours = percentiles(conn, "set")
    assert list(ours) == ["p50", "p99", "p99.9"]
    assert 0 < float(ours["p50"]) <= float(ours["p99"]) <= float(ours["p99.9"])
    assert 50_000 <= float(percentiles(conn, "debug")["p50"]) < 5_000_000
    assert conn.cmd("CONFIG", "SET", "latency-tracking-info-percentiles", "0 100 99.99") == b"OK"
    assert list(percentiles(conn, "set")) == ["p0", "p100", "p99.99"]
    assert conn.cmd("CONFIG", "SET", "latency-tracking", "no") == b"OK"
    assert info(conn, "latencystats") == (["Latencystats"], {})
    conn.cmd("GET", "k")
    assert conn.cmd("CONFIG", "SET", "latency-tracking", "yes") == b"OK"
    assert "latency_percentiles_usec_set" in info(conn, "latencystats")[1]
    assert "latency_percentiles_usec_get" not in info(conn, "latencystats")[1]
    assert conn.cmd("CONFIG", "RESETSTAT") == b"OK"
    assert "latency_percentiles_usec_set" not in info(conn, "latencystats")[1]
