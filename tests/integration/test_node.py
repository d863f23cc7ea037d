"""ioredis, node-redis, BullMQ and @upstash/redis against the server; the tests themselves are in tests/node."""
import os
import subprocess

import pytest

from lib.server import ROOT, free_port

DIRECTORY = ROOT / "tests" / "node"


@pytest.mark.smoke
@pytest.mark.parametrize("name", ["ioredis", "node-redis"])
def test_node_client(server, node, name):
    result = subprocess.run([node, "--test", "--test-concurrency=1", f"{name}.test.js"], cwd=DIRECTORY, timeout=120,
                            env={**os.environ, "TOKAMAK_PORT": str(server.port)}, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    assert "fail 0" in result.stdout


def test_job_queue_of_scripts(start_server, node):
    server = start_server(io_threads=4)
    result = subprocess.run([node, "--test", "bullmq.test.js"], cwd=DIRECTORY, timeout=180,
                            env={**os.environ, "TOKAMAK_PORT": str(server.port)}, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    assert "fail 0" in result.stdout


@pytest.mark.tokamak
@pytest.mark.smoke
def test_upstash_client(start_server, node):
    server = start_server(http_port=free_port(), requirepass="secret")
    result = subprocess.run([node, "--test", "--test-concurrency=1", "upstash.test.js"], cwd=DIRECTORY, timeout=120,
                            env={**os.environ, "TOKAMAK_PORT": str(server.directives["http-port"])},
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    assert "fail 0" in result.stdout
