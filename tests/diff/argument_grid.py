"""Every command of the server's own table, every argument position, every edge integer."""
from diff.generator import EDGES

# What would end the test, the connection or the answer's being one: with the reason.
LEFT_OUT = {
    "shutdown": "ends the server", "debug": "crashes and sleeps by order", "quit": "ends the connection",
    "monitor": "turns the connection into a stream", "subscribe": "as many replies as channels",
    "psubscribe": "as many replies as patterns", "ssubscribe": "as many replies as channels",
    "unsubscribe": "as many replies as channels", "punsubscribe": "as many replies as patterns",
    "sunsubscribe": "as many replies as channels", "sync": "starts replication", "psync": "starts replication",
    "replicaof": "starts replication", "slaveof": "starts replication", "failover": "starts replication",
    "client|reply": "turns replies off", "client|pause": "holds all replies back", "client|kill": "kills this client",
    "auth": "no user has a number as password", "config|set": "not an integer argument",
    "config|rewrite": "no configuration file", "wait": "waits by order", "waitaof": "waits by order",
    "replconf": "answers nothing by design", "multi": "starts queueing",
    "migrate": "connects by order: test_migrate.py",
}
MAX_POSITIONS = 7
TYPED_KEYS = ("string", "list", "hash", "set", "zset")
SETUP = [["FLUSHALL"], ["SELECT", "0"], ["SET", "string", "10"], ["RPUSH", "list", "1", "2", "3"],
         ["HSET", "hash", "1", "1", "f", "v"], ["SADD", "set", "1", "2", "a"], ["ZADD", "zset", "1", "1", "2", "a"]]


def table(conn):
    """[(words, arity)] of every command and subcommand the server lists, but the LEFT_OUT."""
    found = []
    for row in conn.cmd("COMMAND"):
        found += _flatten(row)
    return [(name.split("|"), arity) for name, arity, flags in found
            if name not in LEFT_OUT and name.split("|")[0] not in LEFT_OUT and "blocking" not in flags]


def _flatten(row):
    name, arity, flags = row[0].decode(), row[1], {bytes(flag).decode() for flag in row[2]}
    subcommands = row[9] if len(row) > 9 else []
    if not subcommands:
        return [(name, arity, flags)]
    return [entry for sub in subcommands for entry in _flatten(sub)]


def calls(words, arity):
    """Each position in turn takes each edge; the rest is a plausible key and ones."""
    fixed = abs(arity) - len(words)
    positions = fixed if arity > 0 else min(max(fixed + 4, 4), MAX_POSITIONS)
    for count in {fixed, positions}:
        for where in range(count):
            for key in TYPED_KEYS if where else TYPED_KEYS[:1]:
                for edge in EDGES:
                    args = [key] + ["1"] * (count - 1)
                    args[where] = edge
                    yield words + args
    yield from ([*words, *["1"] * n] for n in (0, 1, 2, 3))

