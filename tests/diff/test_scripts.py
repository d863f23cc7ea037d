"""Scripts, byte for byte as redis-server answers them, in both protocols; and those that it answers otherwise."""
import pathlib

import pytest

from lib.resp import Error, encode

SCRIPTS = [text for text in (pathlib.Path(__file__).parent / "scripts.txt").read_text().split("\n--\n") if text.strip()]


def ask(server, protocol, script):
    """The reply's bytes, from a fresh connection and an empty database."""
    with server.connect() as conn:
        conn.cmd("HELLO", protocol)
        conn.cmd("FLUSHALL")
        conn.send(encode(["EVAL", script, 2, "k1", "k2", "a1", "a2", "3"]) + encode(["ECHO", "the end"]))
        data = b""
        while not data.endswith(b"$7\r\nthe end\r\n"):
            data += conn.sock.recv(1 << 16)
        return data


@pytest.mark.parametrize("protocol", [2, 3])
def test_as_redis(server, oracle, protocol):
    assert len(SCRIPTS) > 150
    for script in SCRIPTS:
        assert ask(server, protocol, script) == ask(oracle, protocol, script), script


OTHERWISE = [
    # Redis 7.2 formats numbers shortly, 7.0 with 17 digits
    ("redis.call('set', KEYS[1], 3.1) return redis.call('get', KEYS[1])", b"3.1"),
    ("redis.call('set', KEYS[1], 1e17) return redis.call('get', KEYS[1])", b"100000000000000000"),
    # since 7.2 blocking commands may be called, and do not block
    ("return redis.call('blpop', KEYS[1], 0)", None),
    ("return redis.call('bzpopmin', KEYS[1], 0)", None),
    ("return redis.call('xread', 'block', 0, 'streams', KEYS[1], 0)", None),
    ("return redis.REDIS_VERSION", b"7.2.4"),
    ("return redis.REDIS_VERSION_NUM", 0x070204),
    ("return server.call('echo', 'x')", b"x"),
    ("return os.clock() > 0", 1),
    # redis-server 7.0 crashes on these two
    ("error({})", Error(b"ERR unknown error script: 367bf7fe449ba40e54d99d9086aa3c2164008136, on @user_script:1.")),
]


@pytest.mark.parametrize("script,reply", OTHERWISE)
def test_otherwise(conn, script, reply):
    assert conn.cmd("EVAL", script, 1, "k") == reply
