"""Users at work: logins, denials and their texts, what a change of rules does to clients that are there already."""
import hashlib
import threading
import time

import pytest

from lib.frame import FrameConnection, FrameError
from lib.resp import Error, Map, Push, encode
from lib.server import free_port
from lib.wait import wait_until

pytestmark = pytest.mark.tokamak  # texts are 7.2's


def noperm(text):
    return Error(b"NOPERM " + text.encode())


def user(server, name, *rules):
    """A connection of a new user."""
    with server.connect() as admin:
        assert admin.cmd("ACL", "SETUSER", name, "reset", "on", "nopass", *rules) == b"OK"
    conn = server.connect()
    assert conn.cmd("AUTH", name, "x") == b"OK"
    return conn


def log(conn):
    return [dict(zip(entry[::2], entry[1::2])) for entry in conn.cmd("ACL", "LOG")]


def rules(conn, name):
    return [line for line in conn.cmd("ACL", "LIST") if line.split()[1] == name.encode()][0].decode()


@pytest.mark.smoke
def test_denials(server):
    with user(server, "u", "+get", "+set", "+config|get", "+publish", "+subscribe", "~a:*", "%R~r:*", "&ch:*") as conn:
        assert conn.cmd("SET", "a:1", "x") == b"OK" and conn.cmd("GET", "a:1") == b"x" and conn.cmd("GET", "r:1") is None
        assert conn.cmd("GET", "b") == noperm("No permissions to access a key")
        assert conn.cmd("SET", "r:1", "x") == noperm("No permissions to access a key")
        assert conn.cmd("DEL", "a:1") == noperm("User u has no permissions to run the 'del' command")
        assert conn.cmd("CONFIG", "SET", "port", "1") == noperm("User u has no permissions to run the 'config|set' command")
        assert conn.cmd("CONFIG", "GET", "port")[0] == b"port"
        assert conn.cmd("PUBLISH", "ch:1", "m") == 0
        assert conn.cmd("PUBLISH", "x", "m") == noperm("No permissions to access a channel")
        assert conn.cmd("NOSUCH").startswith(b"ERR unknown command") and conn.cmd("GET").startswith(b"ERR wrong number")


def test_dry_runs_answer_with_a_text(server, conn):
    user(server, "u", "+get", "+mset", "+config|get", "~a", "+subscribe").close()
    dry = lambda *command: conn.cmd("ACL", "DRYRUN", "u", *command)
    assert dry("GET", "a") == b"OK"
    assert dry("GET", b"b\xff\0") == b"User u has no permissions to access the 'b\xff\0' key"
    assert dry("MSET", "a", 1, "c", 2) == b"User u has no permissions to access the 'c' key"
    assert dry("SUBSCRIBE", "s") == b"User u has no permissions to access the 's' channel"
    assert dry("DEL", "a") == b"User u has no permissions to run the 'del' command"
    assert dry("NOSUCH") == Error(b"ERR Command 'NOSUCH' not found")
    assert dry("CONFIG", "NOSUCH") == Error(b"ERR Command 'CONFIG' not found")
    assert dry("GET") == Error(b"ERR wrong number of arguments for 'get' command")
    assert conn.cmd("ACL", "DRYRUN", "v", "GET", "a") == Error(b"ERR User 'v' not found")


def test_all_rules_or_none(conn):
    assert conn.cmd("ACL", "SETUSER", "u", "on", "~a", "+get") == b"OK"
    before = rules(conn, "u")
    assert conn.cmd("ACL", "SETUSER", "u", "off", "~b", "+nosuch") == \
        Error(b"ERR Error in ACL SETUSER modifier '+nosuch': Unknown command or category name in ACL")
    assert rules(conn, "u") == before
    assert conn.cmd("ACL", "SETUSER", "new", "on", "%X~b").startswith(b"ERR ") and conn.cmd("ACL", "GETUSER", "new") is None


