"""Positions: adding, asking, searching, storing; the same as redis-server on random data."""
import random

import pytest

from lib.resp import Error

SYNTAX = Error(b"ERR syntax error")
WRONGTYPE = Error(b"WRONGTYPE Operation against a key holding the wrong kind of value")
SICILY = ("13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania")


def fill(conn):
    assert conn.cmd("GEOADD", "g", *SICILY) == 2


@pytest.mark.smoke
def test_positions(conn):
    fill(conn)
    assert conn.cmd("GEODIST", "g", "Palermo", "Catania") == b"166274.1516"
    assert conn.cmd("GEODIST", "g", "Palermo", "Catania", "KM") == b"166.2742"
    assert conn.cmd("GEODIST", "g", "Palermo", "none") is None and conn.cmd("GEODIST", "none", "a", "b") is None
    assert conn.cmd("GEODIST", "g", "Palermo", "Palermo") == b"0.0000"
    assert conn.cmd("GEOHASH", "g", "Palermo", "Catania", "none") == [b"sqc8b49rny0", b"sqdtr74hyu0", None]
    assert conn.cmd("GEOPOS", "g", "Palermo", "none")[0][0].startswith(b"13.361389338970")
    assert conn.cmd("ZSCORE", "g", "Palermo") == b"3479099956230698"
    assert conn.cmd("GEOADD", "g", "CH", "XX", 13, 38, "Palermo", 1, 2, "new") == 1
    assert conn.cmd("GEOADD", "g", "NX", 1, 2, "Palermo") == 0 and conn.cmd("ZCARD", "g") == 2


def test_searches(conn):
    fill(conn)
    assert conn.cmd("GEORADIUS", "g", 15, 37, 200, "km", "ASC") == [b"Catania", b"Palermo"]
    assert conn.cmd("GEORADIUS_RO", "g", 15, 37, 200, "km", "WITHDIST", "DESC", "COUNT", 1) == \
        [[b"Palermo", b"190.4424"]]
    assert conn.cmd("GEORADIUSBYMEMBER", "g", "Catania", 100, "km") == [b"Catania"]
    assert conn.cmd("GEOSEARCH", "g", "FROMLONLAT", 15, 37, "BYBOX", 400, 400, "km", "ASC", "WITHHASH") == \
        [[b"Catania", 3479447370796909], [b"Palermo", 3479099956230698]]
    assert conn.cmd("GEOSEARCHSTORE", "d", "g", "FROMMEMBER", "Palermo", "BYRADIUS", 1, "m", "STOREDIST") == 1
    assert conn.cmd("ZRANGE", "d", 0, -1, "WITHSCORES") == [b"Palermo", b"0"]
    assert conn.cmd("GEORADIUS", "g", 15, 37, 200, "km", "STORE", "d") == 2
    assert conn.cmd("ZSCORE", "d", "Catania") == b"3479447370796909"
    # Several STORE options: the last one counts.
    assert conn.cmd("GEORADIUS", "g", 15, 37, 200, "km", "STORE", "x", "STOREDIST", "y", "STORE", "z") == 2
    assert [conn.cmd("EXISTS", key) for key in "xyz"] == [0, 0, 1]
    assert conn.cmd("GEORADIUSBYMEMBER", "none", "m", 1, "m", "STORE", "z") == 0 and conn.cmd("EXISTS", "z") == 0
    assert conn.cmd("GEOSEARCH", "none", "FROMMEMBER", "m", "BYRADIUS", 1, "m") == []


def test_resp3(server):
    with server.connect() as conn:
        conn.cmd("HELLO", 3)
        fill(conn)
        assert abs(float(conn.cmd("GEOPOS", "g", "Catania")[0][0]) - 15.087269) < 1e-5
        assert type(conn.cmd("GEOPOS", "g", "Catania")[0][0]).__name__ == "Double"


