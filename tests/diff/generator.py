"""Seeded random commands: few hot keys, all types on them, edge numbers, and some broken forms.

Times to live are far away or past and never close to each other, so that the two servers' clocks,
a few milliseconds apart, cannot change any outcome.
"""
import random
import time

from diff.commands import BLOCKING, FAMILIES, NOT_IN_REDIS, WEIGHTS
from diff.grammar import Template
from lib import rdb
from diff.random_replies import HANDLERS

INT64_MAX = (1 << 63) - 1
EDGES = [-INT64_MAX - 1, -1, 0, 1, (1 << 31) - 1, (1 << 31) + 1, 1 << 32, 1 << 62, INT64_MAX]
ODD_NUMBERS = [b"", b" 1", b"1 ", b"+1", b"01", b"-0", b"1.5", b"abc", b"9223372036854775808", b"0x10"]
FLOATS = [b"0", b"1", b"-1", b"0.1", b"3.0", b"1.5", b"-2.75", b"1e3", b"1e-5", b"123456789.123",
          b"1e17", b"0.30000000000000004", b"5e-324", b"1e308"]
ODD_FLOATS = [b"inf", b"-inf", b"+inf", b"nan", b"", b"1e400", b"0x1p3", b" 1", b"1a", b"-1e-400", b"infinity"]
# A node of two entries, 600-4 and 600-5, and a deleted one.
STREAM = b"\1" + rdb.text(bytes(6) + b"\2\x58" + bytes(7) + b"\3") + rdb.text(rdb.listpack(
    2, 1, 1, b"a", 0, 3, 0, 0, b"gone", 4, 2, 0, 1, b"v", 4, 0, 0, 2, 1, b"b", 5, 6))
PAYLOADS = [
    (0, rdb.text(b"restored")), (0, rdb.lzf(b"text " * 30)), (1, rdb.strings(b"m1", b"7")), (2, rdb.strings(b"m2", b"8")),
    (2, rdb.strings(b"1", b"2")), (3, b"\1\2m1\0031.5"), (4, b"\1\2m1\1x"), (9, rdb.text(rdb.zipmap((b"m3", b"y")))),
    (10, rdb.text(rdb.ziplist(b"m1", 5, b"m2"))), (11, rdb.text(rdb.intset(2, 1, 5, 9))),
    (12, rdb.text(rdb.ziplist(b"m1", 2))), (13, rdb.text(rdb.ziplist(b"m1", -70000))),
    (16, rdb.text(rdb.listpack(b"m5", b"6"))), (17, rdb.text(rdb.listpack(b"m5", b"6.5"))),
    (15, STREAM + b"\2\x42\x58\5\0"), (19, STREAM + b"\2\x42\x58\5\x42\x58\4\0\0\7\0"),
    (19, b"\0\0\1\0\0\0\0\0\0\0"),
    (18, b"\2\2" + rdb.text(rdb.listpack(b"m1")) + b"\1\2m2"), (5, b"\1"), (2, rdb.strings(b"a", b"a")),
]
TYPED_FAMILIES = ("string", "list", "hash", "set", "zset", "stream")
KEYED_FAMILIES = TYPED_FAMILIES + ("hll",)
KEYS_PER_FAMILY = 5
BLOCK_MAX = 10
# Left out of MULTI blocks: what has a random reply, and forms that 7.2 accepts but 7.0 refuses, which aborts the block.
NOT_IN_BLOCKS = set(HANDLERS) | {b"ZRANK", b"ZREVRANK", b"CLIENT", b"COMMAND"}
PROTECTED = (b"PX", b"PXAT", b"EX", b"EXAT", b"PEXPIREAT", b"EXPIREAT", b"PEXPIRE", b"EXPIRE", b"SETEX", b"PSETEX",
             b"COUNT", b"SETBIT", b"SETRANGE", b"BITFIELD")


