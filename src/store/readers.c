#include "store/readers.h"

#include "base/assert.h"
#include "base/sorted.h"

struct readers_table {
    struct table keys;
};

enum {
    FIRST_READERS = 2
};

static uint64_t readers_hash(const void *entry)
{
    return ((const struct readers *)entry)->hash;
}

static bool readers_equal(const void *entry, const void *key)
{
    const struct readers *r = entry;
    return slice_equal(slice_make(r->name, r->len), ((const struct key *)key)->name);
}

static struct readers_table *table_of(struct shard *s)
{
    return atomic_load_explicit(&s->readers, memory_order_relaxed);
}

static struct readers_table *open_table(struct shard *s)
{
    struct readers_table *table = table_of(s);
    if (table)
        return table;
    table = mem_zalloc(MEM_CLIENT, sizeof(*table));
    table_init(&table->keys);
    atomic_store_explicit(&s->readers, table, memory_order_relaxed);
    return table;
}

static void close_if_empty(struct shard *s)
{
    struct readers_table *table = table_of(s);
    if (table->keys.used)
        return;
    atomic_store_explicit(&s->readers, NULL, memory_order_relaxed);
    table_deinit(&table->keys, NULL, NULL);
    mem_free(MEM_CLIENT, table, sizeof(*table));
}

static struct readers *readers_create(const struct key *key)
{
    struct readers *r = mem_alloc(MEM_CLIENT, sizeof(*r) + key->name.len);
    *r = (struct readers){.hash = key->hash, .cap = FIRST_READERS, .len = key->name.len};
    r->numbers = mem_alloc(MEM_CLIENT, r->cap * sizeof(uint64_t));
    if (r->len)
        memcpy(r->name, key->name.ptr, r->len);
    return r;
}

void readers_destroy(struct readers *r)
{
    mem_free(MEM_CLIENT, r->numbers, r->cap * sizeof(uint64_t));
    mem_free(MEM_CLIENT, r, sizeof(*r) + r->len);
}

static bool number_is_before(const void *numbers, uint32_t at, const void *number)
{
    return ((const uint64_t *)numbers)[at] < *(const uint64_t *)number;
}

/* Where the number is, or belongs. */
static uint32_t position(const struct readers *r, uint64_t number)
{
    return sorted_place(r->numbers, r->count, &number, number_is_before);
}

static bool add_number(struct readers *r, uint64_t number)
{
    uint32_t at = position(r, number);
    if (at < r->count && r->numbers[at] == number)
        return false;
    if (r->count == r->cap) {
        r->numbers = mem_realloc(MEM_CLIENT, r->numbers, r->cap * sizeof(uint64_t),
                                 2 * (size_t)r->cap * sizeof(uint64_t));
        r->cap *= 2;
    }
    memmove(r->numbers + at + 1, r->numbers + at, (r->count - at) * sizeof(uint64_t));
    r->numbers[at] = number;
    r->count++;
    return true;
}

void readers_add(struct txn *t, const struct key *key, uint64_t number)
{
    struct shard *s = &t->ks->shards[keyspace_shard_of(t->ks, key->hash)];
    struct table *keys = &open_table(s)->keys;
    struct table_pos pos;
    struct readers *r = table_find(keys, key->hash, readers_equal, key, &pos);
    if (!r) {
        r = readers_create(key);
        table_insert(keys, key->hash, r, readers_hash);
        atomic_fetch_add_explicit(&t->ks->read_keys, 1, memory_order_relaxed);
    }
    if (add_number(r, number))
        atomic_fetch_add_explicit(&t->ks->readers, 1, memory_order_relaxed);
}

static void remove_at(struct keyspace *ks, struct shard *s, struct readers *r, struct table_pos pos)
{
    table_remove(&table_of(s)->keys, r->hash, pos, readers_hash);
    close_if_empty(s);
    atomic_fetch_sub_explicit(&ks->read_keys, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&ks->readers, r->count, memory_order_relaxed);
}

struct readers *readers_take(struct txn *t, const struct key *key)
{
    struct shard *s = &t->ks->shards[keyspace_shard_of(t->ks, key->hash)];
    struct readers_table *table = table_of(s);
    struct table_pos pos;
    struct readers *r =
        table ? table_find(&table->keys, key->hash, readers_equal, key, &pos) : NULL;
    if (r)
        remove_at(t->ks, s, r, pos);
    return r;
}

struct readers *readers_take_any(struct txn *t, unsigned shard)
{
    struct readers_table *table = table_of(&t->ks->shards[shard]);
    if (!table)
        return NULL;
    const struct readers *r = table_random(&table->keys, &t->rng);
    struct key key = {slice_make(r->name, r->len), r->hash};
    return readers_take(t, &key);
}

static void destroy_entry(void *entry, void *arg)
{
    (void)arg;
    readers_destroy(entry);
}

void readers_clear(struct keyspace *ks)
{
    for (unsigned i = 0; i < ks->shard_count; i++) {
        struct readers_table *table = table_of(&ks->shards[i]);
        if (!table)
            continue;
        atomic_store_explicit(&ks->shards[i].readers, NULL, memory_order_relaxed);
        table_deinit(&table->keys, destroy_entry, NULL);
        mem_free(MEM_CLIENT, table, sizeof(*table));
    }
    atomic_store_explicit(&ks->read_keys, 0, memory_order_relaxed);
    atomic_store_explicit(&ks->readers, 0, memory_order_relaxed);
}

struct sweep {
    struct txn *txn;
    bool (*is_gone)(void *arg, uint64_t number);
    void *arg;
    struct buf empty; /* struct readers *: keys that nobody reads any more */
};

static void sweep_key(void *entry, void *arg)
{
    struct readers *r = entry;
    struct sweep *sweep = arg;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < r->count; i++)
        if (!sweep->is_gone(sweep->arg, r->numbers[i]))
            r->numbers[kept++] = r->numbers[i];
    atomic_fetch_sub_explicit(&sweep->txn->ks->readers, r->count - kept, memory_order_relaxed);
    r->count = kept;
    if (!kept)
        buf_append(&sweep->empty, &r, sizeof(struct readers *));
}

void readers_sweep(struct txn *t, unsigned shard, bool (*is_gone)(void *arg, uint64_t number),
                   void *arg)
{
    struct sweep sweep = {t, is_gone, arg, {0}};
    struct table_iter it;
    struct readers *r;
    struct readers_table *table = table_of(&t->ks->shards[shard]);
    if (!table)
        return;
    buf_init(&sweep.empty, MEM_CLIENT);
    table_iter_init(&it, &table->keys);
    while ((r = table_iter_next(&it)))
        sweep_key(r, &sweep);
    for (size_t at = 0; at < buf_len(&sweep.empty); at += sizeof(struct readers *)) {
        memcpy(&r, buf_ptr(&sweep.empty) + at, sizeof(struct readers *));
        struct key key = {slice_make(r->name, r->len), r->hash};
        readers_destroy(readers_take(t, &key));
    }
    buf_deinit(&sweep.empty);
}
