"""The lives of connections and threads at their edges: stops, time-outs, and modes that follow each other."""
import shutil
import signal
import subprocess
import threading
import time

import pytest

from lib.resp import encode
from lib.server import Server, binary_under_test
from lib.wait import wait_until

LARGE = b"v" * 8_000_000


def test_stop_waits_once_for_readers_that_do_not_read(start_server):
    """Each reactor drains for a bounded time in all, not for each client."""
    server = start_server(io_threads=1)
    with server.connect() as admin:
        admin.cmd("SET", "k", LARGE)
    readers = [server.connect() for _ in range(30)]
    for reader in readers:
        reader.send(encode(["GET", "k"]) * 2)
    time.sleep(0.3)
    server.stop(25)
    for reader in readers:
        reader.close()


def write_short_lived(conn, name, seconds):
    end, round_ = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        round_ += 1
        commands = [encode(["SET", f"{name}:{round_}:{i}", "v", "PX", 1 + i % 5]) for i in range(50)]
        conn.send(b"".join(commands))
        for _ in commands:
            assert conn.read() == b"OK"


@pytest.mark.tokamak
def test_timers_lock_after_an_exclusive_command(start_server):
    """A reactor whose last command ran alone takes shard locks again when its timers delete keys."""
    server = start_server(io_threads=4, shards=64)
    conns = [server.connect() for _ in range(4)]  # one on each reactor
    for conn in conns:
        assert conn.cmd("CONFIG", "SET", "hash-max-listpack-entries", "128") == b"OK"
    writers = [threading.Thread(target=write_short_lived, args=(conns[n], f"w{n}", 2)) for n in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert wait_until(lambda: conns[0].cmd("DBSIZE") == 0)
    assert conns[0].cmd("KEYS", "*") == []
    for conn in conns:
        conn.close()


@pytest.mark.tokamak
def test_reset_gives_time_to_authenticate(start_server):
    server = start_server(requirepass="secret")
    with server.connect() as conn:
        assert conn.cmd("AUTH", "secret") == b"OK"
        time.sleep(10.2)
        assert conn.cmd("RESET") == b"RESET"
        time.sleep(2.2)
        assert conn.cmd("AUTH", "secret") == b"OK"


@pytest.mark.release
def test_replies_of_one_read_are_bounded(server):
    """What one packet asks for is not all made before the limit is looked at."""
    with server.connect() as admin, server.connect() as slow:
        admin.cmd("CONFIG", "SET", "client-output-buffer-limit", "normal 4mb 0 0")
        admin.cmd("RPUSH", "list", *[b"e" * 1000] * 1000)
        before = server.rss_kb()
        slow.send(encode(["LRANGE", "list", 0, -1]) * 400)
        assert wait_until(lambda: admin.cmd("CLIENT", "LIST").count(b"\n") == 1)
        with open(f"/proc/{server.pid}/status", encoding="ascii") as status:
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        assert peak - before < 64 * 1024


def test_a_client_that_reads_is_not_idle(start_server):
    server = start_server(timeout=1)
    with server.connect() as conn:
        conn.cmd("SET", "k", LARGE)
        conn.send(encode(["GET", "k"]) * 4)
        got, end = 0, time.monotonic() + 4
        while time.monotonic() < end:
            got += len(conn.sock.recv(200_000))
            time.sleep(0.05)
        while got < 4 * (len(LARGE) + 12):
            data = conn.sock.recv(1 << 20)
            assert data, f"closed after {got} bytes"
            got += len(data)


@pytest.mark.tokamak
def test_a_start_that_fails_says_so(tmp_path):
    line = [binary_under_test(), "--port", "0", "--debug-effects-file", str(tmp_path / "none" / "file")]
    result = subprocess.run(line, capture_output=True, text=True, timeout=20, check=False)
    output = result.stdout + result.stderr
    assert result.returncode == 1 and "Cannot start" in output and "Sanitizer" not in output


@pytest.mark.tokamak
@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_ctrl_c_again_ends_the_process_at_once(first):
    """The graceful stop waits for a command that sleeps, whatever SIGTERMs come; who presses Ctrl-C again does not."""
    server = Server({"enable-debug-command": "yes", "io-threads": 1})
    try:
        with server.connect() as sleeper:
            sleeper.send(encode(["DEBUG", "SLEEP", 60]))
            time.sleep(0.3)
            server.process.send_signal(first)
            assert wait_until(lambda: "scheduling shutdown" in server.log(), 20)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            assert server.alive()
            server.process.send_signal(signal.SIGINT)
            assert server.process.wait(20) == 1
    finally:
        server.stopped = True
        server.process.kill()
        server.process.wait()
        shutil.rmtree(server.dir, ignore_errors=True)
