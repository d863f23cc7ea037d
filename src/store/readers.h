/* readers.h: who has read a key and must hear when it changes, for client-side caching.
 *
 * Each shard has a table from key names (of all databases: a name is one thing to a client's cache,
 * as in Redis) to the ascending numbers of their readers. A number is the caller's: the server puts
 * its reactor and client into it. Readers that go away stay until the key changes, or until
 * readers_sweep() finds them.
 * Owner: the holder of the shard's lock, or who runs alone. A read is remembered under the lock
 * that the next change of the key will take, hence no change can be missed.
 * Memory: MEM_CLIENT. Complexity: add O(log readers + move), take O(1) expected. */
#pragma once

#include "store/txn.h"

struct readers { /* of one key */
    uint64_t hash;
    uint64_t *numbers; /* ascending */
    uint32_t count, cap;
    size_t len;
    char name[];
};

/* Remembers a reader; no effect when it is there. The key's shard is held. */
void readers_add(struct txn *t, const struct key *key, uint64_t number);
/* Takes the key's readers out of the table: NULL, or the caller's to destroy. The shard is held. */
struct readers *readers_take(struct txn *t, const struct key *key);
/* The same for any key of a shard that is held. */
struct readers *readers_take_any(struct txn *t, unsigned shard);
void readers_destroy(struct readers *r);
/* Exclusive mode, or the last thread: forgets all. */
void readers_clear(struct keyspace *ks);
/* Forgets the readers that `is_gone` names. The shard is held. O(readers of the shard). */
void readers_sweep(struct txn *t, unsigned shard, bool (*is_gone)(void *arg, uint64_t number),
                   void *arg);

/* A hint without the lock. */
INLINE bool readers_has_any(const struct keyspace *ks, unsigned shard)
{
    return atomic_load_explicit(&ks->shards[shard].readers, memory_order_relaxed) != NULL;
}

INLINE uint64_t readers_keys(const struct keyspace *ks)
{
    return atomic_load_explicit(&ks->read_keys, memory_order_relaxed);
}
