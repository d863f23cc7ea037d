#include "server/tracking.h"

#include "base/assert.h"
#include "base/hash.h"
#include "server/server_internal.h"
#include "server/tracking_internal.h"
#include "store/notify.h"

static uint64_t id_hash(uint64_t id)
{
    return hash_bytes(&id, sizeof(id));
}

static uint64_t tracker_id(const struct tracker *k)
{
    return k->conn->info.id;
}

static uint64_t tracker_hash(const void *entry)
{
    return id_hash(tracker_id(entry));
}

static bool tracker_equal(const void *entry, const void *key)
{
    return tracker_id(entry) == *(const uint64_t *)key;
}

static struct tracker *find_at(const struct table *table, uint64_t id, struct table_pos *pos)
{
    return table_find(table, id_hash(id), tracker_equal, &id, pos);
}

struct tracker *tracking_find(const struct table *table, uint64_t id)
{
    struct table_pos pos;
    return find_at(table, id, &pos);
}

void tracking_insert(struct table *table, struct tracker *k)
{
    table_insert(table, tracker_hash(k), k, tracker_hash);
}

static void take_out(struct table *table, struct tracker *k)
{
    struct table_pos pos;
    ASSERT(find_at(table, tracker_id(k), &pos) == k);
    table_remove(table, tracker_hash(k), pos, tracker_hash);
}

void tracking_hub_deinit(struct tracking_hub *hub)
{
    ASSERT(hub->trackers.used == 0 && hub->targets.used == 0);
    table_deinit(&hub->trackers, NULL, NULL);
    table_deinit(&hub->targets, NULL, NULL);
    prefix_hub_deinit(&hub->prefix);
}

static void show(struct tracker *k)
{
    struct conn *c = k->conn;
    int64_t redirect = k->modes ? (int64_t)k->redirect : -1;
    client_session(c)->tracked = k->modes != 0;
    atomic_store_explicit(&c->info.redirect, redirect, memory_order_relaxed);
}

uint32_t tracking_flags(const struct tracker *k)
{
    return (k->modes & TRACKING_ON ? CONN_TRACKING : 0) |
           (k->modes & TRACKING_BROKEN ? CONN_BROKEN_REDIRECT : 0) |
           (k->modes & TRACKING_BCAST ? CONN_BROADCAST : 0);
}

void tracking_enable(struct server_thread *t, struct tracker *k, unsigned modes, uint64_t to,
                     struct server_thread *to_thread)
{
    if (!k->modes) {
        notify_hear(t->server->ks, HEARD_CHANGES, true);
        tracking_insert(&t->tracking.trackers, k);
        atomic_fetch_add_explicit(&t->tracking.clients, 1, memory_order_relaxed);
    }
    k->modes = modes | TRACKING_ON | (k->modes & TRACKING_CACHING);
    k->redirect = to;
    k->redirect_thread = to_thread;
    show(k);
}

void tracking_disable(struct server_thread *t, struct tracker *k)
{
    if (!k->modes)
        return;
    prefix_leave(t, k);
    take_out(&t->tracking.trackers, k);
    atomic_fetch_sub_explicit(&t->tracking.clients, 1, memory_order_relaxed);
    t->tracking.gone += k->remembers;
    k->remembers = false;
    k->modes = 0;
    k->redirect = 0;
    show(k);
}

void tracking_forget(struct server_thread *t, struct tracker *k)
{
    tracking_disable(t, k);
    if (k->targeted)
        take_out(&t->tracking.targets, k);
}

uint64_t tracking_clients(const struct server *s)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < s->thread_count; i++)
        sum += atomic_load_explicit(&s->threads[i]->tracking.clients, memory_order_relaxed);
    return sum;
}

uint64_t tracking_reader(const struct server_thread *t, uint64_t id)
{
    return (uint64_t)t->net.reactor.id << TRACKING_REACTOR_SHIFT | id;
}

static bool wants_reads(const struct tracker *k)
{
    bool caching = k->modes & TRACKING_CACHING;
    if (k->modes & TRACKING_BCAST)
        return false;
    return k->modes & TRACKING_OPTIN ? caching : !(k->modes & TRACKING_OPTOUT && caching);
}

/* EVAL_RO and FCALL_RO only hand their keys over: what a script reads, its commands report. */
static bool reads_its_keys(const struct command *cmd)
{
    return cmd->flags & CMD_READONLY && !(cmd->categories & ACL_SCRIPTING);
}

void tracking_remember(struct exec *ex)
{
    struct server_thread *t = exec_thread(ex);
    struct tracker *k = client_tracker(t->current);
    bool walks = ex->cmd->flags & CMD_WALKS && !ex->txn->exclusive; /* holds no lock any more */
    if (!reads_its_keys(ex->cmd) || walks || !wants_reads(k))
        return;
    uint64_t number = tracking_reader(t, tracker_id(k));
    for (uint32_t i = 0; i < ex->key_count; i++)
        readers_add(ex->txn, &ex->keys[i], number);
    k->remembers |= ex->key_count != 0;
}

void tracking_after(struct server_thread *t, const struct command *cmd)
{
    if (!client_session(t->current)->in_multi && !(cmd && cmd->parent == CMD_ID_client))
        client_tracker(t->current)->modes &= ~(unsigned)TRACKING_CACHING;
}
