"""The results as Markdown: what was measured, on what, with which command."""
import os
import platform
import re
import subprocess
from pathlib import Path

GOALS = {("GET", 1): 1.2, ("SET", 1): 1.2, ("GET", 16): 2.5, ("SET", 16): 2.5, ("GET", 64): 5.0, ("SET", 64): 5.0,
         **{(name, 16): 2.0 for name in ("INCR", "SADD", "HSET", "MSET", "ZRANK", "ZRANGEBYSCORE", "LRANGE_100")},
         **{(name, 16): 1.15 for name in ("LPUSH", "RPOP", "SPOP", "ZPOPMIN", "PING")}, ("ZADD", 16): 2.5}
MEMORY_GOALS = {"key, 3-byte value": 46, "key, 32-byte value": 78, "key, 100-byte value": 146,
                "key, 32-byte value, TTL": 120, "sorted set member": 66, "hash field, 16-byte value": 60,
                "set member": 44, "list element": 19, "field of hashes of ten": 23, "idle connection": 1536}


def facts():
    """Of the machine only what a reader needs to judge the figures."""
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    redis = subprocess.run(["redis-server", "--version"], capture_output=True, text=True).stdout
    kernel = re.match(r"[0-9.]*[0-9]", platform.release()).group()
    version = re.search(r"v=([0-9.]+)", redis).group(1)
    return [f"CPU {cpu.group(1) if cpu else platform.machine()}, {os.cpu_count()} cores, kernel {kernel}, "
            f"redis-server {version}"]


def speed_table(ours, theirs):
    lines = ["| command | P | Tokamak µs/op | redis µs/op | ratio | goal | Tokamak op/s | redis op/s |",
             "|---|--:|--:|--:|--:|--:|--:|--:|"]
    for key in ours:
        (cpu, rate), (redis_cpu, redis_rate) = ours[key], theirs[key]
        goal = GOALS.get(key)
        mark = "" if goal is None else f"≥ {goal}" + ("" if redis_cpu / cpu >= goal else " **missed**")
        lines.append(f"| {key[0]} | {key[1]} | {cpu / 1000:.3f} | {redis_cpu / 1000:.3f} "
                     f"| {redis_cpu / cpu:.2f} | {mark} | {rate:,.0f} | {redis_rate:,.0f} |")
    return lines


def floor_table(floors, ours, theirs):
    """What the servers cost beyond the kernel's part, which neither can change."""
    lines = ["| command | P | floor µs/op | Tokamak − floor | redis − floor | ratio above the floor |",
             "|---|--:|--:|--:|--:|--:|"]
    for key, (floor, _) in floors.items():
        above, redis_above = ours[key][0] - floor, theirs[key][0] - floor
        ratio = f"{redis_above / above:.2f}" if above > 0 else "–"
        lines.append(f"| {key[0]} | {key[1]} | {floor / 1000:.3f} | {above / 1000:.3f} | {redis_above / 1000:.3f} "
                     f"| {ratio} |")
    return lines


def memory_table(ours, theirs):
    lines = ["| bytes per | Tokamak | redis | goal |", "|---|--:|--:|--:|"]
    for name, size in ours.items():
        goal = MEMORY_GOALS[name]
        mark = "" if size <= goal else " **missed**"
        lines.append(f"| {name} | {size:.0f} | {theirs[name]:.0f} | ≤ {goal}{mark} |")
    return lines


def reactor_table(results):
    lines = ["| command, P=16 | 1 reactor µs/op | 2 reactors µs/op | ratio (goal ≤ 1.1) |", "|---|--:|--:|--:|"]
    for name in ("SET", "GET"):
        one, two = results[name, 1][0], results[name, 2][0]
        lines.append(f"| {name} | {one / 1000:.3f} | {two / 1000:.3f} | {two / one:.2f} |")
    return lines


def idle_table(ours, theirs):
    lines = ["| GET, P=16 | op/s alone | op/s beside 10,000 idle connections | cost (goal ≤ 5 %) |",
             "|---|--:|--:|--:|"]
    for name, (alone, beside) in (("Tokamak", ours), ("redis", theirs)):
        lines.append(f"| {name} | {alone:,.0f} | {beside:,.0f} | {100 * (1 - beside / alone):.1f} % |")
    return lines
