/* dispatch.c: from requests to handlers.
 *
 * A batch is planned (plan.h: commands looked up, keys hashed, memory prefetched), then its
 * commands run in order, each under the locks of its keys. The whole batch is inside the gate, left
 * only for exclusive commands. */
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "cmd/transaction.h"
#include "proto/settings.h"
#include "server/acl_session.h"
#include "server/blocked.h"
#include "server/nested_call.h"
#include "server/plan.h"
#include "server/protected.h"
#include "server/server_internal.h"
#include "store/access.h"

#include <stdio.h>

enum {
    SECURITY_LOG_MS = 60 * 1000,
    KEYS_KEEP = 64 * 1024
};

enum run_result {
    RUN_DONE,
    RUN_QUEUED,  /* for EXEC */
    RUN_REFUSED, /* answered with an error */
    RUN_LATER,   /* when the gate lets it */
    RUN_HELD,    /* when CLIENT PAUSE ends */
    RUN_WAITS,   /* for a pin: the connection has left */
    RUN_AWAY,    /* on the worker pool: the connection has left, the command is done with here */
    RUN_ALONE,   /* nothing has happened: exclusive mode, at once */
};

/* ---- the keys of a command ---- */

struct key_collector {
    struct server_thread *thread;
    const struct slice *argv;
    uint32_t count;
};

static void push_key(struct server_thread *t, uint32_t *count, struct key key)
{
    if (*count == t->key_cap) {
        uint32_t cap = t->key_cap * 2;
        t->keys = mem_realloc(MEM_OTHER, t->keys, t->key_cap * sizeof(struct key),
                              cap * sizeof(struct key));
        t->key_cap = cap;
    }
    t->keys[(*count)++] = key;
}

static void collect_key(void *arg, uint32_t index, uint16_t flags)
{
    struct key_collector *c = arg;
    if (!(flags & KEY_NOT_KEY))
        push_key(c->thread, &c->count, key_make(c->argv[index]));
}

/* For EXEC: the keys of all its commands and those that decide whether they run. */
static void collect_transaction(struct server_thread *t)
{
    const struct transaction *x = client_session(t->current)->transaction;
    uint32_t count = 0;
    if (!x)
        return;
    for (const struct watch *n = x->watcher.first; n; n = n->next_own)
        push_key(t, &count, n->key);
    for (const struct queued_command *q = x->first; q; q = q->next)
        for (uint32_t i = 0; i < q->key_count; i++)
            push_key(t, &count, q->keys[i]);
    t->exec.key_count = count;
    t->exec.keys = t->keys;
}

/* A command of a million keys does not leave its memory behind. */
COLD static void shrink_keys(struct server_thread *t)
{
    mem_free(MEM_OTHER, t->keys, t->key_cap * sizeof(struct key));
    t->key_cap = KEYS_KEEP;
    t->keys = mem_alloc(MEM_OTHER, t->key_cap * sizeof(struct key));
}

INLINE void collect_keys(struct server_thread *t, const struct planned *p, const struct request *r)
{
    struct exec *ex = &t->exec;
    ex->keys = &p->key;
    ex->key_count = p->one_key;
    if (likely(p->one_key))
        return;
    if (unlikely(p->cmd->id == CMD_ID_exec))
        collect_transaction(t);
    if (!p->cmd->key_spec_count)
        return;
    struct key_collector collector = {t, r->argv, 0};
    /* When it fails, the handler will say what is wrong with the arguments. */
    if (command_visit_keys(p->cmd, r->argv, r->argc, collect_key, &collector))
        ex->key_count = collector.count;
    ex->keys = t->keys;
}

/* ---- checks ---- */

/* A browser tricked into sending us its request: nothing of it may run, nothing is answered. */
COLD static bool is_http(const struct request *r)
{
    return slice_is(r->argv[0], "post") || slice_is(r->argv[0], "host:");
}

