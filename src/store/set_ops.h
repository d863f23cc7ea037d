/* set_ops.h: intersection, union and difference of sets.
 *
 * Two forms each: one shows the members of the result one by one, without building it where that
 * can be avoided; the other builds a set owned by the caller, in the encoding that Redis 7.2 would
 * give it. A missing key is a source whose root is NULL. The arrays of sources belong to the caller
 * and may be reordered. Sources do not change. Threading: their locks. */
#pragma once

#include "store/set.h"

/* Calls visit (may be NULL) for members of all sets, at most `limit` (0: all); the number of them.
 * The smallest set is walked, the others are asked in ascending order of size: O(smallest × sets).
 */
uint64_t set_intersect(struct set *sets, uint32_t count, uint64_t limit, set_visit_fn visit,
                       void *arg);
struct set set_intersection(struct set *sets, uint32_t count);

/* O(members), or times the sets when there are few. Returns their number. */
uint64_t set_unite(const struct set *sets, uint32_t count, set_visit_fn visit, void *arg);
struct set set_union(const struct set *sets, uint32_t count);
/* The size of the union, counted up to `limit` (0: no limit); memory for as many members. */
uint64_t set_union_count(const struct set *sets, uint32_t count, uint64_t limit);

/* The first set without the others': asks them about each of its members, O(first × sets), or takes
 * all their members out of a copy, O(members), whichever costs less. */
uint64_t set_subtract(struct set *sets, uint32_t count, set_visit_fn visit, void *arg);
struct set set_difference(struct set *sets, uint32_t count);
/* The size of the difference, counted up to `limit` (0: no limit). */
uint64_t set_difference_count(struct set *sets, uint32_t count, uint64_t limit);
