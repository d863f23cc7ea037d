"""The least a server must do, on every axis alone: each type once through redis-py."""
import pytest

from lib.wait import wait_until

pytestmark = pytest.mark.smoke


def test_types_round_trip(client):
    binary = bytes(range(256))
    assert client.set("s", binary) and client.get("s") == binary
    assert client.rpush("l", "a", "b", "c") == 3 and client.lrange("l", 0, -1) == [b"a", b"b", b"c"]
    assert client.hset("h", mapping={"f": 1, "g": 2}) == 2
    assert client.hgetall("h") == {b"f": b"1", b"g": b"2"}
    assert client.sadd("t", 1, 2, 3) == 3 and client.smembers("t") == {b"1", b"2", b"3"}
    assert client.zadd("z", {"a": 1.5, "b": -2}) == 2
    assert client.zrange("z", 0, -1, withscores=True) == [(b"b", -2.0), (b"a", 1.5)]
    assert client.dbsize() == 5 and client.flushall() and client.dbsize() == 0


def test_pipeline_of_redis_py(client):
    with client.pipeline(transaction=False) as pipe:
        for i in range(1000):
            pipe.set(f"k{i}", i)
            pipe.incr("n")
        replies = pipe.execute()
    assert replies[1::2] == list(range(1, 1001))
    assert client.mget([f"k{i}" for i in range(1000)]) == [b"%d" % i for i in range(1000)]


def test_expiry_is_exact(client):
    """The heap expires a key when it says, also when nobody asks for it."""
    client.set("k", "v", px=150)
    assert client.pttl("k") in range(1, 151)
    assert client.dbsize() == 1
    assert wait_until(lambda: client.dbsize() == 0)


def test_info_and_version(client):
    info = client.info()
    assert tuple(map(int, info["redis_version"].split("."))) >= (7, 0, 0)
    assert info["connected_clients"] >= 1
    assert client.config_get("maxmemory") == {"maxmemory": "0"}


def test_scan_sees_every_key(client):
    expected = {b"key:%d" % i for i in range(5000)}
    client.mset({name: "v" for name in expected})
    assert set(client.scan_iter(count=100)) == expected
    assert set(client.scan_iter(match="key:12*")) == {k for k in expected if k.startswith(b"key:12")}
