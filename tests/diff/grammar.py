"""A line of text describes a command and all its options; this expands it at random.

UPPER is literal, lower is a placeholder drawn by name, [a|b] may be left out, (a|b) is one of them,
(...)+ repeats one to four times. Example: SET k v [NX|XX] [EX sec|PX ms]
"""
import re

_TOKEN = re.compile(r"\)\+|[\[\]()|]|[^\s\[\]()|]+")
OPTION_PROBABILITY = 0.35


class Template:
    """One parsed line; `name` is the command's first word."""

    def __init__(self, line):
        tokens = _TOKEN.findall(line)
        self.line = line
        self.name = tokens[0].encode()
        self.nodes = _Parser(tokens).sequence()

    def expand(self, rng, draw):
        """A list of byte strings; draw(name) gives the list of arguments for a placeholder."""
        out = []
        _emit(self.nodes, rng, draw, out)
        return out


class _Parser:
    def __init__(self, tokens):
        self.tokens = tokens
        self.pos = 0

    def peek(self):
        return self.tokens[self.pos] if self.pos < len(self.tokens) else None

    def take(self):
        self.pos += 1
        return self.tokens[self.pos - 1]

    def sequence(self):
        nodes = []
        while self.peek() not in (None, "]", ")", ")+", "|"):
            token = self.take()
            if token in "[(":
                nodes.append(self.group())
            elif token.islower():
                nodes.append(("draw", token))
            else:
                nodes.append(("literal", token.encode()))
        return nodes

    def group(self):
        choices = [self.sequence()]
        while self.peek() == "|":
            self.take()
            choices.append(self.sequence())
        return {"]": "optional", ")": "choice", ")+": "repeat"}[self.take()], choices


def _emit(nodes, rng, draw, out):
    for kind, value in nodes:
        if kind == "literal":
            out.append(value)
        elif kind == "draw":
            out.extend(draw(value))
        elif kind != "optional" or rng.random() < OPTION_PROBABILITY:
            for _ in range(_times(rng) if kind == "repeat" else 1):
                _emit(rng.choice(value), rng, draw, out)


def _times(rng):
    """Mostly few, now and then enough to leave the packed encodings."""
    return rng.randint(60, 150) if rng.random() < 0.01 else rng.randint(1, 4)
