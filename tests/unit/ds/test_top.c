#include "base/hash.h"
#include "ds/top.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct slice name_of(char *scratch, unsigned i)
{
    return slice_make(scratch, (size_t)snprintf(scratch, 32, "key:%u", i));
}

static const struct top_item *find(const struct top *t, int space, const char *name)
{
    for (uint32_t i = 0; i < top_len(t); i++) {
        const struct top_item *item = top_at(t, i);
        if (item->space == space &&
            slice_equal(slice_make(item->name, item->len), slice_cstr(name)))
            return item;
    }
    return NULL;
}

static void add(struct top *t, int space, const char *name, int64_t weight)
{
    top_add(t, space, slice_cstr(name), hash_slice(slice_cstr(name)), weight);
}

static void exact_below_capacity(void **state)
{
    struct top t;
    (void)state;
    top_init(&t, 3);
    add(&t, 0, "a", 5);
    add(&t, 0, "b", 1);
    add(&t, 1, "a", 2);
    add(&t, 0, "a", 1);
    assert_int_equal(top_len(&t), 3);
    assert_int_equal(find(&t, 0, "a")->count, 6);
    assert_int_equal(find(&t, 1, "a")->count, 2);
    assert_int_equal(find(&t, 0, "b")->error, 0);
    add(&t, 0, "c", 4); /* in place of b */
    assert_null(find(&t, 0, "b"));
    assert_int_equal(find(&t, 0, "c")->count, 5);
    assert_int_equal(find(&t, 0, "c")->error, 1);
    top_deinit(&t);
}

static void halving_forgets(void **state)
{
    struct top t;
    (void)state;
    top_init(&t, 8);
    add(&t, 0, "a", 9);
    add(&t, 0, "b", 1);
    add(&t, 0, "c", 4);
    top_halve(&t);
    assert_int_equal(find(&t, 0, "a")->count, 4);
    assert_int_equal(find(&t, 0, "c")->count, 2);
    assert_null(find(&t, 0, "b"));
    assert_true(heap_validate(&t.heap));
    top_deinit(&t);
}

static void put_keeps_the_largest(void **state)
{
    char scratch[32];
    struct top t;
    (void)state;
    top_init(&t, 10);
    for (unsigned i = 0; i < 1000; i++) {
        struct slice name = name_of(scratch, i * 7919 % 1000);
        top_put(&t, 0, name, hash_slice(name), i * 7919 % 1000);
    }
    assert_int_equal(top_len(&t), 10);
    for (unsigned i = 990; i < 1000; i++)
        assert_int_equal(find(&t, 0, name_of(scratch, i).ptr)->count, i);
    top_remove(&t, 0, SLICE("key:995"), hash_slice(SLICE("key:995")));
    top_remove(&t, 0, SLICE("key:1"), hash_slice(SLICE("key:1")));
    assert_int_equal(top_len(&t), 9);
    top_put(&t, 0, SLICE("key:999"), hash_slice(SLICE("key:999")), 1);
    assert_int_equal(find(&t, 0, "key:999")->count, 1);
    top_deinit(&t);
}

static void long_names_are_cut(void **state)
{
    char name[3000];
    struct top t;
    (void)state;
    memset(name, 'x', sizeof(name));
    top_init(&t, 2);
    for (int i = 0; i < 2; i++)
        top_add(&t, 0, slice_make(name, sizeof(name)), hash_bytes(name, sizeof(name)), 1);
    assert_int_equal(top_len(&t), 1);
    assert_int_equal(top_at(&t, 0)->len, TOP_NAME_MAX);
    assert_int_equal(top_at(&t, 0)->count, 2);
    top_deinit(&t);
}

/* The bound that the paper proves, and the right ten of a Zipf load. */
static void zipf(void **state)
{
    enum {
        NAMES = 20000,
        DRAWS = 300000,
        CAPACITY = 256
    };

    static double cumulated[NAMES];
    static int64_t truth[NAMES];
    char scratch[32];
    struct top t;
    struct rng rng;
    double sum = 0;
    (void)state;
    for (int i = 0; i < NAMES; i++)
        cumulated[i] = sum += 1 / (i + 1.0);
    rng_seed(&rng, 7);
    top_init(&t, CAPACITY);
    for (int n = 0; n < DRAWS; n++) {
        double x = rng_double(&rng) * sum;
        int low = 0, high = NAMES - 1;
        while (low < high) {
            int middle = (low + high) / 2;
            if (cumulated[middle] < x)
                low = middle + 1;
            else
                high = middle;
        }
        struct slice name = name_of(scratch, (unsigned)low);
        truth[low]++;
        top_add(&t, 0, name, hash_slice(name), 1);
    }
    for (int i = 0; i < 10; i++) {
        const struct top_item *item = find(&t, 0, name_of(scratch, (unsigned)i).ptr);
        assert_non_null(item);
        assert_true(item->count >= truth[i] && item->count - item->error <= truth[i]);
        assert_true(item->error <= DRAWS / CAPACITY);
    }
    assert_true(heap_validate(&t.heap));
    top_deinit(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_below_capacity),
        cmocka_unit_test(halving_forgets),
        cmocka_unit_test(put_keeps_the_largest),
        cmocka_unit_test(long_names_are_cut),
        cmocka_unit_test(zipf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
