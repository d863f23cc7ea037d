"""tokamak-check aof and convert: what is whole, what is torn, what is damaged, back to a point in time, other forms."""
import os
import pty
import re
import subprocess
import time
from pathlib import Path

import pytest

from integration.test_aof_files import digest, encode, flip, folder, incr_of, kill, rewrite, start_again
from integration.test_rdb import fill_all
from lib.server import binary_under_test

pytestmark = pytest.mark.tokamak


def check(*args):
    """Exit status and what was printed."""
    program = str(Path(binary_under_test()).parent / "tokamak-check")
    done = subprocess.run([program, *map(str, args)], capture_output=True, timeout=60, check=False)
    assert done.returncode in (0, 1, 2), done
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def filled(start_server, **directives):
    server = start_server(appendonly="yes", **directives)
    with server.connect() as conn:
        fill_all(conn)
        rewrite(conn)
        for i in range(50):
            conn.cmd("SET", "k%d" % i, i)
        conn.cmd("MULTI"), conn.cmd("SET", "t1", 1), conn.cmd("SET", "t2", 1), conn.cmd("EXEC")
    expected = digest(server)
    kill(server)
    return server, expected


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_whole(start_server, preamble):
    server, _ = filled(start_server, aof_use_rdb_preamble=preamble)
    for path in (folder(server), folder(server) / "appendonly.aof.manifest", incr_of(server)):
        status, text = check("aof", path)
        assert status == 0 and "OK" in text, text
        assert "transactions: 1" in text and "checksums: yes" in text
    start_again(server)


def test_torn_end_is_repaired(start_server):
    server, _ = filled(start_server)
    path = incr_of(server)
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    status, text = check("aof", folder(server))
    assert status == 1 and "torn" in text and "--fix" in text
    assert path.read_bytes() == whole[:-3]
    status, text = check("aof", "--fix", folder(server))
    assert status == 1 and "repaired" in text
    assert whole.startswith(path.read_bytes()) and path.read_bytes().endswith(b"\r\n")
    assert check("aof", folder(server))[0] == 0
    start_again(server)
    with server.connect() as conn:
        assert conn.cmd("MGET", "k49", "t1", "t2") == [b"49", None, None]


def test_damage_in_the_middle_is_never_cut(start_server):
    server, _ = filled(start_server)
    path = incr_of(server)
    flip(path, 100)
    damaged = path.read_bytes()
    status, text = check("aof", "--fix", folder(server))
    assert status == 1 and "damaged in the middle" in text and "offset" in text
    assert path.read_bytes() == damaged
    base = next(p for p in folder(server).iterdir() if ".base." in p.name)
    flip(base, 1000)
    status, text = check("aof", "--fix", folder(server))
    assert status == 1 and base.name in text
    manifest = folder(server) / "appendonly.aof.manifest"
    flip(manifest, 10)
    status, text = check("aof", "--fix", manifest)
    assert status == 1 and "line" in text


def test_back_to_a_point_in_time(start_server):
    server = start_server(appendonly="yes", aof_timestamp_enabled="yes")
    with server.connect() as conn:
        conn.cmd("SET", "a", 1)
        conn.cmd("SELECT", 2)
        conn.cmd("SET", "b", 1)
        then = int(conn.cmd("TIME")[0])
        while int(conn.cmd("TIME")[0]) <= then + 1:
            time.sleep(0.05)
        conn.cmd("FLUSHALL")
        conn.cmd("SET", "c", 1)
    kill(server)
    whole = incr_of(server).read_bytes()
    status, text = check("aof", "--truncate-to-timestamp", then, folder(server))
    assert status == 0 and "cut at offset" in text, text
    assert whole.startswith(incr_of(server).read_bytes()[:-20])
    assert check("aof", folder(server))[0] == 0
    start_again(server)
    with server.connect() as conn:
        assert conn.cmd("MGET", "a", "c") == [b"1", None]
        conn.cmd("SELECT", 2)
        assert conn.cmd("GET", "b") == b"1"


def test_a_time_that_cuts_nothing_is_said(tmp_path):
    stamped, plain = tmp_path / "stamped", tmp_path / "plain"
    stamped.write_bytes(b"#TS:100\r\n" + encode("SET", "a", 1))
    plain.write_bytes(encode("SET", "a", 1))
    status, text = check("aof", "--truncate-to-timestamp", 100, stamped)
    assert status == 0 and "nothing is cut: nothing happened after 100" in text
    status, text = check("aof", "--truncate-to-timestamp", 100, plain)
    assert status == 1 and "nothing is cut: there are no time stamps" in text
    (tmp_path / "x.manifest").write_text("file plain seq 1 type i\n")
    status, text = check("aof", "--truncate-to-timestamp", 100, tmp_path / "x.manifest")
    assert status == 1 and "nothing is cut: there are no time stamps" in text and "NOT GOOD" in text
    assert plain.read_bytes() == encode("SET", "a", 1)


