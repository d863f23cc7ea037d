"""SLOWLOG and COMMANDLOG: what is kept, in which form, and what nobody may read."""
import pytest

from lib.resp import Error
from lib.wait import wait_until


def log_everything(conn):
    conn.cmd("CONFIG", "SET", "slowlog-max-len", 1000, "slowlog-log-slower-than", 0)
    conn.cmd("SLOWLOG", "RESET")


def logged(conn, count=-1):
    """The arguments of the entries, oldest first, without what this function sends."""
    entries = [entry[3] for entry in reversed(conn.cmd("SLOWLOG", "GET", count))]
    return [args for args in entries if args[0].upper() != b"SLOWLOG"]


@pytest.mark.smoke
def test_an_entry(server, conn):
    conn.cmd("CLIENT", "SETNAME", "me")
    log_everything(conn)
    conn.cmd("SET", "key", "value")
    conn.cmd("PING")
    newest, older = conn.cmd("SLOWLOG", "GET", 2)
    assert [len(newest), newest[3]] == [6, [b"PING"]]
    number, when, micros, args, peer, name = older
    assert args == [b"SET", b"key", b"value"] and name == b"me"
    assert number == newest[0] - 1 and 0 <= micros < 20_000_000 and when > 1_600_000_000
    assert peer.startswith(b"127.0.0.1:")


def test_only_slow_commands_are_kept(conn):
    conn.cmd("CONFIG", "SET", "slowlog-log-slower-than", 300_000)
    conn.cmd("SLOWLOG", "RESET")
    conn.pipeline([["PING"], ["DEBUG", "SLEEP", "0.4"], ["PING"], ["SET", "a", "b"]])
    assert logged(conn) == [[b"DEBUG", b"SLEEP", b"0.4"]]
    conn.cmd("CONFIG", "SET", "slowlog-log-slower-than", -1)
    conn.cmd("DEBUG", "SLEEP", "0.01")
    assert conn.cmd("SLOWLOG", "LEN") == 1


def test_each_command_of_a_pipeline_is_timed_alone(conn):
    log_everything(conn)
    conn.pipeline([["GET", f"key{i}"] for i in range(20)])
    assert logged(conn) == [[b"GET", b"key%d" % i] for i in range(20)]


def test_long_arguments_and_long_vectors_are_cut(conn):
    log_everything(conn)
    conn.cmd("SADD", "set", *range(40))
    conn.cmd("SET", "key", "x" * 200)
    conn.cmd("SADD", "set", *range(30))
    cut, long, whole = logged(conn)
    assert len(cut) == 32 and cut[:31] == [b"SADD", b"set"] + [b"%d" % i for i in range(29)]
    assert cut[31] == b"... (11 more arguments)"
    assert long[2] == b"x" * 128 + b"... (72 more bytes)"
    assert len(whole) == 32 and whole[31] == b"29"


def test_count_and_errors(conn):
    log_everything(conn)
    for i in range(15):
        conn.cmd("PING", str(i))
    assert len(conn.cmd("SLOWLOG", "GET")) == 10
    assert len(conn.cmd("SLOWLOG", "GET", 3)) == 3
    assert len(conn.cmd("SLOWLOG", "GET", -1)) > 15
    assert conn.cmd("SLOWLOG", "GET", 0) == []
    for bad in "x", -2:
        assert conn.cmd("SLOWLOG", "GET", bad) == Error(b"ERR count should be greater than or equal to -1")
    assert conn.cmd("SLOWLOG", "GET", 1, 2) == Error(
        b"ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.")
    assert conn.cmd("SLOWLOG", "RESET") == b"OK"
    assert conn.cmd("SLOWLOG", "LEN") <= 1
    assert b"SLOWLOG <subcommand>" in conn.cmd("SLOWLOG", "HELP")[0]


def test_length_is_bounded_over_all_clients(server, conn):
    conn.cmd("CONFIG", "SET", "slowlog-max-len", 10, "slowlog-log-slower-than", 0)
    others = [server.connect() for _ in range(4)]
    for i in range(200):
        others[i % 4].cmd("PING", str(i))
    assert conn.cmd("SLOWLOG", "LEN") == 10
    entries = conn.cmd("SLOWLOG", "GET", -1)
    assert len(entries) == 10
    numbers = [entry[0] for entry in entries]
    assert numbers == sorted(numbers, reverse=True)
    assert [e[3] for e in entries if e[3][0] == b"PING"][:5] == [[b"PING", b"%d" % i] for i in range(199, 194, -1)]
    conn.cmd("CONFIG", "SET", "slowlog-max-len", 0)
    conn.cmd("SLOWLOG", "RESET")
    conn.cmd("PING")
    assert conn.cmd("SLOWLOG", "LEN") == 0
    for other in others:
        other.close()


