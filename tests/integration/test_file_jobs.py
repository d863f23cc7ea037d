"""CONFIG REWRITE and ACL SAVE on a disk that hangs: who has asked waits, nobody else."""
import os
import signal
import subprocess
from contextlib import contextmanager

import pytest

from lib.log_faults import fault, hanging, has_reply
from lib.resp import Connection, Error, encode
from lib.server import binary_under_test, free_port
from lib.wait import wait_until

pytestmark = pytest.mark.tokamak

LONG = 60
READERS = 8  # on every reactor
COMMANDS = {"config": ["CONFIG", "REWRITE"], "users": ["ACL", "SAVE"]}


@pytest.fixture
def server(tmp_path):
    """Its port; it has a configuration file and a file of users."""
    (tmp_path / "redis.conf").write_text("# mine\n")
    (tmp_path / "users.acl").write_text("")
    port = free_port()
    process = subprocess.Popen([binary_under_test(), "redis.conf", "--port", str(port), "--io-threads", "4", "--save", "", "--aclfile",
                                str(tmp_path / "users.acl"), "--enable-debug-command", "yes"], cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        assert wait_until(lambda: answers(port), LONG)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONG) == 0


def answers(port):
    try:
        with Connection(port) as conn:
            return conn.cmd("PING") == b"PONG"
    except OSError:
        return False


def temporaries(tmp_path):
    return [name for name in os.listdir(tmp_path) if name not in ("redis.conf", "users.acl")]


@contextmanager
def hung(writer, admin, tmp_path, what):
    """The client's command hangs in writing its file as long as the block runs."""
    with hanging(admin, "WRITE-DELAY-US"):
        writer.send(encode(COMMANDS[what]) + encode(["PING"]))
        assert wait_until(lambda: temporaries(tmp_path), LONG)
        yield


@pytest.mark.parametrize("what", COMMANDS)
def test_others_go_on(server, tmp_path, what):
    conns = [Connection(server, LONG) for _ in range(READERS)]
    with Connection(server, LONG) as admin, Connection(server, LONG) as writer:
        with hung(writer, admin, tmp_path, what):
            for conn in conns:
                assert conn.cmd("SET", "k", "v") == b"OK" and conn.cmd("EVAL", "return 1", 0) == 1
                assert conn.cmd("MULTI") == b"OK" and conn.cmd("EXEC") == []
            conns[0].cmd("CONFIG", "SET", "maxmemory", "7654321")
            conns[0].cmd("ACL", "SETUSER", "late", "on")
            conns[0].send(encode(COMMANDS[what]))  # comes behind the one that hangs, and is what stays
            conns[1].send(encode(COMMANDS[what]))
            conns.pop(1).close()
            assert has_reply(writer, 0.1) is None
        assert writer.read() == b"OK" and writer.read() == b"PONG"
    assert conns[0].read() == b"OK"
    assert wait_until(lambda: not temporaries(tmp_path), LONG)
    assert "maxmemory 7654321\n" in (tmp_path / "redis.conf").read_text() or what == "users"
    assert "user late on " in (tmp_path / "users.acl").read_text() or what == "config"
    stats = conns[0].cmd("INFO", "commandstats")
    assert b"cmdstat_%s|%s:calls=" % tuple(word.lower().encode() for word in COMMANDS[what]) in stats
    for conn in conns:
        conn.close()


def test_in_a_transaction_and_silent(server, tmp_path):
    with Connection(server, LONG) as conn:
        conn.send(b"".join(map(encode, (["MULTI"], ["CONFIG", "SET", "maxmemory", "1234567"], *COMMANDS.values(), ["EXEC"]))))
        assert [conn.read() for _ in range(5)][-1] == [b"OK"] * 3
        assert "maxmemory 1234567\n" in (tmp_path / "redis.conf").read_text()
        conn.send(b"".join(map(encode, (["CLIENT", "REPLY", "SKIP"], COMMANDS["config"], ["PING"], ["CLIENT", "REPLY", "OFF"],
                                        COMMANDS["users"], ["CLIENT", "REPLY", "ON"]))))
        assert [conn.read() for _ in range(2)] == [b"PONG", b"OK"]


def test_failures_are_told(server, tmp_path):
    with Connection(server, LONG) as conn:
        fault(conn, "WRITE-ERROR", 28)
        before = (tmp_path / "redis.conf").read_text()
        assert conn.cmd(*COMMANDS["config"]) == Error(b"ERR Rewriting config file: No space left on device")
        assert conn.cmd(*COMMANDS["users"]).startswith(b"ERR There was an error trying to save the ACLs.")
        assert (tmp_path / "redis.conf").read_text() == before and not temporaries(tmp_path)
        fault(conn, "WRITE-ERROR", 0)
        assert conn.cmd(*COMMANDS["config"]) == b"OK" and conn.cmd(*COMMANDS["users"]) == b"OK"
        assert b"errorstat_ERR:count=2" in conn.cmd("INFO", "errorstats")


def test_the_end_waits_for_the_file(server, tmp_path):
    with Connection(server, LONG) as conn, Connection(server, LONG) as writer:
        fault(conn, "WRITE-DELAY-US", 1_000_000)
        writer.send(encode(COMMANDS["users"]))
        assert wait_until(lambda: temporaries(tmp_path), LONG)
        conn.send(encode(["SHUTDOWN", "NOSAVE"]))
        assert conn.drain(LONG)[1]
    assert wait_until(lambda: (tmp_path / "users.acl").read_text().startswith("user default on "), LONG)
