"""Payloads as DUMP makes them, from values in every encoding that RDB files ever had."""
import struct


def _crc_table():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x95AC9329AC4BC9B5 if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE = _crc_table()


def crc64(data):
    crc = 0
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc


def payload(kind, body, version=10):
    """A type byte and its value, with the footer."""
    data = bytes([kind]) + body + struct.pack("<H", version)
    return data + struct.pack("<Q", crc64(data))


def length(n):
    if n < 1 << 6:
        return bytes([n])
    if n < 1 << 14:
        return struct.pack(">H", n | 1 << 14)
    return b"\x80" + struct.pack(">I", n) if n < 1 << 32 else b"\x81" + struct.pack(">Q", n)


def text(data):
    return length(len(data)) + data


def strings(*items):
    """A count and as many strings; `items` that are integers are written as such."""
    return length(len(items)) + b"".join(map(text, items))


def lzf(data):
    """Compressed by literals only."""
    packed = b"".join(bytes([len(data[i:i + 32]) - 1]) + data[i:i + 32] for i in range(0, len(data), 32))
    return b"\xc3" + length(len(packed)) + length(len(data)) + packed


def ziplist(*items):
    """Of byte strings and integers, these in the shortest form."""
    body, before, last = b"", 0, 10
    for item in items:
        last = 10 + len(body)
        entry = (bytes([before]) if before < 254 else b"\xfe" + struct.pack("<I", before)) + _zip_value(item)
        body += entry
        before = len(entry)
    return struct.pack("<IIH", 11 + len(body), last, len(items)) + body + b"\xff"


def _zip_value(item):
    if isinstance(item, bytes):
        head = bytes([len(item)]) if len(item) < 64 else struct.pack(">H", len(item) | 1 << 14) \
            if len(item) < 1 << 14 else b"\x80" + struct.pack(">I", len(item))
        return head + item
    if 0 <= item <= 12:
        return bytes([0xF1 + item])
    for head, size in ((0xFE, 1), (0xC0, 2), (0xF0, 3), (0xD0, 4), (0xE0, 8)):
        if -1 << (8 * size - 1) <= item < 1 << (8 * size - 1):
            return bytes([head]) + item.to_bytes(size, "little", signed=True)
    raise ValueError(item)


def listpack(*items):
    """Of byte strings, all written as strings, and integers, all written in 64 bits."""
    body = b"".join(map(_listpack_entry, items))
    return struct.pack("<IH", 7 + len(body), min(len(items), 65535)) + body + b"\xff"


def _listpack_entry(item):
    if isinstance(item, int):
        return b"\xf4" + struct.pack("<q", item) + b"\x09"
    head = bytes([0x80 | len(item)]) if len(item) < 64 else b"\xf0" + struct.pack("<I", len(item))
    size, back = len(head) + len(item), b""
    while size > 127:
        back, size = bytes([size & 127 | 128]) + back, size >> 7
    return head + item + bytes([size]) + back


def intset(width, *items):
    return struct.pack("<II", width, len(items)) + b"".join(i.to_bytes(width, "little", signed=True) for i in items)


def zipmap(*pairs, free=0):
    def part(data, unused=b""):
        head = bytes([len(data)]) if len(data) < 254 else b"\xfe" + struct.pack("<I", len(data))
        return head + unused + data
    body = b"".join(part(k) + part(v, bytes([free])) + b"x" * free for k, v in pairs)
    return bytes([min(len(pairs), 254)]) + body + b"\xff"


def file(*items, version=10, checksum=True, magic=None):
    """A whole file of items."""
    data = (magic or b"REDIS%04d" % version) + b"".join(items) + b"\xff"
    if version < 5:
        return data
    return data + (struct.pack("<Q", crc64(data)) if checksum else bytes(8))


def key(name, kind, body, expire_ms=None):
    """A key of a file."""
    head = b"" if expire_ms is None else b"\xfc" + struct.pack("<q", expire_ms)
    return head + bytes([kind]) + text(name) + body


def select(db):
    return b"\xfe" + length(db)
