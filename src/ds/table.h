/* table.h: a hash table of pointers in 64-byte buckets, the index of keyspace, hashes, sets and
 * members.
 *
 * Bucket (one cache line):
 *   offset 0      meta: low 4 bits the number of entries, bit 7 set when the last slot is a child
 *   offset 1      TABLE_SLOTS one-byte fingerprints, never 0 for an entry, compared with SIMD
 *   offset 1+n    TABLE_SLOTS pointers of 48 bits (64 bits with DEBUG_CHECKS, so that a leak
 * checker sees them) Entries fill slots 0..count-1. A full bucket turns its last slot into a
 * pointer to a child bucket; all buckets of a chain but the last are full. A lookup costs one line
 * for the bucket and one for the entry. The layout follows the idea of bucketed tables with
 * fingerprints (MICA, NSDI 2014; F14; Valkey 8.1).
 *
 * Growth is progressive: two bucket arrays exist and table_step() moves one bucket; insert and
 * remove take a step each, lookups take none (the owner of the table may). Array sizes are powers
 * of two, the bucket is the hash's low bits, hence table_scan()'s reverse-binary cursor (P.
 * Noordhuis) returns every entry that stays in the table during a whole scan at least once,
 * whatever grows or shrinks meanwhile.
 *
 * Ownership: the table owns its buckets, never its entries. Keys are unique; insert does not check.
 * Threading: none; the owner's lock guards it. Complexity: O(1) expected for all but scan and
 * foreach. */
#pragma once

#include "base/mem.h"
#include "base/rand.h"

#ifdef DEBUG_CHECKS
enum {
    TABLE_SLOTS = 7,
    TABLE_PTR_BYTES = 8
};
#else
enum {
    TABLE_SLOTS = 9,
    TABLE_PTR_BYTES = 6
};
#endif
enum {
    TABLE_CHAINED = 0x80,
    TABLE_COUNT_MASK = 0x0f
};

enum {
    HASH_FINGERPRINT_SHIFT = 40
}; /* the fingerprint: bits 40–47 of the hash */

struct table_bucket {
    uint8_t meta;
    uint8_t fingerprints[TABLE_SLOTS];
    uint8_t pointers[TABLE_SLOTS * TABLE_PTR_BYTES];
};

_Static_assert(sizeof(struct table_bucket) == CACHE_LINE, "a bucket is one cache line");

struct table {
    struct table_bucket *buckets[2]; /* [1] only while rehashing: entries move from [0] to [1] */
    uint64_t used;                   /* entries in both */
    uint32_t rehash_at;              /* next bucket of [0] to move */
    uint8_t log2[2];                 /* array sizes; meaningless where buckets is NULL */
};

/* The hash of an entry, needed when it moves to a bucket array of another size. */
typedef uint64_t (*table_hash_fn)(const void *entry);
/* True when the entry has this key. */
typedef bool (*table_equal_fn)(const void *entry, const void *key);
typedef void (*table_visit_fn)(void *entry, void *arg);

/* Where an entry stands. Valid until the next insert, remove or step of the table. */
struct table_pos {
    struct table_bucket *bucket;
    unsigned slot;
};

INLINE void table_init(struct table *t)
{
    *t = (struct table){0};
}

/* Frees the buckets; `visit` (may be NULL) is called for each entry first. */
void table_deinit(struct table *t, table_visit_fn visit, void *arg);

INLINE uint8_t table_fingerprint(uint64_t hash)
{
    uint8_t f = (uint8_t)(hash >> HASH_FINGERPRINT_SHIFT);
    return f ? f : 1;
}

INLINE void *table_pos_get(struct table_pos pos)
{
    uint64_t word;
    const uint8_t *at = pos.bucket->pointers + pos.slot * TABLE_PTR_BYTES;
    memcpy(&word, at - (8 - TABLE_PTR_BYTES), 8); /* the two bytes before are inside the bucket */
    return (void *)(uintptr_t)(word >> (8 * (8 - TABLE_PTR_BYTES)));
}

/* Puts another pointer in place: the entry moved in memory, its key and hash are the same. */
INLINE void table_pos_set(struct table_pos pos, void *entry)
{
    uint64_t word = (uint64_t)(uintptr_t)entry;
    memcpy(pos.bucket->pointers + pos.slot * TABLE_PTR_BYTES, &word, TABLE_PTR_BYTES);
}

INLINE struct table_bucket *table_child(struct table_bucket *b)
{
    return (struct table_bucket *)table_pos_get((struct table_pos){b, TABLE_SLOTS - 1});
}

INLINE unsigned table_bucket_count(const struct table_bucket *b)
{
    return b->meta & TABLE_COUNT_MASK;
}

