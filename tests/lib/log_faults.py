"""The append-only log seen from outside, and its disk broken on purpose."""
import re
import subprocess
from contextlib import contextmanager

import pytest

from lib.resp import Error

POLICIES = ("always", "everysec", "no")
MISCONF = b"MISCONF Errors writing to the AOF file: "


def info(conn, field):
    return re.search(rb"^%s:(.*)\r$" % field.encode(), conn.cmd("INFO", "persistence"), re.M).group(1)


def fault(conn, kind, value):
    assert conn.cmd("DEBUG", "AOF-FAULT", kind, value) == b"OK"


@contextmanager
def hanging(conn, kind="SYNC-DELAY-US"):
    """Syncs (or writes) of the server's files do not end before the block does, however long that takes."""
    fault(conn, kind, 600_000_000)
    try:
        yield
    finally:
        # At once: the reply may have to wait for what hangs.
        released = conn.pipeline([["DEBUG", "AOF-FAULT", kind, 0], ["DEBUG", "AOF-FAULT", "RELEASE-DELAYS", 1]])
        assert released == [b"OK", b"OK"]


def has_reply(conn, seconds):
    """The reply, if it comes within that time; None if it does not."""
    before = conn.sock.gettimeout()
    conn.sock.settimeout(seconds)
    try:
        return conn.read()
    except TimeoutError:
        return None
    finally:
        conn.sock.settimeout(before)


def is_misconf(reply):
    return isinstance(reply, Error) and reply.startswith(MISCONF)


@contextmanager
def mounted_disk(directory, size):
    """A file system of so many bytes ("8m") at the directory."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(directory)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("mounting needs rights that we do not have")
    yield directory
    subprocess.run(["umount", "-l", str(directory)], check=True)