def test_what_getuser_shows(conn):
    digest = hashlib.sha256(b"pw").hexdigest().encode()
    conn.cmd("ACL", "SETUSER", "u", "on", ">pw", "+@all", "-@dangerous", "+Keys", "+client", "-client|kill", "+select|0", "~a", "%R~b",
             "(+GET", "~c*)")
    expected = [b"flags", [b"on", b"sanitize-payload"], b"passwords", [digest],
                b"commands", b"+@all -@dangerous +keys +client -client|kill +select|0", b"keys", b"~a %R~b", b"channels", b"",
                b"selectors", [[b"commands", b"-@all +get", b"keys", b"~c*", b"channels", b""]]]
    assert conn.cmd("ACL", "GETUSER", "u") == expected
    conn.cmd("HELLO", "3")
    reply = conn.cmd("ACL", "GETUSER", "u")
    assert isinstance(reply, Map) and reply == expected and isinstance(reply[11][0], Map)


def test_a_listed_user_can_be_made_again(conn):
    conn.cmd("ACL", "SETUSER", "u", "on", ">a", ">b", "+@all", "-get", "+@read", "-config|get", "%W~w*", "~x", "&c", "(~y +set &*)",
             "(allkeys +@all -@admin)")
    line = rules(conn, "u").split(" ")
    assert conn.cmd("ACL", "SETUSER", "v", *line[2:]) == b"OK"
    assert rules(conn, "v").split(" ")[2:] == line[2:]


@pytest.mark.parametrize("selector", ["(~a) +get)", "(~a))", "(+get &c) ~b)", "(+select|0) ~a)", '(~it"s"x +get)', "(~it\"'\" +get)"])
def test_what_a_selector_could_not_show_is_refused(conn, selector):
    assert conn.cmd("ACL", "SETUSER", "u", selector) == \
        Error(b"ERR Error in ACL SETUSER modifier '" + selector.encode() + b"': Syntax error")
    assert conn.cmd("ACL", "SETUSER", "u", "~a)", "(~a(b", "+get", "~(c)x)", '~"x"', "%R~*", "%W~*", "~later") == b"OK"
    line = rules(conn, "u").split(" ")
    assert conn.cmd("ACL", "SETUSER", "v", *line[2:]) == b"OK"
    assert rules(conn, "v").split(" ")[2:] == line[2:]


@pytest.mark.smoke
def test_logins(server, conn):
    conn.cmd("ACL", "SETUSER", "u", "on", ">one", ">two", "+@all", "~*")
    conn.cmd("ACL", "SETUSER", "off", "off", "nopass")
    with server.connect() as other:
        for password in ("one", "two"):
            assert other.cmd("AUTH", "u", password) == b"OK" and other.cmd("ACL", "WHOAMI") == b"u"
        for name, password in (("u", "three"), ("off", "x"), ("nobody", "x"), ("u", ""), ("default2", "")):
            assert other.cmd("AUTH", name, password) == Error(b"WRONGPASS invalid username-password pair or user is disabled.")
        assert other.cmd("ACL", "WHOAMI") == b"u", "a refused login changes nothing"
        assert b" user=u " in other.cmd("CLIENT", "INFO")
        assert other.cmd("RESET") == b"RESET" and other.cmd("ACL", "WHOAMI") == b"default"
        assert b" user=default " in other.cmd("CLIENT", "INFO")
        assert other.cmd("HELLO", "2", "AUTH", "u", "one")[0] == b"server" and other.cmd("ACL", "WHOAMI") == b"u"
    entries = [entry for entry in log(conn) if entry[b"reason"] == b"auth"]
    assert {(entry[b"username"], entry[b"count"]) for entry in entries} == {
        (b"u", 2), (b"off", 1), (b"nobody", 1), (b"default2", 1)}
    assert entries[0][b"object"] == b"AUTH" and entries[0][b"context"] == b"toplevel"


