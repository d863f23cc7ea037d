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

uint64_t latency_add(const struct latency *l, uint64_t sums[LATENCY_BUCKETS])
{
    uint64_t calls = 0;
    for (unsigned i = 0; l && i < LATENCY_BUCKETS; i++) {
        uint64_t count = atomic_load_explicit(&l->buckets[i], memory_order_relaxed);
        sums[i] += count;
        calls += count;
    }
    return calls;
}

/* The longest duration of a bucket. */
static uint64_t bucket_top_ns(unsigned bucket)
{
    unsigned shift = bucket < LATENCY_SUB ? 0 : bucket / LATENCY_SUB - 1;
    uint64_t low = bucket < LATENCY_SUB ? bucket : bucket % LATENCY_SUB + LATENCY_SUB;
    return clock_cycles_to_ns(((low + 1) << (shift + LATENCY_UNIT_BITS)) - 1);
}

uint64_t latency_percentile_ns(const uint64_t sums[LATENCY_BUCKETS], uint64_t calls, double percent)
{
    uint64_t seen = 0;
    unsigned last = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS && seen < calls; i++) {
        seen += sums[i];
        last = sums[i] ? i : last;
        if (sums[i] && (double)seen >= percent / 100 * (double)calls)
            break;
    }
    return calls ? bucket_top_ns(last) : 0;
}

static int64_t step_us(unsigned power)
{
    int64_t ns = 1024ll << power;
    return (ns + ns / 128 - 1) / 1000;
}

unsigned latency_steps(const uint64_t sums[LATENCY_BUCKETS],
                       struct latency_step steps[LATENCY_STEPS_MAX])
{
    uint64_t seen = 0, told = 0;
    unsigned power = 0, count = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        if (!sums[i])
            continue;
        while (power < LATENCY_STEPS_MAX - 1 &&
               (int64_t)(bucket_top_ns(i) / 1000) > step_us(power)) {
            if (seen > told)
                steps[count++] = (struct latency_step){step_us(power), told = seen};
            power++;
        }
        seen += sums[i];
    }
    if (seen > told)
        steps[count++] = (struct latency_step){step_us(power), seen};
    return count;
}
