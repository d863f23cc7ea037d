"""The append-only log: its order, when replies leave, what happens when the disk is slow or broken."""
import os
import re
import subprocess
import threading
import time
from contextlib import nullcontext

import pytest

from lib.log_faults import POLICIES, fault, hanging, has_reply, info, is_misconf
from lib.resp import Error, encode
from lib.server import REDIS, Server
from lib.wait import wait_until

pytestmark = pytest.mark.tokamak


def start(start_server, **directives):
    return start_server(**{"appendonly": "yes", "io_threads": 4, **directives})


def limit_files(server, size):
    """No file of the server grows beyond that any more: what write(2) meets is real."""
    subprocess.run(["prlimit", f"--pid={server.pid}", f"--fsize={size}:unlimited"], check=True)


def aof_bytes(server):
    directory = os.path.join(server.dir, "appendonlydir")
    return sum(os.path.getsize(os.path.join(directory, name)) for name in os.listdir(directory))


def aof_files(server):
    return {name for name in os.listdir(os.path.join(server.dir, "appendonlydir")) if "manifest" not in name}


# ---- order ----


def write_mixed(server, seed):
    """What conflicts with the other clients in every command: the order in the log decides the result."""
    with server.connect() as conn:
        for i in range(400):
            n = (seed * 31 + i * 7) % 10
            batch = [["SET", f"s{n}", f"{seed}:{i}"], ["APPEND", f"a{n % 3}", f"{seed},"],
                     ["LPUSH", f"l{n % 3}", f"{seed}:{i}"], ["RPOPLPUSH", f"l{n % 3}", f"l{(n + 1) % 3}"],
                     ["HINCRBY", "h", f"f{n}", seed], ["SPOP", "set"], ["SADD", "set", f"{seed}:{i}"],
                     ["MULTI"], ["INCRBY", "i", seed], ["SET", f"m{n}", f"{seed}:{i}"], ["EXEC"],
                     ["SELECT", i % 3], ["SET", f"d{n}", f"{seed}:{i}"], ["SELECT", 0],
                     ["SET", f"x{n}", "v", "PX", 1 + i % 3], ["GET", f"x{(n + 3) % 10}"]]
            conn.send(b"".join(encode(command) for command in batch))
            for _ in batch:
                reply = conn.read()
                assert not isinstance(reply, Error), reply


def contents(conn):
    data = {}
    for db in range(3):
        conn.cmd("SELECT", db)
        for key in conn.cmd("KEYS", "[^x]*"):  # x…: they expire
            kind = conn.cmd("TYPE", key)
            read = {b"string": ["GET", key], b"list": ["LRANGE", key, 0, -1], b"set": ["SMEMBERS", key],
                    b"hash": ["HGETALL", key]}[bytes(kind)]
            value = conn.cmd(*read)
            data[db, key] = sorted(value) if kind == b"set" else value
    conn.cmd("SELECT", 0)
    return data


