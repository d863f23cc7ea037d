/* ttree_search.c: from the root to a block, and within it: scores first, members only for ties;
 * and what readers ask of that. */
#include "ds/ttree_search.h"

static bool tie_is_below(const struct ttree *tree, const void *item,
                         const struct ttree_bound *bound)
{
    if (bound->tie <= TIES_BELOW)
        return bound->tie == TIES_BELOW;
    int order = slice_compare(tree->type->member(item), bound->member);
    return order < 0 || (order == 0 && bound->tie == MEMBER_BELOW_OR_EQUAL);
}

static bool entry_is_below(const struct ttree *tree, const struct ttree_block *block,
                           uint32_t index, const struct ttree_bound *bound)
{
    double score = block->scores[index];
    if (likely(score != bound->score))
        return score < bound->score;
    return tie_is_below(tree, ttree_item_at(block, index), bound);
}

/* Number of leading scores < `score`. The mask keeps the compiler from making a branch, which would
 * be mispredicted every second time. */
INLINE uint32_t scores_below(const double *scores, uint32_t count, double score)
{
    uint32_t base = 0;
    while (count > 1) {
        uint32_t half = count / 2;
        base += -(uint32_t)(scores[base + half - 1] < score) & half;
        count -= half;
    }
    return base + (count && scores[base] < score);
}

/* The first of the entries [from, block's end) that is not below the bound. All of them have a
 * score ≥ the bound's; only those of equal score cost a look at a member. */
