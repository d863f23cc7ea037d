/* ttree.c: the life of a T-tree and its changes: how blocks grow, spill into neighbours, merge. */
#include "ds/ttree.h"

#include "base/assert.h"
#include "base/mem.h"
#include "ds/ttree_search.h"

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

void ttree_init(struct ttree *tree, const struct ttree_type *type)
{
    *tree = (struct ttree){.type = type};
}

void ttree_deinit(struct ttree *tree, ttree_item_fn on_item, void *ctx)
{
    struct avl_node *node = avl_postorder_first(&tree->avl);
    while (node) {
        struct ttree_block *block = ttree_block_of(node);
        node = avl_postorder_next(node);
        for (uint32_t i = 0; on_item && i < block->node.weight; i++)
            on_item(ttree_item_at(block, i), block->scores[i], ctx);
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

/* Copies entries without touching counts. The ranges may overlap within one block. */
static void copy_entries(struct ttree_block *to, uint32_t to_index, const struct ttree_block *from,
                         uint32_t from_index, uint32_t count)
{
    memmove(to->scores + to_index, from->scores + from_index, count * sizeof(double));
    memmove(ttree_refs(to) + to_index, ttree_refs(from) + from_index,
            count * sizeof(struct ttree_ref));
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
static void spill_left(struct ttree_gap *gap, struct ttree_block *left, uint32_t count)
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

static void spill_right(struct ttree_gap *gap, struct ttree_block *right, uint32_t count)
{
    shift_right(gap->block, right, count);
    uint32_t kept = gap->block->node.weight;
    if (gap->index > kept) {
        gap->block = right;
        gap->index -= kept;
    }
}

/* Makes room at a gap in a full block; the gap follows its place. */
static void make_room(struct ttree *tree, struct ttree_gap *gap)
{
    struct ttree_block *block = gap->block;
    if (block->node.tag < CAPACITY) {
        gap->block = grow_single(tree, block);
        return;
    }
    struct avl_node *next = avl_next(&block->node), *prev = avl_prev(&block->node);
    if (!next && gap->index == CAPACITY) {
        *gap = (struct ttree_gap){new_block_after(tree, block), 0, gap->rank};
        return;
    }
    if (!prev && gap->index == 0) {
        gap->block = block_create(tree, CAPACITY);
        avl_insert_before(&tree->avl, &block->node, &gap->block->node);
        return;
    }
    if (spill_count(prev)) {
        spill_left(gap, ttree_block_of(prev), spill_count(prev));
        return;
    }
    uint32_t count = spill_count(next);
    if (count)
        spill_right(gap, ttree_block_of(next), count);
    else
        spill_right(gap, new_block_after(tree, block), CAPACITY / 2);
}

static void insert_at(struct ttree *tree, struct ttree_gap gap, double score, void *item)
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
    struct ttree_bound bound = ttree_bound_of_item(tree, score, item);
    DASSERT(!ttree_find_item(tree, score, item, NULL).block);
    struct ttree_gap gap = ttree_gap_find_to_write(tree, &bound);
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
    shift_left(ttree_block_of(left), ttree_block_of(right), right->weight);
    drop(tree, ttree_block_of(right));
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
    struct ttree_iter it = ttree_find_item(tree, score, item, NULL);
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
    struct ttree_gap gaps[2];
    struct ttree_bound bounds[2] = {ttree_bound_of_score(old_score, false),
                                    ttree_bound_of_item(tree, new_score, item)};
    ttree_gap_find_two(tree, bounds, gaps);
    struct ttree_iter it = ttree_find_item_after(tree, &gaps[0], old_score, item);
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

/* After a range was cut out before rank `at`: the blocks on both sides of it may be nearly empty
 * and may be new neighbours. */
static void tidy_around(struct ttree *tree, size_t at)
{
    struct avl_node *right = avl_seek(&tree->avl, at, NULL);
    struct avl_node *left = right ? avl_prev(right) : avl_last(&tree->avl);
    if (right && !try_merge(tree, left, right))
        tidy(tree, ttree_block_of(right));
    if (left)
        tidy(tree, ttree_block_of(left));
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
            on_item(ttree_item_at(block, i), block->scores[i], ctx);
        left -= count;
        struct ttree_block *next = left ? ttree_block_of(avl_next(&block->node)) : NULL;
        cut(tree, block, it.index, count);
        if (block->node.weight == 0)
            drop(tree, block);
        it = (struct ttree_iter){next, 0};
    }
    tidy_around(tree, first);
    return wanted;
}
