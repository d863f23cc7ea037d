"""What redis-benchmark does not show: keys that expire in time, and long looks at one value."""
import json
import subprocess

from load import CLIENT_CORE, benchmark, command, load

EXPIRE_PER_S, EXPIRE_S = 200_000, 5
BITMAP_BYTES = 64 << 20
BITMAP_PART = 1 << 20
USERS, PATTERNS = 1000, 10
GETS, ROUNDS = 2_000_000, 5


def expiry(start, tool, scale):
    """bench/expiry.c: a dictionary of its figures."""
    per_s = int(EXPIRE_PER_S * scale)
    with start() as server:
        server.send(b"CONFIG SET notify-keyspace-events Ex\r\n")
        line = ["taskset", "-c", CLIENT_CORE, tool, str(server.port), str(per_s), str(EXPIRE_S)]
        result = subprocess.run(line, capture_output=True, text=True, check=True)
    return json.loads(result.stdout)


def bitcount(start, scale):
    """CPU ns per byte that BITCOUNT counts."""
    part = bytes(range(256)) * (BITMAP_PART // 256)
    with start() as server:
        load(server, (command("SETRANGE", "bitmap", at, part) for at in range(0, BITMAP_BYTES, BITMAP_PART)))
        cpu, _ = benchmark(server, max(int(100 * scale), 20), 1, ["BITCOUNT", "bitmap"])
    return cpu / BITMAP_BYTES


def users(start, scale):
    """CPU ns per GET at P=16: of a user without limits, and of one among many, whose last pattern is the one that matches."""
    who = {"free": [], "limited": ["--user", f"user{USERS // 2}", "-a", "pw"]}
    best = dict.fromkeys(who, float("inf"))
    with start() as server:
        load(server, (command("SET", b"key:%012d" % i, "xxx") for i in range(100_000)))
        rules = [f"~other{i}:*" for i in range(PATTERNS - 1)] + ["~key:*"]
        load(server, (command("ACL", "SETUSER", f"user{i}", "on", ">pw", "+@all", *rules) for i in range(USERS)))
        for _ in range(ROUNDS):  # in turn: the machine's mood hits both
            for name, login in who.items():
                cpu, _ = benchmark(server, max(int(GETS * scale), 20_000), 16, [*login, "-t", "get"], keys=100_000)
                best[name] = min(best[name], cpu)
    return best


def expiry_table(ours, theirs):
    """The goals are issue text: events in time, nothing readable too late, others not disturbed."""
    lines = [f"| {ours['keys']:,} keys expiring in {EXPIRE_S} s | Tokamak | redis | goal |", "|---|--:|--:|--:|"]
    in_time = [100 * (1 - row["late_events"] / row["events"]) if row["events"] else 0 for row in (ours, theirs)]
    rows = [("events", "{events:,}", lambda row: row["events"] == row["keys"], "all"),
            ("read after their time", "{readable_after}", lambda row: row["readable_after"] == 0, "0"),
            ("longest delay of an event, ms", "{max_behind_ms}", lambda row: True, ""),
            ("p99.9 of GETs meanwhile, ms", "{p999_ms:.2f}", lambda row: row["p999_ms"] <= 5, "≤ 5"),
            ("longest GET, ms", "{max_ms:.2f}", lambda row: True, "")]
    mark = "" if in_time[0] >= 99 else " **missed**"
    lines.append(f"| events within 100 ms | {in_time[0]:.1f} % | {in_time[1]:.1f} % | ≥ 99 %{mark} |")
    for name, form, holds, goal in rows:
        mark = "" if holds(ours) else " **missed**"
        lines.append(f"| {name} | {form.format(**ours)} | {form.format(**theirs)} | {goal}{mark} |")
    return lines


def bitcount_table(ours, theirs):
    mark = "" if theirs / ours >= 3 else " **missed**"
    return ["| BITCOUNT of 64 MB | Tokamak | redis | ratio | goal |", "|---|--:|--:|--:|--:|",
            f"| CPU ns per KB | {ours * 1024:.1f} | {theirs * 1024:.1f} | {theirs / ours:.1f} | ≥ 3{mark} |"]


def users_table(ours, theirs):
    costs = [100 * (row["limited"] / row["free"] - 1) for row in (ours, theirs)]
    mark = "" if costs[0] <= 10 else " **missed**"
    return [f"| GET P=16, {USERS:,} users with {PATTERNS} patterns each | Tokamak | redis | goal |", "|---|--:|--:|--:|",
            *(f"| CPU ns per GET, {text} | {ours[key]:.0f} | {theirs[key]:.0f} | |"
              for key, text in (("free", "no limits"), ("limited", "a user's patterns"))),
            f"| cost of the patterns | {costs[0]:.1f} % | {costs[1]:.1f} % | ≤ 10 %{mark} |"]
