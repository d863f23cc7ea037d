/* latency.h: how long calls of one command took on one thread, in buckets 1/16 wide of their value:
 * percentiles within 6 %.
 *
 * Owner: the thread that counts, with relaxed stores; others read sums that need not be of one
 * moment. Durations are in cycles of clock_cycles(), converted when they are shown. Recording is
 * O(1) without a branch that misses; a histogram of 3.5 KB is made at a command's first call. */
#pragma once

#include "base/buf.h"

#include <stdatomic.h>

enum {
    LATENCY_UNIT_BITS = 6, /* cycles in the narrowest bucket: 64 */
    LATENCY_SUB_BITS = 4,
    LATENCY_SUB = 1 << LATENCY_SUB_BITS,
    LATENCY_BUCKETS = 28 * LATENCY_SUB, /* up to 2^37 cycles; what is longer counts in the last */
    LATENCY_STEPS_MAX =
        48 /* more powers of two than a bucket can be long, however slow the clock */
};

struct latency {
    _Atomic uint64_t buckets[LATENCY_BUCKETS];
};

INLINE unsigned latency_bucket(uint64_t cycles)
{
    uint64_t value = cycles >> LATENCY_UNIT_BITS;
    if (value < LATENCY_SUB)
        return (unsigned)value;
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - LATENCY_SUB_BITS;
    unsigned bucket = (shift + 1) * LATENCY_SUB + (unsigned)(value >> shift) - LATENCY_SUB;
    return MIN(bucket, (unsigned)LATENCY_BUCKETS - 1);
}

/* Makes the histogram that *at will be. The owner. */
struct latency *latency_create(_Atomic(struct latency *) *at);

/* Adds `calls` that took so many cycles each. The histogram is made when *at is NULL. The owner. */
INLINE void latency_record(_Atomic(struct latency *) *at, uint64_t cycles, uint64_t calls)
{
    struct latency *l = atomic_load_explicit(at, memory_order_relaxed);
    if (unlikely(!l))
        l = latency_create(at);
    _Atomic uint64_t *counter = &l->buckets[latency_bucket(cycles)];
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + calls,
                          memory_order_relaxed);
}

/* NULL is allowed. */
void latency_destroy(struct latency *l);
/* Exclusive mode. */
void latency_clear(struct latency *l);
/* Adds the counters to `sums`; returns how many calls that were. Any thread. `l` may be NULL. */
uint64_t latency_add(const struct latency *l, uint64_t sums[LATENCY_BUCKETS]);
/* The duration that `percent` (0 to 100) of the `calls` in `sums` did not exceed, in ns; 0 without
 * calls. */
uint64_t latency_percentile_ns(const uint64_t sums[LATENCY_BUCKETS], uint64_t calls,
                               double percent);

struct latency_step {
    int64_t us;
    uint64_t calls; /* that took no longer */
};

/* Redis's buckets: powers of two from 1,024 ns on, shown as the highest value that its histogram
 * does not tell from it. Returns how many steps were made: those that add something. */
unsigned latency_steps(const uint64_t sums[LATENCY_BUCKETS],
                       struct latency_step steps[LATENCY_STEPS_MAX]);
