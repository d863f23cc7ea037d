#include "store_fixture.h"

static struct entry *an_entry(void)
{
    return entry_create(SLICE("key"), TYPE_STRING, (struct value_shape){ENC_INT, 8, 1}, false);
}

static void lfu(void)
{
    store_settings = (struct store_settings){
        .maxmemory_policy = POLICY_ALLKEYS_LFU, .lfu_log_factor = 10, .lfu_decay_time_min = 1};
}

static void test_is_lfu(void **state)
{
    static const enum maxmemory_policy others[] = {POLICY_VOLATILE_LRU,    POLICY_ALLKEYS_LRU,
                                                   POLICY_VOLATILE_RANDOM, POLICY_ALLKEYS_RANDOM,
                                                   POLICY_VOLATILE_TTL,    POLICY_NOEVICTION};

    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        store_settings.maxmemory_policy = others[i];
        assert_false(access_is_lfu());
    }
    store_settings.maxmemory_policy = POLICY_VOLATILE_LFU;
    assert_true(access_is_lfu());
    store_settings.maxmemory_policy = POLICY_ALLKEYS_LFU;
    assert_true(access_is_lfu());
}

static void test_idle(void **state)
{
    struct entry *e = an_entry();
    int64_t wrap_ms = (int64_t)1000 << 24;
    entry_set_access(e, access_lru_clock(5000));
    assert_int_equal(access_idle_s(e, 5999), 0);
    assert_int_equal(access_idle_s(e, 65000), 60);
    entry_set_access(e, access_lru_clock(wrap_ms - 3000));
    assert_int_equal(access_idle_s(e, wrap_ms + 4000), 7);
    assert_int_equal(entry_klen(e), 3); /* the length shares the word */
    entry_free(e);
}

static void test_decay(void **state)
{
    struct entry *e = an_entry();
    lfu();
    entry_set_access(e, access_lfu_new(0));
    assert_int_equal(access_frequency(e, 59999), 5);
    assert_int_equal(access_frequency(e, 60000), 4);
    assert_int_equal(access_frequency(e, 10 * 60000), 0);
    store_settings.lfu_decay_time_min = 3;
    assert_int_equal(access_frequency(e, 10 * 60000), 2);
    store_settings.lfu_decay_time_min = 0;
    assert_int_equal(access_frequency(e, 1000 * 60000), 5);
    entry_free(e);
}

static void test_minutes_wrap(void **state)
{
    struct entry *e = an_entry();
    lfu();
    entry_set_access(e, access_lfu_new((int64_t)65535 * 60000));
    assert_int_equal(access_frequency(e, (int64_t)65537 * 60000), 3);
    entry_free(e);
}

static uint32_t after_uses(int uses, int log_factor, uint64_t seed)
{
    struct entry *e = an_entry();
    struct rng rng;
    lfu();
    store_settings.lfu_log_factor = log_factor;
    rng_seed(&rng, seed);
    entry_set_access(e, access_lfu_new(0));
    for (int i = 0; i < uses; i++)
        access_lfu_touch(e, 0, &rng);
    uint32_t counter = access_frequency(e, 0);
    entry_free(e);
    return counter;
}

/* Redis's own table for factor 10: 100 uses about 10, 1,000 about 18, 100 k about 142, 1 M 255. */
static void test_growth(void **state)
{
    assert_in_range(after_uses(100, 10, 1), 7, 14);
    assert_in_range(after_uses(1000, 10, 2), 14, 24);
    assert_in_range(after_uses(100000, 10, 3), 125, 160);
    assert_int_equal(after_uses(2000000, 10, 4), 255);
    assert_int_equal(after_uses(250, 0, 5), 255); /* factor 0: every use counts */
    assert_int_equal(after_uses(1000, 0, 6), 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_lfu), cmocka_unit_test(test_idle),
        cmocka_unit_test(test_decay),  cmocka_unit_test(test_minutes_wrap),
        cmocka_unit_test(test_growth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
