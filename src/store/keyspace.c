#include "store/keyspace.h"

#include "base/assert.h"
#include "store/txn.h"
#include "store/value.h"

enum {
    FREE_LATER_EFFORT = 64
}; /* larger collections are freed by the worker pool */

void (*keyspace_free_later)(struct entry *e);
void (*keyspace_flushed_all)(void);
void (*keyspace_free_parts_later)(struct part *parts, unsigned count);

struct keyspace *keyspace_create(unsigned shards, int databases)
{
    ASSERT(shards >= 2 && shards <= SHARDS_MAX && (shards & (shards - 1)) == 0);
    struct keyspace *ks = mem_alloc_aligned(MEM_OTHER, sizeof(*ks));
    ks->shard_count = shards;
    ks->shard_bits = (unsigned)__builtin_ctz(shards);
    ks->shard_shift = 64 - ks->shard_bits;
    ks->shards = mem_alloc_aligned(MEM_OTHER, shards * sizeof(struct shard));
    ks->owed = mem_zalloc(MEM_OTHER, shards * sizeof(*ks->owed));
    for (unsigned i = 0; i < shards; i++)
        atomic_init(&ks->shards[i].next_expire_ms, INT64_MAX);
    ks->db_count = databases;
    ks->dbs = mem_zalloc(MEM_OTHER, (size_t)databases * sizeof(struct db));
    for (int i = 0; i < databases; i++) {
        ks->dbs[i].id = i;
        ks->dbs[i].nonempty = mem_zalloc(MEM_OTHER, MAX(shards, 64u) / 8);
    }
    for (unsigned i = 0; i < GATES_MAX; i++)
        ks->stats[i].counts = mem_zalloc(MEM_OTHER, (size_t)databases * sizeof(struct key_counts));
    keyspace_db(ks, 0);
    return ks;
}

static struct part *parts_create(const struct keyspace *ks)
{
    return mem_alloc_aligned(MEM_OTHER, ks->shard_count * sizeof(struct part));
}

COLD struct db *keyspace_make_db(struct keyspace *ks, int id)
{
    struct db *db = &ks->dbs[id];
    struct part *fresh = parts_create(ks), *none = NULL;
    if (!atomic_compare_exchange_strong(&db->parts, &none, fresh))
        mem_free_aligned(MEM_OTHER, fresh, ks->shard_count * sizeof(struct part));
    return db;
}

static void destroy_visit(void *entry, void *arg)
{
    entry_destroy(entry);
}

void keyspace_free_parts(struct part *parts, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        table_deinit(&parts[i].table, destroy_visit, NULL);
        heap_deinit(&parts[i].expires, MEM_DATA);
        heap_deinit(&parts[i].member_expires, MEM_DATA);
    }
    mem_free_aligned(MEM_OTHER, parts, count * sizeof(struct part));
}

void keyspace_destroy(struct keyspace *ks)
{
    for (int i = 0; i < ks->db_count; i++) {
        if (ks->dbs[i].parts)
            keyspace_free_parts(ks->dbs[i].parts, ks->shard_count);
        mem_free(MEM_OTHER, ks->dbs[i].nonempty, MAX(ks->shard_count, 64u) / 8);
    }
    for (unsigned i = 0; i < GATES_MAX; i++)
        mem_free(MEM_OTHER, ks->stats[i].counts, (size_t)ks->db_count * sizeof(struct key_counts));
    effect_forget_owed(ks);
    mem_free(MEM_OTHER, ks->owed, ks->shard_count * sizeof(*ks->owed));
    mem_free(MEM_OTHER, ks->dbs, (size_t)ks->db_count * sizeof(struct db));
    mem_free_aligned(MEM_OTHER, ks->shards, ks->shard_count * sizeof(struct shard));
    mem_free_aligned(MEM_OTHER, ks, sizeof(*ks));
}

static uint64_t nonempty_word(const struct db *db, unsigned word)
{
    return atomic_load_explicit(&db->nonempty[word], memory_order_relaxed);
}

int db_next_nonempty(const struct keyspace *ks, const struct db *db, unsigned from)
{
    if (from >= ks->shard_count)
        return -1;
    unsigned word = from / 64;
    uint64_t bits = nonempty_word(db, word) & (~(uint64_t)0 << (from % 64));
    while (!bits) {
        if (++word * 64 >= ks->shard_count)
            return -1;
        bits = nonempty_word(db, word);
    }
    return (int)(word * 64) + __builtin_ctzll(bits);
}

int db_random_nonempty(const struct keyspace *ks, const struct db *db, struct rng *rng)
{
    uint64_t total = 0;
    for (unsigned word = 0; word * 64 < ks->shard_count; word++)
        total += (unsigned)__builtin_popcountll(nonempty_word(db, word));
    if (total == 0)
        return -1;
    uint64_t skip = rng_below(rng, total);
    int shard = db_next_nonempty(ks, db, 0);
    for (; skip && shard >= 0; skip--)
        shard = db_next_nonempty(ks, db, (unsigned)shard + 1);
    return shard >= 0 ? shard : db_next_nonempty(ks, db, 0); /* some became empty meanwhile */
}

