"""Sends one stream of commands to both servers and finds the first reply or datum that differs."""
from diff.compare import replies_agree
from diff.dump import differing, dump
from diff.random_replies import HANDLERS

BATCH = 200
SMALL_ENCODINGS = {"hash-max-listpack-entries": 8, "hash-max-listpack-value": 16,
                   "zset-max-listpack-entries": 8, "zset-max-listpack-value": 16,
                   "set-max-intset-entries": 8, "set-max-listpack-entries": 8, "list-max-listpack-size": 4, "stream-node-max-entries": 5}
DEFAULT_ENCODINGS = {"hash-max-listpack-entries": 128, "hash-max-listpack-value": 64,
                     "zset-max-listpack-entries": 128, "zset-max-listpack-value": 64,
                     "set-max-intset-entries": 512, "set-max-listpack-entries": 128,
                     "list-max-listpack-size": -2, "stream-node-max-entries": 100}


class Divergence:
    """The first difference of a run. `command` is None when only the data differ."""

    def __init__(self, index, command, ours, theirs):
        self.index, self.command, self.ours, self.theirs = index, command, ours, theirs

    @property
    def name(self):
        return self.command[0].upper() if self.command else b"(data)"

    def __str__(self):
        what = " ".join(map(show, self.command)) if self.command else "data after the run"
        return f"#{self.index}: {what}\n    got   {self.ours!r}\n    redis {self.theirs!r}"


def show(arg):
    """An argument as redis-cli would take it."""
    text = arg.decode("latin1")
    return text if text.isprintable() and text and " " not in text else repr(arg)[1:]


class Pair:
    """A connection to each server, both empty and in the same protocol and encodings."""

    def __init__(self, servers, protocol=2, small=False):
        self.servers = servers
        self.queued = []  # what EXEC will run
        self.ours, self.theirs = self.connect()
        for name, value in (SMALL_ENCODINGS if small else DEFAULT_ENCODINGS).items():
            self.both([b"CONFIG", b"SET", name, value])
        self.greet(protocol)

    def connect(self):
        return tuple(server.connect(60) for server in self.servers)

    def greet(self, protocol):
        for command in (["FLUSHALL"], ["HELLO", protocol]):
            self.both(command)

    def both(self, command):
        return self.ours.cmd(*command), self.theirs.cmd(*command)

    def agree(self, command, ours, theirs):
        """EXEC's reply is as many replies as commands were queued, each with its own rules."""
        name, queued = command[0].upper(), self.queued
        if theirs == b"QUEUED":
            queued.append(command)
        elif name in (b"EXEC", b"DISCARD"):
            self.queued = []
        both_lists = isinstance(ours, list) and isinstance(theirs, list)
        if name != b"EXEC" or not both_lists or not len(ours) == len(theirs) == len(queued):
            return replies_agree(command, ours, theirs)
        return all(map(replies_agree, queued, ours, theirs))

    def close(self):
        self.ours.close()
        self.theirs.close()

    def compare_data(self, index):
        ours, theirs = map(dump, self.servers)
        for where in differing(ours, theirs):
            return Divergence(index, None, (where, ours.get(where)), (where, theirs.get(where)))
        return None


def run(servers, commands, protocol=2, small=False, between=lambda: None, make_pair=Pair):
    """Runs all commands on emptied servers, in batches with a call of between() before each; the first
    Divergence, or None."""
    pair = make_pair(servers, protocol, small)
    try:
        return _run_commands(pair, commands, between) or pair.compare_data(len(commands))
    finally:
        pair.close()


def _run_commands(pair, commands, between):
    start = 0
    while start < len(commands):
        between()
        end = _batch_end(commands, start)
        found = _run_batch(pair, commands[start:end], start) if end > start else None
        if not found and end < len(commands) and _handler(commands[end]):
            found, end = _run_random(pair, commands[end], end), end + 1
        if found:
            return found
        start = end
    return None


def _handler(command):
    return HANDLERS.get(command[0].upper())


def _batch_end(commands, start):
    for i in range(start, min(start + BATCH, len(commands))):
        if _handler(commands[i]):
            return i
    return min(start + BATCH, len(commands))


def _run_random(pair, command, index):
    try:
        different = _handler(command)(pair, command)
    except (ConnectionError, TimeoutError) as failure:
        return Divergence(index, command, failure, "a reply")
    return Divergence(index, command, *different) if different else None


def _run_batch(pair, batch, start):
    pair.theirs.send_commands(batch)
    try:
        pair.ours.send_commands(batch)
    except ConnectionError:
        pass
    for i, command in enumerate(batch):
        theirs = pair.theirs.read()
        try:
            ours = pair.ours.read()
        except (ConnectionError, TimeoutError) as failure:
            return Divergence(start + i, command, failure, theirs)
        if not pair.agree(command, ours, theirs):
            return Divergence(start + i, command, ours, theirs)
    return None
