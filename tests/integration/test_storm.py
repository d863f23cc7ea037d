"""A storm of mixed commands on 64 connections with kills, flushes, swaps and reconfiguration.

STORM_COMMANDS sets the number: 2,000,000 for the long run, fewer for sanitizer builds.
"""
import os
import re
import subprocess

import pytest

from lib.tools import build_tool
from lib.wait import wait_until

COMMANDS = int(os.environ.get("STORM_COMMANDS", "300000"))
CONNECTIONS = 64
TIMEOUT_S = 1200


def lasting(conn):
    """Keys that time leaves alone while the server starts (members of h, t and z expire, too)."""
    found = {}
    for db in range(3):
        conn.cmd("SELECT", db)
        for key in conn.cmd("KEYS", "[^htz]*"):
            if conn.cmd("PTTL", key) == -1:
                found[db, key] = conn.cmd("DEBUG", "DIGEST-VALUE", key)[0]
    return found


def restart_gives_the_same(server):
    with server.connect() as conn:
        before = lasting(conn)
    server.process.kill()
    server.process.wait()
    server.start()
    with server.connect() as conn:
        assert wait_until(lambda: b"\r\nloading:0" in conn.cmd("INFO", "persistence"), 60)
        assert lasting(conn) == before


@pytest.mark.parametrize("appendfsync", (None, "everysec", "always"))
def test_storm(start_server, appendfsync):
    """Without the log, and, a third of it each, with the log."""
    log = {"appendonly": "yes", "appendfsync": appendfsync} if appendfsync else {}
    server = start_server(io_threads=4, databases=3, **log)
    commands = COMMANDS // 3 if appendfsync else COMMANDS
    line = [build_tool("storm"), str(server.port), str(commands), str(CONNECTIONS), "1"]
    result = subprocess.run(line, capture_output=True, text=True, timeout=TIMEOUT_S)
    server.check()
    assert result.returncode == 0, result.stderr + server.log()[-3000:]
    counts = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", result.stdout)}
    assert counts["commands"] >= commands and counts["admin"] > (0 if log else 20) and counts["lost"] >= (0 if log else 1)
    if log:
        restart_gives_the_same(server)
    with server.connect() as conn:
        assert conn.cmd("FLUSHALL") == b"OK" and conn.cmd("DBSIZE") == 0
        assert wait_until(lambda: conn.cmd("CLIENT", "LIST").count(b"\n") == 1), "the connections of the storm"
