"""Streams on all reactors at once: every entry goes to each group once, readers see all in order, and
the log gives the same streams again."""
import itertools
import os
import threading
import time
from collections import Counter

import pytest

from lib.resp import INCOMPLETE, Error, NullArray, Reader, encode
from lib.storm import StormBase
from lib.wait import wait_until

SECONDS = float(os.environ.get("STORM_SECONDS", "4"))
KEPT = [f"kept{i}" for i in range(3)]  # only ever added to
WILD = [f"wild{i}" for i in range(3)]  # deleted, renamed, trimmed
GROUPS = ["g", "h"]


class Storm(StormBase):
    def __init__(self, server):
        super().__init__(server, SECONDS)
        self.numbers = itertools.count()
        self.added = {key: [] for key in KEPT}
        self.seen = {key: [] for key in KEPT}  # by XREAD
        self.delivered, self.claimed = [], set()

    def note(self, group, reply):
        """What a consumer got: [[stream, entries] …]."""
        with self.lock:
            self.delivered += [(group, entry[1][1]) for _, entries in reply for entry in entries]

    def add(self, rng):
        with self.server.connect() as conn:
            while not self.over():
                key, value = rng.choice(KEPT + WILD), b"%d" % next(self.numbers)
                options = ["MAXLEN", "~", "50"] if key in WILD and rng.random() < 0.3 else []
                add = ["XADD", key, *options, "*", "n", value]
                if rng.random() < 0.2:
                    group, me = rng.choice(GROUPS), "exec"
                    read = ["XREADGROUP", "GROUP", group, me, "BLOCK", "0", "STREAMS", rng.choice(KEPT), ">"]
                    conn.send(encode(["MULTI"]) + encode(add) + encode(read) + encode(["EXEC"]))
                    id, got = [conn.read() for _ in range(4)][-1]
                    if not isinstance(got, NullArray):
                        self.note(group, got)
                else:
                    id = conn.cmd(*add)
                assert not isinstance(id, Error), id
                if key in KEPT:
                    with self.lock:
                        self.added[key].append(value)

    def consume(self, rng):
        me = f"c{rng.random()}"
        with self.server.connect() as conn:
            self.ids.append(conn.cmd("CLIENT", "ID"))
            while not self.over():
                group, keys = rng.choice(GROUPS), rng.sample(KEPT, rng.randint(1, 3))
                if rng.random() < 0.3:
                    keys = [rng.choice(WILD)]
                reply = conn.cmd("XREADGROUP", "GROUP", group, me, "COUNT", rng.randint(1, 3), "BLOCK",
                                 rng.choice(["1", "20", "200"]), "STREAMS", *keys, *[">"] * len(keys))
                if isinstance(reply, (NullArray, Error)):
                    assert not isinstance(reply, Error) or reply.startswith((b"UNBLOCKED", b"NOGROUP")), reply
                    continue
                self.note(group, reply)
                if rng.random() < 0.5:
                    for key, entries in reply:
                        conn.cmd("XACK", key, group, *[entry[0] for entry in entries])

    def claim(self, rng):
        me = f"claimer{rng.random()}"
        with self.server.connect() as conn:
            while not self.over():
                key, group = rng.choice(KEPT + WILD), rng.choice(GROUPS)
                if rng.random() < 0.5:
                    reply = conn.cmd("XAUTOCLAIM", key, group, me, "0", "-", "COUNT", rng.randint(1, 5))
                    entries = reply if isinstance(reply, Error) else reply[1]
                else:
                    pending = conn.cmd("XPENDING", key, group, "-", "+", "5")
                    ids = pending if isinstance(pending, Error) else [item[0] for item in pending]
                    if not ids:
                        continue
                    entries = ids if isinstance(ids, Error) else conn.cmd("XCLAIM", key, group, me, "0", *ids)
                if isinstance(entries, Error):
                    assert entries.startswith(b"NOGROUP"), entries
                    continue
                with self.lock:
                    self.claimed |= {(group, entry[1][1]) for entry in entries}
                if entries and rng.random() < 0.5:
                    conn.cmd("XACK", key, group, *[entry[0] for entry in entries])

    def read(self, key):
        """Nothing is missed, nothing comes twice, order holds."""
        last = "0"
        with self.server.connect() as conn:
            while not self.over():
                reply = conn.cmd("XREAD", "COUNT", "7", "BLOCK", "100", "STREAMS", "none", key, "$", last)
                if not isinstance(reply, NullArray):
                    self.seen[key] += [entry[1][1] for entry in reply[0][1]]
                    last = reply[0][1][-1][0]

    def disturb(self, rng):
        with self.server.connect() as conn:
            while not self.over():
                what, key = rng.random(), rng.choice(WILD)
                if what < 0.2:
                    conn.cmd("DEL", key)
                elif what < 0.4:
                    conn.cmd("RENAME", key, rng.choice(WILD))
                elif what < 0.5:
                    conn.cmd("XTRIM", key, "MAXLEN", "~", "10")
                elif what < 0.55:
                    conn.cmd("CLIENT", "PAUSE", "5", "WRITE")
                elif self.ids:
                    conn.cmd("CLIENT", "UNBLOCK", rng.choice(self.ids), rng.choice(["TIMEOUT", "ERROR"]))
                conn.cmd("XGROUP", "CREATE", key, rng.choice(GROUPS), "0", "MKSTREAM")
                time.sleep(0.002)

    def kill(self, rng):
        """Victims: what they get stays pending until somebody claims it."""
        while not self.over():
            victim, killer = self.server.connect(), self.server.connect()
            number = victim.cmd("CLIENT", "ID")
            victim.send(encode(["XREADGROUP", "GROUP", rng.choice(GROUPS), "victim", "COUNT", "1", "BLOCK", "0",
                                "STREAMS", *KEPT, ">", ">", ">"]))
            if rng.random() < 0.5:
                time.sleep(rng.random() / 50)
            if rng.random() < 0.7:
                assert killer.cmd("CLIENT", "KILL", "ID", number) in (0, 1)
            victim.close()
            killer.close()

    def drain(self, conn):
        for group in GROUPS:
            reply = conn.cmd("XREADGROUP", "GROUP", group, "last", "STREAMS", *KEPT, *[">"] * len(KEPT))
            if not isinstance(reply, NullArray):
                self.note(group, reply)


