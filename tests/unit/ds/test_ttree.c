#include "base/mem.h"
#include "ds/ttree.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    CAPACITY = TTREE_BLOCK_ENTRIES,
    MAX_ITEMS = 4096
};

struct item {
    double score; /* the twin's copy */
    uint8_t len;
    char name[15];
};

static struct slice member_of(const void *item)
{
    const struct item *it = item;
    return slice_make(it->name, it->len);
}

static const struct ttree_type type = {.member = member_of};

static uint64_t seed;

static size_t below(size_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)((seed >> 11) % limit);
}

/* The twin: a sorted array of items. */
struct twin {
    struct item *items[MAX_ITEMS];
    size_t len;
};

static struct twin twin;

static int order_of(double a_score, struct slice a, double b_score, struct slice b)
{
    if (a_score != b_score)
        return a_score < b_score ? -1 : 1;
    return slice_compare(a, b);
}

/* Number of the twin's entries before the key. Binary, by one comparison of whole keys. */
static size_t twin_rank(double score, struct slice member)
{
    size_t low = 0, high = twin.len;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct item *it = twin.items[middle];
        if (order_of(it->score, member_of(it), score, member) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool twin_holds(double score, struct slice member)
{
    size_t at = twin_rank(score, member);
    return at < twin.len && twin.items[at]->score == score &&
           slice_equal(member_of(twin.items[at]), member);
}

static void twin_insert(struct item *it)
{
    size_t at = twin_rank(it->score, member_of(it));
    memmove(twin.items + at + 1, twin.items + at, (twin.len - at) * sizeof(twin.items[0]));
    twin.items[at] = it;
    twin.len++;
}

static void twin_cut(size_t at, size_t count)
{
    twin.len -= count;
    memmove(twin.items + at, twin.items + at + count, (twin.len - at) * sizeof(twin.items[0]));
}

/* Linear, so that it shares no idea with the code under test. */
static size_t twin_count(double score, bool inclusive)
{
    size_t count = 0;
    while (count < twin.len &&
           (twin.items[count]->score < score || (inclusive && twin.items[count]->score == score)))
        count++;
    return count;
}

/* How scores and members are drawn: few distinct ones make many ties. */
struct mix {
    size_t scores;
    size_t members;
    const char *label;
};

static double random_score(const struct mix *mix)
{
    size_t draw = below(mix->scores);
    switch (mix->scores > 1 ? draw % 50 : 1) {
    case 10:
        return INFINITY;
    case 20:
        return -INFINITY;
    case 30:
        return below(2) ? 0.0 : -0.0;
    default:
        return (double)draw * 0.37 - (double)mix->scores / 8;
    }
}

/* Members with prefixes of one another, empty ones and bytes ≥ 0x80. */
static void random_member(const struct mix *mix, struct item *it)
{
    size_t draw = below(mix->members);
    it->len = 0;
    while (draw) {
        it->name[it->len++] = (char)(draw % 3 * 0x7f + 0x01);
        draw /= 3;
    }
}

static void verify_blocks(const struct ttree *tree)
{
    size_t seen = 0, blocks = 0, before = CAPACITY;
    const struct avl_node *node = avl_first(&tree->avl);
    for (; node; node = avl_next(node), blocks++) {
        assert_in_range(node->weight, 1, node->tag);
        assert_true(node->tag == CAPACITY || tree->blocks == 1);
        assert_int_equal(avl_rank(node), seen);
        assert_true(before + node->weight > CAPACITY / 2);
        before = node->weight;
        seen += node->weight;
        int left = node->left ? node->left->height : 0;
        int right = node->right ? node->right->height : 0;
        assert_in_range(left - right + 1, 0, 2);
        assert_int_equal(node->height, 1 + MAX(left, right));
    }
    assert_int_equal(seen, tree->len);
    assert_int_equal(blocks, tree->blocks);
    assert_int_equal(mem_used(MEM_DATA), ttree_bytes(tree));
}

static void verify_order(const struct ttree *tree)
{
    assert_int_equal(ttree_len(tree), twin.len);
    struct ttree_iter it = ttree_first(tree), back = ttree_last(tree);
    for (size_t i = 0; i < twin.len; i++) {
        assert_true(ttree_iter_valid(it) && ttree_iter_valid(back));
        assert_ptr_equal(ttree_iter_item(it), twin.items[i]);
        assert_true(ttree_iter_score(it) == twin.items[i]->score);
        assert_ptr_equal(ttree_iter_item(back), twin.items[twin.len - 1 - i]);
        ttree_iter_next(&it);
        ttree_iter_prev(&back);
    }
    assert_false(ttree_iter_valid(it));
    assert_false(ttree_iter_valid(back));
}

static void expect_at(struct ttree_iter it, size_t rank)
{
    if (rank >= twin.len) {
        assert_false(ttree_iter_valid(it));
        return;
    }
    assert_true(ttree_iter_valid(it));
    assert_ptr_equal(ttree_iter_item(it), twin.items[rank]);
}

static void insert_random(struct ttree *tree, const struct mix *mix)
{
    if (twin.len == MAX_ITEMS)
        return;
    struct item draw = {.score = random_score(mix)};
    random_member(mix, &draw);
    if (twin_holds(draw.score, member_of(&draw)))
        return;
    struct item *it = malloc(sizeof(*it));
    *it = draw;
    ttree_insert(tree, it->score, it);
    twin_insert(it);
}

static void remove_random(struct ttree *tree, const struct mix *mix)
{
    struct item absent = {.score = random_score(mix)};
    random_member(mix, &absent);
    assert_false(ttree_remove(tree, absent.score, &absent)); /* equal perhaps, but not the one */
    if (!twin.len)
        return;
    size_t at = below(twin.len);
    struct item *it = twin.items[at];
    if (it->score != 12345)
        assert_false(ttree_remove(tree, 12345, it));
    assert_true(ttree_remove(tree, it->score, it));
    twin_cut(at, 1);
    free(it);
}

static void update_random(struct ttree *tree, const struct mix *mix)
{
    if (!twin.len)
        return;
    size_t at = below(twin.len);
    struct item *it = twin.items[at];
    double score = random_score(mix);
    if (mix->scores > 1 && below(2)) { /* near: often the same block */
        size_t to = at + below(40);
        score = twin.items[to < 20 ? 0 : MIN(to - 20, twin.len - 1)]->score;
        score += (double)below(3) * 0.01;
    }
    if (score != it->score && twin_holds(score, member_of(it)))
        return;
    assert_true(ttree_update(tree, it->score, it, score));
    twin_cut(at, 1);
    it->score = score;
    twin_insert(it);
    assert_int_equal(ttree_rank_of_item(tree, score, it), twin_rank(score, member_of(it)));
}

static size_t expected_next; /* rank in the twin of the item that on_deleted is to see */

static void on_deleted(void *item, double score, void *ctx)
{
    assert_ptr_equal(ctx, &twin);
    assert_ptr_equal(item, twin.items[expected_next++]);
    assert_true(score == ((struct item *)item)->score);
    free(item);
}

static void pop_random(struct ttree *tree, const struct mix *mix)
{
    (void)mix;
    size_t at = below(2) || !twin.len ? 0 : twin.len - 1;
    expected_next = at;
    assert_int_equal(ttree_delete_range(tree, at, at, on_deleted, &twin), twin.len ? 1 : 0);
    if (twin.len)
        twin_cut(at, 1);
}

static void delete_random_range(struct ttree *tree, const struct mix *mix)
{
    (void)mix;
    size_t first = below(twin.len + 3);
    size_t last = first + below(below(8) ? 20 : 300) - (below(10) == 0);
    if (below(50) == 0)
        last = SIZE_MAX;
    size_t count = 0;
    if (first < twin.len && last >= first)
        count = MIN(last, twin.len - 1) - first + 1;
    expected_next = first;
    assert_int_equal(ttree_delete_range(tree, first, last, on_deleted, &twin), count);
    if (count)
        twin_cut(first, count);
}

static void query_scores(const struct ttree *tree, const struct mix *mix)
{
    double score = random_score(mix) + (double)below(2) * 0.1;
    size_t less = twin_count(score, false), less_equal = twin_count(score, true);
    assert_int_equal(ttree_rank_of_score(tree, score, false), less);
    assert_int_equal(ttree_rank_of_score(tree, score, true), less_equal);
    size_t rank = below(twin.len + 2);
    expect_at(ttree_seek_rank(tree, rank), rank);
}

static void query_members(const struct ttree *tree, const struct mix *mix)
{
    struct item draw = {.score = random_score(mix)};
    random_member(mix, &draw);
    struct slice member = member_of(&draw);
    if (mix->scores > 1)
        return;
    size_t less = twin_rank(draw.score, member);
    size_t less_equal = less + twin_holds(draw.score, member);
    assert_int_equal(ttree_rank_of_lex(tree, member, false), less);
    assert_int_equal(ttree_rank_of_lex(tree, member, true), less_equal);
}

static void free_item(void *item, double score, void *ctx)
{
    assert_true(score == ((struct item *)item)->score);
    ++*(size_t *)ctx;
    free(item);
}

static void one_step(struct ttree *tree, const struct mix *mix, bool growing)
{
    size_t draw = below(100);
    if (draw < (growing ? 45 : 18))
        insert_random(tree, mix);
    else if (draw < 63)
        remove_random(tree, mix);
    else if (draw < 73)
        update_random(tree, mix);
    else if (draw < 76)
        pop_random(tree, mix);
    else if (draw < 88)
        query_scores(tree, mix);
    else if (draw < 99)
        query_members(tree, mix);
    else if (!growing || below(4) == 0)
        delete_random_range(tree, mix);
}

static void model_run(const struct mix *mix, int rounds)
{
    struct ttree tree;
    ttree_init(&tree, &type);
    seed = 88172645463325252u + mix->scores;
    twin.len = 0;
    size_t longest = 0;
    for (int round = 0; round < rounds; round++) {
        one_step(&tree, mix, round % 40000 < 28000);
        assert_int_equal(tree.len, twin.len);
        longest = MAX(longest, twin.len);
        if (round % 250 == 0)
            verify_blocks(&tree);
        if (round % 2000 == 0)
            verify_order(&tree);
    }
    verify_blocks(&tree);
    verify_order(&tree);
    assert_true(longest > 8 * CAPACITY);
    size_t freed = 0, len = twin.len;
    ttree_deinit(&tree, free_item, &freed);
    assert_int_equal(freed, len);
    assert_int_equal(tree.len, 0);
    assert_int_equal(mem_used(MEM_DATA), 0);
}

static void model_spread_scores(void **state)
{
    (void)state;
    model_run(&(struct mix){.scores = 1000000, .members = 200}, 400000);
}

static void model_many_equal_scores(void **state)
{
    (void)state;
    model_run(&(struct mix){.scores = 53, .members = 3000}, 400000);
}

static void model_one_score(void **state)
{
    (void)state;
    model_run(&(struct mix){.scores = 1, .members = 8000}, 400000);
}

/* Items of the fill tests: the member is the address of the item itself. */
static struct slice member_is_itself(const void *item)
{
    return slice_make(item, sizeof(uint64_t));
}

static const struct ttree_type self_type = {.member = member_is_itself};

enum {
    LOAD = 100000
};

static uint64_t load_items[LOAD];

static double fill(const struct ttree *tree)
{
    return (double)tree->len / ((double)tree->blocks * CAPACITY);
}

static void sorted_loads_fill_blocks(void **state)
{
    (void)state;
    for (int direction = -1; direction <= 1; direction += 2) {
        struct ttree tree;
        ttree_init(&tree, &self_type);
        for (int i = 0; i < LOAD; i++)
            ttree_insert(&tree, (double)(direction * i), &load_items[i]);
        assert_true(fill(&tree) > 0.999);
        verify_blocks(&tree);
        ttree_deinit(&tree, NULL, NULL);
    }
    assert_int_equal(mem_used(MEM_DATA), 0);
}

static void random_load_fills_three_quarters(void **state)
{
    (void)state;
    struct ttree tree;
    ttree_init(&tree, &self_type);
    seed = 42;
    for (int i = 0; i < LOAD; i++) {
        load_items[i] = (uint64_t)i;
        ttree_insert(&tree, (double)below(1u << 30), &load_items[i]);
        if (i > 5000) /* before, all blocks split at about the same time */
            assert_true(fill(&tree) >= 0.75);
        if (i > 1000 && !TTREE_FULL_POINTERS)
            assert_true((double)ttree_bytes(&tree) / i <= 22);
    }
    verify_blocks(&tree);
    ttree_deinit(&tree, NULL, NULL);
    assert_int_equal(mem_used(MEM_DATA), 0);
}

static void scattered_removal_merges_blocks(void **state)
{
    (void)state;
    struct ttree tree;
    ttree_init(&tree, &self_type);
    for (int i = 0; i < LOAD; i++) {
        load_items[i] = (uint64_t)i;
        ttree_insert(&tree, (double)i, &load_items[i]);
    }
    /* A stride prime to LOAD visits every entry once and thins out all blocks alike, the worst
     * case: no two fit well into one until both are at 7/16. */
    for (int i = 0, at = 0; i < LOAD; i++, at = (at + 61803) % LOAD) {
        if (tree.blocks > 4)
            assert_true(fill(&tree) > 0.42);
        assert_true(ttree_remove(&tree, (double)at, &load_items[at]));
    }
    assert_int_equal(mem_used(MEM_DATA), 0);
    ttree_deinit(&tree, NULL, NULL);
}

/* Two full blocks and a last one of one entry; the cut leaves neighbours of `kept` and 1. */
static void a_cut_range_leaves_no_crumbs(void **state)
{
    (void)state;
    for (size_t kept = 0; kept <= 3; kept++) {
        for (size_t front = 0; front <= kept; front++) {
            struct ttree tree;
            ttree_init(&tree, &self_type);
            for (int i = 0; i < 2 * CAPACITY + 1; i++)
                ttree_insert(&tree, (double)i, &load_items[i]);
            assert_int_equal(tree.blocks, 3);
            size_t count = 2 * CAPACITY - kept;
            assert_int_equal(ttree_delete_range(&tree, front, front + count - 1, NULL, NULL),
                             count);
            assert_int_equal(tree.len, kept + 1);
            verify_blocks(&tree);
            assert_int_equal(tree.blocks, 1);
            ttree_deinit(&tree, NULL, NULL);
        }
    }
}

/* A sliding window: entries come in at the end and leave at the front. */
static void queue_use_stays_compact(void **state)
{
    (void)state;
    struct ttree tree;
    ttree_init(&tree, &self_type);
    for (int i = 0; i < LOAD; i++) {
        load_items[i] = (uint64_t)i;
        ttree_insert(&tree, (double)i, &load_items[i]);
        if (i >= 1000) {
            assert_ptr_equal(ttree_iter_item(ttree_first(&tree)), &load_items[i - 1000]);
            assert_int_equal(ttree_delete_range(&tree, 0, 0, NULL, NULL), 1);
        }
        assert_true(tree.blocks <= 1000 / CAPACITY + 3);
    }
    verify_blocks(&tree);
    ttree_deinit(&tree, NULL, NULL);
    assert_int_equal(mem_used(MEM_DATA), 0);
}

static void a_tree_of_few_is_small(void **state)
{
    (void)state;
    struct ttree tree;
    ttree_init(&tree, &self_type);
    assert_int_equal(ttree_bytes(&tree), 0);
    for (int i = 0; i < CAPACITY; i++) {
        ttree_insert(&tree, (double)(i * 7 % CAPACITY), &load_items[i]);
        assert_int_equal(ttree_bytes(&tree), mem_used(MEM_DATA));
        if (!TTREE_FULL_POINTERS && i < TTREE_FIRST_ENTRIES)
            assert_true(ttree_bytes(&tree) <= 128);
        if (!TTREE_FULL_POINTERS && i < 24)
            assert_true(ttree_bytes(&tree) <= 384);
    }
    assert_int_equal(tree.blocks, 1);
    ttree_deinit(&tree, NULL, NULL);
}

static void zeros_of_both_signs_are_equal(void **state)
{
    (void)state;
    static struct item a = {.len = 1, .name = "a"}, b = {.len = 1, .name = "b"};
    struct ttree tree;
    ttree_init(&tree, &type);
    ttree_insert(&tree, 0.0, &b);
    ttree_insert(&tree, -0.0, &a);
    assert_ptr_equal(ttree_iter_item(ttree_first(&tree)), &a);
    assert_true(signbit(ttree_iter_score(ttree_first(&tree))));
    assert_int_equal(ttree_rank_of_item(&tree, -0.0, &b), 1);
    assert_true(ttree_remove(&tree, -0.0, &b));
    assert_true(ttree_remove(&tree, 0.0, &a));
    assert_int_equal(mem_used(MEM_DATA), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_spread_scores),
        cmocka_unit_test(model_many_equal_scores),
        cmocka_unit_test(model_one_score),
        cmocka_unit_test(sorted_loads_fill_blocks),
        cmocka_unit_test(random_load_fills_three_quarters),
        cmocka_unit_test(scattered_removal_merges_blocks),
        cmocka_unit_test(a_cut_range_leaves_no_crumbs),
        cmocka_unit_test(queue_use_stays_compact),
        cmocka_unit_test(a_tree_of_few_is_small),
        cmocka_unit_test(zeros_of_both_signs_are_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
