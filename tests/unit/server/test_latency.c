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
    latency_add(l, sums);
    assert_int_equal(latency_percentile_ns(sums, 99), 0);
    for (uint64_t i = 1; i <= 1000; i++)
        latency_record(&l, i * 10000, 1);
    latency_record(&l, 20000000, 9); /* a run of nine */
    latency_add(l, sums);
    near(latency_percentile_ns(sums, 50), 5050000);
    near(latency_percentile_ns(sums, 99), 9990000);
    near(latency_percentile_ns(sums, 99.9), 20000000);
    near(latency_percentile_ns(sums, 100), 20000000);
    near(latency_percentile_ns(sums, 0), 10000);
    latency_clear(l);
    uint64_t after[LATENCY_BUCKETS] = {0};
    latency_add(l, after);
    assert_int_equal(latency_percentile_ns(after, 100), 0);
    latency_destroy(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(buckets_cover_everything),
                                       cmocka_unit_test(percentiles_are_near)};
    clock_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
