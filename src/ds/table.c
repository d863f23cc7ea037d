#include "ds/table.h"

#include "base/assert.h"

enum {
    SHRINK_PERCENT = 13,               /* below this fill the array is halved at least */
    MAPPED_LOG2 = 12,                  /* arrays from here on (256 KB) are pages of their own … */
    RELEASE_BUCKETS = 1 << MAPPED_LOG2 /* … and go back in such pieces while they are emptied */
};

static uint64_t array_len(const struct table *t, int array)
{
    return t->buckets[array] ? (uint64_t)1 << t->log2[array] : 0;
}

static struct table_bucket *array_alloc(uint8_t log2)
{
    size_t size = sizeof(struct table_bucket) << log2;
    return log2 >= MAPPED_LOG2 ? mem_map(MEM_DATA, size) : mem_zalloc(MEM_DATA, size);
}

/* Relaxed atomics: table_prefetch_bucket() of another thread may read them. */
static void set_array(struct table *t, struct table_bucket *buckets, uint8_t log2)
{
    __atomic_store_n(&t->buckets[0], buckets, __ATOMIC_RELAXED);
    __atomic_store_n(&t->log2[0], log2, __ATOMIC_RELAXED);
}

static void array_free(struct table *t, int array)
{
    size_t size = sizeof(struct table_bucket) << t->log2[array];
    if (t->log2[array] >= MAPPED_LOG2)
        mem_unmap(MEM_DATA, t->buckets[array], size);
    else
        mem_free(MEM_DATA, t->buckets[array], size);
    if (array == 0)
        set_array(t, NULL, 0);
    else
        t->buckets[1] = NULL;
}

/* The buckets before rehash_at are empty: a large array does not wait for its last one to be moved,
 * so that growth costs little more memory than the new array, and no long munmap() at its end. */
static void release_moved(struct table *t)
{
    if (unlikely(t->rehash_at % RELEASE_BUCKETS == 0) && t->log2[0] >= MAPPED_LOG2)
        mem_unmap_part(&t->buckets[0][t->rehash_at - RELEASE_BUCKETS],
                       RELEASE_BUCKETS * sizeof(struct table_bucket));
}

static void bucket_put(struct table_bucket *b, unsigned slot, uint8_t fingerprint, void *entry)
{
    b->fingerprints[slot] = fingerprint;
    table_pos_set((struct table_pos){b, slot}, entry);
}

/* The last bucket of a chain: the only one that may have room. */
static struct table_bucket *chain_tail(struct table_bucket *b, struct table_bucket **parent)
{
    *parent = NULL;
    while (b->meta & TABLE_CHAINED) {
        *parent = b;
        b = table_child(b);
    }
    return b;
}

static struct table_pos chain_insert(struct table_bucket *b, uint8_t fingerprint, void *entry)
{
    struct table_bucket *parent;
    b = chain_tail(b, &parent);
    unsigned count = table_bucket_count(b);
    if (unlikely(count == TABLE_SLOTS)) {
        struct table_bucket *child = mem_zalloc(MEM_DATA, sizeof(*child));
        unsigned last = TABLE_SLOTS - 1;
        bucket_put(child, 0, b->fingerprints[last], table_pos_get((struct table_pos){b, last}));
        bucket_put(b, last, 0, child);
        b->meta = TABLE_CHAINED | (TABLE_SLOTS - 1);
        child->meta = 1;
        b = child;
        count = 1;
    }
    bucket_put(b, count, fingerprint, entry);
    b->meta++;
    return (struct table_pos){b, count};
}

static void chain_free(struct table_bucket *head)
{
    struct table_bucket *b = head->meta & TABLE_CHAINED ? table_child(head) : NULL;
    while (b) {
        struct table_bucket *next = b->meta & TABLE_CHAINED ? table_child(b) : NULL;
        mem_free(MEM_DATA, b, sizeof(*b));
        b = next;
    }
    head->meta = 0;
}

static void resize(struct table *t, uint8_t log2)
{
    DASSERT(!table_rehashing(t));
    t->buckets[1] = array_alloc(log2);
    t->log2[1] = log2;
    t->rehash_at = 0;
}

static void shrink_if_sparse(struct table *t);

static void finish_rehash(struct table *t)
{
    array_free(t, 0);
    set_array(t, t->buckets[1], t->log2[1]);
    t->buckets[1] = NULL;
    shrink_if_sparse(t); /* of what was removed meanwhile nobody else will think */
}

