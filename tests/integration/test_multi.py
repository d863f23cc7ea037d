"""Transactions: wire replies in both protocols, every way a watched key changes, one unit across reactors."""
import random
import threading
import time

import pytest
import redis

from lib.resp import INCOMPLETE, Error, NullArray, Reader, encode
from lib.wait import wait_until

QUEUED, OK = b"QUEUED", b"OK"
ABORTED = Error(b"EXECABORT Transaction discarded because of previous errors.")
WRONGTYPE = Error(b"WRONGTYPE Operation against a key holding the wrong kind of value")


def block(conn, *commands):
    """MULTI, the commands, EXEC; EXEC's reply."""
    assert conn.cmd("MULTI") == OK
    for command in commands:
        assert conn.cmd(*command) == QUEUED, command
    return conn.cmd("EXEC")


def info(conn, field):
    text = conn.cmd("INFO", "clients").decode()
    return int(next(line.split(":")[1] for line in text.split("\r\n") if line.startswith(field + ":")))


def client_fields(conn, client_id):
    line = conn.cmd("CLIENT", "LIST", "ID", client_id).decode().split()
    return dict(field.split("=", 1) for field in line)


@pytest.mark.smoke
def test_commands_run_together(conn):
    reply = block(conn, ("SET", "a", 1), ("INCR", "a"), ("LPUSH", "l", "x", "y"), ("GET", "none"), ("LRANGE", "l", 0, -1))
    assert reply == [OK, 2, 2, None, [b"y", b"x"]]
    assert block(conn) == []
    assert conn.cmd("GET", "a") == b"2"


def test_nothing_runs_before_exec_or_after_discard(server):
    with server.connect() as a, server.connect() as b:
        a.cmd("MULTI")
        a.cmd("SET", "k", "v")
        assert b.cmd("EXISTS", "k") == 0
        assert a.cmd("DISCARD") == OK
        assert a.cmd("GET", "k") is None
        assert a.cmd("DISCARD") == Error(b"ERR DISCARD without MULTI")
        assert a.cmd("EXEC") == Error(b"ERR EXEC without MULTI")


def test_errors_while_running_do_not_stop_the_others(conn):
    conn.cmd("SET", "s", "text")
    assert block(conn, ("LPUSH", "s", 1), ("INCR", "s"), ("APPEND", "s", "!")) == [
        WRONGTYPE, Error(b"ERR value is not an integer or out of range"), 5]


@pytest.mark.parametrize("bad", [("GET",), ("NOSUCH",), ("CLIENT", "NOSUCH"), ("OBJECT",), ("SHUTDOWN", "NOSAVE"),
                                 ("DISCARD", 1)])
def test_a_refused_command_aborts(conn, bad):
    conn.cmd("MULTI")
    conn.cmd("SET", "k", 1)
    assert isinstance(conn.cmd(*bad), Error)
    assert conn.cmd("SET", "k", 2) == QUEUED
    assert conn.cmd("EXEC") == ABORTED
    assert conn.cmd("EXISTS", "k") == 0
    assert conn.cmd("EXEC") == Error(b"ERR EXEC without MULTI")


def test_a_refused_exec_discards(conn):
    text = Error(b"EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command")
    conn.cmd("WATCH", "k")
    conn.cmd("MULTI")
    conn.cmd("SET", "k", 1)
    assert conn.cmd("EXEC", "now") == text
    assert conn.cmd("SET", "k", 2) == OK
    assert conn.cmd("EXEC", "now") == text
    assert block(conn, ("GET", "k")) == [b"2"]


def test_multi_and_watch_inside_multi_are_errors_but_do_not_abort(conn):
    conn.cmd("MULTI")
    assert conn.cmd("MULTI") == Error(b"ERR MULTI calls can not be nested")
    assert conn.cmd("WATCH", "k") == Error(b"ERR WATCH inside MULTI is not allowed")
    assert conn.cmd("PING") == QUEUED
    assert conn.cmd("EXEC") == [b"PONG"]