class Generator:
    """An endless source of commands; equal seeds give equal commands."""

    def __init__(self, seed, families=None, exclude=()):
        self.rng = random.Random(seed)
        self.base_s = int(time.time())
        names = [name for name in FAMILIES if (name in families if families else name not in NOT_IN_REDIS)]
        self.templates = {name: self._templates(name, exclude) for name in names}
        self.names = [name for name in names if self.templates[name]]
        self.blocking = [(family, Template(line)) for family, lines in BLOCKING.items() if family in names
                         for line in lines.split("\n")[1:-1] if Template(line).name not in exclude]
        self.weights = [WEIGHTS[name] for name in self.names]
        self.family = "string"
        self.stream_ms = 1  # of the newest stream IDs
        self.block = None  # commands left until EXEC, inside MULTI
        self.draws = {name[5:]: getattr(self, name) for name in dir(self) if name.startswith("draw_")}

    @staticmethod
    def _templates(family, exclude):
        parsed = map(Template, FAMILIES[family].split("\n")[1:-1])
        return [template for template in parsed if template.name not in exclude]

    def command(self):
        """One command: a list of byte strings."""
        if self.block is None:
            command = self._any_command()
            if [arg.upper() for arg in command] == [b"MULTI"]:
                self.block = self.rng.randint(0, BLOCK_MAX)
            return command
        return self._command_in_block()

    def _command_in_block(self):
        """Nothing whose reply is random: EXEC's reply is compared as a whole."""
        command = [self.rng.choice([b"EXEC"] * 6 + [b"DISCARD"])]
        if self.block > 0:
            command = self._any_command()
            while command[0].upper() in NOT_IN_BLOCKS:
                command = self._any_command()
            if self.blocking and self.rng.random() < 0.1:
                self.family, template = self.rng.choice(self.blocking)
                command = template.expand(self.rng, self.draw)
        self.block = None if command[0].upper() in (b"EXEC", b"DISCARD") and len(command) == 1 else self.block - 1
        return command

    def _any_command(self):
        self.family = self.rng.choices(self.names, self.weights)[0]
        template = self.rng.choice(self.templates[self.family])
        args = template.expand(self.rng, self.draw)
        if self.family == "lex" or self.rng.random() > 0.05:
            return args
        return self._mutate(args)

    def draw(self, name):
        value = self.draws[name]()
        return value if isinstance(value, list) else [value]

    def _mutate(self, args):
        """Wrong arity, wrong words, odd case: what a confused client might send."""
        where = self.rng.randrange(1, len(args) + 1)
        kind = self.rng.randrange(5)
        if kind == 0:
            return args[:where]
        if kind == 1:
            return args[:where] + [self.draw_v()] + args[where:]
        if kind == 2:
            return [arg.lower() if arg.isalpha() else arg for arg in args]
        if kind == 3 or any(word in args for word in PROTECTED):
            return args + [self.rng.choice(args)]
        return args[:where] + [self.rng.choice(ODD_NUMBERS)] + args[where + 1:]

    # placeholders: draw_<name>() for each lower-case word of commands.py

    def draw_k(self):
        """Mostly a key of the command's own family, sometimes another type's."""
        family = self.family
        if family == "lex":
            return self.draw_lexstring() if self.rng.random() < 0.03 else b"lex:%d" % self.rng.randrange(4)
        if family == "geo":
            return b"geo:%d" % self.rng.randrange(3)
        if family == "newer":
            family = self.rng.choice(("string", "string", "string", "set", "zset"))
        if family not in KEYED_FAMILIES or self.rng.random() < 0.06:
            family = self.rng.choice(TYPED_FAMILIES)
        return b"%s:%d" % (family.encode(), self.rng.randrange(KEYS_PER_FAMILY))

    def draw_lexstring(self):
        """The one key of a wrong type that range-by-member commands may meet."""
        return b"lex:string"

    def draw_anyk(self):
        return b"nokey" if self.rng.random() < 0.05 else self.draw_k()

    def draw_nkeys(self):
        count = self.rng.randint(1, 3)
        told = count if self.rng.random() < 0.9 else self.rng.choice([0, -1, count + 1, count - 1, 1 << 62])
        return [b"%d" % told] + [self.draw_k() for _ in range(count)]

    def draw_v(self):
        roll = self.rng.random()
        if roll < 0.5:
            return self.draw_m()
        if roll < 0.7:
            return self.draw_int()
        if roll < 0.9:
            return self.rng.randbytes(self.rng.randint(0, 12))
        return bytes([self.rng.randrange(256)]) * self.rng.choice([44, 45, 63, 64, 65, 128, 300, 2000])

    def draw_m(self):
        return b"m%d" % self.rng.randrange(24) if self.rng.random() < 0.8 else self.draw_small()

    def draw_int(self):
        roll = self.rng.random()
        if roll < 0.7:
            return b"%d" % self.rng.randint(-100, 1000)
        return b"%d" % self.rng.choice(EDGES) if roll < 0.93 else self.rng.choice(ODD_NUMBERS)

    def draw_small(self):
        return b"%d" % self.rng.randint(0, 20)

    def draw_float(self):
        roll = self.rng.random()
        if roll < 0.4:
            return b"%.3g" % self.rng.uniform(-100, 100)
        return self.rng.choice(FLOATS if roll < 0.93 else ODD_FLOATS)

    def draw_score(self):
        return b"%d" % self.rng.randint(-5, 10) if self.rng.random() < 0.6 else self.draw_float()

    def draw_idx(self):
        return b"%d" % self.rng.randint(-8, 12) if self.rng.random() < 0.85 else self.draw_int()

    def draw_cnt(self):
        return b"%d" % self.rng.randint(0, 6) if self.rng.random() < 0.85 else self.rng.choice(
            [b"-1", b"-5", b"100", b"4294967296", b"9223372036854775807", b"-9223372036854775808", b"x", b""])

    draw_lim = draw_idx

    def draw_off(self):
        return b"%d" % self.rng.randint(0, 600) if self.rng.random() < 0.9 else self.rng.choice(
            [b"-1", b"4294967295", b"4294967296", b"9223372036854775807", b"x", b"1073741824", b"#3"])

    def draw_bit(self):
        return self.rng.choice([b"0", b"1", b"1", b"0", b"2", b"x"])

    def draw_type(self):
        return self.rng.choice([b"u8", b"i8", b"u16", b"i5", b"u1", b"u63", b"i64", b"u64", b"i0", b"x"])

    def draw_bound(self):
        prefix = b"(" if self.rng.random() < 0.25 else b""
        roll = self.rng.random()
        return prefix + (self.draw_score() if roll < 0.8 else self.rng.choice([b"-inf", b"+inf", b"inf", b"x"]))

    def draw_lex(self):
        roll = self.rng.random()
        if roll < 0.3:
            return self.rng.choice([b"-", b"+"])
        return (b"[" if roll < 0.65 else b"(" if roll < 0.96 else b"") + self.draw_m()

    def draw_pattern(self):
        return self.rng.choice([b"*", b"m*", b"*1*", b"[ls]*:?", b"string:*", b"?", b"\\m1", b"[^m]*", b"[a-",
                                b"", b"nothing", b"*" * 10 + b"x", b"[0-9]", b"zset:[1-3]"])

    def draw_many(self):
        """Enough elements to fill a sparse HyperLogLog in a few commands."""
        return [b"e%d" % self.rng.randrange(1 << 20) for _ in range(200)]

    def draw_forged(self):
        """An empty sparse HyperLogLog, or a string that is none."""
        kind = self.rng.choice([b"\0", b"\1", b"\1", b"\2"])
        return b"HYLL" + kind + bytes(10) + self.rng.choice([b"\0", b"\x80"]) + b"\x7f\xff"

    def draw_newid(self):
        """Mostly above all others: the stream's own next one within a growing time."""
        self.stream_ms += self.rng.random() < 0.4
        roll = self.rng.random()
        if roll < 0.9:
            return b"%d-*" % self.stream_ms
        return b"%d-%d" % (self.stream_ms, self.rng.randrange(9)) if roll < 0.97 else self.draw_sid()

    def draw_topid(self):
        """Never below a deleted ID: 7.0 would take one that 7.2 refuses, and the data would differ."""
        return b"%d-99" % self.stream_ms

    def draw_sid(self):
        """An ID that may be there, an incomplete one, or none."""
        if self.rng.random() < 0.04:
            return self.rng.choice([b"0-0", b"-", b"+", b"(1", b"1-", b"-1", b"1-x", b"0-*", b"", b"1-2-3",
                                    b"18446744073709551615-18446744073709551615", b"18446744073709551616-1"])
        ms = max(0, self.stream_ms - int(self.rng.expovariate(0.1)))
        return b"%d" % ms if self.rng.random() < 0.2 else b"%d-%d" % (ms, self.rng.randrange(5))

    def draw_sbound(self):
        return self.rng.choice([b"-", b"+", self.draw_sid(), b"(" + self.draw_sid()])

    def draw_group(self):
        return b"g%d" % self.rng.randrange(3)

    def draw_consumer(self):
        return b"c%d" % self.rng.randrange(3)

    def draw_idle(self):
        return self.rng.choice([b"0", b"0", b"-1", b"1000000000", b"x"] if self.rng.random() < 0.3 else [b"0"])

    def draw_weight(self):
        """Always with a star: sorting a set by nothing has no order to compare."""
        return self.rng.choice([b"*", b"m*", b"string:*", b"hash:*->m1", b"string:*x"])

    def draw_place(self):
        """Longitude and latitude: random, so that no two distances are equal; now and then impossible."""
        if self.rng.random() < 0.05:
            return [self.draw_float(), self.draw_float()]
        return [b"%.9f" % self.rng.uniform(-180, 180), b"%.9f" % self.rng.uniform(-85, 85)]

    def draw_extent(self):
        roll = self.rng.random()
        return b"%.6g" % 10 ** self.rng.uniform(0, 8) if roll < 0.9 else self.draw_float()

    def draw_unit(self):
        return self.rng.choice([b"m", b"km", b"KM", b"mi", b"ft", b"x"] if self.rng.random() < 0.3 else [b"km"])

    def draw_payload(self):
        """A value in an encoding of any age."""
        return rdb.payload(*self.rng.choice(PAYLOADS))

    def draw_typename(self):
        return self.rng.choice([b"string", b"list", b"hash", b"set", b"zset", b"stream", b"ZSET", b"x"])

    def draw_db(self):
        return self.rng.choice([b"0"] * 8 + [b"1", b"1", b"2", b"16", b"-1", b"x"])

    def draw_sec(self):
        return self._far_time(1)

    def draw_ms(self):
        return self._far_time(1000)

    def draw_at(self):
        return b"%d" % (self.base_s + self.rng.randrange(10_000, 1_000_000_000))

    def draw_atms(self):
        return b"%d" % ((self.base_s + self.rng.randrange(10_000, 1_000_000_000)) * 1000)

    def draw_past(self):
        return self.rng.choice([b"0", b"-1", b"-1000", b"-9223372036854775808"])

    def _far_time(self, unit):
        """Hours to decades, now and then impossible."""
        if self.rng.random() < 0.06:
            return self.rng.choice([b"0", b"-1", b"9223372036854775807", b"-9223372036854775808", b"x", b"1.5"])
        return b"%d" % (self.rng.randrange(10_000, 1_000_000_000) * unit)
