"""COMMAND: rows, documentation, keys; compared with redis-server where it has the command."""
import pytest

from lib.resp import Error, Map, Set

# Rows that 7.2 changed against the 7.0 of the reference: field of COMMAND INFO, what both must be.
ARITY, FLAGS, CATEGORIES, TIPS, SPECS, SUBCOMMANDS = 1, 2, 6, 7, 8, 9
EVERYWHERE = {b"request_policy:all_nodes", b"response_policy:all_succeeded"}
DIFFERENT = {
    (b"command|getkeys", ARITY): (-4, -3),
    (b"command|getkeysandflags", ARITY): (-4, -3),
    (b"zrank", ARITY): (3, -3),
    (b"zrevrank", ARITY): (3, -3),
    (b"wait", FLAGS): ({b"noscript"}, {b"blocking"}),
    (b"wait", CATEGORIES): (set(), {b"@blocking"}),
    (b"randomkey", TIPS): (set(), {b"response_policy:special"}),
    (b"scan", TIPS): (set(), {b"response_policy:special"}),
    (b"msetnx", TIPS): ({b"request_policy:multi_shard", b"response_policy:agg_min"}, set()),
    # In 7.2 scripts may call what waits, and the table shows what may be replicated.
    **{(name, FLAGS): ({b"noscript"}, set())
       for name in (b"blmove", b"blpop", b"brpop", b"brpoplpush", b"bzpopmax", b"bzpopmin")},
    **{(name, FLAGS): (set(), {b"may_replicate"})
       for name in (b"eval", b"evalsha", b"fcall", b"pfcount", b"publish", b"spublish")},
    **{(name, TIPS): (set(), EVERYWHERE)
       for name in (b"acl|deluser", b"acl|load", b"acl|save", b"acl|setuser", b"client|setname",
                    b"config|resetstat", b"config|rewrite")},
    # Subcommands of 7.2, and our own.
    (b"client", SUBCOMMANDS): (set(), {b"client|no-touch", b"client|setinfo"}),
    (b"cluster", SUBCOMMANDS): (set(), {b"cluster|myshardid"}),
    (b"memory", SUBCOMMANDS): (set(), {b"memory|bigkeys"}),
    (b"script", SUBCOMMANDS): (set(), {b"script|show"}),
}
# Redis calls the place of the STORE key and of the patterns unknown; here the rows say where it is.
PLACES_KNOWN = {b"sort", b"sort_ro", b"georadius", b"georadiusbymember"}


def rows(conn, *names):
    return dict(zip(names, conn.cmd("COMMAND", "INFO", *names)))


@pytest.mark.parametrize("proto", [2, 3])
def test_rows_are_redis_rows(server, oracle, proto):
    with server.connect() as conn, oracle.connect() as theirs:
        conn.cmd("HELLO", proto)
        theirs.cmd("HELLO", proto)
        names = sorted(set(conn.cmd("COMMAND", "LIST")) & set(theirs.cmd("COMMAND", "LIST")))
        ours, reference = rows(conn, *names), rows(theirs, *names)
    assert len(names) > 300
    unused = set(DIFFERENT)
    for name in names:
        assert [type(item) for item in ours[name]] == [type(item) for item in reference[name]], name
        assert len(ours[name]) == 10
        for at in range(10):
            compare_field(name, at, ours[name][at], reference[name][at], unused)
    assert not unused


def compare_field(name, at, ours, theirs, unused):
    """Equal, or different in exactly the way that is listed."""
    if at == SPECS:
        assert name in PLACES_KNOWN or [without_notes(s) for s in ours] == [without_notes(s) for s in theirs], name
        return
    if at == SUBCOMMANDS:
        ours, theirs = [row[0] for row in ours], [row[0] for row in theirs]
    if at in (FLAGS, CATEGORIES, TIPS, SUBCOMMANDS):
        ours, theirs = set(ours), set(theirs)
    if (name, at) not in DIFFERENT:
        assert ours == theirs, (name, at)
        return
    unused.discard((name, at))
    if isinstance(ours, set):
        theirs, ours = theirs - ours, ours - theirs
    assert (theirs, ours) == DIFFERENT[name, at], (name, at)


def without_notes(spec):
    """The notes are prose."""
    pairs = list(zip(spec[::2], spec[1::2]))
    return {field: value for field, value in pairs if field != b"notes"}


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


# What the documents of 7.2 say otherwise, or later versions whose options are served here.
NEWER_ARGUMENTS = {b"bitop": {b"and", b"or", b"xor", b"not", b"diff", b"diff1", b"andor", b"one"},
                   b"client|kill": {b"maxage"}, b"hscan": {b"novalues"}, b"zscan": {b"noscores"},
                   b"set": {b"ifeq-value", b"ifne-value", b"ifdeq-digest", b"ifdne-digest"},
                   b"zrank": {b"withscore"}, b"zrevrank": {b"withscore"}}
