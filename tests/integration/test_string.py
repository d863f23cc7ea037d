"""String commands: what each does, options and their conflicts, the bytes of the replies, the effects."""
import time

import pytest

from lib.resp import Error, Simple, encode

OK = Simple(b"OK")
SYNTAX = Error(b"ERR syntax error")
NOT_INT = Error(b"ERR value is not an integer or out of range")
WRONGTYPE = Error(b"WRONGTYPE Operation against a key holding the wrong kind of value")
TOO_LONG = Error(b"ERR string exceeds maximum allowed size (proto-max-bulk-len)")
INT_MAX, INT_MIN = 2**63 - 1, -2**63
EDGES = [INT_MIN, INT_MIN + 1, -2**32, -2**31 - 1, -1, 0, 1, 2**31 - 1, 2**31, 2**32, 2**62, INT_MAX]


def replies(conn, *lines):
    """At once, so that no time passes between setting a time to live and asking for it."""
    return conn.pipeline([line.split() for line in lines])


def test_set_get(conn):
    assert replies(conn, "SET k v", "GET k", "GET none") == [OK, b"v", None]
    assert conn.cmd("SET", "k", "") == OK and conn.cmd("GET", "k") == b""
    binary = bytes(range(256)) * 300
    assert conn.cmd("SET", "k", binary) == OK and conn.cmd("GET", "k") == binary


@pytest.mark.parametrize("size", [0, 1, 44, 45, 511, 512, 513, 32767, 32768, 1 << 20])
def test_sizes(conn, size):
    """Every way a string is stored, over every other."""
    for other in (b"7", b"x" * 100, b"y" * 600, b"z" * 40000):
        assert conn.cmd("SET", "k", other) == OK
        value = b"v" * size
        assert conn.cmd("SET", "k", value) == OK
        assert conn.cmd("GET", "k") == value and conn.cmd("STRLEN", "k") == size


def test_set_conditions(conn):
    assert replies(conn, "SET k 1 XX", "SET k 1 NX", "SET k 2 NX", "SET k 3 XX", "GET k") == \
        [None, OK, None, OK, b"3"]
    assert replies(conn, "SET k 4 GET", "SET n 1 GET", "SET k 5 NX GET", "GET k", "SET m 1 XX GET",
                   "SET k 6 XX GET", "SET new 1 NX GET", "GET new", "EXISTS m") == \
        [b"3", None, b"4", b"4", None, b"4", None, b"1", 0]


@pytest.mark.parametrize("options", [
    "NX XX", "XX NX", "EX", "PX", "EX 10 PX 10", "PX 10 EXAT 99999999999", "KEEPTTL EX 10", "EX 10 KEEPTTL",
    "PXAT 1 KEEPTTL", "PERSIST", "NOSUCH", "EX 10 NX XX", "GET GET EX"])
def test_set_syntax(conn, options):
    assert replies(conn, "SET k old", "SET k v " + options, "GET k") == [OK, SYNTAX, b"old"]


@pytest.mark.parametrize("command", ["SET k v EX {}", "SET k v PX {}", "SET k v EXAT {}", "SET k v PXAT {}",
                                     "SETEX k {} v", "PSETEX k {} v", "GETEX k EX {}", "GETEX k PX {}",
                                     "GETEX k EXAT {}", "GETEX k PXAT {}"])
def test_bad_times(conn, command):
    name = command.split()[0].lower()
    conn.cmd("SET", "k", "old")
    bad = Error(b"ERR invalid expire time in '%s' command" % name.encode())
    values = ["0", "-1", str(INT_MIN)]
    if "PXAT" not in command:
        values += [str(INT_MAX)]
    for value in values:
        assert replies(conn, command.format(value), "GET k", "TTL k") == [bad, b"old", -1]
    for value in ("x", "1.5", "", str(INT_MAX + 1)):
        assert conn.cmd(*[part.format(value) for part in command.split()]) == NOT_INT


def test_set_expiry(conn):
    assert replies(conn, "SET k v EX 100", "SET k w", "TTL k", "SET k v PX 5000", "SET k w KEEPTTL") == \
        [OK, OK, -1, OK, OK]
    assert 0 < conn.cmd("PTTL", "k") <= 5000 and conn.cmd("GET", "k") == b"w"
    assert replies(conn, "SET k v EX 10 EX 1000", "TTL k", "SET k v ex 5 nx", "SET k v EXAT 99999999999",
                   "EXPIRETIME k", "SET k v PXAT 99999999999999 GET", "PEXPIRETIME k") == \
        [OK, 1000, None, OK, 99999999999, b"v", 99999999999999]
    assert replies(conn, "SETEX k 7 a", "TTL k", "PSETEX k 7000 b", "TTL k", "GET k") == [OK, 7, OK, 7, b"b"]


