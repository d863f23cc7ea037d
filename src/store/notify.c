#include "store/notify.h"

COLD void notify_change(struct txn *t, int db, const struct key *key, enum event event)
{
    if (t->mute)
        return;
    if (atomic_load_explicit(&t->ks->heard, memory_order_relaxed) & HEARD_CHANGES)
        t->ks->notify->changed(t, key, event);
    if (event != EVENT_NONE)
        notify_event(t, db, key, event);
}

void notify_flush(struct txn *t)
{
    if (atomic_load_explicit(&t->ks->heard, memory_order_relaxed) & HEARD_CHANGES)
        t->ks->notify->flushed(t);
}

void notify_hear(struct keyspace *ks, enum notify_heard what, bool on)
{
    if (on)
        atomic_fetch_or(&ks->heard, (uint32_t)what);
    else
        atomic_fetch_and(&ks->heard, ~(uint32_t)what);
}
