#include "server/client_evict.h"

#include "base/log.h"
#include "server/blocked.h"
#include "server/server_internal.h"

enum {
    PAUSE_MS = 20,
    ROUND = 16 /* clients per sum */
};

#define RELAXED(field) atomic_load_explicit(&(field), memory_order_relaxed)

size_t client_memory(const struct conn_info *info)
{
    return sizeof(struct conn) + sizeof(struct session) + RELAXED(info->in_bytes) +
           RELAXED(info->in_free) + RELAXED(info->out_bytes) + RELAXED(info->multi_bytes);
}

_Atomic uint64_t client_evict_limit;

void client_evict_settings_changed(void)
{
    int64_t limit = RELAXED(net_settings.maxmemory_clients);
    uint64_t bytes =
        limit >= 0 ? (uint64_t)limit : store_settings.maxmemory / 100 * (uint64_t)-limit;
    atomic_store_explicit(&client_evict_limit, bytes, memory_order_relaxed);
}

struct candidate {
    size_t bytes;
    uint64_t id;
};

struct survey {
    uint64_t total;
    unsigned count;
    struct candidate largest[ROUND]; /* descending */
};

/* Keeps the largest. */
static void offer(struct survey *s, struct candidate c)
{
    unsigned at = s->count;
    if (at == ROUND && s->largest[ROUND - 1].bytes >= c.bytes)
        return;
    at = MIN(at, (unsigned)ROUND - 1);
    for (; at && s->largest[at - 1].bytes < c.bytes; at--)
        s->largest[at] = s->largest[at - 1];
    s->largest[at] = c;
    s->count = MIN(s->count + 1, (unsigned)ROUND);
}

static void look(void *arg, struct server_thread *t, struct conn_info *info)
{
    struct survey *s = arg;
    size_t bytes = client_memory(info);
    (void)t;
    if (RELAXED(info->kill) || RELAXED(info->class) == CLIENT_REPLICA)
        return;
    s->total += bytes;
    if (!(RELAXED(info->flags) & CONN_NO_EVICT))
        offer(s, (struct candidate){bytes, info->id});
}

struct eviction {
    bool hit;
    char peer[SOCK_ADDR_TEXT];
};

static void evict_one(void *arg, struct server_thread *t, struct conn_info *info)
{
    struct eviction *e = arg;
    if (atomic_exchange(&info->kill, true))
        return;
    blocked_kill(info);
    clients_wake(t);
    e->hit = true;
    memcpy(e->peer, info->peer, sizeof(e->peer));
}

static bool evict(struct server *s, const struct candidate *c)
{
    struct client_filter filter = {.class = -1, .ids = &c->id, .id_count = 1};
    struct eviction e = {.hit = false};
    clients_visit(s, &filter, evict_one, &e);
    if (!e.hit)
        return false;
    atomic_fetch_add_explicit(&s->evicted_clients, 1, memory_order_relaxed);
    log_notice("Evicting client %llu at %s: %zu bytes", (unsigned long long)c->id, e.peer,
               c->bytes);
    return true;
}

COLD void client_evict_over_limit(struct server_thread *t)
{
    const struct client_filter everybody = {.class = -1};
    static _Atomic int64_t next_ms;
    int64_t now_ms = t->net.reactor.now_ms, due_ms = RELAXED(next_ms);
    uint64_t limit = RELAXED(client_evict_limit);
    if (now_ms < due_ms || !atomic_compare_exchange_strong(&next_ms, &due_ms, now_ms + PAUSE_MS))
        return;
    struct survey s = {.total = 0};
    clients_visit(t->server, &everybody, look, &s);
    for (unsigned i = 0; i < s.count && s.total > limit; i++)
        if (evict(t->server, &s.largest[i]))
            s.total -= s.largest[i].bytes;
}
