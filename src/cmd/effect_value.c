#include "cmd/effect_value.h"

#include "store/rdb_value.h"

void effect_value(struct exec *ex, const struct key *key)
{
    char scratch[NUM_INT64_MAX_LEN];
    struct buf payload;
    struct ref ref;
    if (!txn_logs(ex->txn) || !ex->txn->dirty)
        return;
    if (!txn_find(ex->txn, key, &ref)) {
        effect_command(ex->txn, (struct slice[]){SLICE("DEL"), key->name}, 2);
        return;
    }
    if (entry_type(ref.entry) == TYPE_STRING) {
        struct slice text = entry_string(ref.entry, scratch);
        effect_command(ex->txn, (struct slice[]){SLICE("SET"), key->name, text}, 3);
        return;
    }
    buf_init(&payload, MEM_OTHER);
    if (rdb_payload_write(&payload, ref.entry))
        effect_command(ex->txn,
                       (struct slice[]){SLICE("RESTORE"), key->name, SLICE("0"),
                                        buf_slice(&payload), SLICE("REPLACE")},
                       5);
    buf_deinit(&payload);
}
