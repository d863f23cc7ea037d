"""While the log cannot be written: what is answered, what is refused, and what waits."""
import errno
import time

import pytest

from lib.log_faults import MISCONF, POLICIES, fault, info, is_misconf
from lib.resp import Error, encode
from lib.wait import wait_until

pytestmark = pytest.mark.tokamak

LONG = 60
KEYS = [f"still{i}" for i in range(8)]
LIBRARY = """#!lua name=lib
redis.register_function{function_name='look', callback=function(keys) return redis.call('get', keys[1]) end,
                        flags={'no-writes'}}
redis.register_function('put', function(keys) return redis.call('set', keys[1], 'x') end)
"""


def transaction(conn, *commands):
    conn.send(encode(["MULTI"]) + b"".join(map(encode, commands)) + encode(["EXEC"]))
    return [conn.read() for _ in range(len(commands) + 2)]


class BrokenLog:
    """A server whose log cannot be written; the record of `unsafe` is not in it."""

    def __init__(self, server, prepare=()):
        self.server = server
        with server.connect(LONG) as conn:
            for command in prepare:
                assert not isinstance(conn.cmd(*command), Error), command
            for key in KEYS:
                assert conn.cmd("SET", key, "here") == b"OK"
            fault(conn, "WRITE-ERROR", errno.ENOSPC)
            self.writer = server.connect(LONG)
            self.writer.send(encode(["SET", "unsafe", "1"]))
            assert wait_until(lambda: info(conn, "aof_last_write_status") == b"err", LONG)

    def heal(self):
        with self.server.connect(LONG) as conn:
            fault(conn, "WRITE-ERROR", 0)
            assert self.writer.read() == b"OK"
            assert wait_until(lambda: conn.cmd("SET", "healed", "1") == b"OK", LONG)
        self.writer.close()


def answered(replies, expected):
    """All but what happens to be in the shard of `unsafe`."""
    refused = [reply for reply in replies if is_misconf(reply)]
    assert len(refused) <= 1 and all(reply == expected for reply in replies if reply not in refused), replies


@pytest.mark.parametrize("policy", POLICIES)
def test_transactions_and_scripts_that_read_are_answered(start_server, policy):
    server = start_server(appendonly="yes", appendfsync=policy, io_threads=4)
    broken = BrokenLog(server, [["FUNCTION", "LOAD", LIBRARY]])
    get = "return redis.call('get', KEYS[1])"
    with server.connect(LONG) as conn:
        sha = conn.cmd("SCRIPT", "LOAD", get)
        declared = "#!lua flags=declared-keys,no-writes\n" + get
        for form in (lambda key: conn.cmd("EVAL", get, 1, key), lambda key: conn.cmd("EVAL_RO", get, 1, key),
                     lambda key: conn.cmd("EVALSHA", sha, 1, key), lambda key: conn.cmd("EVAL", declared, 1, key),
                     lambda key: conn.cmd("EVAL", f"return redis.call('get', '{key}')", 0),
                     lambda key: conn.cmd("FCALL", "look", 1, key)):
            answered([form(key) for key in KEYS], b"here")
            assert is_misconf(form("unsafe"))
        for more, replied in ([], []), ([["ECHO", "7"], ["EVAL", "return 7", 0]], [b"7", 7]):
            answered([transaction(conn, ["GET", key], *more)[-1] for key in KEYS], [b"here", *replied])
            assert is_misconf(transaction(conn, ["GET", "unsafe"], *more)[-1])
        assert is_misconf(transaction(conn, ["ECHO", "7"], ["EVAL", get, 1, "unsafe"])[-1])
        assert is_misconf(transaction(conn, ["DBSIZE"])[-1])
        assert is_misconf(conn.cmd("EVAL", "return redis.call('dbsize')", 0))
        conn.cmd("WATCH", "unsafe")
        assert is_misconf(transaction(conn, ["ECHO", "7"])[-1])
        assert conn.cmd("EVAL", "return 7", 0) == 7
    broken.heal()
    server.stop()


