"""maxmemory and maxkeys: what goes, what stays, what is refused."""
import random
import time

import pytest

from lib.resp import Error, Simple
from lib.wait import wait_until

OK = Simple(b"OK")
OOM = Error(b"OOM command not allowed when used memory > 'maxmemory'.")
FULL = Error(b"OOM command not allowed when the number of keys would pass 'maxkeys'.")
POLICIES = ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random",
            "volatile-ttl"]
VALUE = "x" * 100
pytestmark = pytest.mark.tokamak


def info(conn, section, field):
    text = conn.cmd("INFO", section).decode()
    return next(line.split(":", 1)[1] for line in text.splitlines() if line.startswith(field + ":"))


def evicted(conn):
    return int(info(conn, "stats", "evicted_keys"))


def fill(conn, names, *options):
    """SETs in pipelines; the replies that are not OK."""
    names = list(names)
    bad = []
    for start in range(0, len(names), 50):
        sent = conn.pipeline([["SET", name, VALUE, *options] for name in names[start:start + 50]])
        bad += [reply for reply in sent if reply != OK]
    return bad


def alive(conn, names):
    return sum(conn.pipeline([["EXISTS", name] for name in names]))


@pytest.mark.parametrize("policy", POLICIES)
def test_limit_holds(start_server, policy):
    """Ten times what fits: all is accepted, the number of keys stays where the memory put it."""
    with start_server(maxmemory="1mb", maxmemory_policy=policy).connect() as conn:
        assert fill(conn, (f"k:{i}" for i in range(10_000)), "EX", "10000") == []
        full = conn.cmd("DBSIZE")
        assert fill(conn, (f"n:{i}" for i in range(50_000)), "EX", "10000") == []
        assert 3000 < full < 9000 and abs(conn.cmd("DBSIZE") - full) < full / 5
        assert evicted(conn) == 60_000 - conn.cmd("DBSIZE")