def test_default_off_is_no_entry(server, conn):
    conn.cmd("ACL", "SETUSER", "u", "on", ">p", "+@all", "~*")
    assert conn.cmd("ACL", "SETUSER", "default", "off") == b"OK"
    with server.connect() as other:
        assert other.cmd("PING") == Error(b"NOAUTH Authentication required.")
        assert other.cmd("AUTH", "default", "x").startswith(b"WRONGPASS")
        assert other.cmd("AUTH", "u", "p") == b"OK" and other.cmd("PING") == b"PONG"
        assert other.cmd("ACL", "SETUSER", "default", "on") == b"OK"
    with server.connect() as other:
        assert other.cmd("PING") == b"PONG"


def test_who_waits_to_log_in_may_go_on_when_that_is_not_needed_any_more(server, conn):
    conn.cmd("CONFIG", "SET", "requirepass", "p")
    with server.connect() as other:
        assert other.cmd("PING") == Error(b"NOAUTH Authentication required.")
        conn.cmd("CONFIG", "SET", "requirepass", "")
        assert other.cmd("PING") == b"PONG" and other.cmd("ECHO", "x" * 100_000) == b"x" * 100_000


def test_requirepass_is_the_password_of_default(server, conn):
    conn.cmd("CONFIG", "SET", "requirepass", b"bin\0\xffary")
    assert conn.cmd("CONFIG", "GET", "requirepass") == [b"requirepass", b"bin\0\xffary"]
    assert rules(conn, "default") == "user default on sanitize-payload #%s ~* &* +@all" % hashlib.sha256(b"bin\0\xffary").hexdigest()
    with server.connect() as other:
        assert other.cmd("AUTH", "bin").startswith(b"WRONGPASS") and other.cmd("AUTH", b"bin\0\xffary") == b"OK"
    conn.cmd("CONFIG", "SET", "requirepass", "")
    assert rules(conn, "default") == "user default on nopass sanitize-payload ~* &* +@all"


def test_transactions_are_checked_twice(server, conn):
    with user(server, "u", "+multi", "+exec", "+set", "+get", "~a*") as client:
        assert client.pipeline([["MULTI"], ["SET", "b", 1], ["EXEC"]])[1:] == [
            noperm("No permissions to access a key"), Error(b"EXECABORT Transaction discarded because of previous errors.")]
        assert client.pipeline([["MULTI"], ["SET", "a1", 1], ["GET", "a1"], ["SET", "a2", 1]])[-1] == b"QUEUED"
        conn.cmd("ACL", "SETUSER", "u", "-set")
        changed = b"NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command " \
                  b"is no longer allowed for the following reason: no permission to execute the command or subcommand"
        assert client.cmd("EXEC") == [Error(changed), None, Error(changed)]
        conn.cmd("ACL", "SETUSER", "u", "-exec")
        assert client.cmd("MULTI") == b"OK"
        assert client.cmd("EXEC") == Error(b"EXECABORT Transaction discarded because of: NOPERM User u has no permissions to run the "
                                           b"'exec' command")
        assert client.cmd("GET", "a1") is None, "the transaction is over"
    contexts = [(entry[b"context"], entry[b"object"]) for entry in log(conn)]
    assert contexts == [(b"multi", b"exec"), (b"multi", b"set"), (b"multi", b"b")]


def test_a_waiting_command_is_checked_again(server, conn):
    with user(server, "u", "+blpop", "~*") as waiting, server.connect() as second:
        waiting.send(encode(["BLPOP", "l", 0]))
        assert wait_until(lambda: b"blocked_clients:1\r" in conn.cmd("INFO", "clients"))
        second.send(encode(["BLPOP", "l", 0]))
        assert wait_until(lambda: b"blocked_clients:2\r" in conn.cmd("INFO", "clients"))
        conn.cmd("ACL", "SETUSER", "u", "resetkeys")
        conn.cmd("RPUSH", "l", "x")
        assert waiting.read() == noperm("No permissions to access a key")
        assert second.read() == [b"l", b"x"], "the next one gets it"
        assert [(entry[b"object"], entry[b"username"]) for entry in log(conn)] == [(b"l", b"u")]


