/* dispatch.c: the path of every command: in which mode it runs, the call, the end of its reply. */
#include "server/dispatch.h"

#include "base/assert.h"
#include "base/clock.h"
#include "cmd/key_guard.h"
#include "cmd/transaction.h"
#include "proto/settings.h"
#include "server/admit.h"
#include "server/blocked.h"
#include "server/call_keys.h"
#include "server/exclusive.h"
#include "server/nested_call.h"
#include "store/access.h"

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
        key_guard_call(&t->exec);
    return slow_results[verdict];
}

/* Locks what the command needs, and calls its handler. */
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
    call_keys_collect(t, p, r);
    t->txn.restartable = !exclusive;
    t->txn.no_touch = session->no_touch;
    txn_begin(&t->txn, session->db, exclusive);
    if (!exclusive && ex->key_count && !lock_keys(t, p, session))
        return RUN_ALONE;
    ex->slow_limit = UINT64_MAX;
    if (unlikely((command_may_be_slow(p->cmd, r->argc) || t->txn.ks->walked) && !exclusive) ||
        unlikely(txn_meets_pins(&t->txn))) {
        enum slow_verdict verdict = slow_admit(t, t->current);
        if (unlikely(verdict != SLOW_RUN))
            return slow_results[verdict];
    }
    uint64_t sampled = hot_keys_begin(&t->hot, p->cmd);
    key_guard_call(ex);
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

/* Alone. RUN_LATER: not yet, or the server has made its last save. */
static enum run_result call_exclusive(struct run *run, const struct planned *p,
                                      const struct request *r)
{
    struct server_thread *t = run->thread;
    if (!exclusive_enter(run))
        return RUN_LATER;
    enum run_result result = RUN_LATER;
    if (likely(!persistence_has_ended(&t->server->persistence))) /* users may have changed */
        result = admit_user(t, p->cmd, r, run->session) ? call(t, p, r, run->session, true)
                                                        : RUN_REFUSED;
    exclusive_leave(run);
    return result;
}

/* Under the locks of its keys; alone when these turn out not to be all. */
INLINE enum run_result call_striped(struct run *run, const struct planned *p,
                                    const struct request *r)
{
    enum run_result result = call(run->thread, p, r, run->session, false);
    if (likely(result != RUN_ALONE))
        return result;
    run->session->run_alone = true; /* the thread's other clients need not */
    return call_exclusive(run, p, r);
}

/* CLIENT REPLY. */
COLD static void withdraw_reply(struct server_thread *t, struct session *session)
{
    if (session->reply_mode == REPLY_SKIP_NEXT) /* SKIP itself: the next one is skipped */
        session->reply_mode = REPLY_SKIP;
    else if (session->reply_mode == REPLY_SKIP)
        session->reply_mode = REPLY_ON;
    output_rewind(t->reply.out, t->mark);
}

INLINE void finish_reply(struct server_thread *t, struct session *session,
                         const struct command *cmd)
{
    reply_end(&t->reply);
    if (likely(!session->special))
        return;
    if (session->reply_mode != REPLY_ON)
        withdraw_reply(t, session);
    if (session->tracked)
        tracking_after(t, cmd);
}

