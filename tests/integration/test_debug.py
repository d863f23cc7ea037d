"""DEBUG: the directive that allows it, digests equal to redis-server's, all types of the protocol."""
import time

import pytest

from integration.test_generic import fill_all_types
from lib.resp import BigNumber, Double, Error, Map, Push, Set, Simple, Verbatim
from lib.wait import wait_until

FORBIDDEN = Error(b'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it '
                  b"from a local connection, otherwise you need to set this option in the configuration file, and then "
                  b"restart the server.")


def test_directive(start_server):
    for setting, allowed in (("no", False), ("local", True), ("yes", True)):
        with start_server(enable_debug_command=setting).connect() as conn:
            reply = conn.cmd("DEBUG", "SLEEP", 0)
            assert reply == (Simple(b"OK") if allowed else FORBIDDEN)


def test_digest_is_that_of_redis(conn, oracle):
    with oracle.connect() as reference:
        for c in (conn, reference):
            assert c.cmd("DEBUG", "DIGEST") == Simple(b"0" * 40)
            names = fill_all_types(c)
            c.cmd("SELECT", 3)
            c.cmd("SET", "other", "db", "EX", 1000)
            c.cmd("SELECT", 0)
            c.cmd("EXPIRE", "zset", 1000)
        assert conn.cmd("DEBUG", "DIGEST-VALUE", *names, "none") == reference.cmd("DEBUG", "DIGEST-VALUE", *names, "none")
        assert conn.cmd("DEBUG", "DIGEST") == reference.cmd("DEBUG", "DIGEST")
        conn.cmd("HSET", "bighash", "f7", "other")
        assert conn.cmd("DEBUG", "DIGEST") != reference.cmd("DEBUG", "DIGEST")


def test_digest_ignores_order_and_encoding(conn):
    conn.pipeline([["SADD", "a", 1, 2, 3], ["SADD", "b", "x", 3, 2, 1], ["SREM", "b", "x"]])
    conn.pipeline([["HSET", "h", "f", 1, "g", 2], ["HSET", "i", "g", 2, "f", 1]])
    assert conn.cmd("OBJECT", "ENCODING", "a") != conn.cmd("OBJECT", "ENCODING", "b")
    for x, y in ("ab", "hi"):
        left, right = conn.cmd("DEBUG", "DIGEST-VALUE", x, y)
        assert left == right
    conn.pipeline([["RPUSH", "l", 1, 2], ["RPUSH", "m", 2, 1]])
    left, right = conn.cmd("DEBUG", "DIGEST-VALUE", "l", "m")
    assert left != right


@pytest.mark.smoke
def test_protocol_types(server):
    with server.connect() as two, server.connect() as three:
        three.cmd("HELLO", 3)
        expected = {
            "string": (b"Hello World", b"Hello World"), "integer": (12345, 12345), "double": (b"3.141", Double(3.141)),
            "null": (None, None), "array": ([0, 1, 2], [0, 1, 2]), "set": ([0, 1, 2], Set([0, 1, 2])),
            "map": ([0, 0, 1, 1, 2, 0], Map([0, False, 1, True, 2, False])), "true": (1, True), "false": (0, False),
            "verbatim": (b"This is a verbatim\nstring", Verbatim(b"txt:This is a verbatim\nstring")),
            "bignum": (b"1234567999999999999999999999999999999", BigNumber(1234567999999999999999999999999999999)),
            "attrib": (b"Some real reply following the attribute",) * 2,
        }
        for kind, pair in expected.items():
            for c, value in zip((two, three), pair):
                reply = c.cmd("DEBUG", "PROTOCOL", kind)
                assert reply == value and type(reply) is type(value), kind
        assert two.cmd("DEBUG", "PROTOCOL", "push") == Error(b"ERR RESP2 is not supported by this command")
        assert three.cmd("DEBUG", "PROTOCOL", "push") == Push([b"server-cpu-usage", 42])
        assert three.read() == b"Some real reply following the push reply"
        assert two.cmd("DEBUG", "PROTOCOL", "x").startswith(b"ERR Wrong protocol type name")


def test_tools(conn):
    begin = time.monotonic()
    assert conn.cmd("DEBUG", "SLEEP", 0.2) == Simple(b"OK") and time.monotonic() - begin >= 0.2
    assert conn.cmd("DEBUG", "ERROR", "MYERR some text") == Error(b"MYERR some text")
    assert conn.cmd("DEBUG", "LOG", "hello\r\nworld") == Simple(b"OK")
    assert conn.cmd("DEBUG", "POPULATE", 100) == Simple(b"OK") and conn.cmd("GET", "key:99") == b"value:99"
    assert conn.cmd("DEBUG", "POPULATE", 5, "p", 10) == Simple(b"OK")
    assert conn.cmd("GET", "p:4") == b"value:4\0\0\0" and conn.cmd("DBSIZE") == 105
    assert conn.cmd("DEBUG", "POPULATE", -1) == Error(b"ERR value is out of range, must be positive")
    assert conn.cmd("DEBUG", "OBJECT", "none") == Error(b"ERR no such key")
    assert b"encoding:embstr" in conn.cmd("DEBUG", "OBJECT", "key:1")
    assert b"number of elements: 105" in conn.cmd("DEBUG", "HTSTATS", 0)
    assert conn.cmd("DEBUG", "HTSTATS", 99) == Error(b"ERR Out of range database")
    assert conn.cmd("DEBUG", "CHANGE-REPL-ID") == Simple(b"OK")
    unknown = Error(b"ERR unknown subcommand or wrong number of arguments for 'sleep'. Try DEBUG HELP.")
    assert conn.cmd("DEBUG", "sleep") == unknown and conn.cmd("DEBUG", "sleep", 1, 2) == unknown


def test_populate_is_no_effect_and_replicate_is_one(start_server, tmp_path):
    path = tmp_path / "effects"
    with start_server(debug_effects_file=path).connect() as conn:
        conn.cmd("DEBUG", "POPULATE", 10)
        conn.cmd("DEBUG", "REPLICATE", "SET", "made", "up")
        conn.cmd("SELECT", 2)
        conn.cmd("SET", "k", "v", "PX", 10)
        assert wait_until(lambda: conn.cmd("DBSIZE") == 0)
        conn.cmd("FLUSHALL")
        effects = path.read_bytes()
    assert effects.startswith(b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$4\r\nmade\r\n$2\r\nup\r\n"
                              b"*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n")
    assert effects.endswith(b"*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n*1\r\n$8\r\nFLUSHALL\r\n")


def test_switches_without_an_effect_say_so(server):
    with server.connect() as conn:
        assert conn.cmd("DEBUG", "DICT-RESIZING", 0) == conn.cmd("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "1b") == b"OK"
        assert isinstance(conn.cmd("DEBUG", "DICT-RESIZING", "x"), Error)
    assert "DICT-RESIZING has no effect" in server.log() and "THRESHOLD has no effect" in server.log()


@pytest.mark.tokamak
def test_checksums_can_be_skipped(conn):
    conn.cmd("SET", "key", "value")
    payload = bytearray(conn.cmd("DUMP", "key"))
    payload[-1] ^= 0xff
    refused = Error(b"ERR DUMP payload version or checksum are wrong")
    assert conn.cmd("RESTORE", "copy", 0, bytes(payload)) == refused
    assert conn.cmd("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 1) == b"OK"
    assert conn.cmd("RESTORE", "copy", 0, bytes(payload)) == b"OK" and conn.cmd("GET", "copy") == b"value"
    assert conn.cmd("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 0) == b"OK"
    assert conn.cmd("RESTORE", "other", 0, bytes(payload)) == refused
