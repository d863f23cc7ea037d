"""FUNCTION and FCALL: libraries on every reactor, across restarts, to and from redis-server, in the log."""
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from integration.test_rdb import load_in
from lib import rdb
from lib.resp import INCOMPLETE, Error, Reader, Simple, encode
from lib.server import REDIS, command_line, free_port
from lib.wait import wait_until

OK = Simple(b"OK")
ECHO = "redis.register_function('echo', function(keys, args) return args[1] end)"
WRITE = "redis.register_function('write', function(keys, args) return redis.call('SET', keys[1], args[1]) end)"


ENDLESS_HANDLER = "local function f() while true do end end xpcall(f, f)"


def library(text=ECHO, name="lib"):
    return f"#!lua name={name}\n{text}"


def error(conn, *command):
    reply = conn.cmd(*command)
    assert isinstance(reply, Error), reply
    return bytes(reply).decode()


def names(conn):
    """{library: its functions}, as FUNCTION LIST has them."""
    out = {}
    for entry in conn.cmd("FUNCTION", "LIST"):
        fields = dict(zip(entry[::2], entry[1::2]))
        out[fields[b"library_name"]] = sorted(f[1] for f in fields[b"functions"])
    return out


def test_a_function_is_found_by_a_name_in_any_case(conn):
    assert conn.cmd("FUNCTION", "LOAD", library()) == b"lib"
    assert conn.cmd("FCALL", "EcHo", 0, "x") == b"x"
    assert error(conn, "FCALL", "none", 0) == "ERR Function not found"
    assert error(conn, "FCALL", "echo", "x").startswith("ERR Bad number of keys")
    assert error(conn, "FUNCTION", "LOAD", library()) == "ERR Library 'lib' already exists"
    assert error(conn, "FUNCTION", "LOAD", library(name="other")) == "ERR Function echo already exists"
    assert names(conn) == {b"lib": [b"echo"]}
    assert conn.cmd("FUNCTION", "DELETE", "lib") == OK
    assert error(conn, "FUNCTION", "DELETE", "lib") == "ERR Library not found"


def test_a_failed_replacement_leaves_what_was_there(conn):
    conn.cmd("FUNCTION", "LOAD", library())
    for bad in "x x", "redis.register_function(1, 2)", "while true do end", "x = 1", ENDLESS_HANDLER, "local a = string.rep('x', 3)", "":
        assert isinstance(conn.cmd("FUNCTION", "LOAD", "REPLACE", library(bad)), Error)
        assert conn.cmd("FCALL", "echo", 0, "x") == b"x"
    assert conn.cmd("FUNCTION", "LOAD", "REPLACE", library(WRITE)) == b"lib"
    assert error(conn, "FCALL", "echo", 0, "x") == "ERR Function not found"


@pytest.mark.tokamak
def test_every_reactor_has_what_was_loaded_last(start_server):
    server = start_server(io_threads=4)
    conns = [server.connect() for _ in range(16)]
    for version in range(5):
        text = f"redis.register_function('f', function() return {version} end)"
        assert conns[version].cmd("FUNCTION", "LOAD", "REPLACE", library(text)) == b"lib"
        assert [c.cmd("FCALL", "f", 0) for c in conns] == [version] * len(conns)
    assert conns[0].cmd("FUNCTION", "FLUSH") == OK
    assert all("not found" in error(c, "FCALL", "f", 0) for c in conns)


def test_a_dump_goes_both_ways_with_redis_server(start_server):
    ours, theirs = start_server().connect(), start_server(REDIS).connect()
    for source, target in (ours, theirs), (theirs, ours):
        source.cmd("FUNCTION", "FLUSH")
        target.cmd("FUNCTION", "FLUSH")
        source.cmd("FUNCTION", "LOAD", library())
        source.cmd("FUNCTION", "LOAD", library(WRITE + "\n-- " + "comment " * 500, "other"))
        payload = source.cmd("FUNCTION", "DUMP")
        assert target.cmd("FUNCTION", "RESTORE", payload) == OK
        assert names(target) == names(source) == {b"lib": [b"echo"], b"other": [b"write"]}
        assert target.cmd("FCALL", "echo", 0, "x") == b"x"
        assert error(target, "FUNCTION", "RESTORE", payload).endswith("already exists")
        assert target.cmd("FUNCTION", "RESTORE", payload, "REPLACE") == OK
        assert target.cmd("FUNCTION", "RESTORE", payload, "FLUSH") == OK
        assert error(target, "FUNCTION", "RESTORE", payload, "MERGE").startswith("ERR Wrong restore policy")


def test_a_damaged_dump_changes_nothing(conn):
    conn.cmd("FUNCTION", "LOAD", library())
    payload = conn.cmd("FUNCTION", "DUMP")
    for at in range(len(payload)):
        broken = payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1:]
        assert error(conn, "FUNCTION", "RESTORE", broken, "FLUSH") == "ERR DUMP payload version or checksum are wrong"
    assert conn.cmd("FCALL", "echo", 0, "x") == b"x"


