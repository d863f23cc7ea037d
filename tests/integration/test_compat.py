"""What Valkey's own test suite found, one small test each."""
import time

import pytest

from integration.test_script import message
from lib.resp import Error, Push, Simple, encode
from lib.wait import wait_until

NO_REPLICAS = Error(b"NOREPLICAS Not enough good replicas to write.")
NO_CLUSTER = Error(b"ERR This instance has cluster support disabled")
HARMLESS = "#!lua flags=no-writes\nreturn redis.call('get', KEYS[1])"
LIBRARY = "#!lua name=compat\nredis.register_function{function_name='peek', flags={'no-writes'}, " \
          "callback=function(keys) return redis.call('get', keys[1]) end}"


def test_a_read_only_script_hands_its_keys_over_and_reads_none(server):
    with server.connect() as reader, server.connect() as writer:
        reader.cmd("HELLO", 3)
        reader.cmd("CLIENT", "TRACKING", "ON")
        writer.cmd("SET", "key", 1)
        reader.cmd("EVAL_RO", "return redis.call('ping')", 1, "key")
        writer.cmd("SET", "key", 2)
        assert reader.cmd("PING") == Simple(b"PONG")
        reader.cmd("EVAL_RO", "return redis.call('get', 'key')", 1, "other")
        writer.cmd("SET", "key", 3)
        assert reader.read() == Push([b"invalidate", [b"key"]])


def test_harmless_scripts_run_while_writes_are_paused(server):
    with server.connect() as admin, server.connect() as conn:
        sha = admin.cmd("SCRIPT", "LOAD", HARMLESS)
        admin.cmd("FUNCTION", "LOAD", LIBRARY)
        admin.cmd("SET", "key", "value")
        admin.cmd("CLIENT", "PAUSE", 600000, "WRITE")
        assert conn.cmd("EVAL", HARMLESS, 1, "key") == b"value"
        assert conn.cmd("EVALSHA", sha, 1, "key") == b"value"
        assert conn.cmd("FCALL", "peek", 1, "key") == b"value"
        conn.cmd("MULTI")
        assert conn.cmd("EVAL", HARMLESS, 1, "key") == Simple(b"QUEUED")
        assert conn.cmd("EXEC") == [b"value"]
        admin.cmd("CLIENT", "UNPAUSE")


@pytest.mark.parametrize("script", ("return 1", "#!lua\nreturn 1"))
def test_other_scripts_wait_for_the_end_of_a_pause(server, script):
    with server.connect() as admin, server.connect() as conn:
        conn.cmd("MULTI")
        conn.cmd("EVAL", script, 0)
        admin.cmd("CLIENT", "PAUSE", 600000, "WRITE")
        conn.send(encode(["EXEC"]))
        assert wait_until(lambda: b"blocked_clients:1\r\n" in admin.cmd("INFO", "clients"))
        admin.cmd("CLIENT", "UNPAUSE")
        assert conn.read() == [1]


def test_what_may_be_replicated_is_a_write_for_read_only_scripts(conn, oracle):
    with oracle.connect() as reference:
        for command in ("'publish', 'channel', 'message'", "'pfcount', 'none'", "'set', 'key', 1"):
            script = f"return redis.call({command})"
            expected = message(reference.cmd("EVAL_RO", script, 0))
            assert message(conn.cmd("EVAL_RO", script, 0)) == expected == \
                b"ERR Write commands are not allowed from read-only scripts."


def test_debug_object_shows_what_has_expired(conn):
    conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    conn.cmd("SET", "key", "value", "PX", 1)
    time.sleep(0.05)
    assert conn.cmd("DEBUG", "OBJECT", "key").startswith(b"Value at:")
    assert conn.cmd("EXISTS", "key") == 0
    assert conn.cmd("DEBUG", "OBJECT", "key") == Error(b"ERR no such key")
    conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 1)


def lazily_freed(conn):
    stats = conn.cmd("INFO", "memory").decode()
    return int(stats.split("lazyfreed_objects:")[1].split()[0])


def test_resetstat_counts_lazy_frees_anew(conn):
    conn.cmd("SADD", "set", *("member:%d" % i for i in range(100_000)))
    conn.cmd("UNLINK", "set")
    assert wait_until(lambda: lazily_freed(conn) == 1)
    conn.cmd("CONFIG", "RESETSTAT")
    assert lazily_freed(conn) == 0


def test_min_replicas_to_write(conn, oracle):
    commands = [
        ("SET", "key", "value"), ("CONFIG", "SET", "min-replicas-to-write", 1), ("SET", "key", 1), ("GET", "key"),
        ("PING",), ("EVAL", "return redis.call('get', 'key')", 0), ("EVAL", "#!lua\nreturn 1", 0), ("DEL", "key"),
        ("EVAL", HARMLESS, 1, "key"), ("MULTI",), ("SET", "key", 2), ("EXEC",),
        ("CONFIG", "SET", "min-replicas-max-lag", 0), ("SET", "key", 3), ("CONFIG", "SET", "min-replicas-max-lag", 10),
        ("APPEND", "key", 4), ("CONFIG", "SET", "min-slaves-to-write", 0), ("APPEND", "key", 4),
    ]
    with oracle.connect() as reference:
        for command in commands:
            assert conn.cmd(*command) == reference.cmd(*command), command
    conn.cmd("CONFIG", "SET", "min-replicas-to-write", 1)
    assert conn.cmd("SET", "key", 5) == NO_REPLICAS
    assert message(conn.cmd("EVAL", "redis.call('set', 'key', 5)", 0)) == NO_REPLICAS
    assert b"\r\nmin_slaves_good_slaves:0\r\n" in conn.cmd("INFO", "replication")
    conn.cmd("CONFIG", "SET", "min-replicas-to-write", 0)
    assert conn.cmd("GET", "key") == b"34"


def test_too_many_stars_match_nothing(conn):
    conn.cmd("SET", "a" * 3000, 1)
    assert len(conn.cmd("KEYS", "*?" * 1000)) == 1
    assert conn.cmd("KEYS", "*?" * 1001) == []


def test_cluster_commands_say_that_there_is_no_cluster(conn, oracle):
    with oracle.connect() as reference:
        subcommands = {name.split(b"|")[1] for name in reference.cmd("COMMAND", "LIST", "FILTERBY", "PATTERN", "cluster|*")}
        ours = {name.split(b"|")[1] for name in conn.cmd("COMMAND", "LIST", "FILTERBY", "PATTERN", "cluster|*")}
        assert ours - subcommands == {b"myshardid"} and not subcommands - ours
        for name in sorted(subcommands):
            for extra in ([], ["a"], ["a", "b"]):
                assert conn.cmd("CLUSTER", name, *extra) == reference.cmd("CLUSTER", name, *extra), (name, extra)
        for command in (["CLUSTER"], ["CLUSTER", "nosuch"], ["READONLY"], ["READWRITE"], ["ASKING"], ["ASKING", "a"]):
            assert conn.cmd(*command) == reference.cmd(*command)
    assert conn.cmd("CLUSTER", "MYSHARDID") == NO_CLUSTER
