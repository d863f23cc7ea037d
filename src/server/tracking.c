#include "server/tracking.h"

#include "base/assert.h"
#include "base/hash.h"
#include "server/server_internal.h"
#include "store/notify.h"

enum {
    REACTOR_SHIFT = 58, /* of a reader's number: reactor above, client id below */
    TRIM_EFFORT = 100,
    SWEEP_SHARDS = 4,   /* per turn of the timer */
    SWEEP_CLIENTS = 64, /* at least so many have left */
};

static uint64_t reader_number(const struct server_thread *t, uint64_t id)
{
    return (uint64_t)t->net.reactor.id << REACTOR_SHIFT | id;
}

static uint64_t number_id(uint64_t number)
{
    return number & (((uint64_t)1 << REACTOR_SHIFT) - 1);
}

/* ---- clients by id ---- */

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

static struct tracker *find(const struct table *table, uint64_t id, struct table_pos *pos)
{
    return table_find(table, id_hash(id), tracker_equal, &id, pos);
}

static void insert(struct table *table, struct tracker *k)
{
    table_insert(table, tracker_hash(k), k, tracker_hash);
}

static void take_out(struct table *table, struct tracker *k)
{
    struct table_pos pos;
    ASSERT(find(table, tracker_id(k), &pos) == k);
    table_remove(table, tracker_hash(k), pos, tracker_hash);
}

void tracking_hub_deinit(struct tracking_hub *hub)
{
    ASSERT(hub->trackers.used == 0 && hub->targets.used == 0);
    table_deinit(&hub->trackers, NULL, NULL);
    table_deinit(&hub->targets, NULL, NULL);
    prefix_hub_deinit(&hub->prefix);
}

/* ---- modes ---- */

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
        insert(&t->tracking.trackers, k);
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

/* ---- reads ---- */

static bool wants_reads(const struct tracker *k)
{
    bool caching = k->modes & TRACKING_CACHING;
    if (k->modes & TRACKING_BCAST)
        return false;
    return k->modes & TRACKING_OPTIN ? caching : !(k->modes & TRACKING_OPTOUT && caching);
}

void tracking_remember(struct exec *ex)
{
    struct server_thread *t = exec_thread(ex);
    struct tracker *k = client_tracker(t->current);
    bool walks = ex->cmd->flags & CMD_WALKS && !ex->txn->exclusive; /* holds no lock any more */
    if (!(ex->cmd->flags & CMD_READONLY) || walks || !wants_reads(k))
        return;
    uint64_t number = reader_number(t, tracker_id(k));
    for (uint32_t i = 0; i < ex->key_count; i++)
        readers_add(ex->txn, &ex->keys[i], number);
    k->remembers |= ex->key_count != 0;
}

void tracking_after(struct server_thread *t, const struct command *cmd)
{
    if (!client_session(t->current)->in_multi && !(cmd && cmd->parent == CMD_ID_client))
        client_tracker(t->current)->modes &= ~(unsigned)TRACKING_CACHING;
}

/* ---- sending ---- */

static struct blob *encoded(struct encodings *cache, const struct key_range *range,
                            enum reply_proto proto)
{
    if (!cache->by_proto[proto])
        cache->by_proto[proto] = invalidation_encode(range, proto);
    return cache->by_proto[proto];
}

void encodings_deinit(struct encodings *cache)
{
    for (size_t i = 0; i < ARRAY_LEN(cache->by_proto); i++)
        if (cache->by_proto[i])
            blob_unref(cache->by_proto[i]);
}

/* Its redirection leads nowhere: said each time, where it can be. */
static void send_broken(struct server_thread *t, struct tracker *k)
{
    struct conn *c = k->conn;
    uint32_t flags = atomic_load_explicit(&c->info.flags, memory_order_relaxed);
    k->modes |= TRACKING_BROKEN;
    atomic_store_explicit(&c->info.flags, flags | CONN_BROKEN_REDIRECT, memory_order_relaxed);
    if (client_session(c)->proto != REPLY_RESP3)
        return;
    struct output out;
    output_init(&out);
    struct reply r = {.out = &out, .proto = REPLY_RESP3};
    reply_push(&r, 2);
    reply_bulk_cstr(&r, "tracking-redir-broken");
    reply_int(&r, (int64_t)k->redirect);
    struct blob *b = push_blob(&out);
    push_bytes(t, c, b);
    blob_unref(b);
    output_deinit(&out);
}

static struct conn *search_conn(struct server_thread *t, uint64_t id)
{
    struct conn *c = t->net.conns;
    while (c && c->info.id != id)
        c = c->next;
    return c;
}

