"""Transactions and watchers on all reactors at once, with flushes, swaps and disconnects: for the sanitizers."""
import random
import threading
import time

import pytest

from lib.resp import encode
from lib.wait import wait_until

SECONDS = 2
KEYS = 40


def key(rng):
    return f"k{rng.randrange(KEYS)}"


def random_command(rng):
    choices = [["SET", key(rng), "v", "PX", rng.randint(1, 20)], ["GET", key(rng)], ["RENAME", key(rng), key(rng)],
               ["SELECT", rng.randint(0, 2)], ["DEL", key(rng), key(rng)], ["DBSIZE"]]
    rare = [["SWAPDB", 0, 1], ["FLUSHDB"], ["NOSUCH"]]
    return rng.choice(choices if rng.random() < 0.95 else rare)


def random_transaction(rng):
    commands = [["WATCH", key(rng), key(rng)], ["MULTI"]]
    commands += [random_command(rng) for _ in range(rng.randint(0, 4))]
    return commands + [[rng.choice(["EXEC", "EXEC", "EXEC", "DISCARD", "RESET"])], ["SET", key(rng), "w"]]


def work(server, seed, end, done):
    rng = random.Random(seed)
    while time.monotonic() < end:
        with server.connect() as conn:
            for _ in range(rng.randint(1, 100)):
                commands = random_transaction(rng)
                conn.send(b"".join(map(encode, commands)))
                for _ in commands:
                    conn.read()
                done.append(len(commands))


def nothing_watched(info):
    return b"watching_clients:0\r\n" in info and b"total_watched_keys:0\r\n" in info


@pytest.mark.tokamak
def test_watchers_on_all_reactors(start_server):
    server = start_server(io_threads=4, databases=3, shards=64)
    end, done = time.monotonic() + SECONDS, []
    threads = [threading.Thread(target=work, args=(server, seed, end, done)) for seed in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) > 1000
    with server.connect() as conn:
        assert wait_until(lambda: nothing_watched(conn.cmd("INFO", "clients")))
