#include "ds/avl.h"

#include "base/assert.h"

static int height_of(const struct avl_node *node)
{
    return node ? node->height : 0;
}

static int height_from_children(const struct avl_node *node)
{
    return 1 + MAX(height_of(node->left), height_of(node->right));
}

/* Makes `to` take `from`'s place under `parent`; `to` may be NULL. */
static void replace_child(struct avl_tree *tree, struct avl_node *parent,
                          const struct avl_node *from, struct avl_node *to)
{
    if (!parent)
        tree->root = to;
    else if (parent->left == from)
        parent->left = to;
    else
        parent->right = to;
    if (to)
        to->parent = parent;
}

/* node->right rises above node; returns it. */
static struct avl_node *rotate_left(struct avl_tree *tree, struct avl_node *node)
{
    struct avl_node *up = node->right;
    replace_child(tree, node->parent, node, up);
    node->right = up->left;
    if (node->right)
        node->right->parent = node;
    up->left = node;
    node->parent = up;
    up->left_weight += node->left_weight + node->weight;
    node->height = (uint8_t)height_from_children(node);
    up->height = (uint8_t)height_from_children(up);
    return up;
}

/* node->left rises above node; returns it. */
static struct avl_node *rotate_right(struct avl_tree *tree, struct avl_node *node)
{
    struct avl_node *up = node->left;
    replace_child(tree, node->parent, node, up);
    node->left = up->right;
    if (node->left)
        node->left->parent = node;
    up->right = node;
    node->parent = up;
    node->left_weight -= up->left_weight + up->weight;
    node->height = (uint8_t)height_from_children(node);
    up->height = (uint8_t)height_from_children(up);
    return up;
}

/* Restores balance at `node`, whose subtrees are balanced and differ by at most 2. Returns the
 * subtree's root. */
static struct avl_node *fix(struct avl_tree *tree, struct avl_node *node)
{
    int lean = height_of(node->left) - height_of(node->right);
    if (lean > 1) {
        if (height_of(node->left->left) < height_of(node->left->right))
            rotate_left(tree, node->left);
        return rotate_right(tree, node);
    }
    if (lean < -1) {
        if (height_of(node->right->right) < height_of(node->right->left))
            rotate_right(tree, node->right);
        return rotate_left(tree, node);
    }
    node->height = (uint8_t)height_from_children(node);
    return node;
}

/* Fixes heights upwards from `node`, the lowest one whose child changed, until nothing changes. */
static void rebalance(struct avl_tree *tree, struct avl_node *node)
{
    while (node) {
        int before = node->height;
        node = fix(tree, node);
        if (node->height == before)
            return;
        node = node->parent;
    }
}

static void adjust_ancestors(struct avl_node *node, int64_t delta)
{
    for (struct avl_node *up = node->parent; up; node = up, up = up->parent)
        if (up->left == node)
            up->left_weight += (size_t)delta;
}

/* Hangs `node` into the empty place *link below `parent` (the root when parent is NULL). */
static void attach(struct avl_tree *tree, struct avl_node *parent, struct avl_node **link,
                   struct avl_node *node)
{
    DASSERT(*link == NULL);
    node->left = node->right = NULL;
    node->parent = parent;
    node->left_weight = 0;
    node->height = 1;
    *link = node;
    adjust_ancestors(node, node->weight);
    rebalance(tree, parent);
}

static struct avl_node *leftmost(struct avl_node *node)
{
    while (node->left)
        node = node->left;
    return node;
}

static struct avl_node *rightmost(struct avl_node *node)
{
    while (node->right)
        node = node->right;
    return node;
}

void avl_insert_before(struct avl_tree *tree, struct avl_node *at, struct avl_node *node)
{
    if (!at->left) {
        attach(tree, at, &at->left, node);
        return;
    }
    struct avl_node *parent = rightmost(at->left);
    attach(tree, parent, &parent->right, node);
}