@pytest.mark.parametrize("policy", POLICIES)
def test_replay_gives_the_same_data(start_server, policy):
    """Four reactors, conflicting commands: redis-server loads the log and has the same."""
    server = start(start_server, appendfsync=policy, aof_timestamp_enabled="yes")
    workers = [threading.Thread(target=write_mixed, args=(server, seed)) for seed in range(1, 9)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with server.connect() as conn:
        ours = contents(conn)
    server.stop()
    path = os.path.join(server.dir, "appendonlydir")
    check = subprocess.run(["redis-check-aof", os.path.join(path, "appendonly.aof.manifest")],
                           capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stdout
    redis = Server({"appendonly": "yes", "dir": server.dir}, REDIS)
    try:
        with redis.connect() as conn:
            assert wait_until(lambda: not isinstance(conn.cmd("DBSIZE"), Error))
            theirs = contents(conn)
    finally:
        redis.finish()
    assert theirs == ours


def test_survives_a_kill(start_server):
    server = start(start_server)
    with server.connect() as conn:
        for i in range(200):
            assert conn.cmd("SET", f"k{i}", i) == b"OK"
        conn.cmd("SELECT", 2)
        conn.cmd("RPUSH", "list", "a", "b")
    server.process.kill()
    server.process.wait()
    server.start()
    with server.connect() as conn:
        assert wait_until(lambda: conn.cmd("DBSIZE") == 200)
        assert conn.cmd("GET", "k199") == b"199"
        conn.cmd("SELECT", 2)
        assert conn.cmd("LRANGE", "list", 0, -1) == [b"a", b"b"]


def test_served_waits_are_one_record(start_server):
    """What a blocked client takes is logged with the push, as one transaction."""
    server = start(start_server, appendfsync="always")
    with server.connect() as waiter, server.connect() as conn:
        waiter.send(encode(["BLPOP", "l", 0]))
        assert wait_until(lambda: b"blocked_clients:1" in conn.cmd("INFO", "clients"))
        assert conn.cmd("RPUSH", "l", "a", "b") == 2
        assert waiter.read() == [b"l", b"a"]
    server.stop()
    path = os.path.join(server.dir, "appendonlydir", "appendonly.aof.1.incr.aof")
    with open(path, "rb") as file:
        text = file.read()
    assert re.search(rb"MULTI\r\n.*RPUSH\r\n.*L?POP\r\n.*EXEC\r\n#CK", text, re.S), text


def test_nothing_is_logged_when_it_is_off(start_server):
    server = start_server(appendonly="no")
    with server.connect() as conn:
        conn.cmd("SET", "a", 1)
        assert info(conn, "aof_enabled") == b"0"
    assert not os.path.exists(os.path.join(server.dir, "appendonlydir"))


# ---- replies ----


def test_always_answers_after_the_sync(start_server):
    """A write, and a read of what it wrote, wait for the disk; other reads and PING do not."""
    server = start(start_server, appendfsync="always")
    with server.connect() as admin, server.connect() as writer, server.connect() as reader, \
            server.connect() as other, server.connect() as another:
        assert other.cmd("MSET", "here", "1", "there", "1") == b"OK"
        written = int(info(admin, "aof_writes"))
        with hanging(admin):
            writer.send(encode(["SET", "k", "v"]))
            assert wait_until(lambda: int(info(admin, "aof_writes")) > written)
            reader.send(encode(["GET", "k"]))
            assert admin.cmd("PING") == b"PONG"
            other.send(encode(["GET", "here"]))
            another.send(encode(["GET", "there"]))
            # One of them may happen to be in the shard of what was written.
            assert wait_until(lambda: b"1" in (has_reply(other, 0.1), has_reply(another, 0.1)))
            assert has_reply(writer, 0.05) is None and has_reply(reader, 0.05) is None
        assert reader.read() == b"v" and writer.read() == b"OK"


def test_commands_without_keys_wait_for_all(start_server):
    server = start(start_server, appendfsync="always")
    with server.connect() as admin, server.connect() as writer:
        readers = [server.connect() for _ in range(4)]
        with hanging(admin):
            writer.send(encode(["SET", "k", "v"]))
            assert wait_until(lambda: int(info(admin, "aof_writes")) >= 1)
            for reader, command in zip(readers, (["DBSIZE"], ["KEYS", "*"], ["SCAN", "0", "COUNT", "1000"],
                                                 ["RANDOMKEY"])):
                reader.send(encode(command))
            assert all(has_reply(reader, 0.05) is None for reader in readers)
        assert [reader.read() for reader in readers] == [1, [b"k"], [b"0", [b"k"]], b"k"]
        for reader in readers:
            reader.close()


def test_everysec_does_not_wait_for_a_slow_sync(start_server):
    server = start(start_server, appendfsync="everysec")
    with server.connect() as admin, server.connect() as writer:
        with hanging(admin):
            end, count = time.monotonic() + 2.5, 0
            while time.monotonic() < end or info(admin, "aof_pending_bio_fsync") == b"0":
                assert writer.cmd("INCR", "n") == count + 1
                count += 1
            assert writer.cmd("INCR", "n") == count + 1
        assert wait_until(lambda: info(admin, "aof_pending_bio_fsync") == b"0")


def test_a_waiting_connection_goes_on_executing(start_server):
    """Its replies wait, its commands do not; they come in order, and pushes wait with them."""
    server = start(start_server, appendfsync="always", notify_keyspace_events="KEA")
    with server.connect() as admin, server.connect() as conn, server.connect() as listener:
        listener.cmd("PSUBSCRIBE", "__keyspace*")
        with hanging(admin):
            conn.send(encode(["SET", "a", 1]))
            assert wait_until(lambda: int(info(admin, "aof_writes")) >= 1)
            conn.send(b"".join(encode(c) for c in (["INCR", "a"], ["PING"], ["GET", "a"], ["INCR", "a"])))
            assert wait_until(lambda: b"cmdstat_incr:calls=2," in admin.cmd("INFO", "commandstats"))
            assert has_reply(conn, 0.05) is None and has_reply(listener, 0.05) is None
        assert [conn.read() for _ in range(5)] == [b"OK", 2, b"PONG", b"2", 3]
        assert listener.read()[3] == b"set"


def test_large_values_wait_too(start_server):
    """Replies by reference stand behind marks like any other."""
    value = b"v" * 3_000_000
    server = start(start_server, appendfsync="always")
    with server.connect() as admin, server.connect() as conn:
        fault(admin, "SYNC-DELAY-US", 300_000)
        conn.send(encode(["SET", "k", value]) + encode(["GET", "k"]) + encode(["SET", "k", "x"]) +
                  encode(["GET", "k"]))
        assert [conn.read() for _ in range(4)] == [b"OK", value, b"OK", b"x"]
        fault(admin, "SYNC-DELAY-US", 0)


def test_effects_stay_when_nobody_is_answered(start_server):
    server = start(start_server, appendfsync="always")
    with server.connect() as quiet, server.connect() as conn:
        quiet.send(encode(["CLIENT", "REPLY", "OFF"]) + encode(["SET", "a", 1]))
        assert wait_until(lambda: conn.cmd("GET", "a") == b"1")
        gone = server.connect()
        gone.send(encode(["SET", "b", 2]))
        gone.close()
        assert wait_until(lambda: conn.cmd("GET", "b") == b"2")
    server.process.kill()
    server.process.wait()
    server.start()
    with server.connect() as conn:
        assert wait_until(lambda: conn.cmd("MGET", "a", "b") == [b"1", b"2"])


# ---- faults ----


@pytest.mark.parametrize("policy", POLICIES)
def test_full_disk(start_server, policy):
    """Writes are refused within a second, what was answered stays, reads go on, and it heals by itself."""
    before = [f"before{i}" for i in range(8)]
    server = start(start_server, appendfsync=policy)
    with server.connect() as conn, server.connect() as writer, server.connect() as reader:
        for key in before:
            assert conn.cmd("SET", key, "1") == b"OK"
        limit_files(server, aof_bytes(server) + 1000)
        writer.send(encode(["SET", "large", "v" * 5000]))
        assert wait_until(lambda: info(conn, "aof_last_write_status") == b"err")
        refused = conn.cmd("SET", "a", "1")
        assert is_misconf(refused), refused
        assert isinstance(conn.cmd("PING"), Error)
        replies = [reader.cmd("GET", key) for key in before]
        beside = [reply for reply in replies if is_misconf(reply)]  # happen to be in the shard of `large`
        assert len(beside) <= 2 and replies.count(b"1") + len(beside) == len(before), replies
        unsafe = reader.cmd("GET", "large")
        assert is_misconf(unsafe), unsafe
        assert has_reply(writer, 0.3) is None
        limit_files(server, "unlimited")
        assert writer.read() == b"OK"
        assert wait_until(lambda: conn.cmd("SET", "a", "1") == b"OK")
        assert reader.cmd("STRLEN", "large") == 5000
    server.process.kill()
    server.process.wait()
    server.start()
    with server.connect() as conn:
        assert wait_until(lambda: conn.cmd("MGET", *before, "a") == [b"1"] * 9)
        assert conn.cmd("STRLEN", "large") == 5000


def test_nothing_expires_while_writes_are_refused(start_server):
    server = start(start_server)
    with server.connect() as conn, server.connect() as writer:
        conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 0)  # not before, however long that takes
        assert conn.cmd("SET", "k", "v", "PX", 400) == b"OK"
        limit_files(server, aof_bytes(server) + 10)
        writer.send(encode(["SET", "large", "v" * 5000]))
        assert wait_until(lambda: info(conn, "aof_last_write_status") == b"err")
        buffered = info(conn, "aof_buffer_length")
        assert conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 1) == b"OK"
        time.sleep(0.6)
        assert conn.cmd("EXISTS", "k") == 0
        assert info(conn, "aof_buffer_length") == buffered
        limit_files(server, "unlimited")
        assert writer.read() == b"OK"
        assert wait_until(lambda: conn.cmd("DBSIZE") == 1)


