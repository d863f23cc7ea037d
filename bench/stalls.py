#!/usr/bin/python3
"""How long one command on many elements keeps everybody else waiting: every command whose work grows.

Each command runs on values of --elements elements while three other clients ask something quick over and over:
on the same reactor, on another one, and on another one for keys of every shard. What counts is the longest of
their waits. On a busy machine one run proves nothing, so each command runs several times, and of the longest
waits the shortest is shown: a command that stalls others does so every time. The first row is the machine
without any command. `reactor` is the CPU time of the busiest reactor, parsing and sending included: no pause
that is of the server's making is longer. `queued` is how long a reactor that could run had no processor: what is
of the machine's making.
"""
import argparse
import multiprocessing
import os
import select
import socket
import sys
import time
from pathlib import Path

from bench_server import BenchServer
from load import command

ROOT = Path(__file__).resolve().parents[1]
MARK = b"the-end-of-this-command"
PROBES = ("same reactor", "other reactor", "all shards")
SPREAD = 400  # keys of the probe that needs all of the shards
CHUNK = 1000


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--elements", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", default="", help="cases whose names contain one of these words, comma separated")
    parser.add_argument("--over", type=float, default=0, help="show cases that stall for longer than so many ms")
    parser.add_argument("--server", default=os.environ.get("TOKAMAK_SERVER", str(ROOT / "build" / "tokamak-server")))
    return parser.parse_args()


