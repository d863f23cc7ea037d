"""The files of the log: recovery, rewrite, torn ends and damage, both ways with redis-server."""
import signal
import subprocess
import time
from pathlib import Path

import pytest

from integration.test_dump import value
from integration.test_rdb import fill_all, info
from lib.resp import Error, Simple
from lib.resp import encode as encode_list
from lib.server import REDIS, binary_under_test, command_line, free_port
from lib.wait import wait_until

pytestmark = pytest.mark.tokamak
OK = Simple(b"OK")
LONG = 60


def encode(*words):
    return encode_list(words)


def folder(server):
    return Path(server.dir, "appendonlydir")


def names(server):
    return sorted(p.name for p in folder(server).iterdir())


def manifest(server):
    return (folder(server) / "appendonly.aof.manifest").read_text()


def incr_of(server):
    """The last incremental file."""
    line = [l for l in manifest(server).splitlines() if l.endswith("type i")][-1]
    return folder(server) / line.split()[1]


def wait_loaded(server):
    with server.connect() as conn:
        assert wait_until(lambda: not isinstance(conn.cmd("DBSIZE"), Error), LONG)


def kill(server):
    server.process.kill()
    server.process.wait()
    server.stopped = True


def start_again(server, binary=None):
    server.stopped = False
    server.binary = binary or server.binary
    server.start()
    wait_loaded(server)


def digest(server):
    with server.connect() as conn:
        return conn.cmd("DEBUG", "DIGEST")


def rewrite(conn):
    assert b"rewriting" in conn.cmd("BGREWRITEAOF")
    assert wait_until(lambda: info(conn, "aof_rewrite_in_progress") == "0" and
                      info(conn, "aof_rewrite_scheduled") == "0", LONG)
    assert info(conn, "aof_last_bgrewrite_status") == "ok"


def starts_badly(server):
    """The log of a start that must fail."""
    line = command_line(server.binary, free_port(), server.directives)
    done = subprocess.run(line, cwd=server.dir, capture_output=True, timeout=LONG, check=False)
    assert done.returncode not in (0, -signal.SIGABRT, -signal.SIGSEGV)
    return (done.stdout + done.stderr).decode(errors="replace")


def files(server):
    return {p.name: p.read_bytes() for p in folder(server).iterdir()}


def streams(conn, delete=True):
    conn.cmd("XADD", "stream", "1-1", "f", "v", "g", "w")
    conn.cmd("XADD", "stream", "2-1", "f", "v")
    conn.cmd("XADD", "stream", "3-1", "f", "v")
    conn.cmd("XGROUP", "CREATE", "stream", "group", "0")
    conn.cmd("XREADGROUP", "GROUP", "group", "me", "COUNT", 2, "STREAMS", "stream", ">")
    if delete:
        conn.cmd("XDEL", "stream", "2-1")
    conn.cmd("XADD", "gone", "1-1", "f", "v")
    conn.cmd("XDEL", "gone", "1-1")


def write_more(conn):
    for command in (["SET", "after", "x"], ["INCR", "int"], ["LPOP", "list"], ["MULTI"], ["SET", "t1", 1],
                    ["SET", "t2", 2], ["EXEC"], ["SELECT", 9], ["SET", "nine", 9], ["SELECT", 0], ["DEL", "set"],
                    ["SET", "ttl", "x", "EX", 10000]):
        assert not isinstance(conn.cmd(*command), Error)


