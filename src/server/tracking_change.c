#include "server/server_internal.h"
#include "server/tracking_internal.h"

enum {
    TRIM_EFFORT = 100,
    SWEEP_SHARDS = 4,   /* per turn of the timer */
    SWEEP_CLIENTS = 64, /* at least so many have left */
};

struct notice { /* to the readers on one reactor; all its tracked clients, when all keys are gone */
    struct message message;
    struct invalidation *inv;
    uint32_t count;
    uint64_t numbers[];
};

static size_t notice_bytes(uint32_t count)
{
    return sizeof(struct notice) + count * sizeof(uint64_t);
}

static void notify_reader(struct server_thread *t, uint64_t id, const struct key_range *range,
                          struct encodings *cache)
{
    struct tracker *k = tracking_find(&t->tracking.trackers, id);
    if (!k || k->modes & TRACKING_BCAST)
        return;
    if (!(k->modes & TRACKING_NOLOOP) || range->of->keys[0].by != id)
        tracking_send(t, k, range, cache);
}

static void notify_all(struct server_thread *t, const struct key_range *range,
                       struct encodings *cache)
{
    struct table_iter it;
    table_iter_init(&it, &t->tracking.trackers);
    for (struct tracker *k; (k = table_iter_next(&it));)
        tracking_send(t, k, range, cache);
}

static void run_notice(void *receiver, struct message *self)
{
    struct server_thread *t = receiver;
    struct notice *n = container_of(self, struct notice, message);
    struct key_range range = {n->inv, 0, n->inv->count, 0};
    struct encodings cache = {0};
    if (!n->inv->count)
        notify_all(t, &range, &cache);
    for (uint32_t i = 0; i < n->count; i++)
        notify_reader(t, tracking_reader_id(n->numbers[i]), &range, &cache);
    encodings_deinit(&cache);
    invalidation_unref(n->inv);
    mem_free(MEM_CLIENT, n, notice_bytes(n->count));
}

static void post_notice(struct server_thread *t, unsigned reactor, struct invalidation *inv,
                        const uint64_t *numbers, uint32_t count)
{
    struct notice *n = mem_alloc(MEM_CLIENT, notice_bytes(count));
    *n = (struct notice){{.run = run_notice}, inv, count};
    if (count)
        memcpy(n->numbers, numbers, count * sizeof(uint64_t));
    invalidation_ref(inv);
    push_post(t, t->server->threads[reactor], &n->message);
}

/* Numbers ascend, so each reactor's stand side by side. */
static void post_readers(struct server_thread *t, const struct readers *r, uint64_t by)
{
    struct changed_key key = {slice_make(r->name, r->len), by};
    struct invalidation *inv = invalidation_create(&key, 1);
    for (uint32_t first = 0, end; first < r->count; first = end) {
        uint64_t reactor = r->numbers[first] >> TRACKING_REACTOR_SHIFT;
        for (end = first; end < r->count && r->numbers[end] >> TRACKING_REACTOR_SHIFT == reactor;)
            end++;
        post_notice(t, (unsigned)reactor, inv, r->numbers + first, end - first);
    }
    invalidation_unref(inv);
}

void tracking_changed(struct server_thread *t, const struct key *key, uint64_t by)
{
    struct readers *r = readers_take(&t->txn, key);
    if (!r)
        return;
    post_readers(t, r, by);
    readers_destroy(r);
}

void tracking_flushed(struct server_thread *t)
{
    struct server *s = t->server;
    struct invalidation *all = invalidation_create(NULL, 0);
    readers_clear(s->ks);
    for (unsigned i = 0; i < s->thread_count; i++)
        if (atomic_load_explicit(&s->threads[i]->tracking.clients, memory_order_relaxed))
            post_notice(t, i, all, NULL, 0);
    invalidation_unref(all);
}

bool tracking_is_full(const struct server_thread *t)
{
    size_t max = server_settings.tracking_table_max_keys;
    return unlikely(readers_keys(t->server->ks) > max) && max;
}

/* Some key of the first shard from `from` on that has one. */
static bool forget_one(struct server_thread *t, unsigned from)
{
    struct keyspace *ks = t->server->ks;
    for (unsigned i = 0; i < ks->shard_count; i++) {
        unsigned shard = (from + i) % ks->shard_count;
        if (!readers_has_any(ks, shard))
            continue;
        txn_lock_shard(&t->txn, shard);
        struct readers *r = readers_take_any(&t->txn, shard);
        if (r)
            post_readers(t, r, 0);
        txn_unlock(&t->txn);
        if (r) {
            readers_destroy(r);
            return true;
        }
    }
    return false;
}

/* As Redis: the longer the table stays above its limit, the more at once. One thread at a time, or
 * they would take out one key too many each. */
void tracking_trim(struct server_thread *t)
{
    struct txn *txn = &t->txn;
    if (atomic_exchange(&t->server->trimming, true))
        return;
    uint32_t effort = TRIM_EFFORT * (t->tracking.over + 1);
    txn_begin(txn, 0, false);
    while (tracking_is_full(t) && effort--)
        if (!forget_one(t, (unsigned)rng_below(&txn->rng, t->server->ks->shard_count)))
            break;
    t->tracking.over = tracking_is_full(t) ? MIN(t->tracking.over + 1, TRIM_EFFORT) : 0;
    atomic_store(&t->server->trimming, false);
}

static bool is_gone(void *arg, uint64_t number)
{
    const struct server_thread *t = arg;
    return number >> TRACKING_REACTOR_SHIFT == t->net.reactor.id &&
           !tracking_find(&t->tracking.trackers, tracking_reader_id(number));
}

/* A client that leaves does not look for its reads; they are swept when many have left. */
static void sweep_some(struct server_thread *t)
{
    struct tracking_hub *hub = &t->tracking;
    unsigned end = MIN(hub->sweep_at + SWEEP_SHARDS, t->server->ks->shard_count);
    for (; hub->sweep_at < end; hub->sweep_at++) {
        if (!readers_has_any(t->server->ks, hub->sweep_at))
            continue;
        txn_begin(&t->txn, 0, false);
        txn_lock_shard(&t->txn, hub->sweep_at);
        readers_sweep(&t->txn, hub->sweep_at, is_gone, t);
        txn_unlock(&t->txn);
    }
}

void tracking_cron(struct server_thread *t)
{
    struct tracking_hub *hub = &t->tracking;
    if (tracking_is_full(t))
        tracking_trim(t);
    if (unlikely(hub->gone > SWEEP_CLIENTS + hub->trackers.used)) {
        hub->gone = 0;
        hub->sweep_at = 0;
        hub->sweeping = true;
    }
    if (!hub->sweeping)
        return;
    sweep_some(t);
    hub->sweeping = hub->sweep_at < t->server->ks->shard_count;
}
