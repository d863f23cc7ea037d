/* HyperLogLogs: sparse and dense against plain registers, and forged values. */
#include "base/rand.h"
#include "store/hll.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void check_registers(struct slice value, const uint8_t *twin)
{
    static uint8_t registers[HLL_REGISTERS];
    assert_true(hll_recognize(value));
    assert_true(hll_valid(value));
    memset(registers, 0, sizeof(registers));
    hll_merge(registers, value);
    assert_memory_equal(registers, twin, HLL_REGISTERS);
    assert_int_equal(hll_count(value), hll_count_registers(twin));
}

/* Few indexes and counts, so that runs are split, joined and overwritten all the time. */
static void run_model(uint64_t seed, uint32_t span, uint8_t counts, size_t sparse_max)
{
    static uint8_t twin[HLL_REGISTERS];
    struct hll_edit edit;
    struct rng rng;
    rng_seed(&rng, seed);
    memset(twin, 0, sizeof(twin));
    hll_edit_init(&edit, SLICE(""));
    for (int i = 0; i < 4000; i++) {
        uint32_t base = (uint32_t)seed * 977 % (HLL_REGISTERS - span + 1);
        struct hll_point point = {base + (uint32_t)rng_below(&rng, span),
                                  (uint8_t)(rng_below(&rng, counts) + 1)};
        assert_int_equal(hll_get(hll_edit_value(&edit), point.index), twin[point.index]);
        bool grew = twin[point.index] < point.count;
        assert_int_equal(hll_edit_raise(&edit, point, sparse_max), grew);
        twin[point.index] = MAX(twin[point.index], point.count);
        if (i % 64 == 0)
            check_registers(hll_edit_value(&edit), twin);
    }
    hll_edit_densify(&edit);
    check_registers(hll_edit_value(&edit), twin);
    hll_edit_deinit(&edit);
}

static void test_model(void **state)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        run_model(seed, 40, 2, 3000);
        run_model(seed, HLL_REGISTERS, 32, 3000);
        run_model(seed, 300, 40, 3000);
        run_model(seed, HLL_REGISTERS, 3, (size_t)1 << 40);
        run_model(seed, HLL_REGISTERS, 3, 0);
    }
}

/* What redis-server 7.0 keeps after PFADD of a to g, one by one. */
static void test_known(void **state)
{
    static const unsigned char expected[] = {
        'H',  'Y',  'L',  'L',  1,    0,    0,    0,    0,    0,    0,    0,    0,
        0,    0,    0x80, 0x46, 0x6d, 0x80, 0x56, 0x0c, 0x80, 0x44, 0x3c, 0x84, 0x38,
        0x80, 0x50, 0xb1, 0x84, 0x49, 0x8c, 0x80, 0x42, 0x6d, 0x80, 0x42, 0x5a};
    struct hll_edit edit;
    hll_edit_init(&edit, SLICE(""));
    for (char c = 'a'; c <= 'g'; c++)
        hll_edit_raise(&edit, hll_point(slice_make(&c, 1)), 3000);
    assert_int_equal(hll_count(hll_edit_value(&edit)), 7);
    assert_int_equal(edit.len, sizeof(expected));
    assert_memory_equal(edit.bytes, expected, sizeof(expected));
    hll_edit_deinit(&edit);
}

static void test_cache(void **state)
{
    struct hll_edit edit;
    uint64_t count;
    hll_edit_init(&edit, SLICE(""));
    assert_true(hll_cached(hll_edit_value(&edit), &count));
    assert_int_equal(count, 0);
    hll_set_cached((char *)edit.bytes, 0x123456789aULL);
    assert_true(hll_cached(hll_edit_value(&edit), &count));
    assert_int_equal(count, 0x123456789aULL);
    assert_true(hll_edit_raise(&edit, (struct hll_point){0, 1}, 3000));
    assert_false(hll_cached(hll_edit_value(&edit), &count));
    hll_edit_deinit(&edit);
}

/* Random bytes in exactly sized memory: refused, or harmless. */
static void test_forged(void **state)
{
    struct rng rng;
    int valid = 0;
    rng_seed(&rng, 9);
    for (int i = 0; i < 200000; i++) {
        static const char tails[3][3] = {
            {0x7f, (char)0xff, 0}, {0x7f, (char)0xfe, 0}, {0x40, 0, 0x41}};
        size_t len = HLL_HEADER + rng_below(&rng, 8);
        char *bytes = calloc(1, len);
        memcpy(bytes, "HYLL\1", 5);
        for (size_t at = HLL_HEADER; at < len; at++)
            bytes[at] = (char)rng_next(&rng);
        if (i % 4 == 0 && len > HLL_HEADER + 3)
            memcpy(bytes + len - 3, tails[i / 4 % 3], 3);
        struct slice value = slice_make(bytes, len);
        assert_true(hll_recognize(value));
        if (hll_valid(value)) {
            struct hll_edit edit;
            valid++;
            hll_edit_init(&edit, value);
            hll_edit_raise(&edit, hll_point(SLICE("x")), 3000);
            assert_true(hll_valid(hll_edit_value(&edit)));
            hll_edit_deinit(&edit);
        }
        free(bytes);
    }
    assert_true(valid > 0);
}

static void test_headers(void **state)
{
    static char dense[HLL_DENSE_LEN + 1] = "HYLL";
    assert_true(hll_recognize(slice_make(dense, HLL_DENSE_LEN)));
    assert_false(hll_recognize(slice_make(dense, HLL_DENSE_LEN - 1)));
    assert_false(hll_recognize(slice_make(dense, HLL_DENSE_LEN + 1)));
    assert_false(hll_recognize(SLICE("HYLL\1")));
    assert_false(hll_recognize(SLICE("HYLL\2\0\0\0\0\0\0\0\0\0\0\0\177\377")));
    assert_false(hll_recognize(SLICE("hYLL\1\0\0\0\0\0\0\0\0\0\0\0\177\377")));
    assert_false(hll_valid(SLICE("HYLL\1\0\0\0\0\0\0\0\0\0\0\0")));
    assert_false(hll_valid(SLICE("HYLL\1\0\0\0\0\0\0\0\0\0\0\0\177")));
    assert_false(hll_valid(SLICE("HYLL\1\0\0\0\0\0\0\0\0\0\0\0\177\377\0")));
    assert_true(hll_valid(SLICE("HYLL\1\0\0\0\0\0\0\0\0\0\0\0\177\376\0")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),  cmocka_unit_test(test_known),   cmocka_unit_test(test_cache),
        cmocka_unit_test(test_forged), cmocka_unit_test(test_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
