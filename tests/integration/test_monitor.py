"""MONITOR: every command, once, in order, without passwords; and what a monitor may not do."""
import re
import threading

import pytest

from lib.resp import Error
from lib.wait import wait_until

LINE = re.compile(r"(\d+\.\d{6}) \[(\d+) (\S+)\] (.*)")


def monitor(server):
    conn = server.connect()
    assert conn.cmd("MONITOR") == b"OK"
    return conn


def read(conn, count):
    """(db, text) of the next lines."""
    lines = [LINE.fullmatch(conn.read().decode()) for _ in range(count)]
    return [(int(line[2]), line[4]) for line in lines]


@pytest.mark.smoke
def test_lines(server, conn):
    with monitor(server) as eye:
        conn.cmd("SELECT", "9")
        conn.cmd("Set", "foo", b"x\x00\n\"y\xff")
        conn.cmd("GET", "foo")
        assert read(eye, 3) == [(9, '"SELECT" "9"'), (9, '"Set" "foo" "x\\x00\\n\\"y\\xff"'), (9, '"GET" "foo"')]
        conn.cmd("PING")
        line = LINE.fullmatch(eye.read().decode())
        local = "%s:%d" % conn.sock.getsockname()
        assert line[3] == local and float(line[1]) > 1_600_000_000


def test_refused_and_administrative_commands_are_not_shown(server, conn):
    with monitor(server) as eye:
        conn.cmd("CONFIG", "GET", "maxmemory")
        conn.cmd("NONSENSE")
        conn.cmd("GET")
        conn.cmd("SLOWLOG", "LEN")
        conn.cmd("LPUSH", "list", "x")
        conn.cmd("GET", "list")  # fails, but it ran
        assert read(eye, 2) == [(0, '"LPUSH" "list" "x"'), (0, '"GET" "list"')]


def test_passwords_are_not_shown(server, conn):
    with monitor(server) as eye:
        conn.cmd("AUTH", "secret")
        conn.cmd("AUTH", "user", "secret")
        conn.cmd("HELLO", "2", "AUTH", "user", "secret")
        assert read(eye, 3) == [(0, '"AUTH" "(redacted)"'), (0, '"AUTH" "(redacted)" "(redacted)"'),
                                (0, '"HELLO" "2" "AUTH" "(redacted)" "(redacted)"')]


def test_a_transaction_is_shown_when_it_runs(server, conn):
    with monitor(server) as eye:
        conn.cmd("MULTI")
        conn.cmd("SET", "foo", "bar")
        conn.cmd("DISCARD")
        conn.pipeline([["MULTI"], ["INCR", "a"], ["INCR", "b"], ["EXEC"]])
        assert [text for _, text in read(eye, 6)] == [
            '"MULTI"', '"DISCARD"', '"MULTI"', '"INCR" "a"', '"INCR" "b"', '"EXEC"']


def test_a_command_that_waits_is_shown_once(server, conn):
    with monitor(server) as eye, server.connect() as waiter:
        waiter.send(b"*3\r\n$5\r\nBLPOP\r\n$1\r\nl\r\n$1\r\n0\r\n")
        assert read(eye, 1) == [(0, '"BLPOP" "l" "0"')]
        conn.cmd("LPUSH", "l", "x")
        assert waiter.read() == [b"l", b"x"]
        conn.cmd("PING")
        assert read(eye, 2) == [(0, '"LPUSH" "l" "x"'), (0, '"PING"')]


def test_what_a_monitor_may_do(server, conn):
    with monitor(server) as eye:
        refused = Error(b"ERR Replica can't interact with the keyspace")
        assert eye.cmd("GET", "foo") == refused and eye.cmd("SET", "foo", "bar") == refused
        assert b" flags=O " in conn.cmd("CLIENT", "LIST")
        assert eye.cmd("RESET") == b"RESET"
        conn.cmd("SET", "foo", "bar")
        assert eye.cmd("GET", "foo") == b"bar"
        assert b" flags=O " not in conn.cmd("CLIENT", "LIST")


