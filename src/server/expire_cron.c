/* expire_cron.c: keys go when they say. Each reactor looks after the shards whose number is its own
 * modulo the reactors. */
#include "base/clock.h"
#include "server/latency_monitor.h"
#include "server/server_internal.h"

enum {
    IDLE_MS = 50,
    SLICE_KEYS = 50,
    TURN_US = 1000
};

/* The next of this thread's shards, in a circle. */
static unsigned next_shard(const struct server_thread *t, unsigned shard)
{
    shard += t->server->thread_count;
    return shard < t->server->ks->shard_count ? shard : t->net.reactor.id;
}

/* Earliest due time of this thread's shards. Runs what is due, in slices, until the turn's time is
 * up: the rest goes on where this turn ended. */
static int64_t expire_due(struct server_thread *t, int64_t now_ms)
{
    int64_t next = INT64_MAX, until_us = clock_monotonic_us() + TURN_US, now_us, mine;
    unsigned first = t->expire_from, shard = first;
    do {
        _Atomic int64_t *due = &t->server->ks->shards[shard].next_expire_ms;
        if (atomic_load_explicit(due, memory_order_relaxed) < now_ms) {
            txn_expire_shard(&t->txn, shard, SLICE_KEYS);
            t->expire_from = next_shard(t, shard);
            now_us = clock_monotonic_us();
            latency_event("expire-cycle", (now_us - until_us + TURN_US) / 1000);
            if (now_us > until_us)
                return now_ms;
        }
        mine = atomic_load_explicit(due, memory_order_relaxed);
        next = MIN(next, mine);
        shard = next_shard(t, shard);
    } while (shard != first);
    return next;
}

/* True: more has to go. */
static bool evict_some(struct server_thread *t)
{
    return evict_make_room(&t->evictor, &t->txn, 0, NULL, 0) == EVICT_LATER;
}

static void fire(struct timer *self)
{
    struct server_thread *t = container_of(self, struct server_thread, expire_timer);
    struct gates *gates = &t->server->ks->gates;
    int64_t wait = 1;
    if (atomic_load_explicit(&t->server->active_expire_off, memory_order_relaxed) ||
        atomic_load_explicit(&t->server->cron_paused, memory_order_relaxed) ||
        pause_active(t->server) ||
        atomic_load_explicit(&t->server->persistence.refusals, memory_order_relaxed) &
            (REFUSE_LOADING | REFUSE_LOG | REFUSE_NO_ROOM) ||
        snapshot_is_full(&t->server->persistence.snapshot)) {
        wait = IDLE_MS;
    } else if (gate_enter(gates, t->txn.self)) {
        t->txn.now_ms = clock_wall_ms();
        t->txn.restartable = false;
        evict_forget(&t->evictor);
        int64_t next = expire_due(t, t->txn.now_ms);
        bool more = evict_limited() && evict_some(t);
        big_keys_walk(t, t->txn.now_ms);
        tracking_cron(t);
        gate_leave(gates, t->txn.self);
        wait =
            next == INT64_MAX ? IDLE_MS : MIN(MAX(next - t->txn.now_ms + 1, 1), (int64_t)IDLE_MS);
        if (more)
            wait = 1;
    }
    reactor_arm(&t->net.reactor, self, t->net.reactor.now_ms + wait);
}

void expire_cron_start(struct server_thread *t)
{
    t->expire_from = t->net.reactor.id;
    timer_init(&t->expire_timer, fire);
    reactor_arm(&t->net.reactor, &t->expire_timer, t->net.reactor.now_ms + IDLE_MS);
}
