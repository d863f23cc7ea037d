#include "ds/intset.h"

#include "model.h"

enum {
    TWIN_MAX = 600
};

struct twin {
    int64_t values[TWIN_MAX];
    uint32_t len;
};

static uint32_t twin_index(const struct twin *t, int64_t value)
{
    for (uint32_t i = 0; i < t->len; i++)
        if (t->values[i] == value)
            return i;
    return UINT32_MAX;
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void check(const unsigned char *set, const struct twin *twin)
{
    struct twin sorted = *twin;
    qsort(sorted.values, sorted.len, sizeof(int64_t), ascending);
    assert_int_equal(intset_len(set), sorted.len);
    for (uint32_t i = 0; i < sorted.len; i++)
        assert_int_equal(intset_get(set, i), sorted.values[i]);
    assert_true(intset_validate(set, intset_bytes(set)));
    assert_int_equal(mem_used(MEM_DATA), mem_size_class(intset_bytes(set)));
}

static unsigned char *step(unsigned char *set, struct twin *twin, struct rng *rng, bool wide)
{
    int64_t value = wide ? model_number(rng) : (int64_t)rng_below(rng, 1000) - 500;
    uint32_t index = twin_index(twin, value);
    bool changed = false;
    assert_int_equal(intset_find(set, value), index != UINT32_MAX);
    if (rng_below(rng, 100) < (twin->len < TWIN_MAX - 1 ? 55 : 0)) {
        set = intset_add(set, value, &changed);
        assert_int_equal(changed, index == UINT32_MAX);
        if (changed)
            twin->values[twin->len++] = value;
    } else {
        set = intset_remove(set, value, &changed);
        assert_int_equal(changed, index != UINT32_MAX);
        if (changed)
            twin->values[index] = twin->values[--twin->len];
    }
    return set;
}

static void agrees_with_a_plain_array(void **state)
{
    (void)state;
    struct twin twin = {.len = 0};
    struct rng rng;
    unsigned char *set = intset_create();
    rng_seed(&rng, 1);
    for (long op = 0, ops = model_ops(); op < ops; op++) {
        if (op % 5000 == 0) { /* start again: the width never goes down */
            intset_free(set);
            set = intset_create();
            twin.len = 0;
        }
        set = step(set, &twin, &rng, op / 5000 % 2 && op % 5000 > 1000);
        if (op % 53 == 0)
            check(set, &twin);
    }
    check(set, &twin);
    unsigned char *copy = intset_dup(set);
    assert_memory_equal(copy, set, intset_bytes(set));
    intset_free(copy);
    intset_free(set);
    intset_free(NULL);
    assert_int_equal(mem_used(MEM_DATA), 0);
}

static void layout_is_that_of_redis(void **state)
{
    (void)state;
    static const unsigned char two[] = {2, 0, 0, 0, 2, 0, 0, 0, 0xFE, 0xFF, 5, 0};
    static const unsigned char four[] = {4,    0,    0, 0, 3, 0, 0, 0, 0xFE, 0xFF,
                                         0xFF, 0xFF, 5, 0, 0, 0, 0, 0, 1,    0};
    unsigned char *set = intset_create();
    set = intset_add(set, 5, NULL);
    set = intset_add(set, -2, NULL);
    assert_int_equal(intset_bytes(set), sizeof(two));
    assert_memory_equal(set, two, sizeof(two));
    set = intset_add(set, 65536, NULL);
    assert_int_equal(intset_bytes(set), sizeof(four));
    assert_memory_equal(set, four, sizeof(four));
    intset_free(set);
}

static void refuses_damage(void **state)
{
    (void)state;
    unsigned char good[] = {2, 0, 0, 0, 3, 0, 0, 0, 1, 0, 2, 0, 3, 0};
    assert_true(intset_validate(good, sizeof(good)));
    for (size_t len = 0; len < sizeof(good); len++) {
        unsigned char *cut = malloc(len ? len : 1); /* exact size: a sanitizer sees an overrun */
        memcpy(cut, good, len);
        assert_false(intset_validate(cut, len));
        free(cut);
    }
    for (int width = 0; width < 256; width++) {
        good[0] = (unsigned char)width;
        assert_int_equal(intset_validate(good, sizeof(good)), width == 2);
    }
    good[0] = 2;
    good[10] = 1; /* twice the same */
    assert_false(intset_validate(good, sizeof(good)));
    good[10] = 9; /* out of order */
    assert_false(intset_validate(good, sizeof(good)));
    memset(good + 4, 0xFF, 4);
    assert_false(intset_validate(good, sizeof(good)));
}

static void bench(void **state)
{
    (void)state;

    enum {
        N = 512,
        ROUNDS = 2000
    };

    if (!model_bench())
        return; /* cmocka reports a skipped test as failed in TAP */
    unsigned char *set = intset_create();
    for (int i = 0; i < N; i++)
        set = intset_add(set, i * 1000, NULL);
    struct rng rng;
    rng_seed(&rng, 3);
    long hits = 0;
    double start = model_now_ns();
    for (int i = 0; i < N * ROUNDS; i++)
        hits += intset_find(set, (int64_t)rng_below(&rng, N) * 1000);
    print_message("# intset of 512: find %.0f ns\n", (model_now_ns() - start) / (N * ROUNDS));
    assert_int_equal(hits, N * ROUNDS);
    intset_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_plain_array),
        cmocka_unit_test(layout_is_that_of_redis),
        cmocka_unit_test(refuses_damage),
        cmocka_unit_test(bench),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
