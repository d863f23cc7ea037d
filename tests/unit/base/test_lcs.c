/* The bit-parallel subsequence against the plain table: length, and the very path Redis takes. */
#include "base/lcs.h"
#include "base/rand.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum {
    LONGEST = 150
};

static uint32_t table[LONGEST + 1][LONGEST + 1];

static void fill_table(struct slice a, struct slice b)
{
    for (size_t i = 1; i <= a.len; i++)
        for (size_t j = 1; j <= b.len; j++)
            table[i][j] = a.ptr[i - 1] == b.ptr[j - 1] ? table[i - 1][j - 1] + 1
                                                       : MAX(table[i - 1][j], table[i][j - 1]);
}

static void check_walk(struct lcs *lcs)
{
    struct slice a = lcs->a, b = lcs->b;
    struct lcs_run run = {0, 0, 0};
    size_t i = a.len, j = b.len, left = 0;
    while (i && j) {
        if (a.ptr[i - 1] != b.ptr[j - 1]) {
            assert_int_equal(left, 0);
            if (table[i - 1][j] > table[i][j - 1])
                i--;
            else
                j--;
            continue;
        }
        if (left == 0) {
            assert_true(lcs_previous(lcs, &run));
            left = run.len;
        }
        i--;
        j--;
        left--;
        assert_int_equal(run.a + left, i);
        assert_int_equal(run.b + left, j);
    }
    assert_int_equal(left, 0);
    assert_false(lcs_previous(lcs, &run));
}

static void check(struct slice a, struct slice b)
{
    struct lcs lcs;
    fill_table(a, b);
    assert_int_equal(lcs_init(&lcs, a, b, false), OK);
    assert_int_equal(lcs.len, table[a.len][b.len]);
    lcs_deinit(&lcs);
    assert_int_equal(lcs_init(&lcs, a, b, true), OK);
    assert_int_equal(lcs.len, table[a.len][b.len]);
    check_walk(&lcs);
    lcs_deinit(&lcs);
}

static void test_random(void **state)
{
    char a[LONGEST], b[LONGEST];
    struct rng rng;
    rng_seed(&rng, 5);
    for (int n = 0; n < 3000; n++) {
        size_t alen = rng_below(&rng, LONGEST + 1), blen = rng_below(&rng, LONGEST + 1);
        uint64_t letters = rng_below(&rng, n % 10 ? 5 : 256) + 1;
        for (size_t i = 0; i < LONGEST; i++) {
            a[i] = (char)rng_below(&rng, letters);
            b[i] = (char)rng_below(&rng, letters);
        }
        check(slice_make(a, alen), slice_make(b, blen));
    }
}

static void test_word_edges(void **state)
{
    static char same[LONGEST];
    for (size_t alen = 0; alen <= LONGEST; alen += alen % 64 == 62 ? 1 : 31)
        for (size_t blen = 60; blen <= 130; blen++)
            check(slice_make(same, alen), slice_make(same, blen));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_word_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