bool table_step(struct table *t, table_hash_fn hash_of)
{
    if (likely(!table_rehashing(t)))
        return false;
    struct table_bucket *head = &t->buckets[0][t->rehash_at];
    for (struct table_bucket *b = head;;) {
        for (unsigned i = 0; i < table_bucket_count(b); i++) {
            void *entry = table_pos_get((struct table_pos){b, i});
            chain_insert(table_bucket_of(t, 1, hash_of(entry)), b->fingerprints[i], entry);
        }
        if (!(b->meta & TABLE_CHAINED))
            break;
        b = table_child(b);
    }
    chain_free(head);
    if (++t->rehash_at == array_len(t, 0))
        finish_rehash(t);
    else
        release_moved(t);
    return true;
}

static void grow_if_full(struct table *t)
{
    if (unlikely(!t->buckets[0])) {
        set_array(t, array_alloc(0), 0);
        return;
    }
    if (unlikely(t->used >= array_len(t, 0) * TABLE_SLOTS) && !table_rehashing(t))
        resize(t, (uint8_t)(t->log2[0] + 1));
}

struct table_pos table_insert(struct table *t, uint64_t hash, void *entry, table_hash_fn hash_of)
{
    table_step(t, hash_of);
    grow_if_full(t);
    int array = table_rehashing(t);
    t->used++;
    return chain_insert(table_bucket_of(t, array, hash), table_fingerprint(hash), entry);
}

static void shrink_if_sparse(struct table *t)
{
    if (t->used == 0) {
        if (table_rehashing(t))
            array_free(t, 1);
        array_free(t, 0);
        return;
    }
    uint64_t slots = array_len(t, 0) * TABLE_SLOTS;
    if (table_rehashing(t) || t->log2[0] == 0 || t->used * 100 >= slots * SHRINK_PERCENT)
        return;
    uint8_t log2 = 0;
    while (((uint64_t)TABLE_SLOTS << log2) * 3 / 4 < t->used)
        log2++;
    if (log2 < t->log2[0])
        resize(t, log2);
}

/* Fills the hole with the chain's last entry, so that chains stay dense. */
static void chain_remove(struct table_bucket *head, struct table_pos pos)
{
    struct table_bucket *parent, *tail = chain_tail(head, &parent);
    unsigned last = table_bucket_count(tail) - 1;
    bucket_put(pos.bucket, pos.slot, tail->fingerprints[last],
               table_pos_get((struct table_pos){tail, last}));
    tail->fingerprints[last] = 0;
    tail->meta--;
    if (parent && tail->meta == 0) {
        mem_free(MEM_DATA, tail, sizeof(*tail));
        parent->meta = TABLE_SLOTS - 1;
    }
}

static bool chain_holds(struct table_bucket *head, const struct table_bucket *wanted)
{
    for (;;) {
        if (head == wanted)
            return true;
        if (!(head->meta & TABLE_CHAINED))
            return false;
        head = table_child(head);
    }
}

void table_remove(struct table *t, uint64_t hash, struct table_pos pos, table_hash_fn hash_of)
{
    struct table_bucket *head = table_bucket_of(t, 0, hash);
    if (unlikely(table_rehashing(t)) && !chain_holds(head, pos.bucket))
        head = table_bucket_of(t, 1, hash);
    chain_remove(head, pos);
    t->used--;
    shrink_if_sparse(t);
    table_step(t, hash_of);
}

void table_reserve(struct table *t, uint64_t count)
{
    ASSERT(t->used == 0);
    uint8_t log2 = 0;
    while (((uint64_t)TABLE_SLOTS << log2) < count)
        log2++;
    if (t->buckets[0])
        array_free(t, 0);
    set_array(t, array_alloc(log2), log2);
}

void *table_peek(const struct table *t, uint64_t hash)
{
    if (!t->buckets[0])
        return NULL;
    struct table_bucket *b = table_bucket_of(t, 0, hash);
    unsigned bits = table_match(b, table_fingerprint(hash));
    if (bits)
        return table_pos_get((struct table_pos){b, (unsigned)__builtin_ctz(bits)});
    return b->meta & TABLE_CHAINED ? table_child(b) : NULL;
}

static void chain_visit(struct table_bucket *b, table_visit_fn visit, void *arg)
{
    for (;;) {
        for (unsigned i = 0; i < table_bucket_count(b); i++)
            visit(table_pos_get((struct table_pos){b, i}), arg);
        if (!(b->meta & TABLE_CHAINED))
            return;
        b = table_child(b);
    }
}

void table_deinit(struct table *t, table_visit_fn visit, void *arg)
{
    for (int array = 0; array < 2; array++) {
        if (!t->buckets[array])
            continue;
        for (uint64_t i = 0; i < array_len(t, array); i++) {
            if (visit)
                chain_visit(&t->buckets[array][i], visit, arg);
            chain_free(&t->buckets[array][i]);
        }
        array_free(t, array);
    }
    table_init(t);
}

