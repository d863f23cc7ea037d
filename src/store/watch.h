/* watch.h: exact watchers of single keys, for WATCH.
 *
 * A watcher is one client's set of watched keys and one flag, which rises when any of them changes:
 * by a commit, expiry, eviction, FLUSHALL or SWAPDB. Each watched key is a node: in its watcher's
 * list, which only the owner thread walks, and in its shard's table by (database, name), where the
 * nodes of one key are chained. A change takes all nodes of the key out of the table, for a flag
 * that is up has nothing more to learn.
 *
 * Locks: every shard's table has a lock of its own, a leaf below the shard's. Who changes a key
 * holds the shard (or runs alone) and looks at shard->watchers: NULL, the usual case, costs a
 * branch. Nodes are added under both locks, hence no later change can miss them; they are removed
 * under the leaf alone, so a client that disconnects needs no gate and does not disturb exclusive
 * mode. The flag's owner frees it after its last node is out of the tables, which whoever raises it
 * must hold the leaf lock to find: nothing dangles.
 *
 * The flag is decided when the holder of the shards (or the exclusive thread) reads it: all changes
 * before have been made under them. */
#pragma once

#include "store/txn.h"

struct watch {
    struct watch *next_own; /* of the same watcher: its thread only */
    struct watcher *watcher;
    struct watch *next,
        *previous; /* of the same key; guarded by the shard's watch_lock, like the next */
    bool listed;   /* in the shard's table */
    int db;
    struct key key; /* the name follows the node */
};

struct watcher {
    _Atomic bool *touched; /* a watched key changed; raised by any thread */
    struct watch *first;
    uint32_t count;
    size_t bytes;
};

/* Watches a key of the txn's database, whose shard is held; a key that has expired is deleted
 * first, so that this is no change any more. No effect on a key that is watched already. */
void watch_add(struct txn *t, struct watcher *w, const struct key *key);
/* Forgets all keys and lowers the flag. The owner thread, inside or outside the gate. */
void watch_clear(struct txn *t, struct watcher *w);
/* Deletes watched keys that have expired; then: has any of the keys changed? Their shards are held.
 */
bool watch_decide(struct txn *t, const struct watcher *w);

/* Raises the flags of those who watch the key. The shard is held. */
void watch_touch(struct txn *t, int db, const struct key *key);
/* Exclusive mode. All keys of a database are about to go; two databases are about to change places.
 */
void watch_flush(struct txn *t, int db);
void watch_swap(struct txn *t, int a, int b);

/* For INFO. Any thread. */
int64_t watch_keys(const struct keyspace *ks);    /* watched by somebody */
int64_t watch_clients(const struct keyspace *ks); /* whose flag is down */
