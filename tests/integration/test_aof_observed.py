"""Nothing that tells of a change leaves before the change is safe, and nobody is answered twice, or not at all."""
import os
import time

import pytest

from lib.log_faults import MISCONF, fault, hanging, has_reply, info
from lib.resp import Error, encode
from lib.wait import wait_until
from .test_aof_log import aof_bytes, limit_files, start

pytestmark = pytest.mark.tokamak

TELLING = {
    "pipeline": [["SET", "k", "v"], ["PUBLISH", "news", "k"]],
    "reader": [["GET", "k"], ["PUBLISH", "news", "k"]],
    "exec": [["MULTI"], ["SET", "k", "v"], ["PUBLISH", "news", "k"], ["EXEC"]],
    "script": [["EVAL", "redis.call('SET', KEYS[1], 'v') redis.call('PUBLISH', 'news', KEYS[1])", 1, "k"]],
    "sharded": [["SET", "k", "v"], ["SPUBLISH", "news", "k"]],
}


@pytest.mark.parametrize("how", TELLING)
def test_messages_wait_for_what_their_sender_saw(start_server, how):
    """As in Redis, which writes its log before it writes to any client: who hears of a change finds it after a crash."""
    server = start(start_server, appendfsync="always")
    with server.connect() as admin, server.connect() as conn, server.connect() as listener, \
            server.connect() as writer:
        listener.cmd("SSUBSCRIBE" if how == "sharded" else "SUBSCRIBE", "news")
        admin.cmd("SCRIPT", "LOAD", "return 1")
        with hanging(admin):
            if how == "reader":
                writer.send(encode(["SET", "k", "v"]))
                assert wait_until(lambda: int(info(admin, "aof_writes")) >= 1)
            conn.send(b"".join(encode(c) for c in TELLING[how]))
            assert has_reply(listener, 0.5) is None
        assert listener.read()[2] == b"k"


@pytest.mark.parametrize("how", ("alone", "exec", "script"))
def test_monitors_wait_for_the_change(start_server, how):
    server = start(start_server, appendfsync="always")
    with server.connect() as admin, server.connect() as conn, server.connect() as monitor:
        conn.cmd("PING")
        assert monitor.cmd("MONITOR") == b"OK"
        commands = {"alone": [["SET", "k", "v"]], "exec": [["MULTI"], ["SET", "k", "v"], ["EXEC"]],
                    "script": [["EVAL", "redis.call('SET', KEYS[1], 'v')", 1, "k"]]}
        with hanging(admin):
            conn.send(b"".join(encode(c) for c in commands[how]))
            while line := has_reply(monitor, 0.5):
                assert b'"SET"' not in line
        while b'"SET"' not in (line := monitor.read()):
            pass
        assert b'"k" "v"' in line


def test_a_waiting_reader_is_answered_once(start_server):
    """A read of what is not safe is refused while writes fail; one that begins to wait has read nothing."""
    server = start(start_server)
    with server.connect() as conn, server.connect() as writer, server.connect() as reader:
        limit_files(server, aof_bytes(server) + 1000)
        writer.send(encode(["XADD", "s", "1-1", "f", "v" * 5000]))
        assert wait_until(lambda: info(conn, "aof_last_write_status") == b"err")
        refused = reader.cmd("XREAD", "STREAMS", "s", "0")
        assert isinstance(refused, Error) and refused.startswith(MISCONF), refused
        reader.send(encode(["XREAD", "BLOCK", 0, "STREAMS", "s", "$"]))
        assert wait_until(lambda: b"blocked_clients:1\r" in conn.cmd("INFO", "clients"))
        limit_files(server, "unlimited")
        assert writer.read() == b"1-1"
        assert wait_until(lambda: conn.cmd("PING") == b"PONG")
        assert conn.cmd("XADD", "s", "1-2", "f", "v") == b"1-2"
        assert reader.read() == [[b"s", [[b"1-2", [b"f", b"v"]]]]]
        assert reader.cmd("ECHO", "mine") == b"mine"


def test_who_waits_for_room_hears_of_a_failure(start_server):
    """A full disk is answered within a second also to those who waited for room in the buffers before."""
    server = start(start_server, appendfsync="always")
    value = b"v" * (4 << 20)
    with server.connect(60) as admin:
        writers = [server.connect(60) for _ in range(30)]
        with hanging(admin):
            writers[0].send(encode(["SET", "first", "1"]))
            assert wait_until(lambda: int(info(admin, "aof_writes")) >= 1)
            limit_files(server, aof_bytes(server) + 1000)
            for i, writer in enumerate(writers):
                writer.send(encode(["SET", f"k{i}", value]))
            assert wait_until(lambda: int(info(admin, "aof_buffer_length")) > 64 << 20)
        assert wait_until(lambda: info(admin, "aof_last_write_status") == b"err")
        refused = []

        def some_are_refused():
            refused.extend(reply for writer in writers[1:] if (reply := has_reply(writer, 0.02)) is not None)
            return len(refused) >= 5
        assert wait_until(some_are_refused) and all(reply.startswith(MISCONF) for reply in refused), refused
        limit_files(server, "unlimited")
        assert wait_until(lambda: admin.cmd("SET", "after", "1") == b"OK")
        for writer in writers:
            writer.close()


