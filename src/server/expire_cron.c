/* expire_cron.c: keys go when they say. Each reactor looks after the shards whose number is its own modulo the reactors. */
#include "base/clock.h"
#include "server/server_internal.h"

enum { IDLE_MS = 50, SLICE_KEYS = 200 };

/* Earliest due time of this thread's shards; runs what is due, in slices. */
static int64_t expire_due(struct server_thread *t, int64_t now_ms)
{
    struct server *s = t->server;
    int64_t next = INT64_MAX;
    for (unsigned shard = t->net.reactor.id; shard < s->ks->shard_count; shard += s->thread_count) {
        _Atomic int64_t *due = &s->ks->shards[shard].next_expire_ms;
        if (atomic_load_explicit(due, memory_order_relaxed) < now_ms)
            txn_expire_shard(&t->txn, shard, SLICE_KEYS);
        next = MIN(next, atomic_load_explicit(due, memory_order_relaxed));
    }
    return next;
}

static void fire(struct timer *self)
{
    struct server_thread *t = container_of(self, struct server_thread, expire_timer);
    struct gates *gates = &t->server->ks->gates;
    int64_t wait = 1;
    if (atomic_load_explicit(&t->server->active_expire_off, memory_order_relaxed) ||
        atomic_load_explicit(&t->server->cron_paused, memory_order_relaxed) ||
        pause_active(t->server)) {
        wait = IDLE_MS;
    } else if (gate_enter(gates, t->txn.self)) {
        t->txn.now_ms = clock_wall_ms();
        t->txn.restartable = false;
        evict_forget(&t->evictor);
        int64_t next = expire_due(t, t->txn.now_ms);
        bool more = evict_limited() &&
                    evict_make_room(&t->evictor, &t->txn, 0, NULL, 0) == EVICT_LATER;
        gate_leave(gates, t->txn.self);
        wait = next == INT64_MAX ? IDLE_MS : MIN(MAX(next - t->txn.now_ms + 1, 1), (int64_t)IDLE_MS);
        if (more)
            wait = 1;
    }
    reactor_arm(&t->net.reactor, self, t->net.reactor.now_ms + wait);
}

void expire_cron_start(struct server_thread *t)
{
    timer_init(&t->expire_timer, fire);
    reactor_arm(&t->net.reactor, &t->expire_timer, t->net.reactor.now_ms + IDLE_MS);
}
