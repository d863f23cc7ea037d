"""CLIENT LIST and CLIENT KILL with filters of Redis 7.4 and Valkey 9; maxmemory-clients."""
import time

import pytest

from lib.resp import Error
from lib.wait import wait_until

pytestmark = pytest.mark.tokamak


def listed(conn, *args):
    reply = conn.cmd("CLIENT", "LIST", *args)
    return {int(dict(f.split(b"=", 1) for f in line.split())[b"id"]) for line in reply.splitlines()}


@pytest.fixture
def crowd(server):
    """(connection, id) of: a, b with names, a subscriber, one in database 5."""
    people = {}
    for name in "a", "b", "sub", "five":
        conn = server.connect()
        conn.cmd("CLIENT", "SETNAME", name)
        people[name] = (conn, conn.cmd("CLIENT", "ID"))
    people["a"][0].cmd("CLIENT", "SETINFO", "LIB-NAME", "lib")
    people["a"][0].cmd("CLIENT", "SETINFO", "LIB-VER", "1.0")
    people["b"][0].cmd("CLIENT", "NO-TOUCH", "ON")
    people["sub"][0].cmd("SUBSCRIBE", "channel")
    people["five"][0].cmd("SELECT", "5")
    yield people
    for conn, _ in people.values():
        conn.close()


@pytest.mark.smoke
def test_list_filters(crowd):
    conn, own = crowd["a"]
    ids = {name: number for name, (_, number) in crowd.items()}
    everybody = set(ids.values())
    local = "%s:%d" % crowd["b"][0].sock.getsockname()
    remote = "%s:%d" % crowd["b"][0].sock.getpeername()
    for args, expected in {
            (): everybody,
            ("ID", own, ids["b"], "NAME", "b"): {ids["b"]},
            ("NAME", "a"): {own},
            ("NOT-NAME", "a"): everybody - {own},
            ("NOT-ID", own, ids["b"]): everybody - {own, ids["b"]},
            ("TYPE", "pubsub"): {ids["sub"]},
            ("TYPE", "primary"): set(),
            ("NOT-TYPE", "pubsub"): everybody - {ids["sub"]},
            ("USER", "default"): everybody,
            ("NOT-USER", "default"): set(),
            ("ADDR", local): {ids["b"]},
            ("NOT-ADDR", local): everybody - {ids["b"]},
            ("LADDR", remote): everybody,
            ("IP", "127.0.0.1", "SKIPME", "yes"): everybody - {own},
            ("IP", "10.0.0.1"): set(),
            ("LIB-NAME", "lib", "LIB-VER", "1.0"): {own},
            ("NOT-LIB-NAME", "lib"): everybody - {own},
            ("DB", 5): {ids["five"]},
            ("NOT-DB", 5): everybody - {ids["five"]},
            ("FLAGS", "P"): {ids["sub"]},
            ("FLAGS", "T"): {ids["b"]},
            ("NOT-FLAGS", "N"): {ids["sub"], ids["b"]},
            ("MAXAGE", 1000): set(),
            ("IDLE", 1000): set(),
            ("ID", *sorted(everybody), "TYPE", "normal", "NOT-DB", 5, "SKIPME", "yes"): {ids["b"]},
    }.items():
        assert listed(conn, *args) == expected, args


def test_age_and_idle_time(crowd):
    conn, own = crowd["a"]
    others = {number for _, number in crowd.values()} - {own}
    end = time.monotonic() + 20
    while listed(conn, "IDLE", 1) != others and time.monotonic() < end:
        time.sleep(0.1)
    assert listed(conn, "IDLE", 1, "MAXAGE", 1) == others
    assert own in listed(conn, "MAXAGE", 1)


def test_kill_filters(crowd):
    conn, own = crowd["a"]
    assert conn.cmd("CLIENT", "KILL", "NAME", "nobody") == 0
    assert conn.cmd("CLIENT", "KILL", "DB", 5, "NAME", "b") == 0
    assert conn.cmd("CLIENT", "KILL", "ID", own, crowd["b"][1], crowd["sub"][1]) == 2
    assert wait_until(lambda: listed(conn) == {own, crowd["five"][1]}, 20)
    assert conn.cmd("CLIENT", "KILL", "NOT-ID", own) == 1
    assert wait_until(lambda: listed(conn) == {own}, 20)


