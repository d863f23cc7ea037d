"""Commands that wait: who is served, when, in which order and protocol; and how a wait ends otherwise."""
import time

import pytest

from lib.frame import FrameConnection
from lib.frame import encode as frames
from lib.resp import Double, Error, NullArray, encode
from lib.server import free_port
from lib.wait import wait_until

UNBLOCKED = b"UNBLOCKED client unblocked via CLIENT UNBLOCK"
WRONGTYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.fixture
def many(start_server):
    return start_server(io_threads=4)


class Crowd:
    """Connections that wait, one after the other, so that their order is known."""

    def __init__(self, server):
        self.server, self.conns = server, []
        self.control = self.connect()

    def connect(self):
        self.conns.append(self.server.connect())
        return self.conns[-1]

    def info(self, name):
        text = self.control.cmd("INFO", "clients").decode()
        return int(dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)[name])

    def settle(self, count):
        assert wait_until(lambda: self.info("blocked_clients") == count)

    def park(self, *command, conn=None, raw=b""):
        conn, before = conn or self.connect(), self.info("blocked_clients")
        conn.send(encode(command) + raw)
        self.settle(before + 1)
        return conn

    def cmd(self, *args):
        return self.control.cmd(*args)

    def pipeline(self, *commands):
        self.control.send(b"".join(map(encode, commands)))
        return [self.control.read() for _ in commands]


@pytest.fixture
def crowd(many):
    group = Crowd(many)
    yield group
    for conn in group.conns:
        conn.close()


@pytest.mark.smoke
@pytest.mark.parametrize("command, push, reply", [
    (["BLPOP", "k", 0], ["RPUSH", "k", "a", "b"], [b"k", b"a"]),
    (["BRPOP", "j", "k", 0], ["RPUSH", "k", "a", "b"], [b"k", b"b"]),
    (["BLMPOP", 0, 2, "j", "k", "LEFT", "COUNT", 5], ["RPUSH", "k", "a", "b"], [b"k", [b"a", b"b"]]),
    (["BLMOVE", "k", "d", "LEFT", "RIGHT", 0], ["RPUSH", "k", "a", "b"], b"a"),
    (["BRPOPLPUSH", "k", "d", 0], ["RPUSH", "k", "a", "b"], b"b"),
    (["BZPOPMIN", "k", 0], ["ZADD", "k", 2, "b", 1.5, "a"], [b"k", b"a", b"1.5"]),
    (["BZPOPMAX", "j", "k", 0], ["ZADD", "k", 2, "b", 1.5, "a"], [b"k", b"b", b"2"]),
    (["BZMPOP", 0, 1, "k", "MAX", "COUNT", 9], ["ZADD", "k", 2, "b", 1.5, "a"],
     [b"k", [[b"b", b"2"], [b"a", b"1.5"]]]),
])
def test_each_command_is_served(crowd, command, push, reply):
    conn = crowd.park(*command)
    crowd.cmd(*push)
    assert conn.read() == reply
    crowd.settle(0)
    assert crowd.info("total_blocking_keys") == 0
    assert conn.cmd("PING") == b"PONG"


def test_nothing_to_wait_for_is_answered_at_once(crowd):
    crowd.cmd("RPUSH", "k", "a", "b")
    assert crowd.cmd("BLPOP", "none", "k", 0) == [b"k", b"a"]
    assert crowd.cmd("BLMOVE", "k", "k", "LEFT", "LEFT", 0) == b"b"
    crowd.cmd("SET", "s", "text")
    assert crowd.cmd("BLPOP", "s", "k", 0) == Error(WRONGTYPE)
    assert crowd.cmd("BLMOVE", "k", "s", "LEFT", "LEFT", 0) == Error(WRONGTYPE)
    assert crowd.cmd("LRANGE", "k", 0, -1) == [b"b"]


