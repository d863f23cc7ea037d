#include "base/assert.h"
#include "base/clock.h"
#include "server/blocked.h"
#include "server/file_job.h"
#include "server/http.h"
#include "server/slow_internal.h"
#include "store/access.h"

#include <sched.h>
#include <unistd.h>

enum {
    SLICE_US = 100,
    HOLD_PAUSE_US = 500
};

uint64_t slow_slice_cycles = UINT64_MAX;

/* ---- start ---- */

static void wake_all(struct server *s)
{
    for (unsigned i = 0; i < s->thread_count; i++)
        dispatch_gate_wake(s->threads[i]);
}

void slow_leave(struct server *s)
{
    if (atomic_fetch_sub(&s->slow.jobs, 1) == 1 && atomic_load(&s->slow.bars))
        wake_all(s);
}

/* Counts the job. False: a bar is up. The job is counted first and the bar looked at then, the
 * other side does it the other way round: one of the two sees the other. */
bool slow_enter(struct server *s)
{
    atomic_fetch_add(&s->slow.jobs, 1);
    if (likely(!atomic_load(&s->slow.bars)))
        return true;
    atomic_store(&s->slow.turned_away, true);
    slow_leave(s);
    if (!atomic_load(&s->slow.bars)) /* lifted before it could know of us */
        wake_all(s);
    return false;
}

/* Looking a value up that has members that expire deletes them, which a pin forbids, unless it bars
 * all others; without a pin it has none, for only a write could add one. Such a command is a stall.
 * So is one that finds a string where it would edit: it ends at once. */
static bool is_for_here(struct server_thread *t)
{
    const struct exec *ex = &t->exec;
    struct ref ref;
    for (uint32_t i = 0; i < ex->key_count; i++) {
        if (!txn_find(&t->txn, &ex->keys[i], &ref))
            continue;
        bool edited = ex->edits && i == ex->edited;
        if (edited ? entry_type(ref.entry) == TYPE_STRING : ref.entry->flags & ENTRY_MEMBERS_EXPIRE)
            return true;
    }
    return false;
}

/* Who waits to move what is stored changes further keys, which slow commands may be reading, and no
 * pin reserves them: two commands could wait for each other's pins. Such a command is a stall, too;
 * while one is on the pool, nobody begins to wait like that for its destination. */
static bool feeds_movers(struct server_thread *t)
{
    uint64_t hashes[WAIT_ALSO_MAX];
    return t->exec.cmd->flags & CMD_WRITE && wait_here(&t->txn) &&
           blocked_targets(t, t->exec.cmd, hashes) != 0;
}

static enum slow_verdict start(struct server_thread *t, struct slow_client *c)
{
    struct keyspace *ks = t->server->ks;
    if (is_for_here(t) || feeds_movers(t))
        return SLOW_RUN;
    if (!slow_enter(t->server))
        return SLOW_BARRED;
    struct slow_job *j = slow_job_create(t, c);
    if (unlikely(!j)) { /* no memory for a copy of the arguments */
        slow_leave(t->server);
        return SLOW_RUN;
    }
    bool edits = j->edits;
    if (!pins_take(ks, j->command->keys, j->uses, j->command->key_count, &c->waiter)) {
        slow_job_destroy(j);
        slow_leave(t->server);
        slow_wait(t, c, !edits);
        return SLOW_WAIT;
    }
    slow_job_prepare(j);
    c->job = j;
    conn_leave(c->conn);
    atomic_fetch_add(&t->server->slow.computing, 1);
    worker_submit(t->server->pool, &j->job);
    return SLOW_AWAY;
}

static enum slow_verdict walk(struct server_thread *t, struct slow_client *c)
{
    return slow_walk_start(t, c) ? SLOW_AWAY : SLOW_RUN;
}

uint64_t slow_threshold(void)
{
    uint64_t threshold = server_settings.slow_command_threshold;
    return threshold ? threshold : UINT64_MAX;
}