@pytest.mark.parametrize("args, error", [
    (["ID"], b"ERR syntax error"),
    (["ID", "x"], b"ERR Invalid client ID"),
    (["ID", 1, "x"], b"ERR Invalid client ID"),
    (["TYPE", "nonsense"], b"ERR Unknown client type 'nonsense'"),
    (["NOT-TYPE", "nonsense"], b"ERR Unknown client type 'nonsense'"),
    (["USER", "nobody"], b"ERR No such user 'nobody'"),
    (["MAXAGE", 0], b"ERR maxage should be greater than 0"),
    (["NOT-MAXAGE", 1], b"ERR syntax error"),
    (["SKIPME", "perhaps"], b"ERR syntax error"),
    (["NONSENSE", 1], b"ERR syntax error"),
    (["DB", 99], b"ERR DB index is out of range"),
])
def test_errors(conn, args, error):
    assert conn.cmd("CLIENT", "LIST", *args) == Error(error)


def test_errors_of_kill(conn):
    assert conn.cmd("CLIENT", "KILL", "ID", 10, "wrong") == Error(b"ERR syntax error")
    for bad in "x", 0, -1:
        assert conn.cmd("CLIENT", "KILL", "ID", bad) == Error(b"ERR client-id should be greater than 0")
        assert conn.cmd("CLIENT", "KILL", "SKIPME", "yes", "ID", 1, bad) == Error(
            b"ERR syntax error" if bad == "x" else b"ERR client-id should be greater than 0")


# ---- maxmemory-clients ----

def evicted(conn):
    return int(conn.cmd("INFO", "stats").split(b"evicted_clients:")[1].split()[0])


def is_gone(conn, number):
    return number not in listed(conn)


def test_the_largest_client_is_evicted(server, conn):
    conn.cmd("CONFIG", "SET", "maxmemory-clients", 6_000_000)
    small, large, safe = (server.connect() for _ in range(3))
    ids = [c.cmd("CLIENT", "ID") for c in (small, large, safe)]
    assert safe.cmd("CLIENT", "NO-EVICT", "ON") == b"OK"
    for c, size in (safe, 1_000_000), (small, 200_000), (large, 600_000):
        c.send(b"*2\r\n$3\r\nGET\r\n$%d\r\n" % 5_000_000 + b"x" * size)
    time.sleep(0.2)
    assert listed(conn) >= set(ids) and evicted(conn) == 0
    try:
        large.send(b"x" * 4_000_000)
    except OSError:
        pass
    assert wait_until(lambda: is_gone(conn, ids[1]), 20)
    assert listed(conn) >= {ids[0], ids[2]} and evicted(conn) == 1
    conn.cmd("CONFIG", "SET", "maxmemory-clients", 0)
    for c in small, large, safe:
        c.close()


def test_queued_commands_and_pending_messages_count(server, conn):
    conn.cmd("CONFIG", "SET", "maxmemory-clients", 6_000_000, "client-output-buffer-limit", "pubsub 0 0 0")
    queue, slow = server.connect(), server.connect()
    ids = [c.cmd("CLIENT", "ID") for c in (queue, slow)]
    queue.cmd("MULTI")
    try:
        for _ in range(10):
            queue.cmd("SET", "key", "x" * 1_000_000)
    except (OSError, EOFError):
        pass
    assert wait_until(lambda: is_gone(conn, ids[0]), 20)
    slow.cmd("SUBSCRIBE", "channel")
    for _ in range(60):
        conn.cmd("PUBLISH", "channel", "x" * 500_000)
    assert wait_until(lambda: is_gone(conn, ids[1]), 20)
    assert evicted(conn) >= 2
    for c in queue, slow:
        c.close()


def test_a_percentage_of_maxmemory(server, conn):
    conn.cmd("CONFIG", "SET", "maxmemory", 40_000_000, "maxmemory-clients", "5%")
    with server.connect() as large:
        number = large.cmd("CLIENT", "ID")
        large.send(b"*2\r\n$3\r\nGET\r\n$5000000\r\n" + b"x" * 500_000)
        time.sleep(0.2)
        assert not is_gone(conn, number)
        try:
            large.send(b"x" * 3_000_000)
        except OSError:
            pass
        assert wait_until(lambda: is_gone(conn, number), 20)
