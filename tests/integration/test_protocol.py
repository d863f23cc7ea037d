"""RESP and inline requests, good and hostile, byte for byte beside redis-server."""
import time

import pytest

from integration.hostile import BIG_STREAMS, INTENDED, PING, STREAMS
from lib.resp import Connection, encode
from lib.server import is_redis

SILENCE_S = 0.5
PATIENCE_S = 20


def send_all(port, streams, chunk):
    """Every stream on a connection of its own, unread, so that one wait serves all of them."""
    connections = {}
    for name, data in streams.items():
        connections[name] = connection = Connection(port)
        try:
            connection.send(data, chunk)
        except ConnectionError:
            pass
    return connections


def collect(connections, expected=None):
    """Answers so far; those that are still a part of what is expected get the time a slow build needs."""
    answers = {}
    for name, connection in connections.items():
        data, closed = connection.drain(0.005)
        end = time.monotonic() + PATIENCE_S
        while expected and not closed and (data, closed) != expected[name] \
                and expected[name][0].startswith(data) and time.monotonic() < end:
            more, closed = connection.drain(0.05)
            data += more
        answers[name] = data, closed
        connection.close()
    return answers


def assert_same_answers(server, oracle, streams, chunk=None):
    both = [send_all(each.port, streams, chunk) for each in (server, oracle)]
    let_answer(oracle)
    theirs = collect(both[1])
    if not is_redis(server.binary):
        theirs.update({name: answer for name, (answer, _) in INTENDED.items() if name in theirs})
    ours = collect(both[0], theirs)
    different = {name: (ours[name], theirs[name]) for name in streams if ours[name] != theirs[name]}
    assert not different, "\n".join(f"{name}: got {shorten(a)}\n    expected {shorten(b)}"
                                    for name, (a, b) in different.items())


def let_answer(oracle):
    """One thread that has answered so many PINGs has come by every connection as often."""
    time.sleep(SILENCE_S)
    with oracle.connect() as conn:
        for _ in range(500):
            conn.cmd("PING")


def shorten(answer):
    """Keeps a report of big answers readable."""
    data, closed = answer
    return repr(answer) if len(data) < 500 else f"({data[:200]!r}... of {len(data)} bytes, {closed})"


@pytest.mark.smoke
def test_hostile_streams_bytewise(server, oracle):
    assert_same_answers(server, oracle, STREAMS, 1)


@pytest.mark.parametrize("chunk", [None, 2, 7])
def test_hostile_streams(server, oracle, chunk):
    assert_same_answers(server, oracle, STREAMS, chunk)


@pytest.mark.parametrize("chunk", [None, 1 << 16, 4099])
def test_big_hostile_streams(server, oracle, chunk):
    assert_same_answers(server, oracle, BIG_STREAMS, chunk)


@pytest.mark.release
def test_announced_lengths_cost_nothing(server):
    """Memory follows the payload that came, not the length that was announced."""
    before = server.rss_kb()
    streams = [b"*2147483647\r\n", b"*1048576\r\n$536870912\r\n", b"*2\r\n$4\r\nECHO\r\n$536870912\r\n"]
    connections = send_all(server.port, {i: streams[i % 3] for i in range(300)}, None)
    time.sleep(SILENCE_S)
    grown = server.rss_kb() - before
    for connection in connections.values():
        connection.close()
    assert grown < 20 * 1024, f"300 announcements cost {grown} KB"


@pytest.mark.parametrize("size", [10_000, 30_000])
def test_many_arguments(conn, size):
    names = [b"k%d" % i for i in range(size)]
    assert conn.cmd("MSET", *[part for name in names for part in (name, name)]) == b"OK"
    assert conn.cmd("MGET", *names) == names
    assert conn.cmd("EXISTS", *names) == size
    assert conn.cmd("SADD", "s", *names) == size
    assert conn.cmd("RPUSH", "l", *names) == size
    assert conn.cmd("LRANGE", "l", 0, -1) == names
    assert conn.cmd("DEL", *names) == size
    assert conn.cmd("DBSIZE") == 2


def test_large_values_in_odd_pieces(conn):
    """Payloads around the buffer sizes, arriving in pieces that fit no boundary."""
    for size in (16383, 16384, 32767, 32768, 65536, 1 << 20, (1 << 23) + 1):
        value = bytes(i & 255 for i in range(251)) * (size // 251 + 1)
        conn.send(encode(["SET", "k", value[:size]]) + PING, 8191)
        assert conn.read() == b"OK" and conn.read() == b"PONG"
        assert conn.cmd("STRLEN", "k") == size and conn.cmd("GET", "k") == value[:size]


def test_deep_pipeline_keeps_order(conn):
    commands = [["ECHO", i] for i in range(50_000)]
    assert conn.pipeline(commands) == [b"%d" % i for i in range(50_000)]


def test_requests_that_begin_alike_are_told_apart(conn):
    """In one batch, with one count and one name: what differs is the subcommand, an option, the place of a key, a transaction."""
    conn.cmd("FLUSHALL")
    commands = [
        ["COMMAND", "COUNT"], ["COMMAND", "NONE"], ["COMMAND", "COUNT"], ["CLIENT", "GETNAME"], ["CLIENT", "ID"], ["CLIENT", "NONE"],
        ["SET", "a", 1], ["SET", "b", 2], ["SET", "b", "text"], ["SET", "a", 2], ["get", "a"], ["GET", "a"], ["GET", "b"], ["GET", "none"],
        ["MULTI"], ["GET", "a"], ["GET", "b"], ["EXEC"], ["GET", "a"], ["CLIENT", "REPLY", "SKIP"], ["GET", "a"], ["GET", "b"],
        ["NONE", "a"], ["NONE", "b"], ["GET", "a", "b"], ["GET", "a", "b"], ["DEL", "a"], ["DEL", "a"], ["DEL", "a", "b"], ["DEL", "a", "b"]]
    conn.send_commands(commands)
    replies = [conn.read() for _ in commands[2:]] # CLIENT REPLY SKIP and what follows it say nothing
    assert replies[0] == replies[2] and b"unknown subcommand 'NONE'" in replies[1] and replies[3] in (None, b"") and replies[4] > 0
    assert b"unknown subcommand" in replies[5] and replies[6:10] == [b"OK"] * 4
    assert replies[10:14] == [b"2", b"2", b"text", None] and replies[17] == [b"2", b"text"] and replies[18:20] == [b"2", b"text"]
    assert all(b"unknown command 'NONE'" in reply for reply in replies[20:22])
    assert all(b"wrong number of arguments for 'get'" in reply for reply in replies[22:24]) and replies[24:] == [1, 0, 1, 0]