def test_who_waits_longest_is_first(crowd):
    conns = [crowd.park("BLPOP", "k", 0) for _ in range(8)]
    for i in range(4):
        crowd.cmd("RPUSH", "k", i)
    crowd.cmd("RPUSH", "k", 4, 5, 6, 7, 8)
    assert [conn.read() for conn in conns] == [[b"k", b"%d" % i] for i in range(8)]
    assert crowd.cmd("LRANGE", "k", 0, -1) == [b"8"]


def test_the_pusher_sees_the_list_without_what_was_served(crowd):
    conn = crowd.park("BLPOP", "k", 0)
    assert crowd.pipeline(["LPUSH", "k", "a"], ["LLEN", "k"], ["LPUSH", "k", "b"], ["LLEN", "k"]) == [1, 0, 1, 1]
    assert conn.read() == [b"k", b"a"]


def test_a_transaction_serves_at_its_end(crowd):
    conn = crowd.park("BLPOP", "k", 0)
    commands = [["MULTI"], ["LPUSH", "k", "a"], ["LLEN", "k"], ["LPUSH", "k", "b"], ["EXEC"], ["LRANGE", "k", 0, -1]]
    assert crowd.pipeline(*commands)[-2:] == [[1, 1, 2], [b"a"]]
    assert conn.read() == [b"k", b"b"]
    conn = crowd.park("BLPOP", "j", 0, conn=conn)
    commands = [["MULTI"], ["LPUSH", "j", "a"], ["DEL", "j"], ["SET", "j", "x"], ["EXEC"]]
    assert crowd.pipeline(*commands)[-1] == [1, 1, b"OK"]
    assert crowd.info("blocked_clients") == 1
    assert crowd.pipeline(["DEL", "j"], ["RPUSH", "j", "c"])[-1] == 1
    assert conn.read() == [b"j", b"c"]


def test_inside_a_transaction_nothing_waits(crowd):
    commands = [["MULTI"], ["BLPOP", "k", 0], ["BLMOVE", "k", "d", "LEFT", "LEFT", 0], ["BZPOPMIN", "k", 0],
                ["WAIT", 3, 0], ["RPUSH", "k", "a"], ["BLPOP", "k", 0], ["EXEC"]]
    assert crowd.pipeline(*commands)[-1] == [NullArray(), None, NullArray(), 0, 1, [b"k", b"a"]]


@pytest.mark.parametrize("make", [
    [["RPUSH", "other", "a"], ["RENAME", "other", "k"]],
    [["RPUSH", "other", "a"], ["COPY", "other", "k"]],
    [["RPUSH", "other", "a"], ["SORT", "other", "ALPHA", "STORE", "k"]],
    [["RPUSH", "other", "a"], ["LMOVE", "other", "k", "LEFT", "LEFT"]],
    [["SELECT", "1"], ["RPUSH", "k", "a"], ["MOVE", "k", "0"], ["SELECT", "0"]],
    [["SELECT", "1"], ["RPUSH", "k", "a"], ["SWAPDB", "0", "1"], ["SELECT", "0"]],
    [["SET", "k", "text"], ["DEL", "k"], ["RPUSH", "k", "a"]],
])
def test_whatever_makes_the_key_ready(crowd, make):
    conn = crowd.park("BLPOP", "k", 0)
    crowd.pipeline(*make)
    assert conn.read() == [b"k", b"a"]
    assert crowd.cmd("EXISTS", "k") == 0


def test_restored_and_stored_keys(crowd):
    crowd.cmd("RPUSH", "other", "a")
    payload = crowd.cmd("DUMP", "other")
    conn = crowd.park("BLPOP", "k", 0)
    crowd.cmd("RESTORE", "k", 0, payload)
    assert conn.read() == [b"k", b"a"]
    conn = crowd.park("BZPOPMIN", "z", 0, conn=conn)
    crowd.cmd("ZADD", "source", 1, "m")
    crowd.cmd("ZUNIONSTORE", "z", 1, "source")
    assert conn.read() == [b"z", b"m", b"1"]


