/* top.h: the names that count most in a stream too long to count: Space-Saving (A. Metwally,
 * D. Agrawal, A. El Abbadi, "Efficient computation of frequent and top-k elements in data streams",
 * ICDT 2005).
 *
 * At most `capacity` names are counted. One that is not among them takes the place of the smallest
 * and inherits its count, which is the most that its own can be wrong by. So a name with more than
 * total / capacity is always there, and no count is too small.
 * The same with exact values in place of counts: top_put().
 *
 * Ownership: names are copied, longer ones than TOP_NAME_MAX cut. Threading: none; the owner's lock
 * guards it. Complexity: O(log capacity), a hash lookup. Memory: MEM_OTHER, up to capacity × (name
 * + 90 bytes). */
#pragma once

#include "base/slice.h"
#include "ds/heap.h"
#include "ds/table.h"

enum {
    TOP_NAME_MAX = 1024
};

struct top_item {
    uint64_t hash;
    int64_t count, error; /* the true count is in [count - error, count] */
    uint32_t at;          /* in the heap */
    int space;            /* names of different spaces are different */
    size_t len;
    char name[];
};

struct top {
    struct heap heap; /* by count */
    struct table items;
    uint32_t capacity;
};

/* Keeps `capacity` ≥ 1 names at most. */
void top_init(struct top *t, uint32_t capacity);
void top_deinit(struct top *t); /* empty and usable afterwards */
/* Adds `weight` > 0 to a name. `hash` is the name's, alone. */
void top_add(struct top *t, int space, struct slice name, uint64_t hash, int64_t weight);
/* Sets the value of a name that is there, or takes it in if it is larger than the smallest. */
void top_put(struct top *t, int space, struct slice name, uint64_t hash, int64_t value);
void top_remove(struct top *t, int space, struct slice name, uint64_t hash);
/* Halves all counts, so that the past weighs less; what reaches 0 goes. */
void top_halve(struct top *t);

INLINE uint32_t top_len(const struct top *t)
{
    return t->heap.len;
}

/* The item with that index, in no order. */
INLINE const struct top_item *top_at(const struct top *t, uint32_t index)
{
    return t->heap.items[index].item;
}
