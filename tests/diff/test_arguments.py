"""Integer arguments at the edges, over the server's own command table: no crash, one reply each."""
from diff.argument_grid import SETUP, calls, table
from lib.resp import encode

BATCH = 100
LIMITS = {"databases": 3, "proto_max_bulk_len": "1mb"}


def send_marked(conn, commands):
    """Each command followed by an ECHO of its number: the echo must be the very next reply but one."""
    conn.send(b"".join(encode(command) + encode(["ECHO", i]) for i, command in enumerate(commands)))
    for i, command in enumerate(commands):
        conn.read()
        marker = conn.read()
        assert marker == b"%d" % i, f"{command} did not give exactly one reply: {marker!r} follows"


def run_batch(server, commands):
    """On a connection of its own; a lost connection is tracked down to the one command."""
    try:
        with server.connect(60) as conn:
            conn.pipeline(SETUP)
            send_marked(conn, commands)
    except (ConnectionError, TimeoutError) as failure:
        assert len(commands) > 1 and server.alive(), f"{commands[-1]}: {failure!r} {server.log()[-2000:]}"
        for command in commands:
            run_batch(server, [command])


def test_edge_integers_in_every_argument(start_server):
    server = start_server(**LIMITS)
    with server.connect() as conn:
        assert isinstance(conn.cmd("COMMAND"), list), "the server has no COMMAND"
        commands = [call for words, arity in table(conn) for call in calls(words, arity)]
    assert len(commands) > 5000
    for start in range(0, len(commands), BATCH):
        run_batch(server, commands[start:start + BATCH])
