"""/metrics beside Prometheus' redis_exporter: each name of the exporter's is ours too, or stands here with the reason."""
import itertools
import re
import threading
import time
from pathlib import Path

import pytest

from lib.http import message
from lib.redis_exporter import COUNTERS, GAUGES, OTHERS
from lib.server import free_port
from lib.wait import wait_until

pytestmark = pytest.mark.tokamak

# Metrics that no server of ours gives: the reason, and the names without "redis_".
MISSING = {
    "renamed in Redis 5": "client_longest_output_list client_biggest_input_buf",
    "Azure's": "memory_max_reservation_bytes memory_max_reservation_desired_bytes memory_max_fragmentation_reservation_bytes "
               "memory_max_fragmentation_reservation_desired_bytes",
    "KeyDB's": "server_threads_total long_lock_waits_total current_client_thread cached_keys_total storage_provider_read_hits "
               "storage_provider_read_misses db_keys_cached",
    "younger than Redis 7.2, or of allocators and tables that we have not":
        "allocator_muzzy_bytes mem_overhead_db_hashtable_rehashing_bytes active_time_main_thread_seconds_total "
        "active_time_io_thread_seconds_total",
    "INFO's fields about the event loop, which is not one here":
        "instantaneous_eventloop_cycles_per_sec instantaneous_eventloop_duration_usec eventloop_cycles_total "
        "eventloop_duration_sum_usec_total eventloop_duration_cmd_sum_usec_total",
    "gone in Redis 7": "aof_rewrite_buffer_length",
    "of a replica, of replicas or of a cluster":
        "slave_priority cluster_messages_sent_total cluster_messages_received_total connected_slave_lag_seconds "
        "connected_slave_offset_bytes master_last_io_seconds_ago master_link_up master_sync_in_progress slave_info slave_repl_offset",
    "of the exporter itself":
        "exporter_build_info exporter_last_scrape_connect_time_seconds exporter_last_scrape_duration_seconds "
        "exporter_last_scrape_error exporter_last_scrape_ping_time_seconds exporter_scrape_duration_seconds exporter_scrapes_total "
        "target_scrape_request_errors_total",
    "only when the exporter is told to look at keys, files, scripts, modules or the whole configuration":
        "keys_count last_key_groups_scrape_duration_milliseconds number_of_distinct_key_groups rdb_current_size_bytes script_result "
        "script_values module_info config_key_value config_value",
    "out of CONFIG GET, which whoever may read metrics may not run":
        "config_client_output_buffer_limit_bytes config_client_output_buffer_limit_overcome_seconds",
}
OURS_ALONE = {"redis_instantaneous_ops_per_sec", "redis_instantaneous_input_kbps", "redis_instantaneous_output_kbps"}
SAMPLE = re.compile(r'(\w+)(?:\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)')


def scrape(http):
    """({name: type}, {sample with its labels: value}); the text must be well-formed."""
    response = http.request("GET", "/metrics")
    assert response.status == 200 and response.headers["content-type"].startswith("text/plain; version=0.0.4")
    types, samples, name = {}, {}, None
    for line in response.body.decode().splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert name not in types, f"{name} is not in one piece"
            types[name] = kind
        elif not line.startswith("# HELP "):
            found = SAMPLE.fullmatch(line)
            assert found, line
            ends = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}.get(types[name], ("",))
            assert found[1] in [name + end for end in ends], line
            key = line.rsplit(" ", 1)[0]
            assert key not in samples, line
            samples[key] = float(found[3])
    return types, samples


@pytest.fixture
def http_server(start_server):
    """In which there is something of everything."""
    server = start_server(http_port=free_port(), appendonly="yes", slowlog_log_slower_than=0, latency_monitor_threshold=1,
                          enable_debug_command="yes")
    with server.connect() as conn:
        conn.cmd("SET", "k", "v", "EX", 1000)
        conn.cmd("INCR", "k")
        conn.cmd("DEBUG", "SLEEP", "0.02")
        assert wait_until(lambda: conn.cmd("LATENCY", "LATEST") != [])
    return server


