/* snapshot.h: the keyspace as it was at one moment, item by item, while commands go on: no fork.
 *
 * snapshot_begin() runs in exclusive mode: it flips the keyspace's parity (store/keyspace.h) and
 * notes which tables there are, and whose databases they were. snapshot_walk() then visits them in
 * slices of a few µs (struct snapshot_output) under a shard's lock, each slice inside the gate. A
 * change of an entry not yet visited hands its old value over first, through the hook in the
 * keyspace, to a queue that the walk empties between slices. FLUSH leaves its old tables to the
 * walk, SWAPDB and MOVE change nothing for it: an entry belongs to the table in which it stood.
 *
 * Costs: a value is encoded under its shard's lock, by the walk or by the first command that
 * changes it: O(size of the value), once per snapshot. Exempt are long strings, which are
 * referenced and encoded later, and large collections: the walk pins them (store/pin.h) and reads
 * them without a lock, and who wants to change one first waits for a worker that has done the same
 * (reserve(), take()). Collections with members that expire cannot be pinned, and streams are
 * copied by blocks: both stay under the lock. Memory: what the queues hold (old values changed
 * faster than the output takes them), strings that are referenced meanwhile, and the encoded form
 * of the largest value. The queues are full at an eighth of the data, until half of that has gone:
 * who is about to change an entry that was not visited asks snapshot_must_wait() before he has
 * begun, and waits without a lock.
 *
 * Owner: one walk at a time. The thread that calls snapshot_walk() is the walker; begin, cancel and
 * the figures are for others. */
#pragma once

#include "persist/guest.h"

/* What the walk asks of the server while it reads a large value, and tells it. Any thread. */
struct snapshot_pins {
    /* Nothing exclusive may run until leave(). False: not now. */
    bool (*enter)(void *arg);
    void (*leave)(void *arg);
    uint64_t (*large)(void *arg); /* from so many elements on */
    void (*room)(void *arg);      /* who had to wait may go on */
    void *arg;
};

/* Where the items go; called on the walker's thread, without a lock, outside the gate. False: it
 * cannot go on; the walk is finished without output. The items begin with a SELECT, or go on in the
 * database of the call before. */
struct snapshot_output {
    bool (*write)(struct snapshot_output *self, struct slice items);
    int64_t slice_us;  /* longest stay under one lock, about; 0: a bucket */
    size_t part_bytes; /* that are worth a call; 0: whatever there is */
};

/* Strings whose encoding waits until no lock is held. */
struct snapshot_late {
    struct blob *blob;
    size_t head; /* end of its head in `heads` */
};

/* Items that were put together. */
struct snapshot_items {
    struct buf items;
    struct buf heads; /* of late strings: attributes, type and key */
    struct snapshot_late *late;
    size_t late_count, late_cap, late_done, late_bytes; /* encoded; bytes of those that are not */
    int db, late_db; /* where items and heads end, -1: nowhere yet */
    uint64_t keys;
};

struct snapshot_chunk {
    struct snapshot_chunk *next;
    struct snapshot_items items;
};

/* In chunks, so that nothing large is ever copied under a lock, or twice in memory. */
struct snapshot_queue {
    CACHE_ALIGNED struct lock lock; /* a leaf */
    struct snapshot_items content;  /* goes on */
    struct snapshot_chunk *full;    /* in any order */
};

struct snapshot_table {
    struct part *parts;
    int db;
    uint64_t keys, expires;
    bool detached, passed; /* under snapshot.lock */
};

struct snapshot {
    struct snapshot_hook hook;
    struct keyspace *ks;
    struct guest guest;
    struct snapshot_queue *queues; /* [GATES_MAX], by the gate of who writes */
    struct lock lock;
    const struct snapshot_pins *pins; /* NULL: all values are read under their locks. Set before
                                         there are threads */
    struct snapshot_table *tables;
    int table_count;
    struct snapshot_items own; /* the walker's */
    int64_t now_ms;            /* when it began */
    unsigned rdb_version;      /* whose forms the items have */
    _Atomic bool running;      /* from begin to the end of the walk */
    _Atomic bool mute;         /* cancelled, or the output has failed */
    _Atomic uint32_t reserved; /* values that somebody is still to take */
    _Atomic uint64_t keys_done, keys_total;
    _Atomic int64_t queued_bytes, queued_peak; /* old values that wait */
    _Atomic int64_t queue_limit;
    _Atomic bool awaited; /* somebody waits for room */
};

/* Plugs itself into the keyspace; before there are threads. */
void snapshot_init(struct snapshot *s, struct keyspace *ks);
void snapshot_deinit(struct snapshot *s);

/* Exclusive mode; no other snapshot is running. The items have forms of this version of RDB.
 * Somebody must call snapshot_walk() soon. */
void snapshot_begin(struct snapshot *s, unsigned rdb_version);
/* Walks to the end. True: the output has got every entry once; false: it has failed or was
 * cancelled. */
bool snapshot_walk(struct snapshot *s, struct snapshot_output *output);
/* The rest of the walk happens without output. Any thread. */
void snapshot_cancel(struct snapshot *s);

INLINE bool snapshot_running(const struct snapshot *s)
{
    return atomic_load(&s->running);
}

/* A hint: the queues hold more than they should, or still half of it, and somebody waits. Any
 * thread. */
INLINE bool snapshot_is_full(const struct snapshot *s)
{
    return unlikely(atomic_load_explicit(&s->queued_bytes, memory_order_relaxed) >=
                    atomic_load_explicit(&s->queue_limit, memory_order_relaxed)) ||
           unlikely(atomic_load_explicit(&s->awaited, memory_order_relaxed));
}

/* The same for who is going to wait: true, and snapshot_pins.room will be called. Any thread. */
bool snapshot_must_wait(struct snapshot *s);

INLINE bool snapshot_muted(const struct snapshot *s)
{
    return atomic_load_explicit(&s->mute, memory_order_relaxed);
}
