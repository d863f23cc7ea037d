"""Slow commands beyond those that read one value: streams, members that expire, several keys, long strings, RESTORE, SCAN.

Each does the same on the pool as where it was asked for, and reports itself as run there.
"""
import signal
import time

import pytest

from integration.test_slow import PATIENCE, field
from integration.test_slow_edits import away  # noqa: F401: a fixture
from lib.resp import Error, NullArray, encode
from lib.wait import wait_until

pytestmark = pytest.mark.tokamak
COUNT = 5000
NAMES = [b"m%05d" % i for i in range(COUNT)]
FRESH = [b"n%05d" % i for i in range(COUNT)]
IDS = ["1-%d" % (i + 1) for i in range(COUNT)]
GROUP = [["XGROUP", "CREATE", "stream", "g", 0], ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "stream", ">"]]
TTL = [["HEXPIRE", "hash", 10000, "FIELDS", 2, *NAMES[:2]], ["ZEXPIRE", "zset", 10000, "MEMBERS", 2, *NAMES[:2]],
       ["SADDEX", "set", 10000, *NAMES[:2]]]
LONG = [["SETRANGE", "string", 500_000, "x"], ["PEXPIRE", "string", 10**7]]


def fill(conn):
    conn.cmd("CONFIG", "SET", "slow-command-threshold", 0)
    conn.cmd("FLUSHALL")
    conn.pipeline([["RPUSH", "list", *NAMES], ["SADD", "set", *NAMES], ["HSET", "hash", *(w for n in NAMES for w in (n, n))],
                   ["ZADD", "zset", *(w for i, n in enumerate(NAMES) for w in (i, n))], *LONG,
                   ["GEOADD", "geo", *(w for i, n in enumerate(NAMES) for w in (i % 100, i / 100, n))],
                   *(["PFADD", "hll:%d" % i, *range(i, i + 20)] for i in range(20)), ["PEXPIRE", "hll:0", 10**7],
                   *(["XADD", "stream", i, "f", i, "other", "x"] for i in IDS)])


def each(names, value):
    return [word for name in names for word in (name, value)]