enum slow_verdict slow_admit(struct server_thread *t, struct conn *conn)
{
    struct exec *ex = &t->exec;
    struct slow_client *c = client_slow(conn);
    if (command_may_be_slow(ex->cmd, ex->argc) && ex->key_count <= PIN_KEYS_MAX)
        ex->slow_limit = slow_threshold();
    if (unlikely(txn_meets_pins(ex->txn)) && slow_wait_must(t, c)) {
        slow_wait(t, c, (ex->cmd->flags & (CMD_SLOW | CMD_WRITE)) == CMD_SLOW);
        txn_end(ex->txn, NULL, 0);
        return SLOW_WAIT;
    }
    if (unlikely(ex->txn->ks->walked) &&
        persistence_log_may_write(ex->cmd,
                                  transaction_flags_with(ex->session, ex->cmd, ex->argv, ex->argc)))
        return slow_image_admit(t, c, snapshot_must_wait(&t->server->persistence.snapshot));
    return SLOW_RUN;
}

enum slow_verdict slow_defer(struct server_thread *t, struct conn *conn)
{
    struct exec *ex = &t->exec;
    struct slow_client *c = client_slow(conn);
    ex->deferred = false;
    ex->slow_limit = UINT64_MAX;
    enum slow_verdict verdict = c->file                      ? SLOW_AWAY
                                : ex->cmd->flags & CMD_WALKS ? walk(t, c)
                                                             : start(t, c);
    ex->edits = ex->claims = false;
    if (verdict != SLOW_RUN)
        txn_end(ex->txn, NULL, 0);
    if (c->job)
        c->job->lsn = ex->txn->lsn; /* it comes back to this thread, so not before */
    return verdict;
}

/* ---- the end ---- */

/* The log gets what the worker's txn has for it. */
static void take_effects(struct txn *t, struct slow_job *j)
{
    struct effects mine = t->effects;
    ASSERT(!mine.commands);
    t->effects = j->txn.effects;
    j->txn.effects = mine;
}

/* A destination that nobody else may use is what it was to the worker: one that has run out since
 * goes when its new value is there, with the time to live that it keeps, and not before. Its DEL
 * would come behind the effect. */
static void publish_result(struct server_thread *t, struct slow_job *j, struct exec *ex)
{
    int64_t now_ms = t->txn.now_ms;
    if (j->claims)
        t->txn.now_ms = j->txn.now_ms;
    publish_outcome(ex, &j->outcome);
    t->txn.now_ms = now_ms;
    j->outcome.root = NULL;
    j->outcome.copy = NULL;
}

/* Nobody who waits for the result moves it on: see feeds_movers() and slow_wait.c, moves(). Nobody
 * gets past the locks to a key whose pin is dropped. */
static void publish_job(struct server_thread *t, struct slow_job *j)
{
    struct queued_command *q = j->command;
    struct exec ex = {.txn = &t->txn, .argv = q->argv, .argc = q->argc, .cmd = q->cmd};
    t->txn.now_ms = clock_wall_ms();
    t->txn.access_clock = access_lru_clock(t->txn.now_ms);
    t->txn.restartable = false;
    t->txn.no_touch = false;
    txn_begin(&t->txn, j->db, false);
    txn_lock(&t->txn, q->keys, q->key_count);
    t->current = j->client ? j->client->conn : NULL; /* who changes the key */
    if (j->edits || j->txn.effects.replaced)
        take_effects(&t->txn, j);
    if (j->edits) {
        draft_publish(&t->txn, &q->keys[j->view.edited], &j->draft);
        txn_count_changes(&t->txn, (int64_t)j->stats.value[STAT_CHANGES]);
    }
    pins_drop(t->server->ks, q->keys, j->uses, q->key_count);
    if (j->outcome.stores)
        publish_result(t, j, &ex);
    t->current = NULL;
    txn_end(&t->txn, q->argv, q->argc);
    j->lsn = MAX(j->lsn, t->txn.lsn);
}