def test_not_allowed_in_multi(conn):
    conn.cmd("MULTI")
    assert conn.cmd("SHUTDOWN") == Error(b"ERR Command not allowed inside a transaction")


def test_debug_that_is_not_allowed_aborts(start_server):
    with start_server(enable_debug_command="no").connect() as conn:
        conn.cmd("MULTI")
        assert conn.cmd("DEBUG", "JMAP").startswith(b"ERR DEBUG command not allowed.")
        assert conn.cmd("EXEC") == ABORTED


def test_noauth_in_exec(start_server):
    with start_server(requirepass="secret").connect() as conn:
        assert conn.cmd("MULTI") == Error(b"NOAUTH Authentication required.")
        assert conn.cmd("EXEC") == Error(b"EXECABORT Transaction discarded because of: NOAUTH Authentication required.")


def test_quit_and_reset_are_not_queued(server):
    with server.connect() as conn:
        conn.cmd("WATCH", "k")
        conn.cmd("MULTI")
        conn.cmd("SET", "k", 1)
        assert conn.cmd("RESET") == b"RESET"
        assert conn.cmd("EXEC") == Error(b"ERR EXEC without MULTI")
        assert info(conn, "watching_clients") == 0
        conn.cmd("MULTI")
        assert conn.cmd("QUIT") == OK
        with pytest.raises(ConnectionError):
            conn.cmd("PING")


def test_select_changes_the_database_of_what_follows(conn):
    assert block(conn, ("SET", "k", 0), ("SELECT", 3), ("SET", "k", 3), ("SELECT", 99), ("GET", "k")) == [
        OK, OK, OK, Error(b"ERR DB index is out of range"), b"3"]
    assert conn.cmd("GET", "k") == b"3"
    conn.cmd("SELECT", 0)
    assert conn.cmd("GET", "k") == b"0"


def test_resp3(conn):
    conn.cmd("HELLO", 3)
    conn.cmd("HSET", "h", "f", "v")
    conn.send(b"".join(map(encode, [["MULTI"], ["HGETALL", "h"], ["GET", "none"], ["HELLO", 2], ["GET", "none"], ["EXEC"]])))
    assert [conn.read() for _ in range(5)] == [OK] + [QUEUED] * 4
    raw = conn.raw(b"$-1\r\n")
    assert raw.startswith(b"*4\r\n%1\r\n$1\r\nf\r\n$1\r\nv\r\n_\r\n*14\r\n")


@pytest.mark.parametrize("commands", [
    ["MULTI", "PING 1", "CLIENT REPLY OFF", "PING 2", "CLIENT REPLY ON", "PING 3", "EXEC", "PING 4"],
    ["MULTI", "PING 1", "CLIENT REPLY SKIP", "PING 2", "EXEC", "PING skipped", "PING 4"],
    ["CLIENT REPLY OFF", "MULTI", "PING 1", "CLIENT REPLY ON", "PING 2", "EXEC", "PING 4"],
    ["CLIENT REPLY SKIP", "MULTI", "PING 1", "CLIENT REPLY SKIP", "EXEC", "PING 3", "PING 4"],
    ["MULTI", "CLIENT REPLY SKIP", "CLIENT REPLY SKIP", "CLIENT REPLY NO", "EXEC", "PING 3", "PING 4"],
    ["WATCH k", "SET k 1", "CLIENT REPLY SKIP", "MULTI", "PING", "CLIENT REPLY OFF", "EXEC", "PING 4"],
])
def test_client_reply_leaves_the_same_bytes(server, oracle, commands):
    def talk(one):
        with one.connect() as conn:
            conn.send(b"".join(encode(command.split()) for command in commands))
            return conn.raw(b"$1\r\n4\r\n")

    assert talk(server) == talk(oracle)


# ---- WATCH ----

