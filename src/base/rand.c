#include "base/rand.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <sys/random.h>

INLINE uint64_t rotl(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

/* splitmix64 (Steele, Lea, Flood 2014): never gives the all-zero state that xoshiro cannot leave.
 */
static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}

void rng_seed(struct rng *rng, uint64_t seed)
{
    for (size_t i = 0; i < ARRAY_LEN(rng->s); i++)
        rng->s[i] = splitmix(&seed);
}

uint64_t rng_next(struct rng *rng)
{
    uint64_t *s = rng->s, result = rotl(s[1] * 5, 7) * 9, shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotl(s[3], 45);
    return result;
}

/* Lemire: "Fast Random Integer Generation in an Interval", 2019: a division only in rare cases. */
uint64_t rng_below(struct rng *rng, uint64_t limit)
{
    unsigned __int128 product = (unsigned __int128)rng_next(rng) * limit;
    if ((uint64_t)product < limit) {
        uint64_t biased = (0 - limit) % limit;
        while ((uint64_t)product < biased)
            product = (unsigned __int128)rng_next(rng) * limit;
    }
    return (uint64_t)(product >> 64);
}

double rng_double(struct rng *rng)
{
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

void rand_secure(void *out, size_t len)
{
    char *p = out;
    while (len) {
        ssize_t got = getrandom(p, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            perror("getrandom");
            abort();
        }
        p += got;
        len -= (size_t)got;
    }
}

void rand_hex(char *out, size_t len)
{
    rand_secure(out, len);
    for (size_t i = 0; i < len; i++)
        out[i] = "0123456789abcdef"[out[i] & 15];
    out[len] = 0;
}
