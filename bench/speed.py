"""CPU per operation and throughput of each command, with pipelines of 1, 16 and 64."""
import hashlib

from bench_server import FloorServer
from load import benchmark, command, load

MILLION = 1_000_000
PIPELINES = (1, 16, 64)
OPERATIONS = {1: 300_000, 16: 2_000_000, 64: 4_000_000}
KEY = "key:__rand_int__"
MEMBER = "element:__rand_int__"
SCRIPT = b"redis.call('SET', KEYS[1], ARGV[1]) redis.call('INCR', KEYS[2]) return redis.call('GET', KEYS[1])"

# name: (what is loaded before, arguments of redis-benchmark, share of the operations it needs)
TESTS = {
    "PING": (None, ["-t", "ping_mbulk"], 1),
    "SET": ("strings", ["-t", "set"], 1),
    "GET": ("strings", ["-t", "get"], 1),
    "INCR": ("counters", ["INCR", "counter:__rand_int__"], 1),
    "LPUSH": (None, ["-t", "lpush"], 1),
    "RPOP": ("list", ["-t", "rpop"], 1),
    "SADD": ("set", ["SADD", "myset", MEMBER], 1),
    "HSET": ("hash", ["HSET", "myhash", MEMBER, "xxx"], 1),
    "SPOP": ("set", ["-t", "spop"], 0.25),
    "ZADD": ("zset", ["ZADD", "myzset", "__rand_int__", MEMBER], 0.5),
    "ZPOPMIN": ("zset", ["-t", "zpopmin"], 0.25),
    "ZRANK": ("zset", ["ZRANK", "myzset", MEMBER], 0.5),
    "ZRANGEBYSCORE": ("zset", ["ZRANGEBYSCORE", "myzset", "__rand_int__", "+inf", "LIMIT", "0", "10"], 0.25),
    "LRANGE_100": ("short list", ["LRANGE", "mylist", "0", "99"], 0.1),
    "MSET": ("strings", ["-t", "mset"], 0.1),
    "EVALSHA": ("script", ["EVALSHA", hashlib.sha1(SCRIPT).hexdigest(), "2", KEY, "counter:__rand_int__", "value"], 0.25),
}

# name: a request as redis-benchmark sends it, and its reply, escaped
FLOORS = {
    "PING": (command("PING"), r"+PONG\r\n"),
    "SET": (command("SET", b"key:000000000000", "xxx"), r"+OK\r\n"),
    "GET": (command("GET", b"key:000000000000"), r"$3\r\nxxx\r\n"),
}


def _numbers():
    return (b"%012d" % i for i in range(MILLION))


LOADERS = {
    "strings": lambda: (command("SET", b"key:" + n, "xxx") for n in _numbers()),
    "script": lambda: [command("SCRIPT", "LOAD", SCRIPT)],
    "counters": lambda: (command("SET", b"counter:" + n, "1000") for n in _numbers()),
    "list": lambda: (command("RPUSH", "mylist", *["xxx"] * 100) for _ in range(OPERATIONS[64] // 100 + 1)),
    "short list": lambda: (command("RPUSH", "mylist", "element:%d" % i) for i in range(100)),
    "set": lambda: (command("SADD", "myset", b"element:" + n) for n in _numbers()),
    "hash": lambda: (command("HSET", "myhash", b"element:" + n, "xxx") for n in _numbers()),
    "zset": lambda: (command("ZADD", "myzset", n, b"element:" + n) for n in _numbers()),
}


def measure(start, names, pipelines, scale):
    """{(test, pipeline): (CPU ns per operation, operations per second)}; a fresh server for each test."""
    results = {}
    for name in names:
        loader, arguments, share = TESTS[name]
        for pipeline in pipelines:
            operations = max(int(OPERATIONS[pipeline] * share * scale), 20_000)
            with start() as server:
                if loader:
                    load(server, LOADERS[loader]())
                results[name, pipeline] = benchmark(server, operations, pipeline, arguments)
    return results


def floor(binary, name, pipelines, scale):
    """The same measurement of a loop that answers without looking; nothing for a command not in FLOORS."""
    results = {}
    for pipeline in pipelines if name in FLOORS else ():
        operations = max(int(OPERATIONS[pipeline] * scale), 20_000)
        with FloorServer(binary, *FLOORS[name]) as server:
            results[name, pipeline] = benchmark(server, operations, pipeline, TESTS[name][1])
    return results


def reactors(binary, start, scale):
    """CPU per SET and GET of disjoint random keys with one and with two reactors on both cores."""
    results = {}
    for threads in (1, 2):
        with start(binary, cores="0,1", io_threads=threads) as server:
            load(server, LOADERS["strings"]())
            for name in ("SET", "GET"):
                count = int(OPERATIONS[16] * scale)
                results[name, threads] = benchmark(server, count, 16, TESTS[name][1])
    return results
