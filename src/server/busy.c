#include "server/busy.h"

#include "base/clock.h"
#include "base/log.h"
#include "cmd/transaction.h"
#include "server/acl_session.h"
#include "server/nested_call.h"
#include "server/server_internal.h"
#include "server/stop_watch.h"

enum {
    INNER_TURN_MS = 5,
    STRIPED_MS = 50,      /* under locks: a thousand times what such scripts are for */
    STOP_LIMIT_MS = 5000, /* with busy-reply-threshold 0, once the server is to stop */
    STOP_GRACE_MS = 5000  /* more, for a script that has written */
};

#define BUSY_TEXT "BUSY Redis is busy running a script. You can only call "

/* ---- the script ---- */

static void set_running(struct busy_state *b, const struct nested *n)
{
    lock_acquire(&b->lock);
    b->running = n;
    lock_release(&b->lock);
}

static void begin(struct nested *n)
{
    struct server *s = n->thread->server;
    set_running(&s->busy, n);
    log_warning("Slow script detected: still in execution after %lld milliseconds. You can try "
                "killing the script using the %s command. Script name is: %s.",
                (long long)(clock_monotonic_ms() - n->started_ms),
                n->is_function ? "FUNCTION KILL" : "SCRIPT KILL", n->name);
    atomic_store(&s->busy.fate, n->wrote ? BUSY_HAS_WRITTEN : BUSY_CLEAN);
    atomic_store(&s->busy.what, n->is_function ? BUSY_FUNCTION : BUSY_SCRIPT);
    n->is_published = true;
    for (unsigned i = 0; i < s->thread_count; i++)
        if (s->threads[i] != n->thread)
            dispatch_gate_wake(s->threads[i]); /* its clients wait, and are told now */
}

/* A turn for the other clients of this reactor. What dispatch() has of the script's own client
 * stays as it is. */
static void serve_others(struct nested *n)
{
    struct server_thread *t = n->thread;
    struct conn *current = t->current;
    struct exec exec = t->exec;
    struct reply reply = t->reply;
    struct output_mark mark = t->mark;
    const struct request *requests = t->requests;
    uint32_t at = t->at;
    net_thread_inner_turn(&t->net, current);
    t->current = current;
    t->exec = exec;
    t->reply = reply;
    t->mark = mark;
    t->requests = requests;
    t->at = at;
}

/* A stop that was asked for waits for a script, for it would save or log what the script does; but
 * not for ever. One that has written gets more time, because its work is lost then. */
static bool holds_up_stop(const struct nested *n, int64_t now_ms, int64_t limit_ms)
{
    struct server *s = n->thread->server;
    int64_t stop_ms = atomic_load(&s->busy.stop_ms), waited_ms = now_ms - stop_ms;
    if (likely(!stop_ms) || MAX(now_ms - n->started_ms, waited_ms) < limit_ms)
        return false;
    return !n->wrote || atomic_load(&s->stopping) || waited_ms >= STOP_GRACE_MS;
}

/* Under the locks of its keys. */
static enum script_verdict tick_striped(struct nested *n, int64_t ran_ms, int64_t limit_ms,
                                        bool may_unwind)
{
    struct txn *txn = &n->thread->txn;
    if (may_unwind && txn->restartable && !txn->dirty && ran_ms >= STRIPED_MS)
        longjmp(txn->keyspec_unwind, 1); /* dispatch() runs it again, alone */
    return limit_ms && ran_ms >= limit_ms ? SCRIPT_TOO_LONG : SCRIPT_GO_ON;
}