def test_errors(conn):
    fill(conn)
    conn.cmd("SET", "s", "x")
    assert conn.cmd("GEOADD", "g", 181, 0, "m") == Error(b"ERR invalid longitude,latitude pair 181.000000,0.000000")
    assert conn.cmd("GEOADD", "g", 0, 86, "m") == Error(b"ERR invalid longitude,latitude pair 0.000000,86.000000")
    assert conn.cmd("GEOADD", "g", "x", 1, "m") == Error(b"ERR value is not a valid float")
    for args in ([1, 2], [1, 2, "m", 3], ["NX", "XX", 1, 2, "m"], ["NX", "CH", "NX"]):
        reply = conn.cmd("GEOADD", "g", *args)
        assert reply == SYNTAX or reply == Error(b"ERR wrong number of arguments for 'geoadd' command")
    for name, args in (("GEOADD", (1, 1, "m")), ("GEOPOS", ("m",)), ("GEOHASH", ("m",)), ("GEODIST", ("a", "b")),
                       ("GEORADIUS", (1, 1, 1, "m")), ("GEORADIUSBYMEMBER", ("a", 1, "m"))):
        assert conn.cmd(name, "s", *args) == WRONGTYPE
    assert conn.cmd("GEODIST", "g", "Palermo", "Catania", "parsec") == \
        Error(b"ERR unsupported unit provided. please use M, KM, FT, MI")
    assert conn.cmd("GEORADIUS", "g", 1, 1, -1, "m") == Error(b"ERR radius cannot be negative")
    assert conn.cmd("GEORADIUS", "g", 1, 1, 1, "m", "ANY") == Error(b"ERR the ANY argument requires COUNT argument")
    assert conn.cmd("GEORADIUS_RO", "g", 1, 1, 1, "m", "STORE", "d") == SYNTAX
    assert conn.cmd("GEORADIUSBYMEMBER", "g", "none", 1, "m") == \
        Error(b"ERR could not decode requested zset member")
    for name, args in (("GEORADIUS", (1, 1, 1, "m")), ("GEORADIUSBYMEMBER", ("Palermo", 1, "m")), ("SORT", ("DESC",))):
        for word in ("STORE", "STOREDIST"):  # nothing behind it, also in a transaction
            assert conn.cmd(name, "g", *args, word) == SYNTAX
            assert conn.cmd("MULTI") == b"OK" and conn.cmd("SET", "x", 1) == b"QUEUED"
            assert conn.cmd(name, "g", *args, word) == b"QUEUED"
            assert conn.cmd("EXEC")[1] == SYNTAX
    for count in (0, -1, -2**63):
        assert conn.cmd("GEORADIUS", "g", 1, 1, 1, "m", "COUNT", count) == Error(b"ERR COUNT must be > 0")


def test_scores_that_are_no_positions(conn):
    conn.cmd("ZADD", "z", "-inf", "a", "inf", "b", -1, "c", 1e300, "d", 0.5, "e", -1e300, "f")
    assert len(conn.cmd("GEOPOS", "z", *"abcdef")) == 6 and len(conn.cmd("GEOHASH", "z", *"abcdef")) == 6
    for radius in (0, 1, 1e9, "inf", 1e308):
        assert isinstance(conn.cmd("GEORADIUSBYMEMBER", "z", "a", radius, "km", "COUNT", 2**63 - 1), list)


SHAPES = [["BYRADIUS", 0, "m"], ["BYRADIUS", 50, "km"], ["BYRADIUS", 3000, "km"], ["BYRADIUS", 19000, "mi"],
          ["BYBOX", 100, 500, "km"], ["BYBOX", 9000, 9000, "km"], ["BYBOX", 1e6, 10, "ft"], ["BYRADIUS", 1e8, "m"]]


@pytest.mark.parametrize("small", [True, False])
def test_against_redis(conn, oracle, small):
    """The same members with the same texts, wherever on earth and of any size."""
    rng = random.Random(7)
    count = 60 if small else 3000
    points = [w for i in range(count) for w in
              ("%.7f" % rng.uniform(-180, 180), "%.7f" % rng.uniform(-85, 85), "m%d" % i)]
    with oracle.connect() as redis:
        redis.cmd("FLUSHALL")
        both = (conn, redis)
        assert [c.cmd("GEOADD", "g", *points) for c in both] == [count, count]
        for command in (["GEOPOS"], ["GEOHASH"]):
            ours, theirs = (c.cmd(*command, "g", *points[2::3]) for c in both)
            assert ours == theirs
        for _ in range(100):
            centre = ["FROMLONLAT", "%.6f" % rng.uniform(-180, 180), "%.6f" % rng.uniform(-85, 85)] \
                if rng.random() < 0.5 else ["FROMMEMBER", rng.choice(points[2::3])]
            options = rng.choice(SHAPES) + rng.choice([["ASC"], ["DESC"], ["ASC", "COUNT", 5]])
            ours, theirs = (c.cmd("GEOSEARCH", "g", *centre, *options, "WITHDIST", "WITHCOORD", "WITHHASH")
                            for c in both)
            assert ours == theirs, (centre, options)