void slow_count_call(struct server_thread *t, const struct slow_client *c,
                     const struct queued_command *command, uint64_t cycles,
                     const struct reply *reply)
{
    struct observed o = {.cmd = command->cmd,
                         .argv = command->argv,
                         .argc = command->argc,
                         .client = c ? c->conn->info.id : 0};
    uint32_t errors_before = t->reply.errors;
    stat_bump(&t->slow.run, 1);
    if (reply->errors) {
        memcpy(t->reply.error_code, reply->error_code, sizeof(t->reply.error_code));
        errors_before--;
    }
    if (observe_is_large(0, output_len(reply->out)))
        observe_sizes(t, &o, 0, output_len(reply->out));
    stats_count_call(t, &o, cycles, errors_before);
}

void slow_answer(struct slow_client *c, struct output *output, uint64_t lsn)
{
    struct session *session = client_session(c->conn);
    session->lsn = MAX(session->lsn, lsn);
    struct http_client *http = client_http(c->conn);
    if (unlikely(http != NULL)) {
        output_take(&http->replies, output);
        http_answered_later(http, lsn);
    } else if (session->reply_mode == REPLY_ON)
        conn_deliver(c->conn, output, lsn);
    else if (session->reply_mode == REPLY_SKIP)
        session->reply_mode = REPLY_ON;
}

COLD static void refuse(struct reply *reply, const char *error)
{
    output_rewind(reply->out, (struct output_mark){0});
    reply_begin(reply);
    reply_error(reply, error);
    reply_end(reply);
}

uint64_t slow_refuse_unsafe(struct server_thread *t, const struct command *cmd, struct reply *reply,
                            uint64_t lsn)
{
    const char *error;
    if (likely(!(cmd->flags & CMD_READONLY) || persistence_log_is_good(t, lsn, &error)))
        return lsn;
    refuse(reply, error);
    return 0;
}

/* Inside the gate. False: the last save is done, so the command does not happen any more. */
static bool take_effect(struct server_thread *t, struct slow_job *j)
{
    if (unlikely(persistence_has_ended(&t->server->persistence)))
        return false;
    if (j->outcome.stores || j->edits)
        publish_job(t, j);
    else
        pins_drop(t->server->ks, j->command->keys, j->uses, j->command->key_count);
    return true;
}

/* False: not now. Exclusive commands wait for us before they ask for the gates, but the persist
 * thread does not; then a wake will come. */
static bool finish(struct server_thread *t, struct slow_job *j)
{
    struct gates *gates = &t->server->ks->gates;
    struct slow_client *c = j->client;
    if (unlikely(!gate_enter(gates, t->txn.self)))
        return false;
    bool effective = take_effect(t, j);
    gate_leave(gates, t->txn.self);
    if (unlikely(!effective))
        return false;
    slow_count_call(t, c, j->command, j->cycles, &j->reply);
    if (c) {
        c->job = NULL;
        uint64_t lsn = slow_refuse_unsafe(t, j->command->cmd, &j->reply, j->lsn);
        slow_answer(c, &j->output, lsn);
    }
    slow_job_destroy(j);
    slow_leave(t->server);
    if (c)
        conn_return(c->conn);
    return true;
}

static struct slow_job *next_done(struct slow_thread *s)
{
    struct slow_job *j = s->done;
    if (j && !(s->done = j->next_done))
        s->done_last = &s->done;
    return j;
}

/* What cannot be finished now is kept for a later turn. */
static void finish_done(struct server_thread *t)
{
    struct slow_job *j = t->slow.done, *next;
    t->slow.done = NULL;
    t->slow.done_last = &t->slow.done;
    for (; j; j = next) {
        next = j->next_done;
        if (unlikely(!finish(t, j)))
            slow_job_came_back(j);
    }
}

void slow_look(struct server_thread *t)
{
    if (unlikely(t->slow.done != NULL))
        finish_done(t);
    if (unlikely(t->slow.walks != NULL))
        slow_walk_turn(t);
    if (unlikely(atomic_load_explicit(&t->slow.event, memory_order_relaxed)) &&
        atomic_exchange(&t->slow.event, false))
        slow_wait_resume(t);
}

