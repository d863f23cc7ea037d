"""Resident bytes per key, member, field and idle connection, from the growth of VmRSS."""
import socket
import time

from load import benchmark, command, load

MILLION = 1_000_000
IDLE_CONNECTIONS = 10_000


def _name(i):
    return b"key:%012d" % i


def _strings(size, *options):
    value = b"x" * size
    return lambda: (command("SET", _name(i), value, *options) for i in range(MILLION))


def _members(name, *before, after=()):
    return lambda: (command(name, "big", *(part(i) if callable(part) else part for part in before), _name(i), *after)
                    for i in range(MILLION))


def _small_hashes():
    fields = [part for i in range(10) for part in (b"field%d" % i, b"value%03d" % i)]
    return (command("HSET", _name(i), *fields) for i in range(100_000))


CASES = {
    "key, 3-byte value": _strings(3),
    "key, 32-byte value": _strings(32),
    "key, 100-byte value": _strings(100),
    "key, 32-byte value, TTL": _strings(32, "EX", "100000"),
    "sorted set member": _members("ZADD", lambda i: b"%d" % i),
    "hash field, 16-byte value": _members("HSET", after=[b"v" * 16]),
    "set member": _members("SADD"),
    "list element": _members("RPUSH"),
    "field of hashes of ten": _small_hashes,
}


def measure(start, names=CASES):
    """{case: bytes per element}, each in a fresh server."""
    results = {}
    for name in names:
        with start() as server:
            before = server.rss_bytes()
            load(server, CASES[name]())
            time.sleep(0.5)
            results[name] = (server.rss_bytes() - before) / MILLION
    return results


def _connect_idle(server):
    """Connections that have said PING and are silent since."""
    sockets = []
    for _ in range(IDLE_CONNECTIONS):
        sockets.append(socket.create_connection(("127.0.0.1", server.port)))
        sockets[-1].sendall(b"PING\r\n")
        sockets[-1].recv(16)
    return sockets


def idle_connections(start, operations):
    """(bytes of an idle connection, (operations per second alone, and beside the idle ones))."""
    with start() as server:
        _, alone = benchmark(server, operations, 16, ["-t", "get"])
        before = server.rss_bytes()
        sockets = _connect_idle(server)
        grown = server.rss_bytes() - before
        _, beside = benchmark(server, operations, 16, ["-t", "get"])
        for sock in sockets:
            sock.close()
        return grown / IDLE_CONNECTIONS, (alone, beside)
