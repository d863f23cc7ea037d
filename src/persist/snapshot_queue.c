#include "persist/snapshot_queue.h"

#include "persist/snapshot_items.h"

enum {
    CHUNK_BYTES = 1 << 20,
    MIN_BYTES = 64 << 20,
    SHARE = 8 /* of the data, when that is more */
};

void snapshot_queue_limit(struct snapshot *s)
{
    int64_t share = (int64_t)mem_used(MEM_DATA) / SHARE;
    atomic_store(&s->queue_limit, MAX(share, (int64_t)MIN_BYTES));
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

void snapshot_queue_add(struct snapshot *s, unsigned gate, int db, const struct entry *e)
{
    struct snapshot_queue *q = &s->queues[gate];
    lock_acquire(&q->lock);
    size_t before = snapshot_items_bytes(&q->content);
    snapshot_items_add(&q->content, db, e, s->now_ms, s->rdb_version);
    note_queued(s, (int64_t)(snapshot_items_bytes(&q->content) - before));
    if (snapshot_items_bytes(&q->content) >= CHUNK_BYTES)
        close_chunk(q);
    lock_release(&q->lock);
}

/* Chunks of one queue have no order, so any queue will do. */
void snapshot_queue_chunk(struct snapshot *s, int db, const struct entry *husk)
{
    struct snapshot_queue *q = &s->queues[0];
    struct snapshot_chunk *c = mem_alloc(MEM_OTHER, sizeof(*c));
    snapshot_items_init(&c->items);
    snapshot_items_add(&c->items, db, husk, s->now_ms, s->rdb_version);
    note_queued(s, (int64_t)snapshot_items_bytes(&c->items));
    lock_acquire(&q->lock);
    c->next = q->full;
    q->full = c;
    lock_release(&q->lock);
}

struct snapshot_chunk *snapshot_queue_take(struct snapshot_queue *q)
{
    lock_acquire(&q->lock);
    if (snapshot_items_bytes(&q->content))
        close_chunk(q);
    struct snapshot_chunk *chunks = q->full;
    q->full = NULL;
    lock_release(&q->lock);
    return chunks;
}

static void wake_awaiting(struct snapshot *s)
{
    if (atomic_exchange(&s->awaited, false))
        s->pins->room(s->pins->arg);
}

/* The flag is raised and the queues are looked at then; snapshot_queue_took() does it the other way
 * round: one of the two sees the other. */
bool snapshot_must_wait(struct snapshot *s)
{
    if (likely(!snapshot_is_full(s)) || !s->pins)
        return false;
    atomic_store(&s->awaited, true);
    if (atomic_load(&s->queued_bytes) > atomic_load(&s->queue_limit) / 2)
        return true;
    wake_awaiting(s);
    return false;
}

void snapshot_queue_took(struct snapshot *s, int64_t bytes)
{
    int64_t left = atomic_fetch_sub(&s->queued_bytes, bytes) - bytes;
    if (left <= atomic_load(&s->queue_limit) / 2 && unlikely(atomic_load(&s->awaited)))
        wake_awaiting(s);
}
