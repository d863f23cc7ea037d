"""The same random commands over frames and over HTTP to Tokamak, over RESP to redis-server.

DOOR_COMMANDS and DIFF_SEED widen a run.
"""
import os

import pytest

from diff.doors import DoorCampaign, FramePair, HttpCampaign
from diff.test_diff import LIMITS, SEED
from lib.server import REDIS, free_port

COUNT = int(os.environ.get("DOOR_COMMANDS") or (200_000 if os.environ.get("TOKAMAK_LONG") else 10_000))

pytestmark = pytest.mark.tokamak


def check(campaign):
    result = campaign.run(SEED, COUNT)
    assert not result.reports, f"{len(result.reports)} differences\n{result.text()}"
    assert result.sent >= COUNT


def test_frames(start_server):
    check(DoorCampaign((start_server(frame_port=free_port(), **LIMITS), start_server(REDIS, **LIMITS)), FramePair))


def test_http(start_server):
    check(HttpCampaign((start_server(http_port=free_port(), **LIMITS), start_server(REDIS, **LIMITS))))
