"""Builds the C load programs of tests/tools: always plain, never with the server's sanitizers, since an
instrumented load would be too slow to press an instrumented server."""
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[1] / "tools"
FLAGS = ["-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread"]


@lru_cache(maxsize=None)
def _directory():
    return tempfile.TemporaryDirectory(prefix="tokamak-tools-")


@lru_cache(maxsize=None)
def build_tool(name):
    """Path of the program made from <name>.c and client.c."""
    target = Path(_directory().name, name)
    sources = [SOURCES / f"{name}.c", SOURCES / "client.c"]
    subprocess.run(["cc", *FLAGS, "-o", target, *sources], check=True)
    return str(target)


@lru_cache(maxsize=None)
def build_library(name):
    """Path of the library made from <name>.c, to be preloaded."""
    target = Path(_directory().name, f"{name}.so")
    subprocess.run(["cc", *FLAGS, "-shared", "-fPIC", "-o", target, SOURCES / f"{name}.c"], check=True)
    return str(target)
