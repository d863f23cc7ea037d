"""CLIENT: the list over all reactors, killing, pausing, reply modes, names."""
import re
import time

import pytest

from lib.resp import Error, Map, Set, Verbatim
from lib.wait import wait_until

LINE = re.compile(
    rb"id=\d+ addr=\S+:\d+ laddr=\S+:\d+ fd=\d+ name=\S* age=\d+ idle=\d+ flags=\w+ db=\d+ sub=0 psub=0 "
    rb"ssub=0 multi=-1 watch=0 qbuf=\d+ qbuf-free=\d+ argv-mem=\d+ multi-mem=0 rbs=\d+ rbp=\d+ obl=0 oll=\d+ "
    rb"omem=\d+ tot-mem=\d+ events=rw? cmd=\S+ user=default redir=-1 resp=[23] lib-name=\S* lib-ver=\S* "
    rb"tot-net-in=\d+ tot-net-out=\d+ tot-cmds=\d+")
NAME_ERROR = b"ERR Client names cannot contain spaces, newlines or special characters."


def fields(line):
    return dict(item.split(b"=", 1) for item in line.split())


def listed(conn, *args):
    return [fields(line) for line in conn.cmd("CLIENT", "LIST", *args).splitlines()]


@pytest.fixture
def crowd(server):
    connections = [server.connect() for _ in range(9)]
    for connection in connections:
        connection.cmd("PING")
    yield connections
    for connection in connections:
        connection.close()


@pytest.mark.smoke
def test_list_shows_all_reactors(crowd):
    lines = crowd[0].cmd("CLIENT", "LIST").splitlines()
    assert all(LINE.fullmatch(line) for line in lines)
    ids = [int(fields(line)[b"id"]) for line in lines]
    assert len(lines) == len(crowd) and ids == sorted(ids)
    assert ids == sorted(c.cmd("CLIENT", "ID") for c in crowd)
    own = fields(crowd[0].cmd("CLIENT", "INFO"))
    assert own[b"cmd"] == b"client|info" and own[b"qbuf"] == b"26" and own[b"argv-mem"] == b"10"


def test_list_shows_what_a_client_did(server, conn):
    with server.connect() as other:
        other.cmd("HELLO", "3", "SETNAME", "worker")
        other.cmd("CLIENT", "SETINFO", "lib-name", "redis-py(x)")
        other.cmd("CLIENT", "SETINFO", "LIB-VER", "1.2")
        other.pipeline([["SELECT", "5"], ["CLIENT", "NO-EVICT", "ON"], ["CLIENT", "NO-TOUCH", "ON"],
                        ["GET", "x"]])
        line, = listed(conn, "ID", other.cmd("CLIENT", "ID"))
        assert line[b"name"] == b"worker" and line[b"db"] == b"5" and line[b"flags"] == b"eT"
        assert line[b"resp"] == b"3" and line[b"cmd"] == b"client|id"
        assert line[b"lib-name"] == b"redis-py(x)" and line[b"lib-ver"] == b"1.2"


def test_list_filters(crowd):
    conn, ids = crowd[0], [c.cmd("CLIENT", "ID") for c in crowd]
    assert len(listed(conn, "TYPE", "normal")) == 9 and listed(conn, "TYPE", "pubsub") == []
    assert [int(line[b"id"]) for line in listed(conn, "ID", ids[4], ids[1], 10**12)] == \
        sorted([ids[4], ids[1]])
    for args, error in [(["TYPE", "x"], b"ERR Unknown client type 'x'"), (["x"], b"ERR syntax error"),
                        (["ID", "x"], b"ERR Invalid client ID"), (["ID"], b"ERR syntax error"),
                        (["ID", "0"], b"ERR Invalid client ID")]:
        assert conn.cmd("CLIENT", "LIST", *args) == Error(error)
    conn.cmd("HELLO", "3")
    assert isinstance(conn.cmd("CLIENT", "LIST"), Verbatim)


# ---- names and library ----

def test_names(conn):
    assert conn.cmd("CLIENT", "GETNAME") is None
    assert conn.cmd("CLIENT", "SETNAME", "a") == b"OK" and conn.cmd("CLIENT", "GETNAME") == b"a"
    for bad in (b"a b", b"a\n", b"\x00", "\u00e9".encode()):
        assert conn.cmd("CLIENT", "SETNAME", bad) == Error(NAME_ERROR)
    assert conn.cmd("CLIENT", "GETNAME") == b"a"
    conn.cmd("CLIENT", "SETNAME", "")
    assert conn.cmd("CLIENT", "GETNAME") is None
    assert conn.cmd("CLIENT", "SETINFO", "what", "x") == Error(b"ERR Unrecognized option 'what'")
    assert conn.cmd("CLIENT", "SETINFO", "lib-name", "a b") == Error(
        b"ERR lib-name cannot contain spaces, newlines or special characters.")


