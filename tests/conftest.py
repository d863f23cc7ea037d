"""Fixtures shared by the integration, differential and linearizability tests."""
import pytest
import redis

from lib import axes as matrix
from lib.server import REDIS, Server, binary_under_test, is_redis


def pytest_generate_tests(metafunc):
    """Every test that starts a server runs once per setting of its axes."""
    if "axes" in metafunc.fixturenames:
        smoke = metafunc.definition.get_closest_marker("smoke") is not None
        metafunc.parametrize("axes", matrix.settings_for(smoke), ids=matrix.label, indirect=True)


def pytest_collection_modifyitems(items):
    """With redis-server standing in, tests of what only Tokamak has cannot hold."""
    if is_redis(binary_under_test()):
        for item in items:
            if item.get_closest_marker("tokamak"):
                item.add_marker(pytest.mark.skip(reason="redis-server is standing in for Tokamak"))


@pytest.fixture
def axes(request):
    return request.param


@pytest.fixture
def start_server(axes):
    """Factory: start_server(directive=value, ...) with the axes as defaults; _ stands for -."""
    servers = []

    def start(binary=None, prefix=(), **directives):
        named = {name.replace("_", "-"): value for name, value in directives.items()}
        servers.append(Server({**axes, "enable-debug-command": "yes", **named}, binary, prefix))
        return servers[-1]

    yield start
    finish_all(servers)


def finish_all(servers):
    """Stops all of them before the first failure is raised, so that none is left behind."""
    failures = []
    for server in servers:
        try:
            server.finish()
        except AssertionError as failure:
            failures.append(failure)
    if failures:
        pytest.fail("\n".join(map(str, failures)), pytrace=False)


@pytest.fixture
def server(start_server):
    return start_server()


@pytest.fixture(scope="session")
def shared_oracle():
    """One redis-server for the whole session; tests that use it start from FLUSHALL."""
    oracle = Server({"enable-debug-command": "yes"}, REDIS)
    yield oracle
    oracle.finish()


@pytest.fixture
def oracle(shared_oracle):
    """Debian's redis-server, empty, as the reference beside the server under test."""
    with shared_oracle.connect() as conn:
        conn.cmd("FLUSHALL")
    return shared_oracle


@pytest.fixture
def conn(server):
    with server.connect() as connection:
        yield connection


@pytest.fixture
def client(server):
    """redis-py as users have it."""
    with redis.Redis(port=server.port, socket_timeout=60) as connection:
        yield connection
