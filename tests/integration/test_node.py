"""ioredis, node-redis, BullMQ and @upstash/redis against the server; the tests themselves are in tests/node."""
import os
import shutil
import subprocess

import pytest

from lib.server import ROOT, free_port

DIRECTORY = ROOT / "tests" / "node"


def system_node():
    """The installed node, when it is new enough for the clients; Debian 12 has version 18."""
    path = os.environ.get("NODE") or shutil.which("node")
    if not path:
        return None
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    return path if int(version.lstrip("v").split(".")[0]) >= 20 else None


def packaged_node():
    """The node that comes as an optional package of npm."""
    return str(next(DIRECTORY.glob("node_modules/node-linux-*/bin/node")))


@pytest.fixture(scope="session")
def node():
    """Installs the locked packages, once and again when the lock file is newer; gives the node to use."""
    found = system_node()
    lock, stamp = DIRECTORY / "package-lock.json", DIRECTORY / "node_modules" / ".package-lock.json"
    if not stamp.exists() or stamp.stat().st_mtime < lock.stat().st_mtime:
        line = ["npm", "ci"] + (["--omit=optional"] if found else [])
        subprocess.run(line, cwd=DIRECTORY, check=True, timeout=300)
    return found or packaged_node()


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
