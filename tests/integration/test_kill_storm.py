"""Clients that are killed whatever they are doing: blocked, parked behind a slow command, subscribed, watching, tracked.

Each thread opens a crowd of connections, sends each something to be busy with, and ends them all, by CLIENT KILL, by
closing them or by a reset. Nothing of them may stay: INFO's counters return to zero, and the memory does not grow.
STORM_KILLS is their number.
"""
import os
import random
import re
import socket
import struct
import threading

import pytest

from lib.resp import encode
from lib.wait import wait_until

pytestmark = pytest.mark.tokamak
KILLS = int(os.environ.get("STORM_KILLS", "16000"))
THREADS = 4
CROWD = 40
PATIENCE = 120
RESET = struct.pack("ii", 1, 0)
ZEROES = ["blocked_clients", "tracking_clients", "pubsub_clients", "watching_clients", "clients_in_timeout_table",
          "total_watched_keys", "total_blocking_keys", "total_blocking_keys_on_nokey", "pubsub_channels", "pubsub_patterns",
          "pubsubshard_channels", "tracking_total_prefixes", "tracking_total_keys", "tracking_total_items",
          "slow_commands_active"]
TRACKED = {"tracking_total_keys", "tracking_total_items"}


def key(rng, kind):
    return "%s%d" % (kind, rng.randrange(4))


def blocked(rng):
    wait = rng.choice([0, 0, 0.05, 100])
    return [rng.choice([
        ["BLPOP", key(rng, "q"), key(rng, "q"), wait], ["BLMOVE", key(rng, "q"), key(rng, "l"), "LEFT", "RIGHT", wait],
        ["BZPOPMIN", key(rng, "e"), wait], ["BLMPOP", wait, 2, key(rng, "q"), "none", "LEFT", "COUNT", 3],
        ["XREAD", "BLOCK", int(wait * 1000), "STREAMS", key(rng, "x"), "$"],
        ["XREADGROUP", "GROUP", "g", "c", "BLOCK", int(wait * 1000), "STREAMS", "x0", ">"]])]


def subscribed(rng):
    return [rng.choice([["SUBSCRIBE", key(rng, "c"), "common"], ["PSUBSCRIBE", key(rng, "c") + "*", "*"],
                        ["SSUBSCRIBE", key(rng, "s")]])]


def watching(rng):
    return [["WATCH", key(rng, "l"), key(rng, "none")]] + rng.choice([[], [["MULTI"], ["SET", "a", 1], slow(rng)[0]]])


def tracked(rng):
    mode = rng.choice([[], ["OPTIN"], ["BCAST", "PREFIX", key(rng, "l")], ["BCAST"], ["NOLOOP"]])
    return [["HELLO", 3], ["CLIENT", "TRACKING", "ON", *mode], ["CLIENT", "CACHING", "YES"], ["GET", key(rng, "t")],
            ["LRANGE", key(rng, "l"), 0, 5]]


def slow(rng):
    l, s, z = key(rng, "l"), key(rng, "s"), key(rng, "z")
    return [rng.choice([
        ["SORT", l, "ALPHA"], ["SUNIONSTORE", key(rng, "s"), s, "s0"], ["ZUNIONSTORE", key(rng, "z"), 2, z, "z0"],
        ["LREM", l, 0, "none"], ["LINSERT", l, "AFTER", "5", "x"], ["KEYS", "*"], ["SMEMBERS", s], ["LTRIM", l, 0, 300],
        ["ZREMRANGEBYRANK", z, 0, 30]])]


def parked(rng):
    return [rng.choice([["RPUSH", key(rng, "l"), *range(20)], ["SADD", key(rng, "s"), *range(100)], ["LLEN", key(rng, "l")],
                        ["ZADD", key(rng, "z"), *range(200)], ["SWAPDB", 0, 0], ["CONFIG", "SET", "maxmemory-samples", 5],
                        ["SET", key(rng, "t"), "x"], ["PUBLISH", key(rng, "c"), "m"], ["XADD", "x1", "*", "f", "v"]])]


def unread(rng):
    return [["LRANGE", key(rng, "l"), 0, -1], ["PING"]] * 20 + blocked(rng)


STATES = [blocked, subscribed, watching, tracked, slow, parked, unread]


def fill(conn):
    for i in range(4):
        conn.cmd("RPUSH", "l%d" % i, *range(300))
        conn.cmd("SADD", "s%d" % i, *range(i * 100, i * 100 + 300))
        conn.cmd("ZADD", "z%d" % i, *(part for n in range(200) for part in (n, "m%d" % n)))
    conn.cmd("XGROUP", "CREATE", "x0", "g", "$", "MKSTREAM")


def crowd(port, rng):
    socks = []
    for _ in range(CROWD):
        sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
        commands = [c for _ in range(rng.randrange(1, 3)) for c in rng.choice(STATES)(rng)]
        sock.sendall(b"".join(map(encode, commands)))
        socks.append(sock)
    return socks


def kill(server, rng, seed, socks):
    """Returns how many CLIENT KILL has hit; the others end with their sockets. A killer lives as long as it kills."""
    killed = 0
    if rng.random() < 0.7:
        with server.connect(PATIENCE) as killer:
            for sock in socks:
                address = "127.0.0.1:%d" % sock.getsockname()[1]
                killer.send(encode(["CLIENT", "KILL", "ADDR", address]))
            killed = sum(killer.read() for _ in socks)
    for sock in socks:
        if rng.random() < 0.5:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        sock.close()
    return killed


def storm(server, seed, count, results):
    rng, ended, killed = random.Random(seed), 0, 0
    while ended < count:
        socks = crowd(server.port, rng)
        killed += kill(server, rng, seed, socks)
        ended += len(socks)
    results.append((ended, killed))


def run(server, count, seed):
    results = []
    threads = [threading.Thread(target=storm, args=(server, seed + i, count // THREADS, results)) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == THREADS
    return [sum(column) for column in zip(*results)]


def number(text, name):
    return int(re.search(rb"\n%s:(\d+)" % name.encode(), text).group(1))


def left(conn):
    info = conn.cmd("INFO")
    found = {name: number(info, name) for name in ZEROES}
    found["connected_clients"] = number(info, "connected_clients") - 1
    return {name: value for name, value in found.items() if value}


def check_quiet(server):
    with server.connect(PATIENCE) as conn:
        assert wait_until(lambda: not left(conn).keys() - TRACKED, PATIENCE), left(conn)
        conn.cmd("FLUSHALL") # keys that the gone have read are known until they change, as in Redis
        assert wait_until(lambda: not left(conn), PATIENCE), left(conn)
        assert wait_until(lambda: number(conn.cmd("INFO", "memory"), "lazyfree_pending_objects") == 0, PATIENCE)
        used = number(conn.cmd("INFO", "memory"), "used_memory")
        fill(conn)
        return used


def test_killed_clients_leave_nothing_behind(start_server):
    server = start_server(io_threads=4, slow_command_threshold=20, worker_threads=2)
    with server.connect(PATIENCE) as conn:
        fill(conn)
    run(server, KILLS // 4, 1) # tables and buffers reach their sizes
    before = check_quiet(server)
    ended, killed = run(server, KILLS, 1000)
    after = check_quiet(server)
    assert ended >= KILLS and killed > ended // 4
    assert after < before + 200 * 1024 + ended // 2, (before, after)
