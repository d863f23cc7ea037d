"""What the differential tester sends: a line per command form, by family.

A placeholder draws from generator.py. A form that should come up more often stands here twice.
"""

STRING = """
SET k v [NX|XX] [GET] [EX sec|PX ms|EXAT at|PXAT atms|KEEPTTL]
SET k v
SET k int
GET k
GETDEL k
GETEX k [EX sec|PX ms|EXAT at|PXAT atms|PERSIST]
GETSET k v
SETEX k sec v
PSETEX k ms v
SETNX k v
SETRANGE k off v
GETRANGE k idx idx
SUBSTR k idx idx
STRLEN k
APPEND k v
APPEND k int
INCR k
DECR k
INCRBY k int
DECRBY k int
INCRBYFLOAT k float
MSET (k v)+
MSETNX (k v)+
MGET (k)+
SETBIT k off bit
GETBIT k off
BITCOUNT k [idx idx [BYTE|BIT]]
BITPOS k bit [idx [idx [BYTE|BIT]]]
BITOP (AND|OR|XOR) k (k)+
BITOP NOT k k
BITFIELD k (GET type off|SET type off int|INCRBY type off int|OVERFLOW (WRAP|SAT|FAIL))+
BITFIELD_RO k (GET type off)+
LCS k k [LEN|IDX] [MINMATCHLEN small] [WITHMATCHLEN]
LCS k k IDX [MINMATCHLEN small] [WITHMATCHLEN]
"""

# Values are compared byte by byte through GET, so that both forms must be what Redis makes. Forged ones
# are a test of their own: Redis works on them until it meets what is wrong.
HLL = """
PFADD k (m)+
PFADD k (v)+
PFADD k (int)+
PFADD k many
PFADD k
PFCOUNT k
PFCOUNT (k)+
PFMERGE k (k)+
PFMERGE k
PFDEBUG ENCODING k
PFDEBUG DECODE k
PFDEBUG TODENSE k
GET k
STRLEN k
SET k forged
DEL k
"""

GENERIC = """
DEL (anyk)+
UNLINK (anyk)+
EXISTS (anyk)+
TOUCH (anyk)+
TYPE anyk
EXPIRE anyk sec [NX|XX|GT|LT]
PEXPIRE anyk ms [NX|XX|GT|LT]
EXPIREAT anyk at [NX|XX|GT|LT]
PEXPIREAT anyk atms [NX|XX|GT|LT]
EXPIRE anyk sec (NX|XX|GT|LT)+
EXPIRE anyk past
PEXPIRE anyk past
EXPIREAT anyk past
TTL anyk
PTTL anyk
EXPIRETIME anyk
PEXPIRETIME anyk
PERSIST anyk
RENAME anyk anyk
RENAMENX anyk anyk
COPY anyk anyk [DB db] [REPLACE]
MOVE anyk db
KEYS pattern
RANDOMKEY
SCAN 0 [MATCH pattern] [COUNT cnt] [TYPE typename]
OBJECT ENCODING anyk
OBJECT REFCOUNT anyk
OBJECT IDLETIME anyk
OBJECT FREQ anyk
OBJECT NOSUCH anyk
RESTORE anyk 0 v [REPLACE] [IDLETIME cnt|FREQ cnt]
RESTORE anyk ms payload [REPLACE] [ABSTTL]
RESTORE anyk 0 payload [REPLACE]
SORT anyk [LIMIT small small] [ASC|DESC] [ALPHA]
SORT_RO anyk [LIMIT small small] [ASC|DESC] [ALPHA]
SORT anyk BY weight [GET weight|GET #] [LIMIT small small] [DESC] [STORE k]
SORT anyk [GET weight|GET #] [LIMIT small small] [DESC] ALPHA [STORE k]
SORT anyk ALPHA STORE k
MEMORY USAGE anyk [SAMPLES small]
"""

