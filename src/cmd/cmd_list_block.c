/* The commands on lists that wait for an element. */
#include "cmd/blocking.h"
#include "cmd/list_edit.h"

/* The log gets what happened: a replay does not wait. */
static void log_pop(struct exec *ex, struct slice key, enum deque_end end)
{
    effect_command(ex->txn,
                   (struct slice[]){end == DEQUE_HEAD ? SLICE("LPOP") : SLICE("RPOP"), key}, 2);
}

static void wait_for_list(struct exec *ex, uint32_t keys, int64_t timeout_ms)
{
    blocking_wait(ex, &(struct blocking){.key_count = keys,
                                         .ready = blocking_list_ready,
                                         .timeout_ms = timeout_ms});
}

/* Finds the first of the keys that is a list: ref->entry NULL if none is. False: answered. */
static bool find_first(struct exec *ex, struct ref *ref)
{
    ref->entry = NULL;
    for (uint32_t i = 0; i < ex->key_count && !ref->entry; i++)
        if (!blocking_find(ex, i, TYPE_LIST, ref))
            return false;
    return true;
}

static void block_pop(struct exec *ex, enum deque_end end)
{
    struct ref ref;
    int64_t timeout_ms;
    if (!blocking_timeout(ex, ex->argc - 1, &timeout_ms) || !find_first(ex, &ref))
        return;
    if (ref.entry) {
        reply_array(ex->reply, 2);
        reply_bulk(ex->reply, ref.key->name);
        log_pop(ex, ref.key->name, end);
        list_edit_pop(ex, &ref, end);
    } else if (blocking_may_wait(ex)) {
        wait_for_list(ex, ex->key_count, timeout_ms);
    } else {
        reply_null_array(ex->reply);
    }
}

void cmd_blpop(struct exec *ex)
{
    block_pop(ex, DEQUE_HEAD);
}

void cmd_brpop(struct exec *ex)
{
    block_pop(ex, DEQUE_TAIL);
}

void cmd_blmpop(struct exec *ex)
{
    struct list_edit_mpop args;
    struct ref ref;
    int64_t timeout_ms;
    if (!list_edit_parse_mpop(ex, 2, &args) || !blocking_timeout(ex, 1, &timeout_ms) ||
        !find_first(ex, &ref))
        return;
    if (ref.entry && list_edit_defer_mpop(ex, &ref, &args))
        return;
    if (ref.entry)
        list_edit_mpop(ex, &ref, &args);
    else if (blocking_may_wait(ex))
        wait_for_list(ex, ex->key_count, timeout_ms);
    else
        reply_null_array(ex->reply);
}

/* ---- moves: they wait for the first key and need the second ---- */

static void log_move(struct exec *ex)
{
    if (ex->cmd->id == CMD_ID_brpoplpush)
        effect_command(ex->txn, (struct slice[]){SLICE("RPOPLPUSH"), ex->argv[1], ex->argv[2]}, 3);
    else
        effect_command(
            ex->txn,
            (struct slice[]){SLICE("LMOVE"), ex->argv[1], ex->argv[2], ex->argv[3], ex->argv[4]},
            5);
}

static void block_move(struct exec *ex, enum deque_end from, enum deque_end to, int64_t timeout_ms)
{
    struct ref source;
    if (!blocking_find(ex, 0, TYPE_LIST, &source))
        return;
    if (source.entry) {
        if (list_edit_move(ex, &source, from, to))
            log_move(ex);
    } else if (blocking_may_wait(ex)) {
        wait_for_list(ex, 1, timeout_ms);
    } else {
        reply_null(ex->reply);
    }
}

void cmd_blmove(struct exec *ex)
{
    enum deque_end from, to;
    int64_t timeout_ms;
    if (list_edit_arg_end(ex, 3, &from) && list_edit_arg_end(ex, 4, &to) &&
        blocking_timeout(ex, 5, &timeout_ms))
        block_move(ex, from, to, timeout_ms);
}

void cmd_brpoplpush(struct exec *ex)
{
    int64_t timeout_ms;
    if (blocking_timeout(ex, 3, &timeout_ms))
        block_move(ex, DEQUE_TAIL, DEQUE_HEAD, timeout_ms);
}
