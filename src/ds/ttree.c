#include "ds/ttree.h"

#include "base/assert.h"
#include "base/mem.h"

#include <math.h>

enum {
    CAPACITY = TTREE_BLOCK_ENTRIES,
    /* A neighbour takes overflow only when at least this much moves: not one entry at a time. */
    SPILL_ROOM = CAPACITY / 8 + 1,
    MERGE_BELOW = CAPACITY / 2,
    MERGED_AT_MOST = CAPACITY - CAPACITY / 8,
};

STATIC_ASSERT(TTREE_FULL_POINTERS || TTREE_BLOCK_ENTRIES != 88 ||
                  sizeof(struct ttree_block) + 88 * (sizeof(double) + 6) <= 1280,
              "a full block is one jemalloc class");

/* Ties at a bound's score: all of them are above it, all below, or their members decide. */
enum tie {
    TIES_ABOVE,
    TIES_BELOW,
    MEMBER_BELOW,
    MEMBER_BELOW_OR_EQUAL
};

/* A cut through the order: every entry is either below or above it. */
struct bound {
    double score;
    enum tie tie;
    struct slice member;
};

/* The gap at a bound: between entries index-1 and index of a block, index 0 … weight. Index 0 only
 * in the tree's first block. block is NULL in an empty tree. */
struct gap {
    struct ttree_block *block;
    uint32_t index;
    size_t rank;
};

static struct ttree_block *block_of(struct avl_node *node)
{
    return node ? container_of(node, struct ttree_block, node) : NULL;
}

static struct ttree_ref ref_make(void *item)
{
#if TTREE_FULL_POINTERS
    return (struct ttree_ref){item};
#else
    uintptr_t bits = (uintptr_t)item;
    ASSERT(bits >> 48 == 0);
    return (struct ttree_ref){{(uint16_t)bits, (uint16_t)(bits >> 16), (uint16_t)(bits >> 32)}};
#endif
}

static void *item_at(const struct ttree_block *block, uint32_t index)
{
    return ttree_ref_get(ttree_refs(block) + index);
}

static size_t block_size(uint32_t capacity)
{
    return sizeof(struct ttree_block) + capacity * (sizeof(double) + sizeof(struct ttree_ref));
}

static struct ttree_block *block_create(struct ttree *tree, uint32_t capacity)
{
    struct ttree_block *block = mem_alloc(MEM_DATA, block_size(capacity));
    block->node.weight = 0;
    block->node.tag = (uint16_t)capacity;
    tree->blocks++;
    return block;
}

static void block_destroy(struct ttree *tree, struct ttree_block *block)
{
    tree->blocks--;
    mem_free(MEM_DATA, block, block_size(block->node.tag));
}

/* Copies entries without touching counts. The ranges may overlap within one block. */
static void copy_entries(struct ttree_block *to, uint32_t to_index, const struct ttree_block *from,
                         uint32_t from_index, uint32_t count)
{
    memmove(to->scores + to_index, from->scores + from_index, count * sizeof(double));
    memmove(ttree_refs(to) + to_index, ttree_refs(from) + from_index,
            count * sizeof(struct ttree_ref));
}

static bool tie_is_below(const struct ttree *tree, const void *item, const struct bound *bound)
{
    if (bound->tie <= TIES_BELOW)
        return bound->tie == TIES_BELOW;
    int order = slice_compare(tree->type->member(item), bound->member);
    return order < 0 || (order == 0 && bound->tie == MEMBER_BELOW_OR_EQUAL);
}

static bool entry_is_below(const struct ttree *tree, const struct ttree_block *block,
                           uint32_t index, const struct bound *bound)
{
    double score = block->scores[index];
    if (likely(score != bound->score))
        return score < bound->score;
    return tie_is_below(tree, item_at(block, index), bound);
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
                           const struct bound *bound)
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
                             const struct bound *bound)
{
    uint32_t weight = block->node.weight;
    uint32_t index = scores_below(block->scores, weight, bound->score);
    if (index == weight || block->scores[index] != bound->score)
        return index;
    if (index + 1 == weight || block->scores[index + 1] != bound->score)
        return index + tie_is_below(tree, item_at(block, index), bound);
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
    const struct bound *bound;
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
    double min = block_of(node)->scores[0];
    size_t right = min < d->bound->score;
    if (unlikely(min == d->bound->score))
        right = tie_is_below(tree, item_at(block_of(node), 0), d->bound);
    uintptr_t mask = -(uintptr_t)right;
    d->found ^= (d->found ^ (uintptr_t)node) & mask;
    d->rank += (node->left_weight + node->weight) & mask;
    d->node = node->child[right];
}