@pytest.mark.smoke
def test_clients_of_a_deleted_user_are_closed(server, conn):
    clients = [user(server, "u", "+@all", "~*", "&*") for _ in range(8)]
    clients[0].send(encode(["BLPOP", "l", 0]))
    clients[1].cmd("SUBSCRIBE", "c")
    clients[2].pipeline([["MULTI"], ["SET", "a", 1]])
    assert conn.cmd("ACL", "DELUSER", "u", "nobody") == 1
    # Reactors close theirs on their own.
    assert wait_until(lambda: b" user=u " not in conn.cmd("CLIENT", "LIST"))
    for client in clients:
        assert client.drain() == (b"", True)
        client.close()
    assert conn.cmd("ACL", "DELUSER", "default") == Error(b"ERR The 'default' user cannot be removed")


@pytest.mark.parametrize("reactors", [1, 3])
def test_a_deleted_user_takes_nothing_any_more(start_server, reactors):
    """Its client may wait on another reactor, and is served before that closes it."""
    server = start_server(io_threads=reactors)
    clients = [user(server, "u", "+@all", "~*") for _ in range(4)]
    with server.connect() as conn:
        for client in clients:
            client.send(encode(["BLPOP", "l", 0]))
        assert wait_until(lambda: b"blocked_clients:4\r\n" in conn.cmd("INFO", "clients"), 20)
        replies = conn.pipeline([["MULTI"], ["ACL", "DELUSER", "u"], ["RPUSH", "l", "kept"], ["EXEC"], ["LRANGE", "l", 0, -1]])
        assert replies[3:] == [[1, 1], [b"kept"]]
    for client in clients:
        client.close()


def test_who_deletes_itself_hears_so(server):
    with user(server, "u", "+@all", "~*") as client:
        client.send(encode(["ACL", "DELUSER", "u"]) + encode(["SET", "k", "v"]))
        assert client.drain() == (b":1\r\n", True)
    with server.connect() as conn:
        assert conn.cmd("EXISTS", "k") == 0


@pytest.mark.smoke
def test_revoked_channels(server, conn):
    listeners = {}
    for name, command, channel in (("a", "SUBSCRIBE", "a:1"), ("b", "SUBSCRIBE", "b:1"), ("p", "PSUBSCRIBE", "a:*"), ("q", "PSUBSCRIBE", "b:*"),
                                   ("s", "SSUBSCRIBE", "b:1")):
        listeners[name] = user(server, "u", "+@all", "&a:*", "&b:*")
        listeners[name].cmd(command, channel)
    with user(server, "v", "+@all", "&b:*") as other:
        other.cmd("SUBSCRIBE", "b:1")
        assert conn.cmd("ACL", "SETUSER", "u", "resetchannels", "&a:*") == b"OK"
        assert conn.cmd("PUBLISH", "b:1", "m") == 1, "only the other user's client"
        assert other.read() == [b"message", b"b:1", b"m"]
    assert conn.cmd("PUBLISH", "a:1", "m") == 2
    assert listeners["a"].read() == [b"message", b"a:1", b"m"] and listeners["p"].read() == [b"pmessage", b"a:*", b"a:1", b"m"]
    for name in "bqs":
        assert listeners[name].drain() == (b"", True)
    conn.cmd("ACL", "SETUSER", "u", "allchannels")
    assert conn.cmd("PUBLISH", "a:1", "m") == 2
    for client in listeners.values():
        client.close()


def test_who_revokes_its_own_channel_hears_so(server):
    with user(server, "u", "+@all", "&a") as client:
        client.cmd("HELLO", "3")
        assert client.cmd("SUBSCRIBE", "a") == Push([b"subscribe", b"a", 1])
        client.send(encode(["ACL", "SETUSER", "u", "resetchannels"]))
        assert client.drain() == (b"+OK\r\n", True)


