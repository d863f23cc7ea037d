/* load_keys.h: which key a request names: uniform, Zipf, or one after the other.
 *
 * Zipf by rejection-inversion: W. Hörmann, G. Derflinger, "Rejection-inversion to generate variates
 * from monotone discrete distributions", ACM TOMACS 6 (1996): O(1) per draw in time and memory for
 * any number of keys, where a table of probabilities would need memory for each. Key 0 is the most
 * frequent one; with exponent s, key k is drawn in proportion to 1/(k + 1)^s.
 *
 * One thread per struct; plain data, nothing to free. */
#pragma once

#include "base/rand.h"

enum load_distribution {
    LOAD_UNIFORM,
    LOAD_ZIPF,
    LOAD_SEQUENTIAL
};

struct load_keys {
    enum load_distribution distribution;
    uint64_t count;                       /* keys are 0 … count - 1 */
    uint64_t next, stride;                /* sequential */
    double exponent, first, last, accept; /* Zipf: see load_keys.c */
};

/* count > 0, exponent > 0. Of several threads, number `first` of `stride` draws every stride-th key
 * of the sequence, so together they name each once. */
void load_keys_init(struct load_keys *k, enum load_distribution distribution, uint64_t count,
                    double exponent, uint64_t first, uint64_t stride);
uint64_t load_keys_draw(struct load_keys *k, struct rng *rng);
