/* Commands on keys of any type. */
#include "cmd/exec.h"

void cmd_del(struct exec *ex)
{
    int64_t deleted = 0;
    for (uint32_t i = 0; i < ex->key_count; i++) {
        struct ref ref;
        if (!txn_find(ex->txn, &ex->keys[i], &ref))
            continue;
        txn_delete(ex->txn, &ref, false, "del");
        deleted++;
    }
    reply_int(ex->reply, deleted);
}
