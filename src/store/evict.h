/* evict.h: maxmemory and maxkeys: what goes when the keyspace is full, and when a command is
 * refused.
 *
 * maxmemory bounds MEM_DATA: keys, values and their tables. Client buffers and the server's own
 * tables are accounted elsewhere, so that a slow reader never evicts data. Values that a worker is
 * still freeing do not count. maxkeys bounds the number of keys of all databases; a command needs
 * room only for those of its keys that do not exist.
 *
 * Before a command, while no shard lock is held, its thread evicts until the limits hold: it
 * samples maxmemory-samples keys of each database from random shards into a pool of candidates (16,
 * ordered by how well they fit the policy) and takes the best one (the sampled LRU of Redis 3.0). A
 * candidate is a hash, not a key: nothing is copied, and one that was used, changed or deleted
 * since is passed over. Shards that are locked are passed over too; only when nothing else is
 * found, they are waited for.
 *
 * Cost: with no limit set, one load per command. With limits, sums over the threads' counters once
 * per batch, and again when the thread has used up its share of the room left; several threads can
 * pass a limit by one command each. Ownership: one evictor per thread, used by it alone, inside its
 * gate. */
#pragma once

#include "store/settings.h"
#include "store/txn.h"

enum {
    EVICT_POOL = 16
};

struct evict_candidate {
    uint64_t score; /* the higher, the sooner it goes */
    uint64_t hash;
    int db;
};

struct evictor {
    struct evict_candidate pool[EVICT_POOL]; /* by score, ascending */
    unsigned count;
    enum maxmemory_policy policy; /* what the scores were made for */
    int next_db;                  /* random policies: takes turns */
    int64_t memory_share; /* the thread's own MEM_DATA may grow to this before the next sum */
    int64_t key_share;    /* keys it may add before the next sum */
};

enum evict_verdict {
    EVICT_FITS,  /* the limits hold */
    EVICT_LATER, /* over the limit, time is up or a worker is freeing: go on, more goes next time */
    EVICT_FULL_MEMORY, /* nothing can be evicted: refuse what may use more memory */
    EVICT_FULL_KEYS,   /* the same for maxkeys */
};

/* One per thread. */
void evictor_init(struct evictor *ev);

/* True when a limit is set at all. */
INLINE bool evict_limited(void)
{
    return unlikely((store_settings.maxmemory | store_settings.maxkeys) != 0);
}

/* A new batch: other threads may have used the room since. */
INLINE void evict_forget(struct evictor *ev)
{
    ev->memory_share = INT64_MIN;
    ev->key_share = 0;
}

/* Makes room for a command that uses these keys of a database and may add those that do not exist
 * (none: count 0). The txn is idle: it is used for the evictions, each of which is an effect (DEL)
 * and an event ("evicted") of its own. */
enum evict_verdict evict_make_room(struct evictor *ev, struct txn *t, int db,
                                   const struct key *keys, uint32_t count);

/* How long the limit has been exceeded: since the last time it was kept, and in all before. INFO.
 */
int64_t evict_exceeded_now_us(void);
int64_t evict_exceeded_total_us(void);
void evict_reset_stats(void);
