/* exec.h: what a handler gets: its arguments, its keys, its access to the keyspace, its reply.
 *
 * A handler reads argv, looks its keys up through ex->keys (already hashed and locked, in the order
 * of the row's key specs), and writes exactly one reply, or waits (blocking.h). It never blocks its
 * thread, never takes a lock, and keeps no pointer to argv or entries after it returns. Bad
 * arguments are answered before anything is changed. */
#pragma once

#include "cmd/command.h"
#include "cmd/session.h"
#include "proto/reply.h"
#include "store/txn.h"

/* What a …STORE command or BITOP wants stored: a collection or a blob, without an expiry; or, root
 * NULL, that the key goes. */
struct outcome {
    bool stores;
    enum value_type type;
    enum encoding encoding;
    void *root;
    enum event event;
    bool as_value;  /* the log gets the result: Redis 7 does not know this form (effect_value.h) */
    bool keeps_ttl; /* of a string: that of the one before */
    struct key key; /* the destination */
    struct entry *copy; /* COPY, RESTORE: instead of all this, an entry with its time to live … */
    int db;             /* … for this database … */
    bool with_access;   /* … and, unlike a new one, with its access clock */
};

struct exec {
    struct txn *txn;
    struct reply *reply;
    const struct slice *argv;
    uint32_t argc, key_count;
    const struct key *keys;
    const struct command *cmd;
    struct session *session;
    bool in_exec;            /* one of EXEC's commands: it must not wait for anything */
    int64_t now_us;          /* of a script, for which time stands still; 0: look at the clock */
    bool served;             /* it waited, and a key is ready: blocking.h */
    struct blocked *blocked; /* set by a handler that waits instead of answering */
    bool (*goes_on)(struct exec *ex); /* of a script's command, which asks now and then when it
                                         takes long; false: the script is to end, and it fails.
                                         NULL: nobody wants to know */
    uint64_t slow_limit;     /* elements from which on defer() says yes; UINT64_MAX: never */
    bool deferred;           /* it did */
    bool claims;             /* nobody else uses its destination: whether that is there decides */
    bool edits;              /* and what it defers changes the value of a key: defer_edit() … */
    uint32_t edited;         /* … this one; the others are only read */
    struct outcome *outcome; /* NULL, but on the worker pool: where publish_outcome() leaves it */
    uint32_t hashed_arg;     /* the argument whose hash the planner knows, or 0 */
    uint64_t hash;
};

/* Texts of errors that many commands share. */
#define ERROR_SYNTAX       "ERR syntax error"
#define ERROR_NOT_INTEGER  "ERR value is not an integer or out of range"
#define ERROR_NOT_FLOAT    "ERR value is not a valid float"
#define ERROR_WRONGTYPE    "WRONGTYPE Operation against a key holding the wrong kind of value"
#define ERROR_NO_KEY       "ERR no such key"
#define ERROR_OUT_OF_RANGE "ERR value is out of range"
#define ERROR_NAN_OR_INF   "ERR increment would produce NaN or Infinity"
#define ERROR_INDEX        "ERR index out of range"
#define ERROR_COUNT_RANGE \
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"

/* Bounds of a reply of random elements with repetition (a negative count), where Redis goes on
 * until memory runs out: elements, and bytes. Beyond: ERROR_OUT_OF_RANGE. */
enum {
    REPEATS_MAX = 1 << 24,
    REPEATS_BYTES_MAX = 256 << 20
};

/* ---- arguments: false means that the error has been answered ---- */

/* An int64 in Redis's strict form. `error` may be NULL: ERROR_NOT_INTEGER. */
bool arg_int(struct exec *ex, uint32_t index, int64_t *out, const char *error) MUST_USE;
/* The same, within [min, max]; outside: `error`, or "ERR value is out of range". */
bool arg_int_range(struct exec *ex, uint32_t index, int64_t min, int64_t max, int64_t *out,
                   const char *error) MUST_USE;
/* A double, not NaN. */
bool arg_double(struct exec *ex, uint32_t index, double *out, const char *error) MUST_USE;

/* True when the argument is this word, any case. */
INLINE bool arg_is(const struct exec *ex, uint32_t index, const char *word)
{
    return slice_is(ex->argv[index], word);
}

bool fail_syntax(struct exec *ex); /* answers ERROR_SYNTAX, returns false */
bool fail(struct exec *ex, const char *text);

/* A database number; outside the configured ones: "ERR DB index is out of range". */
bool arg_db(struct exec *ex, uint32_t index, int *out) MUST_USE;
/* The reply of a HELP subcommand: the usage line, then `lines` (ending with NULL), then HELP
 * itself. */
void reply_help(struct exec *ex, const char *const *lines);

/* ---- keys: `at` is an index of ex->keys ---- */

/* Looks up for reading (counts hit or miss). False: WRONGTYPE was answered. A missing key gives
 * true and ref->entry NULL. */
bool read_typed(struct exec *ex, uint32_t at, enum value_type type, struct ref *ref) MUST_USE;
/* The same without statistics, for commands that write. */
bool find_typed(struct exec *ex, uint32_t at, enum value_type type, struct ref *ref) MUST_USE;

/* For a command with CMD_SLOW that is about to go through so many elements, and has neither
 * answered nor changed anything: true when that is too much to do here. Then the handler returns at
 * once; it will be called again on the worker pool. An element is about 25 ns of work: the costs
 * below say how much more some are. */
INLINE bool defer(struct exec *ex, uint64_t elements)
{
    if (likely(elements < ex->slow_limit) || ex->slow_limit == UINT64_MAX)
        return false;
    ex->deferred = true;
    return true;
}

/* The same for a command with CMD_SLOW or CMD_SLOW_MORE that will change the value of one of its
 * keys where it is: nobody else sees that value until it has (draft.h). Not for strings. */
INLINE bool defer_edit_of(struct exec *ex, uint32_t at, uint64_t elements)
{
    if (likely(elements < ex->slow_limit) || ex->slow_limit == UINT64_MAX)
        return false;
    ex->edited = at;
    return ex->deferred = ex->edits = true;
}

/* The same for the first key. */
INLINE bool defer_edit(struct exec *ex, uint64_t elements)
{
    return defer_edit_of(ex, 0, elements);
}

/* The same for a command with CMD_SLOW whose destination nobody else may use until it is stored. On
 * the pool a destination with KEY_OW is missing, one with KEY_RW is there as it was. */
INLINE bool defer_claiming(struct exec *ex, uint64_t elements)
{
    ex->claims = defer(ex, elements);
    return ex->claims;
}

enum {
    BYTES_PER_ELEMENT = 256, /* of a string that is read through */
    COST_LOOKUP = 2,         /* of a member in another set */
    COST_SORT = 4,
    COST_MEMBER = 4,  /* that is made or freed */
    COST_ORDER = 6,   /* a lookup, and a place in a new sorted set */
    COST_ENTRY = 4,   /* of a stream, as part of a reply */
    COST_SKETCH = 400 /* of one HyperLogLog */
};

/* Looks up a key by name that is among ex->keys or whose shard is held. */
bool find_key(struct exec *ex, struct slice name, struct key *key, struct ref *ref);

/* The last step of such a command: the root, which is taken, becomes the value of the key, or the
 * key goes. On the worker pool it is only noted down: the client's reactor
 * publishes it. */
void publish_outcome(struct exec *ex, const struct outcome *outcome);