/* An error reply was written: for INFO errorstats. */
INLINE bool count_errors(struct server_thread *t, uint32_t errors_before)
{
    if (likely(t->reply.errors == errors_before))
        return false;
    stats_count_error(t);
    return true;
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

INLINE uint32_t flags_of(const struct session *session, const struct command *cmd,
                         const struct request *r)
{
    return transaction_flags_with(session, cmd, r->argv, r->argc);
}

INLINE bool is_paused(struct server_thread *t, const struct session *session,
                      const struct command *cmd, const struct request *r)
{
    return unlikely(atomic_load_explicit(&t->server->pause, memory_order_relaxed)) &&
           hold_or_keep(t, flags_of(session, cmd, r));
}

/* A write that would wait with exclusive mode raised would keep everybody waiting. */
INLINE bool log_holds(struct run *run, const struct session *session, const struct command *cmd,
                      const struct request *r)
{
    struct server_thread *t = run->thread;
    unsigned refusals =
        atomic_load_explicit(&t->server->persistence.refusals, memory_order_relaxed);
    if (likely(!(refusals & (REFUSE_LOG | REFUSE_NO_ROOM)) && !t->keeps_for_log))
        return false;
    bool holds = persistence_log_holds(t, cmd, flags_of(session, cmd, r));
    if (holds)
        exclusive_forget(t, run->conn);
    return holds;
}

/* The disk of a snapshot is slow, and too many old values wait for it. Who runs under locks is
 * asked when the keys are known (slow_admit()); who runs alone, or may have to evict, must wait
 * before. */
INLINE bool snapshot_holds(struct run *run, const struct session *session,
                           const struct command *cmd, const struct request *r, bool alone)
{
    struct snapshot *s = &run->thread->server->persistence.snapshot;
    if (likely(!alone && !evict_limited()) || likely(!snapshot_is_full(s)) ||
        !persistence_log_may_write(cmd, flags_of(session, cmd, r)) || !snapshot_must_wait(s))
        return false;
    exclusive_forget(run->thread, run->conn);
    return true;
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

/* For an admitted command: runs it alone if it must, queues it, or says what keeps it from running.
 * RUN_STRIPED: nothing does. */
static enum run_result prepare(struct run *run, const struct planned *p, const struct request *r)
{
    struct server_thread *t = run->thread;
    struct session *session = run->session;
    if (unlikely(is_paused(t, session, p->cmd, r)))
        return RUN_HELD;
    if (unlikely(log_holds(run, session, p->cmd, r)))
        return RUN_LATER;
    bool queued = unlikely(session->in_multi) && transaction_queues(p->cmd);
    bool alone = unlikely(!queued && exclusive_wanted(run, p->cmd, r));
    if (unlikely(snapshot_holds(run, session, p->cmd, r, alone)))
        return RUN_LATER;
    if (unlikely(alone && t->raised)) /* the request of this thread closed the gate to it too */
        return call_exclusive(run, p, r);
    bool was_inside = run->inside;
    if (unlikely(!run_enter_gate(run))) /* also for a look at the limits: CONFIG SET changes them */
        return RUN_LATER;
    if (unlikely(!was_inside) && !admit_user(t, p->cmd, r, session))
        return RUN_REFUSED;
    if (unlikely(persistence_has_ended(&t->server->persistence)))
        return RUN_LATER;
    if (evict_limited() && !admit_room(run, p, r, queued))
        return RUN_REFUSED;
    if (unlikely(queued))
        return queue(run, p, r);
    return unlikely(alone) ? call_exclusive(run, p, r) : RUN_STRIPED;
}

/* Whether nothing out of the ordinary is going on: admit() and prepare() would let the command run
 * under the locks of its keys. Each look here stands for some of theirs. */
INLINE bool is_ordinary(const struct run *run, const struct planned *p)
{
    const struct server_thread *t = run->thread;
    const struct session *session = run->session;
    const struct server *s = t->server;
    return p->plain && run->inside && session->authenticated &&
           !(session->special | session->subscribed) && !acl_is_limited(session) &&
           !(t->rerun_exclusive | t->keeps_for_log) &&
           !(atomic_load_explicit(&s->pause, memory_order_relaxed) |
             (int)atomic_load_explicit(&s->persistence.refusals, memory_order_relaxed)) &&
           atomic_load_explicit(&server_settings.exec_mode, memory_order_relaxed) == EXEC_STRIPED &&
           !evict_limited();
}

/* Runs the command in the mode it needs, unless it may not, or has to wait. */
INLINE enum run_result execute(struct run *run, const struct planned *p, const struct request *r)
{
    if (unlikely(!is_ordinary(run, p))) {
        enum run_result result = admit(run, p->cmd, r) ? prepare(run, p, r) : RUN_REFUSED;
        if (result != RUN_STRIPED)
            return result;
    }
    return call_striped(run, p, r);
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

COLD static enum run_result refused(struct run *run, const struct command *cmd, uint32_t errors)
{
    struct server_thread *t = run->thread;
    finish_reply(t, run->session, cmd);
    count_errors(t, errors);
    transaction_refuse(&t->txn, run->session, cmd);
    if (cmd)
        stat_bump(&t->stats[cmd->id].rejected, 1);
    return RUN_DONE;
}

/* The command has not ended here: what it has written is not its reply. */
COLD static enum run_result unfinished(struct run *run, const struct command *cmd,
                                       enum run_result result)
{
    output_rewind(run->thread->reply.out, run->thread->mark);
    if (result == RUN_AWAY || result == RUN_DONE) /* it is counted when the wait is over */
        done_here(run, cmd);
    return result;
}

HOT static enum run_result run_one(struct run *run, const struct planned *p,
                                   const struct request *r)
{
    struct server_thread *t = run->thread;
    t->reply.proto = run->session->proto;
    t->mark = output_mark(t->reply.out);
    uint32_t errors = t->reply.errors;
    if (unlikely(p->cmd != run->counting || run->alone))
        run_count_calls(run, p->cmd);
    reply_begin(&t->reply);
    enum run_result result = execute(run, p, r);
    if (unlikely(result == RUN_REFUSED))
        return refused(run, p->cmd, errors);
    if (unlikely(result > RUN_QUEUED || run->conn->blocked))
        return unfinished(run, p->cmd, result);
    if (observe_is_large(r->bytes, output_grown(t)))
        run_observe_bytes(run, p->cmd, r);
    finish_reply(t, run->session, p->cmd);
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
    exclusive_forget(t, run->conn); /* nobody waits for the gates meanwhile */
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
    for (uint32_t at = t->at; at < count; t->at = ++at) {
        if (unlikely(!plans[at].cmd) && !requests[at].argc)
            continue;
        if (unlikely(tracking_is_full(t)) && run->inside)
            tracking_trim(t);
        push_deliver(&t->push, t); /* what was published before, and by the command before */
        enum run_result result = run_one(run, &plans[at], &requests[at]);
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

/* A key spec named the wrong keys, and a jump has left the handler: the command at t->at runs
 * again, alone. */
COLD static void restart_alone(struct run *run)
{
    struct server_thread *t = run->thread;
    txn_unlock(&t->txn);
    output_rewind(t->reply.out, t->mark);
    t->exec.in_exec = t->parts.any = false;
    if (t->nested)
        nested_abandon(t);
    key_guard_reset();
    t->rerun_exclusive = true;
    run->inside = true;
}

/* What the next requests may be like: before login they must be small. */
static void update_parser(struct conn *c, const struct session *session)
{
    bool authenticated = session->authenticated || !server_has_password(thread_of(c)->server);
    if (unlikely(c->parser.authenticated && !authenticated))
        c->opened_ms = c->thread->reactor.now_ms; /* RESET */
    c->parser.authenticated = authenticated;
    c->parser.max_bulk =
        (uint64_t)atomic_load_explicit(&proto_settings.max_bulk_len, memory_order_relaxed);
}

static void end_turn(struct run *run)
{
    struct server_thread *t = run->thread;
    struct conn *c = run->conn;
    push_deliver(&t->push, t);
    run_count_calls(run, NULL);
    if (likely(run->inside))
        gate_leave(&t->server->ks->gates, t->txn.self);
    t->current = NULL;
    if (unlikely(t->slow.barred) && t->slow.barrer == c && !c->parked)
        slow_unbar(t); /* its exclusive command was refused when it was planned again */
    t->txn.keep_expired = t->keeps_for_log = false;
    if (unlikely(t->key_cap > CALL_KEYS_KEEP))
        call_keys_shrink(t);
    update_parser(c, run->session);
    c->queued_bytes = transaction_argument_bytes(run->session);
    client_publish(c, run->last_command, t->txn.now_ms);
    stat_bump(&c->info.commands, t->at - c->blocked); /* which counts when it is answered */
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
    if (likely(!t->raised) && unlikely(!run_enter_gate(&run))) {
        if (busy_is(t->server))
            return busy_dispatch(c, requests, count, out);
        conn_park(c);
        return 0;
    }
    plan_batch(&t->txn, keyspace_db(t->server->ks, run.session->db), requests, count, plans,
               run.inside);
    if (unlikely(setjmp(t->txn.keyspec_unwind)))
        restart_alone(&run);
    run_batch(&run, plans, requests, count);
    end_turn(&run);
    return t->at;
}

void dispatch_gate_wake(void *arg)
{
    struct server_thread *t = arg;
    atomic_store(&t->gate_event, true);
    reactor_wake(&t->net.reactor);
}
