#include "server/server_internal.h"
#include "server/tracking_internal.h"

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
    push_bytes(t, c, b, 0);
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
    struct tracker *k = tracking_find(&t->tracking.targets, id);
    struct conn *c = k ? k->conn : search_conn(t, id);
    if (!c || c->state != CONN_OPEN)
        return NULL;
    if (!k) {
        k = client_tracker(c);
        k->targeted = true;
        tracking_insert(&t->tracking.targets, k);
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
        push_bytes(t, c, encoded(cache, range, session->proto), persistence_log_newest(t));
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
    struct tracker *k = tracking_find(&t->tracking.trackers, f->tracker);
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
    *f = (struct forward){{.run = run_forward}, *range, t, k->conn->info.id, k->redirect};
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
        push_bytes(t, k->conn, encoded(cache, range, REPLY_RESP3), persistence_log_newest(t));
}
