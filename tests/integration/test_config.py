"""CONFIG at run time: what changes takes effect, everywhere, or not at all."""
import os
import signal
import socket
import subprocess

import pytest

from lib.resp import Connection, Error, Map
from lib.server import free_port
from lib.wait import wait_until


def get(conn, *patterns):
    flat = conn.cmd("CONFIG", "GET", *patterns)
    return {name.decode(): value.decode() for name, value in zip(flat[::2], flat[1::2])}


def refused(port, address="127.0.0.1"):
    try:
        socket.create_connection((address, port), 1).close()
    except OSError:
        return True
    return False


def test_get(conn):
    assert get(conn, "maxmemory") == {"maxmemory": "0"}
    assert set(get(conn, "hash-max-*-entries")) == {"hash-max-listpack-entries",
                                                    "hash-max-ziplist-entries"}
    assert get(conn, "nosuch") == {} and len(get(conn, "*")) > 180
    conn.cmd("HELLO", "3")
    assert isinstance(conn.cmd("CONFIG", "GET", "port"), Map)


def test_set_all_or_nothing(conn):
    assert conn.cmd("CONFIG", "SET", "maxmemory", "100mb", "timeout", "7") == b"OK"
    assert get(conn, "maxmemory", "timeout") == {"maxmemory": "104857600", "timeout": "7"}
    reply = conn.cmd("CONFIG", "SET", "timeout", "8", "maxmemory", "x")
    assert reply.startswith(b"ERR CONFIG SET failed (possibly related to argument 'maxmemory')")
    assert get(conn, "timeout") == {"timeout": "7"}
    assert conn.cmd("CONFIG", "SET", "a", "1", "b") == Error(b"ERR syntax error")
    assert conn.cmd("CONFIG", "SET", "nosuch", "1") == Error(
        b"ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'")
    assert b"immutable" in conn.cmd("CONFIG", "SET", "daemonize", "yes")
    assert b"duplicate" in conn.cmd("CONFIG", "SET", "timeout", "1", "timeout", "2")


@pytest.mark.smoke
def test_port(server):
    old, new = server.port, free_port()
    with server.connect() as conn:
        assert conn.cmd("CONFIG", "SET", "port", new) == b"OK"
        assert refused(old)
        with Connection(new) as fresh:
            assert fresh.cmd("PING") == b"PONG"
        assert b"tcp_port:%d\r\n" % new in conn.cmd("INFO", "server")
        assert conn.cmd("CONFIG", "SET", "port", "0") == b"OK" and refused(new)
        assert conn.cmd("CONFIG", "SET", "port", old) == b"OK"
        assert not refused(old)


def test_port_in_use_leaves_the_old_one(server, conn):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        reply = conn.cmd("CONFIG", "SET", "timeout", "9", "port", holder.getsockname()[1])
    assert reply == Error(b"ERR CONFIG SET failed (possibly related to argument 'port') - Unable to "
                          b"listen on this port. Check server logs.")
    assert get(conn, "timeout", "port") == {"timeout": "0", "port": str(server.port)}
    with Connection(server.port) as fresh:
        assert fresh.cmd("PING") == b"PONG"


def test_bind(server, conn):
    assert conn.cmd("CONFIG", "SET", "bind", "127.0.0.2 127.0.0.3") == b"OK"
    assert refused(server.port)
    assert not refused(server.port, "127.0.0.2") and not refused(server.port, "127.0.0.3")
    reply = conn.cmd("CONFIG", "SET", "bind", "203.0.113.77")
    assert reply.startswith(b"ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to "
                            b"bind to specified addresses")
    assert get(conn, "bind") == {"bind": "127.0.0.2 127.0.0.3"}
    assert not refused(server.port, "127.0.0.2")
    assert conn.cmd("CONFIG", "SET", "bind", "127.0.0.1") == b"OK"


def test_the_unix_socket_stays_when_the_port_moves(start_server):
    path = f"/tmp/tokamak-test-{os.getpid()}.sock"
    server = start_server(unixsocket=path)
    with server.connect() as conn:
        assert conn.cmd("CONFIG", "SET", "port", free_port()) == b"OK"
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(path)
            sock.sendall(b"PING\r\nCLIENT INFO\r\n")
            reply = b""
            while not reply.endswith(b"\r\n") or reply.count(b"\r\n") < 3:
                reply += sock.recv(10_000)
        assert reply.startswith(b"+PONG\r\n") and b" flags=U " in reply
        conn.cmd("CONFIG", "SET", "port", server.port)


