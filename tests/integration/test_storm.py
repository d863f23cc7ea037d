"""A storm of mixed commands on 64 connections with kills, flushes, swaps and reconfiguration.

STORM_COMMANDS sets the number: 2,000,000 for the long run, fewer for sanitizer builds.
"""
import os
import re
import subprocess

from lib.tools import build_tool

COMMANDS = int(os.environ.get("STORM_COMMANDS", "300000"))
CONNECTIONS = 64
TIMEOUT_S = 1200


def test_storm(start_server):
    server = start_server(io_threads=4, databases=3)
    line = [build_tool("storm"), str(server.port), str(COMMANDS), str(CONNECTIONS), "1"]
    result = subprocess.run(line, capture_output=True, text=True, timeout=TIMEOUT_S)
    server.check()
    assert result.returncode == 0, result.stderr + server.log()[-3000:]
    counts = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", result.stdout)}
    assert counts["commands"] >= COMMANDS and counts["admin"] > 20 and counts["lost"] > 0
    with server.connect() as conn:
        assert conn.cmd("FLUSHALL") == b"OK" and conn.cmd("DBSIZE") == 0
        assert conn.cmd("CLIENT", "LIST").count(b"\n") == 1
