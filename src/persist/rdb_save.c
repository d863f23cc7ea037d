#include "persist/rdb_save.h"

#include "base/assert.h"

static void save_part(struct rdb_writer *w, int db, const struct part *part, int64_t now_ms)
{
    struct table_iter it;
    const struct entry *e;
    table_iter_init(&it, &part->table);
    while ((e = table_iter_next(&it))) {
        bool written = rdb_writer_entry(w, db, e, now_ms);
        ASSERT(written); /* every type has a form */
        rdb_writer_flush(w);
    }
}

enum err rdb_save(struct keyspace *ks, struct rdb_writer *w, const struct rdb_head *head,
                  int64_t now_ms)
{
    rdb_writer_head(w, head);
    for (int i = 0; i < ks->db_count && !w->error; i++) {
        const struct db *db = &ks->dbs[i];
        uint64_t keys = (uint64_t)keyspace_keys(ks, i);
        if (!keys)
            continue;
        rdb_writer_database(w, i, keys, (uint64_t)keyspace_expires(ks, i));
        for (unsigned shard = 0; shard < ks->shard_count && !w->error; shard++)
            save_part(w, i, db_part(db, shard), now_ms);
    }
    return rdb_writer_commit(w);
}
