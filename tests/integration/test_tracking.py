"""CLIENT TRACKING across reactors: who is told of which change, in every mode and protocol, and behind which reply."""
import random
import threading
import time

import pytest
import redis

from lib.frame import FrameConnection
from lib.resp import Error, Push, encode
from lib.server import free_port
from lib.wait import wait_until


@pytest.fixture
def many(start_server):
    return start_server(io_threads=4)


@pytest.fixture
def writer(many):
    with many.connect() as conn:
        yield conn


@pytest.fixture
def client(many):
    """Makes RESP3 connections."""
    opened = []

    def make(*options, protocol=3):
        opened.append(many.connect())
        opened[-1].cmd("HELLO", protocol)
        if options:
            assert opened[-1].cmd("CLIENT", "TRACKING", "ON", *options[1:]) == b"OK"
        return opened[-1]

    yield make
    for conn in opened:
        conn.close()


TRACKED = "tracked"  # client(TRACKED, option, …)


def invalid(*keys):
    return Push([b"invalidate", [key.encode() for key in keys]])


def info(conn, name):
    return int(dict(line.split(":", 1) for line in conn.cmd("INFO").decode().split("\r\n") if ":" in line)[name])


def list_field(conn, of, name):
    line = of.cmd("CLIENT", "INFO").decode() if of is conn else \
        conn.cmd("CLIENT", "LIST", "ID", of.cmd("CLIENT", "ID")).decode()
    return dict(part.split("=", 1) for part in line.split())[name]


@pytest.mark.smoke
def test_readers_on_all_reactors_hear_once(client, writer):
    readers = [client(TRACKED) for _ in range(10)]
    for round_ in range(20):
        writer.cmd("SET", "k", round_)
        for conn in readers:
            assert conn.cmd("MGET", "k", "other") == [b"%d" % round_, None]
        writer.cmd("APPEND", "k", "!")
        writer.cmd("APPEND", "k", "!")
        for conn in readers:
            assert conn.read() == invalid("k")
            assert conn.cmd("PING") == b"PONG"  # and nothing before it


def test_own_changes_come_behind_the_reply(client):
    conn = client(TRACKED)
    conn.cmd("SET", "k", 1)
    assert conn.pipeline([["GET", "k"], ["INCR", "k"], ["GET", "k"]]) == [b"1", 2, invalid("k")]
    assert conn.read() == b"2"
    assert conn.pipeline([["MULTI"], ["GET", "k"], ["INCR", "k"], ["EXEC"]]) == [b"OK", b"QUEUED", b"QUEUED", [b"2", 3]]
    assert conn.read() == invalid("k")


def test_noloop(client, writer):
    conn = client(TRACKED, "NOLOOP")
    conn.cmd("MGET", "a", "b")
    conn.cmd("SET", "a", 1)
    writer.cmd("MSET", "a", 2, "b", 2)
    assert conn.read() == invalid("b")
    conn.cmd("CLIENT", "TRACKING", "OFF")
    assert conn.cmd("CLIENT", "TRACKING", "ON", "BCAST", "NOLOOP") == b"OK"
    conn.cmd("SET", "mine", 1)
    writer.cmd("SET", "other", 1)
    assert conn.read() == invalid("other")


def test_optin_and_optout(client, writer):
    opting = client(TRACKED, "OPTIN")
    opting.cmd("GET", "no")
    assert opting.cmd("CLIENT", "CACHING", "YES") == b"OK"
    opting.cmd("GET", "yes")
    opting.cmd("GET", "again")
    opting.cmd("CLIENT", "CACHING", "YES")
    for command in (["MULTI"], ["GET", "m1"], ["GET", "m2"], ["EXEC"], ["GET", "m3"]):
        opting.cmd(*command)
    writer.cmd("MSET", "no", 1, "yes", 1, "again", 1, "m3", 1)
    assert opting.read() == invalid("yes")
    writer.cmd("MSET", "m1", 1, "m2", 1)
    assert [opting.read(), opting.read()] == [invalid("m1"), invalid("m2")]
    out = client(TRACKED, "OPTOUT")
    out.cmd("CLIENT", "CACHING", "NO")
    out.cmd("GET", "no")
    out.cmd("GET", "yes")
    writer.cmd("MSET", "no", 2, "yes", 2)
    assert out.read() == invalid("yes")