COLD static void log_http(const struct conn *c)
{
    static _Atomic int64_t last_ms = INT64_MIN / 2;
    int64_t now_ms = clock_monotonic_ms(), last = atomic_load(&last_ms);
    if (now_ms - last < SECURITY_LOG_MS || !atomic_compare_exchange_strong(&last_ms, &last, now_ms))
        return;
    log_warning(
        "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: "
        "commands to Redis. This is likely due to an attacker attempting to use Cross "
        "Protocol Scripting to compromise your Redis instance. Connection from %s aborted.",
        c->info.peer);
}

COLD static void reject_unknown(struct reply *reply, const struct request *r)
{
    char args[160];
    size_t len = 0;
    for (uint32_t i = 1; i < r->argc && len < 128; i++) {
        int room = (int)(128 - len), show = (int)MIN(r->argv[i].len, (size_t)room);
        len += (size_t)snprintf(args + len, sizeof(args) - len, "'%.*s' ", show, r->argv[i].ptr);
    }
    args[len] = 0;
    reply_errorf(reply, "ERR unknown command '%.*s', with args beginning with: %s",
                 (int)MIN(r->argv[0].len, (size_t)128), r->argv[0].ptr, args);
}

COLD static void reject_subcommand(struct reply *reply, const struct command *cmd,
                                   const struct request *r)
{
    char upper[32];
    snprintf(upper, sizeof(upper), "%s", cmd->name);
    for (char *p = upper; *p; p++)
        *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
    reply_errorf(reply, "ERR unknown subcommand '%.*s'. Try %s HELP.",
                 (int)MIN(r->argv[1].len, (size_t)128), r->argv[1].ptr, upper);
}

INLINE bool arity_fits(const struct command *cmd, uint32_t argc)
{
    return cmd->arity >= 0 ? (int)argc == cmd->arity : (int)argc >= -cmd->arity;
}

/* An EXEC that is refused has a code of its own. */
COLD static void refuse(struct server_thread *t, const struct command *cmd, const char *text)
{
    if (cmd->id != CMD_ID_exec) {
        reply_error(&t->reply, text);
        return;
    }
    size_t skip = strncmp(text, "ERR ", 4) == 0 ? 4 : 0;
    reply_errorf(&t->reply, "EXECABORT Transaction discarded because of: %s", text + skip);
}

COLD static void refuse_arity(struct server_thread *t, const struct command *cmd)
{
    char text[128];
    snprintf(text, sizeof(text), "ERR wrong number of arguments for '%s' command", cmd->full_name);
    refuse(t, cmd, text);
}

/* What must be told before the command is queued. */
static bool admit_in_multi(struct server_thread *t, const struct command *cmd)
{
    if (cmd->flags & CMD_NO_MULTI) {
        reply_error(&t->reply, "ERR Command not allowed inside a transaction");
        return false;
    }
    return protected_admits(t, cmd);
}

static bool is_for_listeners(const struct command *cmd)
{
    switch (cmd->id) {
    case CMD_ID_ping:
    case CMD_ID_quit:
    case CMD_ID_reset:
    case CMD_ID_subscribe:
    case CMD_ID_psubscribe:
    case CMD_ID_ssubscribe:
    case CMD_ID_unsubscribe:
    case CMD_ID_punsubscribe:
    case CMD_ID_sunsubscribe:
        return true;
    default:
        return false;
    }
}

COLD static void refuse_listener(struct server_thread *t, const struct command *cmd)
{
    char text[192];
    snprintf(text, sizeof(text),
             "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
             "are allowed in this context",
             cmd->full_name);
    refuse(t, cmd, text);
}

COLD static void refuse_user(struct server_thread *t, const struct command *cmd, struct buf *why)
{
    struct buf text;
    buf_init(&text, MEM_OTHER);
    buf_printf(&text, "NOPERM %.*s", (int)buf_len(why), buf_ptr(why));
    refuse(t, cmd, buf_ptr(&text));
    buf_deinit(&text);
}