@pytest.mark.smoke
@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_redis_loads_ours(start_server, preamble):
    server = start_server(appendonly="yes", aof_use_rdb_preamble=preamble)
    with server.connect() as conn:
        fill_all(conn)
        streams(conn)
        rewrite(conn)
        write_more(conn)
        ours = everything_but_streams(conn), stream_facts(conn)
    assert ("base.rdb" if preamble == "yes" else "base.aof") in manifest(server)
    assert manifest(server).splitlines()[-1].startswith("#CK:")
    server.stop()
    start_again(server, REDIS)
    with server.connect() as conn:
        assert (everything_but_streams(conn), stream_facts(conn)) == ours
        conn.cmd("CONFIG", "SET", "appendfsync", "always")  # else it answers before it writes while a sync is slow
        conn.cmd("SET", "by-redis", 1)
        conn.cmd("MULTI"), conn.cmd("INCR", "int"), conn.cmd("INCR", "int"), conn.cmd("EXEC")
        theirs = everything_but_streams(conn), stream_facts(conn)
    kill(server)
    start_again(server, binary_under_test())
    with server.connect() as conn:
        assert (everything_but_streams(conn), stream_facts(conn)) == theirs
        conn.cmd("SET", "ours-again", 1)
        ours = conn.cmd("DEBUG", "DIGEST")
    kill(server)
    start_again(server)
    assert digest(server) == ours


def everything_but_streams(conn):
    out = {}
    for db in range(16):
        conn.cmd("SELECT", db)
        for name in conn.cmd("KEYS", "*"):
            if conn.cmd("TYPE", name) != b"stream":
                out[db, name] = value(conn, name), conn.cmd("PEXPIRETIME", name)
    conn.cmd("SELECT", 0)
    return out


def stream_facts(conn):
    entries = conn.cmd("XRANGE", "stream", "-", "+")
    pending = conn.cmd("XPENDING", "stream", "group")
    full = dict(zip(*[iter(conn.cmd("XINFO", "STREAM", "stream"))] * 2))
    gone = dict(zip(*[iter(conn.cmd("XINFO", "STREAM", "gone"))] * 2))
    keep = (b"length", b"last-generated-id", b"max-deleted-entry-id", b"entries-added", b"groups")
    return entries, pending, [full[k] for k in keep], [gone[k] for k in keep]


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_we_load_theirs(start_server, preamble):
    theirs = start_server(binary=REDIS, appendonly="yes", aof_use_rdb_preamble=preamble)
    with theirs.connect() as conn:
        fill_all(conn)
        streams(conn, preamble == "yes")  # as commands, redis-server itself loses what is pending of a deleted entry
        rewrite(conn)
        write_more(conn)
        expected = everything_but_streams(conn), stream_facts(conn)
    kill(theirs)
    start_again(theirs, binary_under_test())
    with theirs.connect() as conn:
        assert (everything_but_streams(conn), stream_facts(conn)) == expected


def test_old_single_file_becomes_the_base(start_server):
    server = start_server(appendonly="yes")
    server.stop()
    for path in folder(server).iterdir():
        path.unlink()
    folder(server).rmdir()
    old = Path(server.dir, "appendonly.aof")
    old.write_bytes(encode("SELECT", 3) + encode("SET", "k", "v") + encode("RPUSH", "l", 1, 2))
    start_again(server)
    with server.connect() as conn:
        conn.cmd("SELECT", 3)
        assert conn.cmd("GET", "k") == b"v" and conn.cmd("LLEN", "l") == 2
        conn.cmd("SET", "more", 1)
    assert not old.exists()
    assert manifest(server).startswith("file appendonly.aof seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n")
    kill(server)
    start_again(server)
    with server.connect() as conn:
        conn.cmd("SELECT", 3)
        assert conn.cmd("MGET", "k", "more") == [b"v", b"1"]


