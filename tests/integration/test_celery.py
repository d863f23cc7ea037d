"""Celery with Tokamak as its broker and its store of results: the work of a small application, by two workers of two processes."""
import json
import os
import subprocess
import time
from contextlib import contextmanager

import pytest
import redis
from celery import chord, group
from celery.result import GroupResult

from lib.server import ROOT
from lib.wait import wait_until

PATIENCE_S = 60
JOBS = 60


@pytest.fixture
def queue(server, monkeypatch):
    """The module of the tasks, bound to the server, as an application would import it."""
    monkeypatch.setenv("CELERY_PORT", str(server.port))
    from lib import celery_jobs
    celery_jobs.PORT = str(server.port)
    celery_jobs.app.conf.update(broker_url=f"redis://127.0.0.1:{server.port}/0", result_backend=f"redis://127.0.0.1:{server.port}/1")
    yield celery_jobs
    celery_jobs.app.backend.result_consumer.stop()
    celery_jobs.app.backend.result_consumer.cancel_for = lambda _: None  # results that nobody fetched unsubscribe when they die
    celery_jobs.app.close()


@contextmanager
def worker(server):
    line = ["/usr/bin/python3", "-m", "celery", "-A", "lib.celery_jobs", "worker", "--concurrency", "2", "--pool", "prefork",
            "--without-mingle", "--without-gossip", "--loglevel", "INFO", "--hostname", "w@test"]
    log = os.path.join(server.dir, "celery.log")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "CELERY_PORT": str(server.port), "C_FORCE_ROOT": "1"}
    with open(log, "ab") as out:
        process = subprocess.Popen(line, env=environment, stdout=out, stderr=out, cwd=server.dir)
    try:
        yield log
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def text(path):
    with open(path, errors="replace") as file:
        return file.read()[-3000:]


def value(result):
    """Celery's own wait looks once a second when messages come in an order that it does not like."""
    assert wait_until(result.ready, PATIENCE_S)
    return [part.get(1) for part in result.results] if isinstance(result, GroupResult) else result.get(1)


def test_celery_runs_an_applications_jobs(server, queue):
    started = time.time()
    later = queue.mark.apply_async(("later",), countdown=2)
    with worker(server) as log:
        assert queue.add.delay(1, 2).get(PATIENCE_S) == 3, text(log)  # PUBLISH brings it
        sums = group(queue.add.s(i, 1000) for i in range(JOBS))()
        assert value(sums) == [i + 1000 for i in range(JOBS)], text(log)
        assert queue.app.control.ping(timeout=20, limit=1), text(log)
        revoked = queue.sleep.delay(600)
        assert wait_until(lambda: revoked.state == "STARTED", PATIENCE_S), text(log)
        revoked.revoke(terminate=True)
        assert value(chord((queue.add.s(i, i) for i in range(20)), queue.total.s())()) == 380
        assert value((queue.add.s(1, 2) | queue.add.s(3) | queue.add.s(4))()) == 10
        failed = queue.fail.delay("no such thing")
        with pytest.raises(ValueError, match="no such thing"):
            value(failed)
        assert failed.state == "FAILURE" and "no such thing" in failed.traceback
        assert value(queue.fail_until.delay("attempts", 2)) == 3
        with redis.Redis(port=server.port, db=2) as conn:
            assert value(later) == "later"
            assert float(conn.lindex("later", 0)) >= started + 2
        assert wait_until(lambda: revoked.state == "REVOKED", PATIENCE_S), text(log)
    with redis.Redis(port=server.port) as conn:
        # Celery gives back what was killed before its parent process had heard of the start.
        assert {json.loads(job)["headers"]["id"] for job in conn.lrange("celery", 0, -1)} <= {revoked.id}
        assert conn.hlen("unacked") == 0
        assert conn.zcard("unacked_index") == 0
