"""The effects of commands on members that expire, replayed into an empty twin, must give the same members and the
same times; and what expires while nobody replays must reach the log by itself."""
import time

import pytest

from diff.dump import dump
from diff.generator import Generator
from diff.grammar import Template
from diff.test_effects import BATCH, LIMITS, assert_equal_data, recorded_commands, recording, replay  # noqa: F401

COMMANDS = 12_000
TEMPLATES = {
    "hash": """
HEXPIRE k sec FIELDS 1 m
HEXPIRE k sec FIELDS 3 m m m
HPEXPIRE k ms (NX|XX|GT|LT) FIELDS 2 m m
HEXPIREAT k at [NX|XX|GT|LT] FIELDS 1 m
HPEXPIREAT k atms FIELDS 1 m
HPEXPIREAT k 1 FIELDS 2 m m
HPERSIST k FIELDS 2 m m
HGETEX k [EX sec|PX ms|EXAT at|PXAT atms|PERSIST] FIELDS 2 m m
HSETEX k [FNX|FXX] [EX sec|PX ms|EXAT at|PXAT atms|KEEPTTL] FIELDS 2 m v m v
HSETEX k [NX|XX] PX ms FIELDS 1 m int
HSETEX k PXAT 1 FIELDS 1 m v
HGETDEL k FIELDS 2 m m
HINCRBY k m int
HINCRBYFLOAT k m float
EXPIREMEMBER k m sec
""",
    "set": """
SADDEX k sec m
SADDEX k [KEEPTTL] sec m m m
SADDEX k KEEPTTL sec m m
FIELDEXPIRE k sec m m
EXPIREMEMBER k m sec
EXPIREMEMBER k m past
EXPIREMEMBERAT k m at
PEXPIREMEMBERAT k m atms
SPOP k [small]
SADD k m m
""",
    "zset": """
ZEXPIRE k sec [NX|XX|GT|LT] MEMBERS 2 m m
ZPEXPIREAT k atms MEMBERS 1 m
ZEXPIREAT k at MEMBERS 1 m
ZPEXPIREAT k 1 MEMBERS 1 m
ZPERSIST k MEMBERS 2 m m
EXPIREMEMBER k m ms ms
ZADD k [NX|XX] [CH] score m score m
ZADD k INCR score m
ZPOPMIN k
""",
}


class MemberGenerator(Generator):
    """Every other command is one of the above, unbroken: a small number in the place of a time would expire during
    the test, and the replay comes later."""

    def __init__(self, seed):
        super().__init__(seed, families=("generic", "hash", "set", "zset"))
        self.members = {family: [Template(line) for line in text.split("\n")[1:-1]] for family, text in TEMPLATES.items()}

    def command(self):
        if self.rng.random() < 0.5:
            return self._any_command()
        self.family = self.rng.choice(list(self.members))
        return self.rng.choice(self.members[self.family]).expand(self.rng, self.draw)


def member_times(server):
    """{(db, key): {member: deadline}}, in seconds, of all members that have one."""
    times = {}
    for (db, key), entry in dump(server).items():
        if entry.kind not in (b"hash", b"set", b"zset"):
            continue
        members = [m[0] if isinstance(m, tuple) else m for m in
                   (entry.value.items() if isinstance(entry.value, dict) else entry.value)]
        with server.connect() as conn:
            conn.cmd("SELECT", db)
            replies = conn.pipeline([["TIME"]] + [["FIELDTTL", key, member] for member in members])
        now = int(replies[0][0])
        times[db, key] = {member: now + left for member, left in zip(members, replies[1:]) if left != -1}
    return times


def assert_same_times(ours, theirs):
    assert ours.keys() == theirs.keys()
    for where, members in ours.items():
        assert members.keys() == theirs[where].keys(), where
        for member, deadline in members.items():
            assert abs(deadline - theirs[where][member]) <= 2, (where, member)


@pytest.mark.smoke
@pytest.mark.parametrize("seed", [21, 22])
def test_replayed_effects_give_the_same_times(recording, start_server, seed):  # noqa: F811
    generator = MemberGenerator(seed)
    with recording.connect(60) as conn:
        for _ in range(COMMANDS // BATCH):
            conn.pipeline([generator.command() for _ in range(BATCH)])
    expected, times = dump(recording), member_times(recording)
    assert sum(map(len, times.values())) > 10
    recording.stop()
    commands = recorded_commands(recording.effects)
    names = {command[0].upper() for command in commands}
    assert {b"HPEXPIREAT", b"ZPEXPIREAT", b"PEXPIREMEMBERAT", b"HSETEX", b"HDEL", b"HPERSIST"} <= names
    assert not names & {b"HEXPIRE", b"HPEXPIRE", b"ZEXPIRE", b"SADDEX", b"EXPIREMEMBER", b"FIELDEXPIRE", b"HGETEX", b"HGETDEL"}
    twin = start_server(**LIMITS)
    replay(commands, twin)
    assert_equal_data(expected, twin, encodings=False)
    assert_same_times(times, member_times(twin))


def test_members_that_expire_reach_the_log(recording, start_server):  # noqa: F811
    with recording.connect() as conn:
        conn.pipeline([["HSET", "h", "a", 1, "b", 2], ["SADD", "s", "a", "b"], ["ZADD", "z", 1, "a", 2, "b"], ["HSET", "gone", "a", 1]])
        conn.pipeline([["HPEXPIRE", "h", 30, "FIELDS", 1, "a"], ["EXPIREMEMBER", "s", "a", 30, "ms"],
                       ["ZPEXPIRE", "z", 30, "MEMBERS", 1, "a"], ["HPEXPIRE", "gone", 30, "FIELDS", 1, "a"]])
        deadline = time.monotonic() + 20
        while conn.cmd("INFO", "stats").find(b"expired_subkeys:4") < 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    expected = dump(recording)
    recording.stop()
    commands = recorded_commands(recording.effects)
    for removal in ([b"HDEL", b"h", b"a"], [b"SREM", b"s", b"a"], [b"ZREM", b"z", b"a"], [b"HDEL", b"gone", b"a"]):
        assert removal in commands
    assert len(expected) == 3
    # a twin that has no clock of its own to expire by: Redis 7.0 knows none of the times
    known = [command for command in commands if b"EXPIRE" not in command[0]]
    twin = start_server(**LIMITS)
    replay(known, twin)
    assert_equal_data(expected, twin, encodings=False)