@pytest.mark.parametrize("content", ["damaged", "torn", "foreign"])
def test_old_single_file_that_is_broken_stays(start_server, content):
    """It changes its place when it has been loaded, not before."""
    server = start_server(appendonly="yes", aof_load_truncated="no")
    kill(server)
    for path in folder(server).iterdir():
        path.unlink()
    folder(server).rmdir()
    old = Path(server.dir, "appendonly.aof")
    whole = encode("SELECT", 0) + encode("SET", "k", "v")
    text = {"damaged": whole + b"!bad\r\n" + encode("SET", "l", "w"), "torn": whole[:-3], "foreign": b"\x7fELF" * 100}[content]
    old.write_bytes(text)
    assert str(old) in starts_badly(server)
    assert old.read_bytes() == text and not folder(server).exists()
    folder(server).mkdir()  # a kill in the middle of the move leaves this
    (folder(server) / "appendonly.aof.manifest").write_text("file appendonly.aof seq 1 type b\n")
    assert str(old) in starts_badly(server)
    assert old.read_bytes() == text and names(server) == ["appendonly.aof.manifest"]
    old.write_bytes(whole)
    start_again(server)
    with server.connect() as conn:
        assert conn.cmd("GET", "k") == b"v"
    assert not old.exists() and manifest(server).startswith("file appendonly.aof seq 1 type b\n")


def test_torn_end(start_server):
    server = start_server(appendonly="yes")
    with server.connect() as conn:
        for i in range(100):
            conn.cmd("SET", "k%d" % i, i)
    kill(server)
    path, whole = incr_of(server), incr_of(server).read_bytes()
    path.write_bytes(whole[:-3])
    start_again(server)
    assert "!!! Truncating the AOF" in server.log() and "loaded anyway" in server.log()
    with server.connect() as conn:
        assert conn.cmd("DBSIZE") == 99
        conn.cmd("SET", "on", 1)
    kill(server)
    start_again(server)
    with server.connect() as conn:
        assert conn.cmd("DBSIZE") == 100
    kill(server)
    path.write_bytes(path.read_bytes()[:-3])
    before = files(server)
    server.directives["aof-load-truncated"] = "no"
    log = starts_badly(server)
    assert "Unexpected end of file reading the append only file" in log and "offset" in log
    assert files(server) == before
    del server.directives["aof-load-truncated"]
    start_again(server)


def test_torn_end_before_an_empty_file(start_server):
    """The manifest names the next file before the log switches to it."""
    server = start_server(appendonly="yes")
    with server.connect() as conn:
        conn.cmd("SET", "a", 1)
        conn.cmd("SET", "b", 1)
    kill(server)
    path, listed = incr_of(server), folder(server) / "appendonly.aof.manifest"
    path.write_bytes(path.read_bytes()[:-3])
    lines = [line for line in manifest(server).splitlines() if line.startswith("file")]
    listed.write_text("\n".join([*lines, "file appendonly.aof.2.incr.aof seq 2 type i"]) + "\n")
    (folder(server) / "appendonly.aof.2.incr.aof").write_bytes(b"#CK:0:00000000\r\n")
    start_again(server)
    with server.connect() as conn:
        assert conn.cmd("MGET", "a", "b") == [b"1", None]
        conn.cmd("SET", "c", 1)
    kill(server)
    start_again(server)
    with server.connect() as conn:
        assert conn.cmd("MGET", "a", "b", "c") == [b"1", None, b"1"]
    kill(server)
    path.write_bytes(path.read_bytes()[:-3])
    assert "the truncated file is not the last file" in starts_badly(server)


def flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 4
    path.write_bytes(data)


def test_damage_in_the_middle_is_refused(start_server):
    server = start_server(appendonly="yes")
    with server.connect() as conn:
        for i in range(100):
            conn.cmd("SET", "k%d" % i, "some value %d" % i)
    kill(server)
    path = incr_of(server)
    whole = path.read_bytes()
    for what, offset in (("value", whole.index(b"some value 50")), ("length", whole.index(b"$13")), ("mark", whole.index(b"#CK", 100))):
        flip(path, offset + 1)
        before = files(server)
        log = starts_badly(server)
        assert "Bad file format reading the append only file" in log, (what, log)
        assert str(path) in log and "offset" in log
        assert files(server) == before
        path.write_bytes(whole)
    start_again(server)


