#include "server/big_keys.h"

#include "cmd/exec.h"
#include "server/server_internal.h"
#include "store/value.h"

#include <stdlib.h>

enum {
    STEP_MS = 100,
    STEP_BUCKETS = 128,
    SHOWN = 10,
    SHOWN_MAX = 1000
};

void big_keys_init(struct big_keys *b)
{
    top_init(&b->top, BIG_KEYS);
}

void big_keys_deinit(struct big_keys *b)
{
    top_deinit(&b->top);
}

/* ---- filling ---- */

/* Returns its bytes. */
static size_t note_entry(struct big_keys *b, int db, const struct entry *e, uint64_t hash)
{
    size_t bytes = entry_memory(e, BIG_KEY_SAMPLES);
    if (likely(bytes < BIG_KEY_BYTES))
        return bytes;
    lock_acquire(&b->lock);
    top_put(&b->top, db, entry_key(e), hash, (int64_t)bytes);
    lock_release(&b->lock);
    return bytes;
}

void big_keys_note(struct server_thread *t, int db, const struct key *keys, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct entry *e = txn_peek(&t->txn, db, &keys[i]);
        if (e)
            note_entry(&t->big, db, e, keys[i].hash);
    }
}

struct step {
    struct big_keys *big;
    int db;
};

static void visit(void *entry, void *arg)
{
    struct step *step = arg;
    size_t bytes = note_entry(step->big, step->db, entry, hash_slice(entry_key(entry)));
    key_census_count(&step->big->census, entry_type(entry), bytes);
}

/* The next of this reactor's shards; after the last, the next database that was ever used. */
static void advance(struct server_thread *t)
{
    struct big_keys *b = &t->big;
    const struct keyspace *ks = t->server->ks;
    b->cursor = 0;
    b->shard += t->server->thread_count;
    if (b->shard < ks->shard_count)
        return;
    b->shard = t->net.reactor.id;
    do
        b->db = (b->db + 1) % ks->db_count;
    while (b->db != 0 && keyspace_keys(ks, b->db) <= 0);
    if (b->db == 0)
        key_census_round(&b->census);
}

/* Returns the buckets that were looked at. */
static unsigned walk_shard(struct server_thread *t, unsigned most)
{
    struct big_keys *b = &t->big;
    struct step step = {b, b->db};
    const struct db *db = &t->server->ks->dbs[b->db];
    unsigned buckets = 0;
    if (!atomic_load_explicit(&db->parts, memory_order_acquire) ||
        !txn_try_shard(&t->txn, b->shard)) {
        advance(t);
        return 1;
    }
    const struct table *table = &db_part(db, b->shard)->table;
    do {
        if (table->used)
            b->cursor = table_scan(table, b->cursor, visit, &step);
        buckets++;
    } while (b->cursor && buckets < most);
    txn_unlock(&t->txn);
    if (!b->cursor)
        advance(t);
    return buckets;
}

void big_keys_walk(struct server_thread *t, int64_t now_ms)
{
    if (likely(now_ms < t->big.next_ms))
        return;
    t->big.next_ms = now_ms + STEP_MS;
    if (t->big.shard >= t->server->ks->shard_count) /* more reactors than shards */
        return;
    txn_begin(&t->txn, 0, false);
    for (unsigned seen = 0; seen < STEP_BUCKETS;)
        seen += walk_shard(t, STEP_BUCKETS - seen);
    key_census_step(&t->big.census);
}

/* ---- MEMORY BIGKEYS ---- */

struct big_key {
    struct top_item *item; /* a copy */
    int64_t bytes;         /* as it is now; 0: it is gone */
    uint64_t elements;
    const char *type;
};

static void collect(struct server_thread *t, struct buf *out)
{
    lock_acquire(&t->big.lock);
    for (uint32_t i = 0; i < top_len(&t->big.top); i++) {
        const struct top_item *item = top_at(&t->big.top, i);
        struct big_key key = {.item = mem_alloc(MEM_CLIENT, sizeof(*item) + item->len)};
        memcpy(key.item, item, sizeof(*item) + item->len);
        buf_append(out, &key, sizeof(key));
    }
    lock_release(&t->big.lock);
}

