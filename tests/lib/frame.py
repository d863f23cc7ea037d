"""The frame protocol for tests, written from its description and not from the server's code."""
import socket
import struct

from lib.resp import to_bytes

CODES = ("", "ERR", "WRONGTYPE", "NOAUTH", "NOPERM", "OOM", "MISCONF", "BUSY", "LOADING")


class FrameError:
    def __init__(self, code, text):
        self.code, self.text = code, text

    def __repr__(self):
        return f"FrameError({self.code}, {self.text!r})"

    def __eq__(self, other):
        return isinstance(other, FrameError) and (self.code, self.text) == (other.code, other.text)

    __hash__ = None


def encode(args):
    args = [to_bytes(arg) for arg in args]
    body = struct.pack("<I", len(args)) + b"".join(struct.pack("<I", len(arg)) + arg for arg in args)
    return struct.pack("<I", len(body)) + body


def decode(body):
    """The one value of a reply's body, which must end with it."""
    value, end = _value(body, 0)
    assert end == len(body), f"{len(body) - end} bytes behind the value"
    return value


def _value(body, at):
    tag, at = body[at], at + 1
    if tag == 0:
        return None, at
    if tag == 1:
        code, length = struct.unpack_from("<II", body, at)
        return FrameError(code, body[at + 8:at + 8 + length]), at + 8 + length
    if tag == 2:
        length, = struct.unpack_from("<I", body, at)
        return body[at + 4:at + 4 + length], at + 4 + length
    if tag in (3, 4):
        return struct.unpack_from("<q" if tag == 3 else "<d", body, at)[0], at + 8
    assert tag == 5, f"unknown tag {tag}"
    count, = struct.unpack_from("<I", body, at)
    at, items = at + 4, []
    for _ in range(count):
        item, at = _value(body, at)
        items.append(item)
    return items, at


class FrameConnection:
    def __init__(self, port, timeout=20):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def send(self, data, chunk=None):
        for start in range(0, len(data), chunk or max(len(data), 1)):
            self.sock.sendall(data[start:start + (chunk or len(data))])

    def _take(self, size):
        while len(self.buffer) < size:
            data = self.sock.recv(1 << 18)
            if not data:
                raise ConnectionError("closed by the server")
            self.buffer += data
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def read(self):
        return decode(self._take(struct.unpack("<I", self._take(4))[0]))

    def cmd(self, *args):
        self.send(encode(args))
        return self.read()

    def closed(self):
        """True when the server closes and has sent nothing more."""
        return self.sock.recv(1) == b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()
