#include "tools/load_keys.h"

#include <math.h>

/* log1p(x)/x and expm1(x)/x, which are 1 at 0: exponents near 1 need them. */
static double log_ratio(double x)
{
    return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x / 2;
}

static double exp_ratio(double x)
{
    return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x / 2;
}

/* h(x) = x^-s, its integral H, and the inverse of H: the names are the paper's. */
static double weight(const struct load_keys *k, double x)
{
    return exp(-k->exponent * log(x));
}

static double integral(const struct load_keys *k, double x)
{
    double log_x = log(x);
    return exp_ratio((1 - k->exponent) * log_x) * log_x;
}

static double integral_inverse(const struct load_keys *k, double y)
{
    double t = fmax(y * (1 - k->exponent), -1); /* rounding may leave the domain */
    return exp(log_ratio(t) * y);
}

void load_keys_init(struct load_keys *k, enum load_distribution distribution, uint64_t count,
                    double exponent, uint64_t first, uint64_t stride)
{
    *k = (struct load_keys){.distribution = distribution,
                            .count = count,
                            .next = first % count,
                            .stride = stride,
                            .exponent = exponent};
    if (distribution != LOAD_ZIPF)
        return;
    k->first = integral(k, 1.5) - 1;
    k->last = integral(k, (double)count + 0.5);
    k->accept = 2 - integral_inverse(k, integral(k, 2.5) - weight(k, 2));
}

static uint64_t draw_zipf(const struct load_keys *k, struct rng *rng)
{
    for (;;) {
        double u = k->last + rng_double(rng) * (k->first - k->last);
        double x = integral_inverse(k, u);
        double rank = fmin(fmax(floor(x + 0.5), 1), (double)k->count);
        if (rank - x <= k->accept || u >= integral(k, rank + 0.5) - weight(k, rank))
            return (uint64_t)rank - 1;
    }
}

uint64_t load_keys_draw(struct load_keys *k, struct rng *rng)
{
    if (k->distribution == LOAD_UNIFORM)
        return rng_below(rng, k->count);
    if (k->distribution == LOAD_ZIPF)
        return draw_zipf(k, rng);
    uint64_t key = k->next;
    k->next = (k->next + k->stride) % k->count;
    return key;
}
