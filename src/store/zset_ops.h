/* zset_ops.h: union, intersection and difference of sorted sets and sets (whose members score 1).
 *
 * Sources are borrowed; the result is a new set, encoded as Redis encodes results: by its final
 * size and longest member. Sums are formed in the order of Redis, smallest source first, so that
 * they round the same way. Threading: the locks of all sources. Complexity: O(total members)
 * lookups, and O(n log n) to order a result of n. */
#pragma once

#include "store/set.h"
#include "store/zset.h"

struct zset_source {
    enum value_type type; /* TYPE_ZSET, TYPE_SET, or TYPE_COUNT: there is no such key */

    union {
        struct zset zset;
        struct set set;
    };

    double weight;
    uint32_t index; /* as the client gave them: keeps sorting stable */
};

enum zset_aggregate {
    AGGREGATE_SUM,
    AGGREGATE_MIN,
    AGGREGATE_MAX,
    AGGREGATE_COUNT /* the sum of the weights of the sources that have the member */
};

/* All of them take at least one source. Union and intersection reorder the array. */
struct zset zset_union(struct zset_source *sources, size_t count, enum zset_aggregate aggregate);
struct zset zset_inter(struct zset_source *sources, size_t count, enum zset_aggregate aggregate);
/* The first source without the members of the others. */
struct zset zset_diff(const struct zset_source *sources, size_t count);
/* The size of the intersection, counted up to `limit` (0: no limit). */
size_t zset_inter_count(struct zset_source *sources, size_t count, size_t limit);
