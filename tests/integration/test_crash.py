"""Crash reports, stacks of a living process, and the forms of the log."""
import json
import os
import re
import resource
import signal
import time

import pytest

from lib.wait import wait_until

pytestmark = pytest.mark.tokamak


@pytest.fixture(autouse=True)
def no_core_files():
    old = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, old[1]))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, old)


def is_sanitized(server):
    with open(server.binary, "rb") as file:
        return b"__tsan_init" in (text := file.read()) or b"__asan_init" in text


def end_of(server, seconds=30):
    """The log of a server that has crashed; what finish() will look at no more."""
    assert wait_until(lambda: not server.alive(), seconds)
    log = server.log()
    server.stopped = True
    server.check = lambda: None
    return log


@pytest.mark.parametrize("how, number", [("SEGFAULT", 11), ("PANIC", 6), ("ASSERT", 6)])
def test_a_report(start_server, how, number):
    server = start_server()
    if is_sanitized(server):
        pytest.skip("the sanitizer has handlers of its own")
    with server.connect() as conn:
        conn.cmd("SET", "foo", "bar")
        conn.cmd("DEBUG", "LOG", "a line before the end")
        with pytest.raises((OSError, EOFError)):
            conn.cmd("DEBUG", how)
    log = end_of(server)
    assert server.process.returncode == -number
    report = log[log.index("=== TOKAMAK BUG REPORT START"):]
    assert f"crashed by signal: {number}" in report and report.count("------ STACK TRACE ------") == 1
    threads = re.findall(r"^thread \d+", report, re.M)
    assert len(threads) >= 4 and len(set(threads)) == len(threads)
    assert f'command debug\nargv[0]: "DEBUG"\nargv[1]: "{how}"' in report
    assert re.search(r"RSP:[0-9a-f]{16}|SP:[0-9a-f]{16}", report) and "db0_keys:1\n" in report
    assert "a line before the end" in report.partition("LAST LOG LINES")[2]
    assert report.rstrip().endswith("=== TOKAMAK BUG REPORT END. ===")
    assert ("ASSERTION FAILED" in log) == (how == "ASSERT")


def test_no_report_when_it_is_off(start_server):
    server = start_server(crash_log_enabled="no")
    os.kill(server.pid, signal.SIGSEGV)
    assert "BUG REPORT" not in end_of(server)
    server = start_server()
    with server.connect() as conn:
        conn.cmd("CONFIG", "SET", "crash-log-enabled", "no")
    os.kill(server.pid, signal.SIGABRT)
    assert "BUG REPORT" not in end_of(server)


def test_a_signal_from_outside_is_reported(start_server):
    server = start_server()
    if is_sanitized(server):
        pytest.skip("the sanitizer has handlers of its own")
    os.kill(server.pid, signal.SIGABRT)
    log = end_of(server)
    assert f"Killed by pid: {os.getpid()}" in log and "(this thread runs no command)" in log


def test_stacks_of_a_living_process(server, conn):
    os.kill(server.pid, signal.SIGALRM)
    assert wait_until(lambda: "STACK TRACE DONE" in server.log(), 20)
    assert "Received SIGALRM" in server.log()
    assert conn.cmd("PING") == b"PONG"


def stalls(server):
    return re.findall(r"^--- WATCHDOG TIMER EXPIRED ---$", server.log(), re.M)


def test_the_watchdog(start_server, oracle):
    """A stack for each stall, once, of the reactor that is stuck; it goes on afterwards."""
    server = start_server(io_threads=2)
    with server.connect() as conn, oracle.connect() as theirs:
        assert conn.cmd("CONFIG", "GET", "watchdog-*") == []
        conn.cmd("DEBUG", "SLEEP", "0.3")
        for period in (100, 0, 800):
            for side in (conn, theirs):
                assert side.cmd("CONFIG", "SET", "watchdog-period", period) == b"OK"
            shown = [side.cmd("CONFIG", "GET", "watchdog-period") for side in (conn, theirs)]
            assert shown[0] == shown[1]
        theirs.cmd("CONFIG", "SET", "watchdog-period", 0)
        assert not stalls(server)
        conn.cmd("DEBUG", "SLEEP", "2")
        assert wait_until(lambda: len(stalls(server)) >= 1, 20)
        report = server.log().partition("WATCHDOG TIMER EXPIRED ---\n")[2]
        ms = int(re.match(r"reactor \d has not come back for (\d+) ms\nthread \d+, reactor \d, last command debug:\n",
                          report)[1])
        assert ms >= 800 and "tokamak-server(" in report.partition("\n--------\n")[0]
        conn.cmd("PING")
        assert len(stalls(server)) == 1  # told of when it began, not again
        conn.cmd("DEBUG", "SLEEP", "2")
        assert wait_until(lambda: len(stalls(server)) >= 2, 20)
        conn.cmd("CONFIG", "SET", "watchdog-period", 0)
        before = len(stalls(server))
        conn.cmd("DEBUG", "SLEEP", "0.9")
        assert len(stalls(server)) == before and conn.cmd("PING") == b"PONG"


# ---- the log ----

def lines_with(server, text):
    return [line for line in server.log().splitlines() if text in line]


def test_json(start_server):
    server = start_server(log_format="json", log_timestamp_format="milliseconds")
    with server.connect() as conn:
        conn.cmd("DEBUG", "LOG", b"quote\" back\\ tab\t \xff\x01 end")
    line, = lines_with(server, "DEBUG LOG")
    entry = json.loads(line)
    assert entry["level"] == "warning" and entry["pid"] == server.pid and entry["role"] == "primary"
    assert entry["message"] == "DEBUG LOG: quote\" back\\ tab\t \xff\x01 end"
    assert abs(int(entry["timestamp"]) / 1000 - time.time()) < 600
    for line in server.log().splitlines():
        json.loads(line)


def test_logfmt(server, conn):
    assert conn.cmd("CONFIG", "SET", "log-format", "logfmt", "log-timestamp-format", "iso8601") == b"OK"
    conn.cmd("DEBUG", "LOG", 'a "quoted" word\nline')
    line, = lines_with(server, "DEBUG LOG")
    assert re.fullmatch(r'pid=\d+ role=primary timestamp="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d" '
                        r'level=warning message="DEBUG LOG: a \\"quoted\\" word\\nline"', line)


def test_text_and_its_other_name(server, conn):
    assert conn.cmd("CONFIG", "GET", "log-format") == [b"log-format", b"text"]
    conn.cmd("CONFIG", "SET", "log-format", "json")
    assert conn.cmd("CONFIG", "SET", "log-format", "legacy") == b"OK"
    conn.cmd("DEBUG", "LOG", "hello")
    line, = lines_with(server, "hello")
    assert re.fullmatch(r"\d+:M \d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d{3} # DEBUG LOG: hello", line)
