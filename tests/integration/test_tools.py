"""tokamak-bench and tokamak-check as a user calls them."""
import subprocess
from pathlib import Path

import pytest

from lib.server import binary_under_test, free_port

pytestmark = pytest.mark.tokamak


def run(name, *args):
    program = Path(binary_under_test()).with_name(name)
    return subprocess.run([program, *map(str, args)], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("protocol", ["resp", "frame"])
@pytest.mark.parametrize("command", ["ping", "set", "get", "incr"])
def test_bench_counts_what_it_sends(start_server, protocol, command):
    server = start_server(frame_port=free_port())
    port = server.port if protocol == "resp" else server.directives["frame-port"]
    result = run("tokamak-bench", "-p", port, "--protocol", protocol, "-t", command, "-c", 7, "-P", 13, "-n", 10_000,
                 "-r", 100, "-d", 500)
    assert result.returncode == 0 and "10000 requests" in result.stdout, result
    assert ("nil replies 10000" in result.stdout) == (command == "get")
    with server.connect() as conn:
        keys = conn.cmd("KEYS", "*")
        if command == "incr":
            assert sum(int(conn.cmd("GET", key)) for key in keys) == 10_000
        assert len(keys) == {"ping": 0, "get": 0, "set": 100, "incr": 100}[command]
        assert command != "set" or conn.cmd("STRLEN", keys[0]) == 500


def test_bench_line_for_scripts(server):
    result = run("tokamak-bench", "-p", server.port, "-t", "ping", "-n", 1000, "--csv")
    fields = result.stdout.strip().split(",")
    assert fields[:4] == ["ping", "resp", "50", "1"] and len(fields) == 10
    latencies = list(map(float, fields[5:]))
    assert float(fields[4]) > 0 and latencies == sorted(latencies)


def test_bench_reports_failures(start_server):
    server = start_server(requirepass="secret")
    result = run("tokamak-bench", "-p", server.port, "-n", 10)
    assert result.returncode == 1 and "10 error replies, the first one: NOAUTH" in result.stderr
    assert run("tokamak-bench", "-p", free_port(), "-n", 10).returncode == 1
    for args in (["--nosuch"], ["-c", "0"], ["-c"], ["-t", "flushall"], ["-p", "65536"]):
        result = run("tokamak-bench", *args)
        assert result.returncode == 2 and "Usage" in result.stderr, args
    assert "-c, --clients N" in run("tokamak-bench", "-c", "0").stderr  # the option's line, not the whole page
    assert run("tokamak-bench", "--help").returncode == 0
    assert run("tokamak-bench", "--version").stdout.startswith("tokamak-bench ")


def test_check_config(tmp_path):
    good, bad, including = tmp_path / "good.conf", tmp_path / "bad.conf", tmp_path / "including.conf"
    good.write_text("port 7000\n# a comment\nmaxmemory 1gb\n")
    bad.write_text("port 7000\n\nmaxmemroy 1gb\n")
    including.write_text(f"port 7001\ninclude {bad}\n")
    result = run("tokamak-check", "config", good)
    assert (result.returncode, result.stdout) == (0, f"{good}: OK\n")
    for path in (bad, including):
        result = run("tokamak-check", "config", path)
        assert result.returncode == 1 and result.stdout == ""
        assert f"line 3 of {bad}" in result.stderr and "'maxmemory'" in result.stderr


def test_check_usage(tmp_path):
    assert run("tokamak-check", "config", tmp_path / "none").returncode == 2
    assert run("tokamak-check").stderr.startswith("Usage")
    for args in (["config"], ["config", "a", "b"], ["rdb", "--fix", "a"], ["rdb", "--nosuch"], ["aof"], ["convert", "a", "b"],
                 ["--version", "a"]):
        result = run("tokamak-check", *args)
        assert result.returncode == 2, args
        assert result.stderr.startswith(f"tokamak-check: wrong arguments of {args[0]}\nUsage: "), result.stderr
    assert run("tokamak-check", "nosuch", "a").stderr.startswith("tokamak-check: unknown command nosuch\nUsage: ")
    assert run("tokamak-check", "--help").stdout.startswith("Usage")
