"""Server processes for tests: start on a free loopback port, watch, stop, and judge how it ended."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from lib.http import HttpConnection
from lib.resp import Connection

ROOT = Path(__file__).resolve().parents[2]
REDIS = "/usr/bin/redis-server"
TOKAMAK_ONLY = {"exec-mode", "poller", "worker-threads", "frame-port", "http-port", "http-tls-port",
                "debug-effects-file", "maxkeys", "slow-command-threshold", "log-format", "log-timestamp-format"}
REPORT = re.compile(r"ASSERTION FAILED|ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:"
                    r"|=== (?:REDIS|TOKAMAK) BUG REPORT")
STOPPED_BY_US = (0, -signal.SIGTERM, -signal.SIGKILL)


def binary_under_test():
    """TOKAMAK_SERVER, or the default build."""
    return str(Path(os.environ.get("TOKAMAK_SERVER") or ROOT / "build" / "tokamak-server").absolute())


def is_redis(binary):
    return Path(binary).name == "redis-server"


def free_port():
    """A port nobody holds now; a start that loses the race for it is tried again."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def command_line(binary, port, directives):
    """Directives as flags; those only Tokamak has are dropped for redis-server."""
    line = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    for name, value in directives.items():
        if not (is_redis(binary) and name in TOKAMAK_ONLY):
            line += ["--" + name, str(value)]
    return line


class Server:
    """One process with its own directory. `check()` raises when it crashed or reported a bug."""

    def __init__(self, directives=None, binary=None, prefix=()):
        self.binary = binary or binary_under_test()
        self.directives = dict(directives or {})
        self.prefix = list(prefix)
        self.dir = tempfile.mkdtemp(prefix="tokamak-test-")
        self.process = None
        self.stopped = False
        self.start()

    def start(self, attempts=3):
        for attempt in range(attempts):
            self.port = free_port()
            line = self.prefix + command_line(self.binary, self.port, self.directives)
            with open(os.path.join(self.dir, "log"), "ab") as log:
                self.process = subprocess.Popen(line, cwd=self.dir, stdin=subprocess.DEVNULL,
                                                stdout=log, stderr=subprocess.STDOUT)
            if self._wait_for_ping():
                return
            self.process.kill()
            self.process.wait()
        raise RuntimeError(f"{self.binary} did not answer PING:\n{self.log()[-3000:]}")

    def _wait_for_ping(self, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with Connection(self.port, 5) as conn:
                    conn.cmd("PING")
                    return True
            except OSError:
                time.sleep(0.01)
        return False

    @property
    def pid(self):
        return self.process.pid

    def connect(self, timeout=60):
        return Connection(self.port, timeout)

    def connect_http(self):
        return HttpConnection(self.directives["http-port"])

    def log(self):
        return Path(self.dir, "log").read_text(errors="replace")

    def rss_kb(self):
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text).group(1))

    def cpu_s(self):
        """User and system time of the whole process so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def alive(self):
        return self.process.poll() is None

    def stop(self, seconds=60):
        """A graceful stop, so that leak checkers run; too slow a stop is a failure of its own."""
        if self.alive():
            self.stopped = True
            self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"no stop within {seconds} s of SIGTERM") from None

    def check(self):
        """Raises when the process ended on its own or wrote a sanitizer's or assertion's report."""
        log, code = self.log(), self.process.poll()
        found = REPORT.search(log)
        assert not found, f"server report:\n{log[max(0, found.start() - 500):found.start() + 6000]}"
        assert code is None or code in STOPPED_BY_US, f"server ended with {code}:\n{log[-3000:]}"

    def finish(self):
        """Check, stop, check again, clean up: the end of every server a fixture started."""
        try:
            ended_early = not self.alive() and not self.stopped
            self.check()
            assert not ended_early, f"server ended during the test:\n{self.log()[-3000:]}"
            self.stop()
            self.check()
        finally:
            if self.alive():
                self.process.kill()
                self.process.wait()
            shutil.rmtree(self.dir, ignore_errors=True)
