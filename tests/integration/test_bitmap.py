"""Bitmaps, bitfields and LCS: what each command does, its edges, its errors, its bytes."""
import random

import pytest

from lib.resp import Error, Map, Simple

OK = Simple(b"OK")
SYNTAX = Error(b"ERR syntax error")
NOT_INT = Error(b"ERR value is not an integer or out of range")
OFFSET = Error(b"ERR bit offset is not an integer or out of range")
WRONGTYPE = Error(b"WRONGTYPE Operation against a key holding the wrong kind of value")
TYPE_ERROR = Error(b"ERR Invalid bitfield type. Use something like i16 u8. "
                   b"Note that u64 is not supported but i64 is.")
INT_MAX, INT_MIN = 2**63 - 1, -2**63
EDGES = [INT_MIN, INT_MIN + 1, -2**32, -2**31 - 1, -1, 0, 1, 2**31 - 1, 2**31, 2**32, 2**62, INT_MAX]


def replies(conn, *lines):
    return [conn.cmd(*line.split()) for line in lines]


def test_bits(conn):
    assert replies(conn, "SETBIT k 7 1", "SETBIT k 7 1", "GETBIT k 7", "GETBIT k 6", "GETBIT k 100", "GET k") == \
        [0, 1, 1, 0, 0, b"\x01"]
    assert replies(conn, "SETBIT k 4095 1", "STRLEN k", "SETBIT k 4096 1", "STRLEN k", "SETBIT k 80000 0",
                   "STRLEN k", "BITCOUNT k") == [0, 512, 0, 513, 0, 10001, 3]
    assert replies(conn, "SET n 1", "SETBIT n 6 1", "GET n", "OBJECT ENCODING n") == [OK, 0, b"3", b"raw"]
    assert replies(conn, "SETBIT k x 1", "SETBIT k -1 1", "SETBIT k 4294967296 1", "GETBIT k 4294967296") == [OFFSET] * 4
    assert replies(conn, "SETBIT k 1 2", "SETBIT k 1 x") == [Error(b"ERR bit is not an integer or out of range")] * 2
    assert replies(conn, "LPUSH l 1", "SETBIT l 1 1", "GETBIT l 1", "BITCOUNT l", "BITPOS l 1", "BITFIELD l GET u8 0",
                   "BITOP NOT d l") == [1] + [WRONGTYPE] * 6


def test_expiry_stays(conn):
    replies(conn, "SET k a EX 1000", "SETBIT k 90000 1", "BITFIELD k SET u8 9 3")
    assert conn.cmd("TTL", "k") in (999, 1000)
    replies(conn, "SET d a EX 1000", "BITOP NOT d k")
    assert conn.cmd("TTL", "d") == -1


def model_range(bits, start, end, in_bits):
    unit = 1 if in_bits else 8
    total = len(bits) // unit
    start, end = (max(i + total, 0) if i < 0 else i for i in (start, end))
    return start * unit, min(end + 1, total) * unit


def test_counts_and_positions(conn):
    rng = random.Random(3)
    for _ in range(300):
        text = bytes(rng.choice([0, 0, 255, 255, rng.randrange(256)]) for _ in range(rng.choice([1, 3, 40, 2000])))
        bits = "".join(f"{byte:08b}" for byte in text)
        conn.cmd("SET", "k", text)
        in_bits, wanted = rng.random() < 0.5, rng.choice("01")
        limit = len(bits) if in_bits else len(text)
        start, end = (rng.randint(-limit, limit + 2) for _ in "12")
        first, last = model_range(bits, start, end, in_bits)
        word = "BIT" if in_bits else "BYTE"
        assert conn.cmd("BITCOUNT", "k", start, end, word) == bits[first:last].count("1")
        assert conn.cmd("BITPOS", "k", wanted, start, end, word) == bits.find(wanted, first, last)


