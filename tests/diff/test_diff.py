"""The same random commands to Tokamak and to redis-server: replies and final data must be equal.

DIFF_COMMANDS, DIFF_SEED and DIFF_FAMILIES (comma separated) narrow or widen a run:
    DIFF_SEED=17 DIFF_COMMANDS=5000 DIFF_FAMILIES=zset pytest tests/diff/test_diff.py -k main
"""
import os

import pytest

from diff.campaign import Campaign, unknown_commands
from diff.commands import FAMILIES, NOT_IN_REDIS
from diff.differences import NOT_YET
from diff.generator import Generator
from lib.server import REDIS

LIMITS = {"databases": 3, "proto_max_bulk_len": "1mb"}
ESSENTIAL = {b"FLUSHALL", b"KEYS", b"TYPE", b"OBJECT", b"PEXPIRETIME", b"CONFIG", b"SELECT"}
SEED = int(os.environ.get("DIFF_SEED", "1"))


def selected_families():
    return [name for name in os.environ.get("DIFF_FAMILIES", "").split(",") if name] or None


def all_names():
    generator = Generator(0)
    return sorted({t.name for templates in generator.templates.values() for t in templates})


@pytest.fixture
def servers(start_server):
    return start_server(**LIMITS), start_server(REDIS, **LIMITS)


def campaign(servers, count):
    unknown = set(unknown_commands(servers[0], all_names())) - {b"NOSUCHCOMMAND"}
    assert not unknown & ESSENTIAL, f"cannot compare data without {unknown & ESSENTIAL}"
    result = Campaign(servers, selected_families(), unknown).run(SEED, count)
    assert not result.reports, f"{len(result.reports)} differences\n{result.text()}"
    assert result.sent >= count


def test_differential_main(servers):
    campaign(servers, int(os.environ.get("DIFF_COMMANDS", "200000")))


@pytest.mark.smoke
def test_differential_smoke(servers):
    campaign(servers, 10_000)


def test_no_unknown_commands(server):
    """Commands missing from the server are left out above; here they are listed, all at once."""
    missing = {name.decode() for name in unknown_commands(server, all_names())} - {"NOSUCHCOMMAND"}
    assert missing == set(NOT_YET), f"unknown to the server: {' '.join(sorted(missing))}"


def test_every_family_is_generated():
    """A seed reaches every command form within a segment's worth of commands per family."""
    generator = Generator(SEED)
    drawn = {generator.command()[0].upper() for _ in range(30_000)}
    assert set(all_names()) - drawn <= {b"FLUSHDB", b"FLUSHALL"}
    assert set(generator.templates) == set(FAMILIES) - NOT_IN_REDIS
