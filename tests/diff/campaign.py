"""A campaign: segments of random commands until the wanted number, with every difference reported.

A command that differed is left out of later segments, so that one run shows all commands that differ
and not just the first. The report names the seed of each segment for a rerun of just that one.
"""
from diff.generator import Generator
from diff.runner import run, show
from diff.shrink import shrink

SEGMENT = 5000
MAX_REPORTS = 10


class Campaign:
    """Collects the reports of its segments."""

    def __init__(self, servers, families=None, unknown=()):
        self.servers = servers
        self.families = families
        self.exclude = set(unknown)
        self.reports = []
        self.sent = 0

    def run(self, seed, count):
        """Segments alternate between RESP2 and RESP3 and between default and small encodings."""
        while self.sent < count and len(self.reports) < MAX_REPORTS:
            self.segment(seed, min(SEGMENT, count - self.sent))
            seed += 1
        return self

    def commands(self, seed, count):
        generator = Generator(seed, self.families, self.exclude)
        return [generator.command() for _ in range(count)]

    def settings(self, seed):
        return {"protocol": 2 + seed % 2, "small": seed // 2 % 2 == 1}

    def segment(self, seed, count):
        commands, settings = self.commands(seed, count), self.settings(seed)
        found = run(self.servers, commands, **settings)
        self.sent += count
        if found:
            self._report(seed, found, settings, commands)

    def _report(self, seed, found, settings, commands):
        if all(server.alive() for server in self.servers):
            commands = shrink(commands, found, lambda part: run(self.servers, part, **settings))
        self.exclude.add(found.name)
        history = "\n".join("      " + " ".join(map(show, command)) for command in commands[-30:])
        self.reports.append(f"seed {seed} {settings} {found}\n    after these commands:\n{history}")
        assert self.servers[0].alive(), "the server ended:\n" + self.text()

    def text(self):
        return "\n\n".join(self.reports)


def unknown_commands(server, names):
    """The names the server answers with 'unknown command'."""
    with server.connect() as conn:
        return [name for name in names if conn.cmd(name).__class__.__name__ == "Error"
                and conn.cmd(name).startswith(b"ERR unknown command")]
