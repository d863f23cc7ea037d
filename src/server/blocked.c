/* blocked.c: parked commands on the reactor of their clients: beginning, timeout, delivery, end. */
#include "server/blocked.h"

#include "base/clock.h"
#include "cmd/help.h"
#include "server/acl_session.h"
#include "server/http.h"
#include "server/server_internal.h"

static void count_blocked(struct server_thread *t, const struct blocked *b, int delta)
{
    uint32_t n = atomic_load_explicit(&t->blocked_clients, memory_order_relaxed);
    atomic_store_explicit(&t->blocked_clients, n + (uint32_t)delta, memory_order_relaxed);
    if (!b->timeout_ms)
        return;
    n = atomic_load_explicit(&t->blocked_timeouts, memory_order_relaxed);
    atomic_store_explicit(&t->blocked_timeouts, n + (uint32_t)delta, memory_order_relaxed);
}

/* What others see: that it waits, and where to end that. */
static void publish(struct conn *c, struct blocked *b)
{
    struct registry *registry = &c->thread->registry;
    uint32_t flags = atomic_load_explicit(&c->info.flags, memory_order_relaxed);
    flags = b ? flags | CONN_BLOCKED : flags & ~(uint32_t)CONN_BLOCKED;
    atomic_store_explicit(&c->info.flags, flags, memory_order_relaxed);
    lock_acquire(&registry->lock);
    c->info.waits = b;
    lock_release(&registry->lock);
}

/* ---- ends ---- */

/* Out of all lists and out of sight; the connection may go on. */
static void detach(struct server_thread *t, struct conn *c, struct blocked *b)
{
    struct blocked_client *client = b->client;
    reactor_disarm(&t->net.reactor, &client->timer);
    publish(c, NULL);
    count_blocked(t, b, -1);
    waitaof_forget(client);
    *client_blocked(c) = NULL;
    client->conn = NULL;
}

static void destroy(struct server_thread *t, struct blocked *b)
{
    struct blocked_client *client = b->client;
    wait_leave(&t->txn, &b->waiter);
    output_deinit(&client->reply);
    acl_user_unref(client->user);
    mem_free(MEM_CLIENT, client, sizeof(*client));
    blocking_destroy(b);
}

/* As when a command ends in dispatch. */
static bool is_silent(struct session *session)
{
    enum reply_mode mode = session->reply_mode;
    if (mode == REPLY_SKIP)
        session->reply_mode = REPLY_ON;
    return mode != REPLY_ON;
}

static void count_call(struct server_thread *t, const struct blocked *b, bool failed)
{
    struct command_stats *s = &t->stats[b->command->cmd->id];
    stat_bump(&s->calls, 1);
    if (failed)
        stat_bump(&s->failed, 1);
}

