/* hash.h: the hash value type, in Redis's two encodings.
 *
 *   ENC_PACKED  a ds/packed.h block, field and value in turn: up to hash-max-listpack-entries
 *               fields, neither fields nor values longer than hash-max-listpack-value
 *   ENC_TABLE   a member_table.h whose nodes have values
 * A hash becomes a table exactly when it does in Redis 7.2, or when a field gets a time to live of
 * its own, and never goes back.
 *
 * struct hash is a handle: the encoding and root of a value that an entry (or the caller) owns.
 * Functions that change a hash take the handle by pointer, because the root may move; hash_store()
 * then writes it back into the entry. Fields and values passed in must not point into the hash, and
 * are at most HASH_TEXT_MAX bytes. Threading: the lock of the key's shard; reading changes nothing.
 * Complexity: a table answers in O(1), a packed hash in O(fields), which the directive bounds. */
#pragma once

#include "base/rand.h"
#include "store/member_table.h"
#include "store/value.h"

#define HASH_TEXT_MAX ((size_t)UINT32_MAX)

struct hash {
    enum encoding encoding;
    void *root;
};

/* A field and its value. The slices are borrowed from the hash, or lie in `scratch`: not to be
 * copied. */
struct hash_pair {
    struct slice field, value;
    int64_t deadline_ms; /* or MEMBER_FOREVER */
    char scratch[2][NUM_INT64_MAX_LEN];
};

extern const struct value_ops hash_value_ops;

INLINE struct hash hash_of(const struct entry *e)
{
    return (struct hash){entry_encoding(e), entry_pointer(e)};
}

INLINE void hash_store(struct hash h, struct entry *e)
{
    entry_set_encoding(e, h.encoding);
    entry_set_pointer(e, h.root);
}

/* An empty packed hash. */
struct hash hash_create(void);
uint64_t hash_len(struct hash h);
/* The value of a field; it may be written to `scratch`. False: there is no such field. */
bool hash_find(struct hash h, struct slice field, char scratch[NUM_INT64_MAX_LEN],
               struct slice *value);

/* Announces that `fields` fields are about to be set at once: more than a packed hash may hold make
 * a table of that size. */
void hash_expect(struct hash *h, size_t fields);
/* Sets a field, which then lives for ever; true when it is new. */
bool hash_set(struct hash *h, struct slice field, struct slice value);
/* The same, but a time to live that the field has stays: counters. */
bool hash_update(struct hash *h, struct slice field, struct slice value);
/* Removes a field; true when it was there. The hash may become empty. */
bool hash_remove(struct hash *h, struct slice field);
/* When a field expires: absolute milliseconds, MEMBER_FOREVER or MEMBER_MISSING (deadlines.h). */
int64_t hash_deadline(struct hash h, struct slice field);
/* Gives a field that is there another deadline, or MEMBER_FOREVER; the hash becomes a table. */
void hash_set_deadline(struct hash *h, struct slice field, int64_t when_ms);

/* Walk over all fields, each once; the hash must not change. */
struct hash_iter {
    struct hash hash;
    uint32_t next; /* offset in a packed hash, 0 at the end */
    struct table_iter table;
};

/* The hash must not change meanwhile. next: false at the end; texts are borrowed. */
void hash_iter_init(struct hash_iter *it, struct hash h);
bool hash_iter_next(struct hash_iter *it, struct hash_pair *out);
/* SCAN: visits about `count` ≥ 1 fields from a cursor on and returns the next one, 0 at the end. In
 * a sparse table fewer, for the sake of time; of a packed hash all. Without `visit` it only finds
 * the next cursor. */
uint64_t hash_scan(struct hash h, uint64_t cursor, uint64_t count, value_visit_fn visit, void *arg);

/* `count` independent random picks, from a hash that is not empty. O(1) each, but O(fields) once
 * for a packed hash. */
void hash_pick(struct hash h, struct rng *rng, uint64_t count, value_visit_fn visit, void *arg);
/* `count` ≤ hash_len() different fields, each choice equally likely. O(count), or O(fields) when
 * that is about as much. */
void hash_pick_unique(struct hash h, struct rng *rng, uint64_t count, value_visit_fn visit,
                      void *arg);
