/* WAITAOF: until what this connection has written, or seen, survives a loss of power. There are no
 * replicas, so nothing but time ends a wait for one. */
#include "server/blocked.h"
#include "server/server_internal.h"

#define IS_OFF       "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."
#define NOT_ONE      "ERR value is out of range, value must between 0 and 1"
#define NOT_POSITIVE "ERR value is out of range, must be positive"

/* Not before a manifest names what was written: the log may only be about to be on. */
static bool is_durable(const struct server_thread *t, uint64_t lsn)
{
    const struct aof_log *log = &t->server->persistence.log;
    return aof_log_in_force(log) && aof_log_durable(log) >= lsn;
}

static bool is_off(const struct server_thread *t)
{
    const struct persistence *p = &t->server->persistence;
    return atomic_load(&p->log.closed) && !atomic_load(&p->aof.turning_on);
}

static void answer(struct server_thread *t, struct reply *r, uint64_t lsn)
{
    reply_array(r, 2);
    reply_int(r, is_durable(t, lsn));
    reply_int(r, 0);
}

void waitaof_answer(struct server_thread *t, struct reply *r, const struct blocked_client *client)
{
    if (is_off(t) && !slice_is(client->wait->command->argv[1], "0"))
        reply_error(r, IS_OFF);
    else
        answer(t, r, client->lsn);
}

/* A wait for a replica too is not ended by the log. */
void waitaof_begin(struct server_thread *t, struct blocked_client *client)
{
    const struct queued_command *q = client->wait->command;
    client->lsn = client_session(client->conn)->lsn;
    if (!slice_is(q->argv[2], "0"))
        return;
    client->waiter_link = &t->log_waiters;
    client->next_waiter = t->log_waiters;
    if (client->next_waiter)
        client->next_waiter->waiter_link = &client->next_waiter;
    t->log_waiters = client;
}

void waitaof_forget(struct blocked_client *client)
{
    if (!client->waiter_link)
        return;
    *client->waiter_link = client->next_waiter;
    if (client->next_waiter)
        client->next_waiter->waiter_link = client->waiter_link;
    client->waiter_link = NULL;
}

static void end_waits(struct server_thread *t)
{
    for (struct blocked_client *w = t->log_waiters, *next; w; w = next) {
        next = w->next_waiter;
        if (is_durable(t, w->lsn) || is_off(t))
            blocked_end(t, w);
    }
}

/* Looks again when it has said that it waits: see conn_gate_look(). */
void persistence_log_look(struct server_thread *t)
{
    if (likely(!t->log_waiters))
        return;
    atomic_store(&t->net.gate_waits, true);
    end_waits(t);
}

void cmd_waitaof(struct exec *ex)
{
    struct server_thread *t = exec_thread(ex);
    int64_t local, replicas, timeout_ms;
    if (!arg_int(ex, 1, &local, NULL) || ((local < 0 || local > 1) && !fail(ex, NOT_ONE)) ||
        !arg_int(ex, 2, &replicas, NOT_POSITIVE) || (replicas < 0 && !fail(ex, NOT_POSITIVE)) ||
        !blocking_timeout_ms(ex, 3, &timeout_ms))
        return;
    if (local && !server_settings.appendonly) {
        fail(ex, IS_OFF);
        return;
    }
    bool enough = !replicas && (!local || is_durable(t, ex->session->lsn));
    if (enough || !blocking_may_wait(ex))
        answer(t, ex->reply, ex->session->lsn);
    else
        blocking_wait(ex, &(struct blocking){.timeout_ms = timeout_ms, .answer = BLOCKING_AOF});
}
