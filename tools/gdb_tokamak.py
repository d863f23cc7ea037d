"""Printers and commands for gdb; tokamak.gdb loads them. They follow the layouts of store/entry.h and ds/table.h."""
import struct

import gdb

TYPES = ["string", "list", "set", "zset", "hash", "stream"]
ENCODINGS = ["inline", "int", "blob", "packed", "intset", "table", "tree", "deque", "short deque", "stream"]
EXPIRES, TEXT_MAX = 1, 64


def memory(address, size):
    return bytes(gdb.selected_inferior().read_memory(int(address), size)) if size else b""


def text_of(data, size):
    """At most TEXT_MAX bytes as they may be printed."""
    return repr(data[:TEXT_MAX])[1:] + ("…" if size > TEXT_MAX else "")


class Entry:
    """struct entry, taken apart: header, key length, expiry, key, value."""

    def __init__(self, address):
        self.address = int(address)
        kinds, self.flags, self.inline_len, clock_klen = struct.unpack("<BBHI", memory(self.address, 8))
        self.type, self.encoding = kinds & 15, kinds >> 4
        at, klen = self.address + 8, clock_klen >> 24
        if klen == 255:
            klen, = struct.unpack("<I", memory(at, 4))
            at += 4
        self.expires_ms = None
        if self.flags & EXPIRES:
            self.expires_ms, = struct.unpack("<q", memory(at, 8))
            at += 12
        self.key_len, self.key_at = klen, at
        self.value_at = at + klen

    def key(self, most=TEXT_MAX):
        return memory(self.key_at, min(self.key_len, most))

    def value(self):
        name = ENCODINGS[self.encoding] if self.encoding < len(ENCODINGS) else "?"
        if name == "inline":
            return text_of(memory(self.value_at, min(self.inline_len, TEXT_MAX)), self.inline_len)
        word, = struct.unpack("<q", memory(self.value_at, 8))
        return str(word) if name == "int" else f"({name} at {word & (1 << 64) - 1:#x})"

    def __str__(self):
        kind = TYPES[self.type] if self.type < len(TYPES) else "?"
        expiry = f", expires at {self.expires_ms} ms" if self.expires_ms is not None else ""
        return f"{kind} {text_of(self.key(), self.key_len)} = {self.value()}{expiry}"


def pointers(bucket):
    """Entries of a bucket and of the buckets chained to it."""
    kind = gdb.lookup_type("struct table_bucket").pointer()
    slots = gdb.lookup_type("struct table_bucket")["fingerprints"].type.sizeof
    while bucket:
        meta = int(bucket["meta"])
        width = bucket["pointers"].type.sizeof // slots
        raw = memory(bucket["pointers"].address, bucket["pointers"].type.sizeof)
        words = [int.from_bytes(raw[i * width:(i + 1) * width], "little") for i in range(slots)]
        yield from words[:meta & 15]
        bucket = gdb.Value(words[-1]).cast(kind).dereference() if meta & 0x80 else None


def table_entries(table):
    for part in (0, 1):
        buckets = table["buckets"][part]
        if not int(buckets):
            continue
        for i in range(1 << int(table["log2"][part])):
            yield from pointers(buckets[i])


class SlicePrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        size = int(self.value["len"])
        return text_of(memory(self.value["ptr"], min(size, TEXT_MAX)), size) if size else "''"


class BufPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        begin, end = int(self.value["begin"]), int(self.value["end"])
        data = memory(int(self.value["data"]) + begin, min(end - begin, TEXT_MAX))
        return f"{end - begin} of {int(self.value['cap'])} bytes: {text_of(data, end - begin)}"


class EntryPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        return str(Entry(self.value.address))


class TablePrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        sizes = [1 << int(self.value["log2"][i]) for i in (0, 1) if int(self.value["buckets"][i])]
        moving = f", rehashing at {int(self.value['rehash_at'])}" if len(sizes) == 2 else ""
        return f"table of {int(self.value['used'])} in {sizes} buckets{moving}"


PRINTERS = {"slice": SlicePrinter, "buf": BufPrinter, "entry": EntryPrinter, "table": TablePrinter}


def find_printer(value):
    kind = value.type.strip_typedefs()
    return PRINTERS[kind.tag](value) if kind.code == gdb.TYPE_CODE_STRUCT and kind.tag in PRINTERS else None


gdb.pretty_printers.append(find_printer)


def keyspace():
    """From the frame of any thread that has one in sight."""
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        frame = gdb.newest_frame()
        while frame is not None:
            if frame.name() == "server_run":
                return frame.read_var("s")["ks"]
            frame = frame.older()
    raise gdb.GdbError("no thread is in server_run()")


def parts(number):
    ks = keyspace()
    if not 0 <= number < int(ks["db_count"]):
        raise gdb.GdbError(f"databases are 0 to {int(ks['db_count']) - 1}")
    all_parts = ks["dbs"][number]["parts"]
    if all_parts.type.code != gdb.TYPE_CODE_PTR:  # _Atomic
        all_parts = all_parts.cast(gdb.lookup_type("struct part").pointer())
    return [all_parts[i] for i in range(int(ks["shard_count"]))] if int(all_parts) else []


class Shards(gdb.Command):
    """tk-shards DB: keys per shard, for the shards that have any."""

    def __init__(self):
        super().__init__("tk-shards", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        total = 0
        for i, part in enumerate(parts(int(argument or 0))):
            used = int(part["table"]["used"])
            total += used
            if used:
                print(f"shard {i}: {used} keys")
        print(f"{total} keys")


class Key(gdb.Command):
    """tk-key DB KEY: the entry of a key. Looks at all entries: seconds for a million."""

    def __init__(self):
        super().__init__("tk-key", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        if len(words) != 2:
            raise gdb.GdbError("tk-key DB KEY")
        wanted = words[1].encode()
        for part in parts(int(words[0])):
            for address in table_entries(part["table"]):
                entry = Entry(address)
                if entry.key_len == len(wanted) and entry.key(len(wanted)) == wanted:
                    print(f"(struct entry *){address:#x}: {entry}")
                    return
        print("no such key")


class Threads(gdb.Command):
    """tk-threads: what each thread is doing, in one line."""

    def __init__(self):
        super().__init__("tk-threads", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for thread in reversed(gdb.selected_inferior().threads()):
            thread.switch()
            frame, names = gdb.newest_frame(), []
            while frame is not None and len(names) < 6:
                names.append(frame.name() or "??")
                frame = frame.older()
            print(f"{thread.num:3} {thread.name or '':15} {' < '.join(names)}")


Shards()
Key()
Threads()