def test_time_inside_a_batch_and_before_other_files(start_server):
    """The cut gets a mark of its own, and the manifest ends with the file that was cut."""
    server = start_server()
    server.stop()
    folder(server).mkdir()
    first = b"#TS:100\r\n" + encode("SET", "a", 1) + b"#TS:200\r\n" + encode("MULTI") + encode("SET", "a", 2) + \
        b"#TS:201\r\n" + encode("SET", "b", 2) + encode("EXEC")
    (folder(server) / "x.1.incr.aof").write_bytes(first)
    (folder(server) / "x.2.incr.aof").write_bytes(b"#TS:300\r\n" + encode("SET", "a", 3))
    manifest = folder(server) / "x.manifest"
    manifest.write_text("file x.1.incr.aof seq 1 type i\nfile x.2.incr.aof seq 2 type i\n")
    status, text = check("aof", "--truncate-to-timestamp", 200, manifest)
    assert status == 0, text
    assert (folder(server) / "x.1.incr.aof").read_bytes() == first[:first.index(b"*1\r\n$5\r\nMULTI")]
    assert manifest.read_text().startswith("file x.1.incr.aof seq 1 type i\n#CK:")
    assert check("aof", manifest)[0] == 0
    server.stopped = True


@pytest.mark.parametrize("form", ["rdb", "resp", "aof"])
def test_convert(start_server, form):
    server, expected = filled(start_server)
    target = Path(server.dir, "converted")
    status, text = check("convert", "--to", form, folder(server), target)
    assert status == 0, text
    assert check("convert", "--to", form, folder(server), target)[0] == 2
    other = start_server()
    if form == "resp":
        with other.connect() as conn:
            conn.send(target.read_bytes() + encode("ECHO", "the end"))
            conn.raw(b"$7\r\nthe end\r\n")
        back = Path(server.dir, "back")
        assert check("convert", "--to", "rdb", target, back)[0] == 0
    else:
        other.stop()
        target.rename(Path(other.dir, "dump.rdb" if form == "rdb" else "appendonlydir"))
        other.directives["appendonly"] = "yes" if form == "aof" else "no"
        start_again(other)
    assert digest(other) == expected


def test_wrong_usage(tmp_path):
    assert check("aof")[0] == 2
    assert check("aof", "--fix")[0] == 2
    assert check("aof", tmp_path / "none")[0] == 2
    assert check("aof", tmp_path)[0] == 2
    assert check("aof", "--truncate-to-timestamp", "x", tmp_path)[0] == 2
    assert check("convert", "--to", "x", "a", "b")[0] == 2
    assert check("convert", "--to", "rdb", tmp_path / "none", tmp_path / "out")[0] == 2
    (tmp_path / "bad").write_bytes(b"hello world\r\n")
    assert check("aof", tmp_path / "bad")[0] == 1
    assert check("convert", "--to", "rdb", tmp_path / "bad", tmp_path / "out")[0] == 1
    assert not (tmp_path / "out").exists()


def on_terminal(*args):
    """What it shows while it runs."""
    terminal, their_end = pty.openpty()
    with subprocess.Popen([str(Path(binary_under_test()).with_name("tokamak-check")), *map(str, args)], stderr=their_end,
                          stdout=subprocess.DEVNULL) as process:
        os.close(their_end)
        shown = b""
        try:
            while data := os.read(terminal, 1 << 16):
                shown += data
        except OSError:  # the other end is closed
            pass
        os.close(terminal)
        assert process.wait(60) == 0, shown
    return shown


def test_progress(tmp_path):
    """Work shows on a terminal how far it is, and takes it away at the end; elsewhere nothing is shown."""
    log, data = tmp_path / "log.aof", tmp_path / "data.rdb"
    log.write_bytes(b"".join(encode("SET", f"key{i}", "v") for i in range(20_000)))
    shown = on_terminal("convert", "--to", "rdb", log, data)
    assert re.search(rb"\r *\d+\.\d %  \d+ keys", shown) and shown.endswith(b"\r\x1b[K"), shown
    shown = on_terminal("aof", log)
    assert re.search(rb"\r *\d+\.\d %  \d+ commands", shown) and shown.endswith(b"\r\x1b[K"), shown
    shown = on_terminal("rdb", data)
    assert re.search(rb"\r *\d+\.\d %  \d+ keys", shown) and shown.endswith(b"\r\x1b[K"), shown
    assert "%" not in check("rdb", data)[1]
