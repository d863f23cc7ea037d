"""A disk that hangs stops nobody but those who need it: reads go on on every reactor, whatever the policy."""
import os
import time
from contextlib import contextmanager

import pytest

from lib.log_faults import POLICIES, fault, hanging, info
from lib.resp import encode
from lib.wait import wait_until
from .test_aof_log import has_reply

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
