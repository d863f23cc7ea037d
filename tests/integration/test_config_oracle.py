"""The directives, their aliases' absence aside, and their defaults against Debian's redis-server.

conf/tokamak.conf stands for the table: a unit test keeps it up to date. Each "#name value" line is one directive.
"""

import pathlib
import re
import shutil
import subprocess
import time

import pytest
import redis

SAMPLE = pathlib.Path(__file__).parents[2] / "conf" / "tokamak.conf"

# Defaults that differ on purpose, or because redis-server had to be started with an option.
DIFFERENT = {
    "bind": "Redis's own configuration file says 127.0.0.1 -::1, its code says * -::*",
    "maxclients": "20,000 connections are the point of several reactors",
    "io-threads": "0 is one reactor per core",
    "dir": "the oracle's temporary directory",
    "port": "the oracle listens on a unix socket only",
    "unixsocket": "the oracle's socket",
    "save": "the oracle saves nothing",
    "ignore-warnings": "start-up warnings differ by platform",
    "aof-disable-auto-gc": "hidden since 7.2, so not in the sample",
}


@pytest.fixture(scope="module")
def oracle(tmp_path_factory):
    binary = shutil.which("redis-server")
    if not binary:
        pytest.skip("redis-server is not installed")
    folder = tmp_path_factory.mktemp("oracle")
    socket = folder / "s"
    process = subprocess.Popen(
        [binary, "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    client = redis.Redis(unix_socket_path=str(socket), decode_responses=True)
    for _ in range(100):
        try:
            client.ping()
            break
        except redis.ConnectionError:
            time.sleep(0.05)
    yield client.config_get("*")
    process.terminate()
    process.wait()


def sample():
    directives, aliases = {}, {}
    alias = None
    for line in SAMPLE.read_text().splitlines():
        if line.startswith("# Value:"):
            found = re.search(r"; also (\S+)", line)
            alias = found.group(1) if found else None
        elif match := re.match(r"#([a-z]\S*) (.*)", line):
            name, value = match.groups()
            directives[name] = value.strip('"')
            if alias:
                aliases[alias] = name
    return directives, aliases


def test_every_redis_directive_has_a_row(oracle):
    directives, aliases = sample()
    assert len(oracle) > 180
    missing = [name for name in oracle if name not in directives and name not in aliases]
    assert set(missing) <= set(DIFFERENT)


def test_defaults_are_those_of_redis(oracle):
    directives, aliases = sample()
    compared = 0
    for name, expected in oracle.items():
        ours = directives.get(aliases.get(name, name))
        if name in DIFFERENT or ours is None:
            continue
        assert ours == expected, name
        compared += 1
    assert compared > 175
