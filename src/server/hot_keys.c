#include "server/hot_keys.h"

#include "base/clock.h"
#include "server/big_keys.h"
#include "server/hot_session.h"
#include "server/server_internal.h"

enum {
    HALVING_MS = 60 * 1000,
    KEYS_NOTED = 64 /* of one command */
};

/* Uniform with that mean. */
static uint32_t next_distance(struct rng *rng, uint32_t mean)
{
    return mean <= 1 ? 1 : 1 + (uint32_t)rng_below(rng, 2 * (uint64_t)mean - 1);
}

void hot_keys_init(struct hot_keys *h)
{
    h->left = h->ratio = HOT_RATIO;
    for (int m = 0; m < HOT_METRICS; m++) {
        top_init(&h->always[m], HOT_COUNTERS);
        top_init(&h->session[m], HOT_COUNTERS);
    }
}

void hot_keys_deinit(struct hot_keys *h)
{
    for (int m = 0; m < HOT_METRICS; m++) {
        top_deinit(&h->always[m]);
        top_deinit(&h->session[m]);
    }
}

/* With the lock held. */
static void forget_some(struct hot_keys *h, int64_t now_ms)
{
    if (likely(now_ms - h->halved_ms < HALVING_MS))
        return;
    h->halved_ms = now_ms;
    for (int m = 0; m < HOT_METRICS; m++)
        top_halve(&h->always[m]);
}

static void add_all(struct top tops[HOT_METRICS], const bool wanted[HOT_METRICS], int db,
                    const struct key *key, const int64_t weights[HOT_METRICS])
{
    for (int m = 0; m < HOT_METRICS; m++)
        if (wanted[m] && weights[m] > 0)
            top_add(&tops[m], db, key->name, key->hash, weights[m]);
}

COLD void hot_keys_note(struct server_thread *t, struct exec *ex, size_t request_bytes,
                        struct output_mark mark, uint64_t cycles)
{
    static const bool all[HOT_METRICS] = {true, true, true};
    struct hot_keys *h = &t->hot;
    const struct hot_session *session = &t->server->hot_session;
    int64_t now_ms = ex->txn->now_ms, ratio = h->ratio;
    uint32_t count = MIN(ex->key_count, (uint32_t)KEYS_NOTED);
    bool in_session = atomic_load_explicit(&session->until_ms, memory_order_relaxed) > now_ms;
    if (!in_session)
        h->ratio = HOT_RATIO;
    h->left = next_distance(&ex->txn->rng, h->ratio);
    if (!count)
        return;
    int64_t bytes = (int64_t)(request_bytes + observe_reply_bytes(ex->reply->out, mark));
    int64_t weights[HOT_METRICS] = {[HOT_CPU] =
                                        (int64_t)clock_cycles_to_ns(cycles) * ratio / ex->key_count,
                                    [HOT_NET] = bytes * ratio / ex->key_count,
                                    [HOT_CALLS] = ratio};
    lock_acquire(&h->lock);
    forget_some(h, now_ms);
    for (uint32_t i = 0; i < count; i++) {
        add_all(h->always, all, ex->session->db, &ex->keys[i], weights);
        if (unlikely(in_session))
            add_all(h->session, session->metrics, ex->session->db, &ex->keys[i], weights);
    }
    lock_release(&h->lock);
    if (ex->cmd->flags & CMD_WRITE)
        big_keys_note(t, ex->session->db, ex->keys, count);
}
