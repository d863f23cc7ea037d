"""Streams beyond what the differential tests reach: clocks, waiting, effects, hostile payloads."""
import time

import pytest

from lib import rdb
from lib.resp import INCOMPLETE, Error, NullArray, Reader, encode
from lib.server import REDIS
from lib.wait import wait_until



@pytest.fixture
def conn(server):
    with server.connect() as c:
        yield c


def info(conn, *command):
    """A flat reply as a dict."""
    flat = conn.cmd(*command)
    return dict(zip(flat[::2], flat[1::2]))


def blocked_clients(conn):
    return int(conn.cmd("INFO", "clients").split(b"blocked_clients:")[1].split(b"\r")[0])


def send_and_block(conn, waiter, *command):
    before = blocked_clients(conn)
    waiter.send(encode(command))
    assert wait_until(lambda: blocked_clients(conn) == before + 1)


def test_ids_follow_the_clock(conn):
    before = int(time.time() * 1000)
    ids = [tuple(map(int, conn.cmd("XADD", "s", "*", "f", "v").split(b"-"))) for _ in range(100)]
    assert ids == sorted(set(ids))
    assert before <= ids[0][0] <= ids[-1][0] <= time.time() * 1000
    conn.cmd("XADD", "s", "99999999999999-5", "f", "v")
    assert conn.cmd("XADD", "s", "*", "f", "v") == b"99999999999999-6"


def test_last_possible_id(conn):
    top = b"18446744073709551615-18446744073709551615"
    assert conn.cmd("XADD", "s", top, "f", "v") == top
    for id in ("*", "18446744073709551615-*", "1-1"):
        assert conn.cmd("XADD", "s", id, "f", "v") == \
            b"ERR The stream has exhausted the last possible ID, unable to add more items"