def test_tracking_is_off_and_says_so(conn):
    assert conn.cmd("CLIENT", "GETREDIR") == -1
    assert conn.cmd("CLIENT", "TRACKINGINFO") == [b"flags", [b"off"], b"redirect", -1, b"prefixes", []]
    conn.cmd("HELLO", "3")
    info = conn.cmd("CLIENT", "TRACKINGINFO")
    assert isinstance(info, Map) and isinstance(info[1], Set)


def test_reply_modes(conn):
    conn.send(b"CLIENT REPLY OFF\r\nSET k v\r\nGET k\r\nCLIENT REPLY SKIP\r\nCLIENT REPLY ON\r\n"
              b"CLIENT REPLY SKIP\r\nGET k\r\nGET k\r\nCLIENT REPLY x\r\n")
    assert conn.raw(b"error\r\n") == b"+OK\r\n$1\r\nv\r\n-ERR syntax error\r\n"


# ---- CLIENT KILL ----

def is_closed(connection):
    return connection.drain()[1]


@pytest.mark.smoke
def test_kill_across_reactors(crowd):
    conn, victims = crowd[0], crowd[1:]
    for victim in victims:
        assert conn.cmd("CLIENT", "KILL", "ID", victim.cmd("CLIENT", "ID")) == 1
    assert all(is_closed(victim) for victim in victims)
    assert wait_until(lambda: len(listed(conn)) == 1)
    assert conn.cmd("CLIENT", "KILL", "ID", "1000000") == 0


def test_kill_by_address(crowd):
    address = fields(crowd[1].cmd("CLIENT", "INFO"))[b"addr"]
    assert crowd[0].cmd("CLIENT", "KILL", address) == b"OK"
    assert is_closed(crowd[1])
    assert wait_until(lambda: len(listed(crowd[0])) == 8)
    assert crowd[0].cmd("CLIENT", "KILL", address) == Error(b"ERR No such client")
    address = fields(crowd[2].cmd("CLIENT", "INFO"))[b"addr"]
    assert crowd[0].cmd("CLIENT", "KILL", "ADDR", address, "TYPE", "pubsub") == 0
    assert crowd[0].cmd("CLIENT", "KILL", "TYPE", "normal", "ADDR", address, "USER", "default") == 1
    local = fields(crowd[0].cmd("CLIENT", "INFO"))[b"laddr"]
    assert crowd[0].cmd("CLIENT", "KILL", "LADDR", local, "MAXAGE", "1000") == 0
    assert crowd[0].cmd("CLIENT", "KILL", "LADDR", local) == 6


def test_kill_of_oneself_replies_first(crowd):
    address = fields(crowd[0].cmd("CLIENT", "INFO"))[b"addr"]
    crowd[0].send(b"CLIENT KILL %b\r\nPING\r\n" % address)
    assert crowd[0].drain() == (b"+OK\r\n", True)
    crowd[1].send(b"CLIENT KILL TYPE normal SKIPME no\r\nPING\r\n")
    assert crowd[1].drain() == (b":8\r\n", True)


@pytest.mark.parametrize("args, error", [
    (["ID", "x"], b"ERR client-id should be greater than 0"),
    (["ID", "0"], b"ERR client-id should be greater than 0"),
    (["TYPE", "x"], b"ERR Unknown client type 'x'"), (["USER", "x"], b"ERR No such user 'x'"),
    (["SKIPME", "x"], b"ERR syntax error"), (["ID", "1", "ADDR"], b"ERR syntax error"),
    (["MAXAGE", "x"], b"ERR maxage is not an integer or out of range"),
    (["MAXAGE", "0"], b"ERR maxage should be greater than 0")])
def test_kill_errors(conn, args, error):
    assert conn.cmd("CLIENT", "KILL", *args) == Error(error)


# ---- CLIENT PAUSE ----

@pytest.mark.smoke
def test_pause_of_writes(crowd):
    admin, reader, writers = crowd[0], crowd[1], crowd[2:]
    assert admin.cmd("CLIENT", "PAUSE", "60000", "WRITE") == b"OK"
    for writer in writers:
        writer.send(b"SET k v\r\nPING\r\n")
    assert all(writer.drain(0.05) == (b"", False) for writer in writers)
    assert reader.cmd("GET", "k") is None, "reads go on"
    assert reader.cmd("SET") == Error(b"ERR wrong number of arguments for 'set' command")
    assert wait_until(lambda: b"blocked_clients:%d\r\n" % len(writers) in admin.cmd("INFO", "clients"))
    assert sum(line[b"flags"] == b"b" for line in listed(admin)) == len(writers)
    assert admin.cmd("CLIENT", "UNPAUSE") == b"OK"
    assert all([writer.read(), writer.read()] == [b"OK", b"PONG"] for writer in writers)
    assert b"blocked_clients:0\r\n" in admin.cmd("INFO", "clients")


