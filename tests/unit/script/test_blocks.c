#include "script/blocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Each block is filled with its own byte: nothing is handed out twice, nothing is lost by a move.
 */
static void blocks_are_their_owners_alone(void **state)
{
    enum {
        HELD = 300,
        ROUNDS = 200000
    };

    struct blocks b = {0};

    struct {
        unsigned char *at;
        size_t size;
    } held[HELD] = {0};

    size_t before = mem_used(MEM_OTHER);
    (void)state;
    srand(1);
    for (int round = 0; round < ROUNDS; round++) {
        int i = rand() % HELD;
        size_t size = 1 + (size_t)rand() % 200;
        for (size_t k = 0; k < held[i].size; k++)
            assert_int_equal(held[i].at[k], i & 255);
        if (!held[i].at) {
            held[i].at = blocks_alloc(&b, size);
        } else if (rand() % 3 == 0) {
            held[i].at = blocks_realloc(&b, held[i].at, held[i].size, size);
            for (size_t k = 0; k < MIN(size, held[i].size); k++)
                assert_int_equal(held[i].at[k], i & 255);
        } else {
            blocks_free(&b, held[i].at, held[i].size);
            held[i].at = NULL;
            size = 0;
        }
        held[i].size = size;
        if (size)
            memset(held[i].at, i & 255, size);
    }
    for (int i = 0; i < HELD; i++)
        if (held[i].at)
            blocks_free(&b, held[i].at, held[i].size);
    blocks_deinit(&b);
    assert_int_equal(mem_used(MEM_OTHER), before);
}

static void what_waits_is_bounded(void **state)
{
    enum {
        MANY = 2 * 512
    };

    struct blocks b = {0};
    void *held[MANY];
    size_t before = mem_used(MEM_OTHER);
    (void)state;
    for (int i = 0; i < MANY; i++)
        held[i] = blocks_alloc(&b, 40);
    for (int i = 0; i < MANY; i++)
        blocks_free(&b, held[i], 40);
    assert_int_equal(mem_used(MEM_OTHER) - before, (size_t)BLOCKS_KEPT * 48);
    if (BLOCKS_KEPT) /* the last one that was kept comes first */
        assert_ptr_equal(blocks_alloc(&b, 33), held[BLOCKS_KEPT - 1]);
    if (BLOCKS_KEPT)
        blocks_free(&b, held[BLOCKS_KEPT - 1], 33);
    blocks_deinit(&b);
    assert_int_equal(mem_used(MEM_OTHER), before);
}

/* Within its class a block stays; sanitizers see each move. */
static void blocks_move_only_to_another_class(void **state)
{
    struct blocks b = {0};
    size_t before = mem_used(MEM_OTHER);
    (void)state;
    void *small = blocks_alloc(&b, 33), *moved = blocks_realloc(&b, small, 33, 48);
    assert_true(SANITIZED || moved == small);
    small = blocks_realloc(&b, moved, 48, 16);
    assert_non_null(small);
    blocks_free(&b, small, 16);
    blocks_deinit(&b);
    assert_int_equal(mem_used(MEM_OTHER), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_their_owners_alone),
        cmocka_unit_test(what_waits_is_bounded),
        cmocka_unit_test(blocks_move_only_to_another_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
