#!/usr/bin/env python3
"""Runs the Tcl test suite of Valkey against a server, file by file, and counts.

    tools/valkey_suite.py VALKEY SERVER [file...]    VALKEY: a source tree of Valkey 8; file: unit/type/list

The suite runs in its external mode, where it starts no servers of its own; what needs replication or is slow is left
out. A test that breaks off its file is named and skipped, and the file begins anew. docs/compatibility.md is made of
what this prints."""
import glob
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

FOLDERS = ("unit", "unit/type", "integration")
TAGS = "-needs:repl -slow"
RESTARTS_MAX, FILE_SECONDS, TEST_SECONDS = 25, 300, 120


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(server, folder, log):
    port = free_port()
    process = subprocess.Popen([server, "--port", str(port), "--bind", "127.0.0.1", "--io-threads", "4", "--dir", folder,
                                "--save", "", "--enable-debug-command", "yes", "--enable-protected-configs", "yes"],
                               stdout=log, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process, port
        except OSError:
            time.sleep(0.05)
    process.kill()
    sys.exit("the server does not start")


def run_once(valkey, server, name, skipped):
    """What the suite printed, whether it came to its end, and the last test that began."""
    with tempfile.TemporaryDirectory() as folder, open(folder + "/log", "w+", encoding="utf-8", errors="replace") as log:
        with open(folder + "/skip", "w", encoding="utf-8") as skip:
            skip.write("\n".join(skipped) + "\n")
        process, port = start(server, folder, log)
        suite = subprocess.Popen(["./runtest", "--host", "127.0.0.1", "--port", str(port), "--clients", "1", "--baseport",
                                  str(20000 + os.getpid() % 8000), "--tags", TAGS, "--single", name, "--skipfile",
                                  folder + "/skip", "--timeout", str(TEST_SECONDS)], cwd=valkey, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
        try:
            out = suite.communicate(timeout=FILE_SECONDS)[0]
        except subprocess.TimeoutExpired:
            os.killpg(suite.pid, signal.SIGKILL)
            out = suite.communicate()[0] + "[TIMEOUT]"
        alive = process.poll() is None
        process.terminate()
        process.wait(60)
        log.seek(0)
        began = re.findall(r"### Starting test (.*?) in tests", log.read())
    out = re.sub(r"\x1b\[[0-9;]*m", "", out)
    whole = alive and not re.search(r"\[exception\]|\[TIMEOUT\]|Killing still running", out)
    hung = re.findall(r"\(IN PROGRESS\) (.*)", out)
    return out, whole, (hung or began or [None])[-1]


def run_file(valkey, server, name):
    skipped = []
    for _ in range(RESTARTS_MAX):
        out, whole, last = run_once(valkey, server, name, skipped)
        if whole or not last or last in skipped:
            break
        skipped.append(last)
    failed = re.findall(r"^\[err\]: (.*?)(?: in tests/.*)?$", out, re.M)
    return len(re.findall(r"\[ok\]", out)), failed, skipped


def main():
    if len(sys.argv) < 3 or not os.path.exists(sys.argv[1] + "/runtest"):
        sys.exit(__doc__)
    valkey, server = sys.argv[1], os.path.abspath(sys.argv[2])
    names = sys.argv[3:] or [os.path.relpath(path, valkey + "/tests")[:-4] for folder in FOLDERS
                             for path in sorted(glob.glob(f"{valkey}/tests/{folder}/*.tcl"))]
    total = 0
    for name in names:
        ok, failed, skipped = run_file(valkey, server, name)
        total += ok
        print(f"{name}: ok {ok}, failed {len(failed)}, broke off {len(skipped)}", flush=True)
        for kind, tests in (("failed", sorted(set(failed))), ("broke off", skipped)):
            for test in tests:
                print(f"    {kind}: {test}", flush=True)
    print(f"total: ok {total}")


if __name__ == "__main__":
    main()
