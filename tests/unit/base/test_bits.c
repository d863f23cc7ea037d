/* Bit kernels against one-bit-at-a-time twins, at every alignment and around every step length. */
#include "base/bits.h"
#include "base/rand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    SIZE = 3000
};

static bool twin_get(const uint8_t *p, uint64_t bit)
{
    return p[bit / 8] & (0x80 >> bit % 8);
}

static uint64_t twin_count(const uint8_t *p, uint64_t from, uint64_t to)
{
    uint64_t count = 0;
    for (; from < to; from++)
        count += twin_get(p, from);
    return count;
}

static uint64_t twin_find(const uint8_t *p, uint64_t from, uint64_t to, bool set)
{
    while (from < to && twin_get(p, from) != set)
        from++;
    return from;
}

static void fill(struct rng *rng, uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)rng_next(rng);
}

static void test_count(void **state)
{
    uint8_t *p = malloc(SIZE);
    struct rng rng;
    rng_seed(&rng, 1);
    fill(&rng, p, SIZE);
    for (size_t at = 0; at < 40; at++)
        for (size_t len = 0; at + len <= SIZE; len += 1 + rng_below(&rng, 70))
            assert_int_equal(bits_count(p + at, len), twin_count(p + at, 0, len * 8));
    for (int i = 0; i < 3000; i++) {
        uint64_t from = rng_below(&rng, SIZE * 8), to = rng_below(&rng, SIZE * 8 + 1);
        assert_int_equal(bits_count_range(p, from, to), twin_count(p, from, to));
    }
    memset(p, 0xff, SIZE);
    assert_int_equal(bits_count(p, SIZE), SIZE * 8);
    free(p);
}

static void test_find(void **state)
{
    uint8_t *p = malloc(SIZE);
    struct rng rng;
    rng_seed(&rng, 2);
    for (int i = 0; i < 20000; i++) {
        bool set = i & 1;
        size_t len = rng_below(&rng, 200) + 1;
        memset(p, set ? 0 : 0xff, len);
        if (i % 3)
            bits_put(p, rng_below(&rng, len * 8), set);
        uint64_t from = rng_below(&rng, len * 8), to = rng_below(&rng, len * 8 + 1);
        assert_int_equal(bits_find(p, from, to, set), from < to ? twin_find(p, from, to, set) : to);
    }
    free(p);
}

static void test_integers(void **state)
{
    uint8_t p[24], before[24];
    struct rng rng;
    rng_seed(&rng, 3);
    for (int i = 0; i < 20000; i++) {
        unsigned width = (unsigned)rng_below(&rng, 64) + 1;
        uint64_t bit = rng_below(&rng, sizeof(p) * 8 - width + 1), value = rng_next(&rng);
        fill(&rng, p, sizeof(p));
        memcpy(before, p, sizeof(p));
        bits_put_uint(p, bit, width, value);
        for (uint64_t j = 0; j < sizeof(p) * 8; j++) {
            bool inside = j >= bit && j < bit + width;
            bool expected = inside ? value >> (bit + width - 1 - j) & 1 : twin_get(before, j);
            assert_int_equal(twin_get(p, j), expected);
        }
        assert_int_equal(bits_get_uint(p, bit, width), value << (64 - width) >> (64 - width));
    }
}

static void test_combine(void **state)
{
    uint8_t a[200], b[200], out[200];
    struct rng rng;
    rng_seed(&rng, 4);
    for (size_t len = 0; len <= sizeof(a); len++) {
        fill(&rng, a, sizeof(a));
        fill(&rng, b, sizeof(b));
#define CHECK(name, expression)            \
    memcpy(out, a, sizeof(a));             \
    name;                                  \
    for (size_t i = 0; i < sizeof(a); i++) \
    assert_int_equal(out[i], i < len ? (uint8_t)(expression) : a[i])
        CHECK(bits_and(out, b, len), a[i] & b[i]);
        CHECK(bits_or(out, b, len), a[i] | b[i]);
        CHECK(bits_xor(out, b, len), a[i] ^ b[i]);
        CHECK(bits_and_not(out, b, len), a[i] & ~b[i]);
        CHECK(bits_invert(out, len), ~a[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_combine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
