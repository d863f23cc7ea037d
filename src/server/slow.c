#include "server/slow.h"

#include "base/assert.h"
#include "base/clock.h"
#include "cmd/transaction.h"
#include "server/blocked.h"
#include "server/server_internal.h"
#include "store/access.h"
#include "store/value.h"

#include <sched.h>

enum {
    WAITS_MAX = 3, /* then the command runs alone */
    SLICE_US = 100
};

struct slow_job {
    struct job job;
    struct message message;
    struct slow_job *next_done;
    struct server_thread *thread;
    struct slow_client *client; /* NULL: gone. The reactor only */
    struct queued_command *command;
    enum pin_use *uses;
    struct entry **entries; /* [command->key_count] */
    int db;
    uint64_t cycles; /* of the handler */
    uint64_t lsn;    /* what the reply waits for */
    struct exec exec;
    struct txn txn;
    struct txn_view view;
    struct store_stats stats; /* of that txn: for nobody */
    struct reply reply;
    struct output output;
    struct outcome outcome;
};

uint64_t slow_slice_cycles = UINT64_MAX;

/* ---- the job's memory ---- */

struct use_list {
    enum pin_use *next;
    bool writes; /* else all keys are read, whatever their flags: PFCOUNT's say that it may write */
};

static void note_use(void *arg, uint32_t index, uint16_t flags)
{
    struct use_list *uses = arg;
    (void)index;
    if (!(flags & KEY_NOT_KEY))
        *uses->next++ = uses->writes && !(flags & KEY_RO) ? PIN_TARGET : PIN_READ;
}

static struct slow_job *job_create(struct server_thread *t, struct slow_client *client)
{
    const struct exec *ex = &t->exec;
    struct queued_command *command = queued_command_create(ex->cmd, ex->argv, ex->argc);
    if (!command)
        return NULL;
    struct slow_job *j = mem_alloc_aligned(MEM_OTHER, sizeof(*j));
    j->thread = t;
    j->client = client;
    j->command = command;
    j->uses = mem_alloc(MEM_OTHER, command->key_count * sizeof(*j->uses));
    j->entries = mem_zalloc(MEM_OTHER, command->key_count * sizeof(struct entry *));
    struct use_list uses = {j->uses, ex->cmd->flags & CMD_WRITE};
    bool fits = command_visit_keys(ex->cmd, command->argv, command->argc, note_use, &uses);
    ASSERT(fits); /* the planner found these keys the same way */
    output_init(&j->output);
    return j;
}

/* A husk of a collection does not own it. */
static void release_entry(struct entry *e)
{
    if (e && entry_type(e) == TYPE_STRING)
        entry_destroy(e);
    else if (e)
        entry_free(e);
}

static void job_destroy(struct slow_job *j)
{
    uint32_t keys = j->command->key_count;
    for (uint32_t i = 0; i < keys; i++)
        release_entry(j->entries[i]);
    if (j->outcome.root)
        value_release(j->outcome.type, j->outcome.encoding, j->outcome.root);
    mem_free(MEM_OTHER, j->entries, keys * sizeof(struct entry *));
    mem_free(MEM_OTHER, j->uses, keys * sizeof(*j->uses));
    queued_command_destroy(j->command);
    output_deinit(&j->output);
    mem_free_aligned(MEM_OTHER, j, sizeof(*j));
}

/* ---- on the pool ---- */

static void compute(struct slow_job *j)
{
    struct queued_command *q = j->command;
    uint64_t started = clock_cycles();
    j->exec.argv = q->argv;
    j->exec.argc = q->argc;
    j->exec.keys = q->keys;
    j->exec.key_count = q->key_count;
    j->exec.cmd = q->cmd;
    j->exec.txn = &j->txn;
    j->exec.reply = &j->reply;
    j->exec.outcome = &j->outcome;
    j->exec.slow_limit = UINT64_MAX;
    reply_begin(&j->reply);
    q->cmd->handler(&j->exec);
    reply_end(&j->reply);
    j->cycles = clock_cycles() - started;
}

static void came_back(void *receiver, struct message *self)
{
    struct slow_job *j = container_of(self, struct slow_job, message);
    struct slow_thread *s = &j->thread->slow;
    (void)receiver;
    j->next_done = NULL;
    *s->done_last = j;
    s->done_last = &j->next_done;
}

static void run_job(struct job *self)
{
    struct slow_job *j = container_of(self, struct slow_job, job);
    struct server_thread *t = j->thread;
    struct server *s = t->server;
    if (atomic_load_explicit(&s->status, memory_order_relaxed) != ENGINE_SHUTTING_DOWN)
        compute(j);
    reactor_post(&t->net.reactor, &j->message);
    atomic_fetch_sub(&s->slow.computing, 1); /* the last that is touched */
}

/* ---- start ---- */

/* What leads to the value, with the key's name, so that the entry itself may move and be touched.
 */
