"""Slow commands run on the worker pool: what others see of them meanwhile, and that nobody starves."""
import re
import threading
import time

import pytest

from lib.resp import encode
from lib.wait import wait_until

pytestmark = pytest.mark.tokamak
LARGE = 200_000
PATIENCE = 60


def field(conn, name):
    return int(re.search(rb"%s:(\d+)" % name.encode(), conn.cmd("INFO", "stats")).group(1))


def fill_list(conn, key, count=LARGE):
    """Texts in no order."""
    for start in range(0, count, 10_000):
        conn.cmd("RPUSH", key, *(b"%08d" % (i * 7919 % count) for i in range(start, start + 10_000)))


def fill_set(conn, key, members):
    conn.cmd("SADD", key, *members)


def start_slow(server, *command):
    """A connection whose command is on the pool, on values large enough to be seen there."""
    conn = server.connect(PATIENCE)
    with server.connect() as watcher:
        before = field(watcher, "slow_commands_run")
        conn.send(encode(command))
        assert wait_until(lambda: field(watcher, "slow_commands_active") or
                          field(watcher, "slow_commands_run") > before, PATIENCE)
    return conn


class Loopers:
    """Threads that repeat a command until the end of the block."""

    def __init__(self, server, *commands):
        self.server, self.stop, self.rounds = server, False, [0] * len(commands)
        self.threads = [threading.Thread(target=self.loop, args=(i, command)) for i, command in enumerate(commands)]

    def loop(self, i, command):
        with self.server.connect(PATIENCE) as conn:
            while not self.stop:
                conn.cmd(*command)
                self.rounds[i] += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        assert wait_until(lambda: all(self.rounds), PATIENCE)
        return self

    def __exit__(self, *_):
        self.stop = True
        for thread in self.threads:
            thread.join()


def test_small_commands_stay_and_large_ones_go(conn):
    conn.cmd("RPUSH", "small", *range(100))
    fill_list(conn, "large")
    before = field(conn, "slow_commands_run")
    assert len(conn.cmd("LRANGE", "small", 0, -1)) == 100
    assert len(conn.cmd("LRANGE", "large", 0, 99)) == 100
    assert field(conn, "slow_commands_run") == before
    assert len(conn.cmd("LRANGE", "large", 0, -1)) == LARGE
    assert field(conn, "slow_commands_run") == before + 1
    conn.cmd("CONFIG", "SET", "slow-command-threshold", 0)
    assert len(conn.cmd("LRANGE", "large", 0, -1)) == LARGE
    assert field(conn, "slow_commands_run") == before + 1


def test_a_pattern_without_a_key_runs_on_the_pool(start_server):
    with start_server(slow_command_threshold=1).connect() as conn:
        conn.cmd("RPUSH", "l", *range(100))
        before = field(conn, "slow_commands_run")
        assert conn.cmd("SORT", "l", "BY", "nosort", "GET", "#") == [b"%d" % i for i in range(100)]
        assert field(conn, "slow_commands_run") == before + 1


def test_a_connection_keeps_its_order(start_server):
    server = start_server(slow_command_threshold=1, io_threads=4)
    with server.connect() as conn:
        fill_set(conn, "a", range(1000))
        fill_set(conn, "b", range(500, 1500))
        commands = []
        for i in range(200):
            commands += [["SET", "n", i], ["SUNIONSTORE", "d", "a", "b"], ["SADD", "a", f"m{i}"], ["GET", "n"],
                         ["SCARD", "d"], ["SUNION", "a", "b"]]
        replies = conn.pipeline(commands)
        for i in range(200):
            _, stored, added, n, card, union = replies[6 * i:6 * i + 6]
            assert (stored, added, n, card, len(union)) == (1500 + i, 1, b"%d" % i, 1500 + i, 1501 + i)


def test_reads_go_on_and_writes_wait(server):
    with server.connect() as conn, server.connect(PATIENCE) as writer:
        fill_list(conn, "l")
        slow = start_slow(server, "SORT", "l", "ALPHA")
        assert conn.cmd("LLEN", "l") == LARGE and conn.cmd("LINDEX", "l", 0) == b"%08d" % 0
        assert writer.cmd("RPUSH", "l", "~") == LARGE + 1
        result = slow.read()
        assert result == [b"%08d" % i for i in range(LARGE)]
        assert conn.cmd("LLEN", "l") == LARGE + 1
        slow.close()


@pytest.mark.parametrize("write", [["DEL", "l"], ["UNLINK", "l"], ["SET", "l", "x"], ["RENAME", "l", "m"],
                                   ["EXPIRE", "l", "-1"], ["RPUSH", "l", "~"], ["LTRIM", "l", "1", "0"],
                                   ["FLUSHALL"], ["SWAPDB", "0", "1"], ["MOVE", "l", "1"], ["COPY", "s", "l", "REPLACE"],
                                   ["RENAME", "s", "l"], ["SORT", "s", "STORE", "l"]], ids=lambda c: "-".join(c))
