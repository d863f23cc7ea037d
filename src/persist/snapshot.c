#include "persist/snapshot.h"

#include "base/assert.h"
#include "base/clock.h"
#include "persist/snapshot_items.h"
#include "persist/snapshot_queue.h"
#include "store/value.h"

#include <unistd.h>

enum {
    LARGE_TRIES = 1000,
    LARGE_PAUSE_US = 1000
};

/* ---- what others call, in the middle of a command ---- */

static const struct snapshot_table *table_of(const struct snapshot *s, const struct part *part)
{
    for (int i = 0; i < s->table_count; i++) {
        const struct snapshot_table *t = &s->tables[i];
        if (part >= t->parts && part < t->parts + s->ks->shard_count)
            return t;
    }
    ASSERT(!"an unvisited entry is in no table of the snapshot");
    return NULL;
}

COLD static void edit(struct snapshot_hook *self, struct txn *t, const struct ref *ref)
{
    struct snapshot *s = container_of(self, struct snapshot, hook);
    ref->entry->flags ^= ENTRY_PARITY;
    if (snapshot_muted(s))
        return;
    snapshot_queue_add(s, t->self, table_of(s, ref->part)->db, ref->entry);
}

static int reserve(struct snapshot_hook *self, const struct ref *ref)
{
    struct snapshot *s = container_of(self, struct snapshot, hook);
    ref->entry->flags ^= ENTRY_PARITY;
    atomic_fetch_add(&s->reserved, 1);
    return table_of(s, ref->part)->db;
}

static void take(struct snapshot_hook *self, int db, const struct entry *husk)
{
    struct snapshot *s = container_of(self, struct snapshot, hook);
    if (!snapshot_muted(s))
        snapshot_queue_chunk(s, db, husk);
    atomic_fetch_sub(&s->reserved, 1);
}

static bool detach(struct snapshot_hook *self, struct part *parts)
{
    struct snapshot *s = container_of(self, struct snapshot, hook);
    bool needed = false;
    if (!snapshot_running(s))
        return false;
    lock_acquire(&s->lock);
    for (int i = 0; i < s->table_count && !needed; i++) {
        struct snapshot_table *t = &s->tables[i];
        if (t->parts == parts && !t->passed)
            t->detached = needed = true;
    }
    lock_release(&s->lock);
    if (needed) /* its memory will come back: nobody is refused for it, or evicted */
        keyspace_freeing(1, 0);
    return needed;
}

/* ---- life ---- */

void snapshot_init(struct snapshot *s, struct keyspace *ks)
{
    memset(s, 0, sizeof(*s));
    s->hook = (struct snapshot_hook){edit, reserve, take, detach};
    s->ks = ks;
    guest_init(&s->guest, ks);
    s->queues = mem_alloc_aligned(MEM_OTHER, GATES_MAX * sizeof(struct snapshot_queue));
    for (int i = 0; i < GATES_MAX; i++)
        snapshot_items_init(&s->queues[i].content);
    snapshot_items_init(&s->own);
    s->tables = mem_zalloc(MEM_OTHER, (size_t)ks->db_count * sizeof(struct snapshot_table));
    atomic_store(&s->queue_limit, INT64_MAX);
    ks->snapshot = &s->hook;
}

void snapshot_deinit(struct snapshot *s)
{
    s->ks->snapshot = NULL;
    for (int i = 0; i < GATES_MAX; i++)
        snapshot_items_deinit(&s->queues[i].content);
    snapshot_items_deinit(&s->own);
    mem_free_aligned(MEM_OTHER, s->queues, GATES_MAX * sizeof(struct snapshot_queue));
    mem_free(MEM_OTHER, s->tables, (size_t)s->ks->db_count * sizeof(struct snapshot_table));
    guest_deinit(&s->guest);
}

void snapshot_begin(struct snapshot *s, unsigned rdb_version)
{
    struct keyspace *ks = s->ks;
    uint64_t keys = 0;
    ASSERT(!snapshot_running(s));
    s->table_count = 0;
    for (int i = 0; i < ks->db_count; i++) {
        struct part *parts = atomic_load(&ks->dbs[i].parts);
        struct snapshot_table *t = &s->tables[s->table_count];
        if (!parts)
            continue;
        *t = (struct snapshot_table){.parts = parts, .db = i};
        t->keys = (uint64_t)keyspace_keys(ks, i);
        t->expires = (uint64_t)keyspace_expires(ks, i);
        keys += t->keys;
        s->table_count++;
    }
    s->now_ms = clock_wall_ms();
    s->rdb_version = rdb_version;
    ks->parity ^= ENTRY_PARITY;
    ks->walked = true;
    guest_awake(&s->guest, true);
    atomic_store(&s->keys_done, 0);
    atomic_store(&s->keys_total, keys);
    atomic_store(&s->queued_peak, 0);
    snapshot_queue_limit(s);
    atomic_store(&s->mute, false);
    atomic_store(&s->running, true);
}

