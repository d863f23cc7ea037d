/* MULTI, DISCARD, WATCH and UNWATCH. EXEC is in the server's folder: it locks for many commands and
 * counts them. */
#include "cmd/exec.h"
#include "cmd/transaction.h"

void cmd_multi(struct exec *ex)
{
    if (ex->session->in_multi) {
        fail(ex, "ERR MULTI calls can not be nested");
        return;
    }
    transaction_begin(ex->session);
    reply_ok(ex->reply);
}

void cmd_discard(struct exec *ex)
{
    if (!ex->session->in_multi) {
        fail(ex, "ERR DISCARD without MULTI");
        return;
    }
    transaction_discard(ex->txn, ex->session);
    reply_ok(ex->reply);
}

void cmd_watch(struct exec *ex)
{
    if (ex->session->in_multi) {
        fail(ex, "ERR WATCH inside MULTI is not allowed");
        return;
    }
    struct transaction *x = transaction_open(ex->session);
    for (uint32_t i = 0; i < ex->key_count && !transaction_is_touched(ex->session); i++)
        watch_add(ex->txn, &x->watcher, &ex->keys[i]);
    reply_ok(ex->reply);
}

void cmd_unwatch(struct exec *ex)
{
    if (ex->session->transaction)
        watch_clear(ex->txn, &ex->session->transaction->watcher);
    reply_ok(ex->reply);
}