/* False: answered. */
static bool check_user(struct server_thread *t, const struct command *cmd, const struct request *r,
                       struct session *session)
{
    struct buf why; /* has memory only when there is something to say */
    buf_init(&why, MEM_OTHER);
    bool allowed = acl_permits(t, session, cmd, r->argv, r->argc,
                               session->in_multi ? ACL_MULTI : ACL_TOPLEVEL, &why);
    if (unlikely(!allowed)) {
        refuse_user(t, cmd, &why);
        buf_deinit(&why);
    }
    return allowed;
}

/* True: answered. */
COLD static bool refused_by_persistence(struct server_thread *t, const struct command *cmd,
                                        const struct session *session)
{
    const char *error;
    uint32_t flags = transaction_flags(session, cmd);
    if (persistence_admits(&t->server->persistence, flags, cmd->id == CMD_ID_ping, &error))
        return false;
    refuse(t, cmd, error);
    return true;
}

/* Whether its user may run it; false: answered. Inside the gate or alone, where rules stand still.
 */
INLINE bool may_run(struct server_thread *t, const struct command *cmd, const struct request *r,
                    struct session *session)
{
    return !acl_is_limited(session) || check_user(t, cmd, r, session);
}

/* False: the command was answered with an error. `inside`: the gate; if not, may_run() is still to
 * be asked. */
static bool admit(struct server_thread *t, const struct command *cmd, const struct request *r,
                  struct session *session, bool inside)
{
    struct reply *reply = &t->reply;
    if (unlikely(!cmd)) {
        if (is_http(r)) {
            log_http(t->current);
            conn_close(t->current);
            return false;
        }
        reject_unknown(reply, r);
        return false;
    }
    if (unlikely(cmd->subcommand_count && r->argc >= 2)) {
        reject_subcommand(reply, cmd, r);
        return false;
    }
    if (unlikely(!arity_fits(cmd, r->argc) || !cmd->handler)) {
        refuse_arity(t, cmd);
        return false;
    }
    if (unlikely(!session->authenticated && !(cmd->flags & CMD_NO_AUTH)) &&
        server_has_password(t->server)) {
        refuse(t, cmd, "NOAUTH Authentication required.");
        return false;
    }
    if (inside && !may_run(t, cmd, r, session))
        return false;
    if (unlikely(atomic_load_explicit(&t->server->persistence.refusals, memory_order_relaxed)) &&
        refused_by_persistence(t, cmd, session))
        return false;
    if (session_only_listens(session) && !is_for_listeners(cmd)) {
        refuse_listener(t, cmd);
        return false;
    }
    if (unlikely(session->monitors) &&
        cmd->flags & (CMD_WRITE | CMD_READONLY | CMD_MAY_REPLICATE)) {
        refuse(t, cmd, "ERR Replica can't interact with the keyspace");
        return false;
    }
    return likely(!session->in_multi) || admit_in_multi(t, cmd);
}

/* ---- limits of memory and keys ---- */

/* Evicts what must go; false: nothing can, and the command, which may add data, was refused. So is
 * all that would grow a queue. */
static bool make_room(struct server_thread *t, const struct session *session,
                      const struct planned *p, const struct request *r, bool queued)
{
    struct exec *ex = &t->exec;
    bool adds = transaction_flags(session, p->cmd) & CMD_DENYOOM;
    if (unlikely(pause_active(t->server) || t->keeps_for_log))
        return true; /* evicting is writing */
    ex->key_count = 0;
    if (adds && store_settings.maxkeys)
        collect_keys(t, p, r);
    enum evict_verdict verdict =
        evict_make_room(&t->evictor, &t->txn, session->db, ex->keys, ex->key_count);
    if (p->cmd->exclusive.reason || p->cmd->id == CMD_ID_exec)
        evict_forget(&t->evictor); /* it may change the limits */
    push_deliver_before_reply(t);  /* the evicted are no work of this command */
    t->no_room = verdict == EVICT_FULL_MEMORY;
    if (verdict == EVICT_FITS || verdict == EVICT_LATER ||
        (!adds && !(queued && verdict == EVICT_FULL_MEMORY)))
        return true;
    refuse(t, p->cmd,
           verdict == EVICT_FULL_MEMORY
               ? "OOM command not allowed when used memory > 'maxmemory'."
               : "OOM command not allowed when the number of keys would pass 'maxkeys'.");
    return false;
}