def test_moves_that_feed_each_other(crowd):
    chain = [crowd.park("BLMOVE", f"c{i}", f"c{i + 1}", "LEFT", "RIGHT", 0) for i in range(12)]
    last = crowd.park("BRPOP", "c12", 0)
    assert crowd.pipeline(["RPUSH", "c0", "x", "y"], ["EXISTS"] + [f"c{i}" for i in range(13)]) == [2, 1]
    assert [conn.read() for conn in chain] == [b"x"] * 12
    assert last.read() == [b"c12", b"x"]
    assert crowd.cmd("LRANGE", "c0", 0, -1) == [b"y"]


def test_a_circle_of_moves_ends(crowd):
    conns = [crowd.park("BLMOVE", a, b, "LEFT", "RIGHT", 0) for a, b in [("a", "b"), ("b", "a"), ("a", "a")]]
    crowd.cmd("RPUSH", "a", "x")
    assert [conn.read() for conn in conns] == [b"x"] * 3
    assert crowd.cmd("LRANGE", "a", 0, -1) == [b"x"]


def test_one_element_goes_round_and_serves_them_all(crowd):
    """More moves than elements were pushed: what the last one needs is locked, too."""
    turns = [crowd.park("BLMOVE", "ring", "ring", "LEFT", "RIGHT", 0) for _ in range(8)]
    far = [(crowd.park("BLMOVE", "there", "ring", "LEFT", "RIGHT", 0), crowd.park("BLMOVE", "ring", "there", "LEFT", "LEFT", 0))
           for _ in range(8)]
    leaving = crowd.park("BLMOVE", "ring", "out", "LEFT", "RIGHT", 0)
    assert crowd.cmd("RPUSH", "ring", "x") == 1
    assert [conn.read() for conn in turns] == [b"x"] * 8
    assert [(back.read(), there.read()) for back, there in far] == [(b"x", b"x")] * 8
    assert leaving.read() == b"x" and crowd.cmd("LRANGE", "out", 0, -1) == [b"x"]
    assert crowd.cmd("EXISTS", "ring", "there") == 0
    crowd.settle(0)


def test_more_targets_than_are_locked_together(crowd):
    """Every worker of a queue moves to a list of its own."""
    conns = [crowd.park("BLMOVE", "queue", f"worker{i}", "LEFT", "RIGHT", 0) for i in range(70)]
    crowd.cmd("RPUSH", "queue", "first")
    assert conns[0].read() == b"first"
    crowd.cmd("RPUSH", "other", *range(69))
    crowd.cmd("RENAME", "other", "queue")
    assert [conn.read() for conn in conns[1:]] == [b"%d" % i for i in range(69)]
    assert [crowd.cmd("LRANGE", f"worker{i}", 0, -1) for i in (0, 1, 69)] == [[b"first"], [b"0"], [b"68"]]


def test_a_target_of_another_type_is_an_error(crowd):
    conn = crowd.park("BLMOVE", "k", "s", "LEFT", "RIGHT", 0)
    crowd.cmd("SET", "s", "text")
    crowd.cmd("RPUSH", "k", "a")
    assert conn.read() == Error(WRONGTYPE)
    assert crowd.cmd("LRANGE", "k", 0, -1) == [b"a"]


def test_lists_and_sorted_sets_do_not_mix(crowd):
    zset, plain = crowd.park("BZPOPMIN", "k", 0), crowd.park("BLPOP", "k", 0)
    crowd.cmd("RPUSH", "k", "a")
    assert plain.read() == [b"k", b"a"]
    assert crowd.info("blocked_clients") == 1
    crowd.cmd("ZADD", "k", 1, "m")
    assert zset.read() == [b"k", b"m", b"1"]


def test_several_keys_and_the_same_key_twice(crowd):
    conn = crowd.park("BLPOP", "a", "b", "a", "b", 0)
    assert crowd.info("total_blocking_keys") == 2
    commands = [["MULTI"], ["RPUSH", "b", "2"], ["RPUSH", "a", "1"], ["EXEC"]]
    crowd.pipeline(*commands)
    assert conn.read() == [b"a", b"1"]
    assert crowd.cmd("LRANGE", "b", 0, -1) == [b"2"]
    crowd.settle(0)
    assert crowd.info("total_blocking_keys") == 0


