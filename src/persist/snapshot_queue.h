/* snapshot_queue.h: old values on their way from who changes them to the walk, and how many bytes
 * of them there may be (snapshot.h: snapshot_must_wait()).
 *
 * A queue per gate, so that writers do not meet; a queue's lock is a leaf. Threading: stands at
 * each function. Adding costs what encoding the value costs. */
#pragma once

#include "persist/snapshot.h"

/* The limit, by the data that there is. Exclusive mode: a snapshot begins. */
void snapshot_queue_limit(struct snapshot *s);
/* Takes an entry of the database over. The thread of that gate; the entry's shard is held. */
void snapshot_queue_add(struct snapshot *s, unsigned gate, int db, const struct entry *e);
/* The same for a large value, on any thread, without a lock. */
void snapshot_queue_chunk(struct snapshot *s, int db, const struct entry *husk);
/* Takes all that is queued; the walker's, to be freed by it, and then taken off. */
struct snapshot_chunk *snapshot_queue_take(struct snapshot_queue *q) MUST_USE;
/* So many bytes, as snapshot_items_bytes() had them, are gone; who waits is woken. The walker. */
void snapshot_queue_took(struct snapshot *s, int64_t bytes);