def test_set_in_the_past(conn):
    assert replies(conn, "SET k v EXAT 1", "GET k", "SET k v", "SET k w PXAT 1000 GET", "EXISTS k") == \
        [OK, None, OK, b"v", 0]


def test_expires_on_time(conn):
    conn.cmd("SET", "k", "v", "PX", 50)
    assert conn.cmd("GET", "k") == b"v"
    time.sleep(0.06)
    assert replies(conn, "GET k", "EXISTS k", "SET k w XX", "SETNX k x") == [None, 0, None, 1]


def test_getex_getdel(conn):
    assert replies(conn, "SET k v", "GETEX k", "TTL k", "GETEX k EX 50", "TTL k", "GETEX k", "TTL k",
                   "GETEX k PERSIST", "TTL k", "GETEX none EX 0", "GETEX k PXAT 1", "EXISTS k") == \
        [OK, b"v", -1, b"v", 50, b"v", 50, b"v", -1, None, b"v", 0]
    for options in ("EX 1 PERSIST", "PERSIST EX 1", "KEEPTTL", "NX", "GET", "PX", "EX 1 PX 1"):
        assert conn.cmd("GETEX", "none", *options.split()) == SYNTAX
    assert replies(conn, "SET k v EX 5", "GETDEL k", "GETDEL k", "TTL k") == [OK, b"v", None, -2]


def test_getset_setnx(conn):
    assert replies(conn, "GETSET k a", "SETNX k b", "SET k c EX 9", "GETSET k d", "TTL k", "SETNX n 1") == \
        [None, 0, OK, b"c", -1, 1]


def test_wrong_type(conn):
    conn.cmd("RPUSH", "l", "a")
    for line in ("GET l", "GETSET l v", "GETDEL l", "GETEX l", "STRLEN l", "GETRANGE l 0 1", "SUBSTR l 0 1",
                 "SETRANGE l 0 x", "SETRANGE l 0 ", "APPEND l x", "INCR l", "DECR l", "INCRBY l 1", "DECRBY l 1",
                 "INCRBYFLOAT l 1", "SET l v GET"):
        assert conn.cmd(*line.split(" ")) == WRONGTYPE, line
    assert conn.cmd("MGET", "l", "none") == [None, None]
    assert conn.cmd("LRANGE", "l", 0, -1) == [b"a"]
    assert replies(conn, "SET l v", "GET l") == [OK, b"v"]


def test_counters(conn):
    assert replies(conn, "INCR n", "INCRBY n 41", "DECR n", "DECRBY n -9", "GET n", "OBJECT ENCODING n") == \
        [1, 42, 41, 50, b"50", b"int"]
    overflow = Error(b"ERR increment or decrement would overflow")
    conn.cmd("SET", "n", INT_MAX)
    assert replies(conn, "INCR n", "INCRBY n 1", "DECRBY n -1", "GET n") == [overflow] * 3 + [b"%d" % INT_MAX]
    conn.cmd("SET", "n", INT_MIN)
    assert replies(conn, "DECR n", "GET n") == [overflow, b"%d" % INT_MIN]
    assert conn.cmd("DECRBY", "n", INT_MIN) == Error(b"ERR decrement would overflow")
    for bad in (" 1", "1 ", "+1", "01", "1.0", "", "0x1", "9223372036854775808", "-0"):
        conn.cmd("SET", "n", bad)
        assert conn.cmd("INCR", "n") == NOT_INT and conn.cmd("INCRBY", "m", bad) == NOT_INT
    assert replies(conn, "SET n 5 EX 100", "INCR n", "TTL n") == [OK, 6, 100]


