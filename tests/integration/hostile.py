"""Byte streams a parser must survive, by name. Each is sent on a connection of its own, to Tokamak and
to redis-server, and both must answer the same bytes and close or not close alike."""

PING = b"*1\r\n$4\r\nPING\r\n"
KB64 = 64 * 1024


def _lengths(prefix, rest=b""):
    """One stream per odd number in the place of a length."""
    numbers = [b"2147483647", b"2147483648", b"-2147483648", b"4294967296", b"9223372036854775807",
               b"9223372036854775808", b"18446744073709551616", b"536870913", b"1048577", b"-1", b"-2",
               b"-9223372036854775808", b"00", b"01", b"+1", b" 1", b"1 ", b"", b"-", b"1a", b"a",
               b"0x1", b"1.0", b"1e1", b"\x00", b"1\x00", b"--1", b"9" * 40]
    return {prefix.decode("latin1").strip() + number.decode("latin1"): prefix + number + b"\r\n" + rest
            for number in numbers}


STREAMS = {
    **_lengths(b"*", PING),
    **_lengths(b"*1\r\n$", b"PING\r\n"),
    **_lengths(b"*2\r\n$4\r\nECHO\r\n$", b"a\r\n" + PING),
    "empty array": b"*0\r\n" + PING,
    "null array": b"*-1\r\n" + PING,
    "many empty arrays": b"*0\r\n*-1\r\n" * 100 + PING,
    "bulk is not a bulk": b"*1\r\n:1\r\n" + PING,
    "array in array": b"*1\r\n*1\r\n$4\r\nPING\r\n",
    "no CRLF after bulk": b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n",
    "bulk shorter than told": b"*1\r\n$6\r\nPING\r\n*1\r\n$4\r\nPING\r\n",
    "bare LF after array": b"*1\n$4\r\nPING\r\n",
    "CR without LF": b"*1\rx$4\r\nPING\r\n",
    "empty bulk as name": b"*1\r\n$0\r\n\r\n" + PING,
    "binary name": b"*1\r\n$4\r\n\x00\xff\r\n\r\n" + PING,
    "long name": b"*1\r\n$300\r\n" + b"n" * 300 + b"\r\n" + PING,
    "long arguments": b"*3\r\n$2\r\nxx\r\n$200\r\n" + b"n" * 200 + b"\r\n$1\r\na\r\n" + PING,
    "name with newline": b"*2\r\n$3\r\nx\ny\r\n$3\r\na\rb\r\n" + PING,
    "unknown subcommand": b"*2\r\n$6\r\nCLIENT\r\n$3\r\nfoo\r\n*1\r\n$6\r\nCLIENT\r\n" + PING,
    "inline": b"PING\r\n",
    "inline with LF": b"PING\n",
    "inline with spaces": b"  ECHO   hi  \r\n",
    "inline with tabs": b"ECHO\thi\r\n",
    "inline quotes": b'ECHO "a b\\x41\\n"\r\nECHO \'a "b\'\r\nECHO \'it\\\'s\'\r\nECHO ""\r\n',
    "inline escapes": b'ECHO "\\x4\\xzz\\q\\t\\b\\a\\r\\\\"\r\n',
    "unbalanced quotes": b'ECHO "abc\r\n' + PING,
    "unbalanced single": b"ECHO 'abc\r\n" + PING,
    "junk after quote": b'ECHO "a"b\r\n' + PING,
    "empty lines": b"\r\n\r\n\n\r\n" + PING,
    "spaces only": b"   \r\n" + PING,
    "NUL inline": b"ECHO a\x00b\r\n" + PING,
    "inline then array": b"PING\r\n" + PING + b"PING\r\n",
    "POST": b"POST / HTTP/1.1\r\nHost: a\r\n\r\n",
    "Host": b"Host: a\r\nPING\r\n",
    "RESP3 types": b"%1\r\n+a\r\n:1\r\n",
    "QUIT pipelined": b"PING\r\nQUIT\r\nPING\r\n",
}

BIG_STREAMS = {
    "inline without end": b"a" * (KB64 + 100),
    "inline of 60 KB": b"ECHO " + b"a" * 60000 + b"\r\n" + PING,
    "array length without end": b"*" + b"1" * (KB64 + 100),
    "bulk length without end": b"*1\r\n$" + b"1" * (KB64 + 100),
    "a million empty bulks": b"*1000000\r\n" + b"$0\r\n\r\n" * 1000000 + PING,
    "ten thousand PINGs": PING * 10000,
}

_MULTIBULK = (b"-ERR Protocol error: invalid multibulk length\r\n", True)
_BULK = (b"-ERR Protocol error: invalid bulk length\r\n", True)
_CRLF = (b"-ERR Protocol error: expected CRLF\r\n", True)

# Where Tokamak is stricter than redis-server, on purpose: its own answer, with the reason.
INTENDED = {
    **{"*" + bad: (_MULTIBULK, "redis looks for the line's end only up to a NUL and waits for ever")
       for bad in ("\x00", "1\x00")},
    **{prefix + bad: (_BULK, "the same for a bulk length") for bad in ("\x00", "1\x00")
       for prefix in ("*1\r\n$", "*2\r\n$4\r\nECHO\r\n$")},
    "no CRLF after bulk": (_CRLF, "redis skips any two bytes and so runs out of step unnoticed"),
    "bulk shorter than told": (_CRLF, "as above"),
    "CR without LF": (_CRLF, "as above, after a length"),
    "NUL inline": ((b"$3\r\na\x00b\r\n+PONG\r\n", False), "a NUL is a byte like any other; redis waits for ever"),
}
