"""The effects a server reports, replayed into an empty twin, must give the same data.

Every write passes one choke point and there leaves its effect; a handler that changes data past it, or
reports something else than it did, is caught here long before there is a log.
"""
import time

import pytest

from diff.commands import FAMILIES
from diff.dump import differing, dump
from diff.generator import Generator
from lib.resp import INCOMPLETE, Error, Reader, encode
from lib.server import REDIS

LIMITS = {"databases": 3, "proto_max_bulk_len": "1mb"}
COMMANDS = 30_000
BATCH = 500
IDLE_COMMANDS = [
    ["GET", "k"], ["DEL", "none"], ["LRANGE", "l", 0, -1], ["SET", "k", "w", "NX"], ["PERSIST", "k"],
    ["LREM", "l", 0, "x"], ["EXPIRE", "none", 10], ["LPUSHX", "none", "x"], ["SINTERSTORE", "a", "b"],
    ["HDEL", "none", "f"], ["ZREM", "none", "m"], ["LTRIM", "l", 0, -1], ["KEYS", "*"],
]


@pytest.fixture
def recording(start_server, tmp_path):
    """A server that writes its effects to a file; skips where there is no such directive."""
    with start_server().connect() as conn:
        known = conn.cmd("CONFIG", "GET", "debug-effects-file")
    if not isinstance(known, list) or not known:
        pytest.skip("the server has no directive debug-effects-file")
    path = tmp_path / "effects"
    server = start_server(debug_effects_file=path, **LIMITS)
    server.effects = path
    return server


def run_random(server, seed):
    generator = Generator(seed, families=FAMILIES)
    with server.connect(60) as conn:
        for _ in range(COMMANDS // BATCH):
            conn.pipeline([generator.command() for _ in range(BATCH)])


def recorded_commands(path):
    reader = Reader()
    reader.feed(path.read_bytes())
    commands = []
    while (command := reader.next()) is not INCOMPLETE:
        commands.append(command)
    assert not reader.pending(), "the file ends in the middle of a record"
    return commands


def replay(commands, server):
    """No effect may be refused: it describes what has happened."""
    with server.connect(60) as conn:
        for start in range(0, len(commands), BATCH):
            part = commands[start:start + BATCH]
            conn.send(b"".join(map(encode, part)))
            for command in part:
                reply = conn.read()
                assert not isinstance(reply, Error), f"{command} -> {reply!r}"


def assert_equal_data(expected, server, encodings):
    actual = dump(server)
    wrong = differing(expected, actual, tolerance_ms=0, encodings=encodings)
    assert not wrong, "\n".join(f"{where}: had {expected.get(where)}\n  replay gives {actual.get(where)}"
                                for where in wrong[:5])


@pytest.mark.smoke
@pytest.mark.parametrize("seed", [11, 12])
def test_replayed_effects_give_the_same_data(recording, start_server, seed):
    run_random(recording, seed)
    expected = dump(recording)
    recording.stop()
    commands = recorded_commands(recording.effects)
    assert expected and len(commands) > COMMANDS // 10
    twin, redis = start_server(**LIMITS), start_server(REDIS, **LIMITS)
    replay(commands, twin)
    assert_equal_data(expected, twin, encodings=False)
    replay(commands, redis)
    assert_equal_data(expected, redis, encodings=False)


def test_reads_leave_no_effects(recording):
    """What changes nothing must not cost the log anything."""
    with recording.connect() as conn:
        conn.cmd("SET", "k", "v")
        conn.cmd("RPUSH", "l", "a", "b")
        size = wait_for_size(recording.effects)
        for command in IDLE_COMMANDS:
            conn.cmd(*command)
    recording.stop()
    assert recording.effects.stat().st_size == size


def wait_for_size(path):
    time.sleep(0.3)
    return path.stat().st_size
