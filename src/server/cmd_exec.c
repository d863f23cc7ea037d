/* EXEC: runs what MULTI queued, as one command: its shards were locked together, or it runs alone;
 * time stands still, and the effects are one record. Until it really runs it may be planned again,
 * so nothing changes before. */
#include "base/clock.h"
#include "cmd/key_guard.h"
#include "cmd/transaction.h"
#include "server/acl_session.h"
#include "server/server_internal.h"

/* CLIENT REPLY may be among the commands: as in Redis, what is written while replies are off is
 * lost, the head of the array included. */
static bool is_silent(const struct session *session)
{
    return session->reply_mode == REPLY_OFF || session->reply_mode == REPLY_SKIP;
}

/* The reply just written must not be sent. CLIENT REPLY SKIP has none itself, and counts from after
 * EXEC. */
static bool is_lost(const struct exec *ex, bool failed)
{
    if (ex->reply->proto == REPLY_FRAME)
        return false;
    return is_silent(ex->session) || (ex->cmd->id == CMD_ID_client_reply && !failed);
}

static size_t request_bytes(const struct queued_command *q)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < q->argc; i++)
        bytes += q->argv[i].len;
    return bytes;
}

/* True: it failed. */
static bool count_call(struct exec *ex, const struct queued_command *q, uint64_t cycles,
                       uint32_t errors_before, struct output_mark mark)
{
    struct server_thread *t = exec_thread(ex);
    struct observed o = {.cmd = ex->cmd, .argv = ex->argv, .argc = ex->argc};
    size_t replied = observe_reply_bytes(ex->reply->out, mark), asked = request_bytes(q);
    if (observe_is_large(asked, replied))
        observe_sizes(t, &o, asked, replied);
    bool failed = stats_count_call(t, &o, cycles, errors_before);
    ex->reply->errors = errors_before; /* it is not EXEC that failed */
    return failed;
}

static void run_queued(struct exec *ex, const struct queued_command *q)
{
    struct output_mark mark = output_mark(ex->reply->out);
    uint32_t errors = ex->reply->errors;
    ex->cmd = q->cmd;
    ex->argv = q->argv;
    ex->argc = q->argc;
    ex->keys = q->keys;
    ex->key_count = q->key_count;
    ex->hashed_arg = 0;
    txn_select(ex->txn, ex->session->db);
    ex->txn->no_touch = ex->session->no_touch;
    struct server_thread *t = exec_thread(ex);
    uint64_t started = clock_cycles(), sampled = hot_keys_begin(&t->hot, q->cmd);
    persistence_log_part(t, q->cmd);
    if (likely(acl_permits_queued(ex)))
        key_guard_call(ex);
    if (unlikely(sampled))
        hot_keys_note(t, ex, request_bytes(q), mark, clock_cycles() - sampled);
    if (unlikely(ex->session->tracked))
        tracking_remember(ex);
    if (monitor_wanted())
        monitor_feed_exec(ex);
    txn_next(ex->txn, q->argv, q->argc);
    bool failed = count_call(ex, q, clock_cycles() - started, errors, mark);
    if (unlikely(ex->session->reply_mode != REPLY_ON) && is_lost(ex, failed))
        output_rewind(ex->reply->out, mark);
}

static void run_all(struct exec *ex, struct transaction *x)
{
    struct exec self = *ex;
    ex->in_exec = true;
    ex->session->db = x->db; /* an attempt that was broken off may have chosen another */
    txn_group(ex->txn);
    if (likely(!is_silent(ex->session)) || ex->reply->proto == REPLY_FRAME)
        reply_array(ex->reply, x->count);
    for (const struct queued_command *q = x->first; q; q = q->next)
        run_queued(ex, q);
    *ex = self;
    persistence_log_end_parts(exec_thread(ex));
    if (ex->reply->proto != REPLY_FRAME &&
        ex->session->reply_mode != REPLY_ON) /* what must not be sent is gone already */
        exec_thread(ex)->mark = output_mark(ex->reply->out);
}

void cmd_exec(struct exec *ex)
{
    struct transaction *x = ex->session->transaction;
    if (!ex->session->in_multi) {
        fail(ex, "ERR EXEC without MULTI");
        return;
    }
    persistence_log_begin_parts(exec_thread(ex));
    persistence_log_saw(exec_thread(ex), ex->keys, ex->key_count); /* the watched ones, too */
    bool touched = watch_decide(ex->txn, &x->watcher);
    if (x->aborted)
        fail(ex, "EXECABORT Transaction discarded because of previous errors.");
    else if (touched)
        reply_null_array(ex->reply);
    else
        run_all(ex, x);
    transaction_discard(ex->txn, ex->session);
}
