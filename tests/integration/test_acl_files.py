"""Users and commands' names in files: `user` lines, the aclfile, CONFIG REWRITE, rename-command, and what a wrong one says."""
import os
import socket
import subprocess

import pytest

from lib.resp import Connection, Error
from lib.server import binary_under_test, free_port

pytestmark = pytest.mark.tokamak


@pytest.fixture
def run(tmp_path):
    """Starts a server with a configuration file; returns it with a connection, or its output when it does not start."""
    running = []

    def start(text, aclfile=None):
        if aclfile is not None:
            (tmp_path / "users.acl").write_text(aclfile)
            text += f"aclfile {tmp_path}/users.acl\n"
        port = free_port()
        config = tmp_path / "tokamak.conf"
        config.write_text(f"port {port}\nbind 127.0.0.1\nsave \"\"\nio-threads 2\ndir {tmp_path}\n" + text)
        process = subprocess.Popen([binary_under_test(), str(config)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=tmp_path)
        running.append(process)
        while process.poll() is None:
            try:
                return Connection(port)
            except OSError:
                pass
        assert process.returncode == 1
        return process.stdout.read().decode()

    yield start
    for process in running:
        process.terminate()
        output = process.communicate(timeout=30)[0]
        assert process.returncode in (0, 1) and b"Sanitizer" not in output, output.decode()


def names(conn):
    return [line.split()[1] for line in conn.cmd("ACL", "LIST")]


# ---- user lines ----

def test_user_lines(run):
    conn = run("user alice on >p1 +@all -@dangerous ~a:* (+set ~b) &*\nuser bob off nopass\nuser default on nopass +@all ~* resetchannels\n")
    assert names(conn) == [b"alice", b"bob", b"default"]
    assert conn.cmd("SUBSCRIBE", "c") == Error(b"NOPERM No permissions to access a channel")
    assert conn.cmd("AUTH", "alice", "p1") == b"OK" and conn.cmd("SET", "b", 1) == b"OK"
    assert conn.cmd("FLUSHALL") == Error(b"NOPERM User alice has no permissions to run the 'flushall' command")


@pytest.mark.parametrize("line, told", [
    ("user x +nosuch", "Unknown command or category name in ACL"), ("user x (+get", "Syntax error"), ("user x %~a", "Syntax error"),
    ("user x on\nuser x off", "Duplicate user found. A user can only be defined once in config files"), ("user x #12", "The password hash must be"),
    ('user "a b" on', "Syntax error")])
def test_wrong_user_lines_stop_the_start(run, line, told):
    output = run(f"timeout 0\n{line}\n")
    assert "FATAL CONFIG FILE ERROR" in output and f"Error in user declaration" in output and told in output
    assert ">>> 'user " in output


def test_rewrite_writes_users(run, tmp_path):
    conn = run("# mine\nuser old on nopass +get\nrename-command FLUSHALL \"\"\n")
    conn.cmd("ACL", "DELUSER", "old")
    conn.cmd("ACL", "SETUSER", "new", "on", ">p", "+@read", "-get", "%R~a*", "(~b +set)")
    listed = [line for line in conn.cmd("ACL", "LIST")]
    assert conn.cmd("CONFIG", "REWRITE") == b"OK"
    conn.close()
    text = (tmp_path / "tokamak.conf").read_text()
    assert "user old" not in text and 'rename-command FLUSHALL ""' in text
    again = run("".join(line + "\n" for line in text.split("\n") if line.startswith(("user ", "rename-command"))))
    assert again.cmd("ACL", "LIST") == listed and again.cmd("FLUSHALL").startswith(b"ERR unknown command")


def test_acl_pubsub_default(run):
    conn = run("acl-pubsub-default allchannels\nuser a on nopass +@all\nuser b on nopass +@all resetchannels\n")
    assert b"&*" in conn.cmd("ACL", "LIST")[0] and b"&*" not in conn.cmd("ACL", "LIST")[1]
    conn.cmd("CONFIG", "SET", "acl-pubsub-default", "resetchannels")
    conn.cmd("ACL", "SETUSER", "c", "on", "(+get)")
    assert conn.cmd("ACL", "LIST")[2] == b"user c on sanitize-payload resetchannels -@all (resetchannels -@all +get)"
    assert b"&*" in conn.cmd("ACL", "LIST")[0], "users who are there keep theirs"


# ---- the aclfile ----

def test_load_and_save(run, tmp_path):
    conn = run("", "user alice on >p1 +@all ~*\n\n  user bob on nopass +get ~b \r\n")
    alice, bob = Connection(conn.sock.getpeername()[1]), Connection(conn.sock.getpeername()[1])
    assert alice.cmd("AUTH", "alice", "p1") == b"OK" and bob.cmd("AUTH", "bob", "") == b"OK"
    assert names(conn) == [b"alice", b"bob", b"default"]
    conn.cmd("ACL", "SETUSER", "carol", "on", "+set", "~c")
    listed = conn.cmd("ACL", "LIST")
    assert conn.cmd("ACL", "SAVE") == b"OK"
    saved = (tmp_path / "users.acl").read_bytes()
    assert saved == b"".join(line + b"\n" for line in listed) and not [f for f in os.listdir(tmp_path) if "tmp" in f]
    (tmp_path / "users.acl").write_bytes(saved.replace(b"user alice", b"user dave") .replace(b"+get", b"+get +strlen"))
    assert conn.cmd("ACL", "LOAD") == b"OK"
    assert names(conn) == [b"bob", b"carol", b"dave", b"default"]
    assert bob.cmd("STRLEN", "b") == 0, "who is still there goes on, under the new rules"
    assert alice.drain() == (b"", True)
    for client in (alice, bob, conn):
        client.close()


@pytest.mark.parametrize("text, told", [
    ("user a on\nuser a off\n", "WARNING: Duplicate user 'a' found on line 2. "),
    ("user a +nosuch %x\n", "users.acl:1: Error in applying operation '+nosuch': Unknown command or category name in ACL. "),
    ("user a on %x\n", "users.acl:1: Syntax error. "), ("uesr a on\n", "users.acl:1 should start with user keyword followed by the username. "),
    ("user\n", "users.acl:1 should start"), ("user a (+get\n", "users.acl:1: Unmatched parenthesis in selector definition."),
    ("user a\tb on\n", "contains invalid characters. ")])
def test_a_wrong_file_changes_nothing(run, tmp_path, text, told):
    conn = run("", "user default on nopass +@all ~*\nuser keep on nopass\n")
    (tmp_path / "users.acl").write_text(text)
    reply = conn.cmd("ACL", "LOAD")
    assert isinstance(reply, Error) and reply.startswith(b"ERR ") and told in reply.decode()
    assert b"no change to the previously active ACL rules was performed" in reply
    assert names(conn) == [b"default", b"keep"]
    conn.close()
    assert told in run("", text), "nor does a server start with it"


def test_a_missing_file(run, tmp_path):
    conn = run("", "user a on\n")
    os.unlink(tmp_path / "users.acl")
    assert conn.cmd("ACL", "LOAD").startswith(b"ERR Error loading ACLs, opening file ") and names(conn) == [b"a", b"default"]
    assert conn.cmd("CONFIG", "SET", "aclfile", "x").startswith(b"ERR CONFIG SET failed")
    conn.close()
    assert "Error loading ACLs, opening file" in run(f"aclfile {tmp_path}/nosuch\n")


def test_a_file_that_cannot_be_written_is_left_alone(run, tmp_path):
    conn = run("", "user a on\n")
    os.mkdir(tmp_path / "sub")
    (tmp_path / "users.acl").rename(tmp_path / "kept")
    (tmp_path / "users.acl").mkdir()  # nothing can be renamed onto a directory
    assert conn.cmd("ACL", "SAVE") == Error(b"ERR There was an error trying to save the ACLs. Please check the server logs for more "
                                            b"information")
    assert not [name for name in os.listdir(tmp_path) if ".tmp-" in name]
    conn.close()


def test_without_a_file(run):
    conn = run("")
    text = b"ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and " \
           b"then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis " \
           b"configuration."
    assert conn.cmd("ACL", "LOAD") == Error(text) and conn.cmd("ACL", "SAVE") == Error(text)
    conn.close()


def test_one_place_for_users_only(run):
    assert "please define either an ACL file or declare users directly" in run("user a on\n", "user b on\n")


# ---- rename-command ----

def test_rename_command(run):
    secret = "b840fc02d524045429941cc15f59e41cb7be6c52"
    conn = run(f"rename-command CONFIG {secret}\nrename-command flushall \"\"\nrename-command GET fetch\nrename-command SET get\n"
               "user u on nopass +get +config|get ~*\n")
    count = conn.cmd("COMMAND", "COUNT")
    assert conn.cmd(secret.upper(), "GET", "port")[0] == b"port"
    assert conn.cmd("CONFIG", "GET", "port").startswith(b"ERR unknown command 'CONFIG'")
    assert conn.cmd("FLUSHALL").startswith(b"ERR unknown command") and conn.cmd("FLUSHDB") == b"OK"
    assert conn.cmd("get", "k", "v") == b"OK" and conn.cmd("FETCH", "k") == b"v", "SET is get now, GET is fetch"
    assert conn.cmd("fetch") == Error(b"ERR wrong number of arguments for 'get' command")
    assert conn.pipeline([["MULTI"], ["fetch", "k"], ["EXEC"]])[-1] == [b"v"]
    assert conn.cmd("COMMAND", "INFO", "fetch")[0][0] == b"get" and conn.cmd("COMMAND", "INFO", "flushall") == [None]
    assert b"flushall" not in conn.cmd("COMMAND", "LIST") and len(conn.cmd("COMMAND")) == count
    assert conn.cmd("AUTH", "u", "x") == b"OK", "rules name commands as they were born"
    assert conn.cmd("fetch", "k") == b"v" and conn.cmd(secret, "GET", "port")[0] == b"port"
    assert conn.cmd("get", "k", "w") == Error(b"NOPERM User u has no permissions to run the 'set' command")
    conn.close()


@pytest.mark.parametrize("line, told", [
    ("rename-command nosuch x", "No such command in rename-command"), ("rename-command get set", "Target command name already exists"),
    ("rename-command get", "wrong number of arguments"), ("rename-command get " + "x" * 300, "not valid")])
def test_wrong_rename_commands(run, line, told):
    output = run(line + "\n")
    assert "FATAL CONFIG FILE ERROR" in output and told in output


# ---- protected things ----

@pytest.mark.parametrize("value, allowed", [("no", False), ("yes", True), ("local", True)])
def test_protected_commands(run, value, allowed):
    conn = run(f"enable-debug-command {value}\nenable-module-command {value}\nenable-protected-configs {value}\n")
    debug, module = conn.cmd("DEBUG", "SLEEP", 0), conn.cmd("MODULE", "LOAD", "/tmp/x.so")
    queued = conn.pipeline([["MULTI"], ["DEBUG", "SLEEP", "0"], ["EXEC"]])
    text = b"ERR %b command not allowed. If the %b option is set to \"local\", you can run it from a local connection, otherwise you need to " \
           b"set this option in the configuration file, and then restart the server."
    assert debug == (b"OK" if allowed else Error(text % (b"DEBUG", b"enable-debug-command")))
    assert module == Error(b"ERR Error loading the extension. Please check the server logs." if allowed
                           else text % (b"MODULE", b"enable-module-command"))
    assert queued[1] == (b"QUEUED" if allowed else debug) and conn.cmd("MODULE", "LIST") == []
    assert (conn.cmd("CONFIG", "SET", "dbfilename", "x.rdb") == b"OK") == allowed
    conn.close()


def own_address():
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
            return sock.getsockname()[0]
        except OSError:
            return "127.0.0.1"


@pytest.mark.skipif(own_address().startswith("127."), reason="this machine has loopback only")
def test_protected_mode(run):
    conn = run("bind *\n")
    port = conn.sock.getpeername()[1]

    def remote():
        return Connection(port, host=own_address())

    with remote() as other:
        data, closed = other.drain()
        assert closed and data.startswith(b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is set")
    assert conn.cmd("ACL", "SETUSER", "default", "resetpass", ">p") == b"OK"
    with remote() as other:
        assert other.cmd("PING") == Error(b"NOAUTH Authentication required.")
    assert conn.cmd("ACL", "SETUSER", "default", "nopass", "off") == b"OK"
    with remote() as other:
        assert other.drain()[0].startswith(b"-DENIED")
    conn.cmd("CONFIG", "SET", "protected-mode", "no")
    conn.cmd("ACL", "SETUSER", "default", "on")
    with remote() as other:
        assert other.cmd("PING") == b"PONG"
        assert other.cmd("DEBUG", "SLEEP", 0).startswith(b"ERR DEBUG command not allowed")
    conn.close()
