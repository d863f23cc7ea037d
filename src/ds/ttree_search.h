/* ttree_search.h: the way down a T-tree (ttree.h): to the place in its order that a bound names,
 * and to an item. Private to the T-tree.
 *
 * A bound cuts the order in two; a gap is where that is in the blocks, with its rank. Who inserts
 * or removes changes the tree at a gap, so the search is the same for reading and for writing. The
 * way down has no branch that depends on a comparison, and prefetches both children.
 *
 * Memory and threading: none of its own; searches change nothing. A gap holds until the tree
 * changes. O(log n). */
#pragma once

#include "base/assert.h"
#include "ds/ttree.h"

#include <math.h>

/* Ties at a bound's score: all of them are above it, all below, or their members decide. */
enum ttree_tie {
    TIES_ABOVE,
    TIES_BELOW,
    MEMBER_BELOW,
    MEMBER_BELOW_OR_EQUAL
};

/* A cut through the order: every entry is either below or above it. */
struct ttree_bound {
    double score;
    enum ttree_tie tie;
    struct slice member;
};

/* The gap at a bound: between entries index-1 and index of a block, index 0 … weight. Index 0 only
 * in the tree's first block. block is NULL in an empty tree. */
struct ttree_gap {
    struct ttree_block *block;
    uint32_t index;
    size_t rank;
};

/* NULL stays NULL. */
INLINE struct ttree_block *ttree_block_of(struct avl_node *node)
{
    return node ? container_of(node, struct ttree_block, node) : NULL;
}

INLINE void *ttree_item_at(const struct ttree_block *block, uint32_t index)
{
    return ttree_ref_get(ttree_refs(block) + index);
}

/* In front of the item, or where it would be. */
INLINE struct ttree_bound ttree_bound_of_item(const struct ttree *tree, double score,
                                              const void *item)
{
    ASSERT(!isnan(score));
    return (struct ttree_bound){score, MEMBER_BELOW, tree->type->member(item)};
}

/* All entries with this score are below the bound, or above it. */
INLINE struct ttree_bound ttree_bound_of_score(double score, bool ties_below)
{
    ASSERT(!isnan(score));
    return (struct ttree_bound){.score = score, .tie = ties_below ? TIES_BELOW : TIES_ABOVE};
}

/* The entry after the gap. */
INLINE struct ttree_iter ttree_gap_next(struct ttree_gap gap)
{
    if (gap.block && gap.index == gap.block->node.weight)
        return (struct ttree_iter){ttree_block_of(avl_next(&gap.block->node)), 0};
    return (struct ttree_iter){gap.block, gap.index};
}

/* The gap at the bound. */
struct ttree_gap ttree_gap_find(const struct ttree *tree, const struct ttree_bound *bound);
/* The same, for one who will move entries of its block: prefetches them whole. */
struct ttree_gap ttree_gap_find_to_write(const struct ttree *tree, const struct ttree_bound *bound);
/* Two ways down at once, to write, so that their cache misses overlap. */
void ttree_gap_find_two(const struct ttree *tree, const struct ttree_bound bounds[2],
                        struct ttree_gap gaps[2]);

/* Where exactly this item is; block NULL when nowhere. Its rank goes to *rank, which may be NULL,
 * for one who will take it out. */
struct ttree_iter ttree_find_item(const struct ttree *tree, double score, const void *item,
                                  size_t *rank);
/* The same, given the gap in front of all entries with its score, which becomes the one in front of
 * the item. */
struct ttree_iter ttree_find_item_after(const struct ttree *tree, struct ttree_gap *gap,
                                        double score, const void *item);