static struct entry *capture(struct exec *ex, uint32_t at)
{
    struct ref ref;
    if (!txn_find(ex->txn, &ex->keys[at], &ref)) /* the handler has counted hits and misses */
        return NULL;
    const struct entry *e = ref.entry;
    if (entry_type(e) == TYPE_STRING && entry_encoding(e) != ENC_BLOB)
        return entry_copy(e, entry_key(e), false);
    struct value_shape shape = {entry_encoding(e), 8, 0};
    struct entry *husk = entry_create(entry_key(e), entry_type(e), shape, false);
    husk->flags |= e->flags & ENTRY_RAW;
    entry_set_pointer(husk, entry_pointer(e));
    if (entry_type(e) == TYPE_STRING)
        blob_ref(entry_pointer(e));
    return husk;
}

static void prepare(struct slow_job *j)
{
    struct server_thread *t = j->thread;
    const struct txn *from = &t->txn;
    for (uint32_t i = 0; i < j->command->key_count; i++)
        if (j->uses[i] == PIN_READ)
            j->entries[i] = capture(&t->exec, i);
    j->db = from->db->id;
    j->view = (struct txn_view){j->command->keys, j->entries, j->command->key_count};
    j->txn.ks = from->ks;
    j->txn.db = from->db;
    j->txn.now_ms = from->now_ms;
    j->txn.self = GATES_MAX; /* nobody's: it holds nothing */
    j->txn.no_touch = true;
    j->txn.stats = &j->stats;
    j->txn.view = &j->view;
    j->reply = (struct reply){.out = &j->output, .proto = t->reply.proto};
    j->job.run = run_job;
    j->message.run = came_back;
}

static void wake_all(struct server *s)
{
    for (unsigned i = 0; i < s->thread_count; i++)
        dispatch_gate_wake(s->threads[i]);
}

/* One job less; exclusive commands may have waited for it. */
static void leave(struct server *s)
{
    if (atomic_fetch_sub(&s->slow.jobs, 1) == 1 && atomic_load(&s->slow.bars))
        wake_all(s);
}

/* Counts the job. False: a bar is up. The job is counted first and the bar looked at then, the
 * other side does it the other way round: one of the two sees the other. */
static bool enter(struct server *s)
{
    atomic_fetch_add(&s->slow.jobs, 1);
    if (likely(!atomic_load(&s->slow.bars)))
        return true;
    atomic_store(&s->slow.turned_away, true);
    leave(s);
    if (!atomic_load(&s->slow.bars)) /* lifted before it could know of us */
        wake_all(s);
    return false;
}

/* ---- waiting for pins ---- */

/* Under pins.lock. */
static void woken(struct pin_waiter *w)
{
    struct slow_client *c = container_of(w, struct slow_client, waiter);
    struct server_thread *t = thread_of(c->conn);
    atomic_store(&t->slow.event, true);
    reactor_wake(&t->net.reactor);
}

static void list(struct slow_thread *s, struct slow_client *c)
{
    c->next = NULL;
    c->link = s->last;
    *s->last = c;
    s->last = &c->next;
    s->waiting_count++;
}

static void unlist(struct slow_thread *s, struct slow_client *c)
{
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    else
        s->last = c->link;
    c->link = NULL;
    s->waiting_count--;
}

/* The client's next command waits; its waiter is registered. A slow command never runs alone: that
 * would be the stall that it must not cause. */
static void wait_for_pin(struct server_thread *t, struct slow_client *c, bool slow)
{
    uint64_t at = atomic_load_explicit(&c->conn->info.commands, memory_order_relaxed) + t->at;
    c->waits = c->waited_at == at ? c->waits + 1 : 1;
    c->waited_at = at;
    client_session(c->conn)->run_alone = !slow && c->waits >= WAITS_MAX;
    stat_bump(&t->slow.waits, 1);
    list(&t->slow, c);
    conn_leave(c->conn);
}

/* Whether the command may begin to wait for a key that it then empties into another one. */
static bool moves(const struct command *cmd)
{
    return cmd->flags & CMD_BLOCKING && cmd->flags & CMD_WRITE && cmd->key_spec_count > 1;
}

/* Serving those who wait for the command's keys may change more keys: their shards are held. */
static bool must_wait_to_serve(struct server_thread *t, struct slow_client *c)
{
    uint64_t hashes[WAIT_ALSO_MAX];
    int count = wait_here(&t->txn) ? blocked_targets(t, t->exec.cmd, hashes) : 0;
    for (int i = 0; i < count; i++)
        if (pins_wait(t->server->ks, &(struct key){.hash = hashes[i]}, &c->waiter, false))
            return true;
    return false;
}

/* A command of which the sources are only read waits for its destination; any other that writes,
 * for all its keys, and if it may become a waiter that moves things, for who stores there, too. */
static bool must_wait(struct server_thread *t, struct slow_client *c)
{
    const struct exec *ex = &t->exec;
    uint32_t first = 0, end = ex->key_count;
    bool targets = moves(ex->cmd);
    if (!(transaction_flags(ex->session, ex->cmd) & CMD_WRITE))
        return false;
    if (ex->cmd->flags & CMD_SLOW && ex->cmd->keys[0].flags & KEY_RO)
        first = 1;
    else if (ex->cmd->flags & CMD_SLOW)
        end = MIN(end, 1u);
    for (uint32_t i = first; i < end; i++)
        if (pins_wait(ex->txn->ks, &ex->keys[i], &c->waiter, targets))
            return true;
    return must_wait_to_serve(t, c);
}