void snapshot_cancel(struct snapshot *s)
{
    atomic_store(&s->mute, true);
}

/* ---- the walk ---- */

/* The key of a large value that is to be read without a lock. */
struct large {
    struct large *next;
    uint32_t len;
    char name[];
};

struct walk {
    struct snapshot *snapshot;
    struct snapshot_output *output;
    const struct snapshot_table *table;
    struct large *large; /* of this table */
    unsigned shard;
    uint64_t cursor; /* in the shard's table */
    uint8_t parity;  /* of visited entries */
};

static bool is_large(const struct walk *w, const struct entry *e)
{
    const struct snapshot *s = w->snapshot;
    return s->pins && entry_type(e) != TYPE_STRING && !(e->flags & ENTRY_MEMBERS_EXPIRE) &&
           !snapshot_muted(s) && value_elements(e) >= s->pins->large(s->pins->arg);
}

static void put_in(struct walk *w, const struct entry *e)
{
    struct snapshot *s = w->snapshot;
    if (!snapshot_muted(s))
        snapshot_items_add(&s->own, w->table->db, e, s->now_ms, s->rdb_version);
}

static void postpone(struct walk *w, const struct entry *e)
{
    struct slice name = entry_key(e);
    struct large *l = mem_alloc(MEM_OTHER, sizeof(*l) + name.len);
    *l = (struct large){.next = w->large, .len = (uint32_t)name.len};
    memcpy(l->name, name.ptr, name.len);
    w->large = l;
}

static void visit(void *entry, void *arg)
{
    struct walk *w = arg;
    struct entry *e = entry;
    if ((e->flags & ENTRY_PARITY) == w->parity)
        return;
    if (unlikely(is_large(w, e))) { /* it may be met again before its turn */
        postpone(w, e);
        return;
    }
    e->flags ^= ENTRY_PARITY;
    put_in(w, e);
}

/* Enough for a call of the output; long strings are added faster than the time runs. */
static bool has_enough(const struct walk *w)
{
    return snapshot_items_bytes(&w->snapshot->own) >= MAX(w->output->part_bytes, (size_t)1);
}

/* Goes on with one shard until it is done or enough is; true: done. */
static bool walk_shard(struct walk *w, int64_t until_us)
{
    struct txn *t = &w->snapshot->guest.txn;
    const struct table *table = &w->table->parts[w->shard].table;
    txn_begin(t, 0, false);
    txn_lock_shard(t, w->shard);
    do
        w->cursor = table_scan(table, w->cursor, visit, w);
    while (w->cursor && !has_enough(w) && clock_monotonic_us() < until_us);
    txn_unlock(t);
    return w->cursor == 0;
}

static void put_out(struct walk *w, struct snapshot_items *items)
{
    struct snapshot *s = w->snapshot;
    uint64_t keys = items->keys;
    bool more = true;
    while (more && !snapshot_muted(s)) {
        more = snapshot_items_encode(items, w->output->part_bytes);
        if (buf_len(&items->items) && !w->output->write(w->output, buf_slice(&items->items)))
            snapshot_cancel(s);
        buf_clear(&items->items);
    }
    snapshot_items_clear(items);
    atomic_fetch_add_explicit(&s->keys_done, keys, memory_order_relaxed);
}

static void drain(struct walk *w, struct snapshot_queue *q)
{
    for (struct snapshot_chunk *c = snapshot_queue_take(q), *next; c; c = next) {
        next = c->next;
        int64_t bytes = (int64_t)snapshot_items_bytes(&c->items);
        put_out(w, &c->items);
        snapshot_items_deinit(&c->items);
        mem_free(MEM_OTHER, c, sizeof(*c));
        snapshot_queue_took(w->snapshot, bytes);
    }
}

static void drain_all(struct walk *w)
{
    for (unsigned i = 0; i < w->snapshot->ks->gates.count; i++)
        drain(w, &w->snapshot->queues[i]);
}

/* One stay inside the gate. */
static void walk_slice(struct walk *w)
{
    struct snapshot *s = w->snapshot;
    int64_t until_us = clock_monotonic_us() + w->output->slice_us;
    guest_enter(&s->guest);
    do
        if (walk_shard(w, until_us))
            w->shard++;
    while (w->shard < s->ks->shard_count && !has_enough(w) && clock_monotonic_us() < until_us);
    guest_leave(&s->guest);
}

/* ---- large values ---- */

static void never_woken(struct pin_waiter *w)
{
    (void)w;
}

/* FLUSH has left the table to us. Inside the gate. */
static bool is_ours(struct snapshot *s, const struct snapshot_table *table)
{
    lock_acquire(&s->lock);
    bool ours = table->detached;
    lock_release(&s->lock);
    return ours;
}

