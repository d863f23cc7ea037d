"""Hot keys: whether the top ten of a skewed load are the right ones, and what always looking for them costs."""
import subprocess

from load import CLIENT_CORE

CALLS, KEYS, SHOWN = 20_000_000, 100_000, 10
ROUNDS, BATCHES = 5, 20_000
GOAL_COST = 2


def _read_reply(server):
    """HOTKEYS GET as lines: what is looked for in it are texts that nothing else looks like."""
    return server.send(b"HOTKEYS GET\r\n").decode().split("\r\n")


def found(start, tool, scale):
    """How many of the ten keys most called stand among the ten shown. Keys are drawn by Zipf's law, the first one
    most often."""
    with start() as server:
        line = ["taskset", "-c", CLIENT_CORE, tool, "-p", str(server.port), "-c", "50", "-P", "64", "-q", "-n",
                str(int(CALLS * scale)), "-r", str(KEYS), "--keys", "zipf:1", "-e", "GET hot:{key}"]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
        lines = _read_reply(server)
    shown = lines[lines.index("by-calls") + 1:]
    names = [line for line in shown if line.startswith("hot:")]
    ranks = [int(name.split(":")[1]) for name in names]
    first = min(ranks)  # 0 or 1
    return sum(rank < first + SHOWN for rank in ranks)


def cost(tool):
    """Percent of the time of a GET without the kernel's part, which would only hide it: the least of rounds in turn."""
    best = {}
    for _ in range(ROUNDS):
        for name in ("GET", "GET-unsampled"):
            line = ["taskset", "-c", CLIENT_CORE, tool, name, str(BATCHES), "1"]
            ns = float(subprocess.run(line, capture_output=True, text=True, check=True).stdout.split()[1])
            best[name] = min(best.get(name, ns), ns)
    return 100 * (best["GET"] / best["GET-unsampled"] - 1)


def table(names, percent):
    marks = ["" if holds else " **missed**" for holds in (names == SHOWN, percent <= GOAL_COST)]
    return ["| hot keys | Tokamak | goal |", "|---|--:|--:|",
            f"| of the {SHOWN} most called by Zipf's law, shown | {names} | {SHOWN}{marks[0]} |",
            f"| cost of a GET's own part | {percent:.1f} % | ≤ {GOAL_COST} %{marks[1]} |"]
