"""Keyspace notifications: which events, on which channels, when; the streams of many commands are in tests/diff."""
import pytest
import redis

from lib.resp import Error, Push
from lib.wait import wait_until


@pytest.fixture
def many(start_server):
    return start_server(io_threads=4, notify_keyspace_events="KEA")


@pytest.fixture
def listener(many):
    with many.connect() as conn:
        conn.cmd("PSUBSCRIBE", "__key*__:*")
        yield conn


def event(kind, subject, message, db=0):
    channel = f"__{kind}@{db}__:{subject}".encode()
    return [b"pmessage", b"__key*__:*", channel, message.encode()]


def both(key, name, db=0):
    return [event("keyspace", key, name, db), event("keyevent", name, key, db)]


@pytest.mark.smoke
def test_every_reactor_s_changes_arrive_in_order(many, listener):
    writers = [many.connect() for _ in range(8)]
    for i, conn in enumerate(writers * 20):
        conn.cmd("SET" if i % 2 else "INCRBY", f"k{i}", 1)
        assert [listener.read(), listener.read()] == both(f"k{i}", "set" if i % 2 else "incrby")
    for conn in writers:
        conn.close()


def test_one_key_s_events_are_in_the_order_of_its_changes(many, listener):
    with many.connect() as a, many.connect() as b:
        for conn, value in ((a, "a"), (b, "b")):
            conn.send(b"".join(b"*3\r\n$6\r\nAPPEND\r\n$1\r\nk\r\n$1\r\n%b\r\n" % value.encode() for _ in range(500)))
        assert sorted(conn.read() for conn in (a, b) for _ in range(500)) == list(range(1, 1001))
    assert [listener.read() for _ in range(2000)] == both("k", "append") * 1000


def test_classes_and_channels(server, conn):
    def heard(flags, *commands):
        conn.cmd("CONFIG", "SET", "notify-keyspace-events", flags)
        for command in commands:
            conn.cmd(*command)
        conn.cmd("PUBLISH", "__keyspace@0__:end", "")
        seen = []
        while not seen or seen[-1][2] != b"__keyspace@0__:end":
            seen.append(listening.read())
        return [(line[2].decode(), line[3].decode()) for line in seen[:-1]]

    with server.connect() as listening:
        listening.cmd("PSUBSCRIBE", "__key*__:*")
        assert heard("", ["SET", "k", 1]) == []
        assert heard("g$", ["SET", "k", 1]) == []
        assert heard("K$", ["SET", "k", 1], ["DEL", "k"]) == [("__keyspace@0__:k", "set")]
        assert heard("Eg", ["SET", "k", 1], ["DEL", "k"]) == [("__keyevent@0__:del", "k")]
        assert heard("Kl", ["RPUSH", "l", 1], ["LPOP", "l"]) == [("__keyspace@0__:l", "rpush"), ("__keyspace@0__:l", "lpop")]
        assert heard("Klg", ["RPUSH", "l", 1], ["LPOP", "l"])[-1] == ("__keyspace@0__:l", "del")
        assert heard("Km", ["GET", "gone"], ["SET", "gone", 1], ["OBJECT", "ENCODING", "nothing"]) == \
            [("__keyspace@0__:gone", "keymiss")]
        assert heard("Kn", ["SET", "fresh", 1], ["SET", "fresh", 2]) == [("__keyspace@0__:fresh", "new")]
        assert heard("KEA", ["GET", "no"], ["FLUSHALL"]) == []


def test_the_setting_is_shown_as_redis_does(conn, oracle):
    with oracle.connect() as theirs:
        for flags in ("", "KEA", "AKE", "Ex", "g$lshzxetd", "Kgmn", "KEAm", "q"):
            command = ["CONFIG", "SET", "notify-keyspace-events", flags]
            ours = conn.cmd(*command)
            assert isinstance(ours, Error) == isinstance(theirs.cmd(*command), Error)
            get = ["CONFIG", "GET", "notify-keyspace-events"]
            assert sorted(conn.cmd(*get)[1]) == sorted(theirs.cmd(*get)[1])
        theirs.cmd("CONFIG", "SET", "notify-keyspace-events", "")


def test_databases(many, listener):
    with many.connect() as conn:
        conn.cmd("SELECT", 3)
        conn.cmd("SET", "k", 1)
        conn.cmd("MOVE", "k", 5)
    want = both("k", "set", 3) + both("k", "move_from", 3) + both("k", "move_to", 5)
    assert [listener.read() for _ in want] == want


def test_expiry_by_the_clock_and_by_a_read(many, listener):
    with many.connect() as conn:
        conn.cmd("SET", "clock", 1, "PX", 30)
        want = both("clock", "set") + both("clock", "expire") + both("clock", "expired")
        assert [listener.read() for _ in want] == want
        conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        conn.cmd("SET", "lazy", 1, "PX", 1)
        assert wait_until(lambda: conn.cmd("GET", "lazy") is None)
        want = both("lazy", "set") + both("lazy", "expire") + both("lazy", "expired")
        assert [listener.read() for _ in want] == want


def test_eviction(many, listener):
    with many.connect() as conn:
        conn.cmd("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
        for i in range(50):
            conn.cmd("SET", f"k{i}", "x" * 1000)
        [listener.read() for _ in range(100)]
        conn.cmd("CONFIG", "SET", "maxmemory", 1)
        assert wait_until(lambda: conn.cmd("DBSIZE") == 0)
        lines = [listener.read() for _ in range(100)]  # of all reactors, which evict at once
        assert sorted(lines) == sorted(line for i in range(50) for line in both(f"k{i}", "evicted"))
        conn.cmd("CONFIG", "SET", "maxmemory", 0)


def test_own_events_come_behind_the_reply(many):
    with many.connect() as conn:
        conn.cmd("HELLO", 3)
        conn.cmd("SUBSCRIBE", "__keyevent@0__:set")
        seen = conn.pipeline([["SET", "a", 1], ["MULTI"], ["SET", "b", 1], ["SET", "c", 1], ["EXEC"]])
        seen += [conn.read() for _ in range(3)]
        a, b, c = (Push([b"message", b"__keyevent@0__:set", key]) for key in (b"a", b"b", b"c"))
        assert seen == [b"OK", a, b"OK", b"QUEUED", b"QUEUED", [b"OK", b"OK"], b, c]


def test_redis_py(many):
    client = redis.Redis(port=many.port)
    listener = client.pubsub(ignore_subscribe_messages=True)
    listener.psubscribe("__keyevent@0__:*")
    assert wait_until(lambda: (listener.get_message(), client.pubsub_numpat())[1] == 1)
    client.hset("h", "f", "v")
    got = []
    assert wait_until(lambda: (got.append(listener.get_message()), got[-1] is not None)[1])
    assert got[-1]["channel"] == b"__keyevent@0__:hset" and got[-1]["data"] == b"h"
    client.close()