/* Nobody changes the value until release(). The shard is held. False: not now. */
static bool pin(struct snapshot *s, const struct key *key)
{
    const enum pin_use use = PIN_READ;
    struct pin_waiter waiter = {.wake = never_woken};
    if (!s->pins->enter(s->pins->arg))
        return false;
    if (pins_take(s->ks, key, &use, 1, &waiter))
        return true;
    pins_forget(s->ks, &waiter); /* we do not stand in line */
    s->pins->leave(s->pins->arg);
    return false;
}

static void unpin(struct snapshot *s, const struct key *key)
{
    const enum pin_use use = PIN_READ;
    pins_drop(s->ks, key, &use, 1);
    s->pins->leave(s->pins->arg);
}

enum large_result {
    LARGE_DONE,   /* read, or no longer there or wanted */
    LARGE_READY,  /* the husk leads to the value, which stays */
    LARGE_PINNED, /* the same, until it is unpinned */
    LARGE_LATER
};

/* `patient`: rather later than under the lock. */
static enum large_result reach(struct walk *w, const struct key *key, bool patient,
                               struct entry **husk)
{
    struct snapshot *s = w->snapshot;
    struct table_pos pos;
    const struct part *part = &w->table->parts[keyspace_shard_of(s->ks, key->hash)];
    struct entry *e = table_find(&part->table, key->hash, entry_has_key, &key->name, &pos);
    enum large_result result = LARGE_READY;
    if (!e || (e->flags & ENTRY_PARITY) == w->parity)
        return LARGE_DONE;
    if (!is_large(w, e) || (!is_ours(s, w->table) && !pin(s, key))) {
        if (is_large(w, e) && patient)
            return LARGE_LATER;
        e->flags ^= ENTRY_PARITY;
        put_in(w, e);
        return LARGE_DONE;
    }
    if (!is_ours(s, w->table))
        result = LARGE_PINNED;
    e->flags ^= ENTRY_PARITY;
    *husk = entry_husk(e);
    return result;
}

/* False: later. */
static bool read_large(struct walk *w, const struct large *l, bool patient)
{
    struct snapshot *s = w->snapshot;
    struct txn *t = &s->guest.txn;
    struct entry *husk = NULL;
    struct key key = key_make(slice_make(l->name, l->len));
    guest_enter(&s->guest);
    txn_begin(t, 0, false);
    txn_lock_shard(t, keyspace_shard_of(s->ks, key.hash));
    enum large_result result = reach(w, &key, patient, &husk);
    txn_unlock(t);
    guest_leave(&s->guest);
    if (husk) {
        put_in(w, husk);
        entry_free(husk);
    }
    if (result == LARGE_PINNED)
        unpin(s, &key);
    return result != LARGE_LATER;
}

/* Reads what it can; what is left comes again. */
static void read_all_large(struct walk *w, bool patient)
{
    struct large *l = w->large, *next;
    w->large = NULL;
    for (; l; l = next) {
        next = l->next;
        if (read_large(w, l, patient)) {
            mem_free(MEM_OTHER, l, sizeof(*l) + l->len);
        } else {
            l->next = w->large;
            w->large = l;
        }
        if (has_enough(w))
            put_out(w, &w->snapshot->own);
    }
}

/* The table's end: those that others were using. A few times, then under the lock. */
static void finish_large(struct walk *w)
{
    for (int tries = 0; w->large; tries++) {
        read_all_large(w, tries < LARGE_TRIES);
        drain_all(w);
        if (w->large)
            usleep(LARGE_PAUSE_US);
    }
}

static void pass(struct snapshot *s, struct snapshot_table *table)
{
    lock_acquire(&s->lock);
    table->passed = true;
    bool ours = table->detached;
    lock_release(&s->lock);
    if (!ours)
        return;
    keyspace_free_parts(table->parts, s->ks->shard_count);
    keyspace_freeing(-1, 0);
}

static void walk_table(struct walk *w, struct snapshot_table *table)
{
    struct snapshot *s = w->snapshot;
    w->table = table;
    w->shard = 0;
    w->cursor = 0;
    if (table->keys)
        snapshot_items_database(&s->own, table->db, table->keys, table->expires);
    while (w->shard < s->ks->shard_count) {
        walk_slice(w);
        if (has_enough(w) || snapshot_muted(s))
            put_out(w, &s->own);
        read_all_large(w, true);
        drain_all(w);
    }
    finish_large(w);
    pass(s, table);
}

bool snapshot_walk(struct snapshot *s, struct snapshot_output *output)
{
    struct walk w = {.snapshot = s, .output = output, .parity = s->ks->parity};
    for (int i = 0; i < s->table_count; i++)
        walk_table(&w, &s->tables[i]);
    put_out(&w, &s->own);
    while (atomic_load(&s->reserved)) { /* no more of them begin */
        drain_all(&w);
        usleep(LARGE_PAUSE_US);
    }
    guest_exclusive(&s->guest); /* nobody is in the middle of handing something over */
    guest_awake(&s->guest, false);
    s->ks->walked = false;
    guest_open(&s->guest);
    drain_all(&w);
    bool whole = !snapshot_muted(s);
    atomic_store(&s->running, false);
    return whole;
}
