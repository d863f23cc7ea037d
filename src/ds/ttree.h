/* ttree.h: the ordered index of big sorted sets: a T-tree, that is an AVL tree whose nodes hold
 * sorted blocks of entries.
 *
 * An entry is a score and a pointer to the caller's item. The order is (score, bytes of the item's
 * member); -0 and 0 are equal scores; NaN is the caller's error (ASSERT). (score, member) pairs
 * are unique: to add one twice is the caller's error too.
 *
 * Layout of a block: the AVL node, then all scores, then all item pointers of 48 bits. The first
 * score shares the node's cache line, which is all the way down reads; a search within the block
 * reads scores only. Items are touched only to break ties. A full block is one jemalloc class,
 * 1,280 bytes; measured with 1 M random entries, 896 bytes are up to 15 % slower and
 * 1,792 hardly faster, while a set just past its packed form would waste more.
 *
 * Ownership: items and their scores belong to the caller; the tree only points to them. The
 * member's bytes must not change while the item is in the tree. Blocks are charged to MEM_DATA.
 * Threading: none of its own. Reads change nothing, so any number may run together.
 * Invariants: no block is empty; only a tree of one block may have one smaller than
 * TTREE_BLOCK_ENTRIES; two adjacent blocks together hold more than half of that.
 * Ascending and descending loads fill blocks wholly, random ones to about 80 %.
 * Complexity: everything O(log n) but what says otherwise; iteration O(1) amortised.
 * Origin: T. J. Lehman and M. J. Carey, "A Study of Index Structures for Main Memory Database
 * Management Systems", VLDB 1986. As in later variants (T*-tree, "candidate" search) the way down
 * compares with each block's minimum only. Spilling into neighbours is the B*-tree's. */
#pragma once

#include "base/slice.h"
#include "ds/avl.h"

#ifndef TTREE_BLOCK_ENTRIES
#define TTREE_BLOCK_ENTRIES 88
#endif
#define TTREE_FIRST_ENTRIES 6 /* what the first block of a new tree holds; it doubles */

/* Builds with DEBUG_CHECKS keep whole pointers, so that a leak checker sees them. */
#ifdef DEBUG_CHECKS
#define TTREE_FULL_POINTERS 1
#else
#define TTREE_FULL_POINTERS 0
#endif

struct ttree_ref {
#if TTREE_FULL_POINTERS
    void *ptr;
#else
    uint16_t part[3]; /* bits 0-15, 16-31, 32-47 */
#endif
};

/* node.weight is the number of entries, node.tag the number there is room for. After scores[tag]
 * follow tag struct ttree_ref. */
struct ttree_block {
    struct avl_node node;
    double scores[];
};

struct ttree_type {
    struct slice (*member)(const void *item); /* the bytes that break ties; borrowed */
};

struct ttree {
    struct avl_tree avl;
    size_t len;
    size_t blocks;
    const struct ttree_type *type;
};

/* A position; block is NULL past either end. Any change to the tree invalidates it. */
struct ttree_iter {
    struct ttree_block *block;
    uint32_t index;
};

/* What happens to an item that leaves the tree; must not touch the tree. */
typedef void (*ttree_item_fn)(void *item, double score, void *ctx);

/* An empty tree owns no memory. `type` must outlive it. */
void ttree_init(struct ttree *tree, const struct ttree_type *type);
/* Calls `on_item` (may be NULL) for every entry, in no particular order, and frees all blocks.
 * O(n). The tree is empty and usable afterwards. */
void ttree_deinit(struct ttree *tree, ttree_item_fn on_item, void *ctx);

INLINE size_t ttree_len(const struct ttree *tree)
{
    return tree->len;
}

/* Bytes that the blocks really take (their size classes); items not counted. O(1). */
size_t ttree_bytes(const struct ttree *tree);

/* Adds an item that is not in the tree. */
void ttree_insert(struct ttree *tree, double score, void *item);
/* Takes out exactly this item, which went in with `score`. False when it is not there. */
bool ttree_remove(struct ttree *tree, double score, const void *item);
/* As remove(old) and insert(new), but moves the entry inside its block when it stays there. False,
 * and nothing done, when the item is not there under `old_score`. */
bool ttree_update(struct ttree *tree, double old_score, void *item, double new_score);

/* First, last, by rank from 0 (past the end: block NULL). */
struct ttree_iter ttree_first(const struct ttree *tree);
struct ttree_iter ttree_last(const struct ttree *tree);
struct ttree_iter ttree_seek_rank(const struct ttree *tree, size_t rank);

/* Number of entries before an item that is in the tree with this score. */
size_t ttree_rank_of_item(const struct ttree *tree, double score, const void *item);
/* Number of entries with a score < `score` (≤ when `inclusive`). A range's count is a difference.
 */
size_t ttree_rank_of_score(const struct ttree *tree, double score, bool inclusive);
/* The same by member. Meant for trees whose scores are all equal; otherwise the entries that share
 * some one score are searched and the answer is of little use, but well-defined. */
size_t ttree_rank_of_lex(const struct ttree *tree, struct slice member, bool inclusive);

/* Removes the entries of rank `first` to `last`, both included, in order; on_item may be NULL. A
 * `last` past the end means the end. Returns how many: O(log n + removed / block). */
size_t ttree_delete_range(struct ttree *tree, size_t first, size_t last, ttree_item_fn on_item,
                          void *ctx);

INLINE void *ttree_ref_get(const struct ttree_ref *ref)
{
#if TTREE_FULL_POINTERS
    return ref->ptr;
#else
    return (void *)(uintptr_t)(ref->part[0] | (uint64_t)ref->part[1] << 16 |
                               (uint64_t)ref->part[2] << 32);
#endif
}

INLINE struct ttree_ref *ttree_refs(const struct ttree_block *block)
{
    return (struct ttree_ref *)(block->scores + block->node.tag);
}

INLINE bool ttree_iter_valid(struct ttree_iter it)
{
    return it.block != NULL;
}

/* Of a valid position. */
INLINE double ttree_iter_score(struct ttree_iter it)
{
    return it.block->scores[it.index];
}

INLINE void *ttree_iter_item(struct ttree_iter it)
{
    return ttree_ref_get(ttree_refs(it.block) + it.index);
}

/* One step from a valid position; past the end the block becomes NULL. */
INLINE void ttree_iter_next(struct ttree_iter *it)
{
    if (++it->index < it->block->node.weight)
        return;
    struct avl_node *next = avl_next(&it->block->node);
    it->block = next ? container_of(next, struct ttree_block, node) : NULL;
    it->index = 0;
}

INLINE void ttree_iter_prev(struct ttree_iter *it)
{
    if (it->index > 0) {
        it->index--;
        return;
    }
    struct avl_node *prev = avl_prev(&it->block->node);
    it->block = prev ? container_of(prev, struct ttree_block, node) : NULL;
    it->index = prev ? prev->weight - 1 : 0;
}
