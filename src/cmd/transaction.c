#include "cmd/transaction.h"

#include "base/assert.h"

struct transaction *transaction_open(struct session *session)
{
    if (session->transaction)
        return session->transaction;
    struct transaction *x = mem_zalloc(MEM_CLIENT, sizeof(*x));
    x->tail = &x->first;
    x->watcher.touched = session->touched;
    session->transaction = x;
    return x;
}

void transaction_begin(struct session *session)
{
    transaction_open(session)->db = session->db;
    session->in_multi = true;
}

bool transaction_queues(const struct command *cmd)
{
    switch (cmd->id) {
    case CMD_ID_exec:
    case CMD_ID_discard:
    case CMD_ID_multi:
    case CMD_ID_watch:
    case CMD_ID_quit:
    case CMD_ID_reset:
        return false;
    default:
        return true;
    }
}

bool transaction_is_touched(const struct session *session)
{
    return atomic_load(session->touched);
}

bool transaction_is_alone(const struct session *session)
{
    return session->transaction && session->transaction->alone;
}

/* ---- the queue ---- */

static void count_key(void *arg, uint32_t index, uint16_t flags)
{
    *(uint32_t *)arg += !(flags & KEY_NOT_KEY);
}

static void add_key(void *arg, uint32_t index, uint16_t flags)
{
    struct queued_command *q = arg;
    if (!(flags & KEY_NOT_KEY))
        q->keys[q->key_count++] = key_make(q->argv[index]);
}

/* Like the planner: arguments that do not fit the key specs have no keys, and the handler will say
 * so. */
static uint32_t count_keys(const struct command *cmd, const struct slice *argv, uint32_t argc)
{
    uint32_t count = 0;
    if (!cmd->key_spec_count || !command_visit_keys(cmd, argv, argc, count_key, &count))
        return 0;
    return count;
}

static size_t total_len(const struct slice *argv, uint32_t argc)
{
    size_t len = 0;
    for (uint32_t i = 0; i < argc; i++)
        len += argv[i].len;
    return len;
}

/* The header, the argument slices, the keys, then the bytes of the arguments. */
struct queued_command *queued_command_create(const struct command *cmd, const struct slice *argv,
                                             uint32_t argc)
{
    uint32_t keys = count_keys(cmd, argv, argc);
    struct queued_command *q;
    size_t bytes =
        sizeof(*q) + argc * sizeof(*argv) + keys * sizeof(*q->keys) + total_len(argv, argc);
    q = mem_try_alloc(MEM_CLIENT, bytes);
    if (!q)
        return NULL;
    *q = (struct queued_command){.cmd = cmd, .argc = argc, .bytes = bytes};
    q->argv = (struct slice *)(q + 1);
    q->keys = (struct key *)(q->argv + argc);
    char *text = (char *)(q->keys + keys);
    for (uint32_t i = 0; i < argc; i++) {
        memcpy(text, argv[i].ptr, argv[i].len);
        q->argv[i] = slice_make(text, argv[i].len);
        text += argv[i].len;
    }
    if (keys)
        ASSERT(command_visit_keys(cmd, q->argv, argc, add_key, q));
    return q;
}

void queued_command_destroy(struct queued_command *q)
{
    if (q)
        mem_free(MEM_CLIENT, q, q->bytes);
}

bool transaction_add(struct session *session, const struct command *cmd, const struct slice *argv,
                     uint32_t argc)
{
    struct transaction *x = session->transaction;
    if (x->aborted || transaction_is_touched(session))
        return true;
    struct queued_command *q = queued_command_create(cmd, argv, argc);
    if (!q)
        return false;
    *x->tail = q;
    x->tail = &q->next;
    x->count++;
    x->key_count += q->key_count;
    x->flags |= command_flags(cmd, argv, argc);
    x->alone |= command_runs_alone(cmd, argv, argc) || cmd->flags & CMD_WALKS;
    x->bytes += q->bytes;
    x->argument_bytes += total_len(q->argv, argc);
    return true;
}

static void drop_queue(struct transaction *x)
{
    while (x->first) {
        struct queued_command *q = x->first;
        x->first = q->next;
        queued_command_destroy(q);
    }
    memset(x, 0, offsetof(struct transaction, watcher)); /* others may be reading the watcher */
    x->tail = &x->first;
}

void transaction_discard(struct txn *t, struct session *session)
{
    struct transaction *x = session->transaction;
    session->in_multi = false;
    if (!x)
        return;
    watch_clear(t, &x->watcher); /* first: until then other threads read the watcher */
    drop_queue(x);
}

void transaction_refuse(struct txn *t, struct session *session, const struct command *cmd)
{
    if (cmd && cmd->id == CMD_ID_exec)
        transaction_discard(t, session);
    else if (session->in_multi)
        session->transaction->aborted = true;
}

void transaction_destroy(struct txn *t, struct session *session)
{
    transaction_discard(t, session);
    mem_free(MEM_CLIENT, session->transaction, sizeof(struct transaction));
    session->transaction = NULL;
}

size_t transaction_bytes(const struct session *session)
{
    const struct transaction *x = session->transaction;
    return x ? x->bytes + x->watcher.bytes : 0;
}