def test_passwords_are_not_kept(conn):
    log_everything(conn)
    conn.cmd("CONFIG", "SET", "masterauth", "secret")
    conn.cmd("CONFIG", "SET", "maxmemory-samples", "7", "masterauth", "")
    conn.cmd("HELLO", "2", "AUTH", "nobody", "secret", "SETNAME", "x")
    conn.cmd("MIGRATE", "127.0.0.1", "1", "key", "9", "5000", "AUTH2", "user", "secret")
    shown = logged(conn)
    hidden = b"(redacted)"
    assert [b"CONFIG", b"SET", b"masterauth", hidden] in shown
    assert [b"CONFIG", b"SET", b"maxmemory-samples", b"7", b"masterauth", hidden] in shown
    assert [b"HELLO", b"2", b"AUTH", hidden, hidden, b"SETNAME", b"x"] in shown
    assert [b"MIGRATE", b"127.0.0.1", b"1", b"key", b"9", b"5000", b"AUTH2", hidden, hidden] in shown


def test_commands_of_a_transaction_are_kept_and_exec_is_not(conn):
    log_everything(conn)
    conn.pipeline([["MULTI"], ["SET", "a", "1"], ["INCR", "a"], ["EXEC"]])
    assert logged(conn) == [[b"MULTI"], [b"SET", b"a", b"1"], [b"INCR", b"a"]]


def test_a_command_that_waited_is_kept_when_it_is_served(server, conn):
    with server.connect() as waiter:
        waiter.cmd("CLIENT", "SETNAME", "waiter")
        log_everything(conn)
        waiter.send(b"*3\r\n$5\r\nBLPOP\r\n$4\r\nlist\r\n$1\r\n0\r\n")
        assert wait_until(lambda: b"blocked_clients:1" in conn.cmd("INFO", "clients"), 20)
        conn.cmd("RPUSH", "list", "x")
        assert waiter.read() == [b"list", b"x"]
        assert wait_until(lambda: [b"BLPOP", b"list", b"0"] in logged(conn), 20)
        entry = next(e for e in conn.cmd("SLOWLOG", "GET", -1) if e[3][0] == b"BLPOP")
        assert entry[5] == b"waiter"


# ---- COMMANDLOG ----

@pytest.mark.tokamak
def test_large_requests_and_replies(conn):
    conn.cmd("CONFIG", "SET", "commandlog-request-larger-than", 10_000, "commandlog-reply-larger-than", 20_000)
    conn.cmd("SET", "small", "x" * 9_000)
    conn.cmd("SET", "large", "x" * 12_000)
    conn.cmd("SET", "huge", "x" * 60_000)
    for key in "small", "large", "huge":
        conn.cmd("GET", key)
    requests = conn.cmd("COMMANDLOG", "GET", -1, "large-request")
    assert [e[3][1] for e in requests] == [b"huge", b"large"]
    assert [e[2] for e in requests] == [60_033, 12_034]
    replies = conn.cmd("COMMANDLOG", "GET", -1, "large-reply")
    assert [(e[3], e[2]) for e in replies] == [([b"GET", b"huge"], 60_010)]
    assert conn.cmd("COMMANDLOG", "LEN", "large-request") == 2
    conn.pipeline([["MULTI"], ["GET", "huge"], ["EXEC"]])
    assert conn.cmd("COMMANDLOG", "LEN", "large-reply") == 2
    assert conn.cmd("COMMANDLOG", "RESET", "large-reply") == b"OK"
    assert conn.cmd("COMMANDLOG", "LEN", "LARGE-REPLY") == 0
    assert conn.cmd("COMMANDLOG", "LEN", "large-request") == 2
    conn.cmd("CONFIG", "SET", "commandlog-reply-larger-than", -1)
    conn.cmd("GET", "huge")
    assert conn.cmd("COMMANDLOG", "LEN", "large-reply") == 0


@pytest.mark.tokamak
def test_commandlog_shares_the_slow_log(conn):
    conn.cmd("CONFIG", "SET", "commandlog-execution-slower-than", 0)
    conn.cmd("SLOWLOG", "RESET")
    conn.cmd("PING", "hello")
    assert [b"PING", b"hello"] in [e[3] for e in conn.cmd("COMMANDLOG", "GET", 5, "slow")]
    assert conn.cmd("CONFIG", "GET", "slowlog-log-slower-than") == [b"slowlog-log-slower-than", b"0"]
    assert conn.cmd("COMMANDLOG", "LEN", "quick") == Error(
        b"ERR type should be one of the following: slow, large-request, large-reply")
    assert conn.cmd("COMMANDLOG", "GET", "x", "slow") == Error(
        b"ERR count should be greater than or equal to -1")
    assert conn.cmd("COMMANDLOG", "GET") == Error(
        b"ERR wrong number of arguments for 'commandlog|get' command")


@pytest.mark.tokamak
def test_slow_commands_on_the_pool_are_kept(conn):
    conn.cmd("CONFIG", "SET", "slow-command-threshold", 10, "slowlog-log-slower-than", 0,
             "commandlog-reply-larger-than", 1000)
    conn.cmd("RPUSH", "list", *range(2000))
    conn.cmd("SLOWLOG", "RESET")
    assert len(conn.cmd("LRANGE", "list", 0, -1)) == 2000
    assert wait_until(lambda: [b"LRANGE", b"list", b"0", b"-1"] in logged(conn), 20)
    entry = next(e for e in conn.cmd("SLOWLOG", "GET", -1) if e[3][0] == b"LRANGE")
    assert entry[4].startswith(b"127.0.0.1:")
    assert conn.cmd("COMMANDLOG", "LEN", "large-reply") == 1