static uint32_t tie_search(const struct ttree *tree, const struct ttree_block *block, uint32_t from,
                           const struct ttree_bound *bound)
{
    uint32_t low = from, high = block->node.weight;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (entry_is_below(tree, block, middle, bound))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Number of entries of the block below the bound. */
INLINE uint32_t block_search(const struct ttree *tree, const struct ttree_block *block,
                             const struct ttree_bound *bound)
{
    uint32_t weight = block->node.weight;
    uint32_t index = scores_below(block->scores, weight, bound->score);
    if (index == weight || block->scores[index] != bound->score)
        return index;
    if (index + 1 == weight || block->scores[index + 1] != bound->score)
        return index + tie_is_below(tree, ttree_item_at(block, index), bound);
    return tie_search(tree, block, index, bound);
}

/* The lines of the scores, and of the refs when they will move too: all at once instead of one
 * miss after the other. */
INLINE void block_prefetch(const struct ttree_block *block, bool refs)
{
    const char *end = (const char *)(block->scores + block->node.weight);
    for (const char *line = (const char *)block + CACHE_LINE; line < end; line += CACHE_LINE)
        __builtin_prefetch(line);
    if (!refs)
        return;
    const char *start = (const char *)(ttree_refs(block));
    end = start + block->node.weight * sizeof(struct ttree_ref);
    for (const char *line = start; line < end; line += CACHE_LINE)
        __builtin_prefetch(line);
}

/* A way down to the gap at a bound: its block is the last one whose first entry is below the bound.
 */
struct descent {
    const struct ttree_bound *bound;
    struct avl_node *node, *last;
    uintptr_t found;
    size_t rank; /* of the first entry below `node` */
};

/* One step has no branch that depends on the comparison, except for ties. */
INLINE void descend(const struct ttree *tree, struct descent *d)
{
    struct avl_node *node = d->node;
    __builtin_prefetch(node->left);
    __builtin_prefetch(node->right);
    d->last = node;
    double min = ttree_block_of(node)->scores[0];
    size_t right = min < d->bound->score;
    if (unlikely(min == d->bound->score))
        right = tie_is_below(tree, ttree_item_at(ttree_block_of(node), 0), d->bound);
    uintptr_t mask = -(uintptr_t)right;
    d->found ^= (d->found ^ (uintptr_t)node) & mask;
    d->rank += (node->left_weight + node->weight) & mask;
    d->node = node->child[right];
}

INLINE struct ttree_gap descent_end(const struct ttree *tree, const struct descent *d)
{
    if (!d->found)
        return (struct ttree_gap){ttree_block_of(d->last), 0, 0};
    struct ttree_block *block = ttree_block_of((struct avl_node *)d->found);
    uint32_t index = block_search(tree, block, d->bound);
    return (struct ttree_gap){block, index, d->rank - block->node.weight + index};
}

INLINE struct ttree_gap find_gap(const struct ttree *tree, const struct ttree_bound *bound,
                                 bool to_write)
{
    struct descent d = {.bound = bound, .node = tree->avl.root};
    while (d.node)
        descend(tree, &d);
    if (d.found)
        block_prefetch(ttree_block_of((struct avl_node *)d.found), to_write);
    return descent_end(tree, &d);
}

struct ttree_gap ttree_gap_find(const struct ttree *tree, const struct ttree_bound *bound)
{
    return find_gap(tree, bound, false);
}

struct ttree_gap ttree_gap_find_to_write(const struct ttree *tree, const struct ttree_bound *bound)
{
    return find_gap(tree, bound, true);
}

void ttree_gap_find_two(const struct ttree *tree, const struct ttree_bound bounds[2],
                        struct ttree_gap gaps[2])
{
    struct descent a = {.bound = &bounds[0], .node = tree->avl.root};
    struct descent b = {.bound = &bounds[1], .node = tree->avl.root};
    while (a.node && b.node) {
        descend(tree, &a);
        descend(tree, &b);
    }
    while (a.node)
        descend(tree, &a);
    while (b.node)
        descend(tree, &b);
    if (a.found)
        block_prefetch(ttree_block_of((struct avl_node *)a.found), true);
    if (b.found)
        block_prefetch(ttree_block_of((struct avl_node *)b.found), true);
    gaps[0] = descent_end(tree, &a);
    gaps[1] = descent_end(tree, &b);
}

static bool is_item(struct ttree_iter it, double score, const void *item)
{
    return it.block && ttree_iter_score(it) == score && ttree_iter_item(it) == item;
}

/* A few entries are compared by address, without a look at any member; where many share the score,
 * members decide. */
struct ttree_iter ttree_find_item_after(const struct ttree *tree, struct ttree_gap *gap,
                                        double score, const void *item)
{
    enum {
        FEW = 8
    };
    struct ttree_iter it = ttree_gap_next(*gap);
    for (int i = 0; i < FEW; i++, gap->rank++) {
        if (is_item(it, score, item))
            return it;
        if (!it.block || ttree_iter_score(it) != score)
            return (struct ttree_iter){NULL, 0};
        ttree_iter_next(&it);
    }
    struct ttree_bound bound = ttree_bound_of_item(tree, score, item);
    *gap = ttree_gap_find_to_write(tree, &bound);
    it = ttree_gap_next(*gap);
    return is_item(it, score, item) ? it : (struct ttree_iter){NULL, 0};
}

struct ttree_iter ttree_find_item(const struct ttree *tree, double score, const void *item,
                                  size_t *rank)
{
    struct ttree_bound bound = ttree_bound_of_score(score, false);
    struct ttree_gap gap =
        rank ? ttree_gap_find(tree, &bound) : ttree_gap_find_to_write(tree, &bound);
    struct ttree_iter it = ttree_find_item_after(tree, &gap, score, item);
    if (rank)
        *rank = gap.rank;
    return it;
}

struct ttree_iter ttree_first(const struct ttree *tree)
{
    return (struct ttree_iter){ttree_block_of(avl_first(&tree->avl)), 0};
}

struct ttree_iter ttree_last(const struct ttree *tree)
{
    struct avl_node *node = avl_last(&tree->avl);
    return (struct ttree_iter){ttree_block_of(node), node ? node->weight - 1 : 0};
}

struct ttree_iter ttree_seek_rank(const struct ttree *tree, size_t rank)
{
    size_t offset = 0;
    struct avl_node *node = avl_seek(&tree->avl, rank, &offset);
    return (struct ttree_iter){ttree_block_of(node), (uint32_t)offset};
}

static struct ttree_bound bound_of_lex(const struct ttree *tree, struct slice member,
                                       bool equal_below)
{
    const struct ttree_block *root = ttree_block_of(tree->avl.root);
    return (struct ttree_bound){root ? root->scores[0] : 0,
                                equal_below ? MEMBER_BELOW_OR_EQUAL : MEMBER_BELOW, member};
}

size_t ttree_rank_of_item(const struct ttree *tree, double score, const void *item)
{
    size_t rank;
    bool found = ttree_find_item(tree, score, item, &rank).block;
    ASSERT(found);
    return rank;
}

size_t ttree_rank_of_score(const struct ttree *tree, double score, bool inclusive)
{
    struct ttree_bound bound = ttree_bound_of_score(score, inclusive);
    return ttree_gap_find(tree, &bound).rank;
}

size_t ttree_rank_of_lex(const struct ttree *tree, struct slice member, bool inclusive)
{
    struct ttree_bound bound = bound_of_lex(tree, member, inclusive);
    return ttree_gap_find(tree, &bound).rank;
}