@pytest.mark.parametrize("text,expected", [
    ("", "empty"),
    ("file a.1.base.rdb seq 1 type b\n", "a.1.base.rdb"),
    ("file a.1.base.rdb seq 1 type x\n", "Unknown AOF file type"),
    ("file a.1.base.rdb seq 1\n", "Invalid AOF manifest file format"),
    ("file ../a seq 1 type b\n", "File can't be a path, just a filename"),
    ("file a seq 2 type i\nfile b seq 1 type i\n", "non-monotonic"),
    ("file a seq 2 type b\nfile b seq 1 type b\n", "duplicate base"),
    ("#CK:3:00000000\n", "damaged"),
])
def test_bad_manifest(start_server, text, expected):
    server = start_server(appendonly="yes")
    server.stop()
    (folder(server) / "appendonly.aof.manifest").write_text(text)
    before = files(server)
    log = starts_badly(server)
    assert expected in log, log
    assert files(server) == before
    server.stopped = True


def test_file_in_place_of_directory(start_server):
    server = start_server()
    server.stop()
    Path(server.dir, "appendonlydir").write_text("a file")
    server.directives["appendonly"] = "yes"
    assert "appendonlydir" in starts_badly(server)
    assert Path(server.dir, "appendonlydir").read_text() == "a file"


def test_foreign_and_newer_files(start_server):
    server = start_server(appendonly="yes")
    server.stop()
    path = incr_of(server)
    for content, expected in ((b"hello, world\n" * 10, "neither a command nor a comment"),
                              (encode("SELECT", 0) + encode("NOSUCHCOMMAND", "x"), "unknown command 'NOSUCHCOMMAND'"),
                              (encode("SELECT", 99) + encode("SET", "a", 1), "database 99"),
                              (encode("SET", "a"), "wrong number of arguments")):
        path.write_bytes(content)
        log = starts_badly(server)
        assert expected in log, log
        assert path.read_bytes() == content
    base = next(p for p in folder(server).iterdir() if ".base." in p.name)
    base.write_bytes(b"REDIS9999" + base.read_bytes()[9:])
    assert "RDB version 9999" in starts_badly(server)


def test_transaction_is_whole_or_not_there(start_server):
    server = start_server(appendonly="yes")
    with server.connect() as conn:
        conn.cmd("SET", "before", 1)
        conn.cmd("MULTI"), conn.cmd("SET", "a", 1), conn.cmd("SET", "b", 1), conn.cmd("EXEC")
    kill(server)
    path, whole = incr_of(server), incr_of(server).read_bytes()
    begin = whole.index(b"MULTI") - 8
    for size in range(begin + 1, len(whole)):
        if size % 7 == 0:
            path.write_bytes(whole[:size])
            start_again(server)
            with server.connect() as conn:
                assert conn.cmd("MGET", "before", "a", "b") == [b"1", None, None]
            kill(server)


def test_nothing_expires_while_loading(start_server):
    """PERSIST that came before the time keeps its key, also when the time is over at the load."""
    server = start_server(appendonly="yes")
    with server.connect() as conn:
        conn.cmd("SET", "kept", 1, "PX", 300)
        conn.cmd("HSET", "h", "f", 1, "g", 2)
        conn.cmd("HPEXPIRE", "h", 300, "FIELDS", 1, "f")
        conn.cmd("SET", "gone", 1, "PX", 300)
        conn.cmd("PERSIST", "kept")
        conn.cmd("HPERSIST", "h", "FIELDS", 1, "f")
        conn.cmd("INCR", "gone")
    kill(server)
    time.sleep(0.4)
    start_again(server)
    with server.connect() as conn:
        assert conn.cmd("MGET", "kept", "gone") == [b"1", None]
        assert conn.cmd("HMGET", "h", "f", "g") == [b"1", b"2"]
        assert "answered an error" not in server.log()


