/* client.c: a connection's session: made when it opens, freed when it closes; and what other
 * threads may ask of it. */
#include "base/clock.h"
#include "base/log.h"
#include "cmd/transaction.h"
#include "server/acl_session.h"
#include "server/blocked.h"
#include "server/exclusive.h"
#include "server/http.h"
#include "server/migrate.h"
#include "server/server_internal.h"

struct client {
    struct session session;
    struct conn *conn;
    struct subscriber subscriber;
    struct blocked *blocked; /* its command waits */
    struct slow_client slow;
    struct tracker tracker;
    struct monitor monitor;
    struct http_client *http; /* NULL: it speaks something else */
};

struct session *client_session(struct conn *c)
{
    return &((struct client *)c->session)->session;
}

struct subscriber *client_subscriber(struct conn *c)
{
    return &((struct client *)c->session)->subscriber;
}

struct blocked **client_blocked(struct conn *c)
{
    return &((struct client *)c->session)->blocked;
}

struct slow_client *client_slow(struct conn *c)
{
    return &((struct client *)c->session)->slow;
}

struct tracker *client_tracker(struct conn *c)
{
    return &((struct client *)c->session)->tracker;
}

struct monitor *client_monitor(struct conn *c)
{
    return &((struct client *)c->session)->monitor;
}

struct http_client *client_http(struct conn *c)
{
    return ((struct client *)c->session)->http;
}

static void opened(struct conn *c)
{
    struct client *client = mem_zalloc(MEM_CLIENT, sizeof(*client));
    client->conn = client->subscriber.conn = client->tracker.conn = client->monitor.conn = c;
    slow_client_init(&client->slow, c);
    if (c->info.kind == CONN_HTTP)
        client->http = http_client_create(c);
    client->session.id = c->info.id;
    client->session.proto = c->info.kind == CONN_FRAME ? REPLY_FRAME : REPLY_RESP2;
    client->session.authenticated = c->info.id < atomic_load(&the_server->password_since_id);
    client->session.client = client;
    client->session.user = acl_user_ref(the_server->acl.default_user);
    client->session.touched = &c->info.touched;
    c->info.multi = -1;
    c->info.redirect = -1;
    c->session = client;
    c->parser.authenticated = client->session.authenticated;
    client_publish(c, 0, c->info.created_ms);
}

/* A PROXY header has said that the client is not on this machine: protected mode looks again. */
static bool refused(struct conn *c, struct output *out)
{
    struct server_thread *t = thread_of(c);
    if (!c->transport->remote || !server_settings.protected_mode || server_has_password(t->server))
        return false;
    if (client_http(c)) {
        http_put_refusal(&out->bytes, 403, error_protected);
        conn_close_after_flush(c);
        return true;
    }
    t->reply.out = out;
    t->reply.proto = client_session(c)->proto;
    reply_begin(&t->reply);
    reply_error(&t->reply, error_protected);
    reply_end(&t->reply);
    conn_close_after_flush(c);
    return true;
}

static void ready(struct conn *c, struct output *out)
{
    char name[TLS_NAME_MAX] = "";
    if (refused(c, out))
        return;
    if (c->transport->tls && server_settings.tls_auth_clients_user)
        tls_peer_name(c->transport->tls, name);
    if (*name && auth_by_certificate(c, slice_cstr(name))) {
        c->parser.authenticated = true;
        if (client_http(c))
            http_client_own(client_http(c), client_session(c)->user);
        log_verbose("Client %s is user '%s' by its certificate", c->info.peer, name);
    }
}

static void publish_transaction(struct conn_info *info, const struct session *session)
{
    const struct transaction *x = session->transaction;
    int queued = session->in_multi ? (int)x->count : -1;
    atomic_store_explicit(&info->multi, queued, memory_order_relaxed);
    atomic_store_explicit(&info->watching, x->watcher.count, memory_order_relaxed);
    atomic_store_explicit(&info->multi_bytes, transaction_bytes(session), memory_order_relaxed);
}

