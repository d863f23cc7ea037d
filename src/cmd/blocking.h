/* blocking.h: for commands that wait: what their handlers use.
 *
 * A handler tries first, as a command that does not wait. When it finds nothing it asks
 * blocking_may_wait() (inside EXEC nothing waits: answer as if the time were over) and ends with
 * blocking_wait() instead of a reply. The command is then parked: a copy of it, keys and all,
 * stands in the queues of its keys (store/wait.h), its connection reads on but executes nothing.
 *
 * When one of its keys changes and `ready` says so, the handler runs again, in the txn of whoever
 * changed the key, with ex->served set, and must answer: its reply goes to the parked client, its
 * effect into the record of the change. Then only shards that the change needed are held. A key
 * whose shard is not held has not changed, so there is still nothing in it: blocking_sees() says
 * which keys may be looked up; blocking_find() is find_typed() with this in mind. Of the session
 * only db, proto and id are there. Timeouts count from the first run.
 *
 * Streams: `ready` gets the key as it stands after the change, present, of another type or missing,
 * and decides from the copied arguments (blocked->command). "$" and the like must be resolved when
 * the wait begins: hand blocking_wait() a rewritten argv. Answering an error is an answer too
 * (-NOGROUP, -UNBLOCKED …).
 *
 * Memory: struct blocked is one allocation (MEM_CLIENT) besides its command; made by the handler's
 * thread, owned by the client's reactor, except between a claim (WAIT_SERVED) and the delivery of
 * the reply. */
#pragma once

#include "cmd/exec.h"
#include "cmd/transaction.h"
#include "store/pin.h"
#include "store/wait.h"

/* What the client hears when time is up. */
enum blocking_answer {
    BLOCKING_NULL_ARRAY,
    BLOCKING_ZERO, /* WAIT: no replica has the data */
    BLOCKING_AOF   /* WAITAOF: whether the log has it on disk, and no replica */
};

struct blocked {
    struct waiter waiter;
    struct queued_command *command; /* the copy */
    int64_t timeout_ms;             /* 0: for ever */
    enum blocking_answer answer;
    enum reply_proto proto;
    uint64_t session_id;
    bool no_touch;
    void *client; /* the server's own part */
    struct blocked *next_served;
    struct wait_node nodes[];
};

struct blocking {
    uint32_t key_count; /* the first ones of ex->keys: waits for these; needs the others too */
    wait_ready_fn ready;
    bool on_missing;    /* ready, too, when a key goes */
    int64_t timeout_ms; /* 0: for ever */
    enum blocking_answer answer;
    const struct slice *argv; /* NULL: ex->argv; else as many arguments, copied */
};

/* A timeout in seconds with a fraction, rounded up to ms. False: answered with the error. */
bool blocking_timeout(struct exec *ex, uint32_t index, int64_t *timeout_ms) MUST_USE;
/* The same in whole milliseconds (XREAD, WAIT). */
bool blocking_timeout_ms(struct exec *ex, uint32_t index, int64_t *timeout_ms) MUST_USE;

/* False: answer at once, even if there is nothing. */
INLINE bool blocking_may_wait(const struct exec *ex)
{
    return !ex->in_exec;
}

/* Parks the command; the handler returns without a reply. Not when it is served. */
void blocking_wait(struct exec *ex, const struct blocking *how);

/* Whether ex->keys[i] may be looked up; false: there is nothing new in it, as in one that is just
 * being edited: that change has not been published. */
INLINE bool blocking_sees(const struct exec *ex, uint32_t i)
{
    return likely(!ex->served) || (txn_holds(ex->txn, ex->keys[i].hash) &&
                                   (ex->txn->exclusive || !pins_hold(ex->txn->ks, &ex->keys[i])));
}

/* Looks a key up; ref->entry is NULL when there is nothing of this type. False: answered with
 * WRONGTYPE; not when the command is served, for a key that is of another type now goes on being
 * waited for. */
bool blocking_find(struct exec *ex, uint32_t i, enum value_type type, struct ref *ref) MUST_USE;

/* A `ready` of commands that wait for a key to be a list, a sorted set. */
bool blocking_list_ready(struct txn *t, const struct waiter *w, uint32_t key,
                         const struct ref *ref);
bool blocking_zset_ready(struct txn *t, const struct waiter *w, uint32_t key,
                         const struct ref *ref);

/* For the server: the waiter has left its queues. */
void blocking_destroy(struct blocked *b);