/* ---- run ---- */

static bool wants_exclusive(const struct server_thread *t, const struct session *session,
                            const struct command *cmd, const struct request *r)
{
    bool is_exec = cmd->id == CMD_ID_exec;
    if (command_runs_alone(cmd, r->argv, r->argc) || t->rerun_exclusive || session->run_alone ||
        (is_exec && transaction_is_alone(session)))
        return true;
    return server_settings.exec_mode == EXEC_EXCLUSIVE &&
           (cmd->key_spec_count || cmd->flags & CMD_WALKS || is_exec);
}

/* Locks the command's keys, and what serving those who wait for them needs. False: it must run
 * alone. */
INLINE bool lock_keys(struct server_thread *t, const struct planned *p,
                      const struct session *session)
{
    txn_lock(&t->txn, t->exec.keys, t->exec.key_count);
    if (likely(!wait_here(&t->txn)) ||
        !(transaction_flags(session, p->cmd) & (CMD_WRITE | CMD_MAY_REPLICATE)))
        return true;
    return blocked_lock_targets(t, p->cmd);
}

static const enum run_result slow_results[] = {[SLOW_RUN] = RUN_DONE,
                                               [SLOW_AWAY] = RUN_AWAY,
                                               [SLOW_WAIT] = RUN_WAITS,
                                               [SLOW_BARRED] = RUN_LATER};

/* What the handler found to be too much goes to the worker pool, or is done all the same. */
COLD static enum run_result call_deferred(struct server_thread *t)
{
    if (unlikely(t->exec.session->tracked))
        tracking_remember(&t->exec); /* whoever changes the values waits, but may not wait for us */
    if (monitor_wanted())
        monitor_feed_exec(&t->exec);
    enum slow_verdict verdict = slow_defer(t, t->current);
    if (verdict == SLOW_RUN)
        t->exec.cmd->handler(&t->exec);
    return slow_results[verdict];
}

INLINE enum run_result call(struct server_thread *t, const struct planned *p,
                            const struct request *r, struct session *session, bool exclusive)
{
    struct exec *ex = &t->exec;
    ex->cmd = p->cmd;
    ex->argv = r->argv;
    ex->argc = r->argc;
    ex->session = session;
    ex->hashed_arg = p->member_arg;
    ex->hash = p->member_hash;
    collect_keys(t, p, r);
    t->txn.restartable = !exclusive;
    t->txn.no_touch = session->no_touch;
    txn_begin(&t->txn, session->db, exclusive);
    if (!exclusive && ex->key_count && !(p->cmd->flags & CMD_WALKS) && !lock_keys(t, p, session))
        return RUN_ALONE;
    ex->slow_limit = UINT64_MAX;
    if (unlikely((command_may_be_slow(p->cmd, r->argc) || t->txn.ks->walked) && !exclusive) ||
        unlikely(txn_meets_pins(&t->txn))) {
        enum slow_verdict verdict = slow_admit(t, t->current);
        if (unlikely(verdict != SLOW_RUN))
            return slow_results[verdict];
    }
    uint64_t sampled = hot_keys_begin(&t->hot, p->cmd);
    p->cmd->handler(ex);
    if (unlikely(sampled))
        hot_keys_note(t, ex, r->bytes, t->mark, clock_cycles() - sampled);
    if (unlikely(ex->deferred)) {
        enum run_result result = call_deferred(t);
        if (result != RUN_DONE)
            return result;
    }
    if (unlikely(ex->blocked != NULL)) {
        blocked_begin(t, t->current, ex->blocked);
        ex->blocked = NULL;
    }
    if (unlikely(session->tracked))
        tracking_remember(ex);
    if (monitor_wanted() && !t->postponed)
        monitor_feed_exec(ex);
    txn_end(&t->txn, r->argv, r->argc);
    if (unlikely(txn_logs(&t->txn)) && !persistence_log_seen(t, p->cmd, session, exclusive))
        return RUN_REFUSED;
    return RUN_DONE;
}

