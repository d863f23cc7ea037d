"""ioredis and node-redis against the server, in RESP2 and RESP3; the tests themselves are in tests/node."""
import os
import shutil
import subprocess

import pytest

from lib.server import ROOT

DIRECTORY = ROOT / "tests" / "node"


@pytest.fixture(scope="session")
def packages():
    """The locked packages; installed once, again when the lock file is newer."""
    lock, stamp = DIRECTORY / "package-lock.json", DIRECTORY / "node_modules" / ".package-lock.json"
    if not stamp.exists() or stamp.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run(["npm", "ci"], cwd=DIRECTORY, check=True, timeout=300)
    return DIRECTORY


def node():
    """Node 20 or newer: from NODE, or the `node` package of npm, or the system's."""
    local = DIRECTORY / "node_modules" / ".bin" / "node"
    return os.environ.get("NODE") or (str(local) if local.exists() else shutil.which("node"))


@pytest.mark.smoke
@pytest.mark.parametrize("name", ["ioredis", "node-redis"])
def test_node_client(server, packages, name):
    result = subprocess.run([node(), "--test", "--test-concurrency=1", f"{name}.test.js"], cwd=packages, timeout=120,
                            env={**os.environ, "TOKAMAK_PORT": str(server.port)}, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    assert "# fail 0" in result.stdout or "fail 0" in result.stdout
