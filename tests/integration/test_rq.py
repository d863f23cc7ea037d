"""A job queue as users run it: RQ's own workers, blocking on Tokamak, with results, failures, retries, schedules."""
import os
import subprocess
from datetime import timedelta

import pytest
import redis
from rq import Queue, Retry
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry

from lib import rq_jobs
from lib.server import ROOT
from lib.wait import wait_until

PATIENCE_S = 60
JOBS = 40


@pytest.fixture
def connection(server):
    with redis.Redis(port=server.port, socket_timeout=20) as conn:
        yield conn


@pytest.fixture
def workers(server):
    """Two worker processes; they block until there is work and stop at the end of the test."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    line = ["/usr/bin/rq", "worker", "--url", f"redis://127.0.0.1:{server.port}", "--with-scheduler", "high", "default"]
    log = os.path.join(server.dir, "rq.log")
    with open(log, "ab") as out:
        started = [subprocess.Popen(line, env=environment, stdout=out, stderr=out, cwd=server.dir) for _ in range(2)]
    yield log
    for process in started:
        process.terminate()
    for process in started:
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def finished(jobs):
    return all(job.get_status(refresh=True) == "finished" for job in jobs)


def read(path):
    with open(path, errors="replace") as file:
        return file.read()[-3000:]


def test_rq_runs_jobs(server, connection, workers):
    queue, urgent = Queue("default", connection=connection), Queue("high", connection=connection)
    jobs = [(urgent if i % 4 == 0 else queue).enqueue(rq_jobs.add, i, 1000) for i in range(JOBS)]
    summed = queue.enqueue(rq_jobs.total, server.port, [job.id for job in jobs], depends_on=jobs)
    assert wait_until(lambda: finished([*jobs, summed]), PATIENCE_S), read(workers)
    assert [job.return_value() for job in jobs] == [i + 1000 for i in range(JOBS)]
    assert summed.return_value() == sum(i + 1000 for i in range(JOBS))
    ids = FinishedJobRegistry(queue=queue).get_job_ids() + FinishedJobRegistry(queue=urgent).get_job_ids()
    assert set(ids) == {job.id for job in [*jobs, summed]}
    assert queue.count == 0 and urgent.count == 0


def test_rq_failures_retries_and_schedules(server, connection, workers):
    queue = Queue("default", connection=connection)
    failing = queue.enqueue(rq_jobs.fail, "no such thing")
    retried = queue.enqueue(rq_jobs.fail_until, "attempts", server.port, 2, retry=Retry(max=3))
    later = queue.enqueue_in(timedelta(seconds=1), rq_jobs.add, 1, 2)
    assert later.id in ScheduledJobRegistry(queue=queue) or later.get_status(refresh=True) != "scheduled"
    assert wait_until(lambda: failing.get_status(refresh=True) == "failed", PATIENCE_S), read(workers)
    assert "no such thing" in failing.latest_result().exc_string
    assert failing.id in FailedJobRegistry(queue=queue)
    assert wait_until(lambda: finished([retried]), PATIENCE_S), read(workers)
    assert retried.return_value() == 3
    assert wait_until(lambda: finished([later]), PATIENCE_S), read(workers)
    assert later.return_value() == 3
