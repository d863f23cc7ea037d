"""Commands whose replies are random or partial: compared by property, then both sides brought together.

Each handler runs the command on both servers by itself and returns (ours, theirs) when they violate a
property, else None. It may ask for the state before, since nothing else is in flight.
"""
from diff.compare import pairs
from lib.resp import Error, same

MAX_SCAN_CALLS = 20_000


def spop(pair, command):
    """Popped members were there; afterwards both sets are rebuilt from ours, so that they are equal
    again in members, time to live and encoding."""
    before = _members(pair, command)
    ours, theirs = pair.both(command)
    if not _comparable(ours, theirs):
        return _plain(ours, theirs)
    if not _valid_choice(_items(ours, 1), _items(theirs, 1), before, distinct=True):
        return ours, theirs
    return _rebuild(pair, command[1])


def _rebuild(pair, key):
    members, expires = (pair.ours.cmd(*c) for c in (["SMEMBERS", key], ["PEXPIRETIME", key]))
    counts = pair.both([b"SCARD", key])
    if counts[0] != counts[1]:
        return counts
    pair.both([b"DEL", key])
    if members:
        pair.both([b"SADD", key] + sorted(members))
    if expires > 0:
        pair.both([b"PEXPIREAT", key, b"%d" % expires])
    return None


def random_member(pair, command):
    """SRANDMEMBER, HRANDFIELD, ZRANDMEMBER: as many as redis gives, all of them existing."""
    before = _members(pair, command)
    ours, theirs = pair.both(command)
    if not _comparable(ours, theirs):
        return _plain(ours, theirs)
    distinct = len(command) < 3 or not command[2].startswith(b"-")
    width = 2 if len(command) > 3 else 1
    mine, other = _items(ours, width), _items(theirs, width)
    return None if _valid_choice(mine, other, before, distinct) else (ours, theirs)


def random_key(pair, command):
    ours, theirs = pair.both(command)
    if not isinstance(ours, bytes) or isinstance(ours, Error):
        return _plain(ours, theirs)
    return None if pair.ours.cmd("EXISTS", ours) == 1 else (ours, theirs)


def scan(pair, command):
    """The union of a whole iteration; what one call returns is the server's affair."""
    where = 1 if command[0].upper() == b"SCAN" else 2
    ours, theirs = pair.both(command)
    if not _comparable(ours, theirs):
        return _plain(ours, theirs)
    mine, other = (_scan_on(conn, command, where) for conn in (pair.ours, pair.theirs))
    return None if mine == other else (mine, other)


def _scan_on(conn, command, where):
    """Sorted distinct elements of all calls from cursor 0 until it is 0 again."""
    width = 2 if command[0].upper() in (b"HSCAN", b"ZSCAN") else 1
    seen = set()
    reply = [b"0"]
    for _ in range(MAX_SCAN_CALLS):
        reply = conn.cmd(*command[:where], reply[0], *command[where + 1:])
        seen.update(_items(reply[1], width))
        if reply[0] == b"0":
            return sorted(seen, key=repr)
    return "the scan does not end"


def _members(pair, command):
    """What there was to choose from, as tuples; empty when the key is of another type."""
    name, key = command[0].upper(), command[1] if len(command) > 1 else b""
    if name == b"HRANDFIELD":
        reply = pair.ours.cmd("HGETALL", key)
        return [] if isinstance(reply, Error) else pairs(reply)
    if name == b"ZRANDMEMBER":
        reply = pair.ours.cmd("ZRANGE", key, 0, -1, "WITHSCORES")
        return [] if isinstance(reply, Error) else _items(reply, 2)
    reply = pair.ours.cmd("SMEMBERS", key)
    return [] if isinstance(reply, Error) else _items(reply, 1)


def _items(reply, width):
    """A reply as tuples: of one value, or of member and score or value (flat, nested or a map)."""
    if not isinstance(reply, list):
        return [(reply,)]
    if width == 1:
        return [(item,) for item in reply]
    if reply and isinstance(reply[0], list):
        return [(item[0], _plain_value(item[1])) for item in reply]
    return [(member, _plain_value(value)) for member, value in zip(reply[::2], reply[1::2])]


def _plain_value(value):
    """Scores as numbers, however they are written."""
    try:
        return float(value)
    except ValueError:
        return value


def _valid_choice(ours, theirs, before, distinct):
    if len(ours) != len(theirs):
        return False
    universe = {item[:1] + tuple(map(_plain_value, item[1:])) for item in before}
    allowed = universe | {item[:1] for item in universe}
    return all(item in allowed for item in ours) and (not distinct or len(set(ours)) == len(ours))


def _comparable(ours, theirs):
    """Of one type and neither an error nor nil."""
    return type(ours) is type(theirs) and not isinstance(ours, Error) and isinstance(ours, (bytes, list))


def _plain(ours, theirs):
    return None if same(ours, theirs) else (ours, theirs)


HANDLERS = {b"SPOP": spop, b"SRANDMEMBER": random_member, b"HRANDFIELD": random_member,
            b"ZRANDMEMBER": random_member, b"RANDOMKEY": random_key, b"SCAN": scan, b"SSCAN": scan,
            b"HSCAN": scan, b"ZSCAN": scan}
