#include "persist/snapshot_items.h"

#include "base/assert.h"
#include "persist/rdb_writer.h"

enum {
    LATE_BYTES = 4 << 10, /* strings from here on are encoded without a lock */
    KEEP = 1 << 20,
};

void snapshot_items_init(struct snapshot_items *x)
{
    *x = (struct snapshot_items){.db = -1, .late_db = -1};
    buf_init(&x->items, MEM_OTHER);
    buf_init(&x->heads, MEM_OTHER);
}

static void drop_late(struct snapshot_items *x)
{
    for (size_t i = x->late_done; i < x->late_count; i++)
        blob_unref(x->late[i].blob);
    x->late_count = x->late_done = x->late_bytes = 0;
}

void snapshot_items_deinit(struct snapshot_items *x)
{
    drop_late(x);
    mem_free(MEM_OTHER, x->late, x->late_cap * sizeof(*x->late));
    buf_deinit(&x->items);
    buf_deinit(&x->heads);
    snapshot_items_init(x);
}

static void select_db(struct buf *out, int *current, int db)
{
    if (*current != db)
        rdb_put_select(out, db);
    *current = db;
}

static void add_late(struct snapshot_items *x, struct blob *blob)
{
    if (x->late_count == x->late_cap) {
        size_t cap = MAX(x->late_cap * 2, (size_t)16);
        x->late =
            mem_realloc(MEM_OTHER, x->late, x->late_cap * sizeof(*x->late), cap * sizeof(*x->late));
        x->late_cap = cap;
    }
    blob_ref(blob);
    x->late_bytes += blob->len;
    x->late[x->late_count++] = (struct snapshot_late){blob, buf_len(&x->heads)};
}

void snapshot_items_add(struct snapshot_items *x, int db, const struct entry *e, int64_t now_ms,
                        unsigned rdb_version)
{
    x->keys++;
    if (entry_encoding(e) == ENC_BLOB && entry_string_len(e) >= LATE_BYTES) {
        select_db(&x->heads, &x->late_db, db);
        rdb_put_entry_head(&x->heads, e, now_ms);
        add_late(x, entry_pointer(e));
        return;
    }
    select_db(&x->items, &x->db, db);
    bool written = rdb_put_entry(&x->items, e, now_ms, rdb_version);
    ASSERT(written); /* every type has a form */
}

void snapshot_items_database(struct snapshot_items *x, int db, uint64_t keys, uint64_t expires)
{
    rdb_put_database(&x->items, db, keys, expires);
    x->db = db;
}

bool snapshot_items_encode(struct snapshot_items *x, size_t enough)
{
    while (x->late_done < x->late_count && (!buf_len(&x->items) || buf_len(&x->items) < enough)) {
        size_t from = x->late_done ? x->late[x->late_done - 1].head : 0;
        const struct snapshot_late *l = &x->late[x->late_done++];
        buf_append(&x->items, buf_ptr(&x->heads) + from, l->head - from);
        rdb_put_text(&x->items, slice_make(l->blob->bytes, l->blob->len));
        x->late_bytes -= l->blob->len;
        blob_unref(l->blob);
    }
    return x->late_done < x->late_count;
}

void snapshot_items_clear(struct snapshot_items *x)
{
    drop_late(x);
    buf_clear(&x->items);
    buf_clear(&x->heads);
    buf_shrink(&x->items, KEEP);
    buf_shrink(&x->heads, KEEP);
    x->db = x->late_db = -1;
    x->keys = 0;
}

size_t snapshot_items_bytes(const struct snapshot_items *x)
{
    return buf_len(&x->items) + buf_len(&x->heads) + x->late_bytes;
}
