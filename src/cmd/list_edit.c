#include "cmd/list_edit.h"

bool list_edit_elements_fit(struct exec *ex, uint32_t from)
{
    for (uint32_t i = from; i < ex->argc; i++)
        if (unlikely(ex->argv[i].len > PACKED_VALUE_MAX))
            return fail(ex, "ERR Element too large");
    return true;
}

void list_edit_commit_removal(struct exec *ex, struct ref *ref, enum event event)
{
    txn_commit(ex->txn, ref, event);
    if (unlikely(list_of(ref->entry)->len == 0))
        txn_delete_empty(ex->txn, ref);
    else
        list_shrunk(ref->entry);
}