INLINE struct gap descent_end(const struct ttree *tree, const struct descent *d)
{
    if (!d->found)
        return (struct gap){block_of(d->last), 0, 0};
    struct ttree_block *block = block_of((struct avl_node *)d->found);
    uint32_t index = block_search(tree, block, d->bound);
    return (struct gap){block, index, d->rank - block->node.weight + index};
}

INLINE struct gap find_gap(const struct ttree *tree, const struct bound *bound, bool to_write)
{
    struct descent d = {.bound = bound, .node = tree->avl.root};
    while (d.node)
        descend(tree, &d);
    if (d.found)
        block_prefetch(block_of((struct avl_node *)d.found), to_write);
    return descent_end(tree, &d);
}

/* Two ways down at once, so that their cache misses overlap. */
INLINE void find_gaps(const struct ttree *tree, const struct bound bounds[2], struct gap gaps[2])
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
        block_prefetch(block_of((struct avl_node *)a.found), true);
    if (b.found)
        block_prefetch(block_of((struct avl_node *)b.found), true);
    gaps[0] = descent_end(tree, &a);
    gaps[1] = descent_end(tree, &b);
}

static struct gap gap_at(const struct ttree *tree, const struct bound *bound)
{
    return find_gap(tree, bound, false);
}

/* The entry after the gap. */
static struct ttree_iter gap_next(struct gap gap)
{
    if (gap.block && gap.index == gap.block->node.weight)
        return (struct ttree_iter){block_of(avl_next(&gap.block->node)), 0};
    return (struct ttree_iter){gap.block, gap.index};
}

/* The entry before the gap. */
static struct ttree_iter gap_prev(struct gap gap)
{
    if (gap.index == 0) /* only before the first entry of all, or in an empty tree */
        return (struct ttree_iter){NULL, 0};
    return (struct ttree_iter){gap.block, gap.index - 1};
}

static struct bound bound_of_item(const struct ttree *tree, double score, const void *item)
{
    ASSERT(!isnan(score));
    return (struct bound){score, MEMBER_BELOW, tree->type->member(item)};
}

static struct bound bound_of_score(double score, bool ties_below)
{
    ASSERT(!isnan(score));
    return (struct bound){.score = score, .tie = ties_below ? TIES_BELOW : TIES_ABOVE};
}

static bool is_item(struct ttree_iter it, double score, const void *item)
{
    return it.block && ttree_iter_score(it) == score && ttree_iter_item(it) == item;
}

/* Where exactly this item is, given the gap in front of all entries with its score; block NULL when
 * nowhere. A few entries are compared by address, without a look at any member; where many share
 * the score, members decide. The gap becomes the one in front of the item. */
static struct ttree_iter find_item_after(const struct ttree *tree, struct gap *gap, double score,
                                         const void *item)
{
    enum {
        FEW = 8
    };
    struct ttree_iter it = gap_next(*gap);
    for (int i = 0; i < FEW; i++, gap->rank++) {
        if (is_item(it, score, item))
            return it;
        if (!it.block || ttree_iter_score(it) != score)
            return (struct ttree_iter){NULL, 0};
        ttree_iter_next(&it);
    }
    struct bound bound = bound_of_item(tree, score, item);
    *gap = find_gap(tree, &bound, true);
    it = gap_next(*gap);
    return is_item(it, score, item) ? it : (struct ttree_iter){NULL, 0};
}

static struct ttree_iter find_item(const struct ttree *tree, double score, const void *item,
                                   size_t *rank)
{
    struct bound bound = bound_of_score(score, false);
    struct gap gap = find_gap(tree, &bound, !rank);
    struct ttree_iter it = find_item_after(tree, &gap, score, item);
    if (rank)
        *rank = gap.rank;
    return it;
}

void ttree_init(struct ttree *tree, const struct ttree_type *type)
{
    *tree = (struct ttree){.type = type};
}

void ttree_deinit(struct ttree *tree, ttree_item_fn on_item, void *ctx)
{
    struct avl_node *node = avl_postorder_first(&tree->avl);
    while (node) {
        struct ttree_block *block = block_of(node);
        node = avl_postorder_next(node);
        for (uint32_t i = 0; on_item && i < block->node.weight; i++)
            on_item(item_at(block, i), block->scores[i], ctx);
        block_destroy(tree, block);
    }
    ttree_init(tree, tree->type);
}

