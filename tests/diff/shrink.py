"""From the first differing command back to the few commands that are needed for it."""
import re
import time

TIME_LIMIT_S = 15
KEY = re.compile(rb"(string|list|hash|set|zset|lex):(\d|string)")


def shrink(commands, found, fails):
    """A short list of commands that still differs; fails(list) is a Divergence or None."""
    end = time.monotonic() + TIME_LIMIT_S
    needed = commands[:found.index + 1]
    related = _related(needed, found)
    if len(related) < len(needed) and fails(related):
        needed = related
    return _bisect(needed, fails, end)


def _related(commands, found):
    """Only the commands that touch the keys the last one touches, directly or through others."""
    keys = _keys(found.command or [found.ours[0][1]])
    chosen = []
    for command in reversed(commands):
        touched = _keys(command)
        if not touched or touched & keys:
            keys |= touched
            chosen.append(command)
    return chosen[::-1]


def _keys(command):
    return {arg for arg in command if KEY.fullmatch(arg)}


def _bisect(commands, fails, end):
    """Removes ever smaller pieces as long as the rest still differs (delta debugging)."""
    size = len(commands) // 2
    while size and time.monotonic() < end:
        start = 0
        while start < len(commands) and time.monotonic() < end:
            rest = commands[:start] + commands[start + size:]
            if rest and fails(rest):
                commands = rest
            else:
                start += size
        size //= 2
    return commands
