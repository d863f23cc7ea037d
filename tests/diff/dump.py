"""All data of a server as plain values, and the comparison of two such dumps."""
from diff.compare import TOLERANCE_S, pairs, stream_info
from diff.differences import same_encoding

DATABASES = 3
READERS = {
    b"string": lambda k: [b"GET", k],
    b"list": lambda k: [b"LRANGE", k, 0, -1],
    b"set": lambda k: [b"SMEMBERS", k],
    b"hash": lambda k: [b"HGETALL", k],
    b"stream": lambda k: [b"XINFO", b"STREAM", k, b"FULL", b"COUNT", 0],
    b"zset": lambda k: [b"ZRANGE", k, 0, -1, b"WITHSCORES"],
}


class Entry:
    """One key's whole truth."""

    def __init__(self, kind, encoding, expires_ms, value):
        self.kind, self.encoding, self.expires_ms, self.value = kind, encoding, expires_ms, value

    def __repr__(self):
        return f"{self.kind.decode()} {self.encoding} expires {self.expires_ms}: {self.value!r}"[:2000]


def dump(server):
    """{(db, key): Entry} over a RESP2 connection of its own."""
    data = {}
    with server.connect() as conn:
        for db in range(DATABASES):
            conn.cmd("SELECT", db)
            for key, entry in _dump_database(conn).items():
                data[db, key] = entry
    return data


def _dump_database(conn):
    keys = conn.cmd("KEYS", "*")
    kinds = conn.pipeline([[b"TYPE", key] for key in keys])
    encodings = conn.pipeline([[b"OBJECT", b"ENCODING", key] for key in keys])
    times = conn.pipeline([[b"PEXPIRETIME", key] for key in keys])
    values = conn.pipeline([READERS[kind](key) for key, kind in zip(keys, kinds)])
    return {key: Entry(kind, encoding, time, _canonical(kind, value))
            for key, kind, encoding, time, value in zip(keys, kinds, encodings, times, values)}


def _canonical(kind, value):
    if kind == b"set":
        return sorted(value)
    if kind == b"stream":
        return stream_info(value)
    if kind == b"hash":
        return pairs(value)
    if kind == b"zset":
        return [(member, float(score)) for member, score in zip(value[::2], value[1::2])]
    return value


def differing(ours, theirs, tolerance_ms=TOLERANCE_S * 1000, encodings=True):
    """The (db, key) pairs whose entries are not equal."""
    return [where for where in sorted(set(ours) | set(theirs))
            if not _same_entry(ours.get(where), theirs.get(where), tolerance_ms, encodings)]


def _same_entry(a, b, tolerance_ms, encodings):
    if a is None or b is None:
        return False
    if (a.kind, a.value) != (b.kind, b.value) or (a.expires_ms < 0) != (b.expires_ms < 0):
        return False
    if encodings and not same_encoding(a.encoding, b.encoding):
        return False
    return abs(a.expires_ms - b.expires_ms) <= tolerance_ms