CHANGES = {
    "set": [("SET", "k", "new")],
    "same value": [("SET", "k", "old")],
    "there and back": [("SET", "k", "x"), ("SET", "k", "old")],
    "delete": [("DEL", "k")],
    "unlink": [("UNLINK", "k")],
    "expire": [("EXPIRE", "k", 1000)],
    "past": [("EXPIREAT", "k", 1)],
    "rename away": [("RENAME", "k", "k2")],
    "rename onto": [("SET", "k2", 1), ("RENAME", "k2", "k")],
    "copy onto": [("SET", "k2", 1), ("COPY", "k2", "k", "REPLACE")],
    "move away": [("MOVE", "k", 5)],
    "flushall": [("FLUSHALL",)],
    "flushdb": [("FLUSHDB",)],
    "swapdb": [("SWAPDB", 0, 1)],
    "store": [("SUNIONSTORE", "k", "none")],
    "in exec": [("MULTI",), ("APPEND", "k", "x"), ("EXEC",)],
}
NO_CHANGES = {
    "read": [("GET", "k"), ("TTL", "k"), ("TYPE", "k"), ("TOUCH", "k")],
    "refused": [("LPUSH", "k", 1), ("SETNX", "k", 1), ("SET", "k", 1, "NX"), ("PERSIST", "k")],
    "other key": [("SET", "k2", 1), ("DEL", "k2")],
    "other database": [("SELECT", 4), ("SET", "k", 1), ("FLUSHDB",)],
    "swap of others": [("SWAPDB", 2, 3), ("SWAPDB", 0, 0)],
    "aborted": [("MULTI",), ("SET", "k", 1), ("GET",), ("EXEC",)],
}


@pytest.mark.smoke
@pytest.mark.parametrize("by_itself", [False, True])
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_fails_exec(server, name, by_itself):
    with server.connect() as a, server.connect() as b:
        a.cmd("SET", "k", "old")
        a.cmd("WATCH", "other", "k", "more")
        for command in CHANGES[name]:
            (a if by_itself and command[0] not in ("MULTI", "EXEC", "APPEND") else b).cmd(*command)
        assert block(a, ("SET", "done", 1)) == NullArray()
        assert a.cmd("EXISTS", "done") == 0
        assert block(a, ("SET", "done", 1)) == [OK]
        assert info(a, "watching_clients") == 0 and info(a, "total_watched_keys") == 0


@pytest.mark.parametrize("name", NO_CHANGES)
def test_no_change_lets_exec_run(server, name):
    with server.connect() as a, server.connect() as b:
        a.cmd("SET", "k", "old")
        a.cmd("WATCH", "k")
        for command in NO_CHANGES[name]:
            b.cmd(*command)
        assert block(a, ("SET", "done", 1)) == [OK]


def test_null_of_resp3(server):
    with server.connect() as a:
        a.cmd("HELLO", 3)
        a.cmd("WATCH", "k")
        a.cmd("SET", "k", 1)
        assert block(a, ("PING",)) is None


def test_unwatch_and_discard_forget(server):
    with server.connect() as a, server.connect() as b:
        for forget in (("UNWATCH",), ("RESET",)):
            a.cmd("WATCH", "k")
            b.cmd("SET", "k", 1)
            a.cmd(*forget)
            assert block(a, ("PING",)) == [b"PONG"]
        a.cmd("WATCH", "k")
        b.cmd("SET", "k", 2)
        a.cmd("MULTI")
        a.cmd("DISCARD")
        assert block(a, ("PING",)) == [b"PONG"]


def test_missing_key_that_appears(server):
    with server.connect() as a, server.connect() as b:
        a.cmd("WATCH", "none")
        b.cmd("SET", "none", 1)
        assert block(a, ("PING",)) == NullArray()
        a.cmd("WATCH", "none2")
        b.cmd("FLUSHALL")
        b.cmd("DEL", "none2")
        assert block(a, ("PING",)) == [b"PONG"]


def test_expiry_after_watch_fails_exec(conn):
    conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    conn.cmd("SET", "k", "v", "PX", 10)
    conn.cmd("WATCH", "k")
    time.sleep(0.03)
    assert block(conn, ("PING",)) == NullArray()