def reasons():
    return {"redis_" + name: reason for reason, names in MISSING.items() for name in names.split()}


def test_the_names_of_the_exporter(http):
    types, _ = scrape(http)
    exporter = {**dict.fromkeys(GAUGES.values(), "gauge"), **dict.fromkeys(COUNTERS.values(), "counter")}
    known = set(exporter) | OTHERS
    assert known - set(types) == set(reasons()), "a name is missing without a reason, or the reason is outdated"
    assert set(types) - known == OURS_ALONE
    wrong = {name: kind for name, kind in types.items() if exporter.get(name, kind) != kind}
    assert not wrong, f"the exporter's are of another type: {wrong}"


def test_each_field_gives_its_number(http):
    """A metric that has a name of the exporter's but another field behind it would deceive."""
    info = dict(line.split(":", 1) for line in http.cmd("INFO", "everything")["result"].split("\r\n") if ":" in line)
    _, samples = scrape(http)
    checked = 0
    for field, name in {**GAUGES, **COUNTERS}.items():
        if name in samples and field in info and re.fullmatch(r"-?[0-9.]+", info[field]) and \
                not re.search("memory|mem_|cpu|net_|commands_|reads|writes|rss|allocator|instant|ratio|aof|error", field):
            assert abs(samples[name] - float(info[field])) <= 2, name
            checked += 1
    assert checked > 60


def test_commands_errors_and_databases(http):
    _, samples = scrape(http)
    assert samples["redis_up"] == 1 and samples['redis_commands_total{cmd="set"}'] == 1
    assert samples['redis_commands_failed_calls_total{cmd="incr"}'] == 1
    assert samples['redis_errors_total{err="ERR"}'] == 1
    assert samples['redis_db_keys{db="db0"}'] == samples['redis_db_keys_expiring{db="db0"}'] == 1
    assert samples['redis_commands_latencies_usec_bucket{cmd="set",le="+Inf"}'] == 1
    assert samples['redis_commands_latencies_usec_sum{cmd="debug"}'] >= 20_000
    assert samples['redis_latency_percentiles_usec{cmd="debug",quantile="99.9"}'] >= 20_000
    assert samples['redis_latency_percentiles_usec_count{cmd="set"}'] == 1
    assert samples['redis_latency_spike_duration_seconds{event_name="command"}'] >= 0.02
    assert samples["redis_slowlog_length"] >= 3 and samples["redis_slowlog_last_id"] >= 2


def test_the_instance(http):
    _, samples = scrape(http)
    instance = [name for name in samples if name.startswith("redis_instance_info{")]
    labels = dict(re.findall(r'(\w+)="([^"]*)"', instance[0]))
    assert len(instance) == 1 and labels["role"] == "master" and labels["redis_mode"] == "standalone"
    assert len(labels["run_id"]) == 40 and int(labels["process_id"]) > 0 and labels["maxmemory_policy"] == "noeviction"
    now = int(http.cmd("TIME")["result"][0])
    assert 0 <= now - samples["redis_start_time_seconds"] < 600


def test_a_user_with_less_rights_sees_less(start_server):
    server = start_server(http_port=free_port())
    with server.connect() as conn, server.connect_http() as http:
        conn.cmd("ACL", "SETUSER", "monitor", "on", ">p", "+info")
        conn.cmd("ACL", "SETUSER", "nobody", "on", ">p", "+get", "~*")
        page = http.request("GET", "/metrics", authorization="Bearer monitor:p")
        assert page.status == 200 and b"redis_connected_clients 2" in page.body and b"redis_slowlog_length" not in page.body
        assert http.request("GET", "/metrics", authorization="Bearer nobody:p").status == 403


