"""Sequential models: step(state, operation) gives the next state, or IMPOSSIBLE.

An operation that is not `known` got no answer: it may have happened or not, with any reply.
"""
from lib.resp import INCOMPLETE, Error, Reader

IMPOSSIBLE = object()


class Operation:
    """One call on one object."""

    __slots__ = ("name", "value", "start", "end", "reply", "known")

    def __init__(self, name, value, start, end, reply, known=True):
        self.name, self.value, self.start, self.end = name, value, start, end
        self.reply, self.known = reply, known

    def __repr__(self):
        return f"[{self.start}..{self.end}] {self.name} {self.value!r} -> {self.reply!r}"


def register(state, op):
    """SET and GET; MSET of two keys to one value and MGET of both, never one without the other."""
    if op.name in ("SET", "MSET"):
        return op.value
    expected = state if op.name == "GET" else [state, state]
    return state if not op.known or op.reply == expected else IMPOSSIBLE


def appended(state, op):
    """APPEND returns the length, GETALL the whole string."""
    if op.name == "APPEND":
        state = state + op.value
        return state if not op.known or op.reply == len(state) else IMPOSSIBLE
    return state if not op.known or (op.reply or b"") == state else IMPOSSIBLE


def appended_list(state, op):
    """RPUSH returns the length, LRANGE all elements."""
    if op.name == "RPUSH":
        if op.known and op.reply != len(state) + 1:
            return IMPOSSIBLE
        return state + (op.value,)
    return state if not op.known or tuple(op.reply) == state else IMPOSSIBLE


MODELS = {"r": (register, None), "l": (appended_list, ()), "a": (appended, b""), "p": (register, None)}


def parse_histories(text):
    """{object: [Operation]} of the output of linear.c."""
    histories = {}
    for line in text.splitlines():
        name, op, value, start, end, *reply = line.split(" ")
        known = end != "-1"
        parsed = _parse_reply(bytes.fromhex(reply[0])) if known else None
        operation = Operation(op, value.encode(), int(start), int(end) if known else float("inf"), parsed, known)
        histories.setdefault(name, []).append(operation)
    return histories


def is_register(name):
    """Registers of unique values have a faster checker than the general search."""
    return name[0] in "rp"


def _parse_reply(raw):
    reader = Reader()
    reader.feed(raw)
    reply = reader.next()
    assert reply is not INCOMPLETE and not isinstance(reply, Error), raw
    return reply
