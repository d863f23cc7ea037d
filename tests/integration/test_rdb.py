"""RDB files: both ways with redis-server, every encoding there ever was, broken files, what SAVE and SHUTDOWN promise."""
import os
import signal
import struct
import subprocess
import time
from pathlib import Path

import pytest

from integration.test_dump import fill, value
from lib import rdb
from lib.resp import Error, Push, Simple, encode
from lib.server import REDIS, command_line, free_port
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


def test_nobody_hears_of_a_load(start_server):
    """Neither subscribers nor who tracks keys from the first moment on."""
    server = start_server(io_threads=2)
    with server.connect() as conn:
        conn.cmd("DEBUG", "POPULATE", 20000)
        conn.cmd("SAVE")
    server.stop()
    server.stopped = False
    server.directives |= {"key-load-delay": 20000, "notify-keyspace-events": "KEAn"}
    server.start()
    with server.connect() as tracker, server.connect() as conn:
        tracker.cmd("HELLO", 3)
        assert tracker.cmd("CLIENT", "TRACKING", "ON", "BCAST") == OK
        assert info(conn, "loading") == "1"
        conn.cmd("PSUBSCRIBE", "__key*")
        with server.connect() as other:
            assert wait_until(lambda: info(other, "loading") == "0", 60)
            assert other.cmd("DBSIZE") == 20000
            assert other.cmd("DEBUG", "RELOAD", "NOSAVE") == OK
            other.cmd("SET", "last", 1)
        pushes = [tracker.read()]
        while b"last" not in repr(pushes[-1]).encode():
            pushes.append(tracker.read())
        assert len(pushes) <= 2, pushes[:5] # the reload has emptied all databases first
        assert conn.read()[2:] == [b"__keyspace@0__:last", b"new"]


def test_snapshot_in_a_transaction(server, conn):
    """It begins behind the transaction: the file holds all of it."""
    batch = [["MULTI"], ["SET", "before", 1], ["BGSAVE"], ["BGSAVE"], ["SET", "after", 1], ["EXEC"]]
    scheduled = Simple(b"Background saving scheduled")
    assert conn.pipeline(batch)[-1] == [OK, scheduled, scheduled, OK]
    assert wait_until(lambda: info(conn, "rdb_bgsave_in_progress") == "0", 60)
    assert info(conn, "rdb_saves") == "1"
    assert conn.cmd("DEBUG", "RELOAD", "NOSAVE") == OK
    assert conn.cmd("EXISTS", "before", "after") == 2


def remember_members(conn):
    conn.cmd("HSET", "h", "a", 1, "b", 2, "", 3)
    conn.cmd("SADD", "s", *range(200), "long" * 100)
    conn.cmd("SADD", "all", 1)
    conn.cmd("ZADD", "z", *(part for i in range(200) for part in (i / 3, "m%d" % i)))
    for i, (key, member) in enumerate([("h", "a"), ("h", ""), ("s", 7), ("s", "long" * 100), ("all", 1), ("z", "m5"),
                                       ("z", "m199")]):
        assert conn.cmd("PEXPIREMEMBERAT", key, member, 4_000_000_000_000 + 1000 * i) == 1
    conn.cmd("PEXPIREAT", "z", 5_000_000_000_000)
    return [pytest.approx(part, abs=60) if isinstance(part, float) else part for part in members_of(conn)]


def members_of(conn):
    return [conn.cmd("DEBUG", "DIGEST-VALUE", *"hsz"), conn.cmd("HPEXPIRETIME", "h", "FIELDS", 3, "a", "b", ""),
            *(time.time() + conn.cmd("FIELDTTL", *of) for of in (("s", 7), ("s", "long" * 100), ("all", 1))),
            conn.cmd("FIELDTTL", "s", 8), conn.cmd("ZPEXPIRETIME", "z", "MEMBERS", 3, "m5", "m6", "m199"),
            conn.cmd("PEXPIRETIME", "z")]


@pytest.mark.parametrize("version", [10, 11, 12])
@pytest.mark.parametrize("how", ["SAVE", "BGSAVE"])
def test_members_that_expire(start_server, version, how):
    server = start_server(rdb_version=version)
    with server.connect() as conn:
        before = remember_members(conn)
        if how == "SAVE":
            assert conn.cmd("SAVE") == OK
        else:
            background_save(conn)
        assert conn.cmd("DEBUG", "RELOAD", "NOSAVE") == OK
        assert members_of(conn) == before
        conn.cmd("FLUSHALL")
    with load_in(start_server, dump_of(server)).connect() as conn:
        assert members_of(conn) == before