def test_each_row_is_of_a_field_that_info_shows(http):
    """A row of another field would be left out of /metrics without a word."""
    info = http.cmd("INFO", "everything")["result"]
    table = Path(__file__).parents[2] / "src" / "server" / "metrics.def"
    rows = set(re.findall(r'^METRIC\("([^"]+)"', table.read_text(), re.M))
    assert rows and not rows - set(re.findall(r"^([\w.]+):", info, re.M))


# ---- in parts ----

SLICES = re.compile(r"^slice_us_(?:le|gt)_(\d+):(\d+)\r$", re.M)


def use_many_commands(conn):
    """Each command in vain: what it costs /metrics is the same."""
    for row in conn.cmd("COMMAND"):
        if row[0] not in (b"quit", b"shutdown", b"monitor", b"reset", b"sync", b"psync", b"replicaof", b"slaveof", b"failover"):
            conn.cmd(row[0])


def parts_of_work(conn):
    """(parts of work that were no command's, runs and parts that took longer than a millisecond) so far"""
    stats = conn.cmd("INFO", "stats").decode()
    field = {name: int(value) for name, value in re.findall(r"^(\w+):(\d+)\r$", stats, re.M)}
    slices = sum(int(count) for _, count in SLICES.findall(stats))
    long = sum(field[f"slice_us_{name}"] for name in ("le_10000", "le_100000", "gt_100000"))
    return slices + field["slow_commands_run"] - field["total_commands_processed"], long


def test_a_scrape_is_made_in_parts(start_server):
    """Between them its reactor serves others. A busy machine may make some of them long, not all."""
    server = start_server(http_port=free_port(), io_threads=1)
    with server.connect() as conn, server.connect_http() as http:
        use_many_commands(conn)
        before, long_before = parts_of_work(conn)
        for _ in range(20):
            assert len(http.request("GET", "/metrics").body) > 50_000
        parts, long = parts_of_work(conn)
        assert parts - before >= 20 * 4 and long - long_before <= (parts - before) // 4


def test_scrapes_among_other_messages(start_server):
    """In the order of the messages, whatever runs between the parts; a connection that ends is told so."""
    server = start_server(http_port=free_port())
    with server.connect() as conn, server.connect_http() as http:
        use_many_commands(conn)
        head = http.request("HEAD", "/metrics")
        assert head.status == 200 and int(head.headers["content-length"]) > 50_000 and not head.body
        http.send((message("GET", "/metrics") + message("POST", "/", b'["INCR","n"]')) * 5 + message("GET", "/metrics", connection="close"))
        for number in range(1, 6):
            assert b"redis_up 1" in http.read().body and http.read().json() == {"result": number}
        last = http.read()
        assert last.headers["connection"] == "close" and last.body.endswith(b"\n") and http.closed()


def test_scrapes_among_commands_that_run_alone(start_server):
    """Who asks again and again while nobody else may run, and who goes in the middle."""
    server = start_server(http_port=free_port(), io_threads=2)
    done, texts = threading.Event(), []

    def scrape_on():
        with server.connect_http() as http:
            while not done.is_set():
                texts.append(http.request("GET", "/metrics").body)

    with server.connect() as conn:
        use_many_commands(conn)
        scrapers = [threading.Thread(target=scrape_on) for _ in range(4)]
        for scraper in scrapers:
            scraper.start()
        end = time.monotonic() + 60
        for turn in itertools.count():
            conn.cmd("CONFIG", "SET", "latency-tracking-info-percentiles", "50 99" if turn % 2 else "99.9")
            conn.cmd("CONFIG", "RESETSTAT")
            with server.connect_http() as http:
                http.send(message("GET", "/metrics"))
            if (turn >= 100 and len(texts) >= 20) or time.monotonic() > end:
                break
        done.set()
        for scraper in scrapers:
            scraper.join()
    assert len(texts) >= 20 and all(text.startswith(b"# HELP redis_up") and text.endswith(b"\n") for text in texts)
