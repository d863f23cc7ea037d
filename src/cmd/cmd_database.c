/* Commands on whole databases. */
#include "cmd/exec.h"
#include "store/settings.h"

void cmd_dbsize(struct exec *ex)
{
    reply_int(ex->reply, keyspace_keys(ex->txn->ks, ex->txn->db->id));
}

static bool flush_mode(struct exec *ex, bool *lazy)
{
    *lazy = store_settings.lazyfree_lazy_user_flush;
    if (ex->argc == 1)
        return true;
    *lazy = arg_is(ex, 1, "async");
    if (ex->argc > 2 || (!*lazy && !arg_is(ex, 1, "sync")))
        return fail_syntax(ex);
    return true;
}

void cmd_flushdb(struct exec *ex)
{
    bool lazy;
    if (!flush_mode(ex, &lazy))
        return;
    txn_flush(ex->txn, ex->txn->db->id, lazy);
    reply_ok(ex->reply);
}

void cmd_flushall(struct exec *ex)
{
    bool lazy;
    if (!flush_mode(ex, &lazy))
        return;
    txn_flush(ex->txn, -1, lazy);
    if (keyspace_flushed_all)
        keyspace_flushed_all();
    reply_ok(ex->reply);
}

void cmd_swapdb(struct exec *ex)
{
    static const char *const errors[] = {"ERR invalid first DB index",
                                         "ERR invalid second DB index"};
    int64_t db[2];
    for (uint32_t i = 0; i < 2; i++)
        if (!arg_int_range(ex, i + 1, INT32_MIN, INT32_MAX, &db[i], errors[i]))
            return;
    for (int i = 0; i < 2; i++)
        if (db[i] < 0 || db[i] >= ex->txn->ks->db_count) {
            reply_error(ex->reply, "ERR DB index is out of range");
            return;
        }
    txn_swap(ex->txn, (int)db[0], (int)db[1]);
    reply_ok(ex->reply);
}