int64_t keyspace_keys(const struct keyspace *ks, int db)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < GATES_MAX; i++)
        sum += atomic_load_explicit(&ks->stats[i].counts[db].keys, memory_order_relaxed);
    return MAX(sum, 0);
}

int64_t keyspace_expires(const struct keyspace *ks, int db)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < GATES_MAX; i++)
        sum += atomic_load_explicit(&ks->stats[i].counts[db].expires, memory_order_relaxed);
    return MAX(sum, 0);
}

int64_t keyspace_member_expires(const struct keyspace *ks, int db)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < GATES_MAX; i++)
        sum += atomic_load_explicit(&ks->stats[i].counts[db].member_expires, memory_order_relaxed);
    return MAX(sum, 0);
}

int64_t keyspace_all_keys(const struct keyspace *ks)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < MAX(ks->gates.count, 1u); i++)
        for (int db = 0; db < ks->db_count; db++)
            sum += atomic_load_explicit(&ks->stats[i].counts[db].keys, memory_order_relaxed);
    return MAX(sum, 0);
}

uint64_t keyspace_stat(const struct keyspace *ks, enum store_stat which)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < GATES_MAX; i++)
        sum += atomic_load_explicit(&ks->stats[i].value[which], memory_order_relaxed);
    return sum;
}

static bool has_pointer(const struct entry *e)
{
    enum encoding encoding = entry_encoding(e);
    return encoding != ENC_INLINE && encoding != ENC_INT;
}

void entry_destroy(struct entry *e)
{
    if (has_pointer(e))
        value_ops[entry_type(e)]->destroy(entry_encoding(e), entry_pointer(e));
    entry_free(e);
}

size_t entry_free_effort(const struct entry *e)
{
    if (!has_pointer(e))
        return 1;
    return value_ops[entry_type(e)]->effort(entry_encoding(e), entry_pointer(e));
}

static _Atomic int64_t freeing_jobs, freeing_bytes;

void keyspace_freeing(int64_t jobs, int64_t bytes)
{
    atomic_fetch_add_explicit(&freeing_jobs, jobs, memory_order_relaxed);
    atomic_fetch_add_explicit(&freeing_bytes, bytes, memory_order_relaxed);
}

int64_t keyspace_freeing_jobs(void)
{
    return atomic_load_explicit(&freeing_jobs, memory_order_relaxed);
}

int64_t keyspace_freeing_bytes(void)
{
    return atomic_load_explicit(&freeing_bytes, memory_order_relaxed);
}

void entry_release(struct entry *e, bool lazy)
{
    /* Even without lazy, a very large value is not freed under a lock: nobody can tell the
     * difference. */
    if (keyspace_free_later && has_pointer(e) && entry_free_effort(e) > FREE_LATER_EFFORT)
        keyspace_free_later(e);
    else
        entry_destroy(e);
}

void value_release(enum value_type type, enum encoding encoding, void *root)
{
    /* The value leaves in an entry of its own, so that it can go to the pool like any other. */
    struct value_shape shape = {encoding, 8, 0};
    struct entry *husk = entry_create(SLICE(""), type, shape, false);
    entry_set_pointer(husk, root);
    entry_release(husk, true);
}

static void reset_counts(struct keyspace *ks, int db)
{
    for (unsigned i = 0; i < GATES_MAX; i++) {
        atomic_store_explicit(&ks->stats[i].counts[db].keys, 0, memory_order_relaxed);
        atomic_store_explicit(&ks->stats[i].counts[db].expires, 0, memory_order_relaxed);
        atomic_store_explicit(&ks->stats[i].counts[db].member_expires, 0, memory_order_relaxed);
    }
}

void keyspace_flush(struct keyspace *ks, int db, bool lazy)
{
    struct part *old = ks->dbs[db].parts;
    if (!old || keyspace_keys(ks, db) == 0)
        return;
    atomic_store_explicit(&ks->dbs[db].parts, parts_create(ks), memory_order_release);
    memset((void *)ks->dbs[db].nonempty, 0, MAX(ks->shard_count, 64u) / 8);
    reset_counts(ks, db);
    if (ks->snapshot && ks->snapshot->detach(ks->snapshot, old))
        return;
    if (keyspace_free_parts_later && lazy)
        keyspace_free_parts_later(old, ks->shard_count);
    else
        keyspace_free_parts(old, ks->shard_count);
}

void keyspace_swap(struct keyspace *ks, int a, int b)
{
    struct db *x = keyspace_db(ks, a), *y = keyspace_db(ks, b);
    struct part *parts = x->parts;
    x->parts = y->parts;
    y->parts = parts;
    _Atomic uint64_t *nonempty = x->nonempty;
    x->nonempty = y->nonempty;
    y->nonempty = nonempty;
    for (unsigned i = 0; i < GATES_MAX && a != b; i++) {
        struct key_counts *c = ks->stats[i].counts;
        int64_t keys = c[a].keys, expires = c[a].expires, members = c[a].member_expires;
        c[a].keys = c[b].keys;
        c[a].expires = c[b].expires;
        c[a].member_expires = c[b].member_expires;
        c[b].keys = keys;
        c[b].expires = expires;
        c[b].member_expires = members;
    }
}
