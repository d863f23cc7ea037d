"""What the workers of test_rq.py run."""


def add(a, b):
    return a + b


def fail(text):
    raise ValueError(text)


def total(connection_port, job_ids):
    """Reads the results of other jobs, as a job that depends on them would."""
    import redis
    from rq.job import Job
    with redis.Redis(port=connection_port) as connection:
        return sum(Job.fetch(job_id, connection=connection).return_value() for job_id in job_ids)


def fail_until(key, port, times):
    """Fails as often as told, for retries."""
    import redis
    with redis.Redis(port=port) as connection:
        attempt = connection.incr(key)
    if attempt <= times:
        raise RuntimeError(f"attempt {attempt}")
    return attempt
