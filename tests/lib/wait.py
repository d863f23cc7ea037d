"""Waiting for a condition instead of for a time."""
import time


def wait_until(condition, seconds=30):
    """True as soon as the condition holds; its last answer when the time, ample for a loaded machine, is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return condition()