@pytest.mark.tokamak
@pytest.mark.parametrize("items", [b"\xf6", b"\x00", b"\xf5", b"\xf5\xff", b"\xf5\x05abc", b"\xf5\x03abc",
                                   b"\xf5" + rdb.text(library().encode()) * 2])
def test_a_dump_of_something_else_is_refused(conn, items):
    payload = items + b"\x0a\x00"
    payload += rdb.crc64(payload).to_bytes(8, "little")
    conn.cmd("FUNCTION", "LOAD", library())
    assert isinstance(conn.cmd("FUNCTION", "RESTORE", payload, "FLUSH"), Error)
    assert conn.cmd("FCALL", "echo", 0, "x") == b"x"


@pytest.mark.tokamak
def test_libraries_survive_restart_and_reload(start_server):
    server = start_server(enable_debug_command="yes")
    with server.connect() as conn:
        conn.cmd("FUNCTION", "LOAD", library())
        conn.cmd("FUNCTION", "LOAD", library(WRITE, "other"))
        conn.cmd("FLUSHALL")
        assert conn.cmd("DEBUG", "RELOAD") == OK
        conn.cmd("FUNCTION", "DELETE", "other")
        assert conn.cmd("SAVE") == OK
        data = open(f"{server.dir}/dump.rdb", "rb").read()
    with load_in(start_server, data).connect() as conn:
        assert names(conn) == {b"lib": [b"echo"]}
        assert conn.cmd("FCALL", "echo", 0, "x") == b"x"
        assert error(conn, "FUNCTION", "LOAD", library()).endswith("already exists")


