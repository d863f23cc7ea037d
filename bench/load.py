"""redis-benchmark on its own core, and bulk loading of data sets."""
import socket
import subprocess
import threading

CLIENT_CORE = "1"
CONNECTIONS = 50


def benchmark(server, operations, pipeline, arguments, keys=1_000_000, clients=CONNECTIONS):
    """(CPU ns per operation of the server, operations per second)."""
    line = ["taskset", "-c", CLIENT_CORE, "redis-benchmark", "-p", str(server.port), "-c", str(clients),
            "-n", str(operations), "-P", str(pipeline), "-r", str(keys), "--csv", *arguments]
    before = server.cpu_ns()
    result = subprocess.run(line, capture_output=True, text=True, check=True)
    used = server.cpu_ns() - before
    rows = [row.split('","') for row in result.stdout.strip().splitlines()[1:]]
    if not rows:
        raise RuntimeError(f"redis-benchmark printed nothing for {arguments}: {result.stderr[-500:]}")
    return used / operations / len(rows), float(rows[-1][1])


def load(server, commands):
    """Sends an iterable of encoded commands and waits for the last reply; replies are not kept."""
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        reader = threading.Thread(target=_skip_until_marker, args=(sock,))
        reader.start()
        batch = bytearray()
        for command in commands:
            batch += command
            if len(batch) > 1 << 20:
                sock.sendall(batch)
                batch.clear()
        sock.sendall(batch + b"ECHO end-of-load\r\n")
        reader.join()


def _skip_until_marker(sock):
    tail = b""
    while b"end-of-load\r\n" not in tail:
        data = sock.recv(1 << 20)
        if not data:
            raise ConnectionError("the server closed during the load")
        if b"\r\n-" in data or data.startswith(b"-"):
            raise RuntimeError(f"an error while loading: {data[:200]!r}")
        tail = tail[-32:] + data


def command(*args):
    """One command in RESP."""
    parts = [arg if isinstance(arg, bytes) else str(arg).encode() for arg in args]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
