/* keyspace.h: the databases, split into shards.
 *
 * A shard is a lock; per database it has a part: a table of entries, a timer heap of those that
 * expire, and one of the collections that have members that do. The shard of a key is the top bits
 * of its hash, so it is the same in every database and MOVE locks one shard. All parts of one
 * database are one array, so a lookup computes its addresses without following a pointer to another
 * cache line.
 *
 * Only a txn (txn.h) touches parts: it holds the shard's lock, or runs in exclusive mode.
 * Lock order: gate, shards ascending, then leaf locks. */
#pragma once

#include "base/clock.h"
#include "base/lock.h"
#include "ds/heap.h"
#include "ds/table.h"
#include "store/entry.h"
#include "store/gate.h"
#include "store/pin.h"

enum {
    SHARDS_MAX = 4096
};

struct shard {
    CACHE_ALIGNED struct lock lock;
    _Atomic uint32_t
        holder;            /* 0, or 1 + gate index of the txn that holds the lock: for assertions */
    _Atomic uint32_t pins; /* keys that slow commands use: pin.h */
    struct lock watch_lock;         /* a leaf: watch.h */
    _Atomic int64_t next_expire_ms; /* earliest of all databases' heaps, INT64_MAX when none */
    _Atomic(struct watch_table *) watchers; /* NULL: nobody watches a key of this shard */
    _Atomic(struct wait_table *) waiters;   /* NULL: nobody waits for a key of this shard */
    struct lock wait_lock;                  /* a leaf: wait.h */
    uint64_t last_lsn; /* of the last record of a change here; guarded by `lock`, or alone */
    /* readers.h, guarded by `lock`; read without it as a hint */
    _Atomic(struct readers_table *) readers;
};

struct part {
    CACHE_ALIGNED struct table table;
    struct heap expires;
    struct heap member_expires; /* of struct deadlines: collections, by their earliest member */
};

struct db {
    _Atomic(struct part *) parts; /* [shard_count], made at first use */
    int id;
    _Atomic uint64_t *nonempty; /* bit per shard: its table has entries (a hint for scans, exact
                                   under the lock) */
};

/* Keys, keys with a TTL, and keys with members that have one, per thread and database; the sum over
 * threads is exact. */
struct key_counts {
    _Atomic int64_t keys, expires, member_expires;
};

enum store_stat {
    STAT_HITS,
    STAT_MISSES,
    STAT_EXPIRED,
    STAT_EVICTED,
    STAT_KEYSPEC,
    STAT_CHANGES,
    STAT_EXPIRED_MEMBERS,
    STAT_COUNT
};

struct store_stats { /* of one thread; read by others */
    CACHE_ALIGNED _Atomic uint64_t value[STAT_COUNT];
    struct key_counts *counts; /* [databases] */
    _Atomic int64_t watched_keys, watching_clients, waited_keys,
        waited_on_missing; /* only the sums over all threads mean something */
};

/* Receives the effect of each command in execution order per key: called with the shard locks held.
 * `write` returns the record's LSN, its place in the order of all; `newest` the last one given out:
 * every change that was seen before the call has that or a lower one. Sinks that have no order
 * return 0. */
struct effect_sink {
    uint64_t (*write)(void *arg, int db, struct slice resp_commands);
    uint64_t (*newest)(void *arg);
    void *arg;
};

struct txn;
struct ref;
struct effects;

/* Snapshots. Every entry has one bit of parity. When a snapshot begins (exclusive mode), the
 * keyspace's parity flips: all entries there are unvisited, new ones are born visited. The walk
 * takes each entry over and flips its bit; whoever changes an entry that is not visited yet hands
 * its old value over first. So each entry is taken exactly once, as it was when the snapshot began,
 * and at the end all bits are equal again, also when the snapshot has failed. Between snapshots no
 * entry differs, and the hook is not called. */
struct snapshot_hook {
    /* The entry is about to change: takes its value over and sets its bit. Its shard is held. */
    void (*edit)(struct snapshot_hook *self, struct txn *t, const struct ref *ref);
    /* The same for a large value, of which only the entry's bit is set now: take() must follow,
     * before the value changes. Its shard is held. Returns the database that it belongs to. */
    int (*reserve)(struct snapshot_hook *self, const struct ref *ref);
    /* Takes the value that this entry leads to over. Any thread, no lock; nobody changes it. */
    void (*take)(struct snapshot_hook *self, int db, const struct entry *husk);
    /* FLUSH has put new parts in the place of these. True: the walk still needs them and frees them
     * when it has passed. Exclusive mode. */
    bool (*detach)(struct snapshot_hook *self, struct part *parts);
};
struct notify_ops; /* notify.h */

enum keyspace_step { /* what may take long, for who measures */
    STEP_EXPIRE_DEL,
    STEP_EVICTION_DEL,
    STEP_EVICTION_CYCLE
};

