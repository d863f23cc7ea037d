#include "base/rand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* From the authors' definition: with s = {1, 2, 3, 4} the first results are these. */
static void known_sequence(void **state)
{
    (void)state;
    static const uint64_t expected[] = {11520, 0, 1509978240, 1215971899390074240};
    struct rng rng = {{1, 2, 3, 4}};
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_true(rng_next(&rng) == expected[i]);
}

static void seeds_differ_and_repeat(void **state)
{
    (void)state;
    struct rng a, b, c;
    rng_seed(&a, 0);
    rng_seed(&b, 0);
    rng_seed(&c, 1);
    assert_true(a.s[0] == 0xe220a8397b1dcdafULL); /* splitmix64's first result for 0 */
    int equal = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t value = rng_next(&a);
        assert_true(value == rng_next(&b));
        equal += value == rng_next(&c);
    }
    assert_int_equal(equal, 0);
}

static void below_is_uniform(void **state)
{
    (void)state;

    enum {
        LIMIT = 7,
        ROUNDS = 700000
    };

    unsigned counts[LIMIT] = {0};
    struct rng rng;
    rng_seed(&rng, 8);
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t value = rng_below(&rng, LIMIT);
        assert_in_range(value, 0, LIMIT - 1);
        counts[value]++;
    }
    for (int i = 0; i < LIMIT; i++)
        assert_in_range(counts[i], ROUNDS / LIMIT - 2000, ROUNDS / LIMIT + 2000);
    assert_true(rng_below(&rng, 1) == 0);
    /* Just above 2^63 a plain modulo would give the lower half twice as often. */
    uint64_t limit = ((uint64_t)1 << 63) + ((uint64_t)1 << 62);
    int low = 0;
    for (int i = 0; i < 90000; i++)
        low += rng_below(&rng, limit) < limit / 3;
    assert_in_range(low, 29000, 31000);
}

static void double_is_in_range(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 9);
    double sum = 0;
    for (int i = 0; i < 100000; i++) {
        double value = rng_double(&rng);
        assert_true(value >= 0 && value < 1);
        sum += value;
    }
    assert_true(sum > 49000 && sum < 51000);
}

static void secure_bytes_fill_the_buffer(void **state)
{
    (void)state;
    unsigned char seen[64] = {0};
    for (int round = 0; round < 20; round++) {
        unsigned char bytes[65] = {0};
        rand_secure(bytes, 64);
        assert_int_equal(bytes[64], 0);
        for (int i = 0; i < 64; i++)
            seen[i] |= bytes[i];
    }
    for (int i = 0; i < 64; i++)
        assert_int_not_equal(seen[i], 0);
}

static void hex_ids(void **state)
{
    (void)state;
    char a[41], b[41];
    memset(a, '!', sizeof(a));
    rand_hex(a, 40);
    rand_hex(b, 40);
    assert_int_equal(strlen(a), 40);
    assert_int_equal(strspn(a, "0123456789abcdef"), 40);
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_sequence),   cmocka_unit_test(seeds_differ_and_repeat),
        cmocka_unit_test(below_is_uniform), cmocka_unit_test(double_is_in_range),
        cmocka_unit_test(hex_ids),          cmocka_unit_test(secure_bytes_fill_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
