"""Random subscribers and publishers: every client gets the same pushes and replies, in the same order, as from redis-server.

PUBSUB_SEED and PUBSUB_COMMANDS choose another or a longer run.
"""
import itertools
import os
import random

import pytest

from diff.runner import show
from lib.resp import encode
from lib.server import REDIS

SEED = int(os.environ.get("PUBSUB_SEED", "1"))
NAMES = [b"a", b"b", b"news.x", b"news.y", b""]
PATTERNS = [b"*", b"news.*", b"[ab]", b"?", b"a", b"\\*", b""]
END = b"no such message"


class Listeners:
    """Clients of one server, some in RESP2, some in RESP3, in one order for the test."""

    def __init__(self, server):
        self.conns = [server.connect(60) for _ in range(5)]
        for i, conn in enumerate(self.conns):
            conn.cmd("HELLO", 2 + i % 2)

    def run(self, which, commands):
        """What each client has got when the commands of one have run."""
        self.conns[which].send(b"".join(map(encode, commands)))
        order = [which] + [i for i in range(len(self.conns)) if i != which]
        return [self._until_end(self.conns[i]) for i in order]

    @staticmethod
    def _until_end(conn):
        conn.send(encode(["PING", END]))
        seen = []
        while not seen or seen[-1] not in (END, [b"pong", END]):
            seen.append(conn.read())
        return in_order(seen[:-1])


def in_order(seen):
    """Replies and messages: redis-server 7.0 tells a publisher of its own message before it answers, 7.2 after it; and
    who has several matching patterns gets these messages in any order."""
    messages = [line for line in seen if isinstance(line, list) and line[0] in (b"message", b"pmessage", b"smessage")]
    replies = [line for line in seen if line not in messages]
    runs = [list(run) for _, run in itertools.groupby(messages, lambda line: (line[0], line[-2:]))]
    return replies, [sorted(run) for run in runs]


def draw(rng):
    """One command."""
    kind = rng.choice(["", "P", "S"])
    names = PATTERNS if kind == "P" else NAMES
    some = [rng.choice(names) for _ in range(rng.randint(1, 3))]
    channel = rng.choice(NAMES)
    return rng.choice([
        [f"{kind}SUBSCRIBE", *some], [f"{kind}SUBSCRIBE", some[0]], [f"{kind}UNSUBSCRIBE", *some],
        ["PUBLISH", channel, b"x" * rng.choice([0, 1, 50])], ["PUBLISH", channel, b"y"], ["PUBLISH", channel, b"z"],
        ["SPUBLISH", channel, b"s"], ["PUBSUB", "NUMSUB", *NAMES], ["PUBSUB", "SHARDNUMSUB", *NAMES],
        ["PUBSUB", "NUMPAT"], ["GET", "k"], ["PING"], ["SUBSCRIBE"], ["PUBLISH", "a"], ["RESET"],
    ])


@pytest.fixture
def pair(start_server):
    return Listeners(start_server(io_threads=3)), Listeners(start_server(REDIS))


@pytest.mark.smoke
def test_who_hears_what(pair):
    rng = random.Random(SEED)
    for i in range(int(os.environ.get("PUBSUB_COMMANDS", "2000"))):
        which, commands = rng.randrange(5), [draw(rng) for _ in range(rng.choice([1, 1, 3]))]
        ours, theirs = (listeners.run(which, commands) for listeners in pair)
        text = "; ".join(" ".join(map(show, map(lambda a: a if isinstance(a, bytes) else a.encode(), c))) for c in commands)
        assert ours == theirs, f"seed {SEED}: #{i} client {which}: {text}"