def test_patterns_of_sort_need_all_keys(server, conn):
    conn.cmd("RPUSH", "l", 2, 1)
    with user(server, "u", "+sort", "+sort_ro", "~l") as client:
        assert client.cmd("SORT", "l") == [b"1", b"2"] and client.cmd("SORT", "l", "BY", "nosort") == [b"2", b"1"]
        by = Error(b"ERR BY option of SORT denied due to insufficient ACL permissions.")
        get = Error(b"ERR GET option of SORT denied due to insufficient ACL permissions.")
        assert client.cmd("SORT", "l", "BY", "w_*") == by and client.cmd("SORT_RO", "l", "GET", "x_*") == get
        conn.cmd("ACL", "SETUSER", "u", "%W~*")
        assert client.cmd("SORT", "l", "BY", "w_*") == by, "allowed to write is not enough"
        conn.cmd("ACL", "SETUSER", "u", "%R~*")
        assert client.cmd("SORT", "l", "BY", "w_*", "GET", "#") == [b"1", b"2"]


@pytest.mark.parametrize("command", [
    ["SORT", "l", "BY", "store", "STORE", "secret"], ["SORT", "l", "STORE", "l2", "STORE", "secret"],
    ["GEORADIUS", "l", 0, 0, 1, "m", "STORE", "l2", "STOREDIST", "secret"], ["GEORADIUS", "l", 0, 0, 1, "m", "STORE", "l2", "STORE", "secret"],
    ["MIGRATE", "127.0.0.1", 1, "", 0, 1, "KEYS", "KEYS", "l", "secret"], ["XREADGROUP", "GROUP", "g", "streams", "STREAMS", "secret", ">"],
    ["XREADGROUP", "GROUP", "streams", "c", "STREAMS", "secret", ">"], ["SET", "r", "v", "GET"], ["BITFIELD", "r", "INCRBY", "u8", 0, 1],
    ["BITFIELD", "w", "GET", "u8", 0], ["COPY", "l", "secret"], ["COPY", "secret", "l"], ["GETEX", "r", "PERSIST"], ["LMOVE", "w", "l", "LEFT", "LEFT"]],
    ids=lambda command: " ".join(map(str, command[:2] + command[-2:])))
def test_no_word_hides_a_key(server, command):
    with user(server, "u", "+@all", "~l", "~l2", "~KEYS", "%R~r", "%W~w") as client:
        assert client.cmd(*command) == noperm("No permissions to access a key")


def test_client_kill_by_user(server, conn):
    with user(server, "u", "+@all") as one, user(server, "v", "+@all") as other:
        assert conn.cmd("CLIENT", "KILL", "USER", "u") == 1
        assert one.drain() == (b"", True) and other.cmd("PING") == b"PONG"
        assert conn.cmd("CLIENT", "KILL", "USER", "nobody") == Error(b"ERR No such user 'nobody'")


def test_the_log_groups_and_forgets(server, conn):
    conn.cmd("CONFIG", "SET", "acllog-max-len", 3)
    with user(server, "u", "+get", "~a") as client:
        client.cmd("CLIENT", "SETNAME", "me")
        for key in ("k1", "k1", "k2", "k3", "k4", "k1"):
            client.cmd("GET", key)
        client.cmd("SET", "k", 1)
    entries = log(conn)
    assert [(entry[b"object"], entry[b"count"], entry[b"reason"]) for entry in entries] == [
        (b"set", 1, b"command"), (b"k1", 1, b"key"), (b"k4", 1, b"key")]
    ids = [entry[b"entry-id"] for entry in entries]
    assert len(set(ids)) == 3 and b"user=u" in entries[0][b"client-info"] and b"cmd=set" in entries[0][b"client-info"]
    assert conn.cmd("ACL", "LOG", "1")[0][5] == b"toplevel" and len(conn.cmd("ACL", "LOG", "1")) == 1
    info = conn.cmd("INFO", "stats")
    assert b"acl_access_denied_key:6\r" in info and b"acl_access_denied_cmd:2\r" in info  # CLIENT SETNAME, too
    assert conn.cmd("ACL", "LOG", "RESET") == b"OK" and conn.cmd("ACL", "LOG") == []