struct keyspace {
    struct gates gates;
    struct pins pins;
    struct shard *shards;
    unsigned shard_bits, shard_count;
    unsigned shard_shift; /* a hash shifted by this is its shard */
    struct db *dbs;
    int db_count;
    struct store_stats stats[GATES_MAX]; /* by gate index */
    const struct effect_sink *sink; /* NULL: no effect is recorded. Changed in exclusive mode */
    uint64_t beside_lsn; /* of the last record of a change beside the keys (function libraries);
                            changed in exclusive mode */
    /* Removals of members whose record must wait, while the log takes none: it comes before the
     * next one of the shard. [shard_count], NULL: none; guarded by the shard's lock */
    struct effects **owed;
    _Atomic uint32_t owing;         /* shards that have some */
    struct snapshot_hook *snapshot; /* set before there are threads, or NULL */
    uint8_t parity;                 /* 0 or ENTRY_PARITY; flipped in exclusive mode */
    bool walked;                    /* a snapshot is under way; changed in exclusive mode */
    /* Plugged in by the server before threads start: runs the commands that waited for the keys
     * noted in the txn (wait.h). NULL: nobody waits. */
    void (*serve)(struct txn *t);
    /* After `serve`, when the record is in the log (txn.lsn) and the shards are still held: the
     * replies may go. */
    void (*served)(struct txn *t);
    /* The record of changes that were told of (txn.told) is in the log, the shards are still held.
     */
    void (*logged)(struct txn *t);
    /* A step has taken so long. NULL: nobody asks. Changed in exclusive mode; any thread inside a
     * gate calls it, maybe with a shard held. */
    void (*took)(enum keyspace_step step, int64_t us);
    const struct notify_ops *notify; /* plugged in before there are threads; NULL: nobody hears */
    _Atomic uint32_t heard;          /* enum notify_heard, OR-ed: what `notify` wants to hear */
    _Atomic uint64_t read_keys, readers; /* readers.h: keys with readers, and the sum of these */
};

/* Around a step: reads the clock if somebody asks. */
INLINE int64_t keyspace_step_begin(const struct keyspace *ks)
{
    return unlikely(ks->took != NULL) ? clock_monotonic_us() : 0;
}

INLINE void keyspace_step_end(const struct keyspace *ks, enum keyspace_step step, int64_t begun_us)
{
    if (unlikely(ks->took != NULL))
        ks->took(step, clock_monotonic_us() - begun_us);
}

/* shards: power of two, 64–4,096. */
struct keyspace *keyspace_create(unsigned shards, int databases);
void keyspace_destroy(struct keyspace *ks);

/* Makes the parts of a database; part of keyspace_db(). */
struct db *keyspace_make_db(struct keyspace *ks, int id);

/* The database, its parts made when this is its first use. Any thread. */
INLINE struct db *keyspace_db(struct keyspace *ks, int id)
{
    struct db *db = &ks->dbs[id];
    if (likely(atomic_load_explicit(&db->parts, memory_order_acquire) != NULL))
        return db;
    return keyspace_make_db(ks, id);
}

INLINE unsigned keyspace_shard_of(const struct keyspace *ks, uint64_t hash)
{
    return (unsigned)(hash >> ks->shard_shift);
}

INLINE struct part *db_part(const struct db *db, unsigned shard)
{
    return &atomic_load_explicit(&db->parts, memory_order_acquire)[shard];
}

/* The first shard from `from` on whose table has entries, or -1: a hint (see nonempty). Any thread.
 */
int db_next_nonempty(const struct keyspace *ks, const struct db *db, unsigned from);
/* Any such shard, uniformly chosen, or -1. */
int db_random_nonempty(const struct keyspace *ks, const struct db *db, struct rng *rng);

/* Sums over all threads. */
int64_t keyspace_keys(const struct keyspace *ks, int db);
int64_t keyspace_expires(const struct keyspace *ks, int db);
int64_t keyspace_member_expires(const struct keyspace *ks, int db);
int64_t keyspace_all_keys(const struct keyspace *ks); /* of all databases */
uint64_t keyspace_stat(const struct keyspace *ks, enum store_stat which);

/* A counter that only its owner thread writes. */
INLINE void stat_add(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + n, memory_order_relaxed);
}

/* Frees what an entry's value leads to, and the entry. Large collections should go to the worker
 * pool. */
void entry_destroy(struct entry *e);
/* Elements that entry_destroy() would walk: decides whether it is left to a worker. */
size_t entry_free_effort(const struct entry *e);

/* Plugged in by the server: destroys the entry on another thread, soon. NULL: at once. */
extern void (*keyspace_free_later)(struct entry *e);
/* What other threads are freeing: who plugs in says so, around each job. Whole tables have unknown
 * bytes: 0. */
void keyspace_freeing(int64_t jobs, int64_t bytes);
int64_t keyspace_freeing_jobs(void);
int64_t keyspace_freeing_bytes(void);
/* Drops an entry that is in no table any more, here or on the worker pool according to its size. */
void entry_release(struct entry *e, bool lazy);

/* The same for a value that has left its entry: what a pointer of this type and encoding led to. */
void value_release(enum value_type type, enum encoding encoding, void *root);

/* Exclusive mode only. Empties a database; the old tables are freed by the worker pool when `lazy`.
 */
void keyspace_flush(struct keyspace *ks, int db, bool lazy);
extern void (*keyspace_free_parts_later)(struct part *parts, unsigned count);
void keyspace_free_parts(struct part *parts, unsigned count);
/* Plugged in by the server: FLUSHALL has emptied all databases. NULL: nobody wants to know. */
extern void (*keyspace_flushed_all)(void);
/* Exclusive mode only. */
void keyspace_swap(struct keyspace *ks, int a, int b);
