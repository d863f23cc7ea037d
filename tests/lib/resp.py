"""RESP2 and RESP3 for tests: an encoder, and a resumable reader that keeps the wire types apart.

Every wire type has its own Python type, because a test that cannot tell `$2 OK` from `+OK`, or a map
from an array, would not notice a broken RESP3 reply.
"""
import math
import socket


class Simple(bytes):
    """`+text`"""


class Error(bytes):
    """`-text`: a value and not an exception, since most tests expect errors among other replies."""

    def code(self):
        return self.split(b" ", 1)[0]


class NullArray:
    """`*-1`, which RESP2 clients tell apart from `$-1`."""

    def __repr__(self):
        return "NullArray"

    def __eq__(self, other):
        return isinstance(other, NullArray)

    __hash__ = None


class Double(float):
    """`,1.5`"""


class BigNumber(int):
    """`(123`"""


class Verbatim(bytes):
    """`=15 txt:...`, format prefix included"""


class Map(list):
    """`%n`: flat list k, v, k, v as on the wire"""


class Set(list):
    """`~n`"""


class Push(list):
    """`>n`"""


class ProtocolError(Exception):
    """The server sent something that is not RESP."""


INCOMPLETE = object()
_SCALARS = {
    b"+": Simple, b"-": Error, b":": int, b"(": BigNumber,
    b"#": lambda t: {b"t": True, b"f": False}[t], b"_": lambda t: None,
}
_AGGREGATES = {b"*": (list, 1), b"%": (Map, 2), b"~": (Set, 1), b">": (Push, 1)}
_BULKS = {b"$": bytes, b"=": Verbatim, b"!": Error}


def encode(args):
    """One command as an array of bulk strings."""
    out = [b"*%d\r\n" % len(args)]
    for arg in args:
        arg = to_bytes(arg)
        out.append(b"$%d\r\n%b\r\n" % (len(arg), arg))
    return b"".join(out)


def to_bytes(arg):
    """Strings and numbers as clients send them."""
    return arg if isinstance(arg, bytes) else str(arg).encode()


def _double(text):
    if text in (b"inf", b"-inf"):
        return Double(float(text))
    return Double("nan") if text in (b"nan", b"-nan") else Double(float(text))


class Reader:
    """Feed bytes, take replies. Restarts an incomplete reply from its first byte: simple, and the
    replies tests read are small."""

    def __init__(self):
        self.buf = b""
        self.pos = 0

    def feed(self, data):
        self.buf = self.buf[self.pos:] + data
        self.pos = 0

    def pending(self):
        return len(self.buf) - self.pos

    def next(self):
        """The next whole reply, or INCOMPLETE."""
        value, pos = self._parse(self.pos)
        if value is not INCOMPLETE:
            self.pos = pos
        return value

    def _parse(self, pos):
        end = self.buf.find(b"\r\n", pos)
        if end < 0:
            return INCOMPLETE, pos
        kind, text, pos = self.buf[pos:pos + 1], self.buf[pos + 1:end], end + 2
        if kind in _BULKS:
            return self._bulk(_BULKS[kind], int(text), pos)
        if kind in _AGGREGATES:
            return self._aggregate(*_AGGREGATES[kind], int(text), pos)
        if kind == b",":
            return _double(text), pos
        if kind == b"|":
            return self._after_attribute(int(text), pos)
        if kind not in _SCALARS:
            raise ProtocolError(f"unknown reply type {kind + text!r}")
        return _SCALARS[kind](text), pos

    def _bulk(self, make, length, pos):
        if length < 0:
            return None, pos
        if len(self.buf) < pos + length + 2:
            return INCOMPLETE, pos
        if self.buf[pos + length:pos + length + 2] != b"\r\n":
            raise ProtocolError("bulk without its CRLF")
        return make(self.buf[pos:pos + length]), pos + length + 2

    def _aggregate(self, make, factor, count, pos):
        if count < 0:
            return NullArray(), pos
        items = make()
        for _ in range(count * factor):
            item, pos = self._parse(pos)
            if item is INCOMPLETE:
                return INCOMPLETE, pos
            items.append(item)
        return items, pos

    def _after_attribute(self, count, pos):
        """Attributes precede a reply and are no reply themselves."""
        attribute, pos = self._aggregate(Map, 2, count, pos)
        return (INCOMPLETE, pos) if attribute is INCOMPLETE else self._parse(pos)


class Connection:
    """A raw socket with a reader: exact bytes out, exact wire types in."""

    def __init__(self, port, timeout=20, host="127.0.0.1"):
        self.sock = socket.create_connection((host, port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = Reader()

    def send(self, data, chunk=None):
        """All of data; in pieces of `chunk` bytes when given."""
        for start in range(0, len(data), chunk or max(len(data), 1)):
            self.sock.sendall(data[start:start + (chunk or len(data))])

    def read(self):
        """One reply; ConnectionError when the server closed first."""
        while True:
            value = self.reader.next()
            if value is not INCOMPLETE:
                return value
            data = self.sock.recv(1 << 18)
            if not data:
                raise ConnectionError("closed by the server")
            self.reader.feed(data)

    def read_raw(self):
        """The bytes of one reply; the reader keeps a reply that is not whole at the buffer's front."""
        self.reader.feed(b"")
        self.read()
        return self.reader.buf[:self.reader.pos]

    def cmd(self, *args):
        self.send(encode(args))
        return self.read()

    def send_commands(self, commands):
        """Every command in one write."""
        self.send(b"".join(map(encode, commands)))

    def pipeline(self, commands):
        """The same, then as many replies."""
        self.send_commands(commands)
        return [self.read() for _ in commands]

    def raw(self, end):
        """All bytes up to these, with which the last reply ends."""
        data = self.reader.buf[self.reader.pos:]
        self.reader = Reader()
        while not data.endswith(end):
            part = self.sock.recv(1 << 16)
            if not part:
                raise ConnectionError(f"closed after {data!r}")
            data += part
        return data

    def drain(self, timeout=30):
        """(raw bytes, closed): all that comes until the server closes or is silent for `timeout`."""
        data = self.reader.buf[self.reader.pos:]
        self.reader = Reader()
        self.sock.settimeout(timeout)
        try:
            while True:
                part = self.sock.recv(1 << 16)
                if not part:
                    return data, True
                data += part
        except socket.timeout:
            return data, False
        except ConnectionError:
            return data, True

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class UnixConnection(Connection):
    """The same over a unix socket."""

    def __init__(self, path, timeout=20):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(str(path))
        self.reader = Reader()


def same(a, b):
    """Equality of value and wire type, NaN equal to itself."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and math.isnan(a):
        return math.isnan(b)
    return a == b