def test_ends_without_limit(conn):
    assert replies(conn, "BITPOS none 0", "BITPOS none 1", "BITCOUNT none", "BITCOUNT none 0 -1") == [0, -1, 0, 0]
    conn.cmd("SET", "k", b"\xff\xff\xff")
    assert replies(conn, "BITPOS k 0", "BITPOS k 0 0", "BITPOS k 0 0 -1", "BITPOS k 0 3", "BITPOS k 1 2") == \
        [24, 24, -1, -1, 16]
    assert replies(conn, "BITCOUNT k 1", "BITCOUNT k 1 2 BITS", "BITCOUNT k 1 x", "BITPOS k 2", "BITPOS k x",
                   "BITPOS k 1 x", "BITCOUNT k 0 1 BIT x") == \
        [16, SYNTAX, NOT_INT, Error(b"ERR The bit argument must be 1 or 0."), NOT_INT, NOT_INT, SYNTAX]


def test_edge_numbers(conn):
    conn.cmd("SET", "k", b"\xf0" * 100)
    for start in EDGES:
        for end in EDGES:
            for unit in ("BYTE", "BIT"):
                count = conn.cmd("BITCOUNT", "k", start, end, unit)
                assert 0 <= count <= 400
                assert count == 0 or conn.cmd("BITPOS", "k", 1, start, end, unit) >= 0
        if start < 0 or start >= 2**32:
            assert conn.cmd("SETBIT", "k", start, 1) == OFFSET
            assert conn.cmd("BITFIELD", "k", "SET", "u8", f"#{start}", 1) == OFFSET


OPERATORS = {
    "AND": lambda first, rest: all([first] + rest), "OR": lambda first, rest: any([first] + rest),
    "XOR": lambda first, rest: sum([first] + rest) % 2, "DIFF": lambda first, rest: first and not any(rest),
    "DIFF1": lambda first, rest: any(rest) and not first, "ANDOR": lambda first, rest: first and any(rest),
    "ONE": lambda first, rest: sum([first] + rest) == 1,
}


@pytest.mark.parametrize("name", OPERATORS)
def test_bitop(conn, name):
    rng = random.Random(name)
    for size in (1, 7, 64, 600, 5000):
        texts = [rng.randbytes(rng.randint(0, size)) for _ in range(rng.randint(2, 5))]
        longest = max(map(len, texts))
        for i, text in enumerate(texts):
            conn.cmd("SET", f"s{i}", text)
        rows = [int.from_bytes(text.ljust(longest, b"\0"), "big") for text in texts]
        expected = sum(bool(OPERATORS[name](rows[0] >> bit & 1, [row >> bit & 1 for row in rows[1:]])) << bit
                       for bit in range(longest * 8)).to_bytes(longest, "big")
        keys = [f"s{i}" for i in range(len(texts))]
        assert conn.cmd("BITOP", name, "d", *keys) == longest
        assert (conn.cmd("GET", "d") or b"") == expected
        assert conn.cmd("BITOP", name.lower(), keys[-1], *keys) == longest
        assert (conn.cmd("GET", keys[-1]) or b"") == expected


def test_bitop_rest(conn):
    conn.cmd("SET", "a", b"\x0f" * 700)
    assert conn.cmd("BITOP", "NOT", "d", "a") == 700 and conn.cmd("GET", "d") == b"\xf0" * 700
    assert replies(conn, "BITOP AND d none", "EXISTS d", "BITOP OR none none none") == [0, 0, 0]
    assert replies(conn, "LPUSH l x", "BITOP OR l a", "TYPE l") == [1, 700, Simple(b"string")]
    assert replies(conn, "BITOP NOT d a a", "BITOP NO d a", "BITOP DIFF d a") == [
        Error(b"ERR BITOP NOT must be called with a single source key."), SYNTAX,
        Error(b"ERR BITOP DIFF must be called with at least two source keys.")]