struct run {
    struct server_thread *thread;
    struct conn *conn;
    struct session *session;
    const struct command *counting; /* the command of the calls not yet counted: statistics go by
                                       runs of one command */
    uint64_t calls, started;        /* of that run; cycles */
    uint32_t last;                  /* index of its last call's request */
    bool alone;                     /* each call is a run */
    bool inside;                    /* the gate */
    uint16_t last_command;          /* id + 1 */
};

/* Who is parked on this thread asks again: a wake may have been meant for the turn that has ended.
 */
static void retry_parked(struct server_thread *t)
{
    atomic_store(&t->gate_event, true);
    t->net.reactor.again = true;
}

/* The last save is done: whatever comes now is not answered any more. Asked inside the gate, or
 * alone: the save was alone too. */
INLINE bool has_ended(const struct server_thread *t)
{
    return persistence_has_ended(&t->server->persistence);
}

/* Leaves the gate, takes all of them, runs, comes back. RUN_LATER: it is not our turn yet, or the
 * way back is closed. */
static enum run_result call_exclusive(struct run *run, const struct planned *p,
                                      const struct request *r)
{
    struct server_thread *t = run->thread;
    struct gates *gates = &t->server->ks->gates;
    if (run->inside)
        gate_leave(gates, t->txn.self);
    run->inside = false;
    if (!slow_bar(t, run->conn))
        return RUN_LATER;
    enum gate_grant grant = gate_exclusive(gates, t->txn.self);
    t->raised = grant != GATE_BUSY;
    t->raiser = run->conn;
    if (grant != GATE_GRANTED)
        return RUN_LATER;
    bool ended = has_ended(t);
    enum run_result result = RUN_LATER;
    if (likely(!ended)) /* users may have changed meanwhile */
        result =
            may_run(t, p->cmd, r, run->session) ? call(t, p, r, run->session, true) : RUN_REFUSED;
    t->raised = false;
    t->rerun_exclusive = run->session->run_alone = false;
    gate_open(gates, t->txn.self);
    slow_unbar(t);
    if (unlikely(t->net.parked)) /* another one's request was used up */
        retry_parked(t);
    return result;
}

void dispatch_unraise(struct server_thread *t, const struct conn *c)
{
    if (t->slow.barrer == c && t->slow.barred) {
        slow_unbar(t);
        retry_parked(t);
    }
    if (!t->raised || t->raiser != c)
        return;
    t->raised = false;
    gate_open(&t->server->ks->gates, t->txn.self);
    retry_parked(t);
}

static void finish_reply(struct server_thread *t, struct session *session)
{
    reply_end(&t->reply);
    if (likely(session->reply_mode == REPLY_ON))
        return;
    if (session->reply_mode ==
        REPLY_SKIP_NEXT) { /* CLIENT REPLY SKIP itself: the next one is skipped */
        session->reply_mode = REPLY_SKIP;
        output_rewind(t->reply.out, t->mark);
        return;
    }
    output_rewind(t->reply.out, t->mark);
    if (session->reply_mode == REPLY_SKIP)
        session->reply_mode = REPLY_ON;
}

/* A run's calls count with their mean: looking at the clock for each would cost more than many of
 * them do. */
INLINE void note_latency(const struct run *run, struct command_stats *s, uint64_t cycles)
{
    latency_record(&s->latency, run->calls == 1 ? cycles : cycles / run->calls, run->calls);
}

/* Something in the run took long. */
COLD static void observe_run(const struct run *run, uint64_t cycles)
{
    const struct request *r = &run->thread->requests[run->last];
    observe_time(run->thread,
                 &(struct observed){.cmd = run->counting, .argv = r->argv, .argc = r->argc},
                 cycles);
}

/* A request or its reply may be large. */
COLD static void observe_bytes(struct server_thread *t, const struct command *cmd,
                               const struct request *r)
{
    observe_sizes(t, &(struct observed){.cmd = cmd, .argv = r->argv, .argc = r->argc}, r->bytes,
                  observe_reply_bytes(t->reply.out, t->mark));
}

