"""HyperLogLogs: estimates, the format that is shared with Redis in both directions, and forged values."""
import random

import pytest

from lib.resp import Error, Simple

OK = Simple(b"OK")
CORRUPT = Error(b"INVALIDOBJ Corrupted HLL object detected")
NOT_HLL = Error(b"WRONGTYPE Key is not a valid HyperLogLog string value.")
WRONGTYPE = Error(b"WRONGTYPE Operation against a key holding the wrong kind of value")
EMPTY = b"HYLL\x01" + bytes(11) + b"\x7f\xff"
STALE = b"HYLL\x01" + bytes(10) + b"\x80"


def replies(conn, *lines):
    return [conn.cmd(*line.split()) for line in lines]


def test_add_count_merge(conn):
    assert replies(conn, "PFADD h a b c", "PFADD h a", "PFCOUNT h", "PFADD e", "PFADD e", "PFCOUNT e none") == \
        [1, 0, 3, 1, 0, 0]
    assert conn.cmd("GET", "e") == b"HYLL\x01" + bytes(10) + b"\x80\x7f\xff"
    assert replies(conn, "PFADD g c d", "PFCOUNT h g", "PFMERGE m h g", "PFCOUNT m", "PFMERGE n", "PFCOUNT n") == \
        [1, 4, OK, 4, OK, 0]
    assert replies(conn, "SET s x", "LPUSH l x", "PFADD s a", "PFCOUNT s", "PFMERGE s h", "PFADD l a", "PFCOUNT h l",
                   "PFMERGE m l") == [OK, 1] + [NOT_HLL] * 3 + [WRONGTYPE] * 3
    assert conn.cmd("PFSELFTEST") == OK


def test_estimate(conn):
    for start in range(0, 100_000, 1000):
        conn.cmd("PFADD", "h", *range(start, start + 1000))
    assert abs(conn.cmd("PFCOUNT", "h") - 100_000) < 5000
    assert conn.cmd("STRLEN", "h") == 12304


def test_debug(conn):
    replies(conn, "PFADD h a b c")
    assert conn.cmd("PFDEBUG", "ENCODING", "h") == Simple(b"sparse")
    runs = conn.cmd("PFDEBUG", "DECODE", "h").split()
    assert sum(int(run.replace(b",", b":").split(b":")[-1]) for run in runs) == 16384
    assert sum(run.startswith(b"v") for run in runs) == 3
    assert conn.cmd("PFDEBUG", "TODENSE", "h") == 1 and conn.cmd("PFDEBUG", "TODENSE", "h") == 0
    registers = conn.cmd("PFDEBUG", "GETREG", "h")
    assert len(registers) == 16384 and sum(map(bool, registers)) == 3 and conn.cmd("PFCOUNT", "h") == 3
    assert replies(conn, "PFDEBUG DECODE h", "PFDEBUG NO h", "PFDEBUG GETREG none") == [
        Error(b"ERR HLL encoding is not sparse"), Error(b"ERR Unknown PFDEBUG subcommand 'NO'"),
        Error(b"ERR The specified key does not exist")]


def test_settings(conn):
    conn.cmd("CONFIG", "SET", "hll-sparse-max-bytes", 30)
    conn.cmd("PFADD", "h", "a", "b")
    assert conn.cmd("PFDEBUG", "ENCODING", "h") == Simple(b"sparse")
    conn.cmd("PFADD", "h", "c", "d", "e", "f")
    assert conn.cmd("PFDEBUG", "ENCODING", "h") == Simple(b"dense")
    conn.cmd("CONFIG", "SET", "hll-sparse-max-bytes", 3000)


def test_values_travel(conn, oracle):
    """The same elements make the same bytes as in Redis, and each server goes on with the other's."""
    rng = random.Random(5)
    with oracle.connect() as redis:
        for step in range(60):
            elements = [rng.randbytes(rng.randint(0, 20)) for _ in range(rng.choice([1, 5, 100]))]
            assert conn.cmd("PFADD", "h", *elements) == redis.cmd("PFADD", "h", *elements)
            if step % 3 == 0:
                assert conn.cmd("PFCOUNT", "h") == redis.cmd("PFCOUNT", "h")
            ours, theirs = conn.cmd("GET", "h"), redis.cmd("GET", "h")
            assert ours == theirs
            if step % 10 == 0:
                conn.cmd("SET", "h", theirs)
                redis.cmd("SET", "h", ours)
            if step % 7 == 0:
                merge = ["PFMERGE", f"m{step % 2}", "h", "m0"]
                assert conn.cmd(*merge) == redis.cmd(*merge)
                assert conn.cmd("GET", merge[1]) == redis.cmd("GET", merge[1])


FORGED = {
    "nothing": b"", "too few": b"\x7f\xfe", "too many": b"\x7f\xff\x00", "cut off": b"\x7f\xff\x40",
    "only half": b"\x7f", "values beyond the end": b"\x7f\xfe\x83", "one run over the edge": b"\x7f\xf0\x7f\xff",
    "many long runs": b"\x7f\xff" * 1000, "values for ever": b"\xff" * 20000,
    "wraps a 16-bit sum": b"\x7f\xff" * 4 + b"\x7f\xff", "wraps around the registers": b"\x7f\xff" * 262145,
}


@pytest.mark.parametrize("name", FORGED)
def test_forged(conn, name):
    value = STALE + FORGED[name]
    conn.cmd("SET", "h", value)
    conn.cmd("PFADD", "good", "a")
    assert replies(conn, "PFCOUNT h", "PFADD h a", "PFCOUNT good h", "PFMERGE d good h", "PFMERGE h good",
                   "PFDEBUG TODENSE h", "PFDEBUG GETREG h", "PFMERGE h") == [CORRUPT] * 8
    assert conn.cmd("GET", "h") == value and conn.cmd("EXISTS", "d") == 0
    assert isinstance(conn.cmd("PFDEBUG", "DECODE", "h"), bytes)


@pytest.mark.parametrize("value", [b"HYLL", EMPTY[:15], b"HYLL\x00" + bytes(12298), b"HYLL\x00" + bytes(12300),
                                   b"HYLL\x02" + EMPTY[5:], b"HYLK" + EMPTY[4:]])
def test_not_recognized(conn, value):
    conn.cmd("SET", "h", value)
    assert replies(conn, "PFCOUNT h", "PFADD h a", "PFADD h", "PFMERGE h", "PFDEBUG DECODE h") == [NOT_HLL] * 5


def test_random_bytes(conn):
    """Whatever stands in a value: an answer, and the server lives."""
    rng = random.Random(8)
    for _ in range(1500):
        tail = rng.randbytes(rng.randint(0, 30))
        conn.cmd("SET", "h", rng.choice([STALE, EMPTY[:16]]) + tail + rng.choice([b"", b"\x7f\xff", b"\x7f"]))
        for line in ("PFADD h a b c", "PFCOUNT h", "PFCOUNT h h", "PFMERGE d h", "PFDEBUG DECODE h", "PFDEBUG GETREG h"):
            conn.cmd(*line.split())
    dense = b"HYLL\x00" + bytes(10) + b"\x80" + rng.randbytes(12288)
    conn.cmd("SET", "h", dense)
    assert conn.cmd("PFCOUNT", "h") > 0 and conn.cmd("PING") == Simple(b"PONG")
