"""A server pinned to one core for the benchmark, with exact accounting of CPU time and memory."""
import re
import socket
import subprocess
import tempfile
import time
from pathlib import Path

REDIS = "/usr/bin/redis-server"


class BenchServer:
    """Started for one measurement, without persistence; a context manager."""

    def __init__(self, binary, cores="0", io_threads=1):
        self.port = _free_port()
        self.directory = tempfile.TemporaryDirectory(prefix="bench-")
        line = ["taskset", "-c", cores, binary, *self.arguments(io_threads)]
        self.process = subprocess.Popen(line, cwd=self.directory.name, stdout=subprocess.DEVNULL)
        self._wait()

    def arguments(self, io_threads):
        return ["--port", str(self.port), "--save", "", "--maxclients", "20000", "--io-threads", str(io_threads),
                "--protected-mode", "no"]

    def _wait(self):
        for _ in range(500):
            try:
                if self.send(b"PING\r\n"):
                    return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("the server does not answer")

    def send(self, request):
        """One inline request, its first bytes of reply."""
        with socket.create_connection(("127.0.0.1", self.port), 600) as sock:
            sock.sendall(request)
            return sock.recv(1 << 16)

    def cpu_ns(self):
        """User and system time of all threads. The scheduler's own sum is what utime and stime are scaled
        from, without their tick of 10 ms."""
        total = 0
        for path in Path(f"/proc/{self.process.pid}/task").iterdir():
            total += int((path / "schedstat").read_text().split()[0])
        return total

    def rss_bytes(self):
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) * 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.directory.cleanup()


class FloorServer(BenchServer):
    """bench/floor.c in a server's place: what the kernel takes for requests and replies of these sizes."""

    def __init__(self, binary, request, reply):
        self.sizes = [str(len(request)), reply]
        super().__init__(binary)

    def arguments(self, io_threads):
        return [str(self.port), *self.sizes]


def _free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