LIST = """
LPUSH k (m)+
RPUSH k (m)+
RPUSH k (v)+
LPUSHX k (m)+
RPUSHX k (m)+
LPOP k [cnt]
RPOP k [cnt]
LLEN k
LINDEX k idx
LSET k idx v
LRANGE k idx idx
LTRIM k idx idx
LREM k idx m
LINSERT k (BEFORE|AFTER|AROUND) m v
LPOS k m [RANK idx] [COUNT cnt] [MAXLEN cnt]
LMOVE k k (LEFT|RIGHT) (LEFT|RIGHT)
RPOPLPUSH k k
LMPOP nkeys (LEFT|RIGHT) [COUNT cnt]
"""

HASH = """
HSET k (m v)+
HSET k (m int)+
HMSET k (m v)+
HSETNX k m v
HGET k m
HMGET k (m)+
HDEL k (m)+
HLEN k
HSTRLEN k m
HEXISTS k m
HGETALL k
HKEYS k
HVALS k
HINCRBY k m int
HINCRBYFLOAT k m float
HRANDFIELD k [cnt [WITHVALUES]]
HSCAN k 0 [MATCH pattern] [COUNT cnt]
"""

SET = """
SADD k (m)+
SADD k (int)+
SADD k (small)+
SREM k (m)+
SREM k (small)+
SMEMBERS k
SCARD k
SISMEMBER k m
SMISMEMBER k (m)+
SMOVE k k m
SPOP k [cnt]
SRANDMEMBER k [cnt]
SINTER (k)+
SUNION (k)+
SDIFF (k)+
SINTERSTORE k (k)+
SUNIONSTORE k (k)+
SDIFFSTORE k (k)+
SINTERCARD nkeys [LIMIT cnt]
SSCAN k 0 [MATCH pattern] [COUNT cnt]
"""

ZSET = """
ZADD k (score m)+
ZADD k [NX|XX] [GT|LT] [CH] [INCR] (score m)+
ZADD k INCR score m
ZINCRBY k score m
ZREM k (m)+
ZCARD k
ZSCORE k m
ZMSCORE k (m)+
ZRANK k m
ZREVRANK k m
ZCOUNT k bound bound
ZRANGE k idx idx [REV] [WITHSCORES]
ZRANGE k bound bound BYSCORE [REV] [LIMIT lim lim] [WITHSCORES]
ZREVRANGE k idx idx [WITHSCORES]
ZRANGEBYSCORE k bound bound [WITHSCORES] [LIMIT lim lim]
ZREVRANGEBYSCORE k bound bound [WITHSCORES] [LIMIT lim lim]
ZRANGESTORE k k idx idx [REV]
ZRANGESTORE k k bound bound BYSCORE [REV] [LIMIT lim lim]
ZREMRANGEBYRANK k idx idx
ZREMRANGEBYSCORE k bound bound
ZPOPMIN k [cnt]
ZPOPMAX k [cnt]
ZMPOP nkeys (MIN|MAX) [COUNT cnt]
ZRANDMEMBER k [cnt [WITHSCORES]]
ZSCAN k 0 [MATCH pattern] [COUNT cnt]
ZUNION 2 k k [WEIGHTS float float] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]
ZINTER 2 k k [WEIGHTS float float] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]
ZUNION nkeys [WITHSCORES]
ZINTER nkeys [WITHSCORES]
ZDIFF nkeys [WITHSCORES]
ZUNIONSTORE k 2 k k [WEIGHTS float float] [AGGREGATE (SUM|MIN|MAX)]
ZINTERSTORE k 2 k k [WEIGHTS float float] [AGGREGATE (SUM|MIN|MAX)]
ZUNIONSTORE k nkeys
ZINTERSTORE k nkeys
ZDIFFSTORE k nkeys
ZINTERCARD nkeys [LIMIT cnt]
"""

# Ranges by member are defined only while all scores are equal, so their keys are a family of their own.
LEX = """
SET lexstring v
ZADD k (0 m)+
ZADD k (0 v)+
ZREM k m
DEL k
ZCARD k
ZRANK k m
ZLEXCOUNT k lex lex
ZRANGE k lex lex BYLEX [REV] [LIMIT lim lim] [WITHSCORES]
ZRANGE k lex lex BYLEX [REV] [LIMIT lim lim]
ZRANGE k bound lex [BYSCORE|BYLEX] [REV] [LIMIT lim lim]
ZRANGEBYLEX k lex lex [LIMIT lim lim]
ZREVRANGEBYLEX k lex lex [LIMIT lim lim]
ZRANGESTORE k k lex lex BYLEX [REV] [LIMIT lim lim]
ZREMRANGEBYLEX k lex lex
"""