def test_entries_read_at_the_end_of_its_range(conn):
    """The count that a client gave goes on as Redis's does; under UBSan it must not overflow."""
    conn.cmd("XADD", "s", "1-1", "f", "v")
    conn.cmd("XGROUP", "CREATE", "s", "g", "0", "ENTRIESREAD", "9223372036854775807")
    assert conn.cmd("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">") == [[b"s", [[b"1-1", [b"f", b"v"]]]]]
    group = conn.cmd("XINFO", "GROUPS", "s")[0]
    assert dict(zip(group[::2], group[1::2]))[b"entries-read"] == -9223372036854775808


def test_failed_xadd_makes_no_key(conn):
    for command in (["XADD", "s", "0-0", "f", "v"], ["XADD", "s", "*", "f"], ["XADD", "s", "NOMKSTREAM", "*", "f", "v"]):
        conn.cmd(*command)
    assert conn.cmd("EXISTS", "s") == 0


def test_large_stream_stays_fast_at_both_ends(conn):
    """A consequence of O(1): twenty thousand entries, and a window that moves over them."""
    batch = [["XADD", "s", "MAXLEN", "=", "1000", "%d-1" % i, "f", "v%d" % i] for i in range(1, 20001)]
    replies = conn.pipeline(batch)
    assert replies[-1] == b"20000-1" and conn.cmd("XLEN", "s") == 1000
    assert conn.cmd("XRANGE", "s", "-", "+", "COUNT", "1") == [[b"19001-1", [b"f", b"v19001"]]]
    assert conn.cmd("XREVRANGE", "s", "+", "-", "COUNT", "1") == [[b"20000-1", [b"f", b"v20000"]]]
    assert info(conn, "XINFO", "STREAM", "s")[b"radix-tree-keys"] == 10


def test_huge_counts_answer_in_bounded_memory(conn):
    conn.cmd("XADD", "s", "1-1", "f", "v")
    conn.cmd("XGROUP", "CREATE", "s", "g", "0")
    most = str((1 << 63) - 1)
    assert len(conn.cmd("XRANGE", "s", "-", "+", "COUNT", most)) == 1
    assert len(conn.cmd("XREADGROUP", "GROUP", "g", "c", "COUNT", most, "STREAMS", "s", ">")) == 1
    assert len(conn.cmd("XPENDING", "s", "g", "-", "+", most)) == 1
    assert conn.cmd("XAUTOCLAIM", "s", "g", "c", "0", "-", "COUNT", str((1 << 63) // 16 - 1)) == \
        [b"0-0", [[b"1-1", [b"f", b"v"]]], []]
    assert conn.cmd("XAUTOCLAIM", "s", "g", "c", "0", "-", "COUNT", most) == b"ERR COUNT must be > 0"


def test_claim_of_a_deleted_entry_ends_it(conn):
    for i in range(1, 4):
        conn.cmd("XADD", "s", f"{i}-0", "f", "v")
    conn.cmd("XGROUP", "CREATE", "s", "g", "0")
    conn.cmd("XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", ">")
    conn.cmd("XDEL", "s", "2-0")
    assert conn.cmd("XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", "1-0")[0][1][0] == [b"2-0", NullArray()]
    assert conn.cmd("XAUTOCLAIM", "s", "g", "b", "0", "0", "JUSTID") == [b"0-0", [b"1-0", b"3-0"], [b"2-0"]]
    assert conn.cmd("XPENDING", "s", "g") == [2, b"1-0", b"3-0", [[b"b", b"2"]]]
    assert conn.cmd("XGROUP", "DELCONSUMER", "s", "g", "b") == 2
    assert conn.cmd("XPENDING", "s", "g")[0] == 0


def test_a_group_called_streams(conn):
    """The word that says where the keys are may be a name, too."""
    conn.cmd("XGROUP", "CREATE", "s", "streams", "0", "MKSTREAM")
    conn.cmd("XADD", "s", "1-1", "f", "v")
    reply = [[b"s", [[b"1-1", [b"f", b"v"]]]]]
    assert conn.cmd("XREADGROUP", "COUNT", "1", "GROUP", "streams", "streams", "STREAMS", "s", ">") == reply
    assert conn.cmd("XREADGROUP", "NOACK", "GROUP", "streams", "c", "BLOCK", "1", "STREAMS", "s", ">") == NullArray()


def test_counters_at_their_end_stay_loadable(start_server, tmp_path):
    """What is counted beyond the last number must not make the whole file, or the log, unreadable."""
    path = tmp_path / "effects"
    server = start_server(debug_effects_file=path)
    with server.connect() as conn:
        count_beyond(conn)
    server.stop()
    with start_server().connect() as conn:
        assert not [command for command in recorded(path) if isinstance(conn.cmd(*command), Error)]


def count_beyond(conn):
    most = str((1 << 63) - 1)
    conn.cmd("XADD", "s", "1-1", "f", "v")
    conn.cmd("XGROUP", "CREATE", "s", "g", "0", "ENTRIESREAD", most)
    assert conn.cmd("XSETID", "s", "1-1", "ENTRIESADDED", most) == b"OK"
    conn.cmd("XADD", "s", "2-1", "f", "v")
    assert len(conn.cmd("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")[0][1]) == 2
    for _ in range(2):
        assert conn.cmd("XCLAIM", "s", "g", "c", "0", "1-1", "RETRYCOUNT", most, "JUSTID") == [b"1-1"]
        conn.cmd("XCLAIM", "s", "g", "c", "0", "1-1")
        conn.cmd("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "0")
    assert conn.cmd("XPENDING", "s", "g", "1-1", "1-1", "1")[0][3] == int(most)
    assert info(conn, "XINFO", "STREAM", "s")[b"entries-added"] == -1 << 63  # as in Redis
    assert conn.cmd("RESTORE", "t", "0", conn.cmd("DUMP", "s")) == b"OK"
    assert conn.cmd("DEBUG", "RELOAD") == b"OK"


@pytest.mark.release
def test_the_largest_entry_can_be_loaded(server):
    """What fits into an entry must fit into a node of the file, which is a little longer."""
    if free_mb() < 8192:
        pytest.skip("takes 8 GB")
    half = b"x" * (512 << 20)
    with server.connect(timeout=300) as conn:
        conn.cmd("CONFIG", "SET", "rdbcompression", "no")
        assert conn.cmd("XADD", "s", "1-1", half, half) == b"1-1"
        assert conn.cmd("DEBUG", "RELOAD") == b"OK"
        assert conn.cmd("XLEN", "s") == 1


def free_mb():
    with open("/proc/meminfo") as lines:
        return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("MemAvailable"))


# ---- waiting ----

def test_last_id_is_resolved_when_the_wait_begins(server, conn):
    with server.connect() as waiter:
        conn.cmd("XADD", "s", "1-1", "old", "x")
        send_and_block(conn, waiter, "XREAD", "BLOCK", "0", "STREAMS", "none", "s", "0", "$")
        conn.cmd("XDEL", "s", "1-1")
        conn.cmd("XADD", "s", "1-2", "f", "v")
        assert waiter.read() == [[b"s", [[b"1-2", [b"f", b"v"]]]]]


def test_each_entry_goes_to_one_waiting_consumer(server, conn):
    conn.cmd("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
    waiters = [server.connect() for _ in range(5)]
    for i, waiter in enumerate(waiters):
        send_and_block(conn, waiter, "XREADGROUP", "GROUP", "g", f"c{i}", "COUNT", "1", "BLOCK", "0", "STREAMS", "s", ">")
    conn.pipeline([["XADD", "s", f"{i}-1", "f", "v"] for i in range(1, 6)])
    got = [waiter.read()[0][1][0][0] for waiter in waiters]
    assert got == [b"%d-1" % i for i in range(1, 6)]
    pending = conn.cmd("XPENDING", "s", "g", "-", "+", "10")
    assert [(item[0], item[1]) for item in pending] == [(b"%d-1" % i, b"c%d" % (i - 1)) for i in range(1, 6)]
    for waiter in waiters:
        waiter.close()


def test_a_group_called_streams_waits(server, conn):
    conn.cmd("XGROUP", "CREATE", "s", "streams", "0", "MKSTREAM")
    with server.connect() as waiter:
        send_and_block(conn, waiter, "XREADGROUP", "GROUP", "streams", "streams", "BLOCK", "0", "STREAMS", "s", ">")
        conn.cmd("XADD", "s", "1-1", "f", "v")
        assert waiter.read() == [[b"s", [[b"1-1", [b"f", b"v"]]]]]
    assert conn.cmd("COMMAND", "GETKEYS", "XREADGROUP", "GROUP", "streams", "streams", "STREAMS", "s", ">") == [b"s"]


@pytest.mark.parametrize("change, error", [
    (["DEL", "s"], b"NOGROUP"), (["XGROUP", "DESTROY", "s", "g"], b"NOGROUP"), (["SET", "s", "x"], b"WRONGTYPE"),
    (["FLUSHALL"], b"NOGROUP"), (["RENAME", "s", "elsewhere"], b"NOGROUP"), (["PEXPIREAT", "s", "1"], b"NOGROUP"),
])
def test_a_group_that_goes_ends_the_wait(server, conn, change, error):
    conn.cmd("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
    with server.connect() as waiter:
        send_and_block(conn, waiter, "XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "s", ">")
        conn.cmd(*change)
        reply = waiter.read()
        assert isinstance(reply, Error) and reply.startswith(error)


def test_restore_wakes_a_reader(server, conn):
    conn.cmd("XADD", "other", "5-1", "f", "v")
    payload = conn.cmd("DUMP", "other")
    with server.connect() as waiter:
        send_and_block(conn, waiter, "XREAD", "BLOCK", "0", "STREAMS", "s", "$")
        conn.cmd("RESTORE", "s", "0", payload)
        assert waiter.read() == [[b"s", [[b"5-1", [b"f", b"v"]]]]]


def test_timeout_and_transaction_do_not_hang(conn):
    assert conn.cmd("XREAD", "BLOCK", "10", "STREAMS", "s", "$") == NullArray()
    conn.cmd("MULTI")
    conn.cmd("XREAD", "BLOCK", "0", "STREAMS", "s", "$")
    assert conn.cmd("EXEC") == [NullArray()]


# ---- effects ----

def recorded(path):
    reader = Reader()
    reader.feed(path.read_bytes())
    commands = []
    while (command := reader.next()) is not INCOMPLETE:
        commands.append(command)
    return commands


def full(conn, key):
    """Everything that a replay must give again; when a consumer was seen is not part of it."""
    def clean(item):
        if isinstance(item, list) and item[:1] == [b"name"] and b"seen-time" in item:
            return [x for k, v in zip(item[::2], item[1::2]) if k not in (b"seen-time", b"active-time") for x in (k, v)]
        return [clean(x) for x in item] if isinstance(item, list) else item
    reply = clean(conn.cmd("XINFO", "STREAM", key, "FULL", "COUNT", "0"))
    return [pair for pair in zip(reply[::2], map(clean, reply[1::2])) if pair[0] not in (b"radix-tree-keys", b"radix-tree-nodes")]


def busy_hour(server, conn):
    """All that depends on clocks, on blocks, or on who is first."""
    for name in ("g", "h"):
        conn.cmd("XGROUP", "CREATE", "s", name, "0", "MKSTREAM")
    for i in range(300):
        conn.cmd("XADD", "s", *(["MAXLEN", "~", "150"] if i % 3 else ["MINID", "~", "5"]), "*", "f", str(i), "g", "x" * (i % 90))
        if i % 2:
            conn.cmd("XREADGROUP", "GROUP", "g", f"c{i % 3}", "COUNT", "2", *(["NOACK"] if i % 7 == 0 else []), "STREAMS", "s", ">")
        if i % 10 == 0:
            ids = [entry[0] for entry in conn.cmd("XRANGE", "s", "-", "+", "COUNT", "9")]
            conn.cmd("XDEL", "s", ids[-1])
            conn.cmd("XACK", "s", "g", ids[0])
            conn.cmd("XREADGROUP", "GROUP", "g", "c1", "COUNT", "3", "STREAMS", "s", "0")
            conn.cmd("XCLAIM", "s", "g", "c2", "0", *ids[2:6], "IDLE", "100", "FORCE")
            conn.cmd("XAUTOCLAIM", "s", "g", "c0", "0", "-", "COUNT", "4")
    with server.connect() as waiter:
        conn.cmd("XREADGROUP", "GROUP", "h", "w", "STREAMS", "s", ">")
        send_and_block(conn, waiter, "XREADGROUP", "GROUP", "h", "w2", "BLOCK", "0", "STREAMS", "s", ">")
        conn.cmd("XADD", "s", "*", "last", "one")
        waiter.read()
    conn.cmd("XTRIM", "s", "MAXLEN", "~", "120")


@pytest.mark.parametrize("twin", ["own", REDIS])
def test_effects_replayed(start_server, tmp_path, twin):
    path = tmp_path / "effects"
    server = start_server(debug_effects_file=path)
    with server.connect() as conn:
        busy_hour(server, conn)
        expected = full(conn, "s")
    server.stop()
    other = start_server() if twin == "own" else start_server(REDIS)
    with other.connect() as conn:
        for command in recorded(path):
            reply = conn.cmd(*command)
            assert not isinstance(reply, Error), (command, reply)
        assert full(conn, "s") == expected


# ---- payloads ----

NODE = b"\1" + rdb.text(bytes(7) + b"\5" + bytes(8)) + rdb.text(rdb.listpack(2, 0, 1, b"f", 0, 2, 0, 0, b"v", 4, 2, 0, 1, b"w", 4))
HEAD = NODE + b"\2\5\1\5\0\0\0\2"  # two entries, last 5-1, first 5-0, none deleted, two added
ID0, ID1, NOW = bytes(7) + b"\5" + bytes(8), bytes(7) + b"\5" + bytes(7) + b"\1", b"\0\1\0\0\0\0\0\0"


def group(pending, *consumers):
    return b"\1" + rdb.text(b"g") + b"\5\1\2" + bytes([len(pending)]) + \
        b"".join(id + NOW + b"\1" for id in pending) + bytes([len(consumers)]) + \
        b"".join(rdb.text(name) + NOW + bytes([len(ids)]) + b"".join(ids) for name, ids in consumers)


def test_a_forged_payload_that_is_sound(conn):
    value = HEAD + group([ID0, ID1], (b"a", [ID1]), (b"b", [ID0]))
    assert conn.cmd("RESTORE", "s", "0", rdb.payload(19, value)) == b"OK"
    assert [item[:2] for item in conn.cmd("XPENDING", "s", "g", "-", "+", "9")] == [[b"5-0", b"b"], [b"5-1", b"a"]]


@pytest.mark.parametrize("value", [
    HEAD + group([ID0], (b"a", [ID0]), (b"b", [ID0])),  # one entry, two owners
    HEAD + group([ID0], (b"a", [ID0, ID0])),
    HEAD + group([ID0, ID1], (b"a", [ID0])),  # nobody's
    HEAD + group([ID0], (b"a", [ID0, ID1])),  # not pending
    HEAD + group([ID0, ID0], (b"a", [ID0])),
    HEAD + group([ID1, ID0], (b"a", [ID0, ID1])),
    HEAD + group([], (b"a", []), (b"a", [])),
    NODE + b"\3\5\1\5\0\0\0\3\0",  # a wrong length
    NODE + b"\2\4\1\5\0\0\0\2\0",  # a last ID below the entries
    NODE + b"\2\5\1\5\0\0\0\1\0",  # fewer added than there are
    b"\2" + NODE[1:] + NODE[1:] + b"\4\5\1\5\0\0\0\4\0",  # a node twice
    HEAD + b"\x81" + b"\xff" * 8,
    HEAD + b"\1" + rdb.text(b"g") + b"\5\1\2\x81" + b"\xff" * 8,
    HEAD + b"\0\0",  # left over
], ids=range(14))
def test_forged_payloads_are_refused(conn, value):
    assert conn.cmd("RESTORE", "s", "0", rdb.payload(19, value)) == b"ERR Bad data format"
    assert conn.cmd("EXISTS", "s") == 0


def test_dump_cut_anywhere_is_refused(conn):
    conn.cmd("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
    for i in range(1, 8):
        conn.cmd("XADD", "s", f"{i}-1", "f", "value", "n", str(i))
    conn.cmd("XREADGROUP", "GROUP", "g", "c", "COUNT", "3", "STREAMS", "s", ">")
    value = conn.cmd("DUMP", "s")[1:-10]
    for end in range(len(value)):
        assert isinstance(conn.cmd("RESTORE", "t", "0", rdb.payload(19, value[:end])), Error)
    assert conn.cmd("RESTORE", "t", "0", rdb.payload(19, value)) == b"OK"
    assert conn.cmd("XRANGE", "t", "-", "+") == conn.cmd("XRANGE", "s", "-", "+")


def node(fields, entries):
    """As Redis writes it: the shared fields once, however many entries there are."""
    words = [len(entries), 0, len(fields), *fields, 0] + [word for entry in entries for word in entry]
    return b"\1" + rdb.text(bytes(7) + b"\5" + bytes(8)) + rdb.text(rdb.listpack(*words))


@pytest.mark.parametrize("other", [[], [[0, 0, 0, 1, b"x", b"y", 6]]], ids=["alike", "first-unlike"])
def test_shared_fields_are_held_once(server, conn, other):
    """A field's name that a payload has once must not be there once for each of its entries."""
    name, count = b"n" * 100_000, 5_000
    entries = other + [[2, 0, i, b"v", 4] for i in range(1, count)]
    head = rdb.length(len(entries)) + b"\5" + rdb.length(count) + b"\5\0\0\0" + rdb.length(len(entries)) + b"\0"
    conn.cmd("CONFIG", "SET", "stream-node-max-bytes", "4096")
    assert conn.cmd("RESTORE", "s", "0", rdb.payload(19, node([name], entries) + head)) == b"OK"
    assert conn.cmd("XLEN", "s") == len(entries)
    assert conn.cmd("MEMORY", "USAGE", "s", "SAMPLES", "0") < 2_000_000
    assert conn.cmd("XREVRANGE", "s", "+", "-", "COUNT", "1") == [[b"5-%d" % (count - 1), [name, b"v"]]]
    again = conn.cmd("DUMP", "s")
    assert len(again) < 1_000_000 and conn.cmd("RESTORE", "t", "0", again) == b"OK"
    assert conn.cmd("XRANGE", "t", "-", "5-9") == conn.cmd("XRANGE", "s", "-", "5-9")
