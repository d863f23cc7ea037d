/* histogram.h: counts of durations in buckets that are at most 1/64 wide of their value, so
 * percentiles are within 1.6 %. A few thousand counters; one owner, no allocation. record is O(1),
 * percentile O(buckets). */
#pragma once

#include "base/base.h"

enum {
    HISTOGRAM_SUB_BITS = 6, /* 64 buckets per power of two */
    HISTOGRAM_BUCKETS = (64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS,
};

struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t count, min, max;
    double sum;
};

/* Without values. */
void histogram_init(struct histogram *h);
/* Adds one value; small ones (below 64) are exact. */
void histogram_record(struct histogram *h, uint64_t value);
/* The value that `percent` of all (0..100) do not exceed; 0 when there are none. Never above the
 * maximum. */
uint64_t histogram_percentile(const struct histogram *h, double percent);
double histogram_mean(const struct histogram *h);
/* Adds all of `from`. */
void histogram_merge(struct histogram *h, const struct histogram *from);
/* Calls `row` for each bucket that is not empty: its largest value, and how many values there are
 * up to it. */
void histogram_each(const struct histogram *h,
                    void (*row)(void *arg, uint64_t value, uint64_t up_to), void *arg);