def test_scripts_wait_for_room_too(start_server):
    server = start(start_server, appendfsync="always", lua_time_limit=0)
    value = b"v" * (4 << 20)
    with server.connect(60) as admin:
        fault(admin, "SYNC-DELAY-US", 3_000_000)
        writers = [server.connect(60) for _ in range(40)]
        for i, writer in enumerate(writers):
            writer.send(encode(["EVAL", "return redis.call('SET', KEYS[1], ARGV[1])", 1, f"k{i}", value]))
        time.sleep(1.5)
        assert int(info(admin, "aof_buffer_length")) < (64 << 20) + 5 * len(value)
        fault(admin, "SYNC-DELAY-US", 0)
        assert [writer.read() for writer in writers] == [b"OK"] * 40
        for writer in writers:
            writer.close()


def test_remembered_counts_are_replayed(start_server):
    """PFCOUNT only reads, by its flags, but changes the value's bytes: others may copy or combine them."""
    server = start(start_server)
    with server.connect() as conn:
        conn.cmd("PFADD", "p", "a", "b", "c")
        assert conn.cmd("PFCOUNT", "p") == 3
        conn.cmd("BITOP", "NOT", "n", "p")
        before = [conn.cmd("GET", "p"), conn.cmd("GET", "n")]
    server.process.kill()
    server.process.wait()
    server.start()
    with server.connect() as conn:
        assert wait_until(lambda: conn.cmd("DBSIZE") == 2)
        assert [conn.cmd("GET", "p"), conn.cmd("GET", "n")] == before


def test_turned_off_and_on_while_the_base_takes_its_place(start_server):
    """It is on again only when a rewrite of its own has succeeded, not by the one that was too late."""
    server = start_server(appendonly="no", io_threads=2)
    folder = os.path.join(server.dir, "appendonlydir")
    with server.connect() as conn:
        for i in range(10):
            before = set(os.listdir(folder)) if i else set()
            conn.cmd("SET", "k", i)
            assert conn.cmd("CONFIG", "SET", "appendonly", "yes") == b"OK"
            end = time.monotonic() + 20
            while time.monotonic() < end and not any(
                    ".base." in name and "temp" not in name
                    for name in set(os.listdir(folder) if os.path.isdir(folder) else ()) - before):
                pass
            assert conn.cmd("CONFIG", "SET", "appendonly", "no") == b"OK"
            assert conn.cmd("CONFIG", "SET", "appendonly", "yes") == b"OK"
            assert conn.cmd("SET", "k", i) == b"OK"
            assert wait_until(lambda: conn.cmd("WAITAOF", 1, 0, 0) == [1, 0]
                              and int(info(conn, "aof_buffer_length")) == 0
                              and info(conn, "aof_rewrite_in_progress") == b"0")
            writes = int(info(conn, "aof_writes"))
            assert wait_until(lambda: conn.cmd("SET", "k", i) == b"OK"
                              and int(info(conn, "aof_writes")) > writes, 10), i
            assert conn.cmd("CONFIG", "SET", "appendonly", "no") == b"OK"
            assert wait_until(lambda: info(conn, "aof_rewrite_in_progress") == b"0")


def test_waitaof_waits_until_the_log_is_on(start_server):
    """What a start would not load is not durable; and who waits when the log is turned off is told."""
    server = start_server(appendonly="no", appendfsync="always", rdb_key_save_delay=20000, io_threads=2)
    with server.connect() as conn, server.connect() as waiter:
        for i in range(100):
            conn.cmd("SET", f"k{i}", i)
        assert conn.cmd("CONFIG", "SET", "appendonly", "yes") == b"OK"
        assert wait_until(lambda: waiter.cmd("SET", "a", 1) == b"OK" and int(info(conn, "aof_fsyncs")) > 0)
        waiter.send(encode(["WAITAOF", 1, 0, 0]))
        assert has_reply(waiter, 0.3) is None
        assert conn.cmd("CONFIG", "SET", "appendonly", "no") == b"OK"
        told = waiter.read()
        assert isinstance(told, Error) and b"appendonly is disabled" in told, told
        assert conn.cmd("CONFIG", "SET", "rdb-key-save-delay", 2000) == b"OK"
        assert conn.cmd("CONFIG", "SET", "appendonly", "yes") == b"OK"
        assert waiter.cmd("WAITAOF", 1, 0, 0) == [1, 0]
        assert wait_until(lambda: info(conn, "aof_rewrites") == b"1")