/* Bit i set: slot i has this fingerprint and is in use. */
INLINE unsigned table_match(const struct table_bucket *b, uint8_t fingerprint)
{
#if defined(__SSE2__)
    typedef char v16 __attribute__((vector_size(16)));
    typedef long long v2 __attribute__((vector_size(16)));
    v16 line;
    memcpy(&line, b, 16);
    uint64_t eight = fingerprint * 0x0101010101010101ULL;
    v16 wanted = (v16)(v2){(long long)eight, (long long)eight};
    unsigned bits = (unsigned)__builtin_ia32_pmovmskb128((v16)(line == wanted)) >> 1;
#else
    unsigned bits = 0;
    for (unsigned i = 0; i < TABLE_SLOTS; i++)
        bits |= (unsigned)(b->fingerprints[i] == fingerprint) << i;
#endif
    return bits & ((1u << table_bucket_count(b)) - 1);
}

INLINE void *table_find_chain(struct table_bucket *b, uint64_t hash, table_equal_fn equal,
                              const void *key, struct table_pos *pos)
{
    uint8_t fingerprint = table_fingerprint(hash);
    for (;;) {
        unsigned bits = table_match(b, fingerprint);
        while (bits) {
            struct table_pos here = {b, (unsigned)__builtin_ctz(bits)};
            void *entry = table_pos_get(here);
            if (likely(equal(entry, key))) {
                *pos = here;
                return entry;
            }
            bits &= bits - 1;
        }
        if (likely(!(b->meta & TABLE_CHAINED)))
            return NULL;
        b = table_child(b);
    }
}

INLINE struct table_bucket *table_bucket_of(const struct table *t, int array, uint64_t hash)
{
    return &t->buckets[array][hash & (((uint64_t)1 << t->log2[array]) - 1)];
}

/* The entry with this key and its place, or NULL. `equal` should be a static function so that it is
 * inlined. */
INLINE void *table_find(const struct table *t, uint64_t hash, table_equal_fn equal, const void *key,
                        struct table_pos *pos)
{
    if (unlikely(!t->buckets[0]))
        return NULL;
    void *entry = table_find_chain(table_bucket_of(t, 0, hash), hash, equal, key, pos);
    if (unlikely(!entry && t->buckets[1]))
        entry = table_find_chain(table_bucket_of(t, 1, hash), hash, equal, key, pos);
    return entry;
}

INLINE bool table_rehashing(const struct table *t)
{
    return t->buckets[1] != NULL;
}

/* First of two prefetch stages: the bucket's line. Needs no lock, only that the table itself stays:
 * what is read while another thread resizes gives a useless address, and prefetching one is
 * harmless. */
INLINE void table_prefetch_bucket(const struct table *t, uint64_t hash)
{
    uintptr_t array = (uintptr_t)__atomic_load_n(&t->buckets[0], __ATOMIC_RELAXED);
    uint64_t mask = ((uint64_t)1 << __atomic_load_n(&t->log2[0], __ATOMIC_RELAXED)) - 1;
    __builtin_prefetch((const void *)(array + (hash & mask) * sizeof(struct table_bucket)));
}

/* Second stage: the first entry with the hash's fingerprint (reads the bucket: hold the lock). */
void *table_peek(const struct table *t, uint64_t hash);

/* Adds an entry whose key is not in the table, and tells where. Never fails (aborts when out of
 * memory). */
struct table_pos table_insert(struct table *t, uint64_t hash, void *entry, table_hash_fn hash_of);
/* Takes the entry at pos out. The table may shrink (then it starts to rehash). `hash` is the
 * entry's. */
void table_remove(struct table *t, uint64_t hash, struct table_pos pos, table_hash_fn hash_of);
/* Moves one bucket when rehashing: O(bucket). False when there is nothing left to do. */
bool table_step(struct table *t, table_hash_fn hash_of);
/* Makes room for `count` entries at once, in an empty table (bulk loads). */
void table_reserve(struct table *t, uint64_t count);

/* Visits all entries of one bucket (both arrays) and returns the next cursor; start and end with 0.
 * The visitor must not change the table. An entry may be visited twice while the table rehashes. */
uint64_t table_scan(const struct table *t, uint64_t cursor, table_visit_fn visit, void *arg);
/* A uniformly chosen entry (chains beyond three buckets count a little less), NULL when empty. */
void *table_random(const struct table *t, struct rng *rng);

/* Walk over all entries, each once; the table must not change, except that the current entry's
 * pointer may be replaced through `pos`. */
struct table_iter {
    const struct table *table;
    uint64_t index;
    int array;
    struct table_pos pos; /* of the entry last returned */
};

/* The table must not change until the end. */
void table_iter_init(struct table_iter *it, const struct table *t);
void *table_iter_next(struct table_iter *it); /* NULL at the end */

/* Bytes of the bucket arrays and, estimated, of their chains: O(1). */
size_t table_bytes(const struct table *t);

struct table_stats {
    uint64_t buckets, children, longest_chain; /* longest_chain counts buckets */
};

void table_stats_read(const struct table *t, struct table_stats *out); /* O(buckets) */