COMMANDS = [ # what is done before, command
    ([], ["LMPOP", 1, "list", "LEFT", "COUNT", COUNT - 1]), ([], ["LMPOP", 3, "none", "list", "set", "RIGHT", "COUNT", COUNT]),
    ([], ["BLMPOP", 0, 2, "none", "list", "LEFT", "COUNT", COUNT]), ([], ["ZMPOP", 2, "none", "zset", "MAX", "COUNT", COUNT - 1]),
    ([], ["BZMPOP", 0, 1, "zset", "MIN", "COUNT", COUNT]), ([], ["LMPOP", 2, "set", "list", "LEFT", "COUNT", COUNT]),
    ([], ["SSCAN", "set", 0, "COUNT", COUNT]), ([], ["HSCAN", "hash", 0, "COUNT", COUNT]), ([], ["ZSCAN", "zset", 0, "COUNT", COUNT]),
    ([], ["SMISMEMBER", "set", "none", *NAMES]), ([], ["HMGET", "hash", "none", *NAMES]), ([], ["ZMSCORE", "zset", "none", *NAMES]),
    ([], ["GEOPOS", "geo", "none", *NAMES]), ([], ["GEOHASH", "geo", "none", *NAMES]), ([], ["MEMORY", "USAGE", "hash", "SAMPLES", 0]),
    ([], ["BITPOS", "string", 1]), ([], ["BITPOS", "string", 0, 0]), ([], ["DIGEST", "string"]), ([], ["GETRANGE", "string", 5, -1]),
    ([], ["SUBSTR", "string", 0, -1]), ([], ["SETRANGE", "fresh", 900_000, "x"]), ([], ["SETRANGE", "string", 900_000, "x"]),
    ([], ["SETBIT", "fresh", 9_000_000, 1]), ([["COPY", "string", "s"]], ["APPEND", "string", "tail"]),
    ([["COPY", "string", "s"]], ["SETRANGE", "s", 5, "x"]), ([["COPY", "string", "s"]], ["SETBIT", "string", 5, 1]),
    ([], ["BITFIELD", "string", "SET", "u8", 8_000_000, 77, "GET", "u8", 4_000_000]), ([], ["PFMERGE", "hll:0", *("hll:%d" % i for i in range(20))]),
    ([], ["PFMERGE", "fresh", *("hll:%d" % i for i in range(20))]), ([], ["PFMERGE", "fresh", "hll:1", "list", *("hll:%d" % i for i in range(9))]),
    ([], ["HGETDEL", "hash", "FIELDS", COUNT, *NAMES]), (TTL, ["HGETDEL", "hash", "FIELDS", COUNT - 1, *NAMES[1:]]),
    ([], ["HSETEX", "hash", "FIELDS", COUNT, *each(FRESH, "x")]), ([], ["HSETEX", "fresh", "PXAT", 4 * 10**12, "FIELDS", COUNT, *each(NAMES, "x")]),
    (TTL, ["HSETEX", "hash", "FXX", "KEEPTTL", "FIELDS", COUNT, *each(NAMES, "x")]), ([], ["HSETEX", "hash", "PXAT", 1, "FIELDS", COUNT, *each(NAMES, "x")]),
    ([], ["HSETEX", "hash", "FNX", "PXAT", 4 * 10**12, "FIELDS", COUNT, *each(NAMES, "x")]), (TTL, ["HGETEX", "hash", "FIELDS", COUNT, *NAMES]),
    ([], ["HGETEX", "hash", "PXAT", 4 * 10**12, "FIELDS", COUNT, *NAMES]), (TTL, ["HGETEX", "hash", "PERSIST", "FIELDS", COUNT, *NAMES]),
    (TTL, ["HPEXPIREAT", "hash", 4 * 10**12, "FIELDS", COUNT, *NAMES]), ([], ["HPEXPIREAT", "hash", 1, "FIELDS", COUNT, *NAMES]),
    (TTL, ["HPERSIST", "hash", "FIELDS", COUNT, *NAMES]), ([], ["HTTL", "hash", "FIELDS", COUNT, *NAMES]),
    (TTL, ["ZPEXPIREAT", "zset", 4 * 10**12, "MEMBERS", COUNT, *NAMES]), (TTL, ["ZPERSIST", "zset", "MEMBERS", COUNT, *NAMES]),
    (TTL, ["SADDEX", "set", 10**6, *FRESH]), ([], ["SADDEX", "fresh", "KEEPTTL", 10**6, *FRESH]), (TTL, ["FIELDEXPIRE", "set", 10**6, *NAMES]),
    (TTL, ["HSET", "hash", *each(NAMES, "x")]), (TTL, ["HDEL", "hash", *NAMES]), (TTL, ["SREM", "set", *NAMES[1:]]), (TTL, ["ZREM", "zset", *NAMES[2:]]),
    ([], ["XRANGE", "stream", "-", "+"]), ([], ["XREVRANGE", "stream", "+", "1-7"]), ([], ["XREAD", "STREAMS", "stream", "none", 0, 0]),
    ([], ["XREAD", "COUNT", 4000, "BLOCK", 0, "STREAMS", "stream", "1-9"]), ([], ["XINFO", "STREAM", "stream", "FULL", "COUNT", 0]),
    ([], ["XDEL", "stream", *IDS[:-1]]), ([], ["XDEL", "stream", *IDS]), ([], ["XADD", "stream", "MAXLEN", 1, "2-1", *each(NAMES, "x")]),
    ([], ["XADD", "fresh", "2-1", *each(NAMES, "x")]), ([], ["XADD", "stream", "1-1", *each(NAMES, "x")]),
    (GROUP[:1], ["XREADGROUP", "GROUP", "g", "new", "STREAMS", "stream", ">"]), (GROUP[:1], ["XREADGROUP", "GROUP", "g", "new", "NOACK", "STREAMS", "stream", ">"]),
    (GROUP, ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "stream", 0]), (GROUP, ["XPENDING", "stream", "g", "-", "1-0", COUNT]),
    (GROUP, ["XACK", "stream", "g", *IDS]), (GROUP, ["XCLAIM", "stream", "g", "d", 0, *IDS]), (GROUP, ["XAUTOCLAIM", "stream", "g", "d", 0, 0, "COUNT", COUNT]),
    (GROUP + [["XTRIM", "stream", "MAXLEN", 9]], ["XAUTOCLAIM", "stream", "g", "d", 0, 0, "COUNT", COUNT]),
    (GROUP, ["XGROUP", "DELCONSUMER", "stream", "g", "c"]), (GROUP, ["XGROUP", "DESTROY", "stream", "g"]),
    ([], ["PFCOUNT", "none", *("hll:%d" % i for i in range(20))]), (GROUP, ["COPY", "stream", "fresh"]), (GROUP[:1], ["DUMP", "stream"]), ([], ["SCAN", 0, "COUNT", COUNT]),
]


