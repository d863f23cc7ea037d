"""No command touches a key that its user may not: what is read never reaches a reply, what is written changes nothing.

Keys that end in 3 may be written and not read, those that end in 4 neither. Both hold a secret, and random commands of all
families, also broken ones, try to get at it.
"""
import os
import random

import pytest

from diff.generator import Generator
from lib.resp import Error

SEED = int(os.environ.get("ACL_SEED", "1"))
COMMANDS = int(os.environ.get("ACL_COMMANDS", "20000"))
SECRET = b"5ecret5ecret"
# What is about whole databases or the connection, not about keys.
NOT_KEYS = {b"SELECT", b"SWAPDB", b"FLUSHALL", b"FLUSHDB", b"RESET", b"HELLO", b"AUTH", b"QUIT", b"CLIENT", b"CONFIG", b"DEBUG",
            b"ACL", b"MULTI", b"EXEC", b"DISCARD", b"MIGRATE"}
# Words in places where a key spec looks for its own.
TRICKS = [
    "SORT list:0 BY store STORE list:4", "SORT list:0 STORE list:1 STORE list:4", "SORT list:4 STORE list:0", "SORT list:0 GET string:4*",
    "SORT list:0 BY *:4 GET *", "SORT_RO set:0 GET set:4", "GEORADIUS geo:0 0 0 20000 km STORE geo:1 STORE geo:4",
    "GEORADIUS geo:0 0 0 20000 km STOREDIST geo:1 STORE geo:4", "GEORADIUSBYMEMBER geo:0 m1 20000 km STORE geo:4",
    "GEOSEARCHSTORE geo:1 geo:4 FROMLONLAT 0 0 BYRADIUS 20000 km", "XREADGROUP GROUP streams c STREAMS stream:4 >",
    "XREADGROUP GROUP g streams STREAMS stream:4 >", "XREAD COUNT 10 STREAMS stream:0 stream:4 0 0", "XREAD STREAMS stream:4 0",
    "EVAL return 1 1 string:4", "ZUNION 2 zset:0 zset:4", "SINTERCARD 2 set:0 set:4", "LMPOP 2 list:0 list:4 LEFT",
    "ZMPOP 2 zset:0 zset:4 MIN", "SET string:3 x GET", "SET string:4 x", "BITFIELD string:3 GET u8 0", "GETSET string:3 x", "GETDEL string:3",
    "COPY string:3 string:0", "COPY string:4 string:0 REPLACE", "RENAME list:3 list:0", "RENAME list:0 list:4", "LMOVE list:3 list:0 LEFT LEFT",
    "PFMERGE hll:0 string:3", "BITOP OR string:0 string:3", "SUNIONSTORE set:0 set:3", "LCS string:0 string:3",
    "DUMP string:3", "OBJECT ENCODING string:4", "MSETEX 2 string:0 a string:4 b", "MSET string:0 a string:4 b", "MGET string:0 string:4",
    "DEL string:4", "UNLINK string:0 string:4", "TOUCH string:4", "EXPIRE string:4 1", "PERSIST string:4", "XAUTOCLAIM stream:4 g c 0 0",
    "SDIFFSTORE set:4 set:0", "ZRANGESTORE zset:4 zset:0 0 -1", "ZRANGESTORE zset:0 zset:3 0 -1", "RESTORE string:4 0 x",
]


@pytest.fixture
def admin(start_server):
    server = start_server(io_threads=2)
    with server.connect() as conn:
        yield server, conn


def fill(conn):
    """Secrets under all keys of both kinds."""
    for n in (3, 4):
        conn.cmd("DEL", *[f"{family}:{n}" for family in ("string", "list", "hash", "set", "zset", "stream", "hll", "geo", "lex")])
        conn.cmd("SET", f"string:{n}", SECRET)
        conn.cmd("RPUSH", f"list:{n}", *[SECRET] * 20)
        conn.cmd("HSET", f"hash:{n}", *[part for i in range(10) for part in (b"%b%d" % (SECRET, i), SECRET)])
        conn.cmd("SADD", f"set:{n}", *[b"%b%d" % (SECRET, i) for i in range(10)])
        conn.cmd("ZADD", f"zset:{n}", *[part for i in range(10) for part in (i, b"%b%d" % (SECRET, i))])
        conn.cmd("XADD", f"stream:{n}", "*", SECRET, SECRET)
        conn.cmd("XGROUP", "CREATE", f"stream:{n}", "g", "0")
        conn.cmd("GEOADD", f"geo:{n}", "1", "1", SECRET)
        conn.cmd("ZADD", f"lex:{n}", 0, SECRET)


def forbidden(conn):
    keys = [f"{family}:4" for family in ("string", "list", "hash", "set", "zset", "stream", "geo", "lex")]
    return conn.cmd("DEBUG", "DIGEST-VALUE", *keys), [conn.cmd("PEXPIRETIME", key) for key in keys]


def mentions(reply):
    if isinstance(reply, list):
        return any(map(mentions, reply))
    return isinstance(reply, bytes) and SECRET in reply and not isinstance(reply, Error)


@pytest.mark.tokamak
def test_no_command_gets_at_a_forbidden_key(admin):
    server, conn = admin
    conn.cmd("ACL", "SETUSER", "u", "on", "nopass", "+@all", "-@admin", "-swapdb", "-flushall", "-flushdb", "-select", "~*:[012]", "~nokey",
             "%W~*:3", "&*")
    rng = random.Random(SEED)
    generator = Generator(SEED, exclude=NOT_KEYS)
    fill(conn)
    before, denied = forbidden(conn), 0
    with server.connect() as user:
        assert user.cmd("AUTH", "u", "x") == b"OK"
        for i in range(COMMANDS):
            command = rng.choice(TRICKS).split() if rng.random() < 0.2 else generator.command()
            if SECRET in b" ".join(arg if isinstance(arg, bytes) else arg.encode() for arg in command):
                continue
            reply = user.cmd(*command)
            denied += isinstance(reply, Error) and reply.startswith(b"NOPERM")
            assert not mentions(reply), f"{command} read {reply}"
            if i % 200 == 199:
                assert forbidden(conn) == before, f"changed by one of the commands up to {i}: {command}"
                fill_written(conn)
    assert forbidden(conn) == before and denied > COMMANDS / 10


def fill_written(conn):
    """The user may have deleted them: secrets again."""
    conn.cmd("SET", "string:3", SECRET)
    conn.cmd("DEL", "list:3", "set:3", "stream:3")
    conn.cmd("RPUSH", "list:3", *[SECRET] * 20)
    conn.cmd("SADD", "set:3", *[b"%b%d" % (SECRET, i) for i in range(10)])
    conn.cmd("XADD", "stream:3", "*", SECRET, SECRET)
    conn.cmd("XGROUP", "CREATE", "stream:3", "g", "0")
