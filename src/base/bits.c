#include "base/bits.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* ---- counting ---- */

INLINE uint64_t load64(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

/* Four sums, so that additions do not wait for each other. */
INLINE uint64_t count_words(const uint8_t *p, size_t len)
{
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (; len >= 32; p += 32, len -= 32) {
        a += (uint64_t)__builtin_popcountll(load64(p));
        b += (uint64_t)__builtin_popcountll(load64(p + 8));
        c += (uint64_t)__builtin_popcountll(load64(p + 16));
        d += (uint64_t)__builtin_popcountll(load64(p + 24));
    }
    for (; len >= 8; p += 8, len -= 8)
        a += (uint64_t)__builtin_popcountll(load64(p));
    for (; len; p++, len--)
        b += (uint64_t)__builtin_popcount(*p);
    return a + b + c + d;
}

#if defined(__x86_64__)

__attribute__((target("popcnt"))) static uint64_t count_popcnt(const uint8_t *p, size_t len)
{
    return count_words(p, len);
}

enum {
    AVX2_STEP = 128,
    AVX2_MIN = 1024,
    PREFETCH_AHEAD = 2048
};

/* Bits per byte of a vector, looked up by nibble. */
__attribute__((target("avx2"))) INLINE __m256i nibble_counts(__m256i v)
{
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1,
                                           2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(v, 4), low);
    return _mm256_add_epi8(_mm256_shuffle_epi8(table, _mm256_and_si256(v, low)),
                           _mm256_shuffle_epi8(table, high));
}

__attribute__((target("avx2"))) INLINE __m256i load256(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

/* Counts whole steps. A byte's sum over the four vectors of a step is at most 32. */
__attribute__((target("avx2"))) static uint64_t count_avx2(const uint8_t *p, size_t steps)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i total = zero;
    for (; steps; steps--, p += AVX2_STEP) {
        _mm_prefetch((const char *)p + PREFETCH_AHEAD, _MM_HINT_T0);
        _mm_prefetch((const char *)p + PREFETCH_AHEAD + 64, _MM_HINT_T0);
        __m256i a = _mm256_add_epi8(nibble_counts(load256(p)), nibble_counts(load256(p + 32)));
        __m256i b = _mm256_add_epi8(nibble_counts(load256(p + 64)), nibble_counts(load256(p + 96)));
        total = _mm256_add_epi64(total, _mm256_sad_epu8(_mm256_add_epi8(a, b), zero));
    }
    return (uint64_t)_mm256_extract_epi64(total, 0) + (uint64_t)_mm256_extract_epi64(total, 1) +
           (uint64_t)_mm256_extract_epi64(total, 2) + (uint64_t)_mm256_extract_epi64(total, 3);
}

uint64_t bits_count(const void *bytes, size_t len)
{
    const uint8_t *p = (const uint8_t *)bytes;
    uint64_t count = 0;
    if (len >= AVX2_MIN && __builtin_cpu_supports("avx2")) {
        size_t steps = len / AVX2_STEP;
        count = count_avx2(p, steps);
        p += steps * AVX2_STEP;
        len -= steps * AVX2_STEP;
    }
    return count + (__builtin_cpu_supports("popcnt") ? count_popcnt(p, len) : count_words(p, len));
}

#else

uint64_t bits_count(const void *bytes, size_t len)
{
    return count_words((const uint8_t *)bytes, len);
}

#endif

uint64_t bits_count_range(const void *bytes, uint64_t from, uint64_t to)
{
    const uint8_t *p = (const uint8_t *)bytes;
    if (from >= to)
        return 0;
    uint64_t first = from >> 3, last = (to - 1) >> 3,
             count = bits_count(p + first, last - first + 1);
    count -= (uint64_t)__builtin_popcount(p[first] & (0xff00 >> (from & 7) & 0xff));
    count -= (uint64_t)__builtin_popcount(p[last] & (0xff >> (((to - 1) & 7) + 1)));
    return count;
}

/* ---- finding ---- */

