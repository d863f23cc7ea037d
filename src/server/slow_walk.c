#include "server/slow_walk.h"

#include "base/assert.h"
#include "base/clock.h"
#include "cmd/keys_walk.h"
#include "cmd/transaction.h"
#include "server/server_internal.h"

enum {
    SLICE_US = 100
};

struct slow_walk {
    struct slow_walk *next;
    struct slow_client *client; /* NULL: gone */
    struct queued_command *command;
    struct keys_walk keys;
    struct reply reply;
    struct output output;
    int db;
    uint64_t cycles, lsn;
};

static void push(struct slow_thread *s, struct slow_walk *w)
{
    w->next = NULL;
    *s->last_walk = w;
    s->last_walk = &w->next;
}

static struct slow_walk *pop(struct slow_thread *s)
{
    struct slow_walk *w = s->walks;
    if (w && !(s->walks = w->next))
        s->last_walk = &s->walks;
    return w;
}

static void destroy(struct slow_walk *w)
{
    output_deinit(&w->output);
    keys_walk_end(&w->keys);
    queued_command_destroy(w->command);
    mem_free(MEM_OTHER, w, sizeof(*w));
}

bool slow_walk_start(struct server_thread *t, struct slow_client *c)
{
    const struct exec *ex = &t->exec;
    struct queued_command *command = queued_command_create(ex->cmd, ex->argv, ex->argc);
    if (!command)
        return false;
    struct slow_walk *w = mem_zalloc(MEM_OTHER, sizeof(*w));
    w->client = c;
    w->command = command;
    w->db = ex->txn->db->id;
    output_init(&w->output);
    w->reply = (struct reply){.out = &w->output, .proto = t->reply.proto};
    reply_begin(&w->reply);
    struct exec own = {.txn = ex->txn,
                       .reply = &w->reply,
                       .argv = command->argv,
                       .argc = command->argc,
                       .cmd = command->cmd};
    bool valid = keys_walk_begin(&w->keys, &own);
    ASSERT(valid); /* the handler found it to be so */
    c->walk = w;
    push(&t->slow, w);
    t->net.reactor.again = true;
    conn_leave(c->conn);
    return true;
}

/* False: the walk is at its end. */
static bool run_slice(struct server_thread *t, struct slow_walk *w)
{
    int64_t until_us = clock_monotonic_us() + SLICE_US;
    uint64_t started = clock_cycles();
    bool more = true;
    t->txn.now_ms = clock_wall_ms();
    t->txn.restartable = false;
    t->txn.no_touch = true;
    t->txn.keep_expired = pause_active(t->server) || persistence_log_keeps(t);
    txn_begin(&t->txn, w->db, false);
    while ((more = keys_walk_step(&w->keys, &t->txn, &w->reply)) && clock_monotonic_us() < until_us)
        ;
    t->txn.keep_expired = false;
    w->lsn = MAX(w->lsn, t->txn.lsn);
    w->cycles += clock_cycles() - started;
    if (more)
        return true;
    reply_end(&w->reply);
    slow_count_call(t, w->client, w->command, w->cycles, &w->reply);
    return false;
}

static void finish(struct slow_walk *w)
{
    struct slow_client *c = w->client;
    c->walk = NULL;
    uint64_t lsn = slow_refuse_unsafe(thread_of(c->conn), w->command->cmd, &w->reply, w->lsn);
    slow_answer(c, &w->output, lsn);
    destroy(w);
    conn_return(c->conn);
}

void slow_walk_turn(struct server_thread *t)
{
    struct gates *gates = &t->server->ks->gates;
    if (!gate_enter(gates, t->txn.self))
        return; /* a wake will come */
    struct slow_walk *w = pop(&t->slow);
    bool more = w->client && run_slice(t, w);
    gate_leave(gates, t->txn.self);
    if (more)
        push(&t->slow, w);
    else if (w->client)
        finish(w);
    else
        destroy(w);
    if (t->slow.walks)
        t->net.reactor.again = true;
}

void slow_walk_forget(struct slow_walk *w)
{
    w->client = NULL;
}

void slow_walk_end(struct server_thread *t)
{
    for (struct slow_walk *w; (w = pop(&t->slow));)
        destroy(w);
}
