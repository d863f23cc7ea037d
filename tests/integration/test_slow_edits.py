"""Slow edits in place run on the worker pool: the key is pinned against everybody, the change happens once and whole.

One worker thread with a long SORT before the edit keeps it away for as long as that takes.
"""
import shutil
import signal
import time

import pytest

from integration.test_slow import Loopers, PATIENCE, field, fill_list, start_slow
from lib.resp import Error, NullArray, encode
from lib.wait import wait_until

pytestmark = pytest.mark.tokamak
COUNT = 30_000


def members(count=COUNT):
    return [b"m%05d" % i for i in range(count)]


def fill(conn, kind, key, count=COUNT):
    names = members(count)
    for start in range(0, count, 1000):
        part = names[start:start + 1000]
        if kind == "list":
            conn.cmd("RPUSH", key, *part)
        elif kind == "set":
            conn.cmd("SADD", key, *part)
        elif kind == "hash":
            conn.cmd("HSET", key, *(word for name in part for word in (name, name)))
        else:
            conn.cmd("ZADD", key, *(word for i, name in enumerate(part) for word in (start + i, name)))


NAMES = members()
FRESH = [b"n%05d" % i for i in range(COUNT)]
EDITS = [ # kind, command, reply, elements left
    ("list", ["LREM", "k", 0, "m00007"], 1, COUNT - 1), ("list", ["LREM", "k", -1, "none"], 0, COUNT),
    ("list", ["LINSERT", "k", "BEFORE", "m29999", "new"], COUNT + 1, COUNT + 1),
    ("list", ["LINSERT", "k", "AFTER", "none", "new"], -1, COUNT), ("list", ["LTRIM", "k", COUNT // 2, -1], b"OK", COUNT // 2),
    ("list", ["LTRIM", "k", -1, -1], b"OK", 1), ("list", ["LPOP", "k", COUNT - 1], NAMES[:-1], 1),
    ("list", ["RPOP", "k", COUNT], NAMES[::-1], 0), ("list", ["RPUSH", "k", *FRESH], 2 * COUNT, 2 * COUNT),
    ("list", ["LPUSHX", "k", *FRESH], 2 * COUNT, 2 * COUNT), ("none", ["RPUSH", "k", *FRESH], COUNT, COUNT),
    ("set", ["SREM", "k", *NAMES[1:], "none"], COUNT - 1, 1), ("set", ["SREM", "k", *NAMES], COUNT, 0),
    ("set", ["SADD", "k", *FRESH, *NAMES], COUNT, 2 * COUNT), ("none", ["SADD", "k", *FRESH], COUNT, COUNT),
    ("none", ["SADD", "k", *range(COUNT)], COUNT, COUNT),
    ("hash", ["HDEL", "k", *NAMES[2:]], COUNT - 2, 2), ("hash", ["HDEL", "k", *NAMES], COUNT, 0),
    ("hash", ["HSET", "k", *FRESH], COUNT // 2, COUNT + COUNT // 2), ("none", ["HMSET", "k", *FRESH], b"OK", COUNT // 2),
    ("zset", ["ZREMRANGEBYRANK", "k", 1, -1], COUNT - 1, 1), ("zset", ["ZREMRANGEBYSCORE", "k", 5, "+inf"], COUNT - 5, 5),
    ("zset", ["ZREM", "k", *NAMES[1:]], COUNT - 1, 1), ("zset", ["ZREM", "k", *NAMES], COUNT, 0),
    ("zset", ["ZADD", "k", "XX", "CH", *(w for n in NAMES for w in (7.5, n))], COUNT, COUNT),
    ("none", ["ZADD", "k", *(w for n in NAMES for w in (1, n))], COUNT, COUNT),
    ("none", ["ZADD", "k", "XX", *(w for n in NAMES for w in (1, n))], 0, 0),
    ("zset", ["ZADD", "k", *(w for n in NAMES for w in ("x", n))], Error(b"ERR value is not a valid float"), COUNT),
    ("list", ["ZADD", "k", *(w for n in NAMES for w in (1, n))],
     Error(b"WRONGTYPE Operation against a key holding the wrong kind of value"), COUNT),
    ("none", ["GEOADD", "k", *(w for n in NAMES for w in (1, 2, n))], COUNT, COUNT),
]
LENGTH = {b"list": "LLEN", b"set": "SCARD", b"hash": "HLEN", b"zset": "ZCARD"}


def length(conn, key):
    kind = conn.cmd("TYPE", key)
    return conn.cmd(LENGTH[kind], key) if kind in LENGTH else 0


@pytest.mark.parametrize("kind, command, reply, left", EDITS, ids=["%s-%s-%d" % (e[0], e[1][0], i) for i, e in enumerate(EDITS)])
def test_edits_do_the_same_on_the_pool(conn, kind, command, reply, left):
    def run():
        conn.cmd("FLUSHALL")
        if kind != "none":
            fill(conn, kind, "k")
        before = field(conn, "slow_commands_run")
        assert conn.cmd(*command) == reply
        assert length(conn, "k") == left and conn.cmd("EXISTS", "k") == (left > 0)
        return conn.cmd("DEBUG", "DIGEST"), conn.cmd("OBJECT", "ENCODING", "k"), field(conn, "slow_commands_run") - before

    conn.cmd("CONFIG", "SET", "slow-command-threshold", 1000)
    *pool, ran = run()
    conn.cmd("CONFIG", "SET", "slow-command-threshold", 0)
    *here, none = run()
    assert pool == here and none == 0 and ran == 1


@pytest.mark.parametrize("kind, command", [("set", "SPOP"), ("zset", "ZPOPMIN"), ("zset", "ZPOPMAX"), ("set", "SPOP all")])
def test_pops(conn, kind, command):
    fill(conn, kind, "k")
    before, wanted = field(conn, "slow_commands_run"), COUNT if " " in command else COUNT - 3
    popped = conn.cmd(command.split()[0], "k", wanted)
    names = popped if kind == "set" else popped[::2]
    assert len(set(names)) == wanted and set(names) <= set(NAMES) and length(conn, "k") == COUNT - wanted
    assert field(conn, "slow_commands_run") == before + 1
    if wanted < COUNT:
        rest = conn.cmd("SMEMBERS", "k") if kind == "set" else conn.cmd("ZRANGE", "k", 0, -1)
        assert set(rest) == set(NAMES) - set(names)


@pytest.mark.parametrize("kind", ["list", "set", "hash", "zset"])
def test_copies(conn, kind):
    fill(conn, kind, "k")
    conn.cmd("PEXPIRE", "k", 10**7)
    before = field(conn, "slow_commands_run")
    assert conn.cmd("COPY", "k", "c") == 1 and field(conn, "slow_commands_run") == before + 1
    assert conn.cmd("DEBUG", "DIGEST-VALUE", "k") == conn.cmd("DEBUG", "DIGEST-VALUE", "c")
    assert 10**6 < conn.cmd("PTTL", "c") <= 10**7 and conn.cmd("OBJECT", "ENCODING", "c") == conn.cmd("OBJECT", "ENCODING", "k")
    assert conn.cmd("COPY", "k", "c") == 0 and field(conn, "slow_commands_run") == before + 1
    conn.cmd("SET", "c", "x")
    assert conn.cmd("COPY", "k", "c", "REPLACE") == 1 and length(conn, "c") == COUNT
    assert conn.cmd("COPY", "k", "k", "DB", 1) == 1
    conn.cmd("SELECT", 1)
    assert length(conn, "k") == COUNT and conn.cmd("DBSIZE") == 1


def test_copies_answer_what_they_did(away):
    with away.server.connect(PATIENCE) as conn:
        fill(conn, "set", "k")
        copy = away("COPY", "k", "c")
        assert conn.cmd("SETNX", "c", "x") == 0 # waits
        assert copy.read() == 1 and conn.cmd("SCARD", "c") == COUNT


@pytest.fixture
def away(start_server, request):
    """away(command) sends it on a connection of its own; it is on the pool behind a long SORT, with its value.
    Indirect parameters are more options of the server."""
    server = start_server(worker_threads=1, io_threads=4, slow_command_threshold=1000, shards=64, **getattr(request, "param", {}))
    opened = []
    with server.connect(PATIENCE) as conn:
        fill_list(conn, "long", 300_000)

    def send(*command):
        with server.connect(PATIENCE) as conn:
            before = field(conn, "slow_commands_run")
            opened.append(start_slow(server, "SORT", "long", "ALPHA"))
            opened.append(server.connect(PATIENCE))
            opened[-1].send(encode(command))
            assert wait_until(lambda: field(conn, "slow_commands_active") == 2 or
                              field(conn, "slow_commands_run") >= before + 2, PATIENCE)
        return opened[-1]

    send.server = server
    yield send
    for conn in opened:
        conn.close()


@pytest.mark.parametrize("command, reply", [
    (["LLEN", "k"], 1), (["LRANGE", "k", 0, -1], [b"m29999"]), (["LINDEX", "k", 0], b"m29999"), (["RPUSH", "k", "x"], 2),
    (["DEL", "k"], 1), (["RENAME", "k", "other"], b"OK"), (["TYPE", "k"], b"list"), (["DUMP", "k"], None),
    (["LREM", "k", 0, "m29999"], 1), (["LMOVE", "k", "other", "LEFT", "LEFT"], b"m29999"), (["SORT", "k", "ALPHA"], [b"m29999"]),
    (["BLPOP", "k", 0], [b"k", b"m29999"]), (["BLMPOP", 0, 2, "none", "k", "LEFT"], [b"k", [b"m29999"]]),
    (["COPY", "k", "other"], 1), (["OBJECT", "ENCODING", "k"], b"listpack"), (["FLUSHALL"], b"OK"), (["DBSIZE"], 2)],
    ids=lambda c: c[0] if isinstance(c, list) and isinstance(c[0], str) else None)
def test_everybody_waits_for_an_edit(away, command, reply):
    with away.server.connect(PATIENCE) as conn:
        fill(conn, "list", "k")
        edit = away("LTRIM", "k", -1, -1)
        got = conn.cmd(*command)
        assert reply is None or got == reply
        assert edit.read() == b"OK"


def test_walks_pass_by(away):
    with away.server.connect(PATIENCE) as conn:
        fill(conn, "hash", "k")
        edit = away("HDEL", "k", *NAMES[:-1])
        assert conn.cmd("DBSIZE") == 2 and sorted(conn.cmd("KEYS", "*")) == [b"k", b"long"]
        assert conn.cmd("SCAN", 0, "COUNT", 1000, "TYPE", "hash") == [b"0", [b"k"]]
        conn.cmd("RANDOMKEY")
        assert edit.read() == COUNT - 1 and conn.cmd("HGETALL", "k") == [NAMES[-1]] * 2


def test_who_asked_is_gone(away):
    with away.server.connect(PATIENCE) as conn:
        fill(conn, "zset", "k")
        away("ZREMRANGEBYRANK", "k", 1, -1).close()
        assert conn.cmd("ZCARD", "k") == 1
        assert field(conn, "slow_commands_active") == 0


def test_a_key_whose_time_comes_meanwhile(away):
    with away.server.connect(PATIENCE) as conn:
        fill(conn, "set", "k")
        conn.cmd("PEXPIRE", "k", 500)
        with Loopers(away.server, ["SORT", "long", "ALPHA", "LIMIT", 0, 1]):
            edit = away.server.connect(PATIENCE)
            edit.send(encode(["SREM", "k", *NAMES[1:]]))
            time.sleep(0.6)
            assert conn.cmd("EXISTS", "k") == 0
            assert edit.read() in (COUNT - 1, 0)
            edit.close()
        assert wait_until(lambda: conn.cmd("DBSIZE") == 1, PATIENCE)


def test_watchers_and_subscribers_hear_of_it(away):
    server = away.server
    with server.connect(PATIENCE) as conn, server.connect(PATIENCE) as watcher, server.connect(PATIENCE) as listener:
        conn.cmd("CONFIG", "SET", "notify-keyspace-events", "KA")
        fill(conn, "set", "k")
        watcher.cmd("WATCH", "k")
        listener.cmd("SUBSCRIBE", "__keyspace@0__:k")
        assert away("SREM", "k", *NAMES).read() == COUNT
        assert [listener.read()[2] for _ in range(2)] == [b"srem", b"del"]
        assert watcher.cmd("MULTI") == b"OK" and watcher.cmd("PING") == b"QUEUED"
        assert watcher.cmd("EXEC") == NullArray()


@pytest.mark.parametrize("end", ["SIGTERM", "SHUTDOWN"])
def test_the_last_save_waits_for_it(away, end):
    """The file has the value as it is after the edit, or before, but not without it."""
    server = away.server
    with server.connect(PATIENCE) as conn:
        conn.cmd("CONFIG", "SET", "save", "3600 1")
        fill(conn, "zset", "k")
        away("ZREMRANGEBYRANK", "k", 5, -1)
        if end == "SIGTERM":
            server.process.send_signal(signal.SIGTERM)
        else:
            conn.send(encode(["SHUTDOWN"]))
        server.process.wait(PATIENCE)
    server.start()
    with server.connect(PATIENCE) as conn:
        assert wait_until(lambda: b"\nloading:0" in conn.cmd("INFO", "persistence"), PATIENCE)
        assert conn.cmd("ZCARD", "k") in (5, COUNT)


@pytest.mark.parametrize("begin", [["BGSAVE"], ["BGSAVE", "SCHEDULE"], ["SAVE"], ["CONFIG", "SET", "save", "1 1"]],
                         ids=lambda c: "-".join(c))
def test_no_snapshot_begins_meanwhile(away, start_server, begin):
    twin = start_server()
    with away.server.connect(PATIENCE) as conn, twin.connect(PATIENCE) as other:
        fill(conn, "list", "k")
        saved = int(conn.cmd("LASTSAVE"))
        assert wait_until(lambda: int(conn.cmd("TIME")[0]) > saved, PATIENCE)
        away("LTRIM", "k", 0, 4)
        conn.cmd(*begin)
        assert wait_until(lambda: int(conn.cmd("LASTSAVE")) > saved, PATIENCE)
        shutil.copy(f"{away.server.dir}/dump.rdb", f"{twin.dir}/dump.rdb")
        assert other.cmd("DEBUG", "RELOAD", "NOSAVE") == b"OK"
        assert other.cmd("LRANGE", "k", 0, -1) == NAMES[:5]


def test_snapshots_take_large_values_before_they_change(start_server):
    """Of keys that the slow walk has not reached: the writer waits for a worker, the file has the old values."""
    server, twin = start_server(), start_server()
    with server.connect(PATIENCE) as conn, twin.connect(PATIENCE) as other:
        for i in range(20):
            fill(conn, ["list", "set", "hash", "zset"][i % 4], "k%d" % i, 6000)
        conn.cmd("DEBUG", "POPULATE", 2000)
        digest = conn.cmd("DEBUG", "DIGEST")
        conn.cmd("CONFIG", "SET", "rdb-key-save-delay", 200)
        before = field(conn, "pin_waits")
        assert conn.cmd("BGSAVE") == b"Background saving started"
        for i in range(20):
            verb = ["RPUSH", "SADD", "HSET", "ZADD"][i % 4]
            assert isinstance(conn.cmd(verb, "k%d" % i, *(["1", "2"] if verb[0] in "HZ" else ["1"])), int)
        assert field(conn, "pin_waits") > before
        conn.cmd("DEL", *("k%d" % i for i in range(20)))
        conn.cmd("CONFIG", "SET", "rdb-key-save-delay", 0)
        assert wait_until(lambda: b"rdb_bgsave_in_progress:0" in conn.cmd("INFO", "persistence"), PATIENCE)
        shutil.copy(f"{server.dir}/dump.rdb", f"{twin.dir}/dump.rdb")
        assert other.cmd("DEBUG", "RELOAD", "NOSAVE") == b"OK"
        assert other.cmd("DEBUG", "DIGEST") == digest


@pytest.mark.parametrize("others", [[["LLEN", "k"]], [["RPUSH", "k", "x"], ["RPOP", "k"]], [["CONFIG", "SET", "maxmemory-samples", "5"]],
                                    [["LRANGE", "k", 0, -1]], [["LREM", "k", 0, "none"]], [["SORT", "k", "ALPHA", "LIMIT", 0, 1]],
                                    [["MULTI"], ["LLEN", "k"], ["EXEC"]], [["BGSAVE", "SCHEDULE"]]],
                         ids=lambda c: "-".join(map(str, c[0])))
def test_nobody_starves_beside_loops_of_edits(start_server, others):
    server = start_server(io_threads=4, worker_threads=2)
    with server.connect(PATIENCE) as conn:
        fill(conn, "list", "k", 10_000)
        with Loopers(server, *[["LREM", "k", 0, "none"]] * 3, ["LRANGE", "k", 0, -1]):
            for _ in range(10):
                conn.pipeline(others)