GEO = """
GEOADD k [NX|XX] [CH] (place m)+
GEOADD k (place m)+
GEOADD k float float m
GEOPOS k (m)+
GEOHASH k (m)+
GEODIST k m m [unit]
GEOSEARCH k (FROMLONLAT place|FROMMEMBER m) (BYRADIUS extent unit|BYBOX extent extent unit) (ASC|DESC) [COUNT cnt] [WITHDIST] [WITHCOORD] [WITHHASH]
GEOSEARCH k (FROMLONLAT place|FROMMEMBER m) BYRADIUS extent unit
GEOSEARCHSTORE k k (FROMLONLAT place|FROMMEMBER m) (BYRADIUS extent unit|BYBOX extent extent unit)
GEORADIUS k place extent unit (ASC|DESC) [WITHDIST] [WITHCOORD]
GEORADIUS k place extent unit STORE k
GEORADIUS_RO k place extent unit (ASC|DESC) [WITHHASH]
GEORADIUSBYMEMBER k m extent unit (ASC|DESC) [STORE k]
GEORADIUSBYMEMBER_RO k m extent unit [COUNT cnt [ANY]]
ZREM k (m)+
ZCARD k
DEL k
"""

# IDs are explicit: "*" asks the clock. Idle times are none or very long ones.
STREAM = """
XADD k newid (m v)+
XADD k newid (A v B int C m)
XADD k newid (A v B int C m)
XADD k newid (A v B int C m)
XADD k [NOMKSTREAM] [MAXLEN small|MAXLEN ~ cnt|MAXLEN = small|MINID sid|MINID ~ sid] [LIMIT cnt] newid (m v)+
XADD k (MAXLEN|MINID) ~ sid LIMIT cnt newid A v
XADD k sid A v
XLEN k
XRANGE k sbound sbound [COUNT cnt]
XREVRANGE k sbound sbound [COUNT cnt]
XRANGE k - +
XREVRANGE k + - COUNT small
XDEL k (sid)+
XTRIM k (MAXLEN|MINID) [=|~] (sid|small) [LIMIT cnt]
XTRIM k MAXLEN (~|=) small
XSETID k topid [ENTRIESADDED cnt] [MAXDELETEDID sid]
XREAD [COUNT cnt] STREAMS k (sid|$|0)
XREAD [COUNT small] STREAMS k k (sid|0) sid
XREAD [COUNT cnt] [NOACK] STREAMS k k sid
XGROUP CREATE k group (sid|0|$) [MKSTREAM] [ENTRIESREAD cnt]
XGROUP CREATE k group 0 MKSTREAM
XGROUP SETID k group (sid|$|0) [ENTRIESREAD cnt]
XGROUP DESTROY k group
XGROUP CREATECONSUMER k group consumer
XGROUP DELCONSUMER k group consumer
XREADGROUP GROUP group consumer [COUNT small] [NOACK] STREAMS k >
XREADGROUP GROUP group consumer [COUNT small] STREAMS k >
XREADGROUP GROUP group consumer [COUNT small] STREAMS k (0|sid)
XREADGROUP GROUP group consumer [COUNT cnt] STREAMS k k > (>|0)
XACK k group (sid)+
XPENDING k group
XPENDING k group - + cnt [consumer]
XPENDING k group [IDLE idle] sbound sbound cnt [consumer]
XCLAIM k group consumer idle (sid)+ [IDLE 0|TIME 0] [RETRYCOUNT small] [FORCE] [JUSTID] [LASTID sid]
XCLAIM k group consumer 0 (sid)+ FORCE
XAUTOCLAIM k group consumer idle (sid|0|-) [COUNT cnt] [JUSTID]
XINFO STREAM k [FULL [COUNT cnt]]
XINFO GROUPS k
XINFO CONSUMERS k group
"""