size_t ttree_bytes(const struct ttree *tree)
{
    if (!tree->avl.root)
        return 0;
    /* Blocks smaller than the rest stand alone, so the root speaks for all. */
    return tree->blocks * mem_size_class(block_size(tree->avl.root->tag));
}

/* Moves `count` entries from the end of `left` to the front of `right`, its successor. */
static void shift_right(struct ttree_block *left, struct ttree_block *right, uint32_t count)
{
    copy_entries(right, count, right, 0, right->node.weight);
    copy_entries(right, 0, left, left->node.weight - count, count);
    avl_add_weight(&left->node, -(int64_t)count);
    avl_add_weight(&right->node, count);
}

/* Moves `count` entries from the front of `right` to the end of `left`, its predecessor. */
static void shift_left(struct ttree_block *left, struct ttree_block *right, uint32_t count)
{
    copy_entries(left, left->node.weight, right, 0, count);
    copy_entries(right, 0, right, count, right->node.weight - count);
    avl_add_weight(&left->node, count);
    avl_add_weight(&right->node, -(int64_t)count);
}

/* The only block of the tree grows: 6, 12, 24, 48, 88 entries, each close below a jemalloc class.
 */
static struct ttree_block *grow_single(struct ttree *tree, struct ttree_block *block)
{
    uint32_t capacity = block->node.tag * 2u;
    if (capacity > CAPACITY - CAPACITY / 4)
        capacity = CAPACITY;
    struct ttree_block *bigger = block_create(tree, capacity);
    bigger->node = block->node;
    bigger->node.tag = (uint16_t)capacity;
    copy_entries(bigger, 0, block, 0, block->node.weight);
    tree->avl.root = &bigger->node;
    block_destroy(tree, block);
    return bigger;
}

/* How many entries to hand to a neighbour so that both are equally full; 0 when it is too full. */
static uint32_t spill_count(const struct avl_node *neighbour)
{
    if (!neighbour || CAPACITY - neighbour->weight < SPILL_ROOM)
        return 0;
    return (CAPACITY - neighbour->weight + 1) / 2;
}

static struct ttree_block *new_block_after(struct ttree *tree, struct ttree_block *block)
{
    struct ttree_block *fresh = block_create(tree, CAPACITY);
    avl_insert_after(&tree->avl, &block->node, &fresh->node);
    return fresh;
}

/* The gap's block hands entries to its predecessor or successor; the gap stays at its place. */
static void spill_left(struct gap *gap, struct ttree_block *left, uint32_t count)
{
    uint32_t held = left->node.weight;
    shift_left(left, gap->block, count);
    if (gap->index <= count) {
        gap->block = left;
        gap->index += held;
    } else {
        gap->index -= count;
    }
}

static void spill_right(struct gap *gap, struct ttree_block *right, uint32_t count)
{
    shift_right(gap->block, right, count);
    uint32_t kept = gap->block->node.weight;
    if (gap->index > kept) {
        gap->block = right;
        gap->index -= kept;
    }
}

/* Makes room at a gap in a full block; the gap follows its place. */
static void make_room(struct ttree *tree, struct gap *gap)
{
    struct ttree_block *block = gap->block;
    if (block->node.tag < CAPACITY) {
        gap->block = grow_single(tree, block);
        return;
    }
    struct avl_node *next = avl_next(&block->node), *prev = avl_prev(&block->node);
    if (!next && gap->index == CAPACITY) {
        *gap = (struct gap){new_block_after(tree, block), 0, gap->rank};
        return;
    }
    if (!prev && gap->index == 0) {
        gap->block = block_create(tree, CAPACITY);
        avl_insert_before(&tree->avl, &block->node, &gap->block->node);
        return;
    }
    if (spill_count(prev)) {
        spill_left(gap, block_of(prev), spill_count(prev));
        return;
    }
    uint32_t count = spill_count(next);
    if (count)
        spill_right(gap, block_of(next), count);
    else
        spill_right(gap, new_block_after(tree, block), CAPACITY / 2);
}