def test_caching_no_ends_with_a_command_that_waits(client, writer):
    conn = client(TRACKED, "OPTOUT")
    conn.cmd("CLIENT", "CACHING", "NO")
    conn.cmd("BLPOP", "none", "0.01")
    conn.cmd("GET", "k")
    writer.cmd("SET", "k", 1)
    assert conn.read() == invalid("k")


def test_caching_no_ends_with_a_slow_command(client, writer):
    writer.cmd("SADD", "set", *range(100))
    writer.cmd("CONFIG", "SET", "slow-command-threshold", 10)  # or SADD would be slow, too
    conn = client(TRACKED, "OPTOUT")
    conn.cmd("CLIENT", "CACHING", "NO")
    before = info(writer, "slow_commands_run")
    assert len(conn.cmd("SUNION", "set", "set")) == 100
    assert info(writer, "slow_commands_run") == before + 1
    conn.cmd("GET", "k")
    writer.cmd("SET", "k", 1)
    assert conn.read() == invalid("k")


MODES = pytest.mark.parametrize("bcast", [False, True], ids=["reads", "prefixes"])


@MODES
def test_noloop_hears_of_a_move_that_it_set_off(client, writer, bcast):
    """It pushed to one list, but another client's waiting command changed the other one."""
    conn, mover = client(TRACKED, "NOLOOP", *["BCAST"] * bcast), client()
    conn.cmd("LRANGE", "target", 0, -1)
    mover.send(encode(["BLMOVE", "source", "target", "LEFT", "LEFT", 0]))
    assert wait_until(lambda: info(writer, "blocked_clients") == 1)
    conn.cmd("RPUSH", "source", "x")
    assert conn.read() == (invalid("source", "target") if bcast else invalid("target"))


@MODES
@pytest.mark.parametrize("members", [["gone", "stays"], ["gone"]], ids=len)
def test_noloop_hears_of_members_that_expire(client, writer, bcast, members):
    """Its own command only found out."""
    conn = client(TRACKED, "NOLOOP", *["BCAST"] * bcast)
    writer.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    writer.cmd("HSET", "h", *(word for member in members for word in (member, "v")))
    writer.cmd("HPEXPIRE", "h", 1000, "FIELDS", 1, "gone")
    if bcast:
        assert [conn.read(), conn.read()] == [invalid("h")] * 2
    conn.cmd("HGETALL", "h")
    time.sleep(1.1)
    assert conn.cmd("EXISTS", "h") == len(members) - 1
    assert conn.read() == invalid("h")


def test_broadcast_by_prefix(client, writer):
    all_, users, two = client(TRACKED, "BCAST"), client(TRACKED, "BCAST", "PREFIX", "user:"), \
        client(TRACKED, "BCAST", "PREFIX", "b", "PREFIX", "a")
    assert two.cmd("CLIENT", "TRACKINGINFO")[5] == [b"a", b"b"]
    writer.cmd("MSET", "user:2", 1, "b1", 1, "user:1", 1, "a1", 1, "c", 1, "user:1", 2, "us", 1)
    assert all_.read() == invalid("a1", "b1", "c", "us", "user:1", "user:2")
    assert users.read() == invalid("user:1", "user:2")
    assert [two.read(), two.read()] == [invalid("a1"), invalid("b1")]
    assert info(writer, "tracking_total_prefixes") == 4 and info(writer, "tracking_clients") == 3
    users.cmd("CLIENT", "TRACKING", "OFF")
    writer.cmd("SET", "user:3", 1)
    assert all_.read() == invalid("user:3") and users.cmd("PING") == b"PONG"
    assert info(writer, "tracking_total_prefixes") == 3


def test_nested_prefixes_of_different_clients(client, writer):
    conns = {prefix: client(TRACKED, "BCAST", "PREFIX", prefix) for prefix in ("a", "ab", "abc", "abd", "b", "aa", "abcd")}
    writer.cmd("SET", "abce", 1)
    for prefix, conn in conns.items():
        if "abce".startswith(prefix):
            assert conn.read() == invalid("abce")
        assert conn.cmd("PING") == b"PONG"


