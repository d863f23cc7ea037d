"""Random rules and random commands: Tokamak and redis-server allow and deny the same.

What ACL SETUSER answers, what ACL DRYRUN says of a command, and what really happens to it. Texts of denials differ between
7.0 and 7.2, so their kind is compared, and of DRYRUN the key or channel too. ACL_SEED and ACL_ROUNDS repeat or widen a run.
"""
import os
import random
import re

import pytest

from diff.generator import Generator
from lib.resp import Error
from lib.server import REDIS

SEED = int(os.environ.get("ACL_SEED", "1"))
ROUNDS = int(os.environ.get("ACL_ROUNDS", "60"))
COMMANDS = 150
KEYS = [b"string:*", b"list:*", b"set:*", b"z*", b"hash:1", b"*:1", b"*:[12]", b"h?sh:*", b"stream:*", b"nokey", b"*", b"geo:0",
        b"\\string:1", b"[s-z]*:[^0]", b"hll:?"]
CHANNELS = [b"ch:*", b"ch:1", b"*", b"c?:2", b"news"]
PREFIXES = [b"~", b"~", b"%R~", b"%W~", b"%RW~", b"%r~", b"%wR~"]
WORDS = [b"allkeys", b"resetkeys", b"allchannels", b"resetchannels", b"allcommands", b"nocommands", b"+@all", b"-@all", b"~*", b"&*",
         b"clearselectors", b"reset", b"on", b"off", b"nopass", b"resetpass", b">pw", b"<pw", b">other", b"", b"sanitize-payload"]
BAD = [b"+", b"-", b"+@", b"+nosuch", b"-config|nosuch", b"+config|get|x", b"%~x", b"%RR~x", b"%W", b"~a b", b"&a\tb", b"#12", b"!zz", b"x",
       b"(", b")", b"(~a", b"()", b"(on)", b"+get|", b"-select|0", b"(+nosuch)", b"(%X~a)"]
# Allowed or denied by rules of 7.0's commands.
SUBCOMMANDS = [b"config|get", b"client|id", b"client|list", b"object|freq", b"memory|usage", b"xinfo|stream", b"acl|whoami", b"command|docs"]
EXTRA = [[b"CONFIG", b"GET", b"port"], [b"CLIENT", b"ID"], [b"SELECT", b"0"], [b"SELECT", b"1"], [b"PUBLISH", b"ch:1", b"m"],
         [b"PUBLISH", b"news", b"m"], [b"SPUBLISH", b"c1:2", b"m"], [b"PING"], [b"DBSIZE"], [b"KEYS", b"nosuch"], [b"SCAN", b"0"],
         [b"SORT", b"list:1", b"BY", b"nosort", b"STORE", b"list:2"], [b"SORT", b"set:1", b"STORE", b"zzz", b"ALPHA"],
         [b"SORT", b"list:1", b"BY", b"w_*"], [b"SORT", b"list:1", b"GET", b"#"], [b"SORT_RO", b"set:1", b"GET", b"string:*", b"ALPHA"],
         [b"GEORADIUS", b"geo:1", b"1", b"1", b"5", b"km", b"STORE", b"geo:0"], [b"OBJECT", b"FREQ", b"string:1"],
         [b"XREAD", b"STREAMS", b"stream:1", b"stream:2", b"0", b"0"], [b"BITFIELD", b"string:1", b"GET", b"u4", b"0"],
         [b"BITFIELD", b"string:1", b"SET", b"u4", b"0", b"1"], [b"SET", b"string:1", b"v"], [b"SET", b"string:1", b"v", b"GET"],
         [b"COPY", b"string:1", b"string:2"], [b"LMOVE", b"list:1", b"list:2", b"LEFT", b"LEFT"], [b"MEMORY", b"USAGE", b"set:1"],
         [b"SINTERCARD", b"2", b"set:1", b"set:2"], [b"ZUNIONSTORE", b"zset:1", b"2", b"zset:2", b"set:1"],
         [b"MIGRATE", b"127.0.0.1", b"1", b"", b"0", b"1", b"KEYS", b"string:1", b"string:2"]]
DRY_ONLY = [[b"SUBSCRIBE", b"ch:1", b"ch:2"], [b"PSUBSCRIBE", b"ch:*"], [b"PSUBSCRIBE", b"ch:1"], [b"SSUBSCRIBE", b"c1:2"],
            [b"UNSUBSCRIBE", b"secret"], [b"SHUTDOWN"], [b"FLUSHALL"], [b"CONFIG", b"SET", b"port", b"1"], [b"AUTH", b"x"], [b"HELLO"],
            [b"ACL", b"DELUSER", b"default"], [b"CONFIG"], [b"NOSUCH"], [b"GET"], [b"DEBUG", b"OBJECT", b"string:1"]]
# Redis changed these between 7.0 and 7.2, or we have them of a later version.
NEWER = {b"DIGEST", b"DELEX", b"DELIFEQ", b"MSETEX", b"INCREX", b"CL.THROTTLE", b"COMMAND", b"ZRANK", b"ZREVRANK"}


def unclear(pair, command, ours, theirs):
    """Arguments that do not fit the key specs have no keys to check, and the command answers an error. Redis finds fewer keys
    then (none at all when one of several specs does not fit), or more (numkeys "1x" is 1)."""
    if theirs == b"key":
        return isinstance(pair[0].cmd("COMMAND", "GETKEYS", *command), Error)
    return ours == b"key" and isinstance(pair[1].cmd("COMMAND", "GETKEYS", *command), Error)


