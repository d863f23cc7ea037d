#include "store/pin.h"

#include "base/assert.h"
#include "store/txn.h"

struct pin {
    struct pin *next, **link;
    uint64_t hash;
    _Atomic uint32_t *count; /* of the shard */
    uint32_t readers;
    bool target, edit;
    struct pin_waiter *first, **last;
};

static struct pin **bucket_of(struct keyspace *ks, uint64_t hash)
{
    return &ks->pins.buckets[hash % PIN_BUCKETS];
}

static struct pin *find(struct keyspace *ks, uint64_t hash)
{
    struct pin *p = *bucket_of(ks, hash);
    while (p && p->hash != hash)
        p = p->next;
    return p;
}

static struct pin *add(struct keyspace *ks, uint64_t hash)
{
    struct pin **bucket = bucket_of(ks, hash), *p = mem_zalloc(MEM_OTHER, sizeof(*p));
    *p = (struct pin){.next = *bucket, .link = bucket, .hash = hash};
    p->count = &ks->shards[keyspace_shard_of(ks, hash)].pins;
    p->last = &p->first;
    if (p->next)
        p->next->link = &p->next;
    *bucket = p;
    atomic_fetch_add_explicit(p->count, 1, memory_order_relaxed);
    return p;
}

static void unlist(struct pin_waiter *w)
{
    *w->link = w->next;
    if (w->next)
        w->next->link = w->link;
    else
        w->pin->last = w->link;
    w->pin = NULL;
}

static void enlist(struct pin *p, struct pin_waiter *w, bool pins)
{
    DASSERT(!w->pin);
    w->next = NULL;
    w->link = p->last;
    w->pin = p;
    w->pins = pins;
    *p->last = w;
    p->last = &w->next;
}

static void wake_all(struct pin *p, bool pins)
{
    for (struct pin_waiter *w = p->first, *next; w; w = next) {
        next = w->next;
        if (w->pins != pins)
            continue;
        unlist(w);
        w->wake(w);
    }
}

/* The last one has let go. */
static void remove_pin(struct pin *p)
{
    wake_all(p, false);
    wake_all(p, true);
    *p->link = p->next;
    if (p->next)
        p->next->link = p->link;
    /* release: pairs with the acquire of txn_meets_pins() and pins_hold() */
    atomic_fetch_sub_explicit(p->count, 1, memory_order_release);
    mem_free(MEM_OTHER, p, sizeof(*p));
}

static struct pin *obstacle(struct keyspace *ks, const struct key *keys, const enum pin_use *uses,
                            uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct pin *p = find(ks, keys[i].hash);
        if (p && (uses[i] != PIN_READ || p->target || p->edit || p->first))
            return p;
    }
    return NULL;
}

bool pins_take(struct keyspace *ks, const struct key *keys, const enum pin_use *uses,
               uint32_t count, struct pin_waiter *w)
{
    lock_acquire(&ks->pins.lock);
    struct pin *p = obstacle(ks, keys, uses, count);
    if (p)
        enlist(p, w, true);
    for (uint32_t i = 0; i < count && !p; i++) {
        struct pin *mine = find(ks, keys[i].hash);
        if (!mine)
            mine = add(ks, keys[i].hash);
        mine->readers += uses[i] == PIN_READ;
        mine->target |= uses[i] == PIN_TARGET;
        mine->edit |= uses[i] == PIN_EDIT;
    }
    lock_release(&ks->pins.lock);
    return !p;
}

void pins_drop(struct keyspace *ks, const struct key *keys, const enum pin_use *uses,
               uint32_t count)
{
    lock_acquire(&ks->pins.lock);
    for (uint32_t i = 0; i < count; i++) {
        struct pin *p = find(ks, keys[i].hash);
        if (!p) /* the same key, or one with the same hash, was the last reason for it */
            continue;
        if (uses[i] == PIN_TARGET)
            p->target = false;
        else if (uses[i] == PIN_EDIT)
            p->edit = false;
        else
            p->readers--;
        if (!p->readers && !p->target && !p->edit)
            remove_pin(p);
    }
    lock_release(&ks->pins.lock);
}

static bool is_barred(const struct pin *p, enum pin_bar bar)
{
    return p->edit || (bar >= PIN_BARS_WRITES && p->readers) || (bar == PIN_BARS_ALL && p->target);
}

bool pins_wait(struct keyspace *ks, const struct key *key, struct pin_waiter *w, enum pin_bar bar)
{
    lock_acquire(&ks->pins.lock);
    struct pin *p = find(ks, key->hash);
    bool waits = p && is_barred(p, bar);
    if (waits)
        enlist(p, w, false);
    lock_release(&ks->pins.lock);
    return waits;
}

bool pins_hold(struct keyspace *ks, const struct key *key)
{
    _Atomic uint32_t *count = &ks->shards[keyspace_shard_of(ks, key->hash)].pins;
    if (likely(!atomic_load_explicit(count, memory_order_acquire)))
        return false;
    lock_acquire(&ks->pins.lock);
    const struct pin *p = find(ks, key->hash);
    bool holds = p && (p->readers || p->edit);
    lock_release(&ks->pins.lock);
    return holds;
}

void pins_forget(struct keyspace *ks, struct pin_waiter *w)
{
    lock_acquire(&ks->pins.lock);
    if (w->pin)
        unlist(w);
    lock_release(&ks->pins.lock);
}

bool pins_is_waiting(struct keyspace *ks, const struct pin_waiter *w)
{
    lock_acquire(&ks->pins.lock);
    bool waits = w->pin != NULL;
    lock_release(&ks->pins.lock);
    return waits;
}
