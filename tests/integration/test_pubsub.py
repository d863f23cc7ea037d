"""Publish/subscribe across reactors: who gets what, in which order, in which protocol; and what is left."""
import threading
import time

import pytest
import redis

from lib.frame import FrameConnection
from lib.resp import Error, Push
from lib.server import free_port
from lib.wait import wait_until

REFUSAL = (b"ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
           b"are allowed in this context")


@pytest.fixture
def many(start_server):
    return start_server(io_threads=4)


@pytest.fixture
def connections(many):
    """Enough for every reactor to have some."""
    opened = [many.connect() for _ in range(12)]
    yield opened
    for conn in opened:
        conn.close()


def info(conn, name):
    return int(dict(line.split(":", 1) for line in conn.cmd("INFO").decode().split("\r\n") if ":" in line)[name])


@pytest.mark.smoke
def test_every_reactor_delivers_in_order(connections):
    publisher, listeners = connections[0], connections[1:]
    for conn in listeners:
        assert conn.cmd("SUBSCRIBE", "news") == [b"subscribe", b"news", 1]
    for i in range(200):
        assert publisher.cmd("PUBLISH", "news", i) == len(listeners)
    for conn in listeners:
        assert [conn.read() for _ in range(200)] == [[b"message", b"news", b"%d" % i] for i in range(200)]