CONNECTION = """
PING [v]
ECHO v
SELECT db
SELECT int
DBSIZE
TIME
SWAPDB db db
CLIENT GETNAME
CLIENT SETNAME m
CLIENT NO-EVICT (ON|OFF|MAYBE)
CLIENT NOSUCH
COMMAND COUNT
COMMAND GETKEYS MSET (k v)+
COMMAND GETKEYS GET k
COMMAND GETKEYS nkeys
CONFIG GET (HASH-MAX-LISTPACK-ENTRIES|MAXMEMORY-POLICY|NOSUCH)
CONFIG RESETSTAT
NOSUCHCOMMAND (m)+
"""

# MULTI opens a block of some commands; the generator ends it.
TRANSACTION = """
MULTI
MULTI
MULTI
WATCH (anyk)+
WATCH (anyk)+
UNWATCH
EXEC
DISCARD
"""

# Only inside MULTI, where nothing waits: redis-server 7.0 looks at timeouts ten times a second.
BLOCKING = {"list": """
BLPOP (k)+ 0.001
BRPOP (k)+ 0.001
BLMOVE k k (LEFT|RIGHT) (LEFT|RIGHT) 0.001
BRPOPLPUSH k k 0.001
BLMPOP 0.001 nkeys (LEFT|RIGHT) [COUNT cnt]
"""}

# Nobody listens here; who hears what is compared in test_pubsub.py.
PUBSUB = """
PUBLISH m v
SPUBLISH m v
PUBSUB CHANNELS [pattern]
PUBSUB SHARDCHANNELS [pattern]
PUBSUB NUMSUB (m)+
PUBSUB NUMSUB
PUBSUB SHARDNUMSUB (m)+
PUBSUB NUMPAT
PUBSUB NOSUCH
PUBSUB CHANNELS m m
"""

# Younger than redis-server 7.0, so drawn only when the family is asked for: for replays of effects and for
# comparisons of Tokamak with itself.
NEWER = """
SET k v [IFEQ v|IFNE v|IFDEQ v|IFDNE v] [GET] [EX sec|PX ms|KEEPTTL]
SET k v IFNE v [GET]
DELEX k [IFEQ v|IFNE v]
DELIFEQ k v
DIGEST k
MSETEX 1 k v [NX|XX] [EX sec|PX ms|EXAT at|PXAT atms|KEEPTTL]
MSETEX 3 k v k v k v [NX|XX] [EX sec|PX ms|EXAT at|PXAT atms|KEEPTTL]
INCREX k [BYINT int|BYFLOAT float] [LBOUND int] [UBOUND int] [SATURATE] [EX sec|PX ms|EXAT at|PERSIST]
INCREX k [BYINT small] [EX sec|PX ms] [ENX]
CL.THROTTLE k small cnt sec [small]
SUNIONCARD nkeys [APPROX] [LIMIT cnt]
SDIFFCARD nkeys [LIMIT cnt]
BITOP (DIFF|DIFF1|ANDOR|ONE) k k (k)+
ZUNIONSTORE k 2 k k [WEIGHTS float float] AGGREGATE COUNT
ZINTERSTORE k 2 k k AGGREGATE COUNT
"""

FLUSH = """
FLUSHDB [ASYNC|SYNC]
FLUSHALL [ASYNC|SYNC]
FLUSHALL NOW
"""

FAMILIES = {"string": STRING, "generic": GENERIC, "list": LIST, "hash": HASH,
            "set": SET, "zset": ZSET, "stream": STREAM, "lex": LEX, "geo": GEO,
            "hll": HLL, "connection": CONNECTION, "transaction": TRANSACTION, "pubsub": PUBSUB, "flush": FLUSH,
            "newer": NEWER}
NOT_IN_REDIS = {"newer"}
WEIGHTS = {"string": 20, "generic": 15, "list": 15, "hash": 12, "set": 15, "zset": 18, "stream": 15, "lex": 5, "geo": 8, "hll": 5,
           "connection": 2, "transaction": 4, "pubsub": 1, "flush": 0.02, "newer": 12}