def test_expiry_by_the_timer_fails_exec(conn):
    conn.cmd("SET", "k", "v", "PX", 10)
    conn.cmd("WATCH", "k")
    assert wait_until(lambda: client_fields(conn, conn.cmd("CLIENT", "ID"))["flags"] == "d")
    assert block(conn, ("PING",)) == NullArray()


@pytest.mark.parametrize("then", [("EXISTS", "k"), ("DEL", "k"), ("FLUSHDB",), ("SWAPDB", 0, 1)])
def test_key_that_had_expired_before_watch(conn, then):
    """It was missing and still is: no change."""
    conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    conn.cmd("SET", "k", "v", "PX", 1)
    time.sleep(0.01)
    conn.cmd("WATCH", "k")
    conn.cmd(*then)
    assert block(conn, ("PING",)) == [b"PONG"]


@pytest.mark.parametrize("stale", [0, 1])
def test_swapdb_of_keys_that_have_expired(conn, stale):
    """A missing key whose place an expired one takes has not changed; a key that was alive and goes has."""
    conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    conn.cmd("SELECT", stale)
    conn.cmd("SET", "k", "v", "PX", 30)
    conn.cmd("SELECT", 0)
    conn.cmd("WATCH", "k")
    time.sleep(0.05)
    conn.cmd("SWAPDB", 0, 1)
    assert block(conn, ("PING",)) == ([b"PONG"] if stale else NullArray())


def test_eviction_fails_exec(start_server):
    with start_server(maxkeys=10, maxmemory_policy="allkeys-random").connect() as conn:
        keys = [b"k%d" % i for i in range(10)]
        for key in keys:
            conn.cmd("SET", key, 1)
        conn.cmd("WATCH", *keys)
        conn.cmd("SET", "one more", 1)
        assert block(conn, ("PING",)) == NullArray()


def test_full_memory_refuses_to_queue(start_server):
    oom = b"OOM command not allowed when used memory > 'maxmemory'."
    server = start_server()
    with server.connect() as conn:
        conn.cmd("SET", "big", b"x" * 1_000_000)
        conn.cmd("MULTI")
        conn.cmd("SET", "k", 1)
        with redis.Redis(port=server.port) as other:
            other.config_set("maxmemory", 1)
        assert conn.cmd("EXEC") == Error(b"EXECABORT Transaction discarded because of: " + oom)
        assert conn.cmd("EXEC") == Error(b"ERR EXEC without MULTI")
        conn.cmd("MULTI")
        assert conn.cmd("GET", "big") == Error(oom)
        assert conn.cmd("EXEC") == ABORTED


# ---- exclusive commands, walks, statistics ----

def test_exclusive_commands_and_walks_inside(conn):
    conn.cmd("MSET", "a", 1, "b", 2, "c", 3)
    reply = block(conn, ("KEYS", "*"), ("DBSIZE",), ("SWAPDB", 0, 1), ("DBSIZE",), ("SELECT", 1), ("DBSIZE",),
                  ("FLUSHALL",), ("SET", "x", 1), ("SCAN", 0), ("RANDOMKEY",))
    assert sorted(reply[0]) == [b"a", b"b", b"c"]
    assert reply[1:] == [3, OK, 0, OK, 3, OK, OK, [b"0", [b"x"]], b"x"]


def test_statistics_count_each_command(conn):
    conn.cmd("SET", "s", 1)
    conn.cmd("CONFIG", "RESETSTAT")
    block(conn, ("GET", "s"), ("LPUSH", "s", 1), ("GET", "s"))
    text = conn.cmd("INFO", "commandstats").decode()
    calls = {line.split(":")[0]: line for line in text.split("\r\n") if line.startswith("cmdstat")}
    assert "calls=2," in calls["cmdstat_get"] and "failed_calls=0" in calls["cmdstat_get"]
    assert "calls=1," in calls["cmdstat_lpush"] and "failed_calls=1" in calls["cmdstat_lpush"]
    assert "calls=1," in calls["cmdstat_exec"] and "failed_calls=0" in calls["cmdstat_exec"]
    assert "errorstat_WRONGTYPE:count=1" in conn.cmd("INFO", "errorstats").decode()


