"""RDB files: both ways with redis-server, every encoding there ever was, broken files, what SAVE and SHUTDOWN promise."""
import os
import random
import signal
import struct
import subprocess
import time
from pathlib import Path

import pytest

from integration.test_dump import fill, value
from lib import rdb
from lib.resp import Error, Push, Simple, encode
from lib.server import REDIS, Server, command_line, free_port
from lib.wait import wait_until

pytestmark = pytest.mark.tokamak
OK = Simple(b"OK")
PACKED = [b"a", b"bb", b"ccc"]


def put_file(directory, data, name="dump.rdb"):
    Path(directory, name).write_bytes(data)


def dump_of(server):
    return Path(server.dir, "dump.rdb").read_bytes()


def info(conn, field):
    for line in conn.cmd("INFO", "persistence").decode().splitlines():
        name, _, text = line.partition(":")
        if name == field:
            return text
    raise KeyError(field)


def background_save(conn):
    assert conn.cmd("BGSAVE") == Simple(b"Background saving started")
    assert wait_until(lambda: info(conn, "rdb_bgsave_in_progress") == "0", 120)
    assert info(conn, "rdb_last_bgsave_status") == "ok"


def load_in(start_server, data, **directives):
    """A server that has loaded these bytes at its start."""
    server = start_server(**directives)
    server.stop()
    put_file(server.dir, data)
    server.stopped = False
    server.start()
    with server.connect() as conn:
        assert wait_until(lambda: info(conn, "loading") == "0" if server.binary != REDIS else True, 60)
    return server


def everything(conn):
    """All keys of all databases with value and expiry."""
    out = {}
    for db in range(16):
        conn.cmd("SELECT", db)
        for name in conn.cmd("KEYS", "*"):
            out[db, name] = value(conn, name), conn.cmd("PEXPIRETIME", name)
    conn.cmd("SELECT", 0)
    return out


def fill_all(conn):
    fill(conn)
    conn.cmd("SET", "expires", "x", "PX", 100000000)
    conn.cmd("EXPIRE", "list", 100000)
    conn.cmd("SELECT", 7)
    conn.cmd("SET", "elsewhere", 7)
    conn.cmd("HSET", "h", "f", "v" * 1000)
    conn.cmd("SELECT", 0)


@pytest.mark.parametrize("how", ["SAVE", "BGSAVE"])
def test_redis_loads_ours(start_server, how):
    ours = start_server()
    with ours.connect() as conn:
        fill_all(conn)
        assert conn.cmd("SAVE") == OK
        if how == "BGSAVE":
            background_save(conn)
        theirs = load_in(start_server, dump_of(ours), binary=REDIS)
        with theirs.connect() as other:
            assert everything(other) == everything(conn)
            assert other.cmd("DEBUG", "DIGEST") == conn.cmd("DEBUG", "DIGEST")


def test_we_load_theirs(start_server):
    theirs = start_server(binary=REDIS)
    with theirs.connect() as conn:
        fill_all(conn)
        conn.cmd("SAVE")
        ours = load_in(start_server, dump_of(theirs))
        with ours.connect() as other:
            assert everything(other) == everything(conn)
            assert other.cmd("DEBUG", "DIGEST") == conn.cmd("DEBUG", "DIGEST")


@pytest.mark.parametrize("directives", [{"rdbcompression": "no"}, {"rdbchecksum": "no"}, {"rdb-version": 11},
                                        {"rdb-version": 12}], ids=str)
def test_forms_of_writing(start_server, directives):
    server = start_server(**{k.replace("-", "_"): v for k, v in directives.items()})
    with server.connect() as conn:
        fill_all(conn)
        digest = conn.cmd("DEBUG", "DIGEST")
        assert conn.cmd("DEBUG", "RELOAD") == OK
        assert conn.cmd("DEBUG", "DIGEST") == digest
    data = dump_of(server)
    assert data[:9] == b"REDIS%04d" % directives.get("rdb-version", 10)
    assert (data[-8:] == bytes(8)) == ("rdbchecksum" in directives)
    assert (b"z" * 5000 in data) == ("rdbcompression" in directives)