def test_rewrite_under_writes(start_server):
    server = start_server(appendonly="yes")
    with server.connect() as conn:
        conn.cmd("DEBUG", "POPULATE", 20000, "key", 100)
        for n in range(4):
            assert b"started" in conn.cmd("BGREWRITEAOF")
            for i in range(2000):
                conn.cmd("INCR", "count")
                conn.cmd("RPUSH", "list:%d" % (i % 10), i)
            assert wait_until(lambda: info(conn, "aof_rewrite_in_progress") == "0", LONG)
        assert info(conn, "aof_last_bgrewrite_status") == "ok"
        expected = conn.cmd("DEBUG", "DIGEST")
        assert conn.cmd("GET", "count") == b"8000"
    assert len(names(server)) == 3
    kill(server)
    start_again(server)
    assert digest(server) == expected


def test_automatic_rewrite(start_server):
    server = start_server(appendonly="yes", auto_aof_rewrite_min_size="50kb", auto_aof_rewrite_percentage=100)
    with server.connect() as conn:
        for _ in range(3000):
            conn.cmd("SET", "k", "v" * 100)
        assert wait_until(lambda: int(info(conn, "aof_rewrites")) > 0, LONG)
        assert wait_until(lambda: int(info(conn, "aof_current_size")) < 400000, LONG)
        expected = conn.cmd("DEBUG", "DIGEST")
    assert "Starting automatic rewriting of AOF on" in server.log()
    kill(server)
    start_again(server)
    assert digest(server) == expected


def test_turned_on_and_off(start_server):
    server = start_server()
    with server.connect() as conn:
        fill_all(conn)
        assert not folder(server).exists()
        assert conn.cmd("CONFIG", "SET", "appendonly", "yes") == OK
        assert wait_until(lambda: info(conn, "aof_rewrite_in_progress") == "0", LONG)
        conn.cmd("SET", "logged", 1)
        first = conn.cmd("DEBUG", "DIGEST")
        assert conn.cmd("DEBUG", "LOADAOF") == OK
        assert conn.cmd("DEBUG", "DIGEST") == first
        assert conn.cmd("CONFIG", "SET", "appendonly", "no") == OK
        conn.cmd("SET", "not logged", 1)
        assert info(conn, "aof_enabled") == "0"
        rewrite(conn)
        again = conn.cmd("DEBUG", "DIGEST")
        assert conn.cmd("DEBUG", "LOADAOF") == OK  # also without a log: what the rewrite has left
        assert conn.cmd("DEBUG", "DIGEST") == again
        conn.cmd("SET", "not logged", 2)
        assert conn.cmd("CONFIG", "SET", "appendonly", "yes") == OK
        assert wait_until(lambda: info(conn, "aof_rewrite_in_progress") == "0", LONG)
        conn.cmd("SET", "logged", 2)
        expected = conn.cmd("DEBUG", "DIGEST")
    kill(server)
    server.directives["appendonly"] = "yes"
    start_again(server)
    assert digest(server) == expected
    assert len(names(server)) == 3


def test_failed_rewrite_leaves_the_old_set(start_server):
    server = start_server(appendonly="yes")
    with server.connect() as conn:
        conn.cmd("SET", "a", 1)
        block = folder(server) / "temp-bg-appendonly.aof.2.base.rdb"
        block.mkdir()
        conn.cmd("BGREWRITEAOF")
        assert wait_until(lambda: info(conn, "aof_last_bgrewrite_status") == "err", LONG)
        assert info(conn, "aof_rewrites_consecutive_failures") == "1"
        conn.cmd("SET", "b", 1)
        assert manifest(server).count("type i") == 2
        kill(server)
    start_again(server)
    with server.connect() as conn:
        assert conn.cmd("MGET", "a", "b") == [b"1", b"1"]
        block.rmdir()
        rewrite(conn)
        conn.cmd("SET", "c", 1)
    kill(server)
    start_again(server)
    with server.connect() as conn:
        assert conn.cmd("MGET", "a", "b", "c") == [b"1", b"1", b"1"]
    assert len(names(server)) == 3


