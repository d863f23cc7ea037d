/* zset_tree.h: the large form of a sorted set: a table of members by name, each with its score, and
 * a T-tree that orders them by (score, name). Both point to the same nodes (member.h). Only zset*.c
 * include this.
 *
 * Ownership: the tree form owns its nodes. Threading: the lock of the key's shard; reads change
 * nothing. Complexity: a lookup O(1), ranks, changes and ranges O(log n). */
#pragma once

#include "ds/table.h"
#include "ds/ttree.h"
#include "store/deadlines.h"

struct zset_tree {
    struct table members;
    struct ttree order;
    struct deadlines *deadlines; /* of the members that expire; NULL while none ever did */
};

/* Empty; the caller's. */
struct zset_tree *zset_tree_create(void);
void zset_tree_destroy(struct zset_tree *t);

INLINE struct member *zset_tree_find(const struct zset_tree *t, struct slice name, uint64_t hash,
                                     struct table_pos *pos)
{
    return table_find(&t->members, hash, member_has_name, &name, pos);
}

/* Adds a member that is not there; `hash` is the name's. */
void zset_tree_add(struct zset_tree *t, struct slice name, uint64_t hash, double score);
/* Gives a member of the set another score. */
void zset_tree_rescore(struct zset_tree *t, struct member *m, double score);
/* Takes a member found at `pos` out and frees it. */
void zset_tree_remove(struct zset_tree *t, struct member *m, uint64_t hash, struct table_pos pos);
/* Gives a member found at `pos` another deadline, or MEMBER_FOREVER. Takes the node and returns the
 * one that is valid now. */
struct member *zset_tree_set_deadline(struct zset_tree *t, struct member *m, struct table_pos pos,
                                      int64_t when_ms);
/* Removes the members of rank first … first + count - 1. */
void zset_tree_remove_span(struct zset_tree *t, size_t first, size_t count);

/* ---- in two steps, for results of set operations: first the members, in any order, then their
 * order ---- */

/* The member with this name, made with `score` when it is missing (then *added). */
struct member *zset_tree_collect(struct zset_tree *t, struct slice name, uint64_t hash,
                                 double score, bool *added);
/* Orders the collected members: O(n log n). */
void zset_tree_finish(struct zset_tree *t);
