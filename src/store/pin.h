/* pin.h: which keys slow commands are using, and who waits for them.
 *
 * A slow command (server/slow.h) reads its sources on the worker pool, without a lock. Before it
 * starts, it pins all its keys at once, with their shards locked:
 *
 *   PIN_READ    the value must stay as it is: whoever would change or delete it waits, other reads
 *               and other slow commands go on. Several may hold it.
 *   PIN_EDIT    the value is away, being changed (draft.h), or will give way to one that is made of
 *               it: everybody else waits, readers too.
 *   PIN_TARGET  the result will be stored here: no other slow command may use the key meanwhile, so
 *               that storing never meets a pin, and no two commands wait for each other. Anybody
 *               else may read and write it.
 *
 * A pin is known by its key's hash in every database, so a command asks without looking anything
 * up; two keys with one hash wait for each other, which is harmless. Values have no field for pins:
 * they are rare, and a side table leaves all layouts alone. struct shard counts the pins of its
 * keys: 0, the usual case, costs a load of the line that the lock is on.
 *
 * Nobody waits with a lock in hand: who is in the way of a pin registers a waiter, unlocks, and
 * plans its command again when woken. While somebody waits for a pin, no slow command may join it:
 * loops of slow commands do not starve writers. When the last one lets go, all are woken, writers
 * first.
 *
 * Locks: one leaf lock guards the table; it is only taken by reactors and the snapshot's walk, for
 * a moment, and never by the workers, who may be off the processor for long. A pin is added with
 * its shard locked, so "none" stays true until the shard's holder unlocks. It is dropped without:
 * the count falls with release, and who reads 0 with acquire sees all reads of the pinned value
 * done. */
#pragma once

#include "base/lock.h"

#include <stdatomic.h>

struct key;
struct keyspace;
struct pin;

enum pin_use {
    PIN_READ,
    PIN_TARGET,
    PIN_EDIT
};

/* What a command may not meet. */
enum pin_bar {
    PIN_BARS_READS,  /* an edit */
    PIN_BARS_WRITES, /* and that the value is being read */
    PIN_BARS_ALL     /* and that a result will be stored */
};

struct pin_waiter {
    struct pin_waiter *next, **link;       /* of the same pin; guarded by pins.lock */
    struct pin *pin;                       /* guarded by pins.lock; NULL: it does not wait */
    bool pins;                             /* a slow command; else one that writes */
    void (*wake)(struct pin_waiter *self); /* under pins.lock: must not block, nor call back */
};

enum {
    PIN_BUCKETS = 1024,
    PIN_KEYS_MAX = 4096 /* of one command: more are not pinned */
};

struct pins {
    CACHE_ALIGNED struct lock lock; /* a leaf */
    struct pin *buckets[PIN_BUCKETS];
};

/* Pins keys whose shards are held; uses[i] belongs to keys[i]. A key may occur twice. False: one of
 * them is in use, nothing was pinned, and `w` waits for it. */
bool pins_take(struct keyspace *ks, const struct key *keys, const enum pin_use *uses,
               uint32_t count, struct pin_waiter *w) MUST_USE;
/* Undoes a pins_take() that succeeded. No shard need be held. */
void pins_drop(struct keyspace *ks, const struct key *keys, const enum pin_use *uses,
               uint32_t count);
/* For a command that is about to use this key, whose shard is held: true when what bars it is
 * there; then `w` waits for the end of that. */
bool pins_wait(struct keyspace *ks, const struct key *key, struct pin_waiter *w,
               enum pin_bar bar) MUST_USE;
/* True when the value is being read or edited: it must not change or go. The shard is held. */
bool pins_hold(struct keyspace *ks, const struct key *key);
/* Waits no longer; nothing when it does not. Not woken afterwards. */
void pins_forget(struct keyspace *ks, struct pin_waiter *w);
/* False: it has been woken, or never waited. */
bool pins_is_waiting(struct keyspace *ks, const struct pin_waiter *w);
