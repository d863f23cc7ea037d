#include "tools/histogram.h"

enum {
    SUB = 1 << HISTOGRAM_SUB_BITS
};

void histogram_init(struct histogram *h)
{
    memset(h, 0, sizeof(*h));
    h->min = UINT64_MAX;
}

/* Values below 64 have their own buckets; above, the highest bit chooses a row and the next six a
 * bucket in it. */
static unsigned bucket_of(uint64_t value)
{
    if (value < SUB)
        return (unsigned)value;
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return (shift + 1) * SUB + (unsigned)(value >> shift) - SUB;
}

/* The largest value of a bucket. */
static uint64_t bucket_top(unsigned bucket)
{
    if (bucket < SUB)
        return bucket;
    unsigned shift = bucket / SUB - 1;
    uint64_t low = (uint64_t)(bucket % SUB + SUB) << shift;
    return low + (((uint64_t)1 << shift) - 1);
}

void histogram_record(struct histogram *h, uint64_t value)
{
    h->buckets[bucket_of(value)]++;
    h->count++;
    h->sum += (double)value;
    h->min = MIN(h->min, value);
    h->max = MAX(h->max, value);
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS && h->count; i++) {
        seen += h->buckets[i];
        if (h->buckets[i] && (double)seen >= percent / 100 * (double)h->count)
            return MIN(bucket_top(i), h->max);
    }
    return h->max;
}

double histogram_mean(const struct histogram *h)
{
    return h->count ? h->sum / (double)h->count : 0;
}

void histogram_merge(struct histogram *h, const struct histogram *from)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        h->buckets[i] += from->buckets[i];
    h->count += from->count;
    h->sum += from->sum;
    h->min = MIN(h->min, from->min);
    h->max = MAX(h->max, from->max);
}

void histogram_each(const struct histogram *h,
                    void (*row)(void *arg, uint64_t value, uint64_t up_to), void *arg)
{
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (h->buckets[i])
            row(arg, MIN(bucket_top(i), h->max), seen);
    }
}