def test_databases_are_apart(crowd):
    other = crowd.connect()
    other.cmd("SELECT", 3)
    crowd.park("BLPOP", "k", 0, conn=other)
    here = crowd.park("BLPOP", "k", 0)
    crowd.cmd("RPUSH", "k", "here")
    assert here.read() == [b"k", b"here"]
    crowd.pipeline(["SELECT", 3], ["RPUSH", "k", "there"])
    assert other.read() == [b"k", b"there"]


def test_what_stands_behind_waits(crowd):
    conn = crowd.park("BLPOP", "k", 0, raw=encode(["SET", "s", "1"]) + encode(["GET", "s"]) + b"*1\r\n$4\r\nPI")
    assert crowd.cmd("EXISTS", "s") == 0
    crowd.cmd("RPUSH", "k", "a")
    assert [conn.read() for _ in range(3)] == [[b"k", b"a"], b"OK", b"1"]
    conn.send(b"NG\r\n")
    assert conn.read() == b"PONG"


def test_a_protocol_error_behind_waits_too(crowd):
    conn = crowd.park("BLPOP", "k", 0, raw=b"*1\r\n!garbage\r\n")
    crowd.cmd("RPUSH", "k", "a")
    assert conn.read() == [b"k", b"a"]
    assert conn.read().startswith(b"ERR Protocol error")


def test_a_wait_after_a_wait_in_one_packet(crowd):
    conn = crowd.park("BLPOP", "k", 0, raw=encode(["BLPOP", "j", 0]))
    crowd.pipeline(["RPUSH", "j", "2"], ["RPUSH", "k", "1"])
    assert [conn.read(), conn.read()] == [[b"k", b"1"], [b"j", b"2"]]


def test_timeouts(crowd):
    for command, reply in [(["BLPOP", "k", "0.05"], NullArray()), (["BLMOVE", "k", "d", "LEFT", "LEFT", "0.05"], NullArray()),
                           (["BZMPOP", "0.05", 1, "k", "MIN"], NullArray()), (["WAIT", 1, 50], 0)]:
        started = time.monotonic()
        assert crowd.cmd(*command) == reply
        assert time.monotonic() - started >= 0.045
    conn = crowd.park("BLPOP", "k", 3600)
    assert crowd.info("clients_in_timeout_table") == 1
    crowd.cmd("RPUSH", "k", "a")
    assert conn.read() == [b"k", b"a"]
    crowd.settle(0)
    assert crowd.info("clients_in_timeout_table") == crowd.info("total_blocking_keys") == 0


@pytest.mark.parametrize("timeout, error", [
    ("-1", b"ERR timeout is negative"), ("x", b"ERR timeout is not a float or out of range"),
    ("nan", b"ERR timeout is not a float or out of range"), ("inf", b"ERR timeout is out of range"),
    ("-inf", b"ERR timeout is negative"), ("9223372036854775", b"ERR timeout is out of range"),
    ("1e4000", b"ERR timeout is out of range"),
])
def test_bad_timeouts(conn, timeout, error):
    assert conn.cmd("BLPOP", "k", timeout) == Error(error)
    assert conn.cmd("BZPOPMAX", "k", timeout) == Error(error)
    assert conn.cmd("BLMPOP", timeout, 1, "k", "LEFT") == Error(error)


def test_bad_arguments_are_told_before_waiting(conn):
    assert conn.cmd("BLMPOP", "x", 0, "k", "LEFT") == Error(b"ERR numkeys should be greater than 0")
    assert conn.cmd("BZMPOP", 0, 1, "k", "MIN", "COUNT", 0) == Error(b"ERR count should be greater than 0")
    assert conn.cmd("BLMOVE", "a", "b", "LEFT", "UP", "x") == Error(b"ERR syntax error")
    assert conn.cmd("WAIT", "x", 0) == Error(b"ERR value is not an integer or out of range")
    assert conn.cmd("WAIT", 1, "1.5") == Error(b"ERR timeout is not an integer or out of range")
    assert conn.cmd("WAIT", 0, 0) == conn.cmd("WAIT", -1, 0) == 0