static void count_calls(struct run *run, const struct command *next)
{
    uint64_t now = clock_cycles();
    if (run->calls) {
        struct command_stats *s = &run->thread->stats[run->counting->id];
        stat_bump(&s->calls, run->calls);
        stat_bump(&s->cycles, now - run->started);
        if (unlikely(now - run->started > slow_slice_cycles * run->calls))
            slow_count_slice(run->thread, (now - run->started) / run->calls);
        if (likely(atomic_load_explicit(&server_settings.latency_tracking, memory_order_relaxed)))
            note_latency(run, s, now - run->started);
        if (observe_is_slow(now - run->started))
            observe_run(run, now - run->started);
    }
    run->counting = next;
    run->alone = next && observe_alone(next);
    run->calls = 0;
    run->started = now;
}

/* An error reply was written: for INFO errorstats. */
INLINE bool count_errors(struct server_thread *t, uint32_t errors_before)
{
    if (likely(t->reply.errors == errors_before))
        return false;
    stats_count_error(t);
    return true;
}

INLINE bool enter_gate(struct run *run)
{
    if (!run->inside)
        run->inside = gate_enter(&run->thread->server->ks->gates, run->thread->txn.self);
    return run->inside;
}

/* While writes are paused the log must stay as it is: a command that may run deletes nothing that
 * has expired. */
COLD static bool hold_or_keep(struct server_thread *t, uint32_t command_flags)
{
    if (pause_applies(t, command_flags))
        return true;
    t->txn.keep_expired =
        !(command_flags & (CMD_WRITE | CMD_MAY_REPLICATE)) && pause_active(t->server);
    return false;
}

INLINE bool is_paused(struct server_thread *t, const struct session *session,
                      const struct command *cmd, const struct request *r)
{
    return unlikely(atomic_load_explicit(&t->server->pause, memory_order_relaxed)) &&
           hold_or_keep(t, cmd->id == CMD_ID_exec ? transaction_flags(session, cmd)
                                                  : command_flags(cmd, r->argv, r->argc));
}

/* A write that would wait with exclusive mode raised would keep everybody waiting. */
INLINE bool log_holds(struct run *run, const struct session *session, const struct command *cmd)
{
    struct server_thread *t = run->thread;
    unsigned refusals =
        atomic_load_explicit(&t->server->persistence.refusals, memory_order_relaxed);
    if (likely(!(refusals & (REFUSE_LOG | REFUSE_NO_ROOM)) && !t->keeps_for_log))
        return false;
    bool holds = persistence_log_holds(t, transaction_flags(session, cmd));
    if (holds)
        dispatch_unraise(t, run->conn);
    return holds;
}

COLD static enum run_result queue(struct run *run, const struct planned *p, const struct request *r)
{
    struct reply *reply = &run->thread->reply;
    if (!transaction_add(run->session, p->cmd, r->argv, r->argc)) {
        reply_error(reply, "OOM no memory to queue the command");
        return RUN_REFUSED;
    }
    reply_status(reply, "QUEUED");
    return RUN_QUEUED;
}

/* Runs an admitted command in the mode it needs, unless it has to wait. */
INLINE enum run_result execute(struct run *run, const struct planned *p, const struct request *r)
{
    struct server_thread *t = run->thread;
    struct session *session = run->session;
    if (unlikely(is_paused(t, session, p->cmd, r)))
        return RUN_HELD;
    if (unlikely(log_holds(run, session, p->cmd)))
        return RUN_LATER;
    bool queued = unlikely(session->in_multi) && transaction_queues(p->cmd);
    bool alone = unlikely(!queued && wants_exclusive(t, session, p->cmd, r));
    if (unlikely(alone && t->raised)) /* the request of this thread closed the gate to it too */
        return call_exclusive(run, p, r);
    bool was_inside = run->inside;
    if (unlikely(!enter_gate(run))) /* also for a look at the limits: CONFIG SET changes them */
        return RUN_LATER;
    if (unlikely(!was_inside) && !may_run(t, p->cmd, r, session))
        return RUN_REFUSED;
    if (unlikely(has_ended(t)))
        return RUN_LATER;
    if (evict_limited() && !make_room(t, session, p, r, queued))
        return RUN_REFUSED;
    if (unlikely(queued))
        return queue(run, p, r);
    if (unlikely(alone))
        return call_exclusive(run, p, r);
    enum run_result result = call(t, p, r, session, false);
    if (likely(result != RUN_ALONE))
        return result;
    session->run_alone = true; /* the thread's other clients need not */
    return call_exclusive(run, p, r);
}

