"""What the workers of test_celery.py run: `celery -A lib.celery_jobs worker`, with the server's port in CELERY_PORT."""
import os
import time

import redis
from celery import Celery

PORT = os.environ.get("CELERY_PORT", "0")
URL = f"redis://127.0.0.1:{PORT}"

app = Celery("jobs", broker=f"{URL}/0", backend=f"{URL}/1")
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=32, worker_send_task_events=True, task_track_started=True,
                result_expires=600, broker_connection_retry_on_startup=True)


def counter():
    return redis.Redis(port=int(PORT), db=2)


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def fail(text):
    raise ValueError(text)


@app.task(bind=True, max_retries=3, default_retry_delay=0.05)
def fail_until(self, key, times):
    """Fails as often as told, for retries."""
    attempt = counter().incr(key)
    if attempt <= times:
        raise self.retry(exc=RuntimeError(f"attempt {attempt}"))
    return attempt


@app.task
def sleep(seconds):
    time.sleep(seconds)


@app.task
def mark(key):
    counter().rpush(key, time.time())
    return key
