/* avl.h: an intrusive AVL tree with order statistics. It knows neither keys nor order: the caller
 * walks down by its own comparison and says where a new node goes.
 *
 * Weights: every node weighs `weight` (1 for a plain index; a block of n entries weighs n). Instead
 * of the weight of its subtree a node keeps the weight of its LEFT subtree. Rank and seek by rank
 * then read only the nodes on the path, never a sibling, and a weight change writes only the
 * ancestors that have the node on their left.
 *
 * Ownership: nodes live inside their owner's structures; nothing is allocated or freed here. A
 * node must be in at most one tree.
 * Threading: none of its own; the owner's lock covers the tree.
 * Invariants: heights of two siblings differ by at most 1; node->height is 1 + the higher child's;
 * node->left_weight is the sum of all weights below node->left.
 * Complexity: insert, remove, weight change, rank and seek O(log n), also in the worst case;
 * next/prev O(1) amortised over a walk. Nothing recurses.
 * Origin: Adelson-Velsky and Landis 1962; order statistics as in Knuth, TAOCP 3, 6.2.3. */
#pragma once

#include "base/base.h"

struct avl_node {
    union {
        struct {
            struct avl_node *left, *right;
        };
        struct avl_node *child[2]; /* for a way down without branches */
    };
    struct avl_node *parent;
    size_t left_weight;
    uint32_t weight;
    uint16_t tag; /* the owner's to use: the tree neither sets nor reads it */
    uint8_t height;
};

struct avl_tree {
    struct avl_node *root;
};

INLINE void avl_init(struct avl_tree *tree)
{
    tree->root = NULL;
}

/* Adds `node`, whose `weight` the caller has set; its other fields but `tag` are overwritten.
 * First and last are of the whole tree; before and after are the in-order neighbours of `at`. */
void avl_insert_first(struct avl_tree *tree, struct avl_node *node);
void avl_insert_last(struct avl_tree *tree, struct avl_node *node);
void avl_insert_before(struct avl_tree *tree, struct avl_node *at, struct avl_node *node);
void avl_insert_after(struct avl_tree *tree, struct avl_node *at, struct avl_node *node);

/* Takes `node` out. Its links are stale afterwards; its weight stays. */
void avl_remove(struct avl_tree *tree, struct avl_node *node);

/* NULL when the tree is empty. */
struct avl_node *avl_first(const struct avl_tree *tree);
struct avl_node *avl_last(const struct avl_tree *tree);
/* NULL past the end. */
struct avl_node *avl_next(const struct avl_node *node);
struct avl_node *avl_prev(const struct avl_node *node);

/* The node that holds unit `rank` of the total weight, counted from 0 in order, and in *offset (if
 * not NULL) the unit within it. NULL when rank ≥ the sum of all weights. */
struct avl_node *avl_seek(const struct avl_tree *tree, size_t rank, size_t *offset);
/* Sum of the weights before `node`. */
size_t avl_rank(const struct avl_node *node);

/* A walk that visits children before their parent, so that each node may be freed as soon as its
 * successor has been asked for. NULL at the end. */
struct avl_node *avl_postorder_first(const struct avl_tree *tree);
struct avl_node *avl_postorder_next(const struct avl_node *node);

/* Adds `delta` (may be negative) to the node's weight and to its ancestors' sums. */
INLINE void avl_add_weight(struct avl_node *node, int64_t delta)
{
    node->weight = (uint32_t)(node->weight + delta);
    for (struct avl_node *up = node->parent; up; node = up, up = up->parent)
        up->left_weight += up->left == node ? (size_t)delta : 0;
}
