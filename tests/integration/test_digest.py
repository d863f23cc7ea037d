"""DEBUG DIGEST and DIGEST-VALUE are redis-server's, for random data of all types in every encoding: written by both, and loaded
from each other's files."""
import random
from pathlib import Path

import pytest

from lib.resp import Error, Simple
from lib.server import REDIS
from lib.wait import wait_until

# no -0: packed encodings lose its sign, and 7.0 packs sometimes what 7.2 does not
SCORES = ("inf", "-inf", "0", "1", "-1.5", "3.0000000000000004", "1e300", "5e-324", "0.1", "12345678901234567", "1e17")


def word(rng):
    return rng.choice((b"", b"%d" % rng.randrange(-10, 10**rng.randint(1, 19)), rng.randbytes(rng.randint(1, 80)),
                       b"m%d" % rng.randrange(50), b"x" * rng.randint(60, 70)))


def length(rng):
    """Both sides of the limits of the packed encodings."""
    return rng.choice((1, 2, 5, 20, 140, 600))


def stream(rng, key):
    """With deletions, groups, consumers and what they have not acknowledged, none of which may count but the entries."""
    ids = [f"{i + 1}-{rng.randrange(3)}" for i in range(length(rng))]
    same = [b"f", b"g"]  # entries with the fields of the first one are encoded otherwise
    for identity in ids:
        fields = same if rng.random() < 0.6 else [word(rng) for _ in range(rng.randint(1, 4))]
        yield ["XADD", key, identity, *(x for field in fields for x in (field, word(rng)))]
    for identity in rng.sample(ids, len(ids) // 5):
        yield ["XDEL", key, identity]
    yield ["XGROUP", "CREATE", key, "group", rng.choice(("0", "$"))]
    yield ["XREADGROUP", "GROUP", "group", "me", "COUNT", 3, "STREAMS", key, ">"]
    if rng.random() < 0.3:
        yield ["XTRIM", key, "MAXLEN", len(ids) // 2]


def commands_for(rng, kind, key):
    count = length(rng)
    if kind == "string":
        return [["SET", key, rng.choice((word(rng), b"v" * 3000))]]
    if kind == "bits":
        return [["SETBIT", key, rng.randrange(5000), 1], ["APPEND", key, word(rng)]]
    if kind == "hll":
        return [["PFADD", key, *(word(rng) for _ in range(count))]]
    if kind == "list":
        return [["RPUSH", key, *(word(rng) for _ in range(count))], ["LPUSH", key, word(rng)], ["LTRIM", key, 0, count // 2 + 1]]
    if kind == "intset":
        return [["SADD", key, *(rng.randrange(-10**rng.randint(1, 18), 10**18) for _ in range(count))]]
    if kind == "set":
        return [["SADD", key, *(word(rng) for _ in range(count))]]
    if kind == "hash":
        return [["HSET", key, *(x for _ in range(count) for x in (word(rng), word(rng)))]]
    if kind == "zset":
        return [["ZADD", key, *(x for _ in range(count) for x in (rng.choice((*SCORES, repr(rng.gauss(0, 1e6)))), word(rng)))]]
    if kind == "geo":
        return [["GEOADD", key, *(x for _ in range(count) for x in (f"{rng.uniform(-180, 180):.9f}", f"{rng.uniform(-85, 85):.9f}", word(rng)))]]
    return list(stream(rng, key))


KINDS = ("string", "bits", "hll", "list", "intset", "set", "hash", "zset", "geo", "stream")


def data(seed):
    """Commands, and the keys of database 0."""
    rng, commands, keys = random.Random(seed), [], []
    for i in range(120):
        kind, key = KINDS[i % len(KINDS)], b"%s:%d:%s" % (KINDS[i % len(KINDS)].encode(), i, rng.randbytes(3))
        db = rng.choice((0, 0, 0, 3, 15))
        commands += [["SELECT", db], *commands_for(rng, kind, key)]
        if rng.random() < 0.3:
            commands.append(["PEXPIREAT", key, 4_000_000_000_000 + i])
        if not db:
            keys.append(key)
    return [*commands, ["SELECT", 0]], keys


def fill(conn, commands):
    conn.cmd("FLUSHALL")
    for reply, command in zip(conn.pipeline(commands), commands):
        assert not isinstance(reply, Error), (command, reply)


def assert_same(conn, other, keys):
    ours = conn.cmd("DEBUG", "DIGEST-VALUE", *keys, "missing")
    theirs = other.cmd("DEBUG", "DIGEST-VALUE", *keys, "missing")
    assert [key for key, x, y in zip(keys, ours, theirs) if x != y] == []
    assert ours == theirs and conn.cmd("DEBUG", "DIGEST") == other.cmd("DEBUG", "DIGEST")
    assert conn.cmd("DEBUG", "DIGEST") != Simple(b"0" * 40)


@pytest.mark.parametrize("seed", range(3))
def test_random_data(conn, oracle, seed):
    commands, keys = data(seed)
    with oracle.connect() as other:
        fill(conn, commands)
        fill(other, commands)
        assert_same(conn, other, keys)
        changed = next(key for key in keys if key.startswith(b"stream"))
        conn.cmd("XADD", changed, "99999-1", "f", "v")
        assert conn.cmd("DEBUG", "DIGEST") != other.cmd("DEBUG", "DIGEST")
        assert conn.cmd("DEBUG", "DIGEST-VALUE", changed) != other.cmd("DEBUG", "DIGEST-VALUE", changed)
        assert conn.cmd("DEBUG", "RELOAD") == Simple(b"OK")


@pytest.mark.tokamak
@pytest.mark.parametrize("writer", ("ours", "theirs"))
def test_loaded_data(start_server, writer):
    """The file of one, loaded by the other, and by itself."""
    commands, keys = data("load" + writer)
    servers = [start_server(binary=None if writer == "ours" else REDIS), start_server(binary=REDIS if writer == "ours" else None)]
    with servers[0].connect() as conn:
        fill(conn, commands)
        conn.cmd("SAVE")
        before = conn.cmd("DEBUG", "DIGEST")
        servers[1].stop()
        Path(servers[1].dir, "dump.rdb").write_bytes(Path(servers[0].dir, "dump.rdb").read_bytes())
        servers[1].start()
        with servers[1].connect() as other:
            assert wait_until(lambda: not isinstance(other.cmd("DBSIZE"), Error), 20)
            assert_same(conn, other, keys)
        assert conn.cmd("DEBUG", "RELOAD") == Simple(b"OK") and conn.cmd("DEBUG", "DIGEST") == before
