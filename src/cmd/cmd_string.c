/* Commands on string values. */
#include "cmd/exec.h"

static void reply_string_entry(struct reply *r, const struct entry *e)
{
    char scratch[NUM_INT64_MAX_LEN];
    if (unlikely(entry_encoding(e) == ENC_BLOB))
        reply_bulk_blob(r, entry_pointer(e));
    else
        reply_bulk(r, entry_string(e, scratch));
}

HOT void cmd_get(struct exec *ex)
{
    struct ref ref;
    if (!read_typed(ex, 0, TYPE_STRING, &ref))
        return;
    if (ref.entry)
        reply_string_entry(ex->reply, ref.entry);
    else
        reply_null(ex->reply);
}

HOT void cmd_set(struct exec *ex)
{
    struct ref ref;
    if (ex->argc != 3) {
        fail_syntax(ex);
        return;
    }
    txn_find(ex->txn, &ex->keys[0], &ref);
    txn_set_string(ex->txn, &ref, ex->argv[2], TTL_NONE, "set");
    reply_ok(ex->reply);
}