def test_bitfield(conn):
    assert conn.cmd(*"BITFIELD k SET u8 0 255 GET u8 0 GET i8 0 GET u4 #1 INCRBY u8 0 10".split()) == [0, 255, -1, 15, 9]
    assert conn.cmd(*"BITFIELD k OVERFLOW SAT INCRBY u8 0 300 OVERFLOW FAIL INCRBY u8 0 1 GET u8 0".split()) == \
        [255, None, 255]
    assert conn.cmd(*"BITFIELD s OVERFLOW SAT INCRBY i5 100 -20 INCRBY i5 100 100 OVERFLOW WRAP INCRBY i5 100 1".split()) == \
        [-16, 15, -16]
    assert conn.cmd("BITFIELD", "w", "SET", "i64", 3, INT_MIN, "GET", "i64", 3, "INCRBY", "i64", 3, -1) == \
        [0, INT_MIN, INT_MAX]
    assert conn.cmd("BITFIELD", "u", "SET", "u63", 5, INT_MAX, "INCRBY", "u63", 5, 1) == [0, 0]
    assert replies(conn, "BITFIELD none", "BITFIELD none GET u8 0", "EXISTS none", "BITFIELD_RO k GET u8 0") == \
        [[], [0], 0, [255]]
    assert replies(conn, "BITFIELD k GET u64 0", "BITFIELD k GET i65 0", "BITFIELD k GET u0 0", "BITFIELD k GET x 0",
                   "BITFIELD k GET u 0") == [TYPE_ERROR] * 5
    assert replies(conn, "BITFIELD k GET u8", "BITFIELD k SET u8 0", "BITFIELD k OVERFLOW", "BITFIELD k PUT u8 0 1") == \
        [SYNTAX] * 4
    assert replies(conn, "BITFIELD k OVERFLOW x", "BITFIELD k SET u8 0 x", "BITFIELD k GET u8 -1",
                   "BITFIELD_RO k SET u8 0 1") == [
        Error(b"ERR Invalid OVERFLOW type specified"), NOT_INT, OFFSET,
        Error(b"ERR BITFIELD_RO only supports the GET subcommand")]
    assert conn.cmd("GET", "k") == b"\xff", "an error changes nothing"


def test_read_beyond_the_end(conn):
    conn.cmd("SET", "k", b"\xff")
    assert conn.cmd(*"BITFIELD_RO k GET u16 0 GET u8 4 GET i64 1 GET u8 4000000000".split()) == \
        [0xff00, 0xf0, -(1 << 57), 0]


def test_lcs(conn):
    replies(conn, "MSET a ohmytext b mynewtext", "LPUSH l 1")
    assert replies(conn, "LCS a b", "LCS a b LEN", "LCS a none", "LCS a none LEN") == [b"mytext", 6, b"", 0]
    assert conn.cmd("LCS", "a", "b", "IDX") == [b"matches", [[[4, 7], [5, 8]], [[2, 3], [0, 1]]], b"len", 6]
    assert conn.cmd("LCS", "a", "b", "IDX", "MINMATCHLEN", 4, "WITHMATCHLEN") == \
        [b"matches", [[[4, 7], [5, 8], 4]], b"len", 6]
    assert replies(conn, "LCS a b LEN IDX", "LCS a l", "LCS a b x", "LCS a b MINMATCHLEN", "LCS a b MINMATCHLEN x") == [
        Error(b"ERR If you want both the length and indexes, please just use IDX."),
        Error(b"ERR The specified keys must contain string values"), SYNTAX, SYNTAX, NOT_INT]


def test_lcs_is_bounded(conn):
    conn.cmd("SETRANGE", "a", 100_000, "x")
    conn.cmd("SETRANGE", "b", 100_000, "x")
    assert conn.cmd("LCS", "a", "b", "LEN") == Error(
        b"ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
    conn.cmd("SETRANGE", "c", 60_000_000, "x")
    assert conn.cmd("LCS", "none", "c") == b""
    conn.cmd("SET", "d", "x")
    assert conn.cmd("LCS", "d", "c", "IDX") == [b"matches", [[[0, 0], [60_000_000, 60_000_000]]], b"len", 1]


def test_lcs_resp3(conn):
    replies(conn, "HELLO 3", "MSET a ohmytext b mynewtext")
    reply = conn.cmd("LCS", "a", "b", "IDX", "MINMATCHLEN", 3)
    assert isinstance(reply, Map) and reply == Map([b"matches", [[[4, 7], [5, 8]]], b"len", 6])