/* Looking such a value up deletes members, which a pin forbids; without a pin it has no member that
 * expires, for only a write could add one. Such a command is a stall. */
static bool has_mortal_members(struct server_thread *t)
{
    struct ref ref;
    for (uint32_t i = 0; i < t->exec.key_count; i++)
        if (txn_find(&t->txn, &t->exec.keys[i], &ref) && ref.entry->flags & ENTRY_MEMBERS_EXPIRE)
            return true;
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
    if (has_mortal_members(t) || feeds_movers(t))
        return SLOW_RUN;
    if (!enter(t->server))
        return SLOW_BARRED;
    struct slow_job *j = job_create(t, c);
    if (unlikely(!j)) { /* no memory for a copy of the arguments */
        leave(t->server);
        return SLOW_RUN;
    }
    if (!pins_take(ks, j->command->keys, j->uses, j->command->key_count, &c->waiter)) {
        job_destroy(j);
        leave(t->server);
        wait_for_pin(t, c, true);
        return SLOW_WAIT;
    }
    prepare(j);
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

static uint64_t slow_limit(void)
{
    uint64_t threshold = server_settings.slow_command_threshold;
    return threshold ? threshold : UINT64_MAX;
}

enum slow_verdict slow_admit(struct server_thread *t, struct conn *conn)
{
    struct exec *ex = &t->exec;
    struct slow_client *c = client_slow(conn);
    if (ex->cmd->flags & CMD_SLOW && ex->key_count <= PIN_KEYS_MAX)
        ex->slow_limit = slow_limit();
    if (likely(!txn_meets_pins(ex->txn)) || !must_wait(t, c))
        return SLOW_RUN;
    wait_for_pin(t, c, false);
    txn_end(ex->txn, NULL, 0);
    return SLOW_WAIT;
}

enum slow_verdict slow_defer(struct server_thread *t, struct conn *conn)
{
    struct exec *ex = &t->exec;
    struct slow_client *c = client_slow(conn);
    ex->deferred = false;
    ex->slow_limit = UINT64_MAX;
    enum slow_verdict verdict = ex->cmd->flags & CMD_WALKS ? walk(t, c) : start(t, c);
    if (verdict != SLOW_RUN)
        txn_end(ex->txn, NULL, 0);
    if (c->job)
        c->job->lsn = ex->txn->lsn; /* it comes back to this thread, so not before */
    return verdict;
}

/* ---- the end ---- */

/* Nobody who waits for the result moves it on: see feeds_movers() and moves(). */
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
    pins_drop(t->server->ks, q->keys, j->uses, q->key_count); /* nobody gets past the locks */
    t->current = j->client ? j->client->conn : NULL;          /* who changes the key */
    publish_outcome(&ex, &j->outcome);
    t->current = NULL;
    j->outcome.root = NULL;
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
    if (session->reply_mode == REPLY_ON)
        conn_deliver(c->conn, output, lsn);
    else if (session->reply_mode == REPLY_SKIP)
        session->reply_mode = REPLY_ON;
}

/* Inside the gate. False: the last save is done, so the command does not happen any more. */
static bool take_effect(struct server_thread *t, struct slow_job *j)
{
    if (unlikely(persistence_has_ended(&t->server->persistence)))
        return false;
    if (j->outcome.stores)
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
        slow_answer(c, &j->output, j->lsn);
    }
    job_destroy(j);
    leave(t->server);
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

/* Resumes those who were woken; who has to wait again goes to the end of the list. */
static void resume_woken(struct server_thread *t)
{
    for (uint32_t left = t->slow.waiting_count; left; left--) {
        struct slow_client *c = t->slow.waiting;
        unlist(&t->slow, c);
        if (pins_is_waiting(t->server->ks, &c->waiter))
            list(&t->slow, c);
        else
            conn_return(c->conn);
    }
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
            came_back(NULL, &j->message);
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
        resume_woken(t);
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

void slow_unbar(struct server_thread *t)
{
    struct slow_state *s = &t->server->slow;
    if (!t->slow.barred)
        return;
    t->slow.barred = false;
    t->slow.barrer = NULL;
    if (atomic_fetch_sub(&s->bars, 1) == 1 && unlikely(atomic_load(&s->turned_away)) &&
        atomic_exchange(&s->turned_away, false))
        wake_all(t->server);
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
        pins_drop(t->server->ks, j->command->keys, j->uses, j->command->key_count);
        job_destroy(j);
    }
}

void slow_client_init(struct slow_client *c, struct conn *conn)
{
    c->conn = conn;
    c->waiter.wake = woken;
    c->waited_at = UINT64_MAX;
}

void slow_client_deinit(struct server_thread *t, struct slow_client *c)
{
    pins_forget(t->server->ks, &c->waiter);
    if (c->link)
        unlist(&t->slow, c);
    if (c->job)
        c->job->client = NULL;
    if (c->walk)
        slow_walk_forget(c->walk);
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