static void insert_at(struct ttree *tree, struct gap gap, double score, void *item)
{
    if (gap.block->node.weight == gap.block->node.tag)
        make_room(tree, &gap);
    struct ttree_block *block = gap.block;
    copy_entries(block, gap.index + 1, block, gap.index, block->node.weight - gap.index);
    block->scores[gap.index] = score;
    ttree_refs(block)[gap.index] = ref_make(item);
    avl_add_weight(&block->node, 1);
    tree->len++;
}

void ttree_insert(struct ttree *tree, double score, void *item)
{
    struct bound bound = bound_of_item(tree, score, item);
    DASSERT(!find_item(tree, score, item, NULL).block);
    struct gap gap = find_gap(tree, &bound, true);
    if (!gap.block) {
        gap.block = block_create(tree, TTREE_FIRST_ENTRIES);
        avl_insert_first(&tree->avl, &gap.block->node);
    }
    insert_at(tree, gap, score, item);
}

static void drop(struct ttree *tree, struct ttree_block *block)
{
    avl_remove(&tree->avl, &block->node);
    block_destroy(tree, block);
}

/* Appends `right` to its predecessor `left` when both fit well; true when it did. */
static bool try_merge(struct ttree *tree, struct avl_node *left, struct avl_node *right)
{
    if (!left || !right || left->weight + right->weight > MERGED_AT_MOST)
        return false;
    shift_left(block_of(left), block_of(right), right->weight);
    drop(tree, block_of(right));
    return true;
}

/* After removals from `block`: gives it back when empty, merges it when far from full. */
static void tidy(struct ttree *tree, struct ttree_block *block)
{
    struct avl_node *node = &block->node;
    if (node->weight >= MERGE_BELOW)
        return;
    if (node->weight == 0) {
        drop(tree, block);
        return;
    }
    try_merge(tree, node, avl_next(node));
    try_merge(tree, avl_prev(node), node);
}

/* Removes `count` entries of one block without tidying up. */
static void cut(struct ttree *tree, struct ttree_block *block, uint32_t index, uint32_t count)
{
    copy_entries(block, index, block, index + count, block->node.weight - index - count);
    avl_add_weight(&block->node, -(int64_t)count);
    tree->len -= count;
}

static void remove_at(struct ttree *tree, struct ttree_iter it)
{
    cut(tree, it.block, it.index, 1);
    tidy(tree, it.block);
}

bool ttree_remove(struct ttree *tree, double score, const void *item)
{
    struct ttree_iter it = find_item(tree, score, item, NULL);
    if (!it.block)
        return false;
    remove_at(tree, it);
    return true;
}

/* Moves the entry at `it` to a gap in the same block. */
static void move_within(struct ttree_iter it, uint32_t gap_index, double score)
{
    struct ttree_block *block = it.block;
    struct ttree_ref ref = ttree_refs(block)[it.index];
    uint32_t to = gap_index - (gap_index > it.index); /* the entry itself does not count */
    if (to > it.index)
        copy_entries(block, it.index, block, it.index + 1, to - it.index);
    else
        copy_entries(block, to + 1, block, to, it.index - to);
    block->scores[to] = score;
    ttree_refs(block)[to] = ref;
}

bool ttree_update(struct ttree *tree, double old_score, void *item, double new_score)
{
    struct gap gaps[2];
    struct bound bounds[2] = {bound_of_score(old_score, false),
                              bound_of_item(tree, new_score, item)};
    find_gaps(tree, bounds, gaps);
    struct ttree_iter it = find_item_after(tree, &gaps[0], old_score, item);
    if (!it.block)
        return false;
    if (it.block == gaps[1].block) {
        move_within(it, gaps[1].index, new_score);
    } else if (it.block->node.weight >
               MERGE_BELOW) { /* stays well filled, so the gap stays valid */
        cut(tree, it.block, it.index, 1);
        insert_at(tree, gaps[1], new_score, item);
    } else {
        remove_at(tree, it);
        ttree_insert(tree, new_score, item);
    }
    return true;
}

struct ttree_iter ttree_first(const struct ttree *tree)
{
    return (struct ttree_iter){block_of(avl_first(&tree->avl)), 0};
}

struct ttree_iter ttree_last(const struct ttree *tree)
{
    struct avl_node *node = avl_last(&tree->avl);
    return (struct ttree_iter){block_of(node), node ? node->weight - 1 : 0};
}