def shared_commands(pair):
    """Names that mean the same to both: of the same categories."""
    names = []
    for name in (row[0] for row in pair[1].cmd("COMMAND")):
        rows = [conn.cmd("COMMAND", "INFO", name)[0] for conn in pair]
        if rows[0] and sorted(rows[0][6]) == sorted(rows[1][6]):
            names.append(name)
    return names


class Rules:
    def __init__(self, rng, names, categories):
        self.rng, self.names, self.categories = rng, names, categories

    def of_selector(self):
        rng, roll = self.rng, self.rng.random()
        sign = rng.choice([b"+", b"+", b"-"])
        if roll < 0.3:
            return rng.choice(PREFIXES) + rng.choice(KEYS)
        if roll < 0.42:
            return b"&" + rng.choice(CHANNELS)
        if roll < 0.62:
            return sign + b"@" + rng.choice(self.categories)
        if roll < 0.8:
            return sign + rng.choice(self.names)
        if roll < 0.86:
            return sign + rng.choice(SUBCOMMANDS)
        if roll < 0.9:
            return rng.choice([b"+select|0", b"+get|string:1", b"+select|1", b"+SET|string:1"])
        return rng.choice(WORDS[:10])

    def any(self):
        rng, roll = self.rng, self.rng.random()
        if roll < 0.72:
            return [self.of_selector()]
        if roll < 0.84:
            inner = b" ".join(self.of_selector() for _ in range(rng.randrange(4)))
            rule = b"(" + inner + b")"
            return [rule] if rng.random() < 0.5 else rule.split(b" ")
        if roll < 0.98:
            return [rng.choice(WORDS)]
        return [rng.choice(BAD)]

    def some(self):
        rules = [rule for _ in range(self.rng.randint(1, 9)) for rule in self.any()]
        return [rng_case(self.rng, rule) for rule in rules]


def rng_case(rng, rule):
    return rule.upper() if rule[:1] in b"+-" and rng.random() < 0.1 else rule


def dry(reply):
    """The kind of a DRYRUN's reply, and what it names."""
    if isinstance(reply, Error):
        return bytes(reply)
    match = re.match(rb"(?:This user|User \S+) has no permissions to (run|access) the '(.*)' (command|key|channel)$", reply, re.S)
    return match.groups() if match else reply


def denied(reply):
    """Which kind of NOPERM; nothing when it is none."""
    if not isinstance(reply, Error):
        return None
    if b"insufficient ACL permissions" in reply:
        return bytes(reply)
    if not reply.startswith(b"NOPERM"):
        return None
    return next(kind for kind in (b"key", b"channel", b"command") if kind in reply.replace(b"run the", b"command"))


def selectors(reply):
    """GETUSER without what 7.0 computes or leaves out: the flags, and how commands are described."""
    fields = dict(zip(reply[::2], reply[1::2]))
    parts = [fields] + [dict(zip(s[::2], s[1::2])) for s in fields[b"selectors"]]
    flags = sorted(flag for flag in fields[b"flags"] if b"sanitize" not in flag)
    return flags, fields[b"passwords"], [(p[b"keys"], p[b"channels"]) for p in parts]


@pytest.fixture
def admins(start_server):
    ours, theirs = start_server(io_threads=2), start_server(REDIS)
    with ours.connect() as a, theirs.connect() as b:
        yield (ours, theirs), (a, b)


def both(pair, *command):
    return [conn.cmd(*command) for conn in pair]


def check_rules(pair, rules, log):
    ours, theirs = both(pair, "ACL", "SETUSER", "u", *rules)
    assert ours == theirs, f"SETUSER {rules}"
    log.append(rules)
    ours, theirs = both(pair, "ACL", "GETUSER", "u")
    assert (ours is None) == (theirs is None)
    if ours is not None:
        assert selectors(ours) == selectors(theirs), log


def check_dry(pair, commands, log):
    for command in commands:
        ours, theirs = both(pair, "ACL", "DRYRUN", "u", *command)
        if dry(ours) != dry(theirs) and not unclear(pair, command, dry(ours)[-1], dry(theirs)[-1]):
            raise AssertionError(f"DRYRUN {command}: {ours} / {theirs} after {log}")


def check_real(servers, pair, commands, log):
    both(pair, "ACL", "SETUSER", "u", "on", "nopass", "+multi", "-reset", "-quit", "-client|kill")
    with servers[0].connect() as a, servers[1].connect() as b:
        assert both((a, b), "AUTH", "u", "x") == [b"OK", b"OK"]
        for command in commands:
            ours, theirs = both((a, b), *command)
            if denied(ours) != denied(theirs) and \
                    not (unclear(pair, command, denied(ours), denied(theirs)) and isinstance(ours, Error)):
                raise AssertionError(f"{command}: {ours!r} / {theirs!r} after {log}")


@pytest.mark.tokamak
def test_random_rules_and_commands(admins):
    servers, pair = admins
    rng = random.Random(SEED)
    rules = Rules(rng, shared_commands(pair), pair[1].cmd("ACL", "CAT"))
    exclude = NEWER | {b"MULTI", b"EXEC", b"RESET", b"HELLO", b"AUTH", b"CLIENT", b"QUIT"}
    generator = Generator(SEED, exclude=exclude)
    log = []
    for _ in range(ROUNDS):
        if rng.random() < 0.3:
            both(pair, "ACL", "DELUSER", "u")
            log = []
        check_rules(pair, rules.some(), log)
        if pair[1].cmd("ACL", "GETUSER", "u") is None:
            continue
        commands = [generator.command() for _ in range(COMMANDS)] + EXTRA
        known = [c for c in commands if c[0] and c[0].upper() not in NEWER]
        check_dry(pair, known + DRY_ONLY, log)
        check_real(servers, pair, known, log)
