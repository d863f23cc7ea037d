"""Slow commands on all reactors with everything that gets in their way: for the sanitizers."""
import os
import random
import re
import threading
import time

import pytest

from lib.resp import encode
from lib.wait import wait_until

SECONDS = float(os.environ.get("STORM_SECONDS", "3"))
KEYS = 8


def key(rng, kind):
    return f"{kind}{rng.randrange(KEYS)}"


def slow(rng):
    z, s, l, t = (key(rng, kind) for kind in "zslt")
    return rng.choice([
        ["SUNION", s, key(rng, "s")], ["SINTERSTORE", s, key(rng, "s"), key(rng, "s")],
        ["SUNIONSTORE", key(rng, "s"), s, s], ["SDIFF", s, key(rng, "s")], ["ZUNIONSTORE", z, 2, z, key(rng, "z")],
        ["ZINTER", 2, z, s], ["ZRANGESTORE", key(rng, "z"), z, 0, -1], ["ZRANGE", z, 0, -1], ["SORT", l],
        ["SORT", l, "STORE", key(rng, "l")], ["SORT", s, "ALPHA"], ["LRANGE", l, 0, -1], ["SMEMBERS", s],
        ["HGETALL", key(rng, "h")], ["BITOP", "OR", t, key(rng, "t"), key(rng, "t")], ["BITCOUNT", t], ["DUMP", z],
        ["KEYS", "*"], ["PFCOUNT", t, key(rng, "t")]])


PAYLOADS = {}
PLACED = ["LEFT", "RIGHT"], ["MIN", "MAX"]


def slow_more(rng):
    """Edits in place of values with members that expire, streams, several keys; long strings; slices."""
    z, s, l, t, h, x = (key(rng, kind) for kind in "zslthx")
    some = [rng.randrange(100) for _ in range(20)]
    pairs = [word for n in some for word in (n, n)]
    return rng.choice([
        ["LMPOP", 2, key(rng, "l"), l, rng.choice(PLACED[0]), "COUNT", 50], ["ZMPOP", 3, z, z, key(rng, "z"), rng.choice(PLACED[1]), "COUNT", 50],
        ["BLMPOP", 0.01, 2, key(rng, "l"), l, "LEFT", "COUNT", 10], ["BZMPOP", 0.01, 2, z, key(rng, "z"), "MIN", "COUNT", 10],
        ["HEXPIRE", h, rng.randrange(3), "FIELDS", 20, *some], ["HPEXPIRE", h, 5, "FIELDS", 20, *some], ["HPERSIST", h, "FIELDS", 20, *some],
        ["HGETDEL", h, "FIELDS", 20, *some], ["HGETEX", h, "PX", 10, "FIELDS", 20, *some], ["HSETEX", h, "PX", 10, "FIELDS", 20, *pairs],
        ["ZPEXPIRE", z, 10, "MEMBERS", 20, *some], ["SADDEX", s, 1, *some], ["FIELDEXPIRE", s, 1, *some], ["HTTL", h, "FIELDS", 20, *some],
        ["HSCAN", h, 0, "COUNT", 100], ["SSCAN", s, 0, "COUNT", 100], ["ZSCAN", z, 0, "COUNT", 100], ["HRANDFIELD", h, 20],
        ["SRANDMEMBER", s, -20], ["ZRANDMEMBER", z, 20], ["HMGET", h, *some], ["SMISMEMBER", s, *some], ["MEMORY", "USAGE", h, "SAMPLES", 0],
        ["XADD", x, "MAXLEN", 30, "*", *pairs], ["XADD", x, "*", *pairs], ["XADD", x, "*", "f", "v"], ["XTRIM", x, "MAXLEN", 10],
        ["XRANGE", x, "-", "+"], ["XREAD", "BLOCK", 5, "STREAMS", x, key(rng, "x"), "$", 0], ["XREAD", "BLOCK", 5, "STREAMS", x, key(rng, "x"), "$", "$"],
        ["XGROUP", "CREATE", x, "g", 0, "MKSTREAM"], ["XGROUP", "DESTROY", x, "g"], ["XGROUP", "DELCONSUMER", x, "g", "c"],
        ["XREADGROUP", "GROUP", "g", "c", "BLOCK", 5, "STREAMS", x, ">"], ["XREADGROUP", "GROUP", "g", "d", "BLOCK", 5, "STREAMS", x, key(rng, "x"), ">", ">"],
        ["XREADGROUP", "GROUP", "g", "c", "STREAMS", x, 0], ["XAUTOCLAIM", x, "g", "d", 0, 0], ["XPENDING", x, "g", "-", "+", 100],
        ["XINFO", "STREAM", x, "FULL"], ["COPY", x, key(rng, "x"), "REPLACE"], ["SETRANGE", t, rng.randrange(20_000), "z" * 300],
        ["SETBIT", t, rng.randrange(200_000), 1], ["BITFIELD", t, "SET", "u8", 9000, 1], ["BITPOS", t, 0], ["GETRANGE", t, 0, -1],
        ["PFADD", key(rng, "p"), *some], ["PFMERGE", key(rng, "p"), key(rng, "p"), key(rng, "p")], ["SCAN", 0, "COUNT", 1000],
        ["RESTORE", l, rng.choice([0, 5, 1000]), PAYLOADS["list"], "REPLACE"], ["RESTORE", h, rng.choice([0, 5]), PAYLOADS["hash"]]])