def test_redirect_to_resp2(client, writer):
    inbox, conn = client(protocol=2), client()
    to = inbox.cmd("CLIENT", "ID")
    inbox.cmd("SUBSCRIBE", "__redis__:invalidate")
    assert conn.cmd("CLIENT", "TRACKING", "ON", "REDIRECT", to) == b"OK"
    assert conn.cmd("CLIENT", "GETREDIR") == to
    for i in range(10):
        conn.cmd("GET", "k")
        writer.cmd("SET", "k", i)
        assert inbox.read() == [b"message", b"__redis__:invalidate", [b"k"]]
    conn.cmd("CLIENT", "TRACKING", "OFF")
    conn.cmd("CLIENT", "TRACKING", "ON", "BCAST", "REDIRECT", to)
    writer.cmd("MSET", "b", 1, "a", 1)
    assert inbox.read() == [b"message", b"__redis__:invalidate", [b"a", b"b"]]
    writer.cmd("FLUSHALL")
    assert inbox.read() == [b"message", b"__redis__:invalidate", None]


def test_redirect_to_resp3_and_to_somebody_deaf(client, writer):
    inbox, deaf, conn, other = client(), client(protocol=2), client(), client()
    conn.cmd("CLIENT", "TRACKING", "ON", "REDIRECT", inbox.cmd("CLIENT", "ID"))
    other.cmd("CLIENT", "TRACKING", "ON", "REDIRECT", deaf.cmd("CLIENT", "ID"))
    for one in (conn, other):
        one.cmd("GET", "k")
    writer.cmd("SET", "k", 1)
    assert inbox.read() == invalid("k") and deaf.cmd("PING") == b"PONG"


def test_broken_redirection(client, writer):
    conns = [client() for _ in range(8)]
    for conn in conns:
        inbox = client()
        to = inbox.cmd("CLIENT", "ID")
        conn.cmd("CLIENT", "TRACKING", "ON", "REDIRECT", to)
        conn.cmd("GET", "k")
        inbox.cmd("QUIT")
        writer.cmd("CLIENT", "KILL", "ID", to)
        assert wait_until(lambda: b"id=" not in writer.cmd("CLIENT", "LIST", "ID", to))
        writer.cmd("SET", "k", 1)
        assert conn.read() == Push([b"tracking-redir-broken", to])
        assert b"broken_redirect" in conn.cmd("CLIENT", "TRACKINGINFO")[1]
        assert list_field(conn, conn, "flags") == "tR" and list_field(conn, conn, "redir") == str(to)


def test_flush_forgets_everything(client, writer):
    conns = [client(TRACKED), client(TRACKED, "BCAST"), client(TRACKED, "NOLOOP")]
    conns[0].cmd("MGET", *[f"k{i}" for i in range(100)])
    assert info(writer, "tracking_total_keys") == 100 == info(writer, "tracking_total_items")
    for command in ("FLUSHALL", "FLUSHDB"):
        writer.cmd(command)
        assert [conn.read() for conn in conns] == [Push([b"invalidate", None])] * 3
    assert info(writer, "tracking_total_keys") == 0 == info(writer, "tracking_total_items")
    assert conns[2].pipeline([["FLUSHALL"], ["PING"]]) == [b"OK", Push([b"invalidate", None])]


def test_expiry_and_eviction(client, writer):
    conn, broadcast = client(TRACKED, "NOLOOP"), client(TRACKED, "BCAST")
    conn.cmd("SET", "k", 1, "PX", 50)
    assert broadcast.read() == invalid("k")
    conn.cmd("GET", "k")
    assert conn.read() == invalid("k") and broadcast.read() == invalid("k")
    writer.cmd("SET", "e", 1)
    assert broadcast.read() == invalid("e")
    conn.cmd("GET", "e")
    writer.cmd("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    writer.cmd("CONFIG", "SET", "maxmemory", 1)
    assert conn.read() == invalid("e") and broadcast.read() == invalid("e")
    writer.cmd("CONFIG", "SET", "maxmemory", 0)


def test_the_table_is_bounded(client, writer):
    conn = client(TRACKED)
    writer.cmd("CONFIG", "SET", "tracking-table-max-keys", 10)
    keys = [f"k{i}" for i in range(500)]
    conn.send(b"".join(b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(k), k.encode()) for k in keys))
    told, replies = set(), 0
    while replies < 500 or len(told) < 490:
        line = conn.read()
        if isinstance(line, Push):
            assert line[1][0] not in told
            told.add(line[1][0])
        else:
            replies += 1
    assert wait_until(lambda: info(writer, "tracking_total_keys") == 10)
    writer.cmd("CONFIG", "SET", "tracking-table-max-keys", 1000000)


