"""Are two replies to one command equal, as far as the protocol promises anything?"""
import math

from diff.differences import explain
from lib.resp import Double, Error, Map, Set, same

TOLERANCE_S = 4
UNORDERED = {b"SMEMBERS", b"SUNION", b"SINTER", b"SDIFF", b"KEYS", b"HKEYS", b"HVALS"}
TIME_UNITS = {b"TTL": 1, b"EXPIRETIME": 1, b"PTTL": 1000, b"PEXPIRETIME": 1000}
SHAPE_ONLY = {(b"TIME",), (b"COMMAND", b""), (b"COMMAND", b"COUNT"), (b"MEMORY", b"USAGE"), (b"OBJECT", b"REFCOUNT"),
              (b"OBJECT", b"IDLETIME")}


# What XINFO says about clocks and trees, and what 7.0 has not: consumers that have got nothing.
XINFO_IGNORED = {b"radix-tree-nodes", b"seen-time", b"active-time", b"idle", b"inactive"}


def stream_info(reply):
    """A reply of XINFO without what may differ: flat lists become maps, consumers without entries go."""
    if not isinstance(reply, list) or not reply:
        return reply
    if not isinstance(reply[0], bytes) or reply[0] not in (b"length", b"name"):
        return [item for item in map(stream_info, reply) if not isinstance(item, dict) or item.get(b"pending", 1) != 0]
    info = {key: value for key, value in zip(reply[::2], reply[1::2]) if key not in XINFO_IGNORED}
    if isinstance(info.get(b"consumers"), int):  # XINFO GROUPS counts them
        del info[b"consumers"]
        info[b"pending-count"] = info.pop(b"pending")
    if b"pending" in info and isinstance(info[b"pending"], list):
        info[b"pending"] = [item[:1] + item[-1:] if len(item) == 3 else item[:2] + item[-1:] for item in info[b"pending"]]
    for key in (b"groups", b"consumers"):
        if isinstance(info.get(key), list):
            info[key] = [item for item in map(stream_info, info[key]) if key == b"groups" or item[b"pending"]]
    return info


def _pending(reply):
    """XPENDING's list without the idle times."""
    if not isinstance(reply, list) or not all(isinstance(item, list) and len(item) == 4 for item in reply):
        return reply
    return [item[:2] + item[3:] for item in reply]


def replies_agree(command, ours, theirs):
    """True when equal, equal up to order, time or float text, or different by intention."""
    if same(ours, theirs):
        return True
    name = command[0].upper()
    if name == b"XINFO" and stream_info(ours) == stream_info(theirs):
        return True
    if name == b"XPENDING" and _pending(ours) == _pending(theirs):
        return True
    if name in TIME_UNITS:
        return _times_agree(ours, theirs, TOLERANCE_S * TIME_UNITS[name])
    if _shape_only(name, command) and type(ours) is type(theirs) and not isinstance(ours, Error):
        return True
    if _equal(_ordered(name, command, ours), _ordered(name, command, theirs), name.startswith(b"Z")):
        return True
    return explain(command, ours, theirs) is not None


def _shape_only(name, command):
    return (name,) in SHAPE_ONLY or (name, command[1].upper() if len(command) > 1 else b"") in SHAPE_ONLY


def _times_agree(ours, theirs, tolerance):
    """Two clocks, a moment apart; -1 and -2 are no times."""
    if type(ours) is not int or type(theirs) is not int or min(ours, theirs) < 0:
        return False
    return abs(ours - theirs) <= tolerance


def _ordered(name, command, reply):
    """The reply with an order forced on what has none."""
    if isinstance(reply, Map) or (name == b"HGETALL" and isinstance(reply, list)):
        return type(reply)(item for pair in pairs(reply) for item in pair)
    nosort = name in (b"SORT", b"SORT_RO") and b"BY" in [arg.upper() for arg in command]
    if isinstance(reply, Set) or (isinstance(reply, list) and (name in UNORDERED or nosort)):
        return type(reply)(sorted(reply, key=repr))
    return reply


def pairs(flat):
    """A flat list of fields and values as a sorted list of pairs."""
    return sorted(zip(flat[::2], flat[1::2]), key=repr)


def _equal(a, b, scores):
    """Like same(), but a sorted set's scores may be printed with more or fewer digits."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(_equal(x, y, scores) for x, y in zip(a, b))
    if isinstance(a, Double):
        return a == b or (math.isnan(a) and math.isnan(b))
    return a == b or (scores and type(a) is bytes and _same_number(a, b))


def _same_number(a, b):
    try:
        return float(a) == float(b)
    except ValueError:
        return False
