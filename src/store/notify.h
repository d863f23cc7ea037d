/* notify.h: tells the layers above what happens to keys: events, for subscribers of keyspace
 * notifications, and changes, for caches that clients keep.
 *
 * The server plugs in struct notify_ops. What happens is told when it happens, by the thread that
 * does it, with the key's shard held (or alone): the order in which the functions are called is the
 * order of the changes of that key, and they may take leaf locks only.
 * A txn that is mute (a load) tells nobody.
 * keyspace.heard says what somebody wants; while it is 0, a commit pays one relaxed load. The bit
 * of the changes is set before anything is remembered under a shard's lock, so whoever changes that
 * thing, under the same lock, sees it.
 * The names of events and their order are Redis's:
 * redis.io/docs/latest/develop/use/keyspace-notifications
 */
#pragma once

#include "store/txn.h"

enum notify_heard {
    HEARD_EVENTS = 1 << 0,  /* some class is in store_settings.notify_events */
    HEARD_CHANGES = 1 << 1, /* a client has asked for tracking since the start */
};

struct notify_ops {
    /* An event of a wanted class. `key` lives as long as the call. */
    void (*event)(struct txn *t, int db, enum event event, struct slice key);
    /* The key, in some database, is not what it was; `event`: why (EVENT_NONE: it gave way). */
    void (*changed)(struct txn *t, const struct key *key, enum event event);
    /* Exclusive mode: all keys of one or all databases are gone. */
    void (*flushed)(struct txn *t);
};

INLINE bool notify_is_heard(const struct keyspace *ks)
{
    return unlikely(atomic_load_explicit(&ks->heard, memory_order_relaxed) != 0);
}

/* An event that comes without a change of the key, or besides it. */
INLINE void notify_event(struct txn *t, int db, const struct key *key, enum event event)
{
    if (unlikely(events[event].class & store_settings.notify_events) && t->ks->notify && !t->mute)
        t->ks->notify->event(t, db, event, key->name);
}

/* A change and its event. Only if notify_is_heard(). */
void notify_change(struct txn *t, int db, const struct key *key, enum event event);
/* Exclusive mode. */
void notify_flush(struct txn *t);

/* Begins and ends to hear one kind. The events: in exclusive mode or before there are threads. */
void notify_hear(struct keyspace *ks, enum notify_heard what, bool on);
