/* wait.h: who waits for which key: the queues behind the blocking commands.
 *
 * A waiter is one parked command. It has a node in the queue of each key it waits for, in the order
 * in which commands began to wait, and one claim word: whoever moves it from WAIT_WAITING (compare
 * and swap) decides how the wait ends, and nobody else may: who serves it, its timeout, CLIENT
 * UNBLOCK, its end with its connection.
 *
 * Key-ready hook. Each commit of a change to a key with a queue notes the key in the txn (so does a
 * delete, an expiry, SWAPDB, FLUSHALL). When the txn ends, before its locks drop, the keyspace's
 * `serve` is called (the server's), which takes the noted keys in their order, claims the waiters
 * that can be served, the longest waiting first, and runs their commands in the same txn. What
 * those change is noted again: serving goes on until nothing is left. So outside of a txn nobody
 * waits for what is there, and nobody sees what belongs to a waiter.
 *
 * Keys that a waiter needs besides the key that became ready (where BLMOVE moves to) must be held
 * too: wait_also() finds them before the command runs that may make the key ready.
 *
 * Locks: nodes are added with the key's shard held and under the shard's wait_lock, a leaf; they
 * are removed under the leaf alone, so neither a timeout nor a connection that closes needs a gate.
 * Who looks at waiters through a queue holds the leaf, or has claimed them. Memory: waiter and
 * nodes are the caller's (MEM_CLIENT), freed after wait_leave(). Queues are this module's: one per
 * key name, for all databases. Complexity: joining and leaving O(keys), claiming O(1) but for
 * waiters that cannot be served yet. */
#pragma once

#include "store/txn.h"

enum wait_state {
    WAIT_WAITING,
    WAIT_SERVED,    /* its reply is on the way */
    WAIT_TIMED_OUT, /* CLIENT UNBLOCK id TIMEOUT: as if its time were over */
    WAIT_UNBLOCKED, /* CLIENT UNBLOCK id ERROR */
    WAIT_KILLED,    /* CLIENT KILL: the connection will close */
    WAIT_OVER,      /* its owner ended it */
};

struct waiter;
struct wait_queue;

/* Whether the change of its key number `key` lets the waiter's command succeed, or fail for good.
 * `ref` is the key, missing (ref->entry NULL) or of any type. Called with the key's shard and the
 * leaf held: looks only, takes no lock. */
typedef bool (*wait_ready_fn)(struct txn *t, const struct waiter *w, uint32_t key,
                              const struct ref *ref);

struct wait_node {
    struct wait_node *next, *previous; /* guarded by the leaf lock, like the rest */
    struct wait_queue *queue;          /* NULL: stands in none */
    struct waiter *waiter;
    uint64_t number; /* ascending in its queue */
};

struct waiter {
    _Atomic int state; /* enum wait_state */
    int db;
    /* The keys it waits for, then those that serving it needs as well. Constant while it waits. */
    const struct key *keys;
    uint32_t key_count, also_count;
    wait_ready_fn ready;
    bool on_missing;         /* ready, too, when a key goes: counted for INFO */
    struct wait_node *nodes; /* [key_count] */
};

/* Queues the waiter behind those of all its keys. Their shards are held. A key that is named twice
 * is waited for once. */
void wait_join(struct txn *t, struct waiter *w);
/* Takes it out of all queues. Its owner, or who has claimed it; any thread, no shard held. `t`: the
 * thread's txn, for its counters. */
void wait_leave(struct txn *t, struct waiter *w);

/* Decides how the wait ends; false: it was decided already. */
INLINE bool wait_claim(struct waiter *w, enum wait_state how)
{
    int waiting = WAIT_WAITING;
    return atomic_compare_exchange_strong(&w->state, &waiting, how);
}

/* Notes that the key changed. The shard is held (or the txn is alone). */
void wait_note(struct txn *t, int db, const struct key *key);
/* Exclusive mode: the same for all keys of one or two databases that somebody waits for. */
void wait_note_all(struct txn *t, int a, int b);

/* A noted key, taken out of the txn; the name follows. */
struct ready_key {
    struct ready_key *next;
    int db;
    struct key key;
};

/* The first noted key, to be freed with wait_free_ready(); NULL: there is none. */
struct ready_key *wait_take_ready(struct txn *t);
void wait_free_ready(struct ready_key *r);
/* Claims (WAIT_SERVED) the first waiter of the key that is ready and stands behind number *after,
 * which moves on: start with 0. NULL: there is none. The shard is held. */
struct waiter *wait_claim_next(struct txn *t, int db, const struct ref *ref, uint64_t *after);

enum {
    WAIT_ALSO_MAX = 64
};

/* Whether somebody waits for a key in a held shard. */
bool wait_here(const struct txn *t);
/* The hashes of all keys that serving may need when these keys become ready: where their waiters
 * move to, where the waiters of those move to, and so on. `budget` is how many elements come to
 * them, each once unless waiters move it in a circle, which is noticed; `db` is theirs, or -1:
 * several. Returns how many, or -1: more than WAIT_ALSO_MAX. Exact for keys whose shards are held,
 * a guess for the others. */
int wait_also(struct txn *t, const struct key *keys, uint32_t count, uint32_t budget, int db,
              uint64_t hashes[WAIT_ALSO_MAX]);

/* For INFO. Any thread. */
int64_t wait_keys(const struct keyspace *ks);            /* waited for by somebody */
int64_t wait_keys_on_missing(const struct keyspace *ks); /* by somebody with on_missing */