def test_room_is_made_before_anything_waits_in_locks(start_server):
    """More than fits the buffers while a sync is slow: writers wait, readers do not, nothing is lost."""
    server = start(start_server, appendfsync="always")
    value = b"v" * (4 << 20)
    with server.connect(60) as admin:
        writers = [server.connect(60) for _ in range(30)]
        with hanging(admin):
            for i, writer in enumerate(writers):
                writer.send(encode(["SET", f"k{i}", value]))
            assert wait_until(lambda: int(info(admin, "aof_buffer_length")) > 60 << 20)
            time.sleep(0.5)  # more would come now
            assert int(info(admin, "aof_buffer_length")) < (64 << 20) + 5 * len(value)
            assert b"db0:keys=" in admin.cmd("INFO", "keyspace")
        assert [writer.read() for writer in writers] == [b"OK"] * 30
        assert admin.cmd("DBSIZE") == 30
        for writer in writers:
            writer.close()


@pytest.mark.parametrize("policy", ("always", "everysec"))
def test_failed_sync_needs_a_rewrite(start_server, policy):
    """Nobody knows what the disk has: writes are refused until all is in new files, which is tried by itself."""
    server = start(start_server, appendfsync=policy)
    with server.connect() as conn, server.connect() as writer:
        assert conn.cmd("SET", "before", "1") == b"OK"
        assert conn.cmd("WAITAOF", 1, 0, 0) == [1, 0]
        old = aof_files(server)
        fault(conn, "SYNC-ERROR", 5)
        blocked = os.path.join(server.dir, "appendonlydir")
        os.rename(blocked, blocked + ".away")
        with open(blocked, "wb"):  # in the way of every rewrite
            pass
        writer.send(encode(["SET", "k", "v"]))
        assert wait_until(lambda: info(conn, "aof_last_write_status") == b"err")
        fault(conn, "SYNC-ERROR", 0)
        assert wait_until(lambda: int(info(conn, "aof_rewrites_consecutive_failures")) >= 1, 20)
        refused = conn.cmd("SET", "a", "1")
        assert is_misconf(refused), refused
        assert conn.cmd("GET", "before") == b"1"
        os.unlink(blocked)
        os.rename(blocked + ".away", blocked)
        assert wait_until(lambda: conn.cmd("SET", "a", "1") == b"OK", 30)
        assert writer.read() == b"OK"
        assert wait_until(lambda: int(info(conn, "aof_rewrites")) >= 1)
        assert not old & aof_files(server)
    server.process.kill()
    server.process.wait()
    server.start()
    with server.connect() as conn:
        assert wait_until(lambda: conn.cmd("MGET", "before", "k", "a") == [b"1", b"v", b"1"])