def test_a_value_in_use_stays_as_it_is(server, write):
    with server.connect(PATIENCE) as conn:
        conn.cmd("RPUSH", "s", 1)
        fill_list(conn, "l")
        with start_slow(server, "SORT", "l", "ALPHA") as slow:
            reply = conn.cmd(*write)
            assert not isinstance(reply, Exception)
            assert slow.read() == [b"%08d" % i for i in range(LARGE)]


def test_a_key_in_use_that_expires_is_not_seen(server):
    with server.connect() as conn:
        fill_list(conn, "l")
        conn.cmd("PEXPIRE", "l", 50)
        with start_slow(server, "SORT", "l", "ALPHA") as slow:
            assert wait_until(lambda: conn.cmd("EXISTS", "l") == 0)
            assert len(slow.read()) in (0, LARGE)
            assert wait_until(lambda: conn.cmd("DBSIZE") == 0)


def test_looping_slow_commands_do_not_starve_writers(start_server):
    server = start_server(io_threads=4)
    with server.connect(PATIENCE) as conn:
        fill_list(conn, "l", 50_000)
        fill_list(conn, "m", 50_000)
        sort = ["SORT", "l", "LIMIT", 0, 1]
        with Loopers(server, sort, sort, sort, ["SORT", "m", "LIMIT", 0, 1]):
            for i in range(10):
                assert conn.cmd("RPUSH", "l", i) == 50_001 + i
                assert conn.cmd("EXISTS", "l", "m") == 2
                assert conn.cmd("RENAME", "m", "m") == b"OK" # waits for one key
                assert conn.cmd("MSET", "x", 1, "y", 2) == b"OK"
            assert conn.cmd("DEL", "l", "m") == 2 # for two


def test_looping_slow_commands_do_not_starve_exclusive_ones(start_server):
    server = start_server(io_threads=4)
    with server.connect(PATIENCE) as conn:
        fill_list(conn, "l", 50_000)
        sort = ["SORT", "l", "LIMIT", 0, 1]
        with Loopers(server, sort, sort, sort, ["SORT", "l", "STORE", "d"]) as loopers:
            for _ in range(10):
                assert conn.cmd("SWAPDB", 1, 2) == b"OK"
                assert conn.cmd("CONFIG", "SET", "maxmemory-samples", 5) == b"OK"
            before = list(loopers.rounds)
            assert wait_until(lambda: all(a < b for a, b in zip(before, loopers.rounds)), PATIENCE)
            assert conn.cmd("FLUSHALL") == b"OK"


