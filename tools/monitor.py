#!/usr/bin/python3
"""A line per second about a running server, like redis-cli --stat, and a table of its threads.

    tools/monitor.py [-h HOST] [-p PORT] [-a PASSWORD] [--interval SECONDS] [--count N] [--once]
"""
import argparse
import os
import socket
import sys
import time


class Client:
    """Just enough RESP for INFO."""

    def __init__(self, host, port, password):
        self.file = socket.create_connection((host, port), 5).makefile("rwb")
        if password:
            self.command("AUTH", password)

    def command(self, *words):
        data = [word.encode() for word in words]
        self.file.write(b"*%d\r\n" % len(data) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in data))
        self.file.flush()
        line = self.file.readline()
        if not line:
            raise ConnectionError("the server closed the connection")
        if line[:1] == b"-":
            raise RuntimeError(line[1:].decode().strip())
        if line[:1] != b"$":
            return line[1:].decode().strip()
        return self.file.read(int(line[1:]) + 2)[:-2].decode(errors="replace")

    def info(self):
        rows = (line.partition(":") for line in self.command("INFO", "everything").splitlines() if ":" in line)
        return {name: value for name, _, value in rows}


def threads(pid):
    """{(id, name): CPU seconds} of a process of this machine; {} if it is elsewhere."""
    found, tick = {}, os.sysconf("SC_CLK_TCK")
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/stat") as file:
                head, _, tail = file.read().rpartition(") ")
            name = head.partition("(")[2]
            fields = tail.split()
            found[int(task), name] = (int(fields[11]) + int(fields[12])) / tick
    except OSError:
        return {}
    return found


def size(text):
    value = float(text)
    for unit in ("B", "K", "M", "G"):
        if value < 1024:
            return f"{value:.0f}{unit}" if unit == "B" else f"{value:.1f}{unit}"
        value /= 1024
    return f"{value:.1f}T"


def keys(info):
    return sum(int(value.split(",")[0].partition("=")[2]) for name, value in info.items()
               if name.startswith("db") and name[2:].isdigit())


def number(info, name):
    return float(info.get(name, 0) or 0)


COLUMNS = ["keys", "memory", "clients", "blocked", "ops/s", "in/s", "out/s", "hit %", "expired/s", "evicted/s", "slow",
           "CPU %"]


def row(now, before, seconds):
    """The figures of COLUMNS between two INFOs."""
    def per_second(name):
        return (number(now, name) - number(before, name)) / seconds
    hits = number(now, "keyspace_hits") - number(before, "keyspace_hits")
    misses = number(now, "keyspace_misses") - number(before, "keyspace_misses")
    cpu = per_second("used_cpu_user") + per_second("used_cpu_sys")
    return [f"{keys(now):,}", size(now.get("used_memory", 0)), now.get("connected_clients", "?"),
            now.get("blocked_clients", "?"), f"{per_second('total_commands_processed'):,.0f}",
            size(max(0, per_second("total_net_input_bytes"))), size(max(0, per_second("total_net_output_bytes"))),
            f"{100 * hits / (hits + misses):.1f}" if hits + misses else "-", f"{per_second('expired_keys'):,.0f}",
            f"{per_second('evicted_keys'):,.0f}", now.get("slow_commands_active", "-"), f"{100 * cpu:.0f}"]


def thread_rows(now, before, seconds):
    """Busy share per thread: reactors and workers each by name, since a busy one among idle ones is what one looks for."""
    shares = {key: 100 * (cpu - before.get(key, cpu)) / seconds for key, cpu in now.items()}
    return [f"{name}:{share:.0f}%" for (_, name), share in sorted(shares.items(), key=lambda item: (-item[1], item[0]))]


def show(values, width):
    print(" ".join(f"{value:>{width}}" for value in values), flush=True)


def watch(client, options):
    before, began = client.info(), time.monotonic()
    pid = before.get("process_id", "0")
    local = options.host in ("127.0.0.1", "::1", "localhost")
    threads_before = threads(pid) if local else {}
    print(f"{before.get('executable', 'server')}  reactors {before.get('io_threads', '?')}, workers "
          f"{before.get('worker_threads', '?')}, shards {before.get('shards', '?')}, mode {before.get('exec_mode', '?')}")
    lines = 0
    while options.count is None or lines < options.count:
        time.sleep(options.interval)
        now, ended = client.info(), time.monotonic()
        if lines % 20 == 0:
            show(COLUMNS, 10)
        show(row(now, before, ended - began), 10)
        threads_now = threads(pid) if local else {}
        if threads_now:
            print("    " + "  ".join(thread_rows(threads_now, threads_before, ended - began)), flush=True)
        before, began, threads_before = now, ended, threads_now
        lines += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], add_help=False)
    parser.add_argument("-h", "--host", default="127.0.0.1")
    parser.add_argument("-p", "--port", type=int, default=6379)
    parser.add_argument("-a", "--password", default=os.environ.get("REDISCLI_AUTH"))
    parser.add_argument("--interval", type=float, default=1)
    parser.add_argument("--count", type=int, help="ends after so many lines")
    parser.add_argument("--once", action="store_const", const=1, dest="count")
    parser.add_argument("--help", action="help")
    options = parser.parse_args()
    try:
        watch(Client(options.host, options.port, options.password), options)
    except (OSError, RuntimeError) as error:
        sys.exit(f"monitor: {error}")
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
