/* call_keys.c: keys by the specs of a command; for EXEC, those of all its commands. */
#include "server/call_keys.h"

#include "cmd/transaction.h"

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

void call_keys_gather(struct server_thread *t, const struct command *cmd, const struct request *r)
{
    struct exec *ex = &t->exec;
    if (unlikely(cmd->id == CMD_ID_exec))
        collect_transaction(t);
    if (!cmd->key_spec_count)
        return;
    struct key_collector collector = {t, r->argv, 0};
    /* When it fails, the handler will say what is wrong with the arguments. */
    if (command_visit_keys(cmd, r->argv, r->argc, collect_key, &collector))
        ex->key_count = collector.count;
    ex->keys = t->keys;
}

COLD void call_keys_shrink(struct server_thread *t)
{
    mem_free(MEM_OTHER, t->keys, t->key_cap * sizeof(struct key));
    t->key_cap = CALL_KEYS_KEEP;
    t->keys = mem_alloc(MEM_OTHER, t->key_cap * sizeof(struct key));
}
