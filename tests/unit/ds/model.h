/* model.h: what the model tests of data structures share: a seeded generator, the number of
 * operations (MODEL_OPS, default 10^6), values of every encoding, and a benchmark clock. */
#pragma once

#include "base/mem.h"
#include "base/num.h"
#include "base/rand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
/* cmocka.h needs those before it. */
// clang-format off
#include <cmocka.h>

// clang-format on

enum {
    MODEL_TEXT_MAX = 70000
};

static inline long model_ops(void)
{
    const char *env = getenv("MODEL_OPS");
    return env ? atol(env) : 1000000;
}

static inline bool model_bench(void)
{
    return getenv("MODEL_BENCH") != NULL;
}

static inline double model_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* A number near a power of two, where encodings change, or a small one. */
static inline int64_t model_number(struct rng *rng)
{
    uint64_t edge = rng_below(rng, 3) ? rng_below(rng, 200) : 1ULL << rng_below(rng, 64);
    uint64_t x = edge + rng_below(rng, 5) - 2;
    return (int64_t)(rng_below(rng, 2) ? x : 0 - x);
}

static inline size_t model_text_len(struct rng *rng, size_t max)
{
    static const size_t edges[] = {0,    1,    20,   21,    63,    64,    126,  127,
                                   4094, 4095, 4096, 16378, 16379, 65535, 8140, 8160};
    size_t len = rng_below(rng, 40) ? rng_below(rng, 24) : edges[rng_below(rng, ARRAY_LEN(edges))];
    return MIN(len, max);
}

/* Fills `out` with a value of at most `max` bytes: a number, digits that are no canonical number,
 * or letters of a tiny alphabet, so that equal values are common. */
static inline struct slice model_value(struct rng *rng, char *out, size_t max)
{
    if (rng_below(rng, 3) == 0)
        return slice_make(out, num_format_int64(out, model_number(rng)));
    if (rng_below(rng, 20) == 0) {
        static const char *const odd[] = {
            "007", "-0", "+1", " 1", "1 ", "-", "", "9223372036854775808", "-9223372036854775809",
            "1e3"};
        struct slice s = slice_cstr(odd[rng_below(rng, ARRAY_LEN(odd))]);
        memcpy(out, s.ptr, s.len + 1);
        return slice_make(out, s.len);
    }
    size_t len = model_text_len(rng, max);
    memset(out, 'a' + (int)rng_below(rng, 3), len);
    if (len)
        out[rng_below(rng, len)] = (char)rng_below(rng, 256);
    return slice_make(out, len);
}