enum script_verdict busy_tick(struct nested *n, bool may_unwind)
{
    struct server *s = n->thread->server;
    int64_t now_ms = clock_monotonic_ms(), ran_ms = now_ms - n->started_ms;
    int64_t limit_ms =
        atomic_load_explicit(&server_settings.busy_reply_threshold_ms, memory_order_relaxed);
    int64_t stop_limit_ms = limit_ms ? limit_ms : STOP_LIMIT_MS;
    stop_watch_seen(n->thread->net.reactor.id, now_ms);
    if (!n->thread->txn.exclusive)
        return tick_striped(n, ran_ms, atomic_load(&s->busy.stop_ms) ? stop_limit_ms : limit_ms,
                            may_unwind);
    n->stopped = n->stopped || holds_up_stop(n, now_ms, stop_limit_ms);
    if (n->stopped || (n->is_published && atomic_load(&s->busy.fate) == BUSY_IS_KILLED))
        return SCRIPT_KILLED;
    if (!limit_ms || ran_ms < limit_ms || now_ms < n->next_turn_ms)
        return SCRIPT_GO_ON;
    if (!n->is_published)
        begin(n);
    serve_others(n);
    n->next_turn_ms = clock_monotonic_ms() + INNER_TURN_MS;
    return SCRIPT_GO_ON;
}

bool busy_may_write(struct nested *n)
{
    int fate = BUSY_CLEAN;
    if (unlikely(n->stopped))
        return false;
    n->wrote =
        likely(!n->is_published) ||
        atomic_compare_exchange_strong(&n->thread->server->busy.fate, &fate, BUSY_HAS_WRITTEN);
    return n->wrote;
}

void busy_end(struct nested *n)
{
    if (unlikely(n->stopped && n->wrote)) { /* broken off half way: neither log nor file get that */
        effect_forget(&n->thread->txn);
        persistence_spoil(&n->thread->server->persistence);
    }
    if (likely(!n->is_published))
        return;
    atomic_store(&n->thread->server->busy.what, BUSY_NOTHING);
    set_running(&n->thread->server->busy, NULL);
}

/* ---- the others ---- */

bool busy_is(const struct server *s)
{
    return atomic_load(&s->busy.what) != BUSY_NOTHING;
}

static bool has_watches(const struct session *session)
{
    return session->transaction && session->transaction->watcher.count;
}

/* What may run beside a script: nothing of it looks at keys. */
static bool may_run(const struct session *session, const struct command *cmd)
{
    if (cmd->id == CMD_ID_discard || cmd->id == CMD_ID_reset)
        return !has_watches(session);
    return cmd->flags & CMD_ALLOW_BUSY && cmd->id != CMD_ID_watch && cmd->id != CMD_ID_unwatch;
}

static void refuse_busy(struct server_thread *t, struct session *session, const struct command *cmd)
{
    bool function = atomic_load(&t->server->busy.what) == BUSY_FUNCTION;
    reply_errorf(&t->reply, "%s" BUSY_TEXT "%s KILL or SHUTDOWN NOSAVE.",
                 cmd->id == CMD_ID_exec ? "EXECABORT Transaction discarded because of: " : "",
                 function ? "FUNCTION" : "SCRIPT");
    transaction_refuse(&t->txn, session, cmd);
}

/* The server ends at once: the script is broken off, and what it has changed is not saved. */
static void shut_down(struct server_thread *t, const struct request *r, struct session *session)
{
    bool nosave = false;
    for (uint32_t i = 1; i < r->argc; i++)
        nosave |= slice_is(r->argv[i], "nosave");
    if (!nosave) {
        refuse_busy(t, session, t->exec.cmd);
        return;
    }
    log_warning("User requested shutdown...");
    session->close_after_reply = true;
    server_stop(t->server);
}

static void run_beside(struct server_thread *t, const struct request *r, struct session *session,
                       const struct command *cmd)
{
    t->exec.cmd = cmd;
    t->exec.argv = r->argv;
    t->exec.argc = r->argc;
    t->exec.key_count = 0;
    t->exec.session = session;
    t->exec.in_exec = false;
    if (cmd->id == CMD_ID_shutdown)
        shut_down(t, r, session);
    else if (session->in_multi && transaction_queues(cmd))
        refuse_busy(t, session, cmd);
    else
        cmd->handler(&t->exec);
}

/* False: answered. Users do not change while a script runs. */
static bool is_permitted(struct server_thread *t, const struct request *r, struct session *session,
                         const struct command *cmd)
{
    struct buf text;
    buf_init(&text, MEM_OTHER);
    buf_puts(&text, "NOPERM ");
    bool allowed = acl_permits(t, session, cmd, r->argv, r->argc, ACL_TOPLEVEL, &text);
    buf_putc(&text, 0);
    if (!allowed)
        reply_error(&t->reply, buf_ptr(&text));
    buf_deinit(&text);
    return allowed;
}