def test_answers_across_a_rewrite(start_server):
    """A rewrite under load, then a kill: every answer holds."""
    server = start(start_server, appendfsync="always")
    stop, counts = threading.Event(), {}

    def count_up(name):
        with server.connect() as conn:
            counts[name] = 0
            while not stop.is_set():
                assert conn.cmd("INCR", name) == counts[name] + 1
                counts[name] += 1

    writers = [threading.Thread(target=count_up, args=(f"n{i}",)) for i in range(4)]
    for writer in writers:
        writer.start()
    with server.connect() as conn:
        for done in range(3):
            assert not isinstance(conn.cmd("BGREWRITEAOF"), Error)
            assert wait_until(lambda n=done: int(info(conn, "aof_rewrites")) > n, 20)
    stop.set()
    for writer in writers:
        writer.join()
    server.process.kill()
    server.process.wait()
    server.start()
    with server.connect() as conn:
        assert wait_until(lambda: conn.cmd("DBSIZE") == 4)
        assert {name: int(conn.cmd("GET", name)) for name in counts} == counts


@pytest.mark.parametrize("policy", ("always", "everysec"))
def test_turned_off_and_on(start_server, policy):
    """appendonly at run time: on means a rewrite first, off means nobody waits for anything."""
    server = start_server(appendonly="no", appendfsync=policy, io_threads=4)
    with server.connect() as conn:
        conn.cmd("SET", "a", 1)
        for i in range(3):
            assert conn.cmd("CONFIG", "SET", "appendonly", "yes") == b"OK"
            assert conn.cmd("SET", "b", i) == b"OK"
            assert wait_until(lambda n=i: int(info(conn, "aof_rewrites")) > n, 20)
            assert conn.cmd("SET", "c", i) == b"OK" and conn.cmd("WAITAOF", 1, 0, 0) == [1, 0]
            assert conn.cmd("CONFIG", "SET", "appendonly", "no") == b"OK"
            assert conn.cmd("SET", "d", i) == b"OK"
        assert conn.cmd("CONFIG", "SET", "appendonly", "yes") == b"OK"
        assert wait_until(lambda: int(info(conn, "aof_rewrites")) > 3, 20)
    server.process.kill()
    server.process.wait()
    server.directives["appendonly"] = "yes"
    server.start()
    with server.connect() as conn:
        assert wait_until(lambda: conn.cmd("MGET", "a", "b", "c", "d") == [b"1", b"2", b"2", b"2"])