NEWER_HISTORY = {b"acl|log": [b"7.2.0"], b"bitop": [b"8.2.0"], b"client|kill": [b"7.4.0"], b"hscan": [b"7.4.0"],
                 b"set": [b"8.4.0"], b"xinfo|consumers": [b"7.2.0"], b"xinfo|stream": [b"7.2.0"],
                 b"zrank": [b"7.2.0"], b"zrevrank": [b"7.2.0"],
                 # forgotten in 7.0
                 b"georadius_ro": [b"7.0.0"], b"georadiusbymember": [b"6.2.0"],
                 b"georadiusbymember_ro": [b"6.2.0", b"7.0.0"]}
DEPRECATED_IN_7_2 = {b"psetex": b"2.6.12", b"quit": b"7.2.0", b"setex": b"2.6.12", b"setnx": b"2.6.12"}


def test_documents_are_redis_documents(server, oracle):
    with server.connect() as conn, oracle.connect() as theirs:
        conn.cmd("HELLO", 3)
        theirs.cmd("HELLO", 3)
        ours, reference = documents(conn), documents(theirs)
    common = ours.keys() & reference.keys()
    assert len(common) > 300
    for name in sorted(common):
        compare_documents(name, ours[name], reference[name])
    for name in reference.keys() - common:
        assert name in {b"failover", b"psync", b"replconf", b"replicaof", b"restore-asking", b"slaveof", b"sync"}


def compare_documents(name, ours, theirs):
    assert ours[b"summary"]
    assert ours[b"since"] == (b"3.0.0" if name == b"client|pause" else theirs[b"since"]), name
    assert ours[b"group"] == theirs[b"group"], name
    assert (b"complexity" in ours) == (b"complexity" in theirs), name
    deprecated = DEPRECATED_IN_7_2.get(name, theirs.get(b"deprecated_since"))
    assert ours.get(b"deprecated_since") == deprecated, name
    assert (b"replaced_by" in ours) == (b"deprecated_since" in ours), name
    assert ours.get(b"doc_flags") == ([b"deprecated"] if deprecated else theirs.get(b"doc_flags")), name
    compare_history(name, ours, theirs)
    compare_arguments(name, ours, theirs)


def compare_history(name, ours, theirs):
    """The versions; the words are our own."""
    versions = [since for since, text in ours.get(b"history", []) if text]
    wanted = [since for since, _ in theirs.get(b"history", [])] + NEWER_HISTORY.get(name, [])
    assert sorted(versions) == sorted(wanted), name


def compare_arguments(name, ours, theirs):
    if name not in NEWER_ARGUMENTS:
        assert ours.get(b"arguments") == theirs.get(b"arguments"), name
        return
    added = NEWER_ARGUMENTS[name]
    assert added <= {argument[b"name"] for argument in arguments_of(ours)}, name
    assert without(ours[b"arguments"], added) == without(theirs[b"arguments"], added), name


def without(arguments, names):
    """BITOP's operation was a string in 7.0: a choice of nothing, then."""
    kept = []
    for argument in arguments:
        if argument[b"name"] not in names:
            inner = without(argument.get(b"arguments", []), names)
            one_word = argument[b"name"] == b"operation"
            kept.append(argument | {b"arguments": inner, b"type": None if one_word else argument[b"type"]})
    return kept


def test_history_has_the_type_that_redis_gives_it(server, oracle):
    for proto in (2, 3):
        with server.connect() as conn, oracle.connect() as theirs:
            conn.cmd("HELLO", proto)
            theirs.cmd("HELLO", proto)
            shapes = []
            for side in (conn, theirs):
                reply = side.cmd("COMMAND", "DOCS", "bitpos")[1]
                fields = reply[::2]
                history = dict(zip(fields, reply[1::2]))[b"history"]
                shapes.append((fields, type(history), [type(entry) for entry in history], history[0][0]))
            assert shapes[0] == shapes[1]


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
    for name in (b"msetex", b"increx", b"hgetex", b"hsetex", b"zexpire", b"delex", b"waitaof", b"saddex"):
        assert docs[name][b"arguments"][0][b"name"], name
    assert docs[b"hexpire"][b"arguments"][-1] == {
        b"name": b"fields", b"type": b"block", b"token": b"FIELDS",
        b"arguments": [{b"name": b"numfields", b"type": b"integer"},
                       {b"name": b"field", b"type": b"string", b"flags": [b"multiple"]}]}