def test_redis_reads_collections_whose_members_expire(start_server):
    """Without the times, for which it has no place."""
    ours = start_server()
    with ours.connect() as conn:
        remember_members(conn)
        before = everything(conn)
        conn.cmd("SAVE")
    with load_in(start_server, dump_of(ours), binary=REDIS).connect() as conn:
        assert everything(conn) == before


def lives(earliest, *members):
    """What stands before a key about its members."""
    text = struct.pack("<Q", earliest) + rdb.length(len(members)) + \
        b"".join(rdb.length(more) + rdb.text(name) for more, name in members)
    return b"\xfa" + rdb.text(b"tokamak-key-members") + rdb.text(text)


def test_lives_of_members(server, conn):
    put_file(server.dir, rdb.file(rdb.select(0), lives(4_000_000_000_000, (5, b"a")) +
                                  rdb.key(b"k", 2, rdb.strings(b"a", b"b"))))
    assert conn.cmd("DEBUG", "RELOAD", "NOSAVE") == OK
    assert conn.cmd("FIELDTTL", "k", "a") > 1_000_000 and conn.cmd("FIELDTTL", "k", "b") == -1


@pytest.mark.parametrize("extra", [
    lives(1, (0, b"c")), lives(1, (0, b"a"), (0, b"a")), lives(1 << 48, (0, b"a")), lives(1, (1 << 48, b"a")),
    lives(1, (0, b"a")) [:-1], b"\xfa" + rdb.text(b"tokamak-key-members") + rdb.text(b"nonsense"),
    b"\xfa" + rdb.text(b"tokamak-key-members") + rdb.text(bytes(8) + b"\x81" + b"\xff" * 8)], ids=range(7))
def test_hostile_lives_of_members(server, conn, extra):
    put_file(server.dir, rdb.file(rdb.select(0), extra + rdb.key(b"k", 2, rdb.strings(b"a", b"b"))))
    assert isinstance(conn.cmd("DEBUG", "RELOAD", "NOSAVE"), Error)
    for kind, body in ((0, b"\x01v"), (1, rdb.strings(b"a"))): # of types whose elements do not expire
        put_file(server.dir, rdb.file(rdb.select(0), lives(1, (0, b"a")) + rdb.key(b"k", kind, body)))
        assert isinstance(conn.cmd("DEBUG", "RELOAD", "NOSAVE"), Error)
    assert conn.cmd("PING") == b"PONG"


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


@pytest.mark.parametrize("changes", [
    [["XSETID", "s", "9-9", "ENTRIESADDED", 2**63 - 1], ["XADD", "s", "10-1", "f", "v"]],
    [["XGROUP", "SETID", "s", "g", "0", "ENTRIESREAD", 2**63 - 1],
     ["XREADGROUP", "GROUP", "g", "d", "STREAMS", "s", ">"]],
    [["XCLAIM", "s", "g", "d", 0, "1-1", "RETRYCOUNT", 2**63 - 1], ["XCLAIM", "s", "g", "d", 0, "1-1"]],
    [["XCLAIM", "s", "g", "d", 0, "1-1", "RETRYCOUNT", 2**63 - 1],
     ["XREADGROUP", "GROUP", "g", "d", "STREAMS", "s", "0"]]], ids=["added", "read", "claimed", "delivered"])
def test_counters_at_the_end_of_their_range(conn, changes):
    """No client can put a value into the file that keeps it from being loaded."""
    for command in (["XADD", "s", "1-1", "f", "v"], ["XGROUP", "CREATE", "s", "g", "0"],
                    ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"], *changes):
        assert not isinstance(conn.cmd(*command), Error)
    before = conn.cmd("XINFO", "GROUPS", "s"), conn.cmd("XPENDING", "s", "g", "-", "+", 10)[0][3]
    assert conn.cmd("DEBUG", "RELOAD") == OK
    assert (conn.cmd("XINFO", "GROUPS", "s"), conn.cmd("XPENDING", "s", "g", "-", "+", 10)[0][3]) == before
