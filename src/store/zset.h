/* zset.h: the sorted set value type, in Redis's two encodings.
 *
 *   ENC_PACKED  ds/packed block (zset_packed.h): up to zset-max-listpack-entries members of
 *               zset-max-listpack-value bytes
 *   ENC_TREE    member table and T-tree (zset_tree.h)
 * A set grows out of the packed form exactly when Redis 7.2's does, or when a member gets a time to
 * live of its own, and never back; results of set operations choose anew.
 *
 * struct zset is a handle: encoding and root of a value that an entry (or the caller) owns.
 * Functions that change a set take the handle by pointer, because the root may move; zset_store()
 * writes it back into the entry. Order: (score, member bytes); members are unique; no score is NaN.
 * Ranks count from 0 at the lowest score. Threading: the lock of the key's shard; reads change
 * nothing. A member passed to a function that changes the set must not lie in it. Complexity, large
 * form: lookups O(1), ranks, spans and changes O(log n). */
#pragma once

#include "base/rand.h"
#include "ds/ttree.h"
#include "store/entry.h"
#include "store/value.h"

struct zset_tree;

struct zset {
    enum encoding encoding;

    union {
        void *root;
        unsigned char *packed;
        struct zset_tree *tree;
    };
};

INLINE struct zset zset_of(const struct entry *e)
{
    return (struct zset){entry_encoding(e), {entry_pointer(e)}};
}

INLINE void zset_store(struct entry *e, const struct zset *z)
{
    entry_set_encoding(e, z->encoding);
    entry_set_pointer(e, z->root);
}

/* An empty set, encoded for `count` members of which one has `len` bytes (0, 0: unknown). */
struct zset zset_create(size_t count, size_t len);
void zset_destroy(struct zset *z);
/* Before adding `count` members: leaves the packed form at once when they alone are too many for
 * it. */
void zset_expect(struct zset *z, size_t count);

/* Members; and the score of one: false when there is no such member. */
size_t zset_len(const struct zset *z);
bool zset_score(const struct zset *z, struct slice member, double *score);
/* The rank from the lowest score. False when there is no such member. */
bool zset_rank(const struct zset *z, struct slice member, size_t *rank, double *score);

enum zset_rule { /* ZADD's options, or-ed */
    ZSET_NX = 1,
    ZSET_XX = 2,
    ZSET_GT = 4,
    ZSET_LT = 8,
    ZSET_INCR = 16,
};

enum zset_result { /* up to ZSET_KEPT the set has changed */
    ZSET_ADDED,
    ZSET_UPDATED,
    ZSET_KEPT, /* the score is the same, but it has lost its time to live: a change nobody counts */
    ZSET_SAME, /* the member has this score already */
    ZSET_REFUSED, /* by a rule */
    ZSET_NAN,     /* the incremented score is not a number; nothing was changed */
};

/* Adds a member or changes its score, as the rules allow. *score is the score (or increment) asked
 * for, and afterwards the member's; untouched when refused. A member that is set lives for ever
 * from then on; with ZSET_INCR it keeps its time to live. */
enum zset_result zset_add(struct zset *z, struct slice member, double *score, unsigned rules);
/* Adds one that is not there. Its place need not be the end. */
void zset_insert(struct zset *z, struct slice member, double score);
/* False when it was not there. */
bool zset_remove(struct zset *z, struct slice member);

/* When a member expires: absolute milliseconds, MEMBER_FOREVER or MEMBER_MISSING (deadlines.h). */
int64_t zset_deadline(const struct zset *z, struct slice member);
/* Gives a member that is there another deadline, or MEMBER_FOREVER; the set becomes a tree. */
void zset_set_deadline(struct zset *z, struct slice member, int64_t when_ms);

/* ---- ranges ---- */

enum zset_order {
    ZSET_BY_RANK,
    ZSET_BY_SCORE,
    ZSET_BY_LEX
};

struct zset_bound { /* of a range by member: `text`, or one of the ends */
    struct slice text;

    enum {
        BOUND_TEXT,
        BOUND_LOWEST,
        BOUND_HIGHEST
    } kind;

    bool exclusive;
};

struct zset_range {
    enum zset_order by;

    union {
        struct {
            int64_t first, last; /* negative: from the end */
        } rank;

        struct {
            double min, max;
            bool min_exclusive, max_exclusive;
        } score;

        struct {
            struct zset_bound min, max;
        } lex;
    };
};

/* Neighbours in the order: `count` members from rank `first` on. */
struct zset_span {
    size_t first, count;
};

/* The members in a range. Ranks count from the highest score when `reverse`. Ranges by member mean
 * something only while all scores are equal. */
struct zset_span zset_span(const struct zset *z, const struct zset_range *range, bool reverse);
/* What is left of a span after LIMIT offset count, seen from its end when `reverse`. A negative
 * count is no limit, a negative offset leaves nothing. */
struct zset_span zset_span_limit(struct zset_span span, int64_t offset, int64_t count,
                                 bool reverse);
void zset_remove_span(struct zset *z, struct zset_span span);

/* ---- walks: the set must not change meanwhile ---- */

struct zset_iter {
    const struct zset *set;
    size_t left;
    bool reverse;
    uint32_t at;           /* packed: offset of the next member */
    struct ttree_iter pos; /* tree: position of the next member */
    char scratch[NUM_INT64_MAX_LEN];
};

struct zset_item {
    struct slice member; /* borrowed from the set or the iterator, until the next step */
    double score;
};

/* Over a span, from its end when `reverse`. */
void zset_iter_init(struct zset_iter *it, const struct zset *z, struct zset_span span,
                    bool reverse);
/* False at the end. */
bool zset_iter_next(struct zset_iter *it, struct zset_item *out);

INLINE struct zset_span zset_all(const struct zset *z)
{
    return (struct zset_span){0, zset_len(z)};
}

typedef void (*zset_visit_fn)(void *arg, const struct zset_item *item);

/* ZSCAN: visits some members, about `count` of them (packed: all), and returns the next cursor, 0
 * at the end. Without `visit` only the cursor is found. */
uint64_t zset_scan(const struct zset *z, uint64_t cursor, uint64_t count, zset_visit_fn visit,
                   void *arg);
/* Visits a uniformly chosen member `count` times. The set is not empty. */
void zset_random(const struct zset *z, struct rng *rng, uint64_t count, zset_visit_fn visit,
                 void *arg);
/* Visits `count` <= zset_len() different members, chosen uniformly, in no particular order. O(count
 * log n), or O(n) when that is not much more. */
void zset_sample(const struct zset *z, struct rng *rng, size_t count, zset_visit_fn visit,
                 void *arg);

extern const struct value_ops zset_value_ops;
