#!/usr/bin/python3
"""What TLS costs, for Tokamak and redis-server: CPU per operation over TLS and beside it over TCP, what
handshakes do to other clients' latency, and the memory of an idle connection.

The certificate is EC P-256, the protocol TLS 1.3. The server is pinned to core 0 and the load to core 1; both
servers use the same OpenSSL.
"""
import argparse
import json
import os
import selectors
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_server import REDIS, BenchServer, _free_port
from load import CLIENT_CORE, CONNECTIONS, command

ROOT = Path(__file__).resolve().parents[1]
GOAL_CPU, GOAL_P99 = 0.9, 2.0


def arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--operations", type=int, default=200_000, help="of each measurement at P=1")
    parser.add_argument("--repeat", type=int, default=3, help="the best of so many, in turn")
    parser.add_argument("--handshakes", type=int, default=200, help="per second")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--idle", type=int, default=300, help="connections whose memory is measured")
    parser.add_argument("--server", default=os.environ.get("TOKAMAK_SERVER", str(ROOT / "build" / "tokamak-server")))
    options = parser.parse_args(argv)
    options.handshake_tool = str(Path(options.server).resolve().parent / "bench" / "bench-handshakes")
    return options


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


class Certificate:
    """Signed by itself: the authority, too."""

    def __init__(self, folder):
        self.cert, self.key = Path(folder, "cert.pem"), Path(folder, "key.pem")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key,
                "-out", self.cert, "-subj", "/CN=bench", "-days", 30)

    def directives(self, port):
        return ["--tls-port", str(port), "--tls-cert-file", str(self.cert), "--tls-key-file", str(self.key),
                "--tls-ca-cert-file", str(self.cert), "--tls-auth-clients", "no"]

    def context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


class TlsServer(BenchServer):
    def __init__(self, binary, certificate):
        self.tls_port, self.certificate = _free_port(), certificate
        super().__init__(binary)

    def arguments(self, io_threads):
        return super().arguments(io_threads) + self.certificate.directives(self.tls_port)


def cpu_per_operation(server, port, operations, pipeline, test, options):
    line = ["taskset", "-c", CLIENT_CORE, "redis-benchmark", "-p", str(port), "-c", str(CONNECTIONS), "-n",
            str(operations), "-P", str(pipeline), "-r", "100000", "--csv", "-t", test, *options]
    before = server.cpu_ns()
    subprocess.run(line, capture_output=True, check=True)
    return (server.cpu_ns() - before) / operations / 1000


def cpu_rows(binaries, certificate, options):
    """{(way, test, pipeline): {side: the least µs}}, in turn."""
    secure = ["--tls", "--cacert", str(certificate.cert)]
    rows = {}
    for _ in range(options.repeat):
        for side, binary in binaries.items():
            with TlsServer(binary, certificate) as server:
                for pipeline in (1, 16):
                    for test in ("set", "get"):
                        for way, port, more in (("TLS", server.tls_port, secure), ("TCP", server.port, [])):
                            took = cpu_per_operation(server, port, options.operations * (2 if pipeline > 1 else 1),
                                                     pipeline, test, more)
                            best = rows.setdefault((way, test, pipeline), {})
                            best[side] = min(best.get(side, took), took)
    return rows


def hands(options, *args):
    """bench/handshakes.c on the load's core."""
    return subprocess.Popen(["taskset", "-c", CLIENT_CORE, options.handshake_tool, *map(str, args)],
                            stdout=subprocess.PIPE, text=True)


def outcome(*loads):
    """Of the first one: how many, and the load's own CPU µs for each."""
    return [json.loads(load.communicate()[0]) for load in loads][0]


def reactor_ns(server):
    """CPU time of the threads that execute commands."""
    total = 0
    for path in Path(f"/proc/{server.process.pid}/task").iterdir():
        name = (path / "comm").read_text().strip()
        if name.startswith(("reactor-", "redis-server", "io_thd_")):
            total += int((path / "schedstat").read_text().split()[0])
    return total


def latency(port, seconds, rate=2000, connections=20):
    """Open loop: microseconds from when each GET was due, sorted."""
    socks = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    selector, due = selectors.DefaultSelector(), {}
    for sock in socks:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(sock, selectors.EVENT_READ)
    request, times, sent, began = command("GET", "key"), [], 0, time.monotonic()
    free = list(socks)
    while (now := time.monotonic()) < began + seconds:
        while free and began + sent / rate <= now:
            sock = free.pop()
            due[sock] = began + sent / rate
            sock.sendall(request)
            sent += 1
        for key, _ in selector.select(0):
            key.fileobj.recv(4096)
            times.append((time.monotonic() - due[key.fileobj]) * 1e6)
            free.append(key.fileobj)
    for sock in socks:
        sock.close()
    return sorted(times)