/* A client of this reactor: found by walking once, then by the table. NULL: it is gone. */
static struct conn *find_target(struct server_thread *t, uint64_t id)
{
    struct table_pos pos;
    struct tracker *k = find(&t->tracking.targets, id, &pos);
    struct conn *c = k ? k->conn : search_conn(t, id);
    if (!c || c->state != CONN_OPEN)
        return NULL;
    if (!k) {
        k = client_tracker(c);
        k->targeted = true;
        insert(&t->tracking.targets, k);
    }
    return c;
}

/* Another client's messages, on the reactor of the one that gets them. False: it is gone. */
static bool send_redirected(struct server_thread *t, uint64_t id, const struct key_range *range,
                            struct encodings *cache)
{
    struct conn *c = find_target(t, id);
    if (!c)
        return false;
    const struct session *session = client_session(c);
    if (session->proto == REPLY_RESP3 || session->subscribed)
        push_bytes(t, c, encoded(cache, range, session->proto));
    return true;
}

struct forward { /* to the reactor of the target; back, when there is no such client */
    struct message message;
    struct key_range range;
    struct server_thread *home;
    uint64_t tracker, target;
};

static void run_broken(void *receiver, struct message *self)
{
    struct server_thread *t = receiver;
    struct forward *f = container_of(self, struct forward, message);
    struct table_pos pos;
    struct tracker *k = find(&t->tracking.trackers, f->tracker, &pos);
    if (k && k->redirect == f->target && k->conn->state == CONN_OPEN)
        send_broken(t, k);
    mem_free(MEM_CLIENT, f, sizeof(*f));
}

static void run_forward(void *receiver, struct message *self)
{
    struct server_thread *t = receiver;
    struct forward *f = container_of(self, struct forward, message);
    struct encodings cache = {0};
    bool sent = send_redirected(t, f->target, &f->range, &cache);
    encodings_deinit(&cache);
    invalidation_unref(f->range.of);
    if (sent) {
        mem_free(MEM_CLIENT, f, sizeof(*f));
    } else {
        f->message.run = run_broken;
        push_post(t, f->home, &f->message);
    }
}

static void redirect(struct server_thread *t, struct tracker *k, const struct key_range *range,
                     struct encodings *cache)
{
    if (k->redirect_thread == t || k->modes & TRACKING_BROKEN) {
        if (k->modes & TRACKING_BROKEN || !send_redirected(t, k->redirect, range, cache))
            send_broken(t, k);
        return;
    }
    struct forward *f = mem_alloc(MEM_CLIENT, sizeof(*f));
    *f = (struct forward){{.run = run_forward}, *range, t, tracker_id(k), k->redirect};
    invalidation_ref(range->of);
    push_post(t, k->redirect_thread, &f->message);
}

void tracking_send(struct server_thread *t, struct tracker *k, const struct key_range *range,
                   struct encodings *cache)
{
    if (k->conn->state != CONN_OPEN)
        return;
    if (k->redirect)
        redirect(t, k, range, cache);
    else if (client_session(k->conn)->proto == REPLY_RESP3)
        push_bytes(t, k->conn, encoded(cache, range, REPLY_RESP3));
}

/* ---- changes ---- */

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
    struct table_pos pos;
    struct tracker *k = find(&t->tracking.trackers, id, &pos);
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
        notify_reader(t, number_id(n->numbers[i]), &range, &cache);
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
        uint64_t reactor = r->numbers[first] >> REACTOR_SHIFT;
        for (end = first; end < r->count && r->numbers[end] >> REACTOR_SHIFT == reactor;)
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

/* ---- keeping the tables small ---- */

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

/* As Redis: the longer the table stays above its limit, the more at once. */
void tracking_trim(struct server_thread *t)
{
    struct txn *txn = &t->txn;
    uint32_t effort = TRIM_EFFORT * (t->tracking.over + 1);
    txn_begin(txn, 0, false);
    while (tracking_is_full(t) && effort--)
        if (!forget_one(t, (unsigned)rng_below(&txn->rng, t->server->ks->shard_count)))
            break;
    t->tracking.over = tracking_is_full(t) ? MIN(t->tracking.over + 1, TRIM_EFFORT) : 0;
}

static bool is_gone(void *arg, uint64_t number)
{
    const struct server_thread *t = arg;
    struct table_pos pos;
    return number >> REACTOR_SHIFT == t->net.reactor.id &&
           !find(&t->tracking.trackers, number_id(number), &pos);
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