@pytest.mark.tokamak
def test_a_file_with_a_library_that_does_not_load_stops_the_start(server):
    server.stop()
    data = rdb.file(b"\xf5" + rdb.text(b"#!lua name=bad\nthis is no Lua"))
    with open(f"{server.dir}/dump.rdb", "wb") as file:
        file.write(data)
    line = command_line(server.binary, free_port(), server.directives)
    done = subprocess.run(line, cwd=server.dir, capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert b"function library cannot be loaded: Error compiling function" in done.stdout
    with open(f"{server.dir}/dump.rdb", "rb") as file:
        assert file.read() == data


@pytest.mark.tokamak
def test_changes_of_libraries_are_logged_and_calls_by_what_they_did(start_server, tmp_path):
    path = tmp_path / "effects"
    server = start_server(debug_effects_file=path)
    with server.connect() as conn:
        conn.cmd("FUNCTION", "LOAD", library(WRITE))
        payload = conn.cmd("FUNCTION", "DUMP")
        conn.cmd("FCALL", "write", 1, "k", "v")
        conn.cmd("FUNCTION", "DELETE", "lib")
        conn.cmd("FUNCTION", "RESTORE", payload)
        conn.cmd("FUNCTION", "FLUSH")
        conn.cmd("FUNCTION", "RESTORE", payload)
        conn.cmd("FUNCTION", "LOAD", library(WRITE))  # refused
    server.stop()
    reader = Reader()
    reader.feed(path.read_bytes())
    commands = []
    while (command := reader.next()) is not INCOMPLETE:
        commands.append(command)
    assert [c[:2] if c[0] == b"FUNCTION" else c[0] for c in commands if c[0] != b"SELECT"] == [
        [b"FUNCTION", b"LOAD"], b"SET", [b"FUNCTION", b"DELETE"], [b"FUNCTION", b"RESTORE"], [b"FUNCTION", b"FLUSH"],
        [b"FUNCTION", b"RESTORE"]]
    for twin in start_server(), start_server(REDIS):
        with twin.connect() as conn:
            for command in commands:
                conn.send(encode(command))
                assert not isinstance(conn.read(), Error)
            assert conn.cmd("FCALL", "write", 1, "k", "w") == OK


@pytest.mark.tokamak
def test_a_function_with_declared_keys_uses_no_other(conn):
    text = ("redis.register_function{function_name='set', flags={'declared-keys'},"
            "callback=function(keys, args) return redis.call('SET', args[1], 'v') end}")
    conn.cmd("FUNCTION", "LOAD", library(text))
    assert conn.cmd("FCALL", "set", 1, "k", "k") == OK
    assert "not among its KEYS" in error(conn, "FCALL", "set", 1, "k", "other")
    assert "not among its KEYS" in error(conn, "FCALL", "set", 0, "k")


def test_flags_say_what_a_function_may_do(conn):
    text = ("redis.register_function{function_name='reads', flags={'no-writes'}, callback=function(keys) "
            "return redis.call('SET', keys[1], 1) end}" + WRITE)
    conn.cmd("FUNCTION", "LOAD", library(text))
    assert "Write commands are not allowed from read-only scripts" in error(conn, "FCALL", "reads", 1, "k")
    assert "Can not execute a script with write flag using *_ro command" in error(conn, "FCALL_RO", "write", 1, "k", "v")
    assert conn.cmd("EXISTS", "k") == 0


def test_a_function_keeps_its_variables_but_reaches_no_other_s(conn):
    conn.cmd("FUNCTION", "LOAD", library("local n = 0 redis.register_function('count', function() n = n + 1 return n end)"))
    assert [conn.cmd("FCALL", "count", 0) for _ in range(3)] == [1, 2, 3]
    for body in "x = 1", "redis.x = 1", "rawset(_G, 'x', 1)", "getmetatable(_G).__index.x = 1", "string.x = 1":
        conn.cmd("FUNCTION", "LOAD", "REPLACE", library(f"redis.register_function('f', function() {body} end)", "bad"))
        assert isinstance(conn.cmd("FCALL", "f", 0), Error), body


def test_register_function_is_of_use_only_while_loading(conn):
    conn.cmd("FUNCTION", "LOAD", library("local r = redis.register_function "
                                         "redis.register_function('f', function() r('g', function() end) end)"))
    assert "can only be called on FUNCTION LOAD command" in error(conn, "FCALL", "f", 0)


@pytest.mark.tokamak
def test_a_long_function_is_told_of_and_can_be_killed(start_server):
    server = start_server(busy_reply_threshold=20)
    runner, other = server.connect(120), server.connect()
    runner.cmd("FUNCTION", "LOAD", library("redis.register_function('loop', function() while true do end end)"))
    runner.send(encode(["FCALL", "loop", 1, "k", "a"]))
    assert wait_until(lambda: bytes(other.cmd("PING")).startswith(b"BUSY"), 60)
    stats = other.cmd("FUNCTION", "STATS")
    assert stats[1][:4] == [b"name", b"loop", b"command", [b"FCALL", b"loop", b"1", b"k", b"a"]]
    assert stats[3] == [b"LUA", [b"libraries_count", 1, b"functions_count", 1]]
    assert error(other, "SCRIPT", "KILL").startswith("BUSY")
    assert other.cmd("FUNCTION", "KILL") == OK
    assert "killed by user with FUNCTION KILL" in bytes(runner.read()).decode()
    assert error(other, "FUNCTION", "KILL").startswith("NOTBUSY")


@pytest.mark.tokamak
def test_calls_and_changes_on_all_reactors_at_once(start_server):
    """Every answer is of one of the versions there have been, or that there is none."""
    server = start_server(io_threads=4)
    stop, wrong = threading.Event(), []

    def call(flag):
        with server.connect(120) as conn:
            while not stop.is_set():
                for reply in conn.pipeline([["FCALL", "f", 1, "k"], ["FUNCTION", "LIST"], ["FUNCTION", "DUMP"]] * 10):
                    if isinstance(reply, Error) and b"not found" not in bytes(reply):
                        wrong.append(reply)

    threads = [threading.Thread(target=call, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    with server.connect(120) as conn:
        for version in range(100):
            flag = "'declared-keys'" if version % 2 else ""
            conn.cmd("FUNCTION", "LOAD", "REPLACE", library(
                f"redis.register_function{{function_name='f', flags={{{flag}}}, callback=function(keys) "
                f"return redis.call('SET', keys[1], {version}) end}}"))
            if version % 10 == 0:
                conn.cmd("FUNCTION", "FLUSH")
            if version % 15 == 0:
                conn.cmd("FUNCTION", "RESTORE", conn.cmd("FUNCTION", "DUMP"), "FLUSH")
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:3]


def start_again(server):
    server.stop()
    server.stopped = False
    server.start()
    conn = server.connect()
    assert wait_until(lambda: b"\r\nloading:0" in conn.cmd("INFO", "persistence"), 60)
    return conn


@pytest.mark.tokamak
def test_libraries_are_in_the_append_only_file(start_server):
    server = start_server(appendonly="yes", appendfsync="always")
    with server.connect() as conn:
        conn.cmd("FUNCTION", "LOAD", library())
        conn.cmd("FUNCTION", "LOAD", library(WRITE, "other"))
    for _ in range(2):
        with start_again(server) as conn:
            assert names(conn) == {b"lib": [b"echo"], b"other": [b"write"]}
            assert conn.cmd("FCALL", "write", 1, "k", "v") == OK
            conn.cmd("FUNCTION", "LOAD", "REPLACE", library())


@pytest.mark.tokamak
def test_libraries_of_the_base_are_there_when_the_commands_behind_it_run(start_server):
    server = start_server(appendonly="yes", appendfsync="always")
    server.stop()
    directory = Path(server.dir, "appendonlydir")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    base, incremental = "appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof"
    (directory / "appendonly.aof.manifest").write_text(
        f"file {base} seq 1 type b\nfile {incremental} seq 1 type i\n")
    (directory / base).write_bytes(rdb.file(b"\xf5" + rdb.text(library().encode()),
                                            b"\xf5" + rdb.text(library(WRITE, "other").encode())))
    (directory / incremental).write_bytes(encode(["FUNCTION", "DELETE", "lib"]))
    with start_again(server) as conn:
        assert names(conn) == {b"other": [b"write"]}
        assert conn.cmd("FCALL", "write", 1, "k", "v") == OK
