"""COMMAND: rows, documentation, keys; compared with redis-server where it has the command."""
import pytest

from lib.resp import Error, Map, Set

# What 7.2 changed against the 7.0 of the reference.
NEWER = {b"command|getkeys", b"command|getkeysandflags", b"zrank", b"zrevrank"}
# Redis calls the place of the STORE key and of the patterns unknown; here the rows say where it is.
NEWER |= {b"sort", b"sort_ro", b"georadius", b"georadiusbymember"}


def rows(conn, *names):
    return dict(zip(names, conn.cmd("COMMAND", "INFO", *names)))


@pytest.mark.parametrize("proto", [2, 3])
def test_rows_are_redis_rows(conn, oracle, proto):
    with oracle.connect() as theirs:
        conn.cmd("HELLO", proto)
        theirs.cmd("HELLO", proto)
        names = conn.cmd("COMMAND", "LIST")
        ours, reference = rows(conn, *names), rows(theirs, *names)
        for name in set(names) - NEWER:
            if reference[name] is not None:
                compare_rows(ours[name], reference[name])


def compare_rows(ours, theirs):
    assert [type(item) for item in ours] == [type(item) for item in theirs], ours[0]
    assert len(ours) == 10 and ours[:2] == theirs[:2] and ours[3:6] == theirs[3:6]
    for at in (2, 6):
        allowed = {b"may_replicate"}  # shown since 7.2, which also lets scripts call what waits
        if ours[0] == b"wait" or b"blocking" in theirs[at]:
            allowed |= {b"noscript", b"blocking", b"@blocking"}
        assert set(ours[at]) - allowed == set(theirs[at]) - allowed, (ours[0], at)
    assert len(ours[8]) == len(theirs[8]), (ours[0], "key specs")


def test_all_rows(conn):
    every = conn.cmd("COMMAND")
    assert len(every) == conn.cmd("COMMAND", "COUNT") == len(conn.cmd("COMMAND", "INFO"))
    names = [row[0] for row in every]
    assert len(set(names)) == len(names) and not any(b"|" in name for name in names)
    client = next(row for row in every if row[0] == b"client")
    assert b"client|list" in [sub[0] for sub in client[9]]
    assert conn.cmd("COMMAND", "INFO", "nosuch", "get|x", "CONFIG|GET")[:2] == [None, None]


def test_docs(conn):
    conn.cmd("HELLO", "3")
    docs = conn.cmd("COMMAND", "DOCS", "get", "config|set", "nosuch")
    assert isinstance(docs, Map) and docs[::2] == [b"get", b"config|set"]
    get = dict(zip(docs[1][::2], docs[1][1::2]))
    assert get[b"since"] == b"1.0.0" and get[b"group"] == b"string" and get[b"summary"]
    client = conn.cmd("COMMAND", "DOCS", "client")[1]
    subcommands = dict(zip(client[::2], client[1::2]))[b"subcommands"]
    assert b"client|kill" in subcommands[::2]
    assert len(conn.cmd("COMMAND", "DOCS")) == 2 * conn.cmd("COMMAND", "COUNT")


def test_list(conn):
    everything = conn.cmd("COMMAND", "LIST")
    assert {b"get", b"client|list", b"config"} <= set(everything)
    assert conn.cmd("COMMAND", "LIST", "FILTERBY", "PATTERN", "ge[t]") == [b"get"]
    assert b"set" in conn.cmd("COMMAND", "LIST", "FILTERBY", "ACLCAT", "write")
    assert b"get" not in conn.cmd("COMMAND", "LIST", "FILTERBY", "ACLCAT", "write")
    assert conn.cmd("COMMAND", "LIST", "FILTERBY", "ACLCAT", "nosuch") == []
    assert conn.cmd("COMMAND", "LIST", "FILTERBY", "MODULE", "x") == []
    for args in (["x"], ["FILTERBY", "x"], ["FILTERBY", "x", "y"]):
        assert conn.cmd("COMMAND", "LIST", *args) == Error(b"ERR syntax error")
    conn.cmd("HELLO", "3")
    assert isinstance(conn.cmd("COMMAND", "LIST"), Set)


def test_getkeys(conn):
    getkeys = lambda *args: conn.cmd("COMMAND", "GETKEYS", *args)  # noqa: E731
    assert getkeys("GET", "a") == [b"a"] and getkeys("DEL", "a", "b") == [b"a", b"b"]
    assert getkeys("nosuch", "x") == Error(b"ERR Invalid command specified")
    assert getkeys("PING", "x") == Error(b"ERR The command has no key arguments")
    assert getkeys("GET") == Error(b"ERR Invalid number of arguments specified for command")
    assert getkeys("CONFIG", "nosuch") == Error(b"ERR Invalid command specified")
    flags = lambda *args: conn.cmd("COMMAND", "GETKEYSANDFLAGS", *args)  # noqa: E731
    assert flags("SET", "k", "v") == [[b"k", [b"OW", b"update"]]]
    assert flags("SET", "k", "v", "GET") == [[b"k", [b"RW", b"access", b"update"]]]
    assert flags("DEL", "a") == [[b"a", [b"RM", b"delete"]]]