struct ttree_iter ttree_seek_rank(const struct ttree *tree, size_t rank)
{
    size_t offset = 0;
    struct avl_node *node = avl_seek(&tree->avl, rank, &offset);
    return (struct ttree_iter){block_of(node), (uint32_t)offset};
}

static struct bound bound_of_lex(const struct ttree *tree, struct slice member, bool equal_below)
{
    const struct ttree_block *root = block_of(tree->avl.root);
    return (struct bound){root ? root->scores[0] : 0,
                          equal_below ? MEMBER_BELOW_OR_EQUAL : MEMBER_BELOW, member};
}

struct ttree_iter ttree_seek_first(const struct ttree *tree, double score, bool exclusive)
{
    struct bound bound = bound_of_score(score, exclusive);
    return gap_next(gap_at(tree, &bound));
}

struct ttree_iter ttree_seek_last(const struct ttree *tree, double score, bool exclusive)
{
    struct bound bound = bound_of_score(score, !exclusive);
    return gap_prev(gap_at(tree, &bound));
}

struct ttree_iter ttree_seek_lex_first(const struct ttree *tree, struct slice member,
                                       bool exclusive)
{
    struct bound bound = bound_of_lex(tree, member, exclusive);
    return gap_next(gap_at(tree, &bound));
}

struct ttree_iter ttree_seek_lex_last(const struct ttree *tree, struct slice member, bool exclusive)
{
    struct bound bound = bound_of_lex(tree, member, !exclusive);
    return gap_prev(gap_at(tree, &bound));
}

size_t ttree_rank_of(const struct ttree *tree, double score, struct slice member)
{
    ASSERT(!isnan(score));
    struct bound bound = {score, MEMBER_BELOW, member};
    return gap_at(tree, &bound).rank;
}

size_t ttree_rank_of_item(const struct ttree *tree, double score, const void *item)
{
    size_t rank;
    bool found = find_item(tree, score, item, &rank).block;
    ASSERT(found);
    return rank;
}

size_t ttree_rank_of_score(const struct ttree *tree, double score, bool inclusive)
{
    struct bound bound = bound_of_score(score, inclusive);
    return gap_at(tree, &bound).rank;
}

size_t ttree_rank_of_lex(const struct ttree *tree, struct slice member, bool inclusive)
{
    struct bound bound = bound_of_lex(tree, member, inclusive);
    return gap_at(tree, &bound).rank;
}

size_t ttree_iter_rank(struct ttree_iter it)
{
    return avl_rank(&it.block->node) + it.index;
}

static void *pop_at(struct ttree *tree, struct ttree_iter it, double *score)
{
    if (!it.block)
        return NULL;
    void *item = ttree_iter_item(it);
    if (score)
        *score = ttree_iter_score(it);
    remove_at(tree, it);
    return item;
}

void *ttree_pop_first(struct ttree *tree, double *score)
{
    return pop_at(tree, ttree_first(tree), score);
}

void *ttree_pop_last(struct ttree *tree, double *score)
{
    return pop_at(tree, ttree_last(tree), score);
}

/* After a range was cut out before rank `at`: the blocks on both sides of it may be nearly empty
 * and may be new neighbours. */
static void tidy_around(struct ttree *tree, size_t at)
{
    struct avl_node *right = avl_seek(&tree->avl, at, NULL);
    struct avl_node *left = right ? avl_prev(right) : avl_last(&tree->avl);
    if (right && !try_merge(tree, left, right))
        tidy(tree, block_of(right));
    if (left)
        tidy(tree, block_of(left));
}

size_t ttree_delete_range(struct ttree *tree, size_t first, size_t last, ttree_item_fn on_item,
                          void *ctx)
{
    if (first > last || first >= tree->len)
        return 0;
    size_t wanted = MIN(last, tree->len - 1) - first + 1, left = wanted;
    struct ttree_iter it = ttree_seek_rank(tree, first);
    while (left) {
        struct ttree_block *block = it.block;
        uint32_t count = (uint32_t)MIN(left, (size_t)(block->node.weight - it.index));
        for (uint32_t i = it.index; on_item && i < it.index + count; i++)
            on_item(item_at(block, i), block->scores[i], ctx);
        left -= count;
        struct ttree_block *next = left ? block_of(avl_next(&block->node)) : NULL;
        cut(tree, block, it.index, count);
        if (block->node.weight == 0)
            drop(tree, block);
        it = (struct ttree_iter){next, 0};
    }
    tidy_around(tree, first);
    return wanted;
}