def test_one_snapshot_at_a_time(start_server):
    server = start_server(appendonly="yes", rdb_key_save_delay=2000)
    with server.connect() as conn:
        conn.cmd("DEBUG", "POPULATE", 500)
        assert conn.cmd("BGREWRITEAOF") == Simple(b"Background append only file rewriting started")
        assert conn.cmd("BGREWRITEAOF") == Error(b"ERR Background append only file rewriting already in progress")
        assert bytes(conn.cmd("BGSAVE")).startswith(b"ERR Another child process is active (AOF?)")
        assert conn.cmd("BGSAVE", "SCHEDULE") == Simple(b"Background saving scheduled")
        assert wait_until(lambda: int(info(conn, "rdb_saves")) == 1, LONG)
        assert conn.cmd("BGSAVE") == Simple(b"Background saving started")
        assert conn.cmd("BGREWRITEAOF") == Simple(b"Background append only file rewriting scheduled")
        assert wait_until(lambda: int(info(conn, "aof_rewrites")) == 2, LONG)


def test_save_into_a_directory_that_is_gone(start_server):
    server = start_server(enable_protected_configs="yes")
    with server.connect() as conn:
        lost = Path(server.dir, "lost")
        lost.mkdir()
        assert conn.cmd("CONFIG", "SET", "dir", str(lost)) == OK
        conn.cmd("SET", "a", 1)
        lost.rmdir()
        conn.cmd("BGSAVE")
        assert wait_until(lambda: info(conn, "rdb_bgsave_in_progress") == "0", LONG)
        assert info(conn, "rdb_last_bgsave_status") == "err"
        assert isinstance(conn.cmd("SAVE"), Error)
        conn.cmd("CONFIG", "SET", "dir", server.dir)
        conn.cmd("BGSAVE")
        assert wait_until(lambda: info(conn, "rdb_last_bgsave_status") == "ok", LONG)


def test_repeated_sigterm_saves_once(start_server):
    server = start_server(save="3600 1")
    with server.connect() as conn:
        conn.cmd("DEBUG", "POPULATE", 200000)
    for _ in range(5):
        server.process.send_signal(signal.SIGTERM)
    server.stopped = True
    assert server.process.wait(LONG) == 0
    assert server.log().count("DB saved on disk") == 1


def test_nothing_scheduled_begins_at_the_end(start_server):
    server = start_server(appendonly="yes", rdb_key_save_delay=1000)
    with server.connect() as conn:
        conn.cmd("DEBUG", "POPULATE", 2000)
        conn.cmd("BGREWRITEAOF")
        assert conn.cmd("BGSAVE", "SCHEDULE") == Simple(b"Background saving scheduled")
        conn.send(encode("SHUTDOWN", "NOSAVE"))
        server.stopped = True
        assert server.process.wait(LONG) == 0
    assert not Path(server.dir, "dump.rdb").exists()
    assert "Background saving started" not in server.log()


def test_loading_is_told(start_server):
    server = start_server(appendonly="yes")
    with server.connect() as conn:
        for n in range(20):
            conn.send(b"".join(encode("SET", "k%d" % (n * 100 + i), i) for i in range(100)))
            for _ in range(100):
                assert conn.read() == OK
    kill(server)
    server.directives["key-load-delay"] = 100000
    server.stopped = False
    server.start()
    with server.connect() as conn:
        assert conn.cmd("GET", "k1") == Error(b"LOADING Redis is loading the dataset in memory")
        assert info(conn, "loading") == "1"
        assert int(info(conn, "loading_total_bytes")) > 0
        assert conn.cmd("CONFIG", "SET", "key-load-delay", 0) == OK
        assert wait_until(lambda: info(conn, "loading") == "0", LONG)
        assert conn.cmd("DBSIZE") == 2000


def test_stamps(start_server):
    server = start_server(appendonly="yes", aof_timestamp_enabled="yes")
    with server.connect() as conn:
        conn.cmd("SET", "a", 1)
    kill(server)
    assert b"#TS:" in incr_of(server).read_bytes()
    start_again(server)
    with server.connect() as conn:
        assert conn.cmd("GET", "a") == b"1"