void client_publish(struct conn *c, uint16_t command_id, int64_t now_ms)
{
    const struct session *session = client_session(c);
    uint32_t flags =
        (session->no_evict ? CONN_NO_EVICT : 0) | (session->no_touch ? CONN_NO_TOUCH : 0) |
        (session->in_multi ? CONN_MULTI : 0) | (session->subscribed ? CONN_PUBSUB : 0) |
        (session->monitors ? CONN_MONITOR : 0) | (session->close_after_reply ? CONN_CLOSING : 0) |
        (c->held ? CONN_PAUSED : 0) | (c->blocked ? CONN_BLOCKED : 0) |
        (session->tracked ? tracking_flags(client_tracker(c)) : 0);
    int resp = session->proto == REPLY_RESP3 ? 3 : 2;
    atomic_store_explicit(&c->info.active_ms, now_ms, memory_order_relaxed);
    atomic_store_explicit(&c->info.db, session->db, memory_order_relaxed);
    atomic_store_explicit(&c->info.resp, resp, memory_order_relaxed);
    atomic_store_explicit(&c->info.flags, flags, memory_order_relaxed);
    if (command_id)
        atomic_store_explicit(&c->info.command, command_id, memory_order_relaxed);
    if (unlikely(session->transaction))
        publish_transaction(&c->info, session);
}

/* ---- asked for by others ---- */

void clients_wake(struct server_thread *t)
{
    atomic_store(&t->client_event, true);
    reactor_wake(&t->net.reactor);
}

static void look_at(struct server_thread *t, struct conn *c)
{
    if (atomic_load_explicit(&c->info.kill, memory_order_relaxed)) {
        conn_close(c);
    } else if (c->held) {
        pause_release(t, c); /* whose next command still has to wait is held again */
    }
}

void clients_look(struct server_thread *t)
{
    for (struct conn *c = t->net.conns; c; c = c->next)
        look_at(t, c);
}

static void closed(struct conn *c)
{
    struct server_thread *t = thread_of(c);
    if (c->held)
        pause_forget(t, c);
    blocked_forget(t, c);
    push_forget(client_subscriber(c));
    monitor_leave(t, client_monitor(c));
    slow_client_deinit(t, client_slow(c));
    tracking_forget(t, client_tracker(c));
    migrate_forget(t, client_session(c));
    if (client_session(c)->transaction)
        transaction_destroy(&t->txn, client_session(c));
    http_client_destroy(client_http(c));
    acl_user_unref(client_session(c)->user);
    mem_free(MEM_CLIENT, c->session, sizeof(struct client));
    atomic_fetch_sub_explicit(&t->server->connected, 1, memory_order_relaxed);
    exclusive_forget(t, c);
}

static void protocol_error(struct conn *c, struct output *out)
{
    struct server_thread *t = thread_of(c);
    if (client_http(c)) {
        http_protocol_error(c, out);
        return;
    }
    t->reply.out = out;
    t->reply.proto = client_session(c)->proto;
    reply_begin(&t->reply);
    reply_errorf(&t->reply, "ERR %s", c->parser.error);
    reply_end(&t->reply);
    stats_count_error(t);
    log_verbose("Protocol error (%s) from client: %s", c->parser.error, c->info.peer);
}

static void commit(struct net_thread *t)
{
    struct server_thread *thread = container_of(t, struct server_thread, net);
    aof_log_commit(&thread->server->persistence.log);
}

static uint32_t execute(struct conn *c, struct request *requests, uint32_t count,
                        struct output *out)
{
    return unlikely(c->parser.codec == CODEC_HTTP) ? http_execute(c, requests, count, out)
                                                   : dispatch(c, requests, count, out);
}

const struct conn_ops client_conn_ops = {opened, ready, execute, protocol_error, closed, commit};
