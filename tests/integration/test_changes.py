"""rdb_changes_since_last_save counts what Redis counts: elements, moves once, nothing when nothing changed."""
import re

import pytest

from lib.server import REDIS

COMMANDS = [line.split() for line in """
RPUSH a 1 2 3 4 5 6 7 8|LPUSH a x|LMOVE a b LEFT RIGHT|RPOPLPUSH a a|RPUSHX a 1 2 3|LPOP a 2|RPOP a|LREM a 0 1|LREM a 0 none
LINSERT a BEFORE 3 x|LSET a 0 y|LTRIM a 0 1|LTRIM a 0 -1|LTRIM a 5 1|LMPOP 1 b LEFT COUNT 5|SADD s 1 2 3|SADD s 3 4|SREM s 3 9
SMOVE s t 1|SPOP s 5|SADD i 1 2 3 4 5 6|SPOP i 2|SPOP i|ZADD z 1 a 2 b 3 c 4 d|ZADD z 1 a 9 b 7 new|ZADD z CH 5 a|ZINCRBY z 1 a
ZREM z a none|ZREMRANGEBYRANK z 0 0|ZREMRANGEBYSCORE z 100 200|ZADD w 1 a 2 b 3 c|HSET h a 1 b 2 c 3|HSET h a 1|HDEL h a none
HMSET h x 1 y 2|RENAME h g|RENAME g g|COPY g h|MOVE h 1|SET n 1|INCR n|EXPIRE n 100|PERSIST n|MSET p 1 q 2|DEL p q none|UNLINK n
SUNIONSTORE u t t|ZUNIONSTORE zz 1 w|SORT u STORE l|SETRANGE str 5 x|APPEND str y|GETDEL str|XADD x 1-1 a b
XGROUP CREATE x grp 0|BLMOVE none l LEFT LEFT 0.01|BLPOP l 0.01|GEOADD geo 1 1 a 2 2 b|SETBIT bits 9 1
""".replace("\n", "|").strip("|").split("|")]


def changes(conn):
    return int(re.search(rb"rdb_changes_since_last_save:(\d+)", conn.cmd("INFO", "persistence")).group(1))


def count(conn):
    found = []
    for command in COMMANDS:
        before = changes(conn)
        conn.cmd(*command)
        found.append((" ".join(command), changes(conn) - before))
    return found


@pytest.mark.parametrize("threshold", [0, 1], ids=["inline", "pool"])
def test_changes_are_counted_as_in_redis(start_server, threshold):
    server, oracle = start_server(slow_command_threshold=threshold), start_server(REDIS)
    with server.connect() as conn, oracle.connect() as other:
        assert count(conn) == count(other)