class StallServer(BenchServer):
    def arguments(self, io_threads):
        return [*super().arguments(io_threads), "--shards", "64", "--enable-debug-command", "yes"]

    def schedstat(self):
        """{thread id: (CPU ns, ns it waited for a processor)} of the reactors."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        return {path.name: [int(ns) for ns in (path / "schedstat").read_text().split()[:2]] for path in tasks.iterdir()
                if (path / "comm").read_text().startswith("reactor")}

    def reactors(self):
        return {tid: cpu for tid, (cpu, _) in self.schedstat().items()}


class Client:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), 600)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self, requests):
        """Sends requests and waits for the end of the last reply; the beginning of the first one."""
        data = memoryview(requests + command("ECHO", MARK))
        self.sock.setblocking(False)
        first, tail = b"", b""
        while MARK not in tail:
            _, writable, _ = select.select([self.sock], [self.sock] if data else [], [], 600)[0:3]
            if data and writable:
                data = data[self.sock.send(data[:1 << 18]):]
            try:
                part = self.sock.recv(1 << 20)
            except BlockingIOError:
                select.select([self.sock], [self.sock] if data else [], [], 600)
                continue
            if not part:
                raise RuntimeError("the server hung up")
            first = first or part[:100]
            tail = tail[-64:] + part
        return first

    def reactor(self, server):
        """The thread that serves this client: the one that works when it asks."""
        before = server.reactors()
        for _ in range(5):
            self.run(command("ECHO", b"x" * 1000) * 2000)
        after = server.reactors()
        return max(after, key=lambda tid: after[tid] - before[tid])


def clients_of(server):
    """Two clients of one reactor and two of another."""
    groups = {}
    while sorted(map(len, groups.values()))[-2:] < [2, 2] or len(groups) < 2:
        client = Client(server.port)
        groups.setdefault(client.reactor(server), []).append(client)
    (here, (worker, same, *_)), (_, (other, spread, *_)) = sorted(groups.items(), key=lambda g: -len(g[1]))[:2]
    return worker, (same, other, spread)


def probe(clients, pipe):
    """Told to begin and to end; answers the longest waits in ms."""
    requests = (command("PING"), command("PING"), command("MGET", *(b"spread:%d" % i for i in range(SPREAD))))
    ends = (b"+PONG\r\n", b"+PONG\r\n", b"$1\r\nx\r\n" * SPREAD)
    sizes = [len(end) + (len(b"*%d\r\n" % SPREAD) if i == 2 else 0) for i, end in enumerate(ends)]
    for client in clients:
        client.sock.setblocking(False)
    while pipe.recv():
        longest, sent, left = [0.0] * 3, [0.0] * 3, [0] * 3
        ended = False
        while not ended or any(left):
            ended = ended or pipe.poll()
            for i, client in enumerate(clients):
                if not left[i] and not ended:
                    client.sock.send(requests[i])
                    sent[i], left[i] = time.perf_counter(), sizes[i]
            ready, _, _ = select.select([c.sock for i, c in enumerate(clients) if left[i]], [], [], 0.001)
            now = time.perf_counter()
            for i, client in enumerate(clients):
                if client.sock in ready:
                    left[i] -= len(client.sock.recv(1 << 16))
                    if not left[i]:
                        longest[i] = max(longest[i], now - sent[i])
            time.sleep(0.0003)
        pipe.recv()
        pipe.send([1000 * wait for wait in longest])


def chunks(count, make):
    for start in range(0, count, CHUNK):
        yield make(range(start, min(start + CHUNK, count)))


def flat(pairs):
    return [part for pair in pairs for part in pair]


def fill(n):
    yield command("MSET", *flat((b"spread:%d" % i, "x") for i in range(SPREAD)))
    yield from chunks(n, lambda r: command("RPUSH", "list", *(i * 7919 % n for i in r)))
    yield from chunks(n, lambda r: command("SADD", "set", *(b"m%d" % i for i in r)))
    yield from chunks(n, lambda r: command("HSET", "hash", *flat((b"f%d" % i, b"value:%d" % i) for i in r)))
    yield from chunks(n, lambda r: command("ZADD", "zset", *flat((i * 7919 % n, b"m%d" % i) for i in r)))
    yield from chunks(n, lambda r: command("GEOADD", "geo", *flat((i % 1000 / 100, i / n, b"m%d" % i) for i in r)))
    yield from (command("XADD", "stream", "1-%d" % (i + 1), "field", i, "other", "value") for i in range(n))
    yield from (command("SET", b"key:%d" % i, b"x" * 32) for i in range(n))
    yield from (command("PFADD", b"hll:%d" % h, *range(h * 5000, h * 5000 + 5000)) for h in range(1000))
    yield command("SETRANGE", "string", 128 * n - 1, "x")
    yield command("MSET", "text:a", b"a" * 9000, "text:b", b"b" * 9000)


def load(server, requests):
    client, batch = Client(server.port), b""
    for request in requests:
        batch += request
        if len(batch) > 1 << 20:
            client.run(batch)
            batch = b""
    client.run(batch)


def copy(source):
    return command("COPY", source, "victim", "REPLACE")


def victim(kind, *words):
    return copy(kind), command(*words)


def group(n, *words):
    """On a stream whose entries are all pending."""
    return (copy("stream") + command("XGROUP", "CREATE", "victim", "g", 0) +
            command("XREADGROUP", "GROUP", "g", "c", "COUNT", n, "STREAMS", "victim", ">"), command(*words))


def dumped(server, key):
    client = Client(server.port)
    client.sock.sendall(command("DUMP", key))
    reader = client.sock.makefile("rb", 1 << 20)
    return reader.read(int(reader.readline()[1:]))


def cases(server, n):
    """(name, what is done before, the command)."""
    many = n // 10  # arguments
    members = [b"m%d" % i for i in range(many)]
    fields = [b"f%d" % i for i in range(many)]
    keys = [b"key:%d" % i for i in range(many)]
    ids = ["1-%d" % (i + 1) for i in range(many)]
    new = [b"new:%d" % i for i in range(many)]
    nothing = b""

    def plain(*words):
        return nothing, command(*words)

    yield "(no command)", nothing, None
    # strings
    yield "GETRANGE", *plain("GETRANGE", "string", 0, -2)
    yield "GET", *plain("GET", "string")
    own = command("DEL", "victim") + command("SETRANGE", "victim", 128 * n, "x")
    yield "SETRANGE of a long string", own, command("SETRANGE", "victim", 5, "x")
    yield "SETRANGE of a shared string", *victim("string", "SETRANGE", "victim", 5, "x")
    yield "SETRANGE far beyond", command("DEL", "victim"), command("SETRANGE", "victim", 512 * n, "x")
    yield "APPEND", own, command("APPEND", "victim", "x")
    yield "SETBIT", own, command("SETBIT", "victim", 77, 1)
    yield "SETBIT far beyond", command("DEL", "victim"), command("SETBIT", "victim", 4000 * n, 1)
    yield "BITFIELD", own, command("BITFIELD", "victim", "SET", "u8", "#77", 1)
    yield "BITCOUNT", *plain("BITCOUNT", "string")
    yield "BITPOS", *plain("BITPOS", "string", 1)
    yield "BITOP", *plain("BITOP", "NOT", "victim", "string")
    yield "DIGEST", *plain("DIGEST", "string")
    yield "LCS", *plain("LCS", "text:a", "text:b", "LEN")
    yield "SET of a long value", *plain("SET", "victim", b"x" * (32 * n))
    yield "DEL of a long string", *victim("string", "DEL", "victim")
    yield "PFCOUNT", *plain("PFCOUNT", *(b"hll:%d" % i for i in range(1000)))
    yield "PFMERGE", *plain("PFMERGE", "victim", *(b"hll:%d" % i for i in range(1000)))
    yield "PFADD of many", *plain("PFADD", "hll:0", *members)
    # many keys
    yield "MGET of many", *plain("MGET", *keys)
    yield "MSET of many", *plain("MSET", *flat((key, "x") for key in new))
    yield "EXISTS of many", *plain("EXISTS", *keys)
    yield "DEL of many", command("MSET", *flat((key, "x") for key in new)), command("DEL", *new)
    yield "KEYS", *plain("KEYS", "key:*9999")
    yield "SCAN", *plain("SCAN", 0, "COUNT", n)
    yield "DBSIZE", *plain("DBSIZE")
    yield "RANDOMKEY", *plain("RANDOMKEY")
    # any type
    for kind in ("string", "list", "set", "hash", "zset", "stream"):
        yield f"COPY {kind}", *plain("COPY", kind, "victim", "REPLACE")
        yield f"RENAME {kind}", *victim(kind, "RENAME", "victim", "victim2")
        yield f"DUMP {kind}", *plain("DUMP", kind)
        yield f"RESTORE {kind}", *plain("RESTORE", "victim", 0, dumped(server, kind), "REPLACE")
        yield f"DEL {kind}", *victim(kind, "DEL", "victim")
        yield f"MEMORY USAGE {kind}", *plain("MEMORY", "USAGE", kind, "SAMPLES", 0)
        yield f"OBJECT ENCODING {kind}", *plain("OBJECT", "ENCODING", kind)
    yield "SORT", *plain("SORT", "list", "LIMIT", 0, 10)
    yield "SORT STORE", *plain("SORT", "list", "STORE", "victim")
    # lists
    yield "LRANGE", *plain("LRANGE", "list", 0, -1)
    yield "LINDEX", *plain("LINDEX", "list", n // 2)
    yield "LSET", *victim("list", "LSET", "victim", n // 2, "x")
    yield "LPOS", *plain("LPOS", "list", "nothing")
    yield "LREM", *victim("list", "LREM", "victim", 0, "nothing")
    yield "LINSERT", *victim("list", "LINSERT", "victim", "BEFORE", n - 1, "x")
    yield "LTRIM", *victim("list", "LTRIM", "victim", n // 2, n // 2 + 5)
    yield "LPOP", *victim("list", "LPOP", "victim", n)
    yield "LMPOP", *victim("list", "LMPOP", 1, "victim", "LEFT", "COUNT", n)
    yield "LMPOP of two", *victim("list", "LMPOP", 2, "missing", "victim", "LEFT", "COUNT", n)
    yield "BLMPOP", *victim("list", "BLMPOP", 0, 1, "victim", "LEFT", "COUNT", n)
    yield "RPUSH of many", *plain("RPUSH", "victim3", *members)
    # sets
    yield "SMEMBERS", *plain("SMEMBERS", "set")
    yield "SSCAN", *plain("SSCAN", "set", 0, "COUNT", n)
    yield "SRANDMEMBER", *plain("SRANDMEMBER", "set", n // 2)
    yield "SRANDMEMBER with repetition", *plain("SRANDMEMBER", "set", -n)
    yield "SPOP", *victim("set", "SPOP", "victim", n // 2)
    yield "SINTER", *plain("SINTER", "set", "set")
    yield "SINTERCARD", *plain("SINTERCARD", 2, "set", "set")
    yield "SUNIONSTORE", *plain("SUNIONSTORE", "victim", "set", "set")
    yield "SMISMEMBER of many", *plain("SMISMEMBER", "set", *members)
    yield "SADD of many", *victim("set", "SADD", "victim", *new)
    yield "SREM of many", *victim("set", "SREM", "victim", *members)
    yield "SADDEX of many", *victim("set", "SADDEX", "victim", 1000, *new)
    # hashes
    yield "HGETALL", *plain("HGETALL", "hash")
    yield "HKEYS", *plain("HKEYS", "hash")
    yield "HSCAN", *plain("HSCAN", "hash", 0, "COUNT", n)
    yield "HRANDFIELD", *plain("HRANDFIELD", "hash", n // 2, "WITHVALUES")
    yield "HRANDFIELD with repetition", *plain("HRANDFIELD", "hash", -n)
    yield "HMGET of many", *plain("HMGET", "hash", *fields)
    yield "HSET of many", *victim("hash", "HSET", "victim", *flat((f, "x") for f in new))
    yield "HDEL of many", *victim("hash", "HDEL", "victim", *fields)
    yield "HGETDEL of many", *victim("hash", "HGETDEL", "victim", "FIELDS", many, *fields)
    yield "HSETEX of many", *victim("hash", "HSETEX", "victim", "FIELDS", many, *flat((f, "x") for f in new))
    yield "HSETEX EX of many", *victim("hash", "HSETEX", "victim", "EX", 1000, "FIELDS", many,
                                       *flat((f, "x") for f in new))
    yield "HGETEX of many", *victim("hash", "HGETEX", "victim", "FIELDS", many, *fields)
    yield "HGETEX EX of many", *victim("hash", "HGETEX", "victim", "EX", 1000, "FIELDS", many, *fields)
    yield "HEXPIRE of many", *victim("hash", "HEXPIRE", "victim", 1000, "FIELDS", many, *fields)
    yield "HTTL of many", *plain("HTTL", "hash", "FIELDS", many, *fields)
    yield "HPERSIST of many", *victim("hash", "HPERSIST", "victim", "FIELDS", many, *fields)
    # sorted sets
    yield "ZRANGE", *plain("ZRANGE", "zset", 0, -1)
    yield "ZRANGESTORE", *plain("ZRANGESTORE", "victim", "zset", 0, -1)
    yield "ZRANGEBYLEX", *plain("ZRANGEBYLEX", "zset", "-", "+")
    yield "ZCOUNT", *plain("ZCOUNT", "zset", "-inf", "+inf")
    yield "ZSCAN", *plain("ZSCAN", "zset", 0, "COUNT", n)
    yield "ZRANDMEMBER", *plain("ZRANDMEMBER", "zset", n // 2, "WITHSCORES")
    yield "ZRANDMEMBER with repetition", *plain("ZRANDMEMBER", "zset", -n)
    yield "ZMSCORE of many", *plain("ZMSCORE", "zset", *members)
    yield "ZADD of many", *victim("zset", "ZADD", "victim", *flat((1, member) for member in new))
    yield "ZREM of many", *victim("zset", "ZREM", "victim", *members)
    yield "ZREMRANGEBYRANK", *victim("zset", "ZREMRANGEBYRANK", "victim", 0, n // 2)
    yield "ZPOPMIN", *victim("zset", "ZPOPMIN", "victim", n)
    yield "ZMPOP", *victim("zset", "ZMPOP", 1, "victim", "MIN", "COUNT", n)
    yield "BZMPOP", *victim("zset", "BZMPOP", 0, 1, "victim", "MIN", "COUNT", n)
    yield "ZUNIONSTORE", *plain("ZUNIONSTORE", "victim", 1, "zset")
    yield "ZEXPIRE of many", *victim("zset", "ZEXPIRE", "victim", 1000, "MEMBERS", many, *members)
    yield "GEOSEARCH", *plain("GEOSEARCH", "geo", "FROMLONLAT", 5, 0.5, "BYRADIUS", 5000, "km")
    yield "GEOSEARCHSTORE", *plain("GEOSEARCHSTORE", "victim", "geo", "FROMLONLAT", 5, 0.5, "BYRADIUS", 5000, "km")
    yield "GEOPOS of many", *plain("GEOPOS", "geo", *members)
    # streams
    yield "XRANGE", *plain("XRANGE", "stream", "-", "+")
    yield "XREVRANGE", *plain("XREVRANGE", "stream", "+", "-")
    yield "XREAD", *plain("XREAD", "STREAMS", "stream", 0)
    yield "XLEN", *plain("XLEN", "stream")
    yield "XTRIM", *victim("stream", "XTRIM", "victim", "MAXLEN", "=", 10)
    yield "XTRIM ~", *victim("stream", "XTRIM", "victim", "MAXLEN", "~", 10, "LIMIT", 0)
    yield "XADD MAXLEN", *victim("stream", "XADD", "victim", "MAXLEN", 10, "*", "f", "v")
    yield "XADD of many fields", *plain("XADD", "victim4", "*", *flat((f, "x") for f in fields))
    yield "XDEL of many", *victim("stream", "XDEL", "victim", *ids)
    yield "XINFO STREAM FULL", *plain("XINFO", "STREAM", "stream", "FULL", "COUNT", 0)
    yield "XGROUP CREATE", *victim("stream", "XGROUP", "CREATE", "victim", "g", 0)
    yield "XREADGROUP", (copy("stream") + command("XGROUP", "CREATE", "victim", "g", 0)), \
        command("XREADGROUP", "GROUP", "g", "c", "COUNT", n, "STREAMS", "victim", ">")
    yield "XREADGROUP of its own", *group(n, "XREADGROUP", "GROUP", "g", "c", "STREAMS", "victim", 0)
    yield "XPENDING", *group(n, "XPENDING", "victim", "g", "-", "+", n)
    yield "XACK of many", *group(n, "XACK", "victim", "g", *ids)
    yield "XCLAIM of many", *group(n, "XCLAIM", "victim", "g", "d", 0, *ids)
    yield "XAUTOCLAIM", *group(n, "XAUTOCLAIM", "victim", "g", "d", 0, 0, "COUNT", n)
    yield "XGROUP DELCONSUMER", *group(n, "XGROUP", "DELCONSUMER", "victim", "g", "c")
    yield "XGROUP DESTROY", *group(n, "XGROUP", "DESTROY", "victim", "g")
    # a transaction, a script, the server
    yield "EXEC with LRANGE", *plain("MULTI")[:1], command("MULTI") + command("LRANGE", "list", 0, -1) + command("EXEC")
    yield "EVAL with SMEMBERS", *plain("EVAL", "return #redis.call('smembers', 'set')", 0)
    yield "BGSAVE", *plain("BGSAVE")
    yield "MEMORY STATS", *plain("MEMORY", "STATS")
    yield "SWAPDB", *plain("SWAPDB", 0, 1)
    yield "SWAPDB back", *plain("SWAPDB", 0, 1)
    yield "FLUSHDB", *plain("FLUSHDB")


class Meter:
    def __init__(self, server):
        self.server = server
        self.worker, probes = clients_of(server)
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=probe, args=(probes, other), daemon=True)
        self.process.start()

    def measure(self, before, request):
        """The longest waits in ms of the three; the command's own time; of the reactors the most CPU, and the longest
        time in the queue for one."""
        if before:
            self.worker.run(before)
        time.sleep(0.05)
        self.pipe.send(True)
        time.sleep(0.01)
        base, start = self.server.schedstat(), time.perf_counter()
        first = self.worker.run(request) if request else time.sleep(0.2) or b""
        took = 1000 * (time.perf_counter() - start)
        if b"Background" in first:
            time.sleep(3)
        after = self.server.schedstat()
        self.pipe.send(False)
        if first.startswith(b"-"):
            raise RuntimeError(first[:100])
        spent = [max(after[tid][i] - base[tid][i] for tid in after) / 1e6 for i in range(2)]
        return *self.pipe.recv(), took, *spent


def best(runs):
    return [min(column) for column in zip(*runs)]


def main():
    options = arguments()
    words = [word for word in options.only.split(",") if word]
    with StallServer(str(Path(options.server).resolve()), "0,1", io_threads=2) as server:
        load(server, fill(options.elements))
        meter = Meter(server)
        print(f"{options.elements:,} elements; the longest waits in ms, the least of {options.repeat} runs\n")
        print("| command | took ms | reactor ms | queued ms | " + " | ".join(PROBES) + " |\n|---" + "|--:" * 6 + "|", flush=True)
        for name, before, request in cases(server, options.elements):
            if words and not any(word in name for word in words):
                continue
            *waits, took, cpu, queued = best([meter.measure(before, request) for _ in range(options.repeat)])
            if max(waits) >= options.over:
                print("| " + " | ".join([name, *(f"{ms:.1f}" for ms in (took, cpu, queued, *waits))]) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
