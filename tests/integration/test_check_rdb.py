"""tokamak-check rdb as a user calls it: good files, damaged ones, repair that never hides a loss."""
import pytest

from integration.test_rdb import BROKEN, fill_all
from lib import rdb
from integration.test_tools import run

KEYS = [rdb.key(b"k%d" % i, 0, rdb.text(b"value %d" % i)) for i in range(100)]


def check(*args):
    return run("tokamak-check", "rdb", *args)


def test_a_good_file(conn, server):
    fill_all(conn)
    keys = conn.cmd("DBSIZE")
    conn.cmd("SAVE")
    result = check(f"{server.dir}/dump.rdb")
    assert result.returncode == 0, result.stdout
    assert f"database 0: {keys} keys" in result.stdout and "database 7: 2 keys" in result.stdout
    assert "expiring: 2, of them expired: 0" in result.stdout
    assert result.stdout.endswith("dump.rdb: OK\n")


@pytest.mark.parametrize("name", sorted(set(BROKEN) - {"twice", "database"}))
def test_a_broken_file(tmp_path, name):
    data, reason = BROKEN[name]
    path = tmp_path / "x.rdb"
    path.write_bytes(data)
    result = check(path)
    wanted = "damaged or cannot be held" if name == "value" else reason
    assert result.returncode == 1 and wanted in result.stdout, result.stdout
    assert path.read_bytes() == data


def test_repair_keeps_what_is_whole(tmp_path, server, conn):
    damaged = rdb.key(b"damaged", 11, rdb.text(b"nonsense"))
    data = rdb.file(rdb.select(3), *KEYS[:50], damaged, *KEYS[50:])
    path, out = tmp_path / "x.rdb", tmp_path / "out.rdb"
    path.write_bytes(data[:-200])
    result = check("--fix", out, path)
    assert result.returncode == 1
    assert "'damaged' in database 3" in result.stdout and "lost: 1 damaged" in result.stdout
    assert path.read_bytes() == data[:-200]
    again = check(out)
    assert again.returncode == 0, again.stdout
    (tmp_path / "x").write_bytes(b"")
    open(f"{server.dir}/dump.rdb", "wb").write(out.read_bytes())
    assert conn.cmd("DEBUG", "RELOAD", "NOSAVE") == b"OK"
    conn.cmd("SELECT", 3)
    kept = conn.cmd("DBSIZE")
    assert 80 < kept < 100
    assert conn.cmd("MGET", *(b"k%d" % i for i in range(kept))) == [b"value %d" % i for i in range(kept)]


def test_repair_does_not_touch_what_is_there(tmp_path):
    path, out = tmp_path / "x.rdb", tmp_path / "out.rdb"
    path.write_bytes(rdb.file(rdb.select(0), *KEYS)[:-50])
    out.write_bytes(b"mine")
    assert check("--fix", out, path).returncode == 2
    assert out.read_bytes() == b"mine"
    path.write_bytes(rdb.file(rdb.select(0), *KEYS))
    out.unlink()
    result = check("--fix", out, path)
    assert result.returncode == 0 and "nothing written" in result.stdout
    assert not out.exists()
    assert check(tmp_path / "none").returncode == 2
