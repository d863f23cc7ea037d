/* rand.h: a small seeded generator (xoshiro256**, Blackman and Vigna 2018). Not for secrets: those
 * come from rand_secure(). A struct rng belongs to one thread. */
#pragma once

#include "base/base.h"

struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *rng, uint64_t seed); /* any value, expanded by splitmix64 */
uint64_t rng_next(struct rng *rng);
uint64_t rng_below(struct rng *rng, uint64_t limit); /* uniform in [0, limit), limit > 0 */
double rng_double(struct rng *rng);                  /* uniform in [0, 1) */
/* Bytes from the kernel's random source; aborts when there is none. */
void rand_secure(void *out, size_t len);
/* `len` lower-case hex digits and a NUL: run ids. out has len + 1 bytes. */
void rand_hex(char *out, size_t len);