def test_refusals_are_redis_s(oracle, many):
    lines = [["CLIENT", "TRACKING", "ON", "PREFIX", "a"], ["CLIENT", "TRACKING", "ON", "REDIRECT", "999999"],
             ["CLIENT", "TRACKING", "ON", "REDIRECT", "-1"], ["CLIENT", "TRACKING", "ON", "REDIRECT", "0"],
             ["CLIENT", "TRACKING", "ON", "REDIRECT", "x"], ["CLIENT", "TRACKING", "ON", "REDIRECT"],
             ["CLIENT", "TRACKING", "MAYBE"], ["CLIENT", "TRACKING", "ON", "FAST"], ["CLIENT", "TRACKING"],
             ["CLIENT", "TRACKING", "ON", "BCAST", "OPTIN"], ["CLIENT", "TRACKING", "ON", "OPTIN", "OPTOUT"],
             ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a", "PREFIX", "ab"],
             ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "ab", "PREFIX", "a"],
             ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a", "PREFIX", "a"],
             ["CLIENT", "CACHING", "YES"], ["CLIENT", "CACHING", "maybe"], ["CLIENT", "CACHING"],
             ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "foo"], ["CLIENT", "TRACKINGINFO"],
             ["CLIENT", "TRACKING", "ON"], ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "fo"],
             ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "food"], ["CLIENT", "TRACKING", "ON", "BCAST"],
             ["CLIENT", "TRACKINGINFO"], ["CLIENT", "CACHING", "YES"], ["CLIENT", "TRACKING", "OFF"],
             ["CLIENT", "TRACKING", "ON", "OPTIN"], ["CLIENT", "TRACKING", "ON", "OPTOUT"], ["CLIENT", "CACHING", "NO"],
             ["CLIENT", "CACHING", "YES"], ["CLIENT", "TRACKINGINFO"], ["PING"], ["CLIENT", "TRACKINGINFO"],
             ["CLIENT", "TRACKING", "ON", "BCAST"], ["CLIENT", "GETREDIR"], ["CLIENT", "TRACKING", "ON", "NOLOOP"],
             ["CLIENT", "TRACKINGINFO"], ["CLIENT", "TRACKING", "OFF"], ["CLIENT", "TRACKINGINFO"],
             ["CLIENT", "GETREDIR"], ["CLIENT", "TRACKING", "ON", "OPTOUT"], ["RESET"], ["CLIENT", "TRACKINGINFO"]]
    with oracle.connect() as theirs, many.connect() as ours:
        for line in lines:
            assert (line, ours.cmd(*line)) == (line, theirs.cmd(*line))


def test_bad_input_stays_bounded(client, writer):
    """A thousand prefixes in one command, long ones too; and one overlap among many."""
    conn = client()
    prefixes = [f"p{i:05}-{'x' * (i % 50)}" for i in range(5000)]
    options = [word for prefix in prefixes for word in ("PREFIX", prefix)]
    assert conn.cmd("CLIENT", "TRACKING", "ON", "BCAST", *options) == b"OK"
    assert info(writer, "tracking_total_prefixes") == 5000
    writer.cmd("SET", "p04999-" + "x" * 60, 1)
    assert conn.read() == invalid("p04999-" + "x" * 60)
    reply = client().cmd("CLIENT", "TRACKING", "ON", "BCAST", *options, "PREFIX", "p00007")
    assert isinstance(reply, Error) and b"overlaps with another provided prefix 'p00007'" in reply
    conn.cmd("RESET")
    assert info(writer, "tracking_total_prefixes") == 0


