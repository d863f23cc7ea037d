"""Libraries of scripts: the same expressions to Tokamak and to redis-server.

LUA_SEED and LUA_EXPRESSIONS vary and widen a run.
"""
import os

import redis

from diff.lua_expressions import EXPRESSIONS, random_expressions, script
from lib.server import REDIS

SEED = int(os.environ.get("LUA_SEED", "1"))
COUNT = int(os.environ.get("LUA_EXPRESSIONS", "2000"))


def value(client, expression):
    try:
        return client.eval(script(expression), 0)
    except redis.ResponseError as error:
        return str(error).encode()


def test_values_and_errors_are_the_same(start_server):
    ours, theirs = (redis.Redis(port=s.port) for s in (start_server(), start_server(REDIS)))
    different = []
    for expression in EXPRESSIONS + list(random_expressions(SEED, COUNT)):
        got, expected = value(ours, expression), value(theirs, expression)
        if got != expected:
            different.append(f"{expression[:300]}\n  redis-server {expected[:300]!r}\n  here         {got[:300]!r}")
    assert not different, f"{len(different)} differences\n" + "\n".join(different[:20])
