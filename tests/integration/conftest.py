"""A server that speaks HTTP; the node with which the clients and the console in tests/node are tested; the authority of certificates."""
import os
import shutil
import subprocess

import pytest

from lib.server import ROOT, free_port
from lib.tls import Authority

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


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def http_server(start_server):
    """A module that needs another one has a fixture of this name."""
    return start_server(http_port=free_port())


@pytest.fixture
def http(http_server):
    with http_server.connect_http() as connection:
        yield connection
