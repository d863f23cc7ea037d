#include "base/clock.h"
#include "server/latency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void buckets_cover_everything(void **state)
{
    (void)state;
    unsigned last = 0;
    for (uint64_t cycles = 0; cycles < (1 << 20); cycles += 7) {
        unsigned bucket = latency_bucket(cycles);
        assert_true(bucket == last || bucket == last + 1);
        last = bucket;
    }
    assert_int_equal(latency_bucket(UINT64_MAX), LATENCY_BUCKETS - 1);
    assert_true(latency_bucket((uint64_t)1 << 36) < LATENCY_BUCKETS - 1);
}

static void near(uint64_t ns, uint64_t cycles)
{
    double want = (double)clock_cycles_to_ns(cycles);
    assert_true((double)ns >= want * 0.99 && (double)ns <= want * 1.08);
}

static void percentiles_are_near(void **state)
{
    (void)state;
    _Atomic(struct latency *) l = NULL;
    uint64_t sums[LATENCY_BUCKETS] = {0};
    assert_int_equal(latency_add(l, sums), 0);
    assert_int_equal(latency_percentile_ns(sums, 0, 99), 0);
    for (uint64_t i = 1; i <= 1000; i++)
        latency_record(&l, i * 10000, 1);
    latency_record(&l, 20000000, 9); /* a run of nine */
    assert_int_equal(latency_add(l, sums), 1009);
    near(latency_percentile_ns(sums, 1009, 50), 5050000);
    near(latency_percentile_ns(sums, 1009, 99), 9990000);
    near(latency_percentile_ns(sums, 1009, 99.9), 20000000);
    near(latency_percentile_ns(sums, 1009, 100), 20000000);
    near(latency_percentile_ns(sums, 1009, 0), 10000);
    latency_clear(l);
    uint64_t after[LATENCY_BUCKETS] = {0};
    assert_int_equal(latency_add(l, after), 0);
    assert_int_equal(latency_percentile_ns(after, 0, 100), 0);
    latency_destroy(l);
}

/* Each step ends at a power of two, tells more calls than the one before, and the last tells all;
 * the longest bucket has its place too. */
static void steps_cumulate(void **state)
{
    (void)state;
    uint64_t sums[LATENCY_BUCKETS] = {0}, calls = 0;
    struct latency_step steps[LATENCY_STEPS_MAX];
    assert_int_equal(latency_steps(sums, steps), 0);
    for (unsigned i = 0; i < LATENCY_BUCKETS; i += i < 100 ? 1 : 37)
        calls += sums[i] = i % 3;
    calls += sums[LATENCY_BUCKETS - 1] = 5;
    unsigned count = latency_steps(sums, steps);
    assert_in_range(count, 5, LATENCY_STEPS_MAX);
    for (unsigned i = 1; i < count; i++) {
        assert_true(steps[i].us > steps[i - 1].us);
        assert_true(steps[i].calls > steps[i - 1].calls);
    }
    assert_int_equal(steps[count - 1].calls, calls);
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
        sums[i] = 1;
    assert_in_range(latency_steps(sums, steps), 1, LATENCY_STEPS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(buckets_cover_everything),
                                       cmocka_unit_test(percentiles_are_near),
                                       cmocka_unit_test(steps_cumulate)};
    clock_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