def percentile(times, share):
    return times[min(int(len(times) * share), len(times) - 1)]


def handshake_rows(binary, certificate, options):
    """A dictionary of medians. A hog takes the same time from both cores without a handshake: what others feel of it is
    the machine's part."""
    rows = {name: [] for name in ("quiet", "busy", "hog", "rate", "cpu", "reactor")}
    with TlsServer(binary, certificate) as server:
        for _ in range(options.repeat):
            rows["quiet"].append(percentile(latency(server.port, options.seconds / 2), 0.99))
            cpu, reactor = server.cpu_ns(), reactor_ns(server)
            alone = outcome(hands(options, server.tls_port, options.handshakes, 3))
            rows["cpu"].append((server.cpu_ns() - cpu) / alone["done"] / 1000)
            rows["reactor"].append((reactor_ns(server) - reactor) / alone["done"] / 1000)
            load = hands(options, server.tls_port, options.handshakes, options.seconds)
            rows["busy"].append(percentile(latency(server.port, options.seconds), 0.99))
            rows["rate"].append(outcome(load)["done"] / options.seconds)
            hogs = [hands(options, "hog", int(us), options.handshakes, options.seconds)
                    for us in (alone["cpu_us"], rows["cpu"][-1])]
            rows["hog"].append(percentile(latency(server.port, options.seconds), 0.99))
            outcome(*hogs)
    return {name: statistics.median(values) for name, values in rows.items()}


def idle_bytes(binary, certificate, options):
    """Of the process per TLS connection that has exchanged something and rests."""
    def crowd(count):
        connections = []
        for _ in range(count):
            sock = socket.create_connection(("127.0.0.1", server.tls_port))
            connections.append(certificate.context().wrap_socket(sock))
            connections[-1].sendall(b"PING\r\n")
            connections[-1].recv(100)
        return connections

    with TlsServer(binary, certificate) as server:
        first = crowd(100)
        time.sleep(1)
        before = server.rss_bytes()
        first += crowd(options.idle)
        time.sleep(1)
        return (server.rss_bytes() - before) / options.idle


def cpu_table(binaries, certificate, options):
    lines = ["| CPU µs per operation | P | Tokamak | redis | Tokamak / redis | goal |", "|---|--:|--:|--:|--:|--:|"]
    for (way, test, pipeline), row in cpu_rows(binaries, certificate, options).items():
        ratio = row["Tokamak"] / row["redis"]
        goal = f"≤ {GOAL_CPU}" + ("" if ratio <= GOAL_CPU else " **missed**") if (way, pipeline) == ("TLS", 1) else ""
        lines.append(f"| {test.upper()} over {way} | {pipeline} | {row['Tokamak']:.2f} | {row['redis']:.2f} | {ratio:.2f} "
                     f"| {goal} |")
    return lines


def handshake_table(binaries, certificate, options):
    ours, theirs = (handshake_rows(binary, certificate, options) for binary in binaries.values())
    mark = "" if ours["busy"] / ours["quiet"] <= GOAL_P99 else " **missed**"
    sizes = [idle_bytes(binary, certificate, options) / 1024 for binary in binaries.values()]
    lines = [f"| {options.handshakes} handshakes/s, TLS 1.3, EC P-256 | Tokamak | redis | goal |", "|---|--:|--:|--:|"]
    for name, text in (("quiet", "p99 of other clients' GET, µs, before"), ("busy", "p99 meanwhile"),
                       ("hog", "p99 beside a process that takes as much CPU"), ("rate", "handshakes/s there were"),
                       ("cpu", "server's CPU µs per connection with a handshake"), ("reactor", "of them on a thread that executes")):
        lines.append(f"| {text} | {ours[name]:.0f} | {theirs[name]:.0f} | |")
    return [*lines, f"| p99 meanwhile / before | {ours['busy'] / ours['quiet']:.2f} | {theirs['busy'] / theirs['quiet']:.2f} "
            f"| ≤ {GOAL_P99:g}{mark} |", f"| KB per idle connection | {sizes[0]:.1f} | {sizes[1]:.1f} | |"]


def tables(options):
    """All lines. This process is the load of the second table, and goes to the core of the load for it."""
    binaries = {"Tokamak": str(Path(options.server).resolve()), "redis": REDIS}
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {1} if (os.cpu_count() or 1) > 1 else {0})
    with tempfile.TemporaryDirectory() as folder:
        certificate = Certificate(folder)
        lines = [*cpu_table(binaries, certificate, options), "", *handshake_table(binaries, certificate, options)]
    os.sched_setaffinity(0, cores)
    return lines


def main():
    print("\n".join(tables(arguments())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