/* False: it waits for the script. What is wrong with the request is told afterwards, too. */
static bool run_one(struct server_thread *t, const struct request *r, struct session *session)
{
    const struct command *cmd = command_lookup(r->argv, r->argc);
    if (!cmd || !cmd->handler || !command_takes(cmd, r->argc) ||
        (!session->authenticated && !(cmd->flags & CMD_NO_AUTH)) ||
        (cmd->id == CMD_ID_exec && (!session->in_multi || has_watches(session))))
        return false;
    if (acl_is_limited(session) && !is_permitted(t, r, session, cmd))
        return true;
    if (cmd->id == CMD_ID_exec || !(cmd->flags & CMD_ALLOW_BUSY))
        refuse_busy(t, session, cmd);
    else if (!may_run(session, cmd))
        return false;
    else
        run_beside(t, r, session, cmd);
    return true;
}

uint32_t busy_dispatch(struct conn *c, struct request *requests, uint32_t count, struct output *out)
{
    struct server_thread *t = thread_of(c);
    struct session *session = client_session(c);
    uint32_t at = 0;
    t->current = c;
    t->reply = (struct reply){.out = out, .proto = session->proto};
    for (; at < count && c->state == CONN_OPEN && !session->close_after_reply; at++) {
        struct output_mark mark = output_mark(out);
        uint32_t errors = t->reply.errors;
        if (!requests[at].argc)
            continue;
        t->reply.proto = session->proto;
        reply_begin(&t->reply);
        if (!run_one(t, &requests[at], session)) {
            output_rewind(out, mark);
            conn_park(c);
            break;
        }
        reply_end(&t->reply);
        if (t->reply.errors != errors)
            stats_count_error(t);
        if (session->reply_mode != REPLY_ON)
            output_rewind(out, mark);
        if (session->reply_mode == REPLY_SKIP)
            session->reply_mode = REPLY_ON;
    }
    if (session->close_after_reply)
        conn_close_after_flush(c);
    c->parser.authenticated = session->authenticated;
    t->current = NULL;
    return at;
}

/* ---- the end of the server ---- */

void busy_stop(struct server *s)
{
    int64_t never = 0;
    (void)atomic_compare_exchange_strong(&s->busy.stop_ms, &never, clock_monotonic_ms());
    stop_watch_begin();
}

void busy_stop_failed(struct server *s)
{
    atomic_store(&s->busy.stop_ms, 0);
    stop_watch_end();
}

/* ---- SCRIPT KILL, FUNCTION KILL ---- */

enum busy_kill busy_kill(struct server *s, enum busy_what what)
{
    int runs = atomic_load(&s->busy.what);
    if (runs == BUSY_NOTHING)
        return BUSY_NOT;
    if (runs != (int)what)
        return BUSY_OTHER_KIND;
    int fate = BUSY_CLEAN;
    if (!atomic_compare_exchange_strong(&s->busy.fate, &fate, BUSY_IS_KILLED) &&
        fate == BUSY_HAS_WRITTEN)
        return BUSY_WROTE;
    return BUSY_KILLED;
}

void busy_answer_kill(struct exec *ex, enum busy_what what)
{
    switch (busy_kill(the_server, what)) {
    case BUSY_KILLED:
        reply_ok(ex->reply);
        return;
    case BUSY_OTHER_KIND:
        fail(ex, what == BUSY_SCRIPT ? "BUSY Redis is busy running a script. You can only call "
                                       "FUNCTION KILL or SHUTDOWN NOSAVE."
                                     : "BUSY Redis is busy running a script. You can only call "
                                       "SCRIPT KILL or SHUTDOWN NOSAVE.");
        return;
    case BUSY_WROTE:
        fail(ex, "UNKILLABLE Sorry the script already executed write commands against the "
                 "dataset. You can either wait the script termination or kill the server in a hard "
                 "way using the SHUTDOWN NOSAVE command.");
        return;
    default:
        fail(ex, "NOTBUSY No scripts in execution right now.");
    }
}
