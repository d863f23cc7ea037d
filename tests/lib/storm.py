"""What every storm has: a server, an end, and workers whose failures are told afterwards."""
import random
import threading
import time


class StormBase:
    """Derived classes add what their workers note down; `lock` guards it."""

    def __init__(self, server, seconds):
        self.server, self.end = server, time.monotonic() + seconds
        self.lock = threading.Lock()
        self.ids, self.failures = [], []

    def over(self):
        return time.monotonic() >= self.end

    def run(self, work, seed):
        try:
            work(random.Random(seed))
        except Exception as failure:  # pylint: disable=broad-except
            self.failures.append((work.__name__, repr(failure)))