/* The command is answered, and counted, later; what it read is remembered already. */
COLD static void done_here(struct run *run, const struct command *cmd)
{
    if (run->session->tracked)
        tracking_after(run->thread, cmd);
    run->last_command = (uint16_t)(cmd->id + 1);
}

/* Bytes of the reply, as far as one look tells: what is sent by reference counts as much as makes
 * somebody look closer. */
INLINE size_t output_grown(const struct server_thread *t)
{
    const struct output *out = t->reply.out;
    return unlikely(out->ref_count != t->mark.refs) ? SIZE_MAX >> 1
                                                    : buf_len(&out->bytes) - t->mark.len;
}

HOT static enum run_result run_one(struct run *run, const struct planned *p,
                                   const struct request *r)
{
    struct server_thread *t = run->thread;
    struct session *session = run->session;
    t->reply.proto = session->proto;
    t->mark = output_mark(t->reply.out);
    uint32_t errors = t->reply.errors;
    if (unlikely(p->cmd != run->counting || run->alone))
        count_calls(run, p->cmd);
    reply_begin(&t->reply);
    enum run_result result =
        likely(admit(t, p->cmd, r, session, run->inside)) ? execute(run, p, r) : RUN_REFUSED;
    if (unlikely(result == RUN_REFUSED)) {
        finish_reply(t, session);
        if (unlikely(session->tracked))
            tracking_after(t, p->cmd);
        count_errors(t, errors);
        transaction_refuse(&t->txn, session, p->cmd);
        if (p->cmd)
            stat_bump(&t->stats[p->cmd->id].rejected, 1);
        return RUN_DONE;
    }
    if (unlikely(result > RUN_QUEUED)) {
        output_rewind(t->reply.out, t->mark);
        if (result == RUN_AWAY)
            done_here(run, p->cmd);
        return result;
    }
    if (unlikely(run->conn->blocked)) { /* it is answered, and counted, when the wait is over */
        output_rewind(t->reply.out, t->mark);
        done_here(run, p->cmd);
        return RUN_DONE;
    }
    if (observe_is_large(r->bytes, output_grown(t)))
        observe_bytes(t, p->cmd, r);
    finish_reply(t, session);
    if (unlikely(session->tracked))
        tracking_after(t, p->cmd);
    run->calls += result == RUN_DONE;
    run->last = t->at;
    run->last_command = (uint16_t)(p->cmd->id + 1);
    if (unlikely(count_errors(t, errors)))
        stat_bump(&t->stats[p->cmd->id].failed, 1);
    return RUN_DONE;
}

static bool stops_batch(const struct run *run)
{
    return run->conn->state != CONN_OPEN || run->conn->held || run->conn->blocked ||
           output_len(run->thread->reply.out) > LIMIT_TURN_OUTPUT_BYTES;
}

/* The command at t->at must wait, and with it the connection. */
COLD static void suspend(struct run *run, enum run_result why)
{
    struct server_thread *t = run->thread;
    if (why == RUN_AWAY)
        t->at++;
    if (why == RUN_AWAY || why == RUN_WAITS)
        return;
    if (why == RUN_LATER) {
        conn_park(run->conn);
        return;
    }
    dispatch_unraise(t, run->conn); /* nobody waits for the gates meanwhile */
    pause_hold(t, run->conn);
}