@pytest.mark.parametrize("policy", POLICIES)
def test_transactions_and_scripts_that_write_are_refused(start_server, policy):
    server = start_server(appendonly="yes", appendfsync=policy, io_threads=4)
    broken = BrokenLog(server, [["FUNCTION", "LOAD", LIBRARY]])
    put = "return redis.call('set', KEYS[1], 'x')"
    with server.connect(LONG) as conn:
        assert conn.cmd("EVAL", put, 1, "new").startswith(MISCONF)
        for reply in (conn.cmd("FCALL", "put", 1, "new"), conn.cmd("EVAL", "#!lua\n" + put, 1, "new")):
            assert isinstance(reply, Error) and reply == (
                b"MISCONF Redis is configured to persist data to AOF, but it's currently unable to persist to disk. Writable "
                b"scripts are blocked. Use 'no-writes' flag for read only scripts. AOF error: No space left on device")
        replies = transaction(conn, ["GET", KEYS[0]], ["SET", "new", "x"])
        assert is_misconf(replies[2]) and replies[3].startswith(b"EXECABORT"), replies
    broken.heal()
    with server.connect(LONG) as conn:
        assert conn.cmd("EXISTS", "new") == 0
    server.stop()


def test_a_transaction_of_the_time_before_is_refused_at_exec(start_server):
    server = start_server(appendonly="yes", io_threads=4)
    with server.connect(LONG) as early:
        assert early.cmd("MULTI") == b"OK" and early.cmd("SET", "new", "x") == b"QUEUED"
        broken = BrokenLog(server)
        refused = early.cmd("EXEC")
        assert isinstance(refused, Error) and refused.startswith(b"EXECABORT") and b"MISCONF" in refused, refused
        broken.heal()
        assert early.cmd("EXISTS", "new") == 0
    server.stop()


EXPIRING = 200


def look_at_what_has_expired(conn):
    """All ways to meet it."""
    assert conn.cmd("EXISTS", "x0") == 0
    script = "return {redis.call('exists', 'x1'), redis.call('ttl', 'x2')}"
    assert conn.cmd("EVAL", script, 0) == [0, -2]
    assert transaction(conn, ["EXISTS", "x3"], ["TYPE", "x4"], ["EVAL", script, 0])[-1] == [0, b"none", [0, -2]]
    conn.cmd("KEYS", "x*")
    conn.cmd("SCAN", 0, "MATCH", "x*", "COUNT", 10_000)
    conn.cmd("RANDOMKEY")