def test_client_list_and_info(server):
    with server.connect() as a, server.connect() as b:
        who = a.cmd("CLIENT", "ID")
        assert client_fields(b, who)["multi"] == "-1"
        a.cmd("WATCH", "x", "y", "x")
        b.cmd("WATCH", "y")
        assert client_fields(b, who)["watch"] == "2"
        assert info(b, "watching_clients") == 2 and info(b, "total_watched_keys") == 2
        a.cmd("MULTI")
        a.cmd("SET", "k", "v")
        fields = client_fields(b, who)
        assert fields["multi"] == "1" and fields["flags"] == "x" and int(fields["multi-mem"]) > 0
        b.cmd("SET", "x", 1)
        assert client_fields(b, who)["flags"] == "xd" and client_fields(b, who)["watch"] == "0"
        assert info(b, "watching_clients") == 1 and info(b, "total_watched_keys") == 1
        a.cmd("EXEC")
        fields = client_fields(b, who)
        assert (fields["multi"], fields["flags"], fields["watch"], fields["multi-mem"]) == ("-1", "N", "0", "0")


def test_a_disconnect_leaves_nothing_behind(server):
    with server.connect() as watcher:
        for i in range(50):
            with server.connect() as a:
                a.cmd("WATCH", "shared", f"own:{i}")
                a.cmd("MULTI")
                a.cmd("SET", "k", b"x" * 10_000)
        assert wait_until(lambda: info(watcher, "total_watched_keys") == 0 == info(watcher, "watching_clients"))
        assert watcher.cmd("SET", "shared", 1) == OK


def test_the_queue_counts_as_input(start_server):
    """Else MULTI would be a way around client-query-buffer-limit."""
    with start_server(client_query_buffer_limit="1mb").connect() as conn:
        conn.cmd("MULTI")
        with pytest.raises(ConnectionError):
            for _ in range(40):
                conn.cmd("SET", "k", b"x" * 50_000)


def test_held_by_client_pause(server):
    with server.connect() as a, server.connect() as b:
        a.cmd("MULTI")
        a.cmd("SET", "k", 1)
        b.cmd("CLIENT", "PAUSE", 60_000, "WRITE")
        assert block(b, ("GET", "k")) == [None]
        a.send(encode(["EXEC"]))
        assert wait_until(lambda: info(b, "blocked_clients") == 1)
        assert b.cmd("GET", "k") is None
        b.cmd("CLIENT", "UNPAUSE")
        assert a.read() == [OK]


# ---- effects ----

@pytest.mark.tokamak
def test_one_record(start_server, tmp_path):
    path = tmp_path / "effects"
    server = start_server(debug_effects_file=path)
    with server.connect() as conn:
        block(conn, ("SET", "a", 1), ("GET", "a"))
        block(conn, ("GET", "a"), ("DEL", "none"))
        block(conn, ("SET", "a", 2), ("SELECT", 2), ("SADD", "s", "m"), ("SPOP", "s"), ("SELECT", 0), ("INCR", "a"))
        block(conn, ("SELECT", 1), ("INCR", "a"), ("INCR", "b"), ("KEYS", "*"))
    server.stop()
    reader = Reader()
    reader.feed(path.read_bytes())
    commands = []
    while (command := reader.next()) is not INCOMPLETE:
        commands.append(b" ".join(command).decode())
    assert commands[:2] == ["SELECT 0", "SET a 1"]
    second = commands.index("MULTI")
    assert commands[2:second] == []
    assert commands[second:second + 9] == ["MULTI", "SET a 2", "SELECT 2", "SADD s m", commands[second + 4], "SELECT 0",
                                           "INCR a", "EXEC", commands[second + 8]]
    assert commands[second + 4] in ("SREM s m", "DEL s")
    assert commands[second + 8:] == ["SELECT 1", "MULTI", "INCR a", "INCR b", "EXEC"]


