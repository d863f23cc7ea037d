"""oom-score-adj: what the kernel is told."""
from pathlib import Path

import pytest

from lib.resp import Error


def score(server):
    return int(Path(f"/proc/{server.pid}/oom_score_adj").read_text())


@pytest.mark.smoke
def test_scores(server, conn):
    base = score(server)
    conn.cmd("CONFIG", "SET", "oom-score-adj-values", "10 20 30")
    assert score(server) == base
    assert conn.cmd("CONFIG", "SET", "oom-score-adj", "yes") == b"OK" and score(server) == base + 10
    conn.cmd("CONFIG", "SET", "oom-score-adj-values", "15 20 30")
    assert score(server) == base + 15
    assert conn.cmd("CONFIG", "SET", "oom-score-adj", "no") == b"OK" and score(server) == base
    conn.cmd("CONFIG", "SET", "oom-score-adj", "absolute", "oom-score-adj-values", f"{base + 3} 0 0")
    assert score(server) == base + 3
    conn.cmd("CONFIG", "SET", "oom-score-adj", "no")
    assert score(server) == base
    assert isinstance(conn.cmd("CONFIG", "SET", "oom-score-adj-values", "-2001 0 0"), Error)


def test_at_start(start_server, server):
    base = score(server)
    assert score(start_server(oom_score_adj="relative", oom_score_adj_values="7 0 0")) == base + 7
