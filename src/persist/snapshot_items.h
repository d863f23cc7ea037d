/* snapshot_items.h: puts the items of a snapshot together, for snapshot.c and snapshot_queue.c. Long strings are
 * referenced under the lock and encoded by snapshot_items_encode(), without one. Owner: whoever
 * holds the struct; the entry's shard is held when it is added. */
#pragma once

#include "persist/snapshot.h"

/* Empty; owns its bytes until deinit. */
void snapshot_items_init(struct snapshot_items *x);
void snapshot_items_deinit(struct snapshot_items *x);
/* Adds an entry as it is now. */
void snapshot_items_add(struct snapshot_items *x, int db, const struct entry *e, int64_t now_ms,
                        unsigned rdb_version);
/* The hints that precede a database. */
void snapshot_items_database(struct snapshot_items *x, int db, uint64_t keys, uint64_t expires);
/* Encodes what was left for later, until `items` has this many bytes. True: there is more; take
 * what is there out (buf_clear()) and call again. */
bool snapshot_items_encode(struct snapshot_items *x, size_t enough);
void snapshot_items_clear(struct snapshot_items *x);
/* What it holds in memory, referenced strings included. */
size_t snapshot_items_bytes(const struct snapshot_items *x);
