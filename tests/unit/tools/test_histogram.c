#include "../ds/model.h"
#include "tools/histogram.h"

static void percentiles(void **state)
{
    (void)state;
    static struct histogram h;
    histogram_init(&h);
    assert_int_equal(histogram_percentile(&h, 50), 0);
    for (uint64_t i = 1; i <= 100000; i++)
        histogram_record(&h, i * 1000);
    static const double percents[] = {1, 25, 50, 90, 99, 99.9};
    for (size_t i = 0; i < ARRAY_LEN(percents); i++) {
        double exact = percents[i] / 100 * 1e8;
        double got = (double)histogram_percentile(&h, percents[i]);
        assert_true(got >= exact && got <= exact * (1 + 1.0 / 64) + 1000);
    }
    assert_int_equal(histogram_percentile(&h, 100), 100000000);
    assert_true(histogram_mean(&h) == 50000500.0);
    histogram_init(&h);
    histogram_record(&h, UINT64_MAX);
    histogram_record(&h, 0);
    assert_int_equal(histogram_percentile(&h, 50), 0);
    assert_true(histogram_percentile(&h, 100) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