def test_sources_are_seen_at_one_moment(start_server):
    """Members move between two sets; their union, answered or stored, always has all of them."""
    server = start_server(slow_command_threshold=1, io_threads=4)
    with server.connect() as conn:
        fill_set(conn, "a", range(300))
    move = [["SMOVE", "a", "b", 7], ["SMOVE", "b", "a", 7]]

    def mover(end):
        with server.connect() as conn:
            while time.monotonic() < end:
                conn.pipeline(move)

    def looker(end, results):
        with server.connect() as conn:
            while time.monotonic() < end:
                results.append(len(conn.cmd("SUNION", "a", "b")))
                results.append(conn.cmd("SUNIONSTORE", "d", "b", "a"))
                results.append(conn.cmd("SUNIONSTORE", "d", "d", "a", "b"))

    end, results = time.monotonic() + 3, []
    threads = [threading.Thread(target=mover, args=(end,)) for _ in range(2)]
    threads += [threading.Thread(target=looker, args=(end, results)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) > 50 and set(results) == {300}


def test_a_store_sees_what_was_written_before_it(start_server):
    server = start_server(slow_command_threshold=1, io_threads=4)
    with server.connect() as writer, server.connect() as conn:
        for i in range(300):
            writer.cmd("ZADD", "z", i, i)
            assert conn.cmd("ZUNIONSTORE", "d", 1, "z") == i + 1
            assert writer.cmd("ZCARD", "d") == i + 1


def test_killed_while_it_runs_or_waits(server):
    with server.connect(PATIENCE) as conn:
        fill_list(conn, "l")
        slow = start_slow(server, "SORT", "l", "ALPHA", "STORE", "d")
        waiting = server.connect(PATIENCE)
        waiting.send(encode(["RPUSH", "l", "x"]))
        conn.cmd("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert wait_until(lambda: field(conn, "slow_commands_active") == 0, PATIENCE)
        assert conn.cmd("LPUSH", "l", "y") in (LARGE + 1, LARGE + 2)
        slow.close()
        waiting.close()


def test_disconnected_while_it_runs(server):
    with server.connect(PATIENCE) as conn:
        fill_list(conn, "l")
        start_slow(server, "SORT", "l", "ALPHA", "STORE", "d").close()
        assert wait_until(lambda: field(conn, "slow_commands_active") == 0, PATIENCE)
        assert conn.cmd("DEL", "l") == 1


def test_stop_while_slow_commands_run(start_server):
    server = start_server()
    with server.connect() as conn:
        fill_list(conn, "l")
    conns = [start_slow(server, "SORT", "l", "ALPHA") for _ in range(4)]
    server.stop(PATIENCE)
    for conn in conns:
        conn.close()


def test_keys_in_slices(server):
    with server.connect() as conn, server.connect() as other:
        names = [b"key:%d" % i for i in range(20_000)]
        for start in range(0, len(names), 1000):
            conn.cmd("MSET", *(part for name in names[start:start + 1000] for part in (name, "v")))
        before = field(conn, "slow_commands_run")
        conn.send(encode(["KEYS", "*"]) + encode(["PING"]))
        assert other.cmd("SET", "other", 1) == b"OK"
        assert sorted(set(conn.read()) - {b"other"}) == sorted(names) and conn.read() == b"PONG"
        assert field(conn, "slow_commands_run") == before + 1
        conn.send(encode(["KEYS", "*"]))
    with server.connect() as conn:
        assert conn.cmd("KEYS", "key:1999?") and conn.cmd("FLUSHALL") == b"OK"


def test_replies_that_are_off(server):
    with server.connect() as conn:
        fill_list(conn, "l", 10_000)
        conn.send(b"".join(map(encode, [["CLIENT", "REPLY", "SKIP"], ["LRANGE", "l", 0, -1], ["LLEN", "l"],
                                        ["CLIENT", "REPLY", "OFF"], ["LRANGE", "l", 0, -1],
                                        ["CLIENT", "REPLY", "ON"]])))
        assert conn.read() == 10_000 and conn.read() == b"OK"


def test_resp3_and_errors(start_server):
    server = start_server(slow_command_threshold=1)
    with server.connect() as conn:
        conn.cmd("HELLO", 3)
        fill_set(conn, "s", "ab")
        conn.cmd("SET", "text", "x" * 1000)
        assert sorted(conn.cmd("SUNION", "s", "s")) == [b"a", b"b"]
        assert conn.cmd("SUNION", "s", "text").startswith(b"WRONGTYPE")
        assert b"errorstat_WRONGTYPE:count=1" in conn.cmd("INFO", "errorstats")
        assert b"cmdstat_sunion:calls=2" in conn.cmd("INFO", "commandstats")


def test_in_exec_they_run_at_once(server):
    with server.connect(PATIENCE) as conn:
        fill_list(conn, "l")
        replies = conn.pipeline([["MULTI"], ["LRANGE", "l", 0, -1], ["RPUSH", "l", "x"], ["EXEC"]])
        assert len(replies[-1][0]) == LARGE and replies[-1][1] == LARGE + 1


def test_an_exclusive_command_that_is_refused_after_it_waited(start_server):
    """Slow commands go on when the exclusive one that kept them from starting will not run."""
    server = start_server(io_threads=2)
    with server.connect(PATIENCE) as conn, server.connect(PATIENCE) as waiting:
        fill_list(conn, "l")
        conn.cmd("RPUSH", "s", 1, 2)
        used = int(re.search(rb"used_memory:(\d+)", conn.cmd("INFO", "memory")).group(1))
        conn.cmd("CONFIG", "SET", "maxmemory", used + (64 << 20))
        with start_slow(server, "SORT", "l", "ALPHA", "LIMIT", 0, 1) as slow:
            waiting.send(encode(["SORT", "s", "BY", "w*", "STORE", "d"]))
            filled = [conn.cmd("SET", f"big{i}", "x" * (4 << 20)) for i in range(32)]
            assert filled[-1].startswith(b"OOM")
            assert slow.read() == [b"%08d" % 0]
        assert waiting.read() == 2 or waiting.cmd("PING") == b"PONG"
        assert len(conn.cmd("LRANGE", "l", 0, -1)) == LARGE
        assert len(waiting.cmd("LRANGE", "l", 0, -1)) == LARGE


def test_members_that_expire_keep_a_command_here(start_server):
    """Looking such a value up deletes members, so it is never pinned."""
    server = start_server(slow_command_threshold=1)
    with server.connect() as conn:
        conn.cmd("HSET", "h", *(part for i in range(1000) for part in (f"f{i}", i)))
        before = field(conn, "slow_commands_run")
        assert len(conn.cmd("HKEYS", "h")) == 1000 and field(conn, "slow_commands_run") == before + 1
        assert conn.cmd("HPEXPIRE", "h", 10, "FIELDS", 1, "f0") == [1]
        assert wait_until(lambda: len(conn.cmd("HKEYS", "h")) == 999)


def test_what_stands_behind_it_is_not_looked_at(server):
    """A request that cannot be parsed is answered after the slow command, not before."""
    with server.connect(PATIENCE) as conn:
        fill_list(conn, "l")
        conn.send(encode(["LRANGE", "l", 0, -1]) + b"*1\r\n!\r\n")
        assert len(conn.read()) == LARGE
        assert conn.read().startswith(b"ERR Protocol error")


def test_its_result_moves_on_through_many_keys(start_server):
    """More than serving could lock at once, and nobody waited for them when the command began."""
    server = start_server(io_threads=4)
    movers = [server.connect(PATIENCE) for _ in range(70)]
    with server.connect(PATIENCE) as conn:
        fill_list(conn, "l")
        with start_slow(server, "SORT", "l", "ALPHA", "STORE", "to0") as slow:
            for i, mover in enumerate(movers):
                mover.send(encode(["BLMOVE", f"to{i}", f"to{i + 1}", "LEFT", "RIGHT", 0]))
            assert slow.read() == LARGE
        assert [mover.read() for mover in movers] == [b"%08d" % 0] * 70
        assert conn.cmd("LRANGE", "to70", 0, -1) == [b"%08d" % 0] and conn.cmd("LLEN", "to0") == LARGE - 1
        assert conn.cmd("CONFIG", "SET", "maxmemory-samples", 5) == b"OK"
    for mover in movers:
        mover.close()


def test_who_feeds_a_waiter_waits_without_its_neighbours(start_server):
    """A push whose waiter moves into a value that is being read; other clients of the thread go on."""
    server = start_server(io_threads=1)
    with server.connect(PATIENCE) as conn, server.connect(PATIENCE) as mover, server.connect(PATIENCE) as pusher:
        fill_list(conn, "l")
        mover.send(encode(["BLMOVE", "k", "l", "LEFT", "RIGHT", 0]))
        assert wait_until(lambda: b"blocked_clients:1\r\n" in conn.cmd("INFO", "clients"), PATIENCE)
        with start_slow(server, "SORT", "l", "ALPHA") as slow:
            pusher.send(encode(["RPUSH", "k", "~"]))
            assert conn.cmd("SET", "other", 1) == b"OK"
            assert field(conn, "slow_commands_active") == 1
            assert len(slow.read()) == LARGE
        assert pusher.read() == 1 and mover.read() == b"~"
        assert conn.cmd("LINDEX", "l", -1) == b"~"


def keep_storing(server, number, stored):
    """SUNIONSTORE into ever new keys; those that were answered."""
    try:
        with server.connect(PATIENCE) as conn:
            for i in range(1_000_000):
                assert conn.cmd("SUNIONSTORE", f"d:{number}:{i}", "a", "b") == 300
                stored.append(f"d:{number}:{i}")
    except (OSError, EOFError):
        pass # the server has ended


def test_the_last_save_has_what_was_answered(start_server):
    """The persist thread saves alone while slow commands end."""
    server = start_server(slow_command_threshold=1, io_threads=4, save="3600 1")
    with server.connect(PATIENCE) as conn:
        fill_set(conn, "a", range(200))
        fill_set(conn, "b", range(100, 300))
        conn.cmd("DEBUG", "POPULATE", 300_000)
    stored = []
    threads = [threading.Thread(target=keep_storing, args=(server, i, stored)) for i in range(6)]
    for thread in threads:
        thread.start()
    assert wait_until(lambda: len(stored) > 50, PATIENCE)
    server.stop(PATIENCE)
    for thread in threads:
        thread.join()
    server.check()
    server.start()
    server.stopped = False
    with server.connect(PATIENCE) as conn:
        assert wait_until(lambda: conn.cmd("PING") == b"PONG", PATIENCE)
        assert [key for key in stored if not conn.cmd("EXISTS", key)] == []


def test_nothing_is_stored_during_a_pause(server):
    with server.connect(PATIENCE) as conn:
        fill_list(conn, "l")
        with start_slow(server, "SORT", "l", "ALPHA", "STORE", "d") as slow:
            assert conn.cmd("CLIENT", "PAUSE", 60_000, "WRITE") == b"OK"
            before = conn.cmd("EXISTS", "d")
            assert slow.read() == LARGE
            assert conn.cmd("EXISTS", "d") == before
        conn.cmd("CLIENT", "UNPAUSE")