def test_client_unblock(crowd):
    conn = crowd.connect()
    number = conn.cmd("CLIENT", "ID")
    for command, reply in [(["BLPOP", "k", 0], NullArray()), (["BLMOVE", "k", "j", "LEFT", "LEFT", 0], NullArray()),
                           (["WAIT", 1, 0], 0)]:
        crowd.park(*command, conn=conn)
        assert crowd.cmd("CLIENT", "UNBLOCK", number) == 1
        assert conn.read() == reply
        crowd.settle(0)
        crowd.park(*command, conn=conn)
        assert crowd.cmd("CLIENT", "UNBLOCK", number, "ERROR") == 1
        assert conn.read() == Error(UNBLOCKED)
        crowd.settle(0)
    assert crowd.cmd("CLIENT", "UNBLOCK", number) == 0
    assert crowd.cmd("CLIENT", "UNBLOCK", 123456) == crowd.cmd("CLIENT", "UNBLOCK", -1) == 0
    assert crowd.cmd("CLIENT", "UNBLOCK", number, "WHY") == Error(
        b"ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    crowd.cmd("RPUSH", "k", "a")
    assert crowd.cmd("LRANGE", "k", 0, -1) == [b"a"]


def test_an_unblocked_client_is_not_served(crowd):
    conn = crowd.connect()
    number = conn.cmd("CLIENT", "ID")
    crowd.park("BLPOP", "k", 0, conn=conn)
    assert crowd.pipeline(["CLIENT", "UNBLOCK", number], ["RPUSH", "k", "a"], ["LLEN", "k"]) == [1, 1, 1]
    assert conn.read() == NullArray()


def test_a_killed_client_is_not_served(crowd):
    for _ in range(20):
        conn = crowd.connect()
        number = conn.cmd("CLIENT", "ID")
        crowd.park("BLPOP", "k", 0, conn=conn)
        assert crowd.pipeline(["CLIENT", "KILL", "ID", number], ["RPUSH", "k", "a"], ["LPOP", "k"]) == [1, 1, b"a"]
        crowd.settle(0)
    assert crowd.info("total_blocking_keys") == 0


def test_the_end_of_a_connection_is_noticed(crowd):
    conns = [crowd.park("BLPOP", f"k{i}", "k", 0) for i in range(5)]
    for conn in conns:
        conn.close()
    crowd.settle(0)
    assert crowd.info("total_blocking_keys") == 0
    assert crowd.pipeline(["RPUSH", "k", "a"], ["LLEN", "k"]) == [1, 1]


def test_client_list_shows_who_waits(crowd):
    conn = crowd.connect()
    number = conn.cmd("CLIENT", "ID")
    crowd.park("BLPOP", "k", 0, conn=conn)
    line = crowd.cmd("CLIENT", "LIST", "ID", number)
    assert b" flags=b " in line and b" cmd=blpop " in line
    crowd.cmd("RPUSH", "k", "a")
    assert conn.read() == [b"k", b"a"]
    assert wait_until(lambda: b" flags=N " in crowd.cmd("CLIENT", "LIST", "ID", number))


def command_stats(crowd, name):
    text = crowd.cmd("INFO", "commandstats").decode()
    line = next((line for line in text.split("\r\n") if line.startswith(f"cmdstat_{name}:")), "")
    return {k: v for k, _, v in (part.partition("=") for part in line.partition(":")[2].split(","))}


def test_a_call_counts_once(crowd):
    crowd.cmd("CONFIG", "RESETSTAT")
    conn = crowd.connect()
    number = conn.cmd("CLIENT", "ID")
    crowd.park("BLPOP", "k", 0, conn=conn)
    assert command_stats(crowd, "blpop") == {"": ""} or command_stats(crowd, "blpop").get("calls") in (None, "0")
    crowd.cmd("RPUSH", "k", "a")
    conn.read()
    crowd.settle(0)
    assert command_stats(crowd, "blpop")["calls"] == "1"
    crowd.park("BLPOP", "k", 0, conn=conn)
    crowd.cmd("CLIENT", "UNBLOCK", number, "ERROR")
    conn.read()
    stats = command_stats(crowd, "blpop")
    assert (stats["calls"], stats["failed_calls"]) == ("2", "1")
    assert b"errorstat_UNBLOCKED:count=1" in crowd.cmd("INFO", "errorstats")


def test_each_client_gets_its_own_protocol(start_server):
    frame_port = free_port()
    server = start_server(io_threads=4, frame_port=frame_port)
    crowd = Crowd(server)
    three = crowd.connect()
    three.cmd("HELLO", 3)
    crowd.park("BZPOPMIN", "z", 0, conn=three)
    two = crowd.park("BZPOPMIN", "z", 0)
    frame = FrameConnection(frame_port)
    frame.send(frames(["BZPOPMIN", "z", 0]))
    crowd.settle(3)
    crowd.cmd("ZADD", "z", 1, "a", 2, "b", 3, "c")
    assert three.read() == [b"z", b"a", Double(1.0)]
    assert two.read() == [b"z", b"b", b"2"]
    assert frame.read() == [b"z", b"c", 3.0]
    crowd.settle(0)
    crowd.park("BLPOP", "k", "0.05", conn=three)
    assert three.read() is None
    frame.send(frames(["BLPOP", "k", "0.05"]))
    assert frame.read() is None
    frame.sock.close()
    for conn in crowd.conns:
        conn.close()


def test_replies_that_are_off(crowd):
    conn = crowd.connect()
    conn.send(encode(["CLIENT", "REPLY", "SKIP"]))
    crowd.park("BLPOP", "k", 0, conn=conn)
    crowd.cmd("RPUSH", "k", "a")
    crowd.settle(0)
    assert conn.cmd("ECHO", "next") == b"next"
    assert crowd.cmd("EXISTS", "k") == 0


def test_large_elements(crowd):
    conns = [crowd.park("BLPOP", "k", 0) for _ in range(3)]
    values = [bytes([65 + i]) * 300_000 for i in range(3)]
    crowd.cmd("RPUSH", "k", *values)
    assert [conn.read()[1] for conn in conns] == values


def test_paused_writes_serve_nobody(crowd):
    conn = crowd.park("BLPOP", "k", 0)
    crowd.cmd("CLIENT", "PAUSE", 60000, "WRITE")
    pusher = crowd.park("RPUSH", "k", "a")
    timed = crowd.connect()
    assert timed.cmd("CLIENT", "UNBLOCK", 0) == 0
    crowd.cmd("CLIENT", "UNPAUSE")
    assert pusher.read() == 1
    assert conn.read() == [b"k", b"a"]


def test_the_log_has_what_happened(start_server, tmp_path):
    path = tmp_path / "effects"
    crowd = Crowd(start_server(io_threads=4, debug_effects_file=path))
    conn = crowd.park("BLPOP", "k", 0)
    mover = crowd.park("BLMOVE", "k", "d", "LEFT", "RIGHT", 0)
    crowd.cmd("RPUSH", "k", "a", "b", "c")
    assert [conn.read(), mover.read()] == [[b"k", b"a"], b"b"]
    expected = b"".join(map(encode, [["SELECT", 0], ["MULTI"], ["RPUSH", "k", "a", "b", "c"], ["LPOP", "k"],
                                     ["LMOVE", "k", "d", "LEFT", "RIGHT"], ["EXEC"]]))
    assert wait_until(lambda: path.read_bytes() == expected), path.read_bytes()
    for one in crowd.conns:
        one.close()


def test_stopping_with_clients_that_wait(start_server):
    server = start_server(io_threads=4)
    crowd = Crowd(server)
    for i in range(10):
        crowd.park("BLPOP", f"k{i}", "k", i % 2 * 100)
    server.stop()