static uint64_t reverse_bits(uint64_t v)
{
    v = __builtin_bswap64(v);
    v = ((v >> 4) & 0x0f0f0f0f0f0f0f0fULL) | ((v & 0x0f0f0f0f0f0f0f0fULL) << 4);
    v = ((v >> 2) & 0x3333333333333333ULL) | ((v & 0x3333333333333333ULL) << 2);
    return ((v >> 1) & 0x5555555555555555ULL) | ((v & 0x5555555555555555ULL) << 1);
}

/* Adds one to the cursor at its highest masked bit, carrying downwards. */
static uint64_t cursor_next(uint64_t cursor, uint64_t mask)
{
    cursor |= ~mask;
    return reverse_bits(reverse_bits(cursor) + 1);
}

uint64_t table_scan(const struct table *t, uint64_t cursor, table_visit_fn visit, void *arg)
{
    if (!t->buckets[0])
        return 0;
    if (!table_rehashing(t)) {
        uint64_t mask = array_len(t, 0) - 1;
        chain_visit(&t->buckets[0][cursor & mask], visit, arg);
        return cursor_next(cursor, mask);
    }
    int small = t->log2[0] <= t->log2[1] ? 0 : 1;
    uint64_t small_mask = array_len(t, small) - 1, large_mask = array_len(t, !small) - 1;
    chain_visit(&t->buckets[small][cursor & small_mask], visit, arg);
    do { /* all buckets of the larger array that the small one's bucket expands to */
        chain_visit(&t->buckets[!small][cursor & large_mask], visit, arg);
        cursor = cursor_next(cursor, large_mask);
    } while (cursor & (small_mask ^ large_mask));
    return cursor;
}

static void *chain_at(struct table_bucket *b, unsigned index)
{
    for (;;) {
        unsigned count = table_bucket_count(b);
        if (index < count)
            return table_pos_get((struct table_pos){b, index});
        if (!(b->meta & TABLE_CHAINED))
            return NULL;
        index -= count;
        b = table_child(b);
    }
}

void *table_random(const struct table *t, struct rng *rng)
{
    enum {
        DEPTH = 3 * TABLE_SLOTS,
        TRIES = 4096
    };

    if (t->used == 0)
        return NULL;
    uint64_t first = array_len(t, 0), total = first + array_len(t, 1);
    for (int i = 0; i < TRIES; i++) {
        uint64_t at = rng_below(rng, total);
        struct table_bucket *b = at < first ? &t->buckets[0][at] : &t->buckets[1][at - first];
        void *entry = chain_at(b, (unsigned)rng_below(rng, DEPTH));
        if (entry)
            return entry;
    }
    struct table_iter it; /* almost empty: the first entry after a random bucket will do */
    table_iter_init(&it, t);
    return table_iter_next(&it);
}

void table_iter_init(struct table_iter *it, const struct table *t)
{
    *it = (struct table_iter){.table = t};
}

static bool iter_next_bucket(struct table_iter *it)
{
    const struct table *t = it->table;
    if (it->pos.bucket && it->pos.bucket->meta & TABLE_CHAINED) {
        it->pos = (struct table_pos){table_child(it->pos.bucket), 0};
        return true;
    }
    while (it->array < 2 && it->index == array_len(t, it->array)) {
        it->array++;
        it->index = 0;
    }
    if (it->array == 2)
        return false;
    it->pos = (struct table_pos){&t->buckets[it->array][it->index++], 0};
    return true;
}

void *table_iter_next(struct table_iter *it)
{
    if (it->pos.bucket)
        it->pos.slot++;
    while (!it->pos.bucket || it->pos.slot >= table_bucket_count(it->pos.bucket))
        if (!iter_next_bucket(it))
            return NULL;
    return table_pos_get(it->pos);
}

size_t table_bytes(const struct table *t)
{
    uint64_t buckets = array_len(t, 0) + array_len(t, 1);
    uint64_t needed = t->used / (TABLE_SLOTS - 1);
    return sizeof(struct table_bucket) * (needed > buckets ? needed : buckets);
}

void table_stats_read(const struct table *t, struct table_stats *out)
{
    *out = (struct table_stats){0};
    for (int array = 0; array < 2; array++) {
        out->buckets += array_len(t, array);
        for (uint64_t i = 0; i < array_len(t, array); i++) {
            uint64_t chain = 1;
            for (struct table_bucket *b = &t->buckets[array][i]; b->meta & TABLE_CHAINED;
                 b = table_child(b))
                chain++;
            out->children += chain - 1;
            out->longest_chain = MAX(out->longest_chain, chain);
        }
    }
}