@pytest.mark.parametrize("policy", ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"])
def test_volatile_policies(start_server, policy):
    """Keys without a TTL all stay; when only they are left, writes are refused and reads are not."""
    with start_server(maxmemory="1mb", maxmemory_policy=policy).connect() as conn:
        lasting = [f"stays:{i}" for i in range(2000)]
        assert fill(conn, lasting) == []
        assert fill(conn, (f"goes:{i}" for i in range(10_000)), "EX", "1000") == []
        assert alive(conn, lasting) == len(lasting) and conn.cmd("DBSIZE") < 9000
        refused = fill(conn, (f"more:{i}" for i in range(10_000)))
        assert refused and set(refused) == {OOM}
        assert alive(conn, lasting) == len(lasting)
        assert conn.cmd("GET", lasting[0]) == VALUE.encode()


def test_noeviction(start_server):
    with start_server(maxmemory="1mb").connect() as conn:
        refused = fill(conn, (f"k:{i}" for i in range(20_000)))
        assert set(refused) == {OOM} and evicted(conn) == 0
        size = conn.cmd("DBSIZE")
        assert size == 20_000 - len(refused)
        for command in (["SET", "k:0", "y"], ["APPEND", "k:0", "y"], ["INCR", "n"], ["MSET", "a", "1"],
                        ["SETEX", "a", "1", "1"], ["GETSET", "a", "1"]):
            assert conn.cmd(*command) == OOM, command
        assert conn.cmd("GET", "k:0") == VALUE.encode() and conn.cmd("GETDEL", "k:1") == VALUE.encode()
        assert conn.cmd("DEL", *[f"k:{i}" for i in range(2, 500)]) == 498
        assert conn.cmd("SET", "fits", "again") == OK


def test_lru_keeps_what_is_used(start_server):
    """A working set that is read all the time survives a flood."""
    with start_server(maxmemory="1mb", maxmemory_policy="allkeys-lru", maxmemory_samples=10).connect() as conn:
        hot = [f"hot:{i}" for i in range(200)]
        fill(conn, hot)
        fill(conn, (f"old:{i}" for i in range(4000)))
        time.sleep(1.1)  # the clock counts seconds
        for round_ in range(10):
            conn.pipeline([["GET", name] for name in hot])
            fill(conn, (f"new:{round_}:{i}" for i in range(500)))
        assert alive(conn, hot) > 190
        assert alive(conn, [f"old:{i}" for i in range(4000)]) < 3000


def test_lfu_keeps_what_is_used_often(start_server):
    with start_server(maxmemory="2mb", maxmemory_policy="allkeys-lfu").connect() as conn:
        hot = [f"hot:{i}" for i in range(200)]
        fill(conn, hot)
        for _ in range(50):
            conn.pipeline([["GET", name] for name in hot])
        assert conn.cmd("OBJECT", "FREQ", "hot:0") > 5
        fill(conn, (f"flood:{i}" for i in range(30_000)))
        assert alive(conn, hot) > 190
        assert conn.cmd("OBJECT", "IDLETIME", "hot:0").startswith(b"ERR An LFU maxmemory policy is selected")


def test_ttl_takes_the_soonest(start_server):
    with start_server(maxmemory="1mb", maxmemory_policy="volatile-ttl").connect() as conn:
        late, soon = [f"late:{i}" for i in range(2000)], [f"soon:{i}" for i in range(2000)]
        fill(conn, late, "EX", "100000")
        fill(conn, soon, "EX", "1000")
        fill(conn, (f"new:{i}" for i in range(4000)), "EX", "200000")
        assert alive(conn, late) > 1950 and alive(conn, soon) < 1500


def test_large_values_go_whole(start_server):
    """Collections are freed elsewhere; what is being freed does not drag others along."""
    with start_server(maxmemory="8mb", maxmemory_policy="allkeys-lru").connect() as conn:
        for i in range(40):
            assert conn.cmd("RPUSH", f"l:{i}", *[f"element {j} of list" for j in range(20_000)]) == 20_000
        kept = conn.cmd("KEYS", "*")  # not always the last: the clock of LRU counts seconds
        assert 5 <= len(kept) < 40
        assert {conn.cmd("LLEN", key) for key in kept} <= {0, 20_000}  # 0: evicted meanwhile
        assert any(conn.cmd("LLEN", key) == 20_000 for key in kept)


def test_all_databases(start_server):
    with start_server(maxmemory="1mb", maxmemory_policy="allkeys-random").connect() as conn:
        conn.cmd("SELECT", "3")
        fill(conn, (f"a:{i}" for i in range(3000)))
        conn.cmd("SELECT", "0")
        assert fill(conn, (f"b:{i}" for i in range(20_000))) == []
        conn.cmd("SELECT", "3")
        assert conn.cmd("DBSIZE") < 1000


def test_limit_lowered_at_run_time(server):
    """CONFIG SET takes effect at once, and without traffic too."""
    with server.connect() as conn:
        fill(conn, (f"k:{i}" for i in range(20_000)))
        conn.cmd("CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory", "1mb")
        assert wait_until(lambda: 1000 < conn.cmd("DBSIZE") < 10_000)
        conn.cmd("CONFIG", "SET", "maxmemory", "0")
        assert fill(conn, (f"n:{i}" for i in range(20_000))) == []
        assert conn.cmd("DBSIZE") > 20_000


def test_several_connections(start_server):
    """Reactors that fill and evict at the same time keep the limit and lose no reply."""
    server = start_server(maxmemory="1mb", maxmemory_policy="allkeys-lru", io_threads=4)
    conns = [server.connect() for _ in range(8)]
    rng = random.Random(1)
    for _ in range(60):
        for number, conn in enumerate(conns):
            conn.send(b"".join(b"*3\r\n$3\r\nSET\r\n$6\r\n%06d\r\n$100\r\n%b\r\n" %
                               (rng.randrange(10**6), VALUE.encode()) for _ in range(50)))
        for conn in conns:
            assert [conn.read() for _ in range(50)] == [OK] * 50
    assert 3000 < conns[0].cmd("DBSIZE") < 10_000
    for conn in conns:
        conn.close()


def test_maxkeys_refuses(start_server):
    with start_server(maxkeys=10).connect() as conn:
        assert [conn.cmd("SET", f"k{i}", i) for i in range(12)] == [OK] * 10 + [FULL] * 2
        assert conn.cmd("SET", "k3", "new value") == OK and conn.cmd("INCR", "k4") == 5
        assert conn.cmd("MSET", "k1", 1, "new", 2) == FULL and conn.cmd("GET", "k1") == b"1"
        assert conn.cmd("DEL", "k0") == 1 and conn.cmd("SETNX", "k0", 1) == 1
        assert conn.cmd("RPUSH", "list", "a") == FULL and conn.cmd("DBSIZE") == 10
        assert conn.pipeline([["DEL", "k0"], ["SET", "a", 1], ["SET", "b", 1], ["GET", "b"]]) == [1, OK, FULL, None]


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random", "allkeys-lfu"])
def test_maxkeys_evicts(start_server, policy):
    with start_server(maxkeys=100, maxmemory_policy=policy).connect() as conn:
        for i in range(1000):
            assert conn.cmd("SET", f"k{i}", i) == OK and conn.cmd("DBSIZE") <= 100
        assert conn.cmd("DBSIZE") == 100 and evicted(conn) == 900
        assert conn.cmd("MSET", *[part for i in range(50) for part in (f"m{i}", i)]) == OK
        assert conn.cmd("DBSIZE") == 100
        assert conn.cmd("MSET", *[part for i in range(101) for part in (f"x{i}", i)]) == FULL


def test_evictions_are_logged(start_server, tmp_path):
    log = tmp_path / "effects"
    server = start_server(maxkeys=10, maxmemory_policy="allkeys-random", debug_effects_file=str(log), io_threads=1)
    with server.connect() as conn:
        for i in range(30):
            conn.cmd("SET", f"k{i}", i)
    server.stop()
    assert log.read_bytes().count(b"\nDEL\r") == 20