/* The reply of a wait that was not served. */
static void write_end(struct server_thread *t, const struct blocked *b, enum wait_state how,
                      struct output *out)
{
    struct reply *r = &t->reply;
    uint32_t errors = r->errors;
    r->out = out;
    r->proto = b->proto;
    reply_begin(r);
    if (how == WAIT_UNBLOCKED)
        reply_error(r, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
    else if (b->answer == BLOCKING_ZERO)
        reply_int(r, 0);
    else if (b->answer == BLOCKING_AOF)
        waitaof_answer(t, r, b->client);
    else
        reply_null_array(r);
    reply_end(r);
    bool failed = r->errors != errors;
    if (failed)
        stats_count_error(t);
    count_call(t, b, failed);
}

/* Answers the client and lets it go on. */
static void finish(struct server_thread *t, struct blocked *b, enum wait_state how)
{
    struct blocked_client *client = b->client;
    struct conn *c = client->conn;
    struct http_client *http = client_http(c);
    struct output *out = unlikely(http != NULL) ? &http->replies : &t->net.out;
    size_t begin = buf_len(&t->net.out.bytes);
    struct output_mark mark = output_mark(out);
    if (how == WAIT_SERVED)
        output_take(out, &client->reply);
    else
        write_end(t, b, how, out);
    if (is_silent(client_session(c)))
        output_rewind(out, mark);
    if (unlikely(http != NULL))
        http_answered_later(http, client->lsn);
    stat_bump(&c->info.commands, 1);
    t->net.reply_lsn = client->lsn;
    client_session(c)->lsn = MAX(client_session(c)->lsn, client->lsn);
    conn_reply(c, begin);
    detach(t, c, b);
    destroy(t, b);
    conn_unblock(c);
}

static void deliver(void *receiver, struct message *self)
{
    struct blocked_client *client = container_of(self, struct blocked_client, message);
    struct server_thread *t = client->thread;
    struct blocked *b = client->wait;
    if (client->conn)
        finish(t, b, (enum wait_state)atomic_load(&b->waiter.state));
    else
        destroy(t, b);
}

static void fire(struct timer *self)
{
    struct blocked_client *client = container_of(self, struct blocked_client, timer);
    if (wait_claim(&client->wait->waiter, WAIT_OVER)) /* else the end is on its way */
        finish(client->thread, client->wait, WAIT_TIMED_OUT);
}

void blocked_end(struct server_thread *t, struct blocked_client *client)
{
    if (wait_claim(&client->wait->waiter, WAIT_OVER))
        finish(t, client->wait, WAIT_TIMED_OUT);
}

void blocked_forget(struct server_thread *t, struct conn *c)
{
    struct blocked *b = *client_blocked(c);
    if (!b)
        return;
    detach(t, c, b);
    if (wait_claim(&b->waiter, WAIT_OVER) || atomic_load(&b->waiter.state) == WAIT_KILLED)
        destroy(t, b); /* else by the message */
}

/* ---- beginning ---- */

void blocked_begin(struct server_thread *t, struct conn *c, struct blocked *b)
{
    struct blocked_client *client = mem_alloc(MEM_CLIENT, sizeof(*client));
    *client =
        (struct blocked_client){.message = {.run = deliver}, .thread = t, .conn = c, .wait = b};
    output_init(&client->reply);
    client->user = acl_user_ref(client_session(c)->user);
    timer_init(&client->timer, fire);
    b->client = client;
    *client_blocked(c) = b;
    conn_block(c);
    count_blocked(t, b, 1);
    publish(c, b);
    if (b->answer == BLOCKING_AOF)
        waitaof_begin(t, client);
    if (b->timeout_ms)
        reactor_arm(&t->net.reactor, &client->timer, clock_monotonic_ms() + b->timeout_ms);
}

/* ---- asked for by others ---- */

void blocked_post(struct server_thread *self, struct blocked *b)
{
    struct blocked_client *client = b->client;
    struct server_thread *owner = client->thread;
    if (owner != self)
        reactor_post(&owner->net.reactor, &client->message);
    else /* it looks before it sleeps */
        mailbox_post(&owner->net.reactor.mailbox, &client->message);
}

void blocked_kill(struct conn_info *info)
{
    struct blocked *b = info->waits;
    if (b)
        (void)wait_claim(&b->waiter, WAIT_KILLED);
}

struct unblocking {
    enum wait_state how;
    struct blocked *hit;
};

static void unblock_one(void *arg, struct server_thread *t, struct conn_info *info)
{
    struct unblocking *u = arg;
    struct blocked *b = info->waits;
    if (b && wait_claim(&b->waiter, u->how))
        u->hit = b;
}

bool blocked_unblock(struct server_thread *self, uint64_t id, bool error)
{
    struct client_filter filter = {.class = -1, .ids = &id, .id_count = 1};
    struct unblocking u = {.how = error ? WAIT_UNBLOCKED : WAIT_TIMED_OUT};
    clients_visit(self->server, &filter, unblock_one, &u);
    if (u.hit)
        blocked_post(self, u.hit);
    return u.hit != NULL;
}

void cmd_client_unblock(struct exec *ex)
{
    int64_t id;
    bool error = ex->argc == 4 && arg_is(ex, 3, "error");
    if (ex->argc > 4) {
        help_fail_subcommand(ex);
        return;
    }
    if (ex->argc == 4 && !error && !arg_is(ex, 3, "timeout")) {
        fail(ex, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
        return;
    }
    if (arg_int(ex, 2, &id, NULL))
        reply_int(ex->reply, blocked_unblock(exec_thread(ex), (uint64_t)id, error));
}
