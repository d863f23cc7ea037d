"""Every intended difference between Tokamak's replies and redis-server 7.0.15's, with its reason.

A rule is a function of (command, ours, theirs) for replies that are not equal; the first that holds
explains the difference. Nothing else may differ: a rule must be as narrow as it can be.
"""
from lib.resp import Error

# The commands Tokamak does not have yet, with the reason; anything else unknown fails the test.
NOT_YET = {}  # name: reason

# OBJECT ENCODING pairs (ours, theirs): Redis 7.2 chooses otherwise than 7.0.
ENCODINGS = {
    (b"hashtable", b"listpack"): "7.2 converts a hash at once when an HSET brings more fields than a listpack may have",
    (b"embstr", b"raw"): "Redis makes a string raw before PFADD, PFCOUNT or SETBIT, also when they change nothing",
    (b"int", b"raw"): "the same for an integer",
    (b"listpack", b"quicklist"): "7.2 keeps small lists as listpack",
    (b"listpack", b"hashtable"): "7.2 keeps small sets of strings as listpack",
    (b"listpack", b"skiplist"): "SORT of a sorted set is a read and leaves its encoding alone",
    (b"skiplist", b"listpack"): "7.2 takes a ZADD of very many pairs for a large sorted set, repeated members or not",
    (b"hashtable", b"listpack"): "7.2 takes an HSET of very many pairs for a large hash, repeated fields or not",
}


def _encoding(command, ours, theirs):
    return command[:1] == [b"OBJECT"] and (ours, theirs) in ENCODINGS


def _no_such_subcommand(command, ours, theirs):
    """7.2 has CLIENT NO-TOUCH and others that 7.0 calls unknown."""
    return isinstance(theirs, Error) and theirs.startswith(b"ERR unknown subcommand") and \
        command[:2] in ([b"CLIENT", b"NO-TOUCH"], [b"CLIENT", b"SETINFO"])


def _rank_with_score(command, ours, theirs):
    """7.2 gave ZRANK and ZREVRANK a fourth argument."""
    return command[0] in (b"ZRANK", b"ZREVRANK") and len(command) == 4 and \
        isinstance(theirs, Error) and theirs.startswith(b"ERR wrong number of arguments")


def _lowest_rank(command, ours, theirs):
    """7.0 overflows when it negates the rank; 7.2 refuses it."""
    return command[:1] == [b"LPOS"] and b"-9223372036854775808" in command[3:] and isinstance(ours, Error) and \
        ours.startswith(b"ERR value is out of range, value must between")


def _withscore(command, ours, theirs):
    """7.2 gave ZRANK and ZREVRANK the WITHSCORE option; 7.0 refuses a fourth argument by its arity."""
    return command[:1] in ([b"ZRANK"], [b"ZREVRANK"]) and len(command) == 4 and isinstance(theirs, Error) and \
        theirs.startswith(b"ERR wrong number of arguments")


def _stale_errno(command, ours, theirs):
    """redis-server's SORT takes an ERANGE that an earlier number left in errno for its own."""
    return command[0] in (b"SORT", b"SORT_RO") and isinstance(ours, list) and isinstance(theirs, Error) and \
        theirs == b"ERR One or more scores can't be converted into double"


def _short_getkeys(command, ours, theirs):
    """7.0 wants one argument more."""
    return command[:2] == [b"COMMAND", b"GETKEYS"] and len(command) == 3 and isinstance(ours, Error) and \
        theirs == b"ERR wrong number of arguments for 'command|getkeys' command"


def _end_of_bits(command, ours, theirs):
    """Valkey 8 lets the end of BITCOUNT's range away; Redis refuses it."""
    return command[:1] == [b"BITCOUNT"] and len(command) == 3 and isinstance(theirs, Error) and \
        theirs.startswith(b"ERR syntax error")


def _missing_bitmap(command, ours, theirs):
    """7.2 looks at the arguments of BITCOUNT and BITPOS when the key is missing, too, or of another type."""
    return command[:1] in ([b"BITCOUNT"], [b"BITPOS"]) and len(command) > 2 and isinstance(ours, Error) and \
        (theirs in (0, -1) or (isinstance(theirs, Error) and theirs.startswith(b"WRONGTYPE")))


def _early_consumer(command, ours, theirs):
    """7.2 makes the consumer of XREADGROUP, XCLAIM and XAUTOCLAIM also when it gets nothing."""
    return command[:2] == [b"XGROUP", b"CREATECONSUMER"] and (ours, theirs) == (0, 1)


def _unbalanced_streams(command, ours, theirs):
    """7.2 names the command."""
    return command[0] in (b"XREAD", b"XREADGROUP") and isinstance(ours, Error) and isinstance(theirs, Error) and \
        ours.startswith(b"ERR Unbalanced '") and theirs.startswith(b"ERR Unbalanced XREAD list")


def _xsetid_below_deleted(command, ours, theirs):
    """7.2 refuses an ID below the highest deleted one before it looks at the entries."""
    return command[0] == b"XSETID" and isinstance(ours, Error) and \
        ours == b"ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"


def _last_entry(command, ours, theirs):
    """7.4 gave XREAD the ID + and XREADGROUP an error text about it."""
    return command[0] in (b"XREAD", b"XREADGROUP") and b"+" in command and \
        isinstance(theirs, Error) and theirs.startswith(b"ERR Invalid stream ID")


RULES = [
    ("XREAD's + of 7.4", _last_entry),
    ("7.2 names the command", _unbalanced_streams),
    ("7.2 compares XSETID's ID with deleted ones", _xsetid_below_deleted),
    ("7.2 makes consumers that get nothing", _early_consumer),
    ("an old errno in redis-server's SORT", _stale_errno),
    ("COMMAND GETKEYS of one word", _short_getkeys),
    ("BITCOUNT key start", _end_of_bits),
    ("7.2 checks arguments before it looks the key up", _missing_bitmap),
    ("ZRANK … WITHSCORE of 7.2", _withscore),
    ("encodings that 7.2 added", _encoding),
    ("subcommands that 7.2 added", _no_such_subcommand),
    ("options that 7.2 added", _rank_with_score),
    ("7.2 refuses a rank that cannot be negated", _lowest_rank),
]


def explain(command, ours, theirs):
    """The reason why this difference is intended, or None."""
    upper = [arg.upper() for arg in command[:2]] + command[2:]
    return next((reason for reason, holds in RULES if holds(upper, ours, theirs)), None)


def same_encoding(ours, theirs):
    """For the comparison of whole data sets."""
    return ours == theirs or (ours, theirs) in ENCODINGS