def test_incrbyfloat(conn):
    assert replies(conn, "INCRBYFLOAT f 0.1", "INCRBYFLOAT f 0.2", "INCRBYFLOAT f -0.3", "SET f 3.0e3",
                   "INCRBYFLOAT f 200", "INCRBYFLOAT f 1e20") == \
        [b"0.1", b"0.3", b"0", OK, b"3200", b"100000000000000003200"]
    not_float = Error(b"ERR value is not a valid float")
    for bad in ("nan", "x", "", " 1", "1 "):
        assert conn.cmd("INCRBYFLOAT", "f", bad) == not_float
        conn.cmd("SET", "bad", bad)
        assert conn.cmd("INCRBYFLOAT", "bad", 1) == not_float
    assert conn.cmd("INCRBYFLOAT", "f", "inf") == Error(b"ERR increment would produce NaN or Infinity")
    assert replies(conn, "SET f 1 EX 100", "INCRBYFLOAT f 1.5", "TTL f") == [OK, b"2.5", 100]


def test_append_setrange(conn):
    assert replies(conn, "APPEND k ab", "APPEND k cd", "GET k", "SETRANGE k 1 XY", "GET k", "SETRANGE k 6 z") == \
        [2, 4, b"abcd", 4, b"aXYd", 7]
    assert conn.cmd("GET", "k") == b"aXYd\0\0z"
    assert conn.cmd("SETRANGE", "none", 5, "") == 0 and conn.cmd("EXISTS", "none") == 0
    assert conn.cmd("SETRANGE", "k", 50, "") == 7
    assert conn.cmd("SETRANGE", "none", 3, "x") == 4 and conn.cmd("GET", "none") == b"\0\0\0x"
    assert conn.cmd("SETRANGE", "k", -1, "x") == Error(b"ERR offset is out of range")
    assert conn.cmd("APPEND", "empty", "") == 0 and conn.cmd("EXISTS", "empty") == 1
    assert replies(conn, "SET n 12", "APPEND n 3", "INCR n", "GET n") == [OK, 3, 124, b"124"]


def test_grows_piecewise(conn):
    """Across the inline limit, the slack of blobs and a string that is on its way to a client."""
    expected = b""
    for i in range(400):
        piece = b"%d," % i * 37
        expected += piece
        length, value = conn.pipeline([["APPEND", "k", piece], ["GET", "k"]])
        assert length == len(expected) and value == expected
    sent = conn.pipeline([["GET", "k"], ["SETRANGE", "k", 0, "#"], ["GET", "k"]])
    assert sent == [expected, len(expected), b"#" + expected[1:]]


def test_encodings(conn):
    assert replies(conn, "SET k 1", "OBJECT ENCODING k", "APPEND k 2", "OBJECT ENCODING k", "SET k 12",
                   "SETRANGE k 0 3", "OBJECT ENCODING k", "GET k", "SETRANGE n 0 5", "OBJECT ENCODING n") == \
        [OK, b"int", 2, b"raw", OK, 2, b"raw", b"32", 1, b"raw"]
    assert replies(conn, "SET k " + "x" * 44, "OBJECT ENCODING k", "SET k " + "x" * 45, "OBJECT ENCODING k",
                   "APPEND a 5", "OBJECT ENCODING a", "SET f 1", "INCRBYFLOAT f 1", "OBJECT ENCODING f") == \
        [OK, b"embstr", OK, b"raw", 1, b"int", OK, b"2", b"embstr"]


def test_ranges(conn):
    conn.cmd("SET", "k", "Hello World")
    cases = {(0, 4): b"Hello", (-5, -1): b"World", (0, -1): b"Hello World", (4, 2): b"", (-1, -5): b"",
             (20, 30): b"", (-100, 2): b"Hel", (6, 100): b"World", (-100, -50): b"H", (-3, 2): b""}
    for (start, end), part in cases.items():
        assert conn.cmd("GETRANGE", "k", start, end) == part
        assert conn.cmd("SUBSTR", "k", start, end) == part
    assert conn.cmd("GETRANGE", "none", 0, -1) == b""
    conn.cmd("SET", "n", 12345)
    assert conn.cmd("GETRANGE", "n", 1, 2) == b"23" and conn.cmd("STRLEN", "n") == 5
    assert conn.cmd("SET", "e", "") == OK and conn.cmd("GETRANGE", "e", 0, -1) == b""