# ---- one unit ----

ACCOUNTS, CLIENTS, TRANSFERS, TOTAL = 12, 32, 40, 12_000


def transfer(client, rng):
    """Between two accounts, as redis-py's documentation has it: WATCH, read, MULTI, write, EXEC, or again."""
    source, target = rng.sample([f"account:{i}" for i in range(ACCOUNTS)], 2)
    retries = 0
    with client.pipeline() as pipe:
        while True:
            try:
                pipe.watch(source, target)
                have, amount = int(pipe.get(source)), rng.randint(1, 50)
                other = int(pipe.get(target))
                pipe.multi()
                if have >= amount:
                    pipe.set(source, have - amount)
                    pipe.set(target, other + amount)
                pipe.execute()
                return retries
            except redis.WatchError:
                retries += 1


def together(work, count=CLIENTS):
    """Runs work(i) in threads; the results, or the first failure."""
    results, failures = [], []

    def run(i):
        try:
            results.append(work(i))
        except Exception as failure:  # noqa: BLE001 — told by the test's own thread
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    return results


@pytest.fixture
def bank(start_server):
    server = start_server(io_threads=4)
    with redis.Redis(port=server.port) as client:
        client.mset({f"account:{i}": TOTAL // ACCOUNTS for i in range(ACCOUNTS)})
    return server


def test_bank_transfers_keep_the_total(bank):
    stop = threading.Event()

    def transfers(i):
        rng = random.Random(i)
        with redis.Redis(port=bank.port, socket_timeout=60) as client:
            return sum(transfer(client, rng) for _ in range(TRANSFERS))

    def audits():
        with redis.Redis(port=bank.port, socket_timeout=60) as client:
            while not stop.is_set():
                with client.pipeline(transaction=True) as pipe:
                    for i in range(ACCOUNTS):
                        pipe.get(f"account:{i}")
                    sums.append(sum(map(int, pipe.execute())))

    sums = []
    auditor = threading.Thread(target=audits)
    auditor.start()
    retries = together(transfers)
    stop.set()
    auditor.join()
    assert set(sums) == {TOTAL}
    with redis.Redis(port=bank.port) as client:
        assert sum(map(int, client.mget([f"account:{i}" for i in range(ACCOUNTS)]))) == TOTAL
        assert client.info("clients")["watching_clients"] == 0
        assert client.info("clients")["total_watched_keys"] == 0
    assert sum(retries) > 0, "no conflict: this proved nothing"


def test_watched_counters_lose_nothing(bank):
    """Exclusive commands, flushes of another database and disconnects while transactions run."""
    def count(i):
        rng = random.Random(i)
        with redis.Redis(port=bank.port, socket_timeout=60) as client:
            for step in range(TRANSFERS):
                with client.pipeline() as pipe:
                    while True:
                        try:
                            pipe.watch("counter")
                            value = int(pipe.get("counter") or 0)
                            pipe.multi()
                            pipe.set("counter", value + 1)
                            if rng.random() < 0.1:
                                pipe.dbsize()
                                pipe.keys("account:*")
                            pipe.execute()
                            break
                        except redis.WatchError:
                            pass
                if rng.random() < 0.2:
                    with redis.Redis(port=bank.port, db=1) as other:
                        pipe = other.pipeline()
                        pipe.watch("counter", *[f"k:{i}:{n}" for n in range(20)])
                        other.flushdb()
                        pipe.multi()
                        pipe.set("x", 1)
                        other.connection_pool.disconnect()
        return TRANSFERS

    assert sum(together(count, 16)) == 16 * TRANSFERS
    with redis.Redis(port=bank.port) as client:
        assert int(client.get("counter")) == 16 * TRANSFERS