@pytest.mark.tokamak
def test_pause_of_writes_keeps_what_expires(start_server, tmp_path):
    """Expired keys read as missing, but nothing is deleted, not even to make room, before the pause ends."""
    log = tmp_path / "effects"
    server = start_server(debug_effects_file=log, io_threads=2)
    with server.connect() as conn, server.connect() as other:
        conn.cmd("MSET", *[part for i in range(20) for part in (f"k{i}", "v")])
        conn.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        conn.pipeline([["PEXPIRE", f"k{i}", 200] for i in range(20)])
        assert conn.cmd("CLIENT", "PAUSE", 60000, "WRITE") == b"OK"
        time.sleep(0.4)
        before = log.stat().st_size
        for c in (conn, other):
            assert c.cmd("MGET", *[f"k{i}" for i in range(20)]) == [None] * 20
            assert c.cmd("EXISTS", "k1") == 0 and c.cmd("TTL", "k2") == -2 and c.cmd("RANDOMKEY").startswith(b"k")
            assert c.cmd("KEYS", "*") == [] and c.cmd("SCAN", 0, "COUNT", 1000)[1] == []
        assert conn.cmd("DBSIZE") == 20 and log.stat().st_size == before
        assert conn.cmd("CLIENT", "UNPAUSE") == b"OK"
        assert other.cmd("SET", "k3", "new", "NX") == b"OK" and other.cmd("GET", "k3") == b"new"
        assert conn.cmd("GET", "k1") is None and conn.cmd("DBSIZE") == 19
    server.stop()
    assert log.read_bytes()[before:].count(b"DEL") == 2


def test_pause_of_all_ends_by_itself(crowd):
    start = time.monotonic()
    assert crowd[0].cmd("CLIENT", "PAUSE", "400") == b"OK"
    for connection in crowd:
        connection.send(b"PING\r\n")
    for connection in crowd:
        assert connection.read() == b"PONG"
        assert time.monotonic() - start > 0.35


def test_a_shorter_pause_does_not_cut_a_longer_one(crowd):
    start = time.monotonic()
    crowd[0].cmd("CLIENT", "PAUSE", "500", "WRITE")
    crowd[0].cmd("CLIENT", "PAUSE", "1", "WRITE")
    assert crowd[1].cmd("SET", "k", "v") == b"OK"
    assert time.monotonic() - start > 0.45


def test_paused_clients_can_be_killed_and_can_leave(crowd):
    crowd[0].cmd("CLIENT", "PAUSE", "60000", "WRITE")
    ids = [c.cmd("CLIENT", "ID") for c in crowd]
    for connection in crowd[1:4]:
        connection.send(b"SET k v\r\n")
    assert wait_until(lambda: b"blocked_clients:3\r\n" in crowd[0].cmd("INFO", "clients"))
    assert crowd[0].cmd("CLIENT", "KILL", "ID", ids[1]) == 1
    assert is_closed(crowd[1])
    assert wait_until(lambda: b"blocked_clients:2\r\n" in crowd[0].cmd("INFO", "clients"))
    assert crowd[0].cmd("CLIENT", "UNPAUSE") == b"OK"
    assert crowd[0].cmd("GET", "k") in (b"v", None)


def test_pause_holds_exclusive_commands_without_closing_the_gates(crowd):
    crowd[0].cmd("CLIENT", "PAUSE", "60000", "WRITE")
    for connection in crowd[1:5]:
        connection.send(b"FLUSHALL\r\n")
    assert crowd[1].drain(0.1) == (b"", False)
    assert crowd[6].cmd("GET", "k") is None, "nobody waits in exclusive mode"
    crowd[0].cmd("CLIENT", "UNPAUSE")
    assert [c.read() for c in crowd[1:5]] == [b"OK"] * 4


@pytest.mark.parametrize("args, error", [
    (["x"], b"ERR timeout is not an integer or out of range"), (["-1"], b"ERR timeout is negative"),
    (["9223372036854775807"], b"ERR timeout is out of range"),
    (["1", "x"], b"ERR CLIENT PAUSE mode must be WRITE or ALL"),
    (["1", "write", "x"],
     b"ERR unknown subcommand or wrong number of arguments for 'pause'. Try CLIENT HELP.")])
def test_pause_errors(conn, args, error):
    assert conn.cmd("CLIENT", "pause", *args) == Error(error)


def test_help_lists_every_subcommand(conn):
    for container in ("CLIENT", "CONFIG", "COMMAND", "ACL", "MODULE"):
        text = conn.cmd(container, "HELP")
        assert text[0].startswith(b"%b <subcommand>" % container.encode())
        names = {line.split()[0].lower() for line in text[1:] if not line.startswith((b" ", b"("))}
        rows = conn.cmd("COMMAND", "LIST", "FILTERBY", "PATTERN", container + "|*")
        assert names == {row.split(b"|")[1] for row in rows}