def test_unknown_subcommands(conn):
    assert conn.cmd("COMMAND", "nosuch") == Error(b"ERR unknown subcommand 'nosuch'. Try COMMAND HELP.")
    assert conn.cmd("CONFIG") == Error(b"ERR wrong number of arguments for 'config' command")


def docs_of(conn, name):
    flat = conn.cmd("COMMAND", "DOCS", name)[1]
    return dict(zip(flat[::2], flat[1::2]))


def test_docs_of_old_and_internal_commands(conn, oracle):
    """What Redis calls deprecated or internal is so here; 7.2 added a few."""
    with oracle.connect() as theirs:
        for name in conn.cmd("COMMAND", "LIST"):
            reference = theirs.cmd("COMMAND", "DOCS", name)
            if not reference:
                continue
            reference, ours = dict(zip(reference[1][::2], reference[1][1::2])), docs_of(conn, name)
            if name not in (b"setex", b"setnx", b"psetex", b"quit"):
                assert ours.get(b"doc_flags") == reference.get(b"doc_flags"), name
                assert ours.get(b"deprecated_since") == reference.get(b"deprecated_since"), name
            assert (b"replaced_by" in ours) == (b"deprecated_since" in ours), name
    assert docs_of(conn, "setnx")[b"deprecated_since"] == b"2.6.12"


def plain(reply):
    """A reply of RESP2 or RESP3 with maps as dictionaries, without what 7.2 has added."""
    if isinstance(reply, Map):
        return {name: plain(value) for name, value in zip(reply[::2], reply[1::2]) if name != b"display_text"}
    return [plain(item) for item in reply] if isinstance(reply, list) else reply


def documents(conn):
    """Of each command and subcommand."""
    every = plain(conn.cmd("COMMAND", "DOCS"))
    return every | {name: doc for container in every.values() for name, doc in container.get(b"subcommands", {}).items()}


def arguments_of(doc):
    for argument in doc.get(b"arguments", ()):
        yield argument
        yield from arguments_of(argument)


def test_arguments_are_redis_arguments(server, oracle):
    with server.connect() as conn, oracle.connect() as theirs:
        conn.cmd("HELLO", 3)
        theirs.cmd("HELLO", 3)
        ours, reference = documents(conn), documents(theirs)
    common = ours.keys() & reference.keys()
    assert len(common) > 300
    for name in sorted(common):
        assert ours[name].get(b"arguments") == reference[name].get(b"arguments"), name


def test_no_command_lacks_its_row_of_arguments(server):
    """Who adds a command to commands.def alone is told here; the exceptions have none in Redis either."""
    with server.connect() as conn:
        conn.cmd("HELLO", 3)
        docs, rows = documents(conn), conn.cmd("COMMAND")
    arity = {row[0]: row[1] for command in rows for row in (command, *command[9])}
    lacking = {name for name, doc in docs.items() if abs(arity[name]) > 1 + (b"|" in name)
               and b"arguments" not in doc and b"subcommands" not in doc}
    assert lacking == {b"command|getkeys", b"command|getkeysandflags", b"debug"}


def test_arguments_of_newer_commands(server):
    with server.connect() as conn:
        conn.cmd("HELLO", 3)
        docs = documents(conn)
        raw = conn.cmd("COMMAND", "DOCS", "hexpire")[1]
    assert b"display_text" in dict(zip(raw[::2], raw[1::2]))[b"arguments"][0]
    types = {b"key", b"string", b"integer", b"double", b"unix-time", b"pattern", b"pure-token", b"block", b"oneof"}
    for name, doc in docs.items():
        for argument in arguments_of(doc):
            assert argument[b"name"] and argument[b"type"] in types, name
            assert (argument[b"type"] in (b"block", b"oneof")) == (b"arguments" in argument), name
            assert (argument[b"type"] == b"key") <= (b"key_spec_index" in argument), name
    assert docs[b"hexpire"][b"arguments"][-1] == {
        b"name": b"fields", b"type": b"block", b"token": b"FIELDS",
        b"arguments": [{b"name": b"numfields", b"type": b"integer"},
                       {b"name": b"field", b"type": b"string", b"flags": [b"multiple"]}]}
