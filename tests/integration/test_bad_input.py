"""Files that cannot be used stop the start: one clear line says which file, where, why, and what to do; the exit status is not
0, and nothing that was there has changed. By files of both kinds: foreign, cut, older, newer, missing, without permission, and
a disk that is full."""
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from lib import rdb
from lib.log_faults import mounted_disk
from lib.resp import encode as command
from lib.server import binary_under_test, command_line, free_port

pytestmark = pytest.mark.tokamak

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
RDB = rdb.file(rdb.select(0), rdb.key(b"k", 0, rdb.text(b"v" * 100)))
LOG = command(["SELECT", 0]) + command(["SET", "a", "1"]) + command(["SET", "b", "2"])
NEWER = LOG + command(["FLYTO", "moon"])
BASE, INCR, LIST = "appendonlydir/a.1.base.rdb", "appendonlydir/a.1.incr.aof", "appendonlydir/appendonly.aof.manifest"
MANIFEST = b"file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i\n"
SET = {BASE: RDB, INCR: LOG, LIST: MANIFEST}
AOF = ("--appendonly", "yes")


@pytest.fixture
def directory():
    """Where everybody may go, unlike below pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="tokamak-bad-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def put(directory, files):
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


def contents(directory):
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def refused(directory, options=(), prefix=()):
    """The line that says why the server did not start, and the status."""
    line = command_line(binary_under_test(), free_port(), {"dir": directory})
    done = subprocess.run([*prefix, *line, *options], cwd="/", capture_output=True, timeout=60, check=False)
    text = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 1, (done.returncode, text)
    lines = [line for line in text.splitlines() if re.search(r"fatal|can't|error|bad |unexpected", line, re.I) and "Exiting." not in line]
    assert len(lines) == 1, text
    return lines[0]


CASES = {  # files, options, file that is named, place, reason, advice
    "foreign data": ({"dump.rdb": b"SQLite format 3\0" * 9}, (), "dump.rdb", "offset 0", "not an RDB file", "tokamak-check rdb"),
    "older data": ({"dump.rdb": b"REDIS0000" + RDB[9:]}, (), "dump.rdb", "offset 0", "not an RDB file", "tokamak-check rdb"),
    "newer data": ({"dump.rdb": b"REDIS0099" + RDB[9:]}, (), "dump.rdb", "offset 0", "version 99", "tokamak-check rdb"),
    "cut data": ({"dump.rdb": RDB[:60]}, (), "dump.rdb", "offset", "cut off", "tokamak-check rdb"),
    "empty data": ({"dump.rdb": b""}, (), "dump.rdb", "offset 0", "too short", "tokamak-check rdb"),
    "foreign base": ({**SET, BASE: b"hello, world\n" * 9}, AOF, BASE, "offset 0", "neither a command nor a comment", "tokamak-check aof"),
    "older base": ({**SET, BASE: b"REDIS0000" + RDB[9:]}, AOF, BASE, "offset 0", "not an RDB file", "tokamak-check rdb"),
    "newer base": ({**SET, BASE: b"REDIS0099" + RDB[9:]}, AOF, BASE, "offset 0", "version 99", "tokamak-check rdb"),
    "cut base": ({**SET, BASE: RDB[:60]}, AOF, BASE, "offset", "cut off", "tokamak-check rdb"),
    "foreign log": ({**SET, INCR: b"hello, world\n" * 9}, AOF, INCR, "offset 0", "neither a command nor a comment", "tokamak-check aof"),
    "newer log": ({**SET, INCR: NEWER}, AOF, INCR, f"before offset {len(NEWER)}", "unknown command 'FLYTO'", "tokamak-check aof"),
    "cut log": ({**SET, INCR: LOG[:-3]}, (*AOF, "--aof-load-truncated", "no"), INCR, "offset", "in the middle", "--fix"),
    "cut before another": ({**SET, INCR: LOG[:-3], "appendonlydir/a.2.incr.aof": LOG,
                            LIST: MANIFEST + b"file a.2.incr.aof seq 2 type i\n"}, AOF, INCR, "offset", "not the last", "tokamak-check aof"),
    "missing base": ({INCR: LOG, LIST: MANIFEST}, AOF, BASE, "", "No such file", "backup"),
    "missing log": ({BASE: RDB, LIST: MANIFEST}, AOF, INCR, "", "No such file", "backup"),
    "foreign manifest": ({**SET, LIST: b"hello, world\n"}, AOF, LIST, "line 1", "Invalid AOF manifest", "backup"),
    "newer manifest": ({**SET, LIST: MANIFEST + b"file c seq 1 type z\n"}, AOF, LIST, "line 3", "Unknown AOF file type", "backup"),
    "cut manifest": ({**SET, LIST: MANIFEST[:-9]}, AOF, LIST, "line 2", "cut off", "backup"),
    "file for a directory": ({"appendonlydir": b"a file"}, AOF, "appendonlydir", "", "Not a directory", "move"),
}


@pytest.mark.parametrize("name", CASES)
def test_files(directory, name):
    files, options, path, place, reason, advice = CASES[name]
    put(directory, files)
    line = refused(directory, options)
    assert path in line and place in line and reason in line and advice in line, line
    assert contents(directory) == files


LOCKED = {  # what nobody may use, options, what is named, advice
    "data": ("dump.rdb", {"dump.rdb": RDB}, (), "dump.rdb", "readable"),
    "base": (BASE, SET, AOF, BASE, "Put it back"),
    "log": (INCR, SET, AOF, INCR, "Put it back"),
    "manifest": (LIST, SET, AOF, LIST, "readable"),
    "directory of the log": ("appendonlydir", SET, AOF, LIST, "readable"),
    "directory": (".", {"keep": b"x"}, (), "", "dir"),
}


@pytest.mark.skipif(os.geteuid() != 0, reason="to be somebody else needs rights")
@pytest.mark.parametrize("name", LOCKED)
def test_without_permission(directory, name):
    locked, files, options, path, advice = LOCKED[name]
    put(directory, files)
    (directory / locked).chmod(0)
    line = command_line(binary_under_test(), free_port(), {"dir": directory})
    done = subprocess.run([*NOBODY, *line, *options], cwd="/", capture_output=True, timeout=60, check=False)
    text = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 1, text
    (directory / locked).chmod(0o755)
    assert contents(directory) == files
    assert text.count("Permission denied") == 1 and path in text and advice in text, text


@pytest.mark.skipif(os.geteuid() != 0, reason="to be somebody else needs rights")
def test_a_directory_that_cannot_be_written(directory):
    put(directory, {"keep": b"x"})
    line = refused(directory, AOF, NOBODY)
    assert str(directory) in line and "Permission denied" in line and "writable" in line, line
    assert contents(directory) == {"keep": b"x"}


def test_a_directory_that_is_not_there(directory):
    line = command_line(binary_under_test(), free_port(), {"dir": directory / "none"})
    done = subprocess.run(line, capture_output=True, timeout=60, check=False)
    text = (done.stdout + done.stderr).decode()
    assert done.returncode == 1 and str(directory / "none") in text and "No such file or directory" in text
    assert not (directory / "none").exists()


@pytest.fixture
def small_disk(directory):
    with mounted_disk(directory, "256k") as disk:
        yield disk


def fill(path):
    with open(path, "wb", buffering=0) as file:
        try:
            while file.write(bytes(512)):
                pass
        except OSError:
            pass


@pytest.mark.parametrize("before", ("nothing", "data", "a set without a file to write to"))
def test_full_disk(small_disk, before):
    if before == "data":
        put(small_disk, {"dump.rdb": RDB})
    elif before != "nothing":
        put(small_disk, {BASE: RDB, LIST: MANIFEST.splitlines()[0] + b"\n"})
    files = contents(small_disk)
    fill(small_disk / "fill")
    line = refused(small_disk, AOF)
    assert "No space left on device" in line and "appendonlydir" in line and "Make room" in line, line
    left = contents(small_disk)
    del left["fill"]
    assert {name: left.get(name) for name in files} == files
    assert all(not content for name, content in left.items() if name not in files), left
    (small_disk / "fill").unlink()
    with subprocess.Popen([*command_line(binary_under_test(), free_port(), {"dir": small_disk}), *AOF], cwd="/",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server:
        for text in server.stdout:  # what was left behind is in nobody's way
            if b"Ready to accept" in text:
                break
        server.terminate()
        assert server.wait(60) == 0 and b"Ready" in text
