"""What surrounds the server: the supervisor's socket, generated files, unit, package, and the tools' programs."""
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from lib.server import ROOT, Server, binary_under_test, free_port

pytestmark = pytest.mark.tokamak
BUILD = Path(binary_under_test()).parent
SANITIZED = "asan" in BUILD.name or "tsan" in BUILD.name


def run(*words, **more):
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=300, **more)


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"no {program} here")


class Supervisor:
    """systemd's end of NOTIFY_SOCKET: a datagram socket, by path or abstract."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name[0] == "@" else name)
        self.socket.settimeout(30)
        self.heard = []

    def wait_for(self, line):
        while line not in "".join(self.heard).splitlines():
            self.heard.append(self.socket.recv(4096).decode())
        return "".join(self.heard).splitlines()


@pytest.mark.parametrize("abstract", [False, True])
@pytest.mark.parametrize("mode", ["systemd", "auto"])
def test_the_supervisor_is_told(tmp_path, monkeypatch, mode, abstract):
    with tempfile.TemporaryDirectory() as short:  # a socket's path has 107 bytes
        name = f"@tokamak-test-{os.getpid()}-{mode}" if abstract else f"{short}/notify"
        supervisor = Supervisor(name)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        server = Server({"supervised": mode})
        try:
            lines = supervisor.wait_for("READY=1")
            assert lines.index("STATUS=Loading the data") < lines.index("READY=1")
            with server.connect() as conn:
                assert b"process_supervised:systemd" in conn.cmd("INFO", "server")
            server.stop()
            supervisor.wait_for("STOPPING=1")
        finally:
            server.finish()


def test_nobody_is_told_unasked(monkeypatch):
    with tempfile.TemporaryDirectory() as short:
        supervisor = Supervisor(f"{short}/notify")
        monkeypatch.setenv("NOTIFY_SOCKET", f"{short}/notify")
        server = Server({"supervised": "no"})
        try:
            with server.connect() as conn:
                assert b"process_supervised:no" in conn.cmd("INFO", "server")
            supervisor.socket.settimeout(0.2)
            with pytest.raises(TimeoutError):
                supervisor.socket.recv(4096)
        finally:
            server.finish()


def test_a_supervisor_that_is_gone_is_no_reason_to_fail(monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", "/nonexistent/notify")
    server = Server({"supervised": "systemd"})
    try:
        assert "Can't tell systemd" in server.log()
    finally:
        server.finish()


def test_generated_files_are_up_to_date():
    result = run("tools/generate-docs.py", "--check", BUILD, cwd=ROOT)
    assert (result.returncode, result.stdout) == (0, ""), result


def test_links_of_the_documentation_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@needs("man")
def test_man_pages_are_roff():
    for page in (ROOT / "packaging" / "man").iterdir():
        result = run("man", "--warnings", "-l", page, env={**os.environ, "LC_ALL": "C.UTF-8", "MANPAGER": "cat"})
        assert result.returncode == 0 and not result.stderr and "NAME" in result.stdout, (page.name, result.stderr)


def completed(line):
    """What bash offers after a line, its last word unfinished."""
    words = line.split(" ")
    script = (f"source {ROOT}/packaging/bash-completion/tokamak; COMP_WORDS=({' '.join(map(repr, words))}); "
              f"COMP_CWORD={len(words) - 1}; _{words[0].replace('-', '_')}; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    result = run("bash", "-c", script)
    assert result.returncode == 0 and not result.stderr, result
    return result.stdout.split()


@needs("bash")
def test_completion():
    assert completed("tokamak-server --maxmemory-p") == ["--maxmemory-policy"]
    assert "allkeys-lfu" in completed("tokamak-server --maxmemory-policy allkeys-")
    assert completed("tokamak-server --appendonly ") == ["yes", "no"]
    assert completed("tokamak-bench --pip") == ["--pipeline"]
    assert completed("tokamak-bench --protocol f") == ["frame"]
    assert completed("tokamak-bench -t zadd") == ["zadd"]
    assert completed("tokamak-check a") == ["aof"]


@needs("systemd-analyze")
def test_the_unit_is_valid(tmp_path):
    unit = (ROOT / "packaging" / "systemd" / "tokamak.service").read_text()
    assert "Type=notify" in unit and "--supervised systemd" in unit
    path = tmp_path / "tokamak.service"  # with a program that is there
    path.write_text(unit.replace("/usr/bin/tokamak-server", str(BUILD / "tokamak-server")))
    result = run("systemd-analyze", "verify", "--man=no", path)
    ours = [line for line in result.stderr.splitlines() if "tokamak" in line]
    assert result.returncode == 0 and not ours, result.stderr


@needs("dpkg-deb")
@pytest.mark.skipif(SANITIZED, reason="nobody packages that")
def test_the_package_has_all(tmp_path):
    result = run("tools/make-deb.sh", BUILD, tmp_path, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    package, = tmp_path.glob("tokamak_*.deb")
    rows = [line.split(None, 5) for line in run("dpkg-deb", "--contents", package).stdout.splitlines()]
    modes = {row[5].split(" ")[0]: (row[0], row[1]) for row in rows}
    for path, mode in {"./usr/bin/tokamak-server": "-rwxr-xr-x", "./usr/bin/tokamak-bench": "-rwxr-xr-x",
                       "./usr/bin/tokamak-check": "-rwxr-xr-x", "./etc/tokamak/tokamak.conf": "-rw-r--r--",
                       "./lib/systemd/system/tokamak.service": "-rw-r--r--",
                       "./usr/share/man/man1/tokamak-server.1.gz": "-rw-r--r--",
                       "./usr/share/man/man5/tokamak.conf.5.gz": "-rw-r--r--",
                       "./usr/share/bash-completion/completions/tokamak-server": "-rw-r--r--",
                       "./usr/share/doc/tokamak/copyright": "-rw-r--r--"}.items():
        assert modes[path] == (mode, "root/root"), path
    fields = run("dpkg-deb", "--field", package).stdout
    assert "Package: tokamak\n" in fields
    depends = re.search("^Depends: (.*)$", fields, re.M)[1].split(", ")
    assert {"libc6", "libjemalloc2", "libssl3", "adduser"} <= set(depends)
    assert not [name for name in depends if re.search("i386|x32", name)], "a package of another architecture"
    assert "./usr/share/doc/tokamak/decisions/" in modes, "the pages point there"
    scripts = tmp_path / "control"
    assert run("dpkg-deb", "--control", package, scripts).returncode == 0
    for name in ("postinst", "prerm", "postrm"):
        assert os.access(scripts / name, os.X_OK) and run("sh", "-n", scripts / name).returncode == 0
    assert (scripts / "conffiles").read_text() == "/etc/tokamak/tokamak.conf\n"
    tree = tmp_path / "tree"
    assert run("dpkg-deb", "--extract", package, tree).returncode == 0
    config = tree / "etc" / "tokamak" / "tokamak.conf"
    text = config.read_text()
    assert "\ndir /var/lib/tokamak\n" in text
    config.write_text(text.replace("dir /var/lib/tokamak", f"dir {tmp_path}"))
    assert run(BUILD / "tokamak-check", "config", config).stdout == f"{config}: OK\n"


def test_monitor_shows_threads(start_server):
    server = start_server(io_threads=2, worker_threads=1)
    with server.connect() as conn:
        conn.cmd("SET", "k", "v")
    result = run(ROOT / "tools" / "monitor.py", "-p", server.port, "--interval", "0.2", "--count", 2)
    lines = result.stdout.splitlines()
    assert result.returncode == 0 and "reactors 2, workers 1" in lines[0], result
    assert lines[1].split()[:2] == ["keys", "memory"] and lines[2].split()[0] == "1"
    assert all(name in lines[3] for name in ("reactor-0:", "reactor-1:", "worker-0:"))
    failed = run(ROOT / "tools" / "monitor.py", "-p", 1, "--once")
    assert failed.returncode == 1 and failed.stderr.startswith("monitor: ")


@needs("gdb")
@pytest.mark.skipif(SANITIZED, reason="a sanitized process is slow to attach to")
def test_gdb_finds_keys(start_server):
    server = start_server()
    long_key = "k" * 300
    with server.connect() as conn:
        conn.cmd("MSET", "text", "hello", "number", "-42", long_key, "x" * 100_000)
        conn.cmd("SET", "dying", "v", "PX", "100000000")
        conn.cmd("RPUSH", "list", "a", "b")
    result = run("gdb", "-batch", "-nx", "-p", server.pid, "-x", "tools/tokamak.gdb", "-ex", "tk-shards 0",
                 *[word for key in ("text", "number", long_key, "dying", "list", "none")
                   for word in ("-ex", f"tk-key 0 {key}")], "-ex", "tk-threads", cwd=ROOT)
    if "ptrace" in result.stderr:
        pytest.skip("this system lets nobody attach")
    if b".debug_info" not in Path(binary_under_test()).read_bytes():
        pytest.skip("a build without debug information")
    out = result.stdout
    assert "5 keys" in out and "string 'text' = 'hello'" in out and "string 'number' = -42" in out, result
    assert "(blob at 0x" in out and "string 'dying' = 'v', expires at " in out and "list 'list' = (" in out
    assert "no such key" in out and "reactor-0" in out


def test_scripts_are_valid_shell():
    for script in (ROOT / "tools").glob("*.sh"):
        assert run("sh", "-n", script).returncode == 0, script


def test_the_dashboard_asks_for_what_there_is(start_server):
    server = start_server(http_port=free_port(), maxmemory="100mb")
    with server.connect() as conn:
        conn.cmd("SET", "k", "v", "EX", "1000")
    with server.connect_http() as http:
        metrics = http.request("GET", "/metrics").body.decode()
    dashboard = json.loads((ROOT / "packaging" / "grafana" / "tokamak.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"]) and expressions
    for expression in expressions:
        names = re.findall(r"\b(redis_\w+)\{instance=", expression)
        assert names and all(re.search(rf"^{name}[{{ ]", metrics, re.M) for name in names), expression


@pytest.mark.parametrize("arguments", [["-p", "65536"], ["-p", "-1"], ["-p", "x"], ["-i", "65"], ["-i", "-1"], ["-i", "x"],
                                       ["-w", "0"], ["-w", "65"], ["-w", ""], ["-p"]])
def test_short_options_have_ranges(arguments):
    result = run(BUILD / "tokamak-server", *arguments)
    assert result.returncode == 1 and result.stderr, result