static void forget(const struct server *s, const struct top_item *item)
{
    for (unsigned i = 0; i < s->thread_count; i++) {
        struct big_keys *b = &s->threads[i]->big;
        lock_acquire(&b->lock);
        top_remove(&b->top, item->space, slice_make(item->name, item->len), item->hash);
        lock_release(&b->lock);
    }
}

/* As the key is now. A name that was cut is not found, and goes. */
static void look_again(struct exec *ex, struct big_key *k)
{
    struct key key = {slice_make(k->item->name, k->item->len), k->item->hash};
    txn_lock_shard(ex->txn, keyspace_shard_of(ex->txn->ks, key.hash));
    const struct entry *e = txn_peek(ex->txn, k->item->space, &key);
    if (e) {
        k->bytes = (int64_t)entry_memory(e, BIG_KEY_SAMPLES);
        k->elements = entry_len(e);
        k->type = value_type_name(entry_type(e));
    }
    txn_unlock(ex->txn);
    if (k->bytes < BIG_KEY_BYTES)
        forget(exec_thread(ex)->server, k->item);
}

static int by_name(const void *a, const void *b)
{
    const struct top_item *left = ((const struct big_key *)a)->item;
    const struct top_item *right = ((const struct big_key *)b)->item;
    if (left->hash != right->hash)
        return left->hash < right->hash ? -1 : 1;
    return (left->space > right->space) - (left->space < right->space);
}

static int largest_first(const void *a, const void *b)
{
    int64_t left = ((const struct big_key *)a)->bytes, right = ((const struct big_key *)b)->bytes;
    return (left < right) - (left > right);
}

/* Each key once, as it is now, the largest first; returns how many are there. */
static size_t refresh(struct exec *ex, struct big_key *keys, size_t count)
{
    size_t there = 0;
    if (!count)
        return 0;
    qsort(keys, count, sizeof(*keys), by_name);
    for (size_t i = 0; i < count; i++)
        if (!i || by_name(&keys[i - 1], &keys[i]) != 0)
            look_again(ex, &keys[i]);
    qsort(keys, count, sizeof(*keys), largest_first);
    while (there < count && keys[there].bytes >= BIG_KEY_BYTES)
        there++;
    return there;
}

static void reply_key(struct reply *r, const struct big_key *k)
{
    reply_map(r, 5);
    reply_bulk_cstr(r, "key");
    reply_bulk(r, slice_make(k->item->name, k->item->len));
    reply_bulk_cstr(r, "db");
    reply_int(r, k->item->space);
    reply_bulk_cstr(r, "type");
    reply_bulk_cstr(r, k->type);
    reply_bulk_cstr(r, "bytes");
    reply_int(r, k->bytes);
    reply_bulk_cstr(r, "elements");
    reply_int(r, (int64_t)k->elements);
}

static bool parse_count(struct exec *ex, int64_t *count)
{
    if (ex->argc == 2)
        return true;
    if (ex->argc != 4 || !arg_is(ex, 2, "count"))
        return fail_syntax(ex);
    return arg_int_range(ex, 3, 1, SHOWN_MAX, count, "ERR COUNT must be between 1 and 1000");
}

void cmd_memory_bigkeys(struct exec *ex)
{
    const struct server *s = exec_thread(ex)->server;
    int64_t shown = SHOWN;
    struct buf all;
    if (!parse_count(ex, &shown))
        return;
    buf_init(&all, MEM_CLIENT);
    for (unsigned i = 0; i < s->thread_count; i++)
        collect(s->threads[i], &all);
    struct big_key *keys = (struct big_key *)buf_ptr(&all);
    size_t count = buf_len(&all) / sizeof(*keys), there = refresh(ex, keys, count);
    there = MIN(there, (size_t)shown);
    reply_array(ex->reply, there);
    for (size_t i = 0; i < there; i++)
        reply_key(ex->reply, &keys[i]);
    for (size_t i = 0; i < count; i++)
        mem_free(MEM_CLIENT, keys[i].item, sizeof(*keys[i].item) + keys[i].item->len);
    buf_deinit(&all);
}
