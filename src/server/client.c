/* client.c: a connection's session: made when it opens, freed when it closes. */
#include "base/clock.h"
#include "base/log.h"
#include "server/server_internal.h"

struct client {
    struct session session;
    struct conn *conn;
};

struct session *client_session(struct conn *c)
{
    return &((struct client *)c->session)->session;
}

static void opened(struct conn *c)
{
    struct client *client = mem_zalloc(MEM_CLIENT, sizeof(*client));
    client->conn = c;
    client->session.id = c->info.id;
    client->session.proto = c->info.kind == CONN_FRAME ? REPLY_FRAME : REPLY_RESP2;
    client->session.authenticated = !server_settings.requirepass || !*server_settings.requirepass;
    client->session.client = client;
    c->session = client;
    c->parser.authenticated = client->session.authenticated;
}

static void closed(struct conn *c)
{
    struct server_thread *t = thread_of(c);
    mem_free(MEM_CLIENT, c->session, sizeof(struct client));
    atomic_fetch_sub_explicit(&t->server->connected, 1, memory_order_relaxed);
    if (t->raised) { /* it may have been this one that asked; the others ask again */
        t->raised = false;
        gate_open(&t->server->ks->gates, t->txn.self);
        atomic_store(&t->gate_event, true);
        t->net.reactor.again = true;
    }
}

static void protocol_error(struct conn *c, struct output *out)
{
    struct server_thread *t = thread_of(c);
    t->reply.out = out;
    t->reply.proto = client_session(c)->proto;
    reply_begin(&t->reply);
    reply_errorf(&t->reply, "ERR %s", c->parser.error);
    reply_end(&t->reply);
    log_verbose("Protocol error (%s) from client: %s", c->parser.error, c->info.peer);
}

const struct conn_ops client_conn_ops = {opened, dispatch, protocol_error, closed};
