#include "cmd/blocking.h"

#include "base/assert.h"

#include <math.h>

/* ---- timeouts ---- */

/* The end of the wait must be a time. */
static bool check_timeout(struct exec *ex, int64_t timeout_ms)
{
    int64_t end_ms;
    if (timeout_ms < 0)
        return fail(ex, "ERR timeout is negative");
    return !ckd_add(&end_ms, ex->txn->now_ms, timeout_ms) ||
           fail(ex, "ERR timeout is out of range");
}

bool blocking_timeout(struct exec *ex, uint32_t index, int64_t *timeout_ms)
{
    long double seconds;
    if (!num_parse_long_double(ex->argv[index], &seconds))
        return fail(ex, "ERR timeout is not a float or out of range");
    long double ms = ceill(seconds * 1000);
    if (ms >= 0x1p63L)
        return fail(ex, "ERR timeout is out of range");
    *timeout_ms = ms < -0x1p63L ? INT64_MIN : (int64_t)ms;
    return check_timeout(ex, *timeout_ms);
}

bool blocking_timeout_ms(struct exec *ex, uint32_t index, int64_t *timeout_ms)
{
    return arg_int(ex, index, timeout_ms, "ERR timeout is not an integer or out of range") &&
           check_timeout(ex, *timeout_ms);
}

/* ---- waiting ---- */

static struct blocked *create(struct exec *ex, const struct blocking *how)
{
    const struct slice *argv = how->argv ? how->argv : ex->argv;
    struct queued_command *command = queued_command_create(ex->cmd, argv, ex->argc);
    struct blocked *b =
        command ? mem_try_alloc(MEM_CLIENT, sizeof(*b) + how->key_count * sizeof(b->nodes[0]))
                : NULL;
    if (!b) {
        queued_command_destroy(command);
        return NULL;
    }
    *b = (struct blocked){.command = command,
                          .timeout_ms = how->timeout_ms,
                          .answer = how->answer,
                          .proto = ex->reply->proto,
                          .session_id = ex->session->id,
                          .no_touch = ex->session->no_touch};
    b->waiter.db = ex->session->db;
    b->waiter.keys = command->keys;
    b->waiter.key_count = how->key_count;
    b->waiter.also_count = command->key_count - how->key_count;
    b->waiter.ready = how->ready;
    b->waiter.on_missing = how->on_missing;
    b->waiter.nodes = b->nodes;
    return b;
}

void blocking_wait(struct exec *ex, const struct blocking *how)
{
    ASSERT(!ex->served && !ex->in_exec && !ex->outcome);
    struct blocked *b = create(ex, how);
    if (!b) {
        fail(ex, "OOM no memory to wait");
        return;
    }
    wait_join(ex->txn, &b->waiter);
    ex->blocked = b;
}

void blocking_destroy(struct blocked *b)
{
    queued_command_destroy(b->command);
    mem_free(MEM_CLIENT, b, sizeof(*b) + b->waiter.key_count * sizeof(b->nodes[0]));
}

/* ---- being served ---- */

bool blocking_find(struct exec *ex, uint32_t i, enum value_type type, struct ref *ref)
{
    if (likely(!ex->served))
        return find_typed(ex, i, type, ref);
    *ref = (struct ref){.key = &ex->keys[i]};
    if (!blocking_sees(ex, i))
        return true;
    if (txn_find(ex->txn, &ex->keys[i], ref) && entry_type(ref->entry) != type)
        ref->entry = NULL;
    return true;
}

bool blocking_list_ready(struct txn *t, const struct waiter *w, uint32_t key, const struct ref *ref)
{
    return ref->entry && entry_type(ref->entry) == TYPE_LIST;
}

bool blocking_zset_ready(struct txn *t, const struct waiter *w, uint32_t key, const struct ref *ref)
{
    return ref->entry && entry_type(ref->entry) == TYPE_ZSET;
}