def test_integer_edges(server, oracle):
    with server.connect() as ours, oracle.connect() as theirs:
        for a in EDGES:
            for line in ("SETRANGE s {} x", "SETRANGE none {} ", "SET n 5", "INCRBY n {}", "SET n 5", "DECRBY n {}",
                         "SET x v PX {}", "GETEX none EX {}", "DEL x"):
                command = [part.format(a) for part in line.split(" ")]
                if command[0] == "SETRANGE" and 0 <= a < 2**32 or "PX" in command and a > 0:
                    continue
                assert ours.cmd(*command) == theirs.cmd(*command), command
            for b in EDGES:
                for key in ("s", "none"):
                    ours.cmd("SET", "s", "abcdefgh"), theirs.cmd("SET", "s", "abcdefgh")
                    assert ours.cmd("GETRANGE", key, a, b) == theirs.cmd("GETRANGE", key, a, b), (a, b)


def test_largest_value(start_server):
    with start_server(proto_max_bulk_len="1mb").connect() as conn:
        limit = 1 << 20
        assert conn.cmd("SETRANGE", "k", limit - 1, "x") == limit
        assert conn.cmd("SETRANGE", "k", limit, "x") == TOO_LONG
        assert conn.cmd("APPEND", "k", "x") == TOO_LONG
        for offset in (limit, 2**31, 2**32, 2**62, INT_MAX):
            assert conn.cmd("SETRANGE", "n", offset, "xy") == TOO_LONG
        assert conn.cmd("STRLEN", "k") == limit and conn.cmd("EXISTS", "n") == 0


def test_many_keys(conn):
    pairs = [part for i in range(100) for part in (f"k{i}", f"v{i}")]
    assert conn.cmd("MSET", *pairs) == OK
    assert conn.cmd("MGET", *pairs[::2], "none") == [f"v{i}".encode() for i in range(100)] + [None]
    assert conn.cmd("MSETNX", "new", 1, "k1", 2) == 0 and conn.cmd("EXISTS", "new") == 0
    assert conn.cmd("MSETNX", "new", 1, "new", 2) == 1 and conn.cmd("GET", "new") == b"2"
    assert conn.cmd("MSET", "a", 1, "b", 2, "a", 3) == OK and conn.cmd("MGET", "a", "b", "a") == [b"3", b"2", b"3"]
    for name in ("MSET", "MSETNX"):
        wrong = Error(b"ERR wrong number of arguments for '%s' command" % name.lower().encode())
        assert conn.cmd(name, "a", 1, "b") == wrong and conn.cmd(name, "a") == wrong
    assert conn.cmd("SET", "a", 1, "EX", 50) == OK and conn.cmd("MSET", "a", 2) == OK
    assert conn.cmd("TTL", "a") == -1


def test_resp3_bytes(server):
    """Nulls and big strings as RESP3 writes them."""
    with server.connect() as conn:
        conn.cmd("HELLO", "3")
        for command, expected in ((["GET", "none"], b"_\r\n"), (["SET", "k", "v", "GET"], b"_\r\n"),
                                  (["MGET", "k", "none"], b"*2\r\n$1\r\nv\r\n_\r\n"), (["GETDEL", "none"], b"_\r\n"),
                                  (["SET", "k", "v", "NX"], b"_\r\n"), (["INCRBYFLOAT", "f", "1.5"], b"$3\r\n1.5\r\n")):
            conn.send(encode(command))
            assert conn.read_raw() == expected


def test_effects(start_server, tmp_path):
    """What is logged does not depend on the clock, on arithmetic or on replies."""
    log = tmp_path / "effects"
    server = start_server(debug_effects_file=str(log), io_threads=1)
    with server.connect() as conn:
        replies(conn, "SET a 1 EX 100 NX", "SET a 2 GET", "SET a 3 KEEPTTL GET", "SETEX b 10 x", "PSETEX b 10000 x",
                "GETEX b PERSIST", "GETEX b PERSIST", "GETEX b EX 50", "INCRBYFLOAT a 0.5", "GETDEL b", "GETSET c 1",
                "GETEX c PXAT 1", "SET d 1 XX", "MSETNX a 1 z 2", "INCR n", "GET n")
    server.stop()
    text = log.read_bytes()
    assert text.count(b"PXAT") == 3 and b"\nPEXPIREAT\r" in text and b"\nPERSIST\r" in text
    assert text.count(b"PERSIST") == 1 and b"\n3.5\r\n$7\r\nKEEPTTL" in text
    for absent in (b"SETEX", b"GETEX", b"GETDEL", b"GETSET", b"INCRBYFLOAT", b"MSETNX", b"\nGET\r", b"\nEX\r"):
        assert absent not in text, absent
    assert text.count(b"\nDEL\r") == 2 and text.count(b"INCR") == 1