def test_all_see_one_order_of_a_channel(connections):
    listeners, publishers = connections[:6], connections[6:]
    for conn in listeners:
        conn.cmd("SUBSCRIBE", "c")

    def publish(conn, name):
        for i in range(100):
            conn.cmd("PUBLISH", "c", f"{name}-{i}")

    threads = [threading.Thread(target=publish, args=pair) for pair in zip(publishers, "abcdef")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = [[conn.read()[2] for _ in range(600)] for conn in listeners]
    assert len(set(seen[0])) == 600 and all(one == seen[0] for one in seen)


def test_kinds_and_counts(conn, server):
    with server.connect() as other:
        assert other.cmd("SUBSCRIBE", "a", "b") == [b"subscribe", b"a", 1]
        assert other.read() == [b"subscribe", b"b", 2]
        assert other.cmd("SUBSCRIBE", "a") == [b"subscribe", b"a", 2]
        assert other.cmd("PSUBSCRIBE", "a*") == [b"psubscribe", b"a*", 3]
        assert other.cmd("SSUBSCRIBE", "a") == [b"ssubscribe", b"a", 1]
        assert conn.cmd("PUBLISH", "a", "x") == 2
        assert [other.read(), other.read()] == [[b"message", b"a", b"x"], [b"pmessage", b"a*", b"a", b"x"]]
        assert conn.cmd("SPUBLISH", "a", "y") == 1
        assert other.read() == [b"smessage", b"a", b"y"]
        assert sorted(conn.cmd("PUBSUB", "CHANNELS")) == [b"a", b"b"]
        assert conn.cmd("PUBSUB", "CHANNELS", "[b-z]") == [b"b"]
        assert conn.cmd("PUBSUB", "SHARDCHANNELS") == [b"a"]
        assert conn.cmd("PUBSUB", "NUMSUB", "a", "none") == [b"a", 1, b"none", 0]
        assert conn.cmd("PUBSUB", "SHARDNUMSUB", "a", "b") == [b"a", 1, b"b", 0]
        assert conn.cmd("PUBSUB", "NUMPAT") == 1
        line = next(l for l in conn.cmd("CLIENT", "LIST", "TYPE", "pubsub").splitlines())
        assert b" flags=P " in line and b" sub=2 psub=1 ssub=1 " in line
        assert [info(conn, name) for name in ("pubsub_channels", "pubsub_patterns", "pubsubshard_channels",
                                              "pubsub_clients")] == [2, 1, 1, 1]
        assert other.cmd("UNSUBSCRIBE", "b", "none") == [b"unsubscribe", b"b", 2]
        assert other.read() == [b"unsubscribe", b"none", 2]
        assert other.cmd("UNSUBSCRIBE") == [b"unsubscribe", b"a", 1]
        assert other.cmd("UNSUBSCRIBE") == [b"unsubscribe", None, 1]
        assert other.cmd("PUNSUBSCRIBE") == [b"punsubscribe", b"a*", 0]
        assert other.cmd("SUNSUBSCRIBE") == [b"sunsubscribe", b"a", 0]
        assert other.cmd("GET", "k") is None
        assert conn.cmd("CLIENT", "LIST", "TYPE", "pubsub") == b""


def test_subscriber_mode_of_resp2(conn):
    conn.cmd("SUBSCRIBE", "c")
    assert conn.cmd("GET", "k") == Error(REFUSAL)
    assert conn.cmd("PING") == [b"pong", b""] and conn.cmd("PING", "x") == [b"pong", b"x"]
    assert conn.cmd("RESET") == b"RESET" and conn.cmd("PING") == b"PONG"
    assert conn.cmd("PUBSUB", "CHANNELS") == []


def test_resp3_mixes_pushes_and_replies(conn):
    conn.cmd("HELLO", 3)
    reply = conn.cmd("SUBSCRIBE", "c")
    assert isinstance(reply, Push) and reply == [b"subscribe", b"c", 1]
    replies = conn.pipeline([["PUBLISH", "c", "1"], ["SET", "k", "v"], ["UNSUBSCRIBE", "c"]]) + [conn.read()]
    assert replies == [1, Push([b"message", b"c", b"1"]), b"OK", Push([b"unsubscribe", b"c", 0])]
    assert conn.cmd("PUBLISH", "c", "2") == 0 and conn.cmd("PING") == b"PONG"


def test_inside_a_transaction(conn, server):
    conn.cmd("HELLO", 3)
    for line in (["MULTI"], ["SUBSCRIBE", "c"], ["PUBLISH", "c", "x"], ["INCR", "n"]):
        conn.cmd(*line)
    assert conn.cmd("EXEC") == [Push([b"subscribe", b"c", 1]), 1, 1]
    assert conn.read() == [b"message", b"c", b"x"]


def test_long_messages_are_whole(connections):
    payloads = [b"%d" % i * 50_000 for i in range(5)]
    for conn in connections[1:]:
        conn.cmd("SUBSCRIBE", "big")
    for payload in payloads:
        connections[0].cmd("PUBLISH", "big", payload)
    for conn in connections[1:]:
        assert [conn.read()[2] for _ in payloads] == payloads


def test_the_dead_leave_nothing(many, connections):
    admin = connections[0]
    for round_ in range(20):
        for conn in connections[1:]:
            conn.cmd("SUBSCRIBE", *[f"c{i}" for i in range(20)])
        for conn in connections[1:]:
            conn.close()
        connections[1:] = [many.connect() for _ in range(11)]
        admin.cmd("PUBLISH", "c1", round_)
    assert wait_until(lambda: admin.cmd("PUBSUB", "CHANNELS") == [])
    assert info(admin, "pubsub_clients") == 0 and admin.cmd("PUBLISH", "c1", "x") == 0


def test_slow_subscribers_are_closed(conn, server):
    conn.cmd("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0")
    with server.connect() as slow:
        slow.cmd("SUBSCRIBE", "c")
        counts = [conn.cmd("PUBLISH", "c", "x" * 60_000) for _ in range(400)]
        assert counts[0] == 1 and counts[-1] == 0


def fill(conn, payload, above):
    """Publishes until the only subscriber, which reads nothing, has so much pending; nothing once it is closed."""
    def pending():
        lines = [line for line in conn.cmd("CLIENT", "LIST", "TYPE", "pubsub").decode().split("\n") if line]
        return int(lines[0].split(" omem=")[1].split()[0]) if lines else None

    while (omem := pending()) is not None and omem <= above:
        conn.cmd("PUBLISH", "c", payload)
    return omem


def test_the_soft_limit_lasts_for_its_seconds(conn, server):
    conn.cmd("CONFIG", "SET", "client-output-buffer-limit", "pubsub 0 200kb 3")
    with server.connect() as slow, server.connect() as patient:
        slow.cmd("SUBSCRIBE", "c")
        fill(conn, "x" * 50_000, 1000 * 1024)  # well above: the sockets may take some more by and by
        began = time.monotonic()
        assert conn.cmd("PUBSUB", "NUMSUB", "c") == [b"c", 1]  # above the limit, but not for long
        assert wait_until(lambda: conn.cmd("PUBSUB", "NUMSUB", "c") == [b"c", 0], 20), "nothing is sent, yet it must go"
        assert time.monotonic() - began > 1
        assert info(conn, "client_output_buffer_limit_disconnections") == 1
        assert patient.cmd("PING") == b"PONG"


def test_the_limit_of_normal_clients_is_another(conn, server):
    conn.cmd("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0 pubsub 300kb 0 0")
    with server.connect() as reader:
        assert reader.cmd("PING") == b"PONG"
        conn.cmd("SET", "big", "x" * 2_000_000)
        assert len(reader.cmd("GET", "big")) == 2_000_000
        reader.cmd("SUBSCRIBE", "c")
        fill(conn, "x" * 50_000, 300 * 1024)
        assert wait_until(lambda: conn.cmd("PUBSUB", "NUMSUB", "c") == [b"c", 0], 20)


def test_a_reader_in_time_goes_below_the_soft_limit(conn, server):
    conn.cmd("CONFIG", "SET", "client-output-buffer-limit", "pubsub 0 200kb 30")
    with server.connect() as slow:
        slow.cmd("SUBSCRIBE", "c")
        fill(conn, "x" * 50_000, 200 * 1024)
        conn.cmd("PUBLISH", "c", "end")
        while slow.read()[2] != b"end":
            pass
        assert conn.cmd("PUBLISH", "c", "more") == 1 and slow.read()[2] == b"more"


def test_redis_py(many):
    client = redis.Redis(port=many.port)
    listener = client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("c")
    listener.psubscribe("p.*")
    assert wait_until(lambda: (listener.get_message(), client.pubsub_numpat())[1] == 1)
    assert client.publish("c", "1") == 1 and client.publish("p.x", "2") == 1
    got = []
    assert wait_until(lambda: (got.append(listener.get_message()), len([m for m in got if m]) == 2)[1])
    assert [m["data"] for m in got if m] == [b"1", b"2"]


@pytest.mark.tokamak
def test_frame_pushes_are_arrays(start_server):
    server = start_server(frame_port=free_port(), io_threads=2)
    with server.connect() as conn, FrameConnection(server.directives["frame-port"]) as frame:
        assert frame.cmd("SUBSCRIBE", "a", "b") == [b"subscribe", b"a", 1]
        assert frame.read() == [b"subscribe", b"b", 2]
        assert conn.cmd("PUBLISH", "b", "x") == 1
        assert frame.read() == [b"message", b"b", b"x"]
        assert frame.cmd("PING") == [b"pong", b""]
        assert frame.cmd("UNSUBSCRIBE", "a", "b") == [b"unsubscribe", b"a", 1]
        assert frame.read() == [b"unsubscribe", b"b", 0]