@pytest.mark.parametrize("threads", (1, 4))
def test_nothing_is_deleted_meanwhile(start_server, threads):
    """Expired keys are gone for readers, and their DELs come when the log can take them. Nothing is evicted."""
    server = start_server(appendonly="yes", io_threads=threads, slow_command_threshold=100)
    with server.connect(LONG) as conn:
        assert conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 0) == b"OK"
        for i in range(EXPIRING):
            assert conn.cmd("SET", f"x{i}", "v", "PX", 1) == b"OK"
        assert wait_until(lambda: conn.cmd("CONFIG", "RESETSTAT") == b"OK")
        broken = BrokenLog(server)
        conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 1)
        conn.cmd("CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "maxmemory", "1")
        before = info(conn, "aof_buffer_length")
        look_at_what_has_expired(conn)
        assert conn.cmd("INFO", "stats").count(b"\r\nexpired_keys:0\r\n") == 1
        assert conn.cmd("INFO", "stats").count(b"\r\nevicted_keys:0\r\n") == 1
        assert info(conn, "aof_buffer_length") == before
        conn.cmd("CONFIG", "SET", "maxmemory", "0")
        broken.heal()
        assert wait_until(lambda: conn.cmd("DBSIZE") == len(KEYS) + 2, LONG)
        assert f"\r\nexpired_keys:{EXPIRING}\r\n".encode() in conn.cmd("INFO", "stats")
    server.process.kill()
    server.process.wait()
    server.start()
    with server.connect(LONG) as conn:
        assert wait_until(lambda: conn.cmd("DBSIZE") == len(KEYS) + 2, LONG)


COLLECTIONS = {  # how it is made, how many members of it expire, what shows the rest
    "hash": (["HSET", "a", "1", "b", "2", "c", "3"], ["HPEXPIRE", 1, "FIELDS", 2, "a", "b"],
             [(["HLEN"], 1), (["HGETALL"], [b"c", b"3"]), (["HGET", "a"], None), (["HMGET", "b", "c"], [None, b"3"])]),
    "set": (["SADD", "a", "b", "c"], ["FIELDEXPIRE", 1, "a", "b"],
            [(["SCARD"], 1), (["SMEMBERS"], [b"c"]), (["SISMEMBER", "a"], 0), (["SRANDMEMBER", 5], [b"c"])]),
    "zset": (["ZADD", "1", "a", "2", "b", "3", "c"], ["ZPEXPIRE", 1, "MEMBERS", 2, "a", "b"],
             [(["ZCARD"], 1), (["ZRANGE", 0, -1], [b"c"]), (["ZSCORE", "a"], None), (["ZRANK", "c"], 0)]),
    "all": (["HSET", "a", "1"], ["HPEXPIRE", 1, "FIELDS", 1, "a"], [(["EXISTS"], 0), (["HGETALL"], []), (["TYPE"], b"none")]),
}


def of(command, key):
    return [command[0], key, *command[1:]]


def make_collections(conn):
    for kind, (make, expire, _) in COLLECTIONS.items():
        for i in range(8):
            conn.cmd(*of(make, f"{kind}{i}"))
            assert set(conn.cmd(*of(expire, f"{kind}{i}"))) == {1}
    time.sleep(1.1)  # a set's members know seconds only


def look_at_collections(conn):
    for kind, (_, _, looks) in COLLECTIONS.items():
        for look, expected in looks:
            script = "return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))"
            answered([conn.cmd("EVAL", script, 1, f"{kind}{i}", *look) for i in range(2)], expected)
            answered([transaction(conn, of(look, f"{kind}{i}"))[-1] for i in (2, 3)], [expected])
            answered([conn.cmd(*of(look, f"{kind}{i}")) for i in (4, 5)], expected)


@pytest.mark.parametrize("threads", (1, 4))
def test_members_that_have_expired_are_gone_meanwhile(start_server, threads):
    """For readers; the log hears of it before the next change, which may depend on it."""
    server = start_server(appendonly="yes", io_threads=threads)
    with server.connect(LONG) as conn:
        assert conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 0) == b"OK"
        make_collections(conn)
        broken = BrokenLog(server)
        before = info(conn, "aof_buffer_length")
        look_at_collections(conn)
        assert info(conn, "aof_buffer_length") == before
        broken.heal()
        for i in range(4):
            assert conn.cmd("HSETNX", f"hash{i}", "a", "new") == 1
            assert conn.cmd("EVAL", "return redis.call('SADD', KEYS[1], 'a')", 1, f"set{i}") == 1
            assert transaction(conn, ["ZADD", f"zset{i}", "NX", 9, "b"])[-1] == [1]
        assert conn.cmd("SWAPDB", 0, 1) == b"OK"
    server.process.kill()
    server.process.wait()
    server.start()
    with server.connect(LONG) as conn:
        assert wait_until(lambda: b"\r\nloading:0" in conn.cmd("INFO", "persistence"), LONG)
        conn.cmd("SELECT", 1)
        for i in range(4):
            assert conn.cmd("HGETALL", f"hash{i}") == [b"c", b"3", b"a", b"new"]
            assert sorted(conn.cmd("SMEMBERS", f"set{i}")) == [b"a", b"c"]
            assert conn.cmd("ZRANGE", f"zset{i}", 0, -1) == [b"c", b"b"]
            assert conn.cmd("EXISTS", f"all{i}") == 0


@pytest.mark.parametrize("log", ("yes", "no"))
def test_members_that_have_expired_are_gone_while_writes_are_paused(start_server, log):
    """As keys are, and the log stays as it is."""
    server = start_server(appendonly=log, io_threads=4)
    with server.connect(LONG) as conn:
        assert conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 0) == b"OK"
        make_collections(conn)
        assert conn.cmd("CLIENT", "PAUSE", 600_000, "WRITE") == b"OK"
        writes = log == "yes" and info(conn, "aof_writes")
        for kind, (_, _, looks) in COLLECTIONS.items():
            assert all(conn.cmd(*of(look, f"{kind}0")) == expected for look, expected in looks)
        assert not [key for key in (conn.cmd("RANDOMKEY") for _ in range(200)) if key.startswith(b"all")]
        assert writes == (log == "yes" and info(conn, "aof_writes"))
        assert conn.cmd("CLIENT", "UNPAUSE") == b"OK"
        if log == "yes":  # what is owed by a log that is turned off is nobody's
            assert conn.cmd("CONFIG", "SET", "appendonly", "no") == b"OK"
            assert conn.cmd("HSET", "hash0", "a", "new") == 1
            assert conn.cmd("CONFIG", "SET", "appendonly", "yes") == b"OK"
            assert conn.cmd("HSET", "hash0", "d", "4") == 1
            assert wait_until(lambda: conn.cmd("WAITAOF", 1, 0, 100)[0] == 1, LONG)
            server.process.kill()
            server.process.wait()
            server.start()
    with server.connect(LONG) as conn:
        assert wait_until(lambda: b"\r\nloading:0" in conn.cmd("INFO", "persistence"), LONG)
        assert log == "no" or conn.cmd("HGETALL", "hash0") == [b"c", b"3", b"a", b"new", b"d", b"4"]
