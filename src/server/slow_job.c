#include "base/assert.h"
#include "base/clock.h"
#include "cmd/key_guard.h"
#include "server/slow_internal.h"
#include "store/value.h"

struct use_list {
    enum pin_use *next;
    bool *seen;
    enum pin_use target;
    bool writes; /* else all keys are read, whatever their flags: PFCOUNT's say that it may write */
};

/* A destination is seen when its old value matters, and nobody else may change that. */
static void note_use(void *arg, uint32_t index, uint16_t flags)
{
    struct use_list *uses = arg;
    (void)index;
    if (flags & KEY_NOT_KEY)
        return;
    bool target = uses->writes && !(flags & KEY_RO);
    *uses->next++ = target ? uses->target : PIN_READ;
    *uses->seen++ = !target || (uses->target == PIN_EDIT && flags & KEY_RW);
}

static void use_for_edit(struct slow_job *j, uint32_t edited)
{
    for (uint32_t i = 0; i < j->command->key_count; i++) {
        j->uses[i] = i == edited ? PIN_EDIT : PIN_READ;
        j->seen[i] = i != edited;
    }
}

struct slow_job *slow_job_create(struct server_thread *t, struct slow_client *client)
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
    j->seen = mem_alloc(MEM_OTHER, command->key_count * sizeof(*j->seen));
    j->entries = mem_zalloc(MEM_OTHER, command->key_count * sizeof(struct entry *));
    bool alone = ex->edits || ex->claims;
    struct use_list uses = {j->uses, j->seen, alone ? PIN_EDIT : PIN_TARGET,
                            ex->cmd->flags & CMD_WRITE};
    bool fits = command_visit_keys(ex->cmd, command->argv, command->argc, note_use, &uses);
    ASSERT(fits); /* the planner found these keys the same way */
    output_init(&j->output);
    j->claims = ex->claims;
    j->edits = ex->edits;
    if (j->edits)
        use_for_edit(j, ex->edited);
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

void slow_job_destroy(struct slow_job *j)
{
    uint32_t keys = j->command->key_count;
    ASSERT(!j->draft.husk);
    for (uint32_t i = 0; i < keys; i++)
        release_entry(j->entries[i]);
    if (j->outcome.root)
        value_release(j->outcome.type, j->outcome.encoding, j->outcome.root);
    if (j->outcome.copy)
        entry_destroy(j->outcome.copy);
    mem_free(MEM_OTHER, j->entries, keys * sizeof(struct entry *));
    mem_free(MEM_OTHER, j->uses, keys * sizeof(*j->uses));
    mem_free(MEM_OTHER, j->seen, keys * sizeof(*j->seen));
    queued_command_destroy(j->command);
    output_deinit(&j->output);
    buf_deinit(&j->txn.effects.text);
    mem_free_aligned(MEM_OTHER, j, sizeof(*j));
}

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
    key_guard_call(&j->exec);
    reply_end(&j->reply);
    j->cycles = clock_cycles() - started;
}

void slow_job_came_back(struct slow_job *j)
{
    struct slow_thread *s = &j->thread->slow;
    j->next_done = NULL;
    *s->done_last = j;
    s->done_last = &j->next_done;
}

static void came_back(void *receiver, struct message *self)
{
    (void)receiver;
    slow_job_came_back(container_of(self, struct slow_job, message));
}

static void run_job(struct job *self)
{
    struct slow_job *j = container_of(self, struct slow_job, job);
    struct server_thread *t = j->thread;
    struct server *s = t->server;
    if (!atomic_load_explicit(&s->stopping, memory_order_relaxed))
        compute(j);
    reactor_post(&t->net.reactor, &j->message);
    atomic_fetch_sub(&s->slow.computing, 1); /* the last that is touched */
}

/* What leads to the value, with the key's name, so that the entry itself may move and be touched. A
 * worker that makes a new value of it asks no snapshot about the old one: publishing does. */
static struct entry *capture(struct exec *ex, uint32_t at)
{
    struct ref ref;
    if (!txn_find(ex->txn, &ex->keys[at], &ref)) /* the handler has counted hits and misses */
        return NULL;
    const struct entry *e = ref.entry;
    bool direct = entry_type(e) == TYPE_STRING && entry_encoding(e) != ENC_BLOB;
    struct entry *husk = direct ? entry_copy(e, entry_key(e), false) : entry_husk(e);
    if (entry_type(e) == TYPE_STRING && !direct)
        blob_ref(entry_pointer(e));
    husk->flags = (uint8_t)((husk->flags & ~ENTRY_PARITY) | ex->txn->ks->parity);
    return husk;
}

void slow_job_prepare(struct slow_job *j)
{
    struct server_thread *t = j->thread;
    struct txn *from = &t->txn;
    for (uint32_t i = 0; i < j->command->key_count; i++)
        if (j->seen[i])
            j->entries[i] = capture(&t->exec, i);
    if (j->edits)
        draft_lend(from, &j->command->keys[t->exec.edited], &j->draft);
    j->db = from->db->id;
    j->view = (struct txn_view){j->command->keys, j->entries, j->command->key_count,
                                j->edits ? &j->draft : NULL, t->exec.edited};
    buf_init(&j->txn.effects.text, MEM_OTHER);
    rng_seed(&j->txn.rng, rng_next(&from->rng));
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