/* The first bit in [from, to) of one byte, or `to`. */
static uint64_t find_in_byte(const uint8_t *p, uint64_t from, uint64_t to, bool set)
{
    unsigned byte = set ? p[from >> 3] : p[from >> 3] ^ 0xffU;
    byte &= 0xffU >> (from & 7);
    if (!byte)
        return to;
    return MIN((from & ~(uint64_t)7) + (uint64_t)(__builtin_clz(byte) - 24), to);
}

/* The first byte in [at, end) that differs from `skip`, or `end`. */
static uint64_t find_byte(const uint8_t *p, uint64_t at, uint64_t end, uint8_t skip)
{
    uint64_t same = skip ? UINT64_MAX : 0;
    while (at + 32 <= end) {
        uint64_t differ = (load64(p + at) ^ same) | (load64(p + at + 8) ^ same) |
                          (load64(p + at + 16) ^ same) | (load64(p + at + 24) ^ same);
        if (differ)
            break;
        at += 32;
    }
    while (at < end && p[at] == skip)
        at++;
    return at;
}

uint64_t bits_find(const void *bytes, uint64_t from, uint64_t to, bool set)
{
    const uint8_t *p = (const uint8_t *)bytes;
    if (from >= to)
        return to;
    uint64_t edge = MIN((from | 7) + 1, to), found = find_in_byte(p, from, edge, set);
    if (found < edge || edge == to)
        return found < edge ? found : to;
    uint64_t at = find_byte(p, edge >> 3, (to + 7) >> 3, set ? 0 : 0xff);
    return at << 3 >= to ? to : find_in_byte(p, at << 3, to, set);
}

/* ---- integers ---- */

uint64_t bits_get_uint(const void *bytes, uint64_t bit, unsigned width)
{
    const uint8_t *p = (const uint8_t *)bytes + (bit >> 3);
    unsigned lead = (unsigned)(bit & 7), count = (lead + width + 7) / 8;
    unsigned __int128 value = 0;
    for (unsigned i = 0; i < count; i++)
        value = value << 8 | p[i];
    value >>= count * 8 - lead - width;
    return (uint64_t)value & (UINT64_MAX >> (64 - width));
}

void bits_put_uint(void *bytes, uint64_t bit, unsigned width, uint64_t value)
{
    uint8_t *p = (uint8_t *)bytes + (bit >> 3);
    unsigned lead = (unsigned)(bit & 7), count = (lead + width + 7) / 8;
    unsigned shift = count * 8 - lead - width;
    unsigned __int128 mask = (unsigned __int128)(UINT64_MAX >> (64 - width)) << shift;
    unsigned __int128 bits = (unsigned __int128)value << shift & mask;
    for (unsigned i = count; i-- > 0; mask >>= 8, bits >>= 8)
        p[i] = (uint8_t)((p[i] & ~(uint8_t)mask) | (uint8_t)bits);
}

/* ---- combining ---- */

typedef uint64_t vector __attribute__((vector_size(32), aligned(1), may_alias));

#define COMBINE(name, expression)                                  \
    void name(void *dst, const void *src, size_t len)              \
    {                                                              \
        uint8_t *d = (uint8_t *)dst;                               \
        const uint8_t *s = (const uint8_t *)src;                   \
        for (; len >= sizeof(vector); len -= sizeof(vector)) {     \
            vector a = *(const vector *)d, b = *(const vector *)s; \
            *(vector *)d = expression;                             \
            d += sizeof(vector);                                   \
            s += sizeof(vector);                                   \
        }                                                          \
        for (; len; len--, d++, s++) {                             \
            uint8_t a = *d, b = *s;                                \
            *d = (uint8_t)(expression);                            \
        }                                                          \
    }

COMBINE(bits_and, a &b)
COMBINE(bits_or, a | b)
COMBINE(bits_xor, a ^ b)
COMBINE(bits_and_not, a & ~b)

void bits_invert(void *dst, size_t len)
{
    uint8_t *d = (uint8_t *)dst;
    for (; len >= sizeof(vector); len -= sizeof(vector), d += sizeof(vector))
        *(vector *)d = ~*(const vector *)d;
    for (; len; len--, d++)
        *d = (uint8_t) ~*d;
}
