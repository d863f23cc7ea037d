"""The differential tester itself must be able to fail: differences planted by hand are found."""
import pytest

from diff.campaign import Campaign
from diff.compare import replies_agree
from diff.runner import Pair, run
from lib.resp import Error, Map, NullArray, Set, Simple
from lib.server import REDIS

AGREE = [
    (["GET", "k"], b"v", b"v"), (["SMEMBERS", "k"], [b"a", b"b"], [b"b", b"a"]),
    (["HGETALL", "k"], [b"a", b"1", b"b", b"2"], [b"b", b"2", b"a", b"1"]),
    (["SUNION", "k"], Set([b"a", b"b"]), Set([b"b", b"a"])), (["PTTL", "k"], 5000, 4990),
    (["ZSCORE", "k", "m"], b"0.1", b"0.10000000000000001"), (["ttl", "k"], 100, 99),
]
DISAGREE = [
    (["GET", "k"], b"v", b"w"), (["GET", "k"], Simple(b"v"), b"v"), (["GET", "k"], None, NullArray()),
    (["LRANGE", "k", "0", "1"], [b"a", b"b"], [b"b", b"a"]), (["PTTL", "k"], -1, -2),
    (["HGETALL", "k"], [b"a", b"1", b"b", b"2"], [b"a", b"2", b"b", b"1"]),
    (["HGETALL", "k"], Map([b"a", b"1"]), [b"a", b"1"]), (["GET", "k"], b"0.1", b"0.10000000000000001"),
    (["TTL", "k"], 100, 10), (["ZSCORE", "k", "m"], b"0.1", b"0.2"), (["X"], Error(b"ERR a"), Error(b"ERR b")),
    (["TIME"], Error(b"ERR"), [b"1", b"2"]), (["INCR", "k"], 1, b"1"),
]


def as_bytes(command):
    return [word.encode() for word in command]


@pytest.mark.parametrize("command,ours,theirs", AGREE)
def test_agreement(command, ours, theirs):
    assert replies_agree(as_bytes(command), ours, theirs)


@pytest.mark.parametrize("command,ours,theirs", DISAGREE)
def test_disagreement(command, ours, theirs):
    assert not replies_agree(as_bytes(command), ours, theirs)


@pytest.fixture
def two_oracles(start_server):
    return start_server(REDIS), start_server(REDIS, proto_max_bulk_len="1mb")


@pytest.mark.parametrize("change", [["SET", "a", "1"], ["PEXPIRE", "k", "90000"], ["RPUSH", "l", "x"], ["DEL", "k"]])
def test_planted_data_difference(two_oracles, change):
    pair = Pair(two_oracles)
    pair.both(["SET", "k", "v"])
    pair.both(["RPUSH", "l", "x"])
    assert pair.compare_data(0) is None
    pair.ours.cmd(*change)
    assert pair.compare_data(0) is not None


def test_planted_reply_difference_is_shrunk(two_oracles):
    """The second server refuses long strings: of many commands, two are enough to show it."""
    commands = [[b"SET", b"string:%d" % (i % 4), b"%d" % i] for i in range(200)]
    commands[150:150] = [[b"SETRANGE", b"string:1", b"2000000", b"x"]]
    found = run(two_oracles, commands)
    assert found.index == 150 and found.name == b"SETRANGE"
    campaign = Campaign(two_oracles)
    campaign._report(1, found, {"protocol": 2}, commands)
    history = campaign.text().split("after these commands:")[1].strip().splitlines()
    assert len(history) == 1 and "SETRANGE" in history[0]