def values(entries):
    return [entry[1][1] for entry in entries]


def check_group(conn, storm, key, group):
    """Who has not got an entry from its reader has it pending, or it went on from there."""
    ids = {entry[0]: entry[1][1] for entry in conn.cmd("XRANGE", key, "-", "+")}
    pending = conn.cmd("XPENDING", key, group, "-", "+", "1000000")
    summary = conn.cmd("XPENDING", key, group)
    assert summary[0] == len(pending) == sum(int(count) for _, count in summary[3] or [])
    known = {value for who, value in storm.delivered if who == group} | \
        {value for who, value in storm.claimed if who == group} | {ids[item[0]] for item in pending}
    assert set(ids.values()) <= known


def everything(conn):
    def clean(item):
        if not isinstance(item, list):
            return item
        pairs = list(zip(item[::2], item[1::2]))
        if item[:1] in ([b"name"], [b"length"]):
            gone = (b"seen-time", b"active-time", b"radix-tree-keys", b"radix-tree-nodes")
            return [(name, clean(value)) for name, value in pairs if name not in gone]
        return [clean(x) for x in item]
    return {key: clean(conn.cmd("XINFO", "STREAM", key, "FULL", "COUNT", "0")) for key in sorted(conn.cmd("KEYS", "*"))}


def replayed(path, server):
    reader = Reader()
    reader.feed(path.read_bytes())
    commands = []
    while (command := reader.next()) is not INCOMPLETE:
        commands.append(command)
    with server.connect() as conn:
        for at in range(0, len(commands), 500):
            for command, reply in zip(commands[at:at + 500], conn.pipeline(commands[at:at + 500])):
                assert not isinstance(reply, Error), (command, reply)
        return everything(conn)


@pytest.mark.tokamak
@pytest.mark.parametrize("mode", ["striped", "exclusive"])
def test_every_entry_goes_to_each_group_once(start_server, tmp_path, mode):
    path = tmp_path / "effects"
    server = start_server(io_threads=4, shards=64, exec_mode=mode, debug_effects_file=path)
    storm = Storm(server)
    with server.connect() as conn:
        for key, group in itertools.product(KEPT + WILD, GROUPS):
            conn.cmd("XGROUP", "CREATE", key, group, "0", "MKSTREAM")
    works = [storm.add] * 4 + [storm.consume] * 5 + [storm.claim] * 2 + [storm.kill] * 2 + [storm.disturb]
    threads = [threading.Thread(target=storm.run, args=pair) for pair in zip(works, range(100))]
    threads += [threading.Thread(target=storm.run, args=(lambda rng, key=key: storm.read(key), 0)) for key in KEPT]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not storm.failures
    with server.connect() as conn:
        assert wait_until(lambda: b"blocked_clients:0\r\n" in conn.cmd("INFO", "clients"), 20)
        conn.cmd("CLIENT", "UNPAUSE")
        storm.drain(conn)
        for key in KEPT:
            entries = values(conn.cmd("XRANGE", key, "-", "+"))
            assert Counter(entries) == Counter(storm.added[key])
            assert storm.seen[key] == entries[:len(storm.seen[key])] and storm.seen[key]
            for group in GROUPS:
                check_group(conn, storm, key, group)
        expected = everything(conn)
    assert len(storm.delivered) > 100 and storm.claimed
    assert max(Counter(storm.delivered).values()) == 1
    server.stop()
    assert replayed(path, start_server()) == expected