def test_genpass(conn):
    passwords = [conn.cmd("ACL", "GENPASS", bits) for bits in (1, 4, 5, 256, 4096)] + [conn.cmd("ACL", "GENPASS")]
    assert [len(password) for password in passwords] == [1, 1, 2, 64, 1024, 64] and passwords[3] != passwords[5]
    for bits in (0, -1, 4097, "x"):
        assert conn.cmd("ACL", "GENPASS", bits).startswith(b"ERR ")


def test_frame_clients_have_users_too(start_server):
    server = start_server(frame_port=free_port())
    user(server, "u", "+get", "~a").close()
    with FrameConnection(int(server.directives["frame-port"])) as frame:
        assert frame.cmd("AUTH", "u", "x") == b"OK" and frame.cmd("GET", "a") is None
        assert frame.cmd("GET", "b") == FrameError(4, b"NOPERM No permissions to access a key")


def test_before_authentication_commands_run_one_at_a_time_and_not_for_long(start_server):
    """A pipeline is answered in order, and who does not log in is closed after ten seconds."""
    server = start_server(requirepass="secret")
    with server.connect() as conn, server.connect() as idle:
        began = time.monotonic()
        assert conn.pipeline([["PING"], ["AUTH", "secret"], ["PING"], ["ECHO", "x" * 50_000]])[1:] == [b"OK", b"PONG", b"x" * 50_000]
        assert idle.cmd("PING") == Error(b"NOAUTH Authentication required.")
        assert idle.drain(60) == (b"", True) and time.monotonic() - began > 9
        assert conn.cmd("PING") == b"PONG", "who logged in stays"


class Flapping(threading.Thread):
    """Gives a user one half of the keys and then the other, never both."""

    def __init__(self, server):
        super().__init__()
        self.conn, self.done, self.changes = server.connect(), False, 0

    def run(self):
        while not self.done:
            for pattern in ("~a:*", "~b:*"):
                self.conn.cmd("ACL", "SETUSER", "u", "resetkeys", pattern)
                self.changes += 1
        self.conn.close()


@pytest.mark.smoke
def test_rules_change_between_commands_not_within(start_server):
    server = start_server(io_threads=4)
    clients = [user(server, "u", "+@all", "~a:*") for _ in range(4)]
    flapping = Flapping(server)
    flapping.start()
    try:
        allowed = 0
        for i in range(150):
            batch = [["MSET", "a:1", i, "b:1", i], ["SET", "a:2", i], ["MULTI"], ["SET", "b:2", i], ["EXEC"], ["FLUSHALL"]]
            for client in clients:
                client.send(b"".join(map(encode, batch * 4)))
            for client in clients:
                replies = [client.read() for _ in range(len(batch) * 4)]
                assert all(reply == noperm("No permissions to access a key") for reply in replies[::6])
                allowed += replies[1::6].count(b"OK")
    finally:
        flapping.done = True
        flapping.join()
        for client in clients:
            client.close()
    assert allowed and flapping.changes > 10


def test_a_revoked_key_is_revoked_when_the_admin_is_told(start_server):
    """Nothing that was sent after the answer, nor before it, is done after it."""
    server = start_server(io_threads=4)
    with server.connect() as admin:
        clients = [user(server, "u", "+@all", "~k") for _ in range(4)]
        for i in range(40):
            admin.cmd("ACL", "SETUSER", "u", "~k")
            for client in clients:
                client.send(encode(["INCR", "k"]) * 50)
            admin.cmd("ACL", "SETUSER", "u", "resetkeys")
            seen = admin.cmd("GET", "k")
            for client in clients:
                assert all(isinstance(reply, int) or reply == noperm("No permissions to access a key")
                           for reply in (client.read() for _ in range(50)))
            assert admin.cmd("GET", "k") == seen
        for client in clients:
            client.close()
