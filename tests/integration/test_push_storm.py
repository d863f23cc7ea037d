"""Subscribers, publishers, caches and writers on all reactors, killed at random: for the sanitizers. What must be left
in the end is nothing."""
import os
import random
import socket
import threading
import time

import pytest

from lib.resp import encode
from lib.wait import wait_until

SECONDS = float(os.environ.get("STORM_SECONDS", "4"))
KEYS = 30


def key(rng):
    return f"k{rng.randrange(KEYS)}"


def listening(rng):
    """What a client that wants to hear of something says."""
    channels = [f"c{rng.randrange(10)}" for _ in range(rng.randint(1, 5))]
    word = rng.choice(["", "P", "S"])
    return rng.choice([
        [[f"{word}SUBSCRIBE", *channels]],
        [[f"{word}SUBSCRIBE", *channels], [f"{word}UNSUBSCRIBE", channels[0]]],
        [["PSUBSCRIBE", "__key*__:*"], ["PUNSUBSCRIBE"]],
        [["CLIENT", "TRACKING", "ON", *rng.choice([[], ["NOLOOP"], ["OPTOUT"]])], ["MGET", key(rng), key(rng)]],
        [["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", f"k{rng.randrange(10)}", "PREFIX", "x"]],
        [["CLIENT", "TRACKING", "ON", "REDIRECT", rng.randint(1, 400)], ["GET", key(rng)]],
        [["CLIENT", "TRACKING", "OFF"]],
        [["RESET"], ["HELLO", 3]],
    ])


def changing(rng):
    """What moves something."""
    return rng.choice([
        [["PUBLISH", f"c{rng.randrange(10)}", "x" * rng.choice([1, 100, 20_000])]],
        [["SPUBLISH", f"c{rng.randrange(10)}", "y"]],
        [["SET", key(rng), rng.random(), "PX", rng.randint(1, 50)]],
        [["INCR", f"n{rng.randrange(5)}"], ["GET", key(rng)]],
        [["MULTI"], ["SET", key(rng), 1], ["PUBLISH", "c1", "z"], ["EXEC"]],
        [["FLUSHDB"]] if rng.random() < 0.1 else [["DEL", key(rng)]],
        [["CLIENT", "KILL", "ID", rng.randint(1, 400)]],
        [["CLIENT", "LIST"]] if rng.random() < 0.1 else [["PUBSUB", "CHANNELS"]],
    ])


def work(server, seed, end, done):
    """Connections of random length whose answers are read when they come, or never."""
    rng = random.Random(seed)
    while time.monotonic() < end:
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(encode(["HELLO", rng.choice([2, 3])]))
            sock.settimeout(0.001 if rng.random() < 0.8 else 0.02)
            try:
                for _ in range(rng.randint(1, 60)):
                    commands = listening(rng) if rng.random() < 0.4 else changing(rng)
                    sock.sendall(b"".join(map(encode, commands)))
                    done[seed] += len(commands)
                    try:
                        sock.recv(1 << 16)
                    except TimeoutError:
                        pass
            except OSError:
                pass  # it was killed


def nothing_left(conn):
    text = conn.cmd("INFO").decode()
    zero = ["pubsub_channels", "pubsub_patterns", "pubsubshard_channels", "tracking_total_prefixes", "tracking_clients",
            "pubsub_clients"]
    return all(f"\r\n{name}:0\r\n" in text for name in zero)


@pytest.mark.smoke
def test_everybody_hears_and_dies(start_server):
    server = start_server(io_threads=4, notify_keyspace_events="KEAmn", tracking_table_max_keys=40)
    end, done = time.monotonic() + SECONDS, [0] * 12
    threads = [threading.Thread(target=work, args=(server, seed, end, done)) for seed in range(len(done))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) > 200
    with server.connect() as conn:
        assert wait_until(lambda: nothing_left(conn), 20)
        assert wait_until(lambda: conn.cmd("CLIENT", "LIST").count(b"id=") == 1, 20)
        conn.cmd("FLUSHALL")
        assert b"\r\ntracking_total_items:0\r\n" in conn.cmd("INFO", "stats")


def test_readers_that_left_are_forgotten(start_server):
    """Their reads are swept, though the key never changes."""
    server = start_server(io_threads=4)
    with server.connect() as conn:
        conn.cmd("SET", "k", 1)
        for _ in range(1000):
            with server.connect() as reader:
                reader.pipeline([["HELLO", 3], ["CLIENT", "TRACKING", "ON"], ["GET", "k"]])

        def items():
            text = conn.cmd("INFO", "stats").decode()
            return int(text.split("tracking_total_items:")[1].split("\r\n")[0])

        assert wait_until(lambda: items() < 600, 20)