def test_monitor_inside_multi(conn):
    conn.cmd("MULTI")
    conn.cmd("MONITOR")
    assert conn.cmd("EXEC") == [Error(b"ERR MONITOR isn't allowed for DENY BLOCKING client")]


def test_resp3(server, conn):
    eye = server.connect()
    eye.cmd("HELLO", "3")
    assert eye.cmd("MONITOR") == b"OK"
    conn.cmd("SET", "a", "b")
    assert read(eye, 1) == [(0, '"SET" "a" "b"')]
    eye.close()


@pytest.mark.tokamak
def test_slow_commands_are_shown(server, conn):
    conn.cmd("CONFIG", "SET", "slow-command-threshold", 10)
    conn.cmd("RPUSH", "list", *range(1000))
    with monitor(server) as eye:
        conn.cmd("LRANGE", "list", 0, -1)
        conn.cmd("PING")
        assert [text for _, text in read(eye, 2)] == ['"LRANGE" "list" "0" "-1"', '"PING"']


def test_killing_a_monitor(server, conn):
    eye = monitor(server)
    ids = [line.split()[0][3:] for line in conn.cmd("CLIENT", "LIST").splitlines() if b" flags=O " in line]
    assert conn.cmd("CLIENT", "KILL", "ID", ids[0]) == 1
    with pytest.raises((ConnectionError, EOFError)):
        while True:
            eye.read()
    conn.cmd("SET", "a", "b")
    assert conn.cmd("GET", "a") == b"b"


def test_a_monitor_that_does_not_read_is_closed(server, conn):
    conn.cmd("CONFIG", "SET", "client-output-buffer-limit", "normal 1000000 0 0")
    eye = monitor(server)
    value = "x" * 50_000
    assert wait_until(lambda: conn.cmd("SET", "key", value) and
                      b" flags=O " not in conn.cmd("CLIENT", "LIST"), 30)
    eye.close()


def test_order_on_one_key_over_many_clients(server):
    """What monitors see of one key is the order in which it happened."""
    clients, rounds = 6, 150
    with monitor(server) as eye, server.connect() as watcher:
        def work():
            with server.connect() as conn:
                for _ in range(rounds):
                    conn.cmd("APPEND", "log", "x")
                    results.append(conn.cmd("INCR", "counter"))

        results = []
        threads = [threading.Thread(target=work) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        watcher.cmd("GETSET", "counter", "end")
        seen = [text for _, text in read(eye, 2 * clients * rounds + 1)]
        assert sorted(results) == list(range(1, clients * rounds + 1))
        assert seen[-1] == '"GETSET" "counter" "end"'
        assert seen.count('"INCR" "counter"') == clients * rounds


def test_own_commands_are_seen_in_order(server):
    with monitor(server) as eye:
        eye.send(b"PING a\r\nPING b\r\n")
        texts = []
        while len([t for t in texts if not t.startswith(("a", "b"))]) < 2:
            texts.append(eye.read().decode())
        shown = [LINE.fullmatch(t)[4] for t in texts if LINE.fullmatch(t)]
        assert shown == ['"PING" "a"', '"PING" "b"']


def test_scripts_and_functions_are_shown_before_what_they_call(server, conn):
    conn.cmd("FUNCTION", "LOAD", "REPLACE", "#!lua name=lib\nredis.register_function('fn', "
             "function(keys) return redis.call('INCR', keys[1]) end)")
    script = "return redis.call('SET', KEYS[1], ARGV[1])"
    with monitor(server) as eye:
        conn.cmd("EVAL", script, 1, "foo", "1")
        conn.cmd("FCALL", "fn", 1, "foo")
        conn.cmd("FCALL", "missing", 1, "foo")
        conn.cmd("PING")
        lines = [LINE.fullmatch(eye.read().decode()) for _ in range(6)]
        assert [line[4] for line in lines] == [
            f'"EVAL" "{script}" "1" "foo" "1"', '"SET" "foo" "1"', '"FCALL" "fn" "1" "foo"', '"INCR" "foo"',
            '"FCALL" "missing" "1" "foo"', '"PING"']
        assert lines[1][3] == lines[3][3] == "lua" and lines[0][3] == lines[5][3] != "lua"