@pytest.mark.parametrize("kind,body,expected", [
    (0, rdb.text(b"v"), b"v"),
    (0, rdb.lzf(b"x" * 100), b"x" * 100),
    (0, b"\xc1" + struct.pack("<h", -300), b"-300"),
    (1, rdb.strings(*PACKED), PACKED),
    (2, rdb.strings(*PACKED), PACKED),
    (3, rdb.length(1) + rdb.text(b"m") + b"\x032.5", [(b"m", 2.5)]),
    (4, rdb.length(1) + rdb.text(b"f") + rdb.text(b"v"), [(b"f", b"v")]),
    (5, rdb.length(1) + rdb.text(b"m") + struct.pack("<d", 2.5), [(b"m", 2.5)]),
    (9, rdb.text(rdb.zipmap((b"f", b"v"))), [(b"f", b"v")]),
    (10, rdb.text(rdb.ziplist(*PACKED)), PACKED),
    (11, rdb.text(rdb.intset(2, 1, 2, 3)), [b"1", b"2", b"3"]),
    (12, rdb.text(rdb.ziplist(b"m", 2)), [(b"m", 2.0)]),
    (13, rdb.text(rdb.ziplist(b"f", b"v")), [(b"f", b"v")]),
    (14, rdb.length(1) + rdb.text(rdb.ziplist(*PACKED)), PACKED),
    (16, rdb.text(rdb.listpack(b"f", b"v")), [(b"f", b"v")]),
    (17, rdb.text(rdb.listpack(b"m", b"2")), [(b"m", 2.0)]),
    (18, rdb.length(2) + b"\x02" + rdb.text(rdb.listpack(*PACKED)) + b"\x01" + rdb.text(b"plain"), PACKED + [b"plain"]),
    (20, rdb.text(rdb.listpack(*PACKED)), PACKED),
], ids=lambda x: str(x) if isinstance(x, int) else "")
def test_every_type(server, conn, kind, body, expected):
    put_file(server.dir, rdb.file(rdb.select(0), rdb.key(b"before", 0, rdb.text(b"1")), rdb.key(b"k", kind, body),
                                  rdb.key(b"after", 0, rdb.text(b"2"))))
    assert conn.cmd("DEBUG", "RELOAD", "NOSAVE") == OK
    assert conn.cmd("DBSIZE") == 3
    assert value(conn, b"k") == expected


@pytest.mark.parametrize("version,magic", [(v, None) for v in range(1, 13)] + [(80, b"VALKEY080")])
def test_versions(server, conn, version, magic):
    put_file(server.dir, rdb.file(rdb.select(0), rdb.key(b"k", 0, rdb.text(b"v")), version=version, magic=magic))
    conn.cmd("DEBUG", "RELOAD", "NOSAVE")
    assert conn.cmd("GET", "k") == b"v"