/* The command has left its connection held and comes again: it has said nothing yet. */
COLD static void take_back(struct run *run)
{
    struct server_thread *t = run->thread;
    t->postponed = false;
    output_rewind(t->reply.out, t->mark);
    run->session->reply_mode = t->postponed_reply_mode;
    run->calls--;
}

/* Runs plans[t->at …] until the end or until something stops it. */
static void run_batch(struct run *run, const struct planned *plans, const struct request *requests,
                      uint32_t count)
{
    struct server_thread *t = run->thread;
    for (; t->at < count; t->at++) {
        if (unlikely(!requests[t->at].argc))
            continue;
        if (unlikely(tracking_is_full(t)) && run->inside)
            tracking_trim(t);
        push_deliver(&t->push, t); /* what was published before, and by the command before */
        enum run_result result = run_one(run, &plans[t->at], &requests[t->at]);
        if (unlikely(result != RUN_DONE)) {
            suspend(run, result);
            return;
        }
        if (unlikely(run->session->close_after_reply)) {
            conn_close_after_flush(run->conn);
            t->at++;
            return;
        }
        if (unlikely(stops_batch(run))) {
            if (t->postponed)
                take_back(run);
            else
                t->at++;
            return;
        }
    }
}

static void start_clock(struct server_thread *t)
{
    t->txn.now_ms = clock_wall_ms();
    t->txn.access_clock = access_lru_clock(t->txn.now_ms);
    evict_forget(&t->evictor);
}

uint32_t dispatch(struct conn *c, struct request *requests, uint32_t count, struct output *out)
{
    struct planned plans[LIMIT_BATCH_REQUESTS];
    struct server_thread *t = thread_of(c);
    struct run run = {.thread = t, .conn = c, .session = client_session(c)};
    if (unlikely(t->nested != NULL)) /* the turn is one inside a script */
        return busy_dispatch(c, requests, count, out);
    t->reply.out = out;
    t->current = c;
    t->requests = requests;
    t->at = 0;
    start_clock(t);
    if (likely(!t->raised) && unlikely(!enter_gate(&run))) {
        if (busy_is(t->server))
            return busy_dispatch(c, requests, count, out);
        conn_park(c);
        return 0;
    }
    plan_batch(&t->txn, keyspace_db(t->server->ks, run.session->db), requests, count, plans,
               run.inside);
    if (unlikely(setjmp(
            t->txn.keyspec_unwind))) { /* a wrong key spec: the command at t->at again, alone */
        txn_unlock(&t->txn);
        output_rewind(out, t->mark);
        t->exec.in_exec = false;
        if (t->nested)
            nested_abandon(t);
        t->rerun_exclusive = true;
        run.inside = true;
    }
    run_batch(&run, plans, requests, count);
    push_deliver(&t->push, t);
    count_calls(&run, NULL);
    if (likely(run.inside))
        gate_leave(&t->server->ks->gates, t->txn.self);
    t->current = NULL;
    if (unlikely(t->slow.barred) && t->slow.barrer == c && !c->parked)
        slow_unbar(t); /* its exclusive command was refused when it was planned again */
    t->txn.keep_expired = t->keeps_for_log = false;
    if (unlikely(t->key_cap > KEYS_KEEP))
        shrink_keys(t);
    if (unlikely(c->parser.authenticated && !run.session->authenticated &&
                 server_has_password(t->server)))
        c->opened_ms = t->net.reactor.now_ms; /* RESET */
    c->parser.authenticated = run.session->authenticated || !server_has_password(t->server);
    c->parser.max_bulk =
        (uint64_t)atomic_load_explicit(&proto_settings.max_bulk_len, memory_order_relaxed);
    c->queued_bytes = transaction_argument_bytes(run.session);
    client_publish(c, run.last_command, t->txn.now_ms);
    stat_bump(&c->info.commands, t->at - c->blocked); /* which counts when it is answered */
    return t->at;
}

void dispatch_gate_wake(void *arg)
{
    struct server_thread *t = arg;
    atomic_store(&t->gate_event, true);
    reactor_wake(&t->net.reactor);
}
