"""HELLO, SELECT, QUIT, RESET, ECHO, PING, and requests that are not for us."""
import socket

import pytest

from lib.resp import Error, Map, NullArray, Simple

HELLO_KEYS = [b"server", b"version", b"proto", b"id", b"mode", b"role", b"modules"]


def as_dict(flat):
    return dict(zip(flat[::2], flat[1::2]))


@pytest.mark.smoke
def test_hello_chooses_the_protocol(conn):
    plain = conn.cmd("HELLO")
    assert type(plain) is list and plain[::2] == HELLO_KEYS
    assert as_dict(plain)[b"server"] == b"redis" and as_dict(plain)[b"proto"] == 2
    three = conn.cmd("HELLO", "3")
    assert isinstance(three, Map) and as_dict(three)[b"proto"] == 3
    assert as_dict(three)[b"modules"] == [] and as_dict(three)[b"mode"] == b"standalone"
    assert conn.cmd("GET", "none") is None
    assert type(conn.cmd("HELLO", "2")) is list


def test_hello_with_everything(start_server):
    server = start_server(requirepass="pw")
    with server.connect() as conn:
        assert conn.cmd("HELLO", "3").startswith(b"NOAUTH HELLO must be called")
        assert conn.cmd("HELLO", "3", "AUTH", "default", "no").startswith(b"WRONGPASS")
        assert conn.cmd("GET", "k").startswith(b"NOAUTH"), "a failed HELLO changes nothing"
        reply = conn.cmd("HELLO", "3", "AUTH", "default", "pw", "SETNAME", "me")
        assert isinstance(reply, Map)
        assert conn.cmd("CLIENT", "GETNAME") == b"me"
        assert conn.cmd("CLIENT", "ID") == as_dict(reply)[b"id"]


@pytest.mark.parametrize("args, error", [
    (["1"], b"NOPROTO unsupported protocol version"),
    (["4"], b"NOPROTO unsupported protocol version"),
    (["x"], b"ERR Protocol version is not an integer or out of range"),
    (["99999999999999999999"], b"ERR Protocol version is not an integer or out of range"),
    (["3", "AUTH", "default"], b"ERR Syntax error in HELLO option 'AUTH'"),
    (["3", "SETNAME"], b"ERR Syntax error in HELLO option 'SETNAME'"),
    (["3", "NOPE"], b"ERR Syntax error in HELLO option 'NOPE'"),
    (["3", "SETNAME", "a b"],
     b"ERR Client names cannot contain spaces, newlines or special characters."),
])
def test_hello_errors_leave_the_protocol(conn, args, error):
    assert conn.cmd("HELLO", *args) == Error(error)
    assert conn.cmd("LOLWUT").startswith(b" "), "still RESP2: no verbatim string"


def test_select(conn):
    assert conn.cmd("SELECT", "1") == Simple(b"OK")
    conn.cmd("SET", "k", "one")
    conn.cmd("SELECT", "0")
    assert conn.cmd("GET", "k") is None
    assert conn.cmd("SELECT", "16") == Error(b"ERR DB index is out of range")
    assert conn.cmd("SELECT", "-1") == Error(b"ERR DB index is out of range")
    assert conn.cmd("SELECT", "x") == Error(b"ERR value is not an integer or out of range")
    assert conn.pipeline([["SELECT", "1"], ["GET", "k"], ["SELECT", "0"], ["GET", "k"]]) == \
        [b"OK", b"one", b"OK", None]


def test_ping_and_echo(conn):
    assert conn.cmd("PING") == Simple(b"PONG") and conn.cmd("PING", "x") == b"x"
    assert conn.cmd("PING", "a", "b") == Error(b"ERR wrong number of arguments for 'ping' command")
    assert conn.cmd("ECHO", b"\x00\r\n") == b"\x00\r\n"


def test_quit_answers_and_closes(conn):
    conn.send(b"PING\r\nQUIT\r\nPING\r\n")
    assert conn.drain() == (b"+PONG\r\n+OK\r\n", True)


def test_reset(start_server):
    server = start_server(requirepass="pw")
    with server.connect() as conn:
        conn.cmd("HELLO", "3", "AUTH", "default", "pw", "SETNAME", "me")
        conn.pipeline([["SELECT", "3"], ["CLIENT", "NO-TOUCH", "ON"]])
        assert conn.cmd("RESET") == Simple(b"RESET")
        assert conn.cmd("GET", "k") == Error(b"NOAUTH Authentication required.")
        conn.cmd("AUTH", "pw")
        assert conn.cmd("CLIENT", "GETNAME") is None
        info = conn.cmd("CLIENT", "INFO")
        assert b" flags=N db=0 " in info and b" resp=2 " in info


@pytest.mark.parametrize("mode,answer", [("SKIP", b""), ("OFF", b"+RESET\r\n")])
def test_reset_turns_replies_on(conn, mode, answer):
    """But SKIP in front of it was about RESET itself."""
    conn.send_commands([["CLIENT", "REPLY", mode], ["RESET"], ["PING"], ["QUIT"]])
    assert conn.drain() == (answer + b"+PONG\r\n+OK\r\n", True)


@pytest.mark.parametrize("line", [b"POST / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\n",
                                  b"*1\r\n$5\r\nhOsT:\r\n"])
def test_http_requests_are_cut_off(server, line):
    with server.connect() as conn:
        conn.send(line + b"SET k v\r\n")
        _, closed = conn.drain()
        assert closed
    assert "Possible SECURITY ATTACK detected" in server.log()
    with server.connect() as conn:
        assert conn.cmd("GET", "k") is None


def test_shutdown(server):
    with server.connect() as conn:
        assert conn.cmd("SHUTDOWN", "ABORT") == Error(b"ERR No shutdown in progress.")
        assert conn.cmd("SHUTDOWN", "SAVE", "NOSAVE") == Error(b"ERR syntax error")
        server.stopped = True
        conn.send(b"SHUTDOWN NOSAVE\r\n")
        assert conn.drain() == (b"", True)
    server.process.wait(60)
    assert server.process.returncode == 0
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", server.port), 1):
        pass


def test_small_server_commands(conn):
    seconds, micros = conn.cmd("TIME")
    assert int(seconds) > 1_600_000_000 and 0 <= int(micros) < 1_000_000
    assert conn.cmd("ROLE") == [b"master", 0, []]
    assert conn.cmd("MODULE", "LIST") == []
    assert conn.cmd("LASTSAVE") <= int(seconds)
    assert b"Tokamak ver." in conn.cmd("LOLWUT", "VERSION", "5")
    assert conn.cmd("ACL", "WHOAMI") == b"default" and conn.cmd("ACL", "USERS") == [b"default"]
    assert conn.cmd("ACL", "LIST") == [b"user default on nopass sanitize-payload ~* &* +@all"]
    assert len(conn.cmd("ACL", "CAT")) == 21 and b"client|kill" in conn.cmd("ACL", "CAT", "dangerous")
    assert conn.cmd("ACL", "CAT", "x") == Error(b"ERR Unknown category 'x'")
    assert not isinstance(conn.cmd("COMMAND", "INFO", "nosuch")[0], NullArray)


def test_acl_list_shows_a_digest(start_server):
    with start_server(requirepass="secret").connect() as conn:
        conn.cmd("AUTH", "secret")
        assert conn.cmd("ACL", "LIST") == [
            b"user default on sanitize-payload #2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
            b" ~* &* +@all"]
