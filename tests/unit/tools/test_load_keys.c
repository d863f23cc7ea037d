#include <math.h>

#include "../ds/model.h"
#include "tools/load_keys.h"

enum {
    DRAWS = 400000,
    KEYS = 1000
};

static uint32_t counts[KEYS];

static void draw(enum load_distribution distribution, double exponent)
{
    struct load_keys keys;
    struct rng rng;
    rng_seed(&rng, 7);
    memset(counts, 0, sizeof(counts));
    load_keys_init(&keys, distribution, KEYS, exponent, 0, 1);
    for (int i = 0; i < DRAWS; i++) {
        uint64_t key = load_keys_draw(&keys, &rng);
        assert_true(key < KEYS);
        counts[key]++;
    }
}

/* Every key as often as 1/(k + 1)^s says, within six standard deviations. */
static void zipf_is_zipf(void **state)
{
    (void)state;
    static const double exponents[] = {0.5, 0.99, 1, 1.3, 3};
    for (size_t e = 0; e < ARRAY_LEN(exponents); e++) {
        double sum = 0;
        for (int k = 0; k < KEYS; k++)
            sum += pow(k + 1, -exponents[e]);
        draw(LOAD_ZIPF, exponents[e]);
        for (int k = 0; k < KEYS; k++) {
            double expected = DRAWS * pow(k + 1, -exponents[e]) / sum;
            assert_true(fabs(counts[k] - expected) < 6 * sqrt(expected) + 6);
        }
    }
}

static void uniform_is_uniform(void **state)
{
    (void)state;
    draw(LOAD_UNIFORM, 1);
    for (int k = 0; k < KEYS; k++)
        assert_true(fabs(counts[k] - (double)DRAWS / KEYS) < 6 * sqrt((double)DRAWS / KEYS));
}

/* Three threads name each of ten keys once before any comes again. */
static void sequences_interleave(void **state)
{
    (void)state;
    unsigned seen[10] = {0};
    for (uint64_t thread = 0; thread < 3; thread++) {
        struct load_keys keys;
        load_keys_init(&keys, LOAD_SEQUENTIAL, 10, 1, thread, 3);
        for (uint64_t i = thread; i < 10; i += 3)
            seen[load_keys_draw(&keys, NULL)]++;
    }
    for (int k = 0; k < 10; k++)
        assert_int_equal(seen[k], 1);
}

static void one_key(void **state)
{
    (void)state;
    for (int d = LOAD_UNIFORM; d <= LOAD_SEQUENTIAL; d++) {
        struct load_keys keys;
        struct rng rng;
        rng_seed(&rng, 1);
        load_keys_init(&keys, (enum load_distribution)d, 1, 0.99, 5, 8);
        for (int i = 0; i < 100; i++)
            assert_int_equal(load_keys_draw(&keys, &rng), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zipf_is_zipf),
        cmocka_unit_test(uniform_is_uniform),
        cmocka_unit_test(sequences_interleave),
        cmocka_unit_test(one_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