# ---- WAITAOF ----


def test_waitaof_arguments(start_server):
    server = start_server(appendonly="no")
    with server.connect() as conn:
        for arguments, text in (((1, 0, 0), b"ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."),
                                ((2, 0, 0), b"ERR value is out of range, value must between 0 and 1"),
                                ((0, -1, 0), b"ERR value is out of range, must be positive"),
                                ((0, "x", 0), b"ERR value is out of range, must be positive"),
                                (("x", 0, 0), b"ERR value is not an integer or out of range"),
                                ((0, 0, -1), b"ERR timeout is negative"),
                                ((0, 0, "x"), b"ERR timeout is not an integer or out of range")):
            reply = conn.cmd("WAITAOF", *arguments)
            assert isinstance(reply, Error) and reply == text, (arguments, reply)
        assert conn.cmd("WAITAOF", 0, 0, 0) == [0, 0]
        assert conn.cmd("WAITAOF", 0, 1, 10) == [0, 0]


@pytest.mark.parametrize("policy", ("always", "everysec"))
def test_waitaof_waits_for_the_sync(start_server, policy):
    server = start(start_server, appendfsync=policy)
    with server.connect() as conn, server.connect() as admin:
        assert conn.cmd("WAITAOF", 1, 0, 0) == [1, 0]
        with hanging(admin) if policy == "everysec" else nullcontext():
            conn.cmd("SET", "a", 1)
            assert conn.cmd("WAITAOF", 1, 1, 10)[1] == 0  # there is no replica
            conn.send(encode(["WAITAOF", 1, 0, 0]))
            assert policy == "always" or has_reply(conn, 0.1) is None
        assert conn.read() == [1, 0]
        conn.cmd("MULTI")
        conn.cmd("WAITAOF", 1, 1, 0)
        assert conn.cmd("EXEC") == [[1, 0]]


def test_waitaof_times_out(start_server):
    server = start(start_server, appendfsync="no")
    with server.connect() as conn:
        conn.cmd("SET", "a", 1)
        assert conn.cmd("WAITAOF", 1, 0, 50) == [0, 0]
        assert conn.cmd("CLIENT", "ID") > 0


# ---- the end ----


@pytest.mark.parametrize("policy", POLICIES)
def test_stop_answers_and_keeps_all(start_server, policy):
    server = start(start_server, appendfsync=policy)
    conns = [server.connect() for _ in range(10)]
    with server.connect() as admin:
        fault(admin, "SYNC-DELAY-US", 200_000)
    for i, conn in enumerate(conns):
        conn.send(encode(["SET", f"k{i}", i]))
    with server.connect() as admin:
        assert wait_until(lambda: b"db0:keys=10," in admin.cmd("INFO", "keyspace"))
    server.stop()
    for conn in conns:
        assert conn.read() == b"OK"
        conn.close()
    server.start()
    with server.connect() as conn:
        assert wait_until(lambda: conn.cmd("DBSIZE") == 10)