def test_what_others_see(client, writer):
    conn = client(TRACKED)
    assert list_field(writer, conn, "flags") == "t" and list_field(writer, conn, "redir") == "0"
    conn.cmd("CLIENT", "TRACKING", "OFF")
    conn.cmd("CLIENT", "TRACKING", "ON", "BCAST")
    assert list_field(writer, conn, "flags") == "tB"
    conn.cmd("CLIENT", "TRACKING", "OFF")
    assert list_field(writer, conn, "flags") == "N" and list_field(writer, conn, "redir") == "-1"
    assert info(writer, "tracking_clients") == 0


@pytest.mark.tokamak
def test_frame_connections_as_targets(start_server):
    server = start_server(frame_port=free_port(), io_threads=2)
    with server.connect() as conn, FrameConnection(server.directives["frame-port"]) as frame:
        to = frame.cmd("CLIENT", "ID")
        frame.cmd("SUBSCRIBE", "any")
        conn.cmd("HELLO", 3)
        conn.cmd("CLIENT", "TRACKING", "ON", "REDIRECT", to)
        conn.cmd("GET", "k")
        conn.cmd("SET", "k", 1)
        assert frame.read() == [b"message", b"__redis__:invalidate", [b"k"]]


def test_redis_py_cache(many, writer):
    """redis-py's own client-side cache, where this version has one."""
    try:
        from redis.cache import CacheConfig
    except ImportError:
        pytest.skip("this redis-py has no client-side cache")
    cached = redis.Redis(port=many.port, protocol=3, cache_config=CacheConfig())
    writer.cmd("SET", "k", "old")
    assert cached.get("k") == b"old" == cached.get("k")
    writer.cmd("SET", "k", "new")
    assert wait_until(lambda: cached.get("k") == b"new")
    cached.close()


def test_a_cache_never_stays_stale(many, client):
    """Readers keep what they read until told; at rest, what they keep is what is stored."""
    keys, stop = [f"k{i}" for i in range(20)], threading.Event()

    def write(seed):
        rng = random.Random(seed)
        with many.connect() as conn:
            while not stop.is_set():
                key = rng.choice(keys)
                conn.cmd(*rng.choice([["INCR", key], ["INCR", key], ["DEL", key], ["SET", key, 7, "PX", 1]]))

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(3)]
    caches = [(client(TRACKED), {}) for _ in range(4)]

    def settle(conn, cache, replies):
        wanted, got = len(replies), 0
        while got < wanted:
            line = conn.read()
            if isinstance(line, Push):
                for key in line[1]:
                    cache.pop(key.decode(), None)
            else:
                cache[replies[got]] = line
                got += 1

    for thread in writers:
        thread.start()
    end = time.monotonic() + 3
    while time.monotonic() < end:
        for conn, cache in caches:
            missing = [key for key in keys if key not in cache] or ["none"]
            for key in missing:
                conn.send(b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(key), key.encode()))
            settle(conn, cache, missing)
    stop.set()
    for thread in writers:
        thread.join()
    with many.connect() as conn:
        assert wait_until(lambda: conn.cmd("INFO", "keyspace").count(b"expires=0") or not conn.cmd("DBSIZE"))
        for reader, cache in caches:
            settle(reader, cache, ["none"][:0])
            reader.send(b"*1\r\n$4\r\nPING\r\n")
            settle(reader, cache, ["ping"])
            for key in keys:
                if key in cache:
                    assert cache[key] == conn.cmd("GET", key), key


def test_evicted_keys_come_before_the_reply_even_of_the_silent(client, writer):
    """CLIENT REPLY OFF takes replies away, not what was told in front of them."""
    conn = client(TRACKED)
    writer.cmd("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    writer.cmd("SET", "k", "x" * 1000)
    conn.cmd("GET", "k")
    conn.send(b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n")
    writer.cmd("CONFIG", "SET", "maxmemory", 1)
    conn.send(b"*3\r\n$3\r\nSET\r\n$1\r\nn\r\n$1\r\n1\r\n")
    assert conn.read() == invalid("k")
    writer.cmd("CONFIG", "SET", "maxmemory", 0)
