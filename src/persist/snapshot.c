#include "persist/snapshot.h"

#include "base/assert.h"
#include "base/clock.h"
#include "persist/snapshot_items.h"

enum {
    CHUNK_BYTES = 1 << 20
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

static void note_queued(struct snapshot *s, int64_t bytes)
{
    int64_t sum = atomic_fetch_add_explicit(&s->queued_bytes, bytes, memory_order_relaxed) + bytes;
    int64_t peak = atomic_load_explicit(&s->queued_peak, memory_order_relaxed);
    while (sum > peak &&
           !atomic_compare_exchange_weak_explicit(&s->queued_peak, &peak, sum, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

/* The queue's lock is held. */
static void close_chunk(struct snapshot_queue *q)
{
    struct snapshot_chunk *c = mem_alloc(MEM_OTHER, sizeof(*c));
    *c = (struct snapshot_chunk){q->full, q->content};
    q->full = c;
    snapshot_items_init(&q->content);
}

COLD static void edit(struct snapshot_hook *self, struct txn *t, const struct ref *ref)
{
    struct snapshot *s = container_of(self, struct snapshot, hook);
    ref->entry->flags ^= ENTRY_PARITY;
    if (snapshot_muted(s))
        return;
    struct snapshot_queue *q = &s->queues[t->self];
    lock_acquire(&q->lock);
    size_t before = snapshot_items_bytes(&q->content);
    snapshot_items_add(&q->content, table_of(s, ref->part)->db, ref->entry, s->now_ms,
                       s->rdb_version);
    note_queued(s, (int64_t)(snapshot_items_bytes(&q->content) - before));
    if (snapshot_items_bytes(&q->content) >= CHUNK_BYTES)
        close_chunk(q);
    lock_release(&q->lock);
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
    s->hook = (struct snapshot_hook){edit, detach};
    s->ks = ks;
    guest_init(&s->guest, ks);
    s->queues = mem_alloc_aligned(MEM_OTHER, GATES_MAX * sizeof(struct snapshot_queue));
    for (int i = 0; i < GATES_MAX; i++)
        snapshot_items_init(&s->queues[i].content);
    snapshot_items_init(&s->own);
    s->tables = mem_zalloc(MEM_OTHER, (size_t)ks->db_count * sizeof(struct snapshot_table));
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
    guest_awake(&s->guest, true);
    atomic_store(&s->keys_done, 0);
    atomic_store(&s->keys_total, keys);
    atomic_store(&s->queued_peak, 0);
    atomic_store(&s->mute, false);
    atomic_store(&s->running, true);
}

void snapshot_cancel(struct snapshot *s)
{
    atomic_store(&s->mute, true);
}

/* ---- the walk ---- */

struct walk {
    struct snapshot *snapshot;
    struct snapshot_output *output;
    const struct snapshot_table *table;
    unsigned shard;
    uint64_t cursor; /* in the shard's table */
    uint8_t parity;  /* of visited entries */
};

static void visit(void *entry, void *arg)
{
    struct walk *w = arg;
    struct entry *e = entry;
    if ((e->flags & ENTRY_PARITY) == w->parity)
        return;
    e->flags ^= ENTRY_PARITY;
    if (!snapshot_muted(w->snapshot))
        snapshot_items_add(&w->snapshot->own, w->table->db, e, w->snapshot->now_ms,
                           w->snapshot->rdb_version);
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

/* Takes all that is queued. */
static struct snapshot_chunk *take_chunks(struct snapshot_queue *q)
{
    lock_acquire(&q->lock);
    if (snapshot_items_bytes(&q->content))
        close_chunk(q);
    struct snapshot_chunk *chunks = q->full;
    q->full = NULL;
    lock_release(&q->lock);
    return chunks;
}

static void drain(struct walk *w, struct snapshot_queue *q)
{
    for (struct snapshot_chunk *c = take_chunks(q), *next; c; c = next) {
        next = c->next;
        note_queued(w->snapshot, -(int64_t)snapshot_items_bytes(&c->items));
        put_out(w, &c->items);
        snapshot_items_deinit(&c->items);
        mem_free(MEM_OTHER, c, sizeof(*c));
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
        drain_all(w);
    }
    pass(s, table);
}

bool snapshot_walk(struct snapshot *s, struct snapshot_output *output)
{
    struct walk w = {.snapshot = s, .output = output, .parity = s->ks->parity};
    for (int i = 0; i < s->table_count; i++)
        walk_table(&w, &s->tables[i]);
    put_out(&w, &s->own);
    guest_exclusive(&s->guest); /* nobody is in the middle of handing something over */
    guest_awake(&s->guest, false);
    guest_open(&s->guest);
    drain_all(&w);
    bool whole = !snapshot_muted(s);
    atomic_store(&s->running, false);
    return whole;
}