def quick(rng):
    z, s, l, t, h = (key(rng, kind) for kind in "zslth")
    kind = rng.choice("zslth")
    return rng.choice([
        ["SADD", s, *(rng.randrange(2000) for _ in range(50))], ["ZADD", z, rng.random(), rng.randrange(1000)],
        ["RPUSH", l, *range(20)], ["HSET", h, *range(100)], ["SETRANGE", t, rng.randrange(5000), "x" * 300],
        ["DEL", key(rng, kind)], ["RENAME", key(rng, kind), key(rng, kind)], ["PEXPIRE", key(rng, kind), 5],
        ["COPY", key(rng, kind), key(rng, kind), "REPLACE"], ["LTRIM", l, 0, 100], ["SPOP", s, 10], ["GET", t],
        ["MOVE", key(rng, kind), 1], ["UNLINK", key(rng, kind), key(rng, kind)], ["RANDOMKEY"], ["DBSIZE"],
        ["OBJECT", "ENCODING", s], ["SRANDMEMBER", s, 5], ["LPOP", l], ["APPEND", t, "y" * 100]])


def rare(rng, own_id):
    return rng.choice([["FLUSHALL"], ["FLUSHDB", "ASYNC"], ["SWAPDB", 0, 1], ["CONFIG", "SET", "maxmemory-samples", 5],
                       ["CLIENT", "KILL", "ID", max(own_id - rng.randrange(5), 1)], ["SELECT", rng.randrange(2)],
                       ["CLIENT", "PAUSE", 1, "WRITE"], ["CONFIG", "RESETSTAT"]])


def commands(rng, own_id, slow):
    kind = rng.random()
    if kind < 0.02:
        return [rare(rng, own_id)]
    if kind < 0.1:
        return [["WATCH", key(rng, "s")], ["MULTI"], slow(rng), quick(rng), ["EXEC"]]
    return [slow(rng) if kind < 0.5 else quick(rng)]


def work(server, seed, end, done, slow):
    rng = random.Random(seed)
    while time.monotonic() < end:
        try:
            with server.connect() as conn:
                own_id = conn.cmd("CLIENT", "ID")
                for _ in range(rng.randint(1, 20)):
                    batch = [c for _ in range(rng.randint(1, 10)) for c in commands(rng, own_id, slow)]
                    conn.send(b"".join(map(encode, batch)))
                    if rng.random() < 0.1:
                        break # without reading the replies
                    for _ in batch:
                        conn.read()
                    done.append(len(batch))
        except (OSError, EOFError):
            pass # killed by another one


def is_quiet(info):
    return re.search(rb"slow_commands_active:0\r\n", info) is not None


@pytest.mark.tokamak
@pytest.mark.parametrize("commands", [slow, slow_more], ids=lambda f: f.__name__)
def test_slow_commands_on_all_reactors(start_server, commands):
    server = start_server(io_threads=4, databases=2, shards=64, slow_command_threshold=1)
    with server.connect() as conn:
        conn.pipeline([["RPUSH", "a", *range(50)], ["HSET", "b", *range(100)]])
        PAYLOADS.update(list=conn.cmd("DUMP", "a"), hash=conn.cmd("DUMP", "b"))
    end, done = time.monotonic() + SECONDS, []
    threads = [threading.Thread(target=work, args=(server, seed, end, done, commands)) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) > 200
    with server.connect(60) as conn:
        assert wait_until(lambda: is_quiet(conn.cmd("INFO", "stats")), 30)
        assert conn.cmd("CONFIG", "SET", "slow-command-threshold", 0) == b"OK"
        assert conn.cmd("FLUSHALL") == b"OK" and conn.cmd("DBSIZE") == 0


def repeat(server, batch, end):
    try:
        with server.connect(60) as conn:
            while time.monotonic() < end:
                conn.pipeline(batch)
    except (OSError, EOFError):
        pass # the server is gone, which the test notices


@pytest.mark.tokamak
def test_slow_commands_end_while_snapshots_do(start_server):
    """A job comes back while the gates are closed, because a snapshot ends and a long command is not through."""
    server = start_server(io_threads=4, slow_command_threshold=1, worker_threads=4)
    with server.connect(60) as conn:
        for start in range(0, 200_000, 10_000):
            conn.cmd("RPUSH", "long", *range(start, start + 10_000))
        conn.cmd("SADD", "s", *range(20))
        end = time.monotonic() + 2 * SECONDS
        jobs = [[["SUNIONSTORE", "u%d" % i, "s"], ["SMEMBERS", "s"]] * 5 for i in range(6)]
        threads = [threading.Thread(target=repeat, args=(server, batch, end))
                   for batch in jobs + [[["LREM", "long", 0, "none"]]] * 6]
        for thread in threads:
            thread.start()
        saves = 0
        while time.monotonic() < end:
            saves += conn.cmd("BGSAVE") == b"Background saving started"
        for thread in threads:
            thread.join()
        assert server.process.poll() is None and saves > 0
        assert wait_until(lambda: is_quiet(conn.cmd("INFO", "stats")), 30)