void avl_insert_after(struct avl_tree *tree, struct avl_node *at, struct avl_node *node)
{
    if (!at->right) {
        attach(tree, at, &at->right, node);
        return;
    }
    struct avl_node *parent = leftmost(at->right);
    attach(tree, parent, &parent->left, node);
}

void avl_insert_first(struct avl_tree *tree, struct avl_node *node)
{
    if (tree->root)
        avl_insert_before(tree, leftmost(tree->root), node);
    else
        attach(tree, NULL, &tree->root, node);
}

void avl_insert_last(struct avl_tree *tree, struct avl_node *node)
{
    if (tree->root)
        avl_insert_after(tree, rightmost(tree->root), node);
    else
        attach(tree, NULL, &tree->root, node);
}

/* `node` has two children: its successor leaves its own place and takes node's. Returns the lowest
 * node whose child changed. The ancestors' sums no longer count `node`. */
static struct avl_node *remove_inner(struct avl_tree *tree, struct avl_node *node)
{
    struct avl_node *next = leftmost(node->right);
    struct avl_node *lowest = next->parent;
    for (struct avl_node *up = lowest; up != node; up = up->parent)
        up->left_weight -= next->weight; /* next is the leftmost below node->right */
    replace_child(tree, next->parent, next, next->right);
    if (lowest == node)
        lowest = next;
    next->left = node->left;
    next->left->parent = next;
    next->right = node->right;
    if (next->right)
        next->right->parent = next;
    next->left_weight = node->left_weight;
    next->height = node->height;
    replace_child(tree, node->parent, node, next);
    return lowest;
}

void avl_remove(struct avl_tree *tree, struct avl_node *node)
{
    adjust_ancestors(node, -(int64_t)node->weight);
    struct avl_node *lowest;
    if (node->left && node->right) {
        lowest = remove_inner(tree, node);
    } else {
        lowest = node->parent;
        replace_child(tree, lowest, node, node->left ? node->left : node->right);
    }
    rebalance(tree, lowest);
}

struct avl_node *avl_first(const struct avl_tree *tree)
{
    return tree->root ? leftmost(tree->root) : NULL;
}

struct avl_node *avl_last(const struct avl_tree *tree)
{
    return tree->root ? rightmost(tree->root) : NULL;
}

struct avl_node *avl_next(const struct avl_node *node)
{
    if (node->right)
        return leftmost(node->right);
    struct avl_node *up = node->parent;
    while (up && up->right == node) {
        node = up;
        up = up->parent;
    }
    return up;
}

struct avl_node *avl_prev(const struct avl_node *node)
{
    if (node->left)
        return rightmost(node->left);
    struct avl_node *up = node->parent;
    while (up && up->left == node) {
        node = up;
        up = up->parent;
    }
    return up;
}

struct avl_node *avl_seek(const struct avl_tree *tree, size_t rank, size_t *offset)
{
    struct avl_node *node = tree->root;
    while (node) {
        if (rank < node->left_weight) {
            node = node->left;
            continue;
        }
        rank -= node->left_weight;
        if (rank < node->weight)
            break;
        rank -= node->weight;
        node = node->right;
    }
    if (node && offset)
        *offset = rank;
    return node;
}

size_t avl_rank(const struct avl_node *node)
{
    size_t rank = node->left_weight;
    for (const struct avl_node *up = node->parent; up; node = up, up = up->parent)
        rank += up->right == node ? up->left_weight + up->weight : 0;
    return rank;
}

/* The first node in post-order of the subtree at `node`: a leaf. */
static struct avl_node *first_leaf(struct avl_node *node)
{
    while (node->left || node->right)
        node = node->left ? node->left : node->right;
    return node;
}

struct avl_node *avl_postorder_first(const struct avl_tree *tree)
{
    return tree->root ? first_leaf(tree->root) : NULL;
}

struct avl_node *avl_postorder_next(const struct avl_node *node)
{
    struct avl_node *up = node->parent;
    if (up && up->left == node && up->right)
        return first_leaf(up->right);
    return up;
}