def state(conn):
    """All keys, with their times, and what groups have."""
    times = [conn.cmd("PEXPIRETIME", key) for key in ("string", "s", "fresh", "hll:0")]
    members = [conn.cmd(*c) for c in (["HPEXPIRETIME", "hash", "FIELDS", 9, *NAMES[:9]], ["ZPEXPIRETIME", "zset", "MEMBERS", 9, *NAMES[:9]])]
    streams = [conn.cmd("XINFO", what, "stream") for what in ("GROUPS", "STREAM")] if conn.cmd("EXISTS", "stream") else []
    pending = [conn.cmd("XPENDING", "stream", "g")]
    rough = [[t // 10**6 for t in part] if isinstance(part, list) else part for part in [times, *members]]
    return conn.cmd("DEBUG", "DIGEST"), rough, streams, pending, b"member_expires" in conn.cmd("INFO", "keyspace")


def counts(conn):
    return [field(conn, name) for name in ("slow_commands_run", "keyspace_hits", "keyspace_misses")]


@pytest.mark.parametrize("before, command", COMMANDS, ids=["%s-%d" % (c[1][0], i) for i, c in enumerate(COMMANDS)])
def test_the_same_on_the_pool(conn, before, command):
    def run(threshold):
        fill(conn)
        for words in before:
            conn.cmd(*words)
        conn.cmd("CONFIG", "SET", "slow-command-threshold", threshold)
        counted = counts(conn)
        reply = conn.cmd(*command)
        ran, *lookups = (after - before for before, after in zip(counted, counts(conn)))
        conn.cmd("CONFIG", "SET", "slow-command-threshold", 0)
        return (sorted(reply[1]) if command[0] == "SCAN" else reply, state(conn)), ran, lookups

    here, none, lookups_here = run(0)
    pool, ran, lookups = run(10 if command[0] in ("SCAN",) else 100)
    if command[0] in ("COPY", "XPENDING"): # nothing of the time that has passed
        here, pool = here[1][0], pool[1][0]
    assert pool == here and none == 0 and lookups == lookups_here
    refused_first = isinstance(here[0], Error) and command[0] in ("LMPOP", "XADD")
    already_expires = before is TTL and command[0] == "HTTL"
    assert ran == (0 if refused_first or already_expires else 1)


@pytest.mark.parametrize("command", [["SRANDMEMBER", "set", COUNT - 1], ["SRANDMEMBER", "set", -COUNT], ["HRANDFIELD", "hash", COUNT - 1],
                                     ["HRANDFIELD", "hash", -COUNT], ["ZRANDMEMBER", "zset", COUNT - 1], ["ZRANDMEMBER", "zset", -COUNT]],
                         ids=lambda c: "%s%d" % (c[0], c[2]))
def test_random_members(conn, command):
    fill(conn)
    conn.cmd("CONFIG", "SET", "slow-command-threshold", 100)
    before, members = field(conn, "slow_commands_run"), conn.cmd(*command)
    assert field(conn, "slow_commands_run") == before + 1
    assert len(members) == abs(command[2]) and set(members) <= set(NAMES) and (command[2] < 0 or len(set(members)) == command[2])


@pytest.mark.parametrize("kind", ["string", "list", "set", "hash", "zset", "stream"])
@pytest.mark.parametrize("options", [[0], [10**7], [4 * 10**12, "ABSTTL", "REPLACE", "IDLETIME", 1000]], ids=["new", "ttl", "replace"])
def test_restores(conn, kind, options):
    fill(conn)
    payload = conn.cmd("DUMP", kind)
    if "REPLACE" in options:
        conn.cmd("SET", "copy", "x")
    conn.cmd("CONFIG", "SET", "slow-command-threshold", 50)
    before = field(conn, "slow_commands_run")
    assert conn.cmd("RESTORE", "copy", options[0], payload, *options[1:]) == b"OK"
    assert field(conn, "slow_commands_run") == before + 1
    if "IDLETIME" in options:
        assert conn.cmd("OBJECT", "IDLETIME", "copy") in range(990, 1010) and conn.cmd("PEXPIRETIME", "copy") == 4 * 10**12
    assert conn.cmd("PTTL", "copy") in range(10**6, 10**7 + 1) if options == [10**7] else (conn.cmd("PTTL", "copy") == -1) == (options == [0])
    for key in ("copy", kind): # a time to live is part of the digest
        conn.cmd("PERSIST", key)
    assert conn.cmd("DEBUG", "DIGEST-VALUE", "copy") == conn.cmd("DEBUG", "DIGEST-VALUE", kind)
    assert conn.cmd("RESTORE", "copy", 0, payload) == Error(b"BUSYKEY Target key name already exists.")
    assert conn.cmd("RESTORE", "other", 0, payload[:-1] + b"!") == Error(b"ERR DUMP payload version or checksum are wrong")
    assert conn.cmd("EXISTS", "other") == 0


def test_members_that_a_worker_gave_a_time_expire(conn):
    fill(conn)
    conn.cmd("CONFIG", "SET", "slow-command-threshold", 100)
    conn.cmd("HPEXPIRE", "hash", 200, "FIELDS", COUNT - 1, *NAMES[1:])
    conn.cmd("SADDEX", "fresh", 1, *NAMES)
    assert wait_until(lambda: conn.cmd("HLEN", "hash") == 1 and conn.cmd("EXISTS", "fresh") == 0, PATIENCE)
    assert conn.cmd("HGETALL", "hash") == [NAMES[0]] * 2


def test_scan_in_slices_finds_all(conn):
    conn.pipeline([["SET", "key:%d" % i, i] for i in range(20_000)])
    conn.cmd("CONFIG", "SET", "slow-command-threshold", 100)
    before, cursor, found, calls = field(conn, "slow_commands_run"), b"0", set(), 0
    while cursor != b"0" or not calls:
        cursor, names = conn.cmd("SCAN", cursor, "COUNT", 6000, "MATCH", "key:*7")
        assert all(name.endswith(b"7") for name in names)
        found.update(names)
        calls += 1
    assert len(found) == 2000 and calls in (3, 4, 5) and field(conn, "slow_commands_run") == before + calls
    assert conn.cmd("SCAN", 0, "COUNT", 30_000, "TYPE", "list") == [b"0", []]
    assert conn.cmd("SCAN", 0, "COUNT", "x") == Error(b"ERR value is not an integer or out of range")


def test_who_waits_for_two_streams_does_not_see_one_that_is_edited(away):  # noqa: F811
    """Some of the streams share a shard with the edited one, and their writers hold it when they serve."""
    server = away.server
    with server.connect(PATIENCE) as conn:
        for i in IDS[:1000]:
            conn.cmd("XADD", "edited", i, "f", "v")
        conn.cmd("XGROUP", "CREATE", "edited", "g", "$")
        waiters = {}
        for i in range(200):
            name = b"other:%d" % i
            conn.cmd("XGROUP", "CREATE", name, "g", "$", "MKSTREAM")
            waiters[name] = server.connect(PATIENCE)
            waiters[name].send(encode(["XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", name, "edited", ">", ">"]))
        assert wait_until(lambda: b"blocked_clients:200" in conn.cmd("INFO", "clients"), PATIENCE)
        edit = away("XDEL", "edited", *IDS[:999])
        for name, waiter in waiters.items():
            assert conn.cmd("XADD", name, "1-1", "f", "v") == b"1-1"
            assert waiter.read() == [[name, [[b"1-1", [b"f", b"v"]]]]]
            waiter.close()
        assert edit.read() == 999


@pytest.mark.parametrize("command, reply", [
    (["XLEN", "k"], 1), (["XADD", "k", "2-1", "f", "v"], b"2-1"), (["XREAD", "STREAMS", "k", 0], [[b"k", [[b"1-1000", [b"f", b"v"]]]]]),
    (["DEL", "k"], 1), (["XREADGROUP", "GROUP", "g", "c", "STREAMS", "k", ">"], [[b"k", [[b"1-1000", [b"f", b"v"]]]]]),
    (["XINFO", "GROUPS", "k"], None), (["XGROUP", "DESTROY", "k", "g"], 1), (["FLUSHALL"], b"OK")], ids=lambda c: c[0] if c and isinstance(c, list) else None)
def test_everybody_waits_for_an_edit_of_a_stream(away, command, reply):  # noqa: F811
    with away.server.connect(PATIENCE) as conn:
        conn.pipeline([["XADD", "k", i, "f", "v"] for i in IDS[:1000]])
        conn.cmd("XGROUP", "CREATE", "k", "g", 0)
        edit = away("XDEL", "k", *IDS[:999])
        got = conn.cmd(*command)
        assert reply is None or got == reply
        assert edit.read() == 999


@pytest.mark.parametrize("ids", ["$", "1-5000", "+"])
def test_who_waits_for_many_streams_waits_here(start_server, ids):
    """All that there is lies before where each begins, in blocks that count as much to read."""
    server = start_server()
    with server.connect(PATIENCE) as conn, server.connect(PATIENCE) as waiter:
        conn.cmd("CONFIG", "SET", "slow-command-threshold", 10)
        names = ["s:%d" % i for i in range(40)]
        conn.pipeline([["XADD", name, i, "f", "v"] for name in names for i in IDS[-50:]])
        position = [{"+": "1-5000"}.get(ids, ids)] * len(names)
        assert waiter.cmd("XREAD", "BLOCK", 1, "STREAMS", *names, *position) == NullArray()
        assert waiter.cmd("XREAD", "STREAMS", *names, *position) == NullArray()
        waiter.send(encode(["XREAD", "BLOCK", 0, "STREAMS", *names, *position]))
        assert wait_until(lambda: b"blocked_clients:1" in conn.cmd("INFO", "clients"), PATIENCE)
        conn.cmd("XADD", names[7], "2-1", "f", "v")
        assert waiter.read() == [[b"s:7", [[b"2-1", [b"f", b"v"]]]]]


def test_who_waits_as_a_group_waits_here(start_server):
    server = start_server()
    with server.connect(PATIENCE) as conn, server.connect(PATIENCE) as waiter:
        conn.cmd("CONFIG", "SET", "slow-command-threshold", 10)
        conn.pipeline([["XADD", "k", i, "f", "v"] for i in IDS[:50]])
        conn.cmd("XGROUP", "CREATE", "k", "g", "$")
        group = ["XREADGROUP", "GROUP", "g", "c"]
        assert waiter.cmd(*group, "BLOCK", 1, "STREAMS", "k", ">") == NullArray()
        assert waiter.cmd(*group, "BLOCK", 0, "STREAMS", "k", 0) == [[b"k", []]]
        waiter.send(encode([*group, "BLOCK", 0, "STREAMS", "k", ">"]))
        assert wait_until(lambda: b"blocked_clients:1" in conn.cmd("INFO", "clients"), PATIENCE)
        conn.cmd("XADD", "k", "2-1", "f", "v")
        assert waiter.read() == [[b"k", [[b"2-1", [b"f", b"v"]]]]]
        conn.cmd("DEL", "k")
        conn.pipeline([["XGROUP", "CREATE", "k", "g", 0, "MKSTREAM"], *(["XADD", "k", i, "f", "v"] for i in IDS[:50])])
        conn.cmd(*group, "STREAMS", "k", ">")
        conn.cmd("XTRIM", "k", "MAXLEN", 0)
        before = field(conn, "slow_commands_run")
        gone = [[i.encode(), NullArray()] for i in IDS[:50]]
        assert conn.cmd(*group, "STREAMS", "k", 0) == [[b"k", gone]] and field(conn, "slow_commands_run") == before + 1


def run_out(away, lifetime, *command):
    """Runs it on the pool, where it is when the time of the key "k" is up: the server stands still until then."""
    with away.server.connect(PATIENCE) as conn:
        up = time.time() + lifetime
        conn.cmd("PEXPIREAT", "k", int(up * 1000))
        edit = away(*command)
        away.server.process.send_signal(signal.SIGSTOP)
        time.sleep(max(up - time.time(), 0) + 0.01)
        away.server.process.send_signal(signal.SIGCONT)
        return edit.read()


@pytest.mark.parametrize("command", [["SETRANGE", "k", 600_000, "x"], ["SETBIT", "k", 4_800_000, 1],
                                     ["BITFIELD", "k", "SET", "u8", 4_800_000, 1], ["PFMERGE", "k", *("h:%d" % i for i in range(9))]],
                         ids=lambda c: c[0])
def test_what_ran_out_on_the_pool_does_not_live_for_ever(away, command):  # noqa: F811
    with away.server.connect(PATIENCE) as conn:
        if command[0] == "PFMERGE":
            conn.pipeline([["PFADD", "h:%d" % i, i] for i in range(9)])
            conn.cmd("PFADD", "k", *range(1000, 2000))
        else:
            conn.cmd("SETRANGE", "k", 300_000, "v")
            conn.cmd("SETRANGE", "k", 0, "v")
        assert not isinstance(run_out(away, 1, *command), Error)
        if command[0] == "PFMERGE":
            assert conn.cmd("PFCOUNT", "k") in (0, 9)
        else: # when it was too late on its way, there was nothing before
            assert conn.cmd("GETRANGE", "k", 0, 0) in (b"", b"\0")


@pytest.mark.parametrize("away", [{"appendonly": "yes"}], indirect=True)  # noqa: F811
def test_the_log_has_what_was_restored_over_what_ran_out(away):  # noqa: F811
    server = away.server
    with server.connect(PATIENCE) as conn:
        conn.pipeline([["RPUSH", "source", *FRESH], ["SET", "k", "x"]])
        payload = conn.cmd("DUMP", "source")
        assert run_out(away, 1, "RESTORE", "k", 10**7, payload, "REPLACE") == b"OK"
        assert conn.cmd("LLEN", "k") == COUNT
        conn.send(encode(["SHUTDOWN"]))
        server.process.wait(PATIENCE)
    server.start()
    with server.connect(PATIENCE) as conn:
        assert wait_until(lambda: b"\nloading:0" in conn.cmd("INFO", "persistence"), PATIENCE)
        assert conn.cmd("LLEN", "k") == COUNT