def test_maxclients(server, conn):
    assert wait_until(lambda: b"connected_clients:1\r\n" in conn.cmd("INFO", "clients"))
    assert conn.cmd("CONFIG", "SET", "maxclients", "2") == b"OK"
    with server.connect() as second, server.connect() as third:
        assert second.cmd("PING") == b"PONG"
        assert third.drain() == (b"-ERR max number of clients reached\r\n", True)
    assert conn.cmd("CONFIG", "SET", "maxclients", "100") == b"OK"
    with server.connect() as fresh:
        assert wait_until(lambda: fresh.cmd("PING") == b"PONG")
    reply = conn.cmd("CONFIG", "SET", "maxclients", "4000000000")
    assert b"The operating system is not able to handle" in reply
    assert get(conn, "maxclients") == {"maxclients": "100"}


def test_timeout_closes_idle_clients(server, conn):
    conn.cmd("CONFIG", "SET", "timeout", "1")
    with server.connect() as idle:
        idle.cmd("PING")
        assert idle.drain() == (b"", True)


def test_loglevel(server, conn):
    conn.cmd("CONFIG", "SET", "loglevel", "verbose")
    with server.connect() as other:
        other.send(b"*1\r\nx\r\n")
        other.drain()
    assert wait_until(lambda: "Protocol error" in server.log())


def test_bulk_length_limit_reaches_open_connections(conn):
    assert conn.cmd("CONFIG", "SET", "proto-max-bulk-len", "1048576") == b"OK"
    conn.send(b"*2\r\n$4\r\nECHO\r\n$1048577\r\n")
    assert conn.drain() == (b"-ERR Protocol error: invalid bulk length\r\n", True)


def test_every_changeable_directive_takes_its_own_value(conn):
    for name, value in get(conn, "*").items():
        reply = conn.cmd("CONFIG", "SET", name, value)
        assert reply == b"OK" or b"immutable" in reply or b"protected" in reply, (name, reply)


def test_rewrite(start_server, tmp_path):
    path = tmp_path / "redis.conf"
    path.write_text("# mine\nmaxmemory 1mb\n")
    server = start_server()
    with server.connect() as conn:
        assert conn.cmd("CONFIG", "REWRITE") == Error(b"ERR The server is running without a config file")
    port = free_port()
    process = subprocess.Popen([server.binary, str(path), "--port", str(port)], cwd=tmp_path,
                               stdout=subprocess.DEVNULL)
    try:
        assert wait_until(lambda: not refused(port))
        with Connection(port) as conn:
            conn.cmd("CONFIG", "SET", "maxmemory", "2mb", "requirepass", "pw", "timeout", "3")
            assert conn.cmd("CONFIG", "REWRITE") == b"OK"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    lines = path.read_text().splitlines()
    assert lines[0] == "# mine" and "maxmemory 2mb" in lines and "timeout 3" in lines
    assert any(line.startswith("requirepass") for line in lines)


def test_background_pidfile_and_logfile(server, tmp_path):
    port, pidfile, logfile = free_port(), tmp_path / "pid", tmp_path / "log"
    done = subprocess.run([server.binary, "--port", str(port), "--daemonize", "yes", "--pidfile",
                           str(pidfile), "--logfile", str(logfile), "--loglevel", "notice"],
                          cwd=tmp_path, timeout=10, capture_output=True)
    assert done.returncode == 0 and done.stdout == b""
    assert wait_until(lambda: not refused(port))
    pid = int(pidfile.read_text())
    with Connection(port) as conn:
        assert b"process_id:%d\r\n" % pid in conn.cmd("INFO", "server")
        conn.send(b"SHUTDOWN\r\n")
        assert conn.drain() == (b"", True)
    assert wait_until(lambda: not pidfile.exists())
    assert "Ready to accept connections" in logfile.read_text()
    assert wait_until(lambda: "bye bye" in logfile.read_text())


def test_the_log_file_may_be_renamed_under_the_server(start_server, tmp_path):
    logfile, rotated = tmp_path / "log", tmp_path / "log.1"
    other = start_server(logfile=logfile)
    logfile.rename(rotated)
    assert wait_until(logfile.exists)
    other.stop()
    assert "bye bye" in logfile.read_text() and "bye bye" not in rotated.read_text()


def test_a_log_file_that_cannot_be_opened_stops_the_start(server):
    done = subprocess.run([server.binary, "--port", "0", "--logfile", "/nonexistent/log"], timeout=10,
                          capture_output=True)
    assert done.returncode == 1 and b"Can't open the log file" in done.stderr
