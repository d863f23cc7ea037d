#include "ds/avl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    NODES = 600,
    ROUNDS = 1000000,
    CHECK_EVERY = 500
};

/* The twin: the same nodes in order in an array. */
static struct avl_node pool[NODES];
static struct avl_node *order[NODES];
static size_t used;
static struct avl_node *spare[NODES];
static size_t spares;

static uint64_t seed;

static size_t below(size_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)((seed >> 11) % limit);
}

static void reset(uint64_t new_seed)
{
    seed = new_seed;
    used = 0;
    for (spares = 0; spares < NODES; spares++)
        spare[spares] = &pool[spares];
}

/* Height and weight of a subtree, checked against what its nodes say. */
static int verify(const struct avl_node *node, const struct avl_node *parent, size_t *weight)
{
    if (!node) {
        *weight = 0;
        return 0;
    }
    assert_ptr_equal(node->parent, parent);
    size_t left_weight, right_weight;
    int left = verify(node->left, node, &left_weight);
    int right = verify(node->right, node, &right_weight);
    assert_in_range(left - right + 1, 0, 2);
    assert_int_equal(node->height, 1 + MAX(left, right));
    assert_int_equal(node->left_weight, left_weight);
    *weight = left_weight + node->weight + right_weight;
    return node->height;
}

static void verify_all(const struct avl_tree *tree)
{
    size_t total, rank = 0;
    verify(tree->root, NULL, &total);
    const struct avl_node *node = avl_first(tree);
    for (size_t i = 0; i < used; i++) {
        assert_ptr_equal(node, order[i]);
        assert_int_equal(avl_rank(node), rank);
        size_t unit = below(node->weight), offset = SIZE_MAX;
        assert_ptr_equal(avl_seek(tree, rank + unit, &offset), node);
        assert_int_equal(offset, unit);
        assert_ptr_equal(avl_prev(node), i ? order[i - 1] : NULL);
        rank += node->weight;
        node = avl_next(node);
    }
    assert_null(node);
    assert_int_equal(rank, total);
    assert_null(avl_seek(tree, total, NULL));
    assert_ptr_equal(avl_last(tree), used ? order[used - 1] : NULL);
}

static void insert_random(struct avl_tree *tree)
{
    struct avl_node *node = spare[--spares];
    node->weight = 1 + (uint32_t)below(100);
    node->tag = (uint16_t)(node - pool);
    size_t at = below(used + 1);
    if (at == used)
        avl_insert_last(tree, node);
    else if (at == 0 && below(2))
        avl_insert_first(tree, node);
    else if (at > 0 && below(2))
        avl_insert_after(tree, order[at - 1], node);
    else
        avl_insert_before(tree, order[at], node);
    memmove(order + at + 1, order + at, (used - at) * sizeof(order[0]));
    order[at] = node;
    used++;
}

static void remove_random(struct avl_tree *tree)
{
    size_t at = below(used);
    avl_remove(tree, order[at]);
    assert_int_equal(order[at]->tag, order[at] - pool);
    spare[spares++] = order[at];
    used--;
    memmove(order + at, order + at + 1, (used - at) * sizeof(order[0]));
}

static void reweigh_random(void)
{
    struct avl_node *node = order[below(used)];
    avl_add_weight(node, 1 + (int64_t)below(100) - node->weight);
}

static void random_operations_match_an_array(void **state)
{
    (void)state;
    struct avl_tree tree;
    avl_init(&tree);
    reset(88172645463325252u);
    for (int round = 0; round < ROUNDS; round++) {
        size_t grow = (round / 3000) % 2 ? 7 : 3; /* out of 10: waves up to full and to empty */
        if (spares && (!used || below(10) < grow))
            insert_random(&tree);
        else if (used)
            remove_random(&tree);
        if (used)
            reweigh_random();
        if (round % CHECK_EVERY == 0 || used < 4)
            verify_all(&tree);
    }
    verify_all(&tree);
}

static void sorted_loads_stay_flat(void **state)
{
    (void)state;
    for (int ascending = 0; ascending < 2; ascending++) {
        struct avl_tree tree;
        avl_init(&tree);
        reset(1);
        for (; used < 511; used++) {
            struct avl_node *node = spare[--spares];
            node->weight = 1;
            if (ascending)
                avl_insert_last(&tree, node);
            else
                avl_insert_first(&tree, node);
            order[ascending ? used : 510 - used] = node;
        }
        assert_int_equal(tree.root->height, 9);
        verify_all(&tree);
    }
}

static void postorder_visits_children_first(void **state)
{
    (void)state;
    for (size_t size = 0; size < 200; size++) {
        struct avl_tree tree;
        avl_init(&tree);
        reset(size + 1);
        for (size_t i = 0; i < size; i++)
            insert_random(&tree);
        size_t seen = 0;
        struct avl_node *node = avl_postorder_first(&tree);
        while (node) {
            struct avl_node *next = avl_postorder_next(node);
            assert_true(!node->left || node->left->tag == UINT16_MAX);
            assert_true(!node->right || node->right->tag == UINT16_MAX);
            node->tag = UINT16_MAX;
            seen++;
            node = next;
        }
        assert_int_equal(seen, size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_match_an_array),
        cmocka_unit_test(sorted_loads_stay_flat),
        cmocka_unit_test(postorder_visits_children_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