def test_expired_keys_are_left_out(server, conn):
    now = int(time.time() * 1000)
    put_file(server.dir, rdb.file(rdb.select(0), rdb.key(b"gone", 0, rdb.text(b"v"), now - 1000),
                                  b"\xfd" + struct.pack("<i", now // 1000 - 5) + b"\x00" + rdb.text(b"gone2") + b"\x01x",
                                  rdb.key(b"stays", 0, rdb.text(b"v"), now + 1000000)))
    conn.cmd("DEBUG", "RELOAD", "NOSAVE")
    assert conn.cmd("KEYS", "*") == [b"stays"]
    assert conn.cmd("PEXPIRETIME", "stays") == now + 1000000
    assert info(conn, "rdb_last_load_keys_expired") == "2"


def test_what_others_write_is_skipped_or_kept(server, conn):
    library = b"#!lua name=x\nredis.register_function('f', function() return 1 end)"
    put_file(server.dir, rdb.file(b"\xfa" + rdb.text(b"unknown") + rdb.text(b"property"), b"\xf5" + rdb.text(library),
                                  rdb.select(0), b"\xfb\x02\x00", b"\xf4\x01\x02\x03",
                                  b"\xf8\x05" + rdb.key(b"idle", 0, rdb.text(b"v")),
                                  b"\xf9\x07" + rdb.key(b"often", 0, rdb.text(b"v")),
                                  b"\xfa" + rdb.text(b"tokamak-key-x") + rdb.text(b"y") + rdb.key(b"own", 0, b"\x01v")))
    conn.cmd("DEBUG", "RELOAD", "NOSAVE")
    assert conn.cmd("DBSIZE") == 3
    assert conn.cmd("OBJECT", "IDLETIME", "idle") in range(5, 60)
    for _ in range(2):
        conn.cmd("DEBUG", "RELOAD")
        assert dump_of(server).count(b"\xf5" + rdb.text(library)) == 1


BROKEN = {
    "empty": (b"", "too short"),
    "foreign": (b"SQLite format 3\0" * 10, "not an RDB file"),
    "newer": (rdb.file(version=99), "version 99"),
    "cut": (rdb.file(rdb.select(0), rdb.key(b"k", 0, rdb.text(b"v" * 100)))[:60], "cut off"),
    "checksum": (rdb.file(rdb.select(0), rdb.key(b"k", 0, rdb.text(b"v")))[:-1] + b"\x01", "wrong checksum"),
    "tail": (rdb.file(rdb.select(0)) + b"more", "4 bytes follow"),
    "module": (rdb.file(rdb.select(0), rdb.key(b"k", 7, b"\x81" + bytes(8))), "module"),
    "module aux": (rdb.file(b"\xf7\x01\x02"), "module"),
    "type": (rdb.file(rdb.select(0), rdb.key(b"k", 99, b"")), "type or opcode"),
    "length": (rdb.file(rdb.select(0), b"\x00\x81" + b"\xff" * 8), "cut off"),
    "twice": (rdb.file(rdb.select(0), rdb.key(b"k", 0, b"\x01v"), rdb.key(b"k", 0, b"\x01v")), "twice"),
    "database": (rdb.file(rdb.select(77), rdb.key(b"k", 0, b"\x01v")), "database 77"),
    "value": (rdb.file(rdb.select(0), rdb.key(b"k", 11, rdb.text(b"nonsense"))), "value of key 'k'"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_stops_the_start(server, name):
    data, reason = BROKEN[name]
    server.stop()
    put_file(server.dir, data)
    line = command_line(server.binary, free_port(), server.directives) + ["--save", "1", "1"]
    done = subprocess.run(line, cwd=server.dir, capture_output=True, timeout=60, check=False)
    text = (done.stdout + done.stderr).decode()
    assert done.returncode == 1, text
    faults = [x for x in text.splitlines() if "Fatal error" in x]
    assert len(faults) == 1 and reason in faults[0] and "dump.rdb" in faults[0] and "offset" in faults[0], text
    assert Path(server.dir, "dump.rdb").read_bytes() == data


def test_a_file_that_cannot_be_opened_stops_the_start(server):
    server.stop()
    os.mkdir(os.path.join(server.dir, "dump.rdb"))
    line = command_line(server.binary, free_port(), server.directives)
    done = subprocess.run(line, cwd=server.dir, capture_output=True, timeout=60, check=False)
    assert done.returncode == 1 and b"dump.rdb" in done.stdout


@pytest.mark.parametrize("name", ["cut", "checksum", "value", "twice"])
def test_reload_of_a_broken_file(server, conn, name):
    put_file(server.dir, BROKEN[name][0])
    assert conn.cmd("DEBUG", "RELOAD", "NOSAVE") == Error(b"ERR Error trying to load the RDB dump, check server logs.")


def test_reload_options(server, conn):
    conn.cmd("SET", "a", 1)
    conn.cmd("SAVE")
    conn.cmd("SET", "a", 2)
    conn.cmd("SET", "b", 2)
    assert conn.cmd("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH", "MERGE") == OK
    assert conn.cmd("MGET", "a", "b") == [b"1", b"2"]
    assert isinstance(conn.cmd("DEBUG", "RELOAD", "NOPE"), Error)
    assert isinstance(conn.cmd("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH"), Error)


def test_loading_is_announced(start_server):
    """While a slow file loads: -LOADING, PING included; INFO tells; SIGTERM ends it and saves nothing."""
    keys = [rdb.key(b"k%d" % i, 0, rdb.text(b"v")) for i in range(20000)]
    server = start_server()
    server.stop()
    data = rdb.file(rdb.select(0), *keys)
    put_file(server.dir, data)
    server.directives["key-load-delay"] = 20000
    server.stopped = False
    server.start()
    loading = Error(b"LOADING Redis is loading the dataset in memory")
    with server.connect() as conn:
        assert info(conn, "loading") == "1"
        assert int(info(conn, "loading_total_bytes")) == len(data)
        for command in (["PING"], ["GET", "k1"], ["SET", "a", 1], ["SAVE"], ["BGSAVE"], ["DBSIZE"]):
            assert conn.cmd(*command) == loading, command
        assert conn.cmd("DEBUG", "RELOAD") == loading
        assert not isinstance(conn.cmd("CONFIG", "GET", "save"), Error)
        conn.cmd("CONFIG", "SET", "save", "1 1")
        conn.cmd("CONFIG", "SET", "key-load-delay", 0)
        assert wait_until(lambda: info(conn, "loading") == "0", 60)
        assert conn.cmd("DBSIZE") == 20000
        assert info(conn, "rdb_changes_since_last_save") == "0"
        conn.cmd("CONFIG", "SET", "key-load-delay", 20000)
        conn.cmd("CONFIG", "SET", "save", "")
    server.stop()
    server.stopped = False
    server.start()
    with server.connect() as conn:
        assert info(conn, "loading") == "1"
    server.stop()
    assert dump_of(server) == data


def test_loading_is_silent(start_server):
    """What a load puts back is no event and changes nothing that a client has in its cache."""
    keys = [rdb.key(b"k%d" % i, 0, rdb.text(b"v")) for i in range(20000)]
    server = start_server(io_threads=2)
    server.stop()
    put_file(server.dir, rdb.file(rdb.select(0), *keys))
    server.directives.update({"key-load-delay": 20000, "notify-keyspace-events": "KEAnm"})
    server.stopped = False
    server.start()
    with server.connect() as conn, server.connect() as listener:
        assert info(conn, "loading") == "1"
        listener.cmd("HELLO", 3)
        assert listener.cmd("CLIENT", "TRACKING", "ON", "BCAST") == OK
        listener.send(encode(["PSUBSCRIBE", "__key*"]))
        listener.read()
        conn.cmd("CONFIG", "SET", "key-load-delay", 0)
        assert wait_until(lambda: info(conn, "loading") == "0", 60)
        assert conn.cmd("DBSIZE") == 20000
        assert conn.cmd("DEBUG", "RELOAD") == OK
        conn.cmd("SET", "last", 1)
        heard = [listener.read() for _ in range(6)]
        assert heard[0] == Push([b"invalidate", None])  # DEBUG RELOAD has emptied the database before
        assert Push([b"invalidate", [b"last"]]) in heard
        assert {push[-1] for push in heard[1:] if push[0] == b"pmessage"} == {b"new", b"set", b"last"}


@pytest.mark.parametrize("command,points,saved", [
    ("SHUTDOWN", "", False), ("SHUTDOWN", "100 1000", True), ("SHUTDOWN NOSAVE", "100 1000", False),
    ("SHUTDOWN SAVE", "", True), (signal.SIGTERM, "", False), (signal.SIGTERM, "100 1000", True),
    (signal.SIGINT, "100 1000", True)], ids=str)
def test_shutdown_saves(start_server, command, points, saved):
    server = start_server(save=points)
    with server.connect() as conn:
        conn.cmd("SET", "a", 1)
        server.stopped = True
        if isinstance(command, str):
            try:
                conn.cmd(*command.split())
            except (ConnectionError, EOFError, OSError):
                pass
        else:
            os.kill(server.pid, command)
        assert server.process.wait(30) == 0
    assert os.path.exists(os.path.join(server.dir, "dump.rdb")) == saved
    server.stopped = False
    server.start()
    with server.connect() as conn:
        assert wait_until(lambda: info(conn, "loading") == "0", 30)
        assert conn.cmd("GET", "a") == (b"1" if saved else None)


def test_what_cannot_be_saved(start_server):
    """A target that cannot be replaced: SAVE, SHUTDOWN and SIGTERM fail and the server goes on; -MISCONF after a
    failed snapshot; all well again after the next good one."""
    server = start_server()
    target = Path(server.dir, "dump.rdb")
    target.mkdir()
    Path(target, "x").write_bytes(b"")
    misconf = b"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk."
    with server.connect() as conn:
        assert conn.cmd("SET", "a", 1) == OK
        assert isinstance(conn.cmd("SAVE"), Error)
        conn.cmd("BGSAVE")
        assert wait_until(lambda: info(conn, "rdb_last_bgsave_status") == "err", 20)
        assert not isinstance(conn.cmd("SET", "a", 2), Error)
        conn.cmd("CONFIG", "SET", "save", "3600 1000000")
        for command in (["SET", "a", 3], ["PING"]):
            assert conn.cmd(*command).startswith(misconf)
        assert conn.cmd("GET", "a") == b"2"
        assert isinstance(conn.cmd("SHUTDOWN"), Error)
        os.kill(server.pid, signal.SIGTERM)
        assert wait_until(lambda: "can't exit" in server.log().partition("SIGTERM")[2], 20)
        conn.cmd("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
        assert not isinstance(conn.cmd("SET", "a", 4), Error)
        conn.cmd("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes")
        assert isinstance(conn.cmd("SET", "a", 5), Error)
        Path(target, "x").unlink()
        target.rmdir()
        conn.cmd("BGSAVE")
        assert wait_until(lambda: info(conn, "rdb_last_bgsave_status") == "ok", 20)
        assert not isinstance(conn.cmd("SET", "a", 6), Error)
        assert not list(Path(server.dir).glob("temp-*"))
        conn.cmd("CONFIG", "SET", "save", "")


def test_save_points(start_server):
    server = start_server(save="1 3")
    with server.connect() as conn:
        last = conn.cmd("LASTSAVE")
        conn.cmd("SET", "a", 1)
        conn.cmd("MSET", "b", 1, "c", 1)
        assert wait_until(lambda: conn.cmd("LASTSAVE") > last and info(conn, "rdb_saves") == "1", 30)
        assert info(conn, "rdb_changes_since_last_save") == "0"
        conn.cmd("CONFIG", "SET", "save", "")
    with load_in(start_server, dump_of(server)).connect() as conn:
        assert conn.cmd("DBSIZE") == 3


def test_flushall_empties_the_file(start_server):
    """As in Redis: with save points, FLUSHALL stops the snapshot that runs and saves the emptiness."""
    server = start_server(save="3600 1000000")
    with server.connect() as conn:
        conn.cmd("DEBUG", "POPULATE", 1000)
        conn.cmd("CONFIG", "SET", "rdb-key-save-delay", 1000000)
        conn.cmd("BGSAVE")
        assert conn.cmd("BGSAVE") == Error(b"ERR Background save already in progress")
        assert conn.cmd("SAVE") == Error(b"ERR Background save already in progress")
        conn.cmd("FLUSHALL")
        conn.cmd("SET", "new", 1)
        assert wait_until(lambda: info(conn, "rdb_bgsave_in_progress") == "0", 20)
        conn.cmd("CONFIG", "SET", "save", "")
    with load_in(start_server, dump_of(server)).connect() as conn:
        assert conn.cmd("DBSIZE") == 0


def test_syntax(conn):
    assert conn.cmd("BGSAVE", "NOW") == Error(b"ERR syntax error")
    assert conn.cmd("BGSAVE", "SCHEDULE", "X") == Error(b"ERR syntax error")
    assert isinstance(conn.cmd("SAVE", "X"), Error)
    assert not isinstance(conn.cmd("BGSAVE", "SCHEDULE"), Error)


def test_reload_during_a_snapshot(start_server):
    """The file of the reload is the newer one: the snapshot must not take its place."""
    server = start_server()
    with server.connect() as conn:
        conn.cmd("DEBUG", "POPULATE", 500)
        conn.cmd("CONFIG", "SET", "rdb-key-save-delay", 1000000)
        conn.cmd("BGSAVE")
        conn.cmd("SET", "new", 1)
        assert conn.cmd("DEBUG", "RELOAD") == OK
        assert wait_until(lambda: info(conn, "rdb_bgsave_in_progress") == "0", 20)
        assert conn.cmd("GET", "new") == b"1"
        assert conn.cmd("DEBUG", "RELOAD", "NOSAVE") == OK
        assert conn.cmd("MGET", "new", "key:499") == [b"1", b"value:499"]


def test_fields_that_expire(server, conn):
    conn.cmd("HSET", "h", "a", 1, "b", 2)
    assert conn.cmd("HPEXPIRE", "h", 100000000, "FIELDS", 1, "a") == [1]
    before = conn.cmd("HPEXPIRETIME", "h", "FIELDS", 2, "a", "b")
    assert conn.cmd("DEBUG", "RELOAD") == OK
    assert conn.cmd("HPEXPIRETIME", "h", "FIELDS", 2, "a", "b") == before
    assert sorted(conn.cmd("HGETALL", "h")) == [b"1", b"2", b"a", b"b"]


def test_streams_both_ways(start_server):
    ours = start_server()
    with ours.connect() as conn:
        for i in range(300):
            conn.cmd("XADD", "s", f"{i + 1}-1", "field", "value %d" % i)
        conn.cmd("XDEL", "s", "5-1")
        conn.cmd("XGROUP", "CREATE", "s", "g", "0")
        conn.cmd("XREADGROUP", "GROUP", "g", "c", "COUNT", 10, "STREAMS", "s", ">")
        whole, pending = conn.cmd("XRANGE", "s", "-", "+"), conn.cmd("XPENDING", "s", "g")
        assert len(whole) == 299
        assert conn.cmd("DEBUG", "RELOAD") == OK
        assert (conn.cmd("XRANGE", "s", "-", "+"), conn.cmd("XPENDING", "s", "g")) == (whole, pending)
        with load_in(start_server, dump_of(ours), binary=REDIS).connect() as other:
            assert (other.cmd("XRANGE", "s", "-", "+"), other.cmd("XPENDING", "s", "g")) == (whole, pending)