/* ---- exclusive commands ---- */

bool slow_bar(struct server_thread *t, const struct conn *c)
{
    if (!t->slow.barred)
        atomic_fetch_add(&t->server->slow.bars, 1);
    t->slow.barred = true;
    t->slow.barrer = c;
    return atomic_load(&t->server->slow.jobs) == 0;
}

static void unbar(struct slow_state *s, struct server *server)
{
    if (atomic_fetch_sub(&s->bars, 1) == 1 && unlikely(atomic_load(&s->turned_away)) &&
        atomic_exchange(&s->turned_away, false))
        wake_all(server);
}

void slow_unbar(struct server_thread *t)
{
    struct slow_state *s = &t->server->slow;
    if (!t->slow.barred)
        return;
    t->slow.barred = false;
    t->slow.barrer = NULL;
    unbar(s, t->server);
}

bool slow_hold(struct server *s, const _Atomic bool *cancelled)
{
    atomic_fetch_add(&s->slow.bars, 1);
    while (atomic_load(&s->slow.jobs)) {
        if (atomic_load(cancelled)) {
            slow_release(s);
            return false;
        }
        usleep(HOLD_PAUSE_US);
    }
    return true;
}

void slow_release(struct server *s)
{
    unbar(&s->slow, s);
}

/* ---- snapshots ---- */

static bool enter_for_snapshot(void *arg)
{
    return slow_enter(arg);
}

static void leave_for_snapshot(void *arg)
{
    slow_leave(arg);
}

static uint64_t large_for_snapshot(void *arg)
{
    (void)arg;
    return slow_threshold();
}

static void room_in_snapshot(void *arg)
{
    wake_all(arg);
}

void slow_serve_snapshot(struct server *s)
{
    s->snapshot_pins = (struct snapshot_pins){enter_for_snapshot, leave_for_snapshot,
                                              large_for_snapshot, room_in_snapshot, s};
    s->persistence.snapshot.pins = &s->snapshot_pins;
}

/* ---- life ---- */

void slow_thread_init(struct slow_thread *s)
{
    s->last = &s->waiting;
    s->done_last = &s->done;
    s->last_walk = &s->walks;
}

void slow_thread_deinit(struct server_thread *t)
{
    slow_walk_end(t);
    for (struct slow_job *j; (j = next_done(&t->slow));) {
        struct queued_command *q = j->command;
        if (j->edits)
            draft_return(t->server->ks, j->db, &q->keys[j->view.edited], &j->draft);
        pins_drop(t->server->ks, q->keys, j->uses, q->key_count);
        slow_job_destroy(j);
    }
}

void slow_client_init(struct slow_client *c, struct conn *conn)
{
    c->conn = conn;
    slow_wait_init(c);
}

void slow_client_deinit(struct server_thread *t, struct slow_client *c)
{
    slow_wait_forget(t, c);
    if (c->job)
        c->job->client = NULL;
    if (c->walk)
        slow_walk_forget(c->walk);
    if (c->file)
        file_job_forget(c->file);
}

void slow_settle(struct server *s)
{
    while (atomic_load(&s->slow.computing))
        sched_yield();
}

void slow_calibrate(void)
{
    uint64_t many = (uint64_t)1 << 30;
    slow_slice_cycles = SLICE_US * 1000 * many / MAX(clock_cycles_to_ns(many), (uint64_t)1);
}

void slow_count_slice(struct server_thread *t, uint64_t cycles)
{
    unsigned bucket = 0;
    for (uint64_t limit = slow_slice_cycles * 10; cycles > limit && bucket < SLOW_SLICES - 1;
         limit *= 10)
        bucket++;
    stat_bump(&t->slow.slices[bucket], 1);
}

void slow_count_part(struct server_thread *t, uint64_t cycles)
{
    stat_bump(&t->slow.parts, 1);
    if (unlikely(cycles > slow_slice_cycles))
        slow_count_slice(t, cycles);
}
