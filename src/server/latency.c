#include "server/latency.h"

#include "base/clock.h"
#include "base/mem.h"

COLD struct latency *latency_create(_Atomic(struct latency *) *at)
{
    struct latency *l = mem_zalloc(MEM_OTHER, sizeof(*l));
    /* release: pairs with the acquire of who shows it */
    atomic_store_explicit(at, l, memory_order_release);
    return l;
}

void latency_destroy(struct latency *l)
{
    mem_free(MEM_OTHER, l, sizeof(*l));
}

void latency_clear(struct latency *l)
{
    for (unsigned i = 0; l && i < LATENCY_BUCKETS; i++)
        atomic_store_explicit(&l->buckets[i], 0, memory_order_relaxed);
}

void latency_add(const struct latency *l, uint64_t sums[LATENCY_BUCKETS])
{
    for (unsigned i = 0; l && i < LATENCY_BUCKETS; i++)
        sums[i] += atomic_load_explicit(&l->buckets[i], memory_order_relaxed);
}

/* The longest duration of a bucket, in cycles. */
static uint64_t bucket_top(unsigned bucket)
{
    unsigned shift = bucket < LATENCY_SUB ? 0 : bucket / LATENCY_SUB - 1;
    uint64_t low = bucket < LATENCY_SUB ? bucket : bucket % LATENCY_SUB + LATENCY_SUB;
    return ((low + 1) << (shift + LATENCY_UNIT_BITS)) - 1;
}

uint64_t latency_bucket_top_ns(unsigned bucket)
{
    return clock_cycles_to_ns(bucket_top(bucket));
}

uint64_t latency_percentile_ns(const uint64_t sums[LATENCY_BUCKETS], double percent)
{
    uint64_t total = 0, seen = 0;
    unsigned last = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        total += sums[i];
        last = sums[i] ? i : last;
    }
    for (unsigned i = 0; i < last; i++) {
        seen += sums[i];
        if (sums[i] && (double)seen >= percent / 100 * (double)total)
            return clock_cycles_to_ns(bucket_top(i));
    }
    return total ? clock_cycles_to_ns(bucket_top(last)) : 0;
}
