"""The order of messages: what EXEC and scripts publish leaves when their record is in the log, and still all subscribers of a
channel hear everything in one order, each publisher's in his own, and behind the replies that came before."""
import threading

import pytest

from lib.resp import encode
from lib.wait import wait_until

pytestmark = pytest.mark.tokamak

PUBLISHERS = 4
SUBSCRIBERS = 8
ROUNDS = 150
LONG = 60
SCRIPT = "redis.call('set', KEYS[1], ARGV[2]) return redis.call('publish', ARGV[1], ARGV[2])"


def publish(server, number, failures):
    """In every way: directly, in a transaction, in a script, and by what is told of changes."""
    try:
        with server.connect(LONG) as conn:
            for i in range(ROUNDS):
                conn.send(b"".join(map(encode, (
                    ["PUBLISH", "c", f"{number}:{4 * i}"],
                    ["MULTI"], ["SET", f"k{number}", i], ["PUBLISH", "c", f"{number}:{4 * i + 1}"], ["EXEC"],
                    ["EVAL", SCRIPT, 1, f"e{number}", "c", f"{number}:{4 * i + 2}"],
                    ["EVAL", "#!lua flags=declared-keys\n" + SCRIPT, 1, f"d{number}", "c", f"{number}:{4 * i + 3}"],
                    ["LPUSH", f"l{number}", i]))))
                replies = [conn.read() for _ in range(8)]
                assert replies[0] == SUBSCRIBERS and replies[4] == [b"OK", SUBSCRIBERS], replies
                assert replies[5] == replies[6] == SUBSCRIBERS, replies
    except (AssertionError, OSError) as error:
        failures.append(error)


def heard(conn, per_channel):
    """Messages until the last one, by channel."""
    while per_channel.get(b"c", []).count(b"end") < 1:
        kind, *rest = conn.read()
        assert kind in (b"message", b"pmessage")
        per_channel.setdefault(bytes(rest[-2]), []).append(bytes(rest[-1]))


@pytest.mark.parametrize("appendonly,policy", (("no", "no"), ("yes", "everysec"), ("yes", "always")))
def test_one_order_for_all(start_server, appendonly, policy):
    server = start_server(appendonly=appendonly, appendfsync=policy, io_threads=4, notify_keyspace_events="El")
    failures, records = [], [{} for _ in range(SUBSCRIBERS)]
    subscribers = [server.connect(LONG) for _ in range(SUBSCRIBERS)]
    for i, conn in enumerate(subscribers):
        channels = ["SUBSCRIBE", "c", "__keyevent@0__:lpush"] if i % 2 else ["PSUBSCRIBE", "[c]", "__keyevent*"]
        conn.send(encode(channels))
        assert [conn.read()[2] for _ in range(2)] == [1, 2]
    with server.connect(LONG) as conn:
        assert wait_until(lambda: conn.cmd("PUBLISH", "c", "begin") == SUBSCRIBERS, LONG)
    threads = [threading.Thread(target=publish, args=(server, n, failures)) for n in range(PUBLISHERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with server.connect(LONG) as conn:
        conn.cmd("PUBLISH", "c", "end")
    for conn, record in zip(subscribers, records):
        heard(conn, record)
        conn.close()
    for record in records:
        for number in range(PUBLISHERS):
            own = [message for message in record[b"c"] if message.startswith(b"%d:" % number)]
            assert own == [b"%d:%d" % (number, i) for i in range(4 * ROUNDS)], own[:40]
        assert record[b"c"] == records[0][b"c"]
        assert record[b"__keyevent@0__:lpush"] == records[0][b"__keyevent@0__:lpush"]


@pytest.mark.parametrize("policy", ("everysec", "always"))
def test_own_messages_follow_the_reply(start_server, policy):
    """Who listens to what he publishes hears it behind the reply, in the order of his commands."""
    server = start_server(appendonly="yes", appendfsync=policy, io_threads=4)
    with server.connect(LONG) as conn:
        conn.cmd("HELLO", 3)
        conn.cmd("SUBSCRIBE", "c")
        for i in range(100):
            conn.send(b"".join(map(encode, (
                ["MULTI"], ["SET", "k", i], ["PUBLISH", "c", 3 * i], ["EXEC"], ["PUBLISH", "c", 3 * i + 1],
                ["EVAL", SCRIPT, 1, "e", "c", 3 * i + 2], ["GET", "k"]))))
            got = [conn.read() for _ in range(10)]
            texts = [bytes(item[2]) for item in got if isinstance(item, list) and item and item[0] == b"message"]
            assert texts == [b"%d" % n for n in range(3 * i, 3 * i + 3)], got
            places = [n for n, item in enumerate(got) if isinstance(item, list) and item and item[0] == b"message"]
            replies = [item for n, item in enumerate(got) if n not in places]
            assert replies[3] == [b"OK", 1] and replies[4:6] == [1, 1] and replies[6] == b"%d" % i, got
            assert places[0] > 3 and got.index([b"OK", 1]) < places[0], got
