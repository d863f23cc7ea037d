"""A disk that hangs stops nobody but those who need it: reads go on on every reactor, whatever the policy."""
import os
import time
from contextlib import contextmanager

import pytest

from lib.log_faults import POLICIES, fault, hanging, has_reply, info
from lib.resp import encode
from lib.wait import wait_until

pytestmark = pytest.mark.tokamak

LONG = 60
HANG_S = 4 if os.environ.get("TOKAMAK_LONG") else 1
READERS = 8  # on every reactor
KEYS = [f"read{i}" for i in range(6)]


@contextmanager
def hung(writer, admin, kind):
    """A write of the client, or its sync, hangs as long as the block runs; what is written or synced beside it does not."""
    syncs = int(info(admin, "aof_fsyncs"))
    with hanging(admin, kind):
        writer.send(encode(["SET", "written", "v" * 100]))
        assert wait_until(lambda: int(info(admin, "aof_buffer_length")) > 0 or int(info(admin, "aof_fsyncs")) > syncs)
        fault(admin, kind, 0)
        yield


def readable(conns):
    """A key that is not in the shard of what was written: its readers wait for the disk."""
    for key in KEYS:
        conns[0].sock.settimeout(2)
        conns[0].send(encode(["GET", key]))
        try:
            conns[0].read()
            return key
        except TimeoutError:
            conns.pop(0).close()
        finally:
            conns[0].sock.settimeout(LONG)
    raise AssertionError("no key can be read")


@pytest.mark.parametrize("policy,kind", [(policy, "WRITE-DELAY-US") for policy in POLICIES] +
                         [("always", "SYNC-DELAY-US"), ("everysec", "SYNC-DELAY-US")])
def test_reads_go_on(start_server, policy, kind):
    """As many clients as reach every reactor: none of them waits, neither do administrators."""
    server = start_server(appendonly="yes", appendfsync=policy, io_threads=4)
    with server.connect(LONG) as admin, server.connect(LONG) as writer:
        for key in KEYS:
            assert admin.cmd("SET", key, "v") == b"OK"
        conns = [server.connect(LONG) for _ in range(READERS + len(KEYS))]
        with hung(writer, admin, kind):
            key, end = readable(conns), time.monotonic() + HANG_S
            while time.monotonic() < end:
                assert [conn.cmd("GET", key) for conn in conns] == [b"v"] * len(conns)
            for command in (["INFO"], ["CONFIG", "GET", "append*"], ["CLIENT", "LIST"], ["EVAL", "return 1", 0],
                            ["LATENCY", "LATEST"], ["WAITAOF", 0, 0, 0], ["BGREWRITEAOF"], ["SUBSCRIBE", "c"]):
                conns[-1].cmd(*command)
            early = has_reply(writer, 0.1)
            assert early is None or (policy, kind) == ("everysec", "SYNC-DELAY-US")
        assert (early or writer.read()) == b"OK"
        for conn in conns:
            conn.close()


LOAD = ["FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 7 end)"]
ALONE = {  # what runs alone, and who sees it
    "script": ([["EVAL", "redis.call('SET', 'written', '1')", 0]], [["GET", "written"]]),
    "exec": ([["MULTI"], ["SET", "written", "1"], ["EVAL", "return 1", 0], ["EXEC"]], [["EXISTS", "written"]]),
    "function": ([LOAD], [["FCALL", "f", 0]]),
    "listed": ([LOAD], [["FUNCTION", "LIST"]]),
    "called": ([LOAD], [["MULTI"], ["FCALL", "f", 0], ["EXEC"]]),
    "swap": ([["SWAPDB", 8, 9]], [["GET", KEYS[0]]]),
    "flush": ([["FLUSHDB"]], [["EVAL", f"return redis.call('GET', '{KEYS[0]}')", 0]]),
}


@pytest.mark.parametrize("what", ALONE)
def test_what_ran_alone_is_waited_for_by_who_saw_it(start_server, what):
    """The record of what locked nothing hangs: who reads other keys goes on."""
    commands, look = (b"".join(map(encode, batch)) for batch in ALONE[what])
    server = start_server(appendonly="yes", appendfsync="always", io_threads=4)
    with server.connect(LONG) as admin, server.connect(LONG) as writer, server.connect(LONG) as observer:
        assert all(admin.cmd("SET", key, "v") == b"OK" for key in KEYS)
        writes = int(info(admin, "aof_writes"))
        with hanging(admin):
            writer.send(commands)
            assert wait_until(lambda: int(info(admin, "aof_writes")) > writes)
            observer.send(look)
            if what not in ("swap", "flush"):
                conns = [server.connect(LONG) for _ in range(2 + len(KEYS))]
                readable(conns)
                assert what not in ("script", "exec") or conns[0].cmd("EVAL", "return 1", 0) == 1
                for conn in conns:
                    conn.close()
            assert has_reply(observer, 0.2) is None and has_reply(writer, 0.05) is None
        observer.read()
        writer.read()


def test_turned_off_while_the_disk_hangs(start_server):
    """CONFIG SET appendonly no waits for nothing, answers who has waited, and it can be turned on again."""
    server = start_server(appendonly="yes", appendfsync="everysec", io_threads=4)
    with server.connect(LONG) as admin, server.connect(LONG) as writer:
        with hung(writer, admin, "WRITE-DELAY-US"):
            assert admin.cmd("CONFIG", "SET", "appendonly", "no") == b"OK"
            assert writer.read() == b"OK"
            assert admin.cmd("CONFIG", "SET", "appendonly", "yes") == b"OK"
            assert writer.cmd("SET", "more", "1") == b"OK"
        assert wait_until(lambda: int(info(admin, "aof_rewrites")) >= 1, LONG)
        assert admin.cmd("SET", "safe", "1") == b"OK" and admin.cmd("WAITAOF", 1, 0, 0)[0] == 1
    server.process.kill()
    server.process.wait()
    server.start()
    with server.connect(LONG) as conn:
        assert wait_until(lambda: conn.cmd("MGET", "written", "more", "safe") == [b"v" * 100, b"1", b"1"], LONG)
