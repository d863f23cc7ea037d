#include "base/crc.h"

#include "base/le.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#include <wmmintrin.h>
#endif

#define CRC64_POLY  0x95ac9329ac4bc9b5ULL /* Jones's 0xad93d23594c935a9, bits reflected */
#define CRC32C_POLY 0x82f63b78U           /* 0x1edc6f41, bits reflected */

/* table64[k][b]: the checksum of byte b followed by k zero bytes. Eight bytes are then taken at
 * once: "slicing by 8" (Kounavis, Berry: "A Systematic Approach to Building High Performance,
 * Software-based, CRC Generators", 2005). */
static uint64_t table64[8][256];
static uint32_t table32[256];

static void fill_first_row(unsigned byte)
{
    uint64_t c64 = byte;
    uint32_t c32 = byte;
    for (int bit = 0; bit < 8; bit++) {
        c64 = c64 >> 1 ^ (c64 & 1 ? CRC64_POLY : 0);
        c32 = c32 >> 1 ^ (c32 & 1 ? CRC32C_POLY : 0);
    }
    table64[0][byte] = c64;
    table32[byte] = c32;
}

/* Before main(), so that no caller needs to know about tables. */
__attribute__((constructor)) static void fill_tables(void)
{
    for (unsigned byte = 0; byte < 256; byte++)
        fill_first_row(byte);
    for (int k = 1; k < 8; k++)
        for (unsigned byte = 0; byte < 256; byte++) {
            uint64_t c = table64[k - 1][byte];
            table64[k][byte] = c >> 8 ^ table64[0][c & 0xff];
        }
}

uint64_t crc64_portable(uint64_t crc, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t word = crc ^ le_load64(p);
        crc = table64[7][word & 0xff] ^ table64[6][word >> 8 & 0xff] ^
              table64[5][word >> 16 & 0xff] ^ table64[4][word >> 24 & 0xff] ^
              table64[3][word >> 32 & 0xff] ^ table64[2][word >> 40 & 0xff] ^
              table64[1][word >> 48 & 0xff] ^ table64[0][word >> 56];
    }
    for (; len; p++, len--)
        crc = crc >> 8 ^ table64[0][(crc ^ *p) & 0xff];
    return crc;
}

#if defined(__x86_64__)
/* Folding with carry-less multiplication (Gopal et al.: "Fast CRC Computation for Generic
 * Polynomials Using PCLMULQDQ Instruction", Intel, 2009). A text of 16 bytes stands for the
 * polynomial low · x^64 + high, for with reflected bits the first byte has the highest powers; d
 * bits further to the front it is worth low · x^(64+d) + high · x^d. The checksum does not change
 * when the two powers are replaced by their remainders. The product of two reflected words comes
 * out multiplied by x, hence d - 1. */
enum {
    LANES = 4, /* that fold beside each other: a multiplication takes several cycles */
    LANE_BYTES = 16,
    FOLD_MIN = 128 /* bytes; shorter texts are better off with the tables */
};

#define TARGET_CLMUL __attribute__((target("pclmul")))

/* fold_by[i]: to go i + 1 lanes to the front. Low half: for the low word, high half: for the high
 * one. */
static uint64_t fold_by[LANES][2];

/* x to this power modulo the polynomial, bits reflected. */
static uint64_t power_of_x(unsigned power)
{
    uint64_t r = 1ULL << 63; /* x^0 */
    while (power--)
        r = r >> 1 ^ (r & 1 ? CRC64_POLY : 0);
    return r;
}

__attribute__((constructor)) static void fill_powers(void)
{
    for (unsigned i = 0; i < LANES; i++) {
        unsigned bits = (i + 1) * LANE_BYTES * 8;
        fold_by[i][0] = power_of_x(64 + bits - 1);
        fold_by[i][1] = power_of_x(bits - 1);
    }
}

TARGET_CLMUL static inline __m128i load_lane(const unsigned char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* What the lane is worth so many lanes further to the front. */
TARGET_CLMUL static inline __m128i fold(__m128i lane, unsigned lanes)
{
    __m128i by = load_lane((const unsigned char *)fold_by[lanes - 1]);
    return _mm_xor_si128(_mm_clmulepi64_si128(lane, by, 0x00),
                         _mm_clmulepi64_si128(lane, by, 0x11));
}

TARGET_CLMUL static uint64_t crc64_clmul(uint64_t crc, const unsigned char *p, size_t len)
{
    __m128i lanes[LANES];
    unsigned char last[LANE_BYTES];
    for (unsigned i = 0; i < LANES; i++)
        lanes[i] = load_lane(p + i * LANE_BYTES);
    lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi64_si128((long long)crc));
    for (p += sizeof(lanes), len -= sizeof(lanes); len >= sizeof(lanes);
         p += sizeof(lanes), len -= sizeof(lanes))
        for (unsigned i = 0; i < LANES; i++)
            lanes[i] = _mm_xor_si128(fold(lanes[i], LANES), load_lane(p + i * LANE_BYTES));
    for (unsigned i = 0; i < LANES - 1; i++)
        lanes[LANES - 1] = _mm_xor_si128(lanes[LANES - 1], fold(lanes[i], LANES - 1 - i));
    _mm_storeu_si128((__m128i *)(void *)last, lanes[LANES - 1]);
    return crc64_portable(crc64_portable(0, last, sizeof(last)), p, len);
}
#endif

uint64_t crc64(uint64_t crc, const void *bytes, size_t len)
{
#if defined(__x86_64__)
    if (len >= FOLD_MIN && likely(__builtin_cpu_supports("pclmul")))
        return crc64_clmul(crc, bytes, len);
#endif
    return crc64_portable(crc, bytes, len);
}

uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    crc = ~crc;
    for (size_t i = 0; i < len; i++)
        crc = crc >> 8 ^ table32[(crc ^ p[i]) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *bytes,
                                                               size_t len)
{
    const unsigned char *p = bytes;
    uint64_t state = ~crc;
    for (; len >= 8; p += 8, len -= 8)
        state = _mm_crc32_u64(state, le_load64(p));
    uint32_t tail = (uint32_t)state;
    for (; len; p++, len--)
        tail = _mm_crc32_u8(tail, *p);
    return ~tail;
}
#endif

uint32_t crc32c(uint32_t crc, const void *bytes, size_t len)
{
#if defined(__x86_64__)
    if (likely(__builtin_cpu_supports("sse4.2")))
        return crc32c_sse42(crc, bytes, len);
#endif
    return crc32c_portable(crc, bytes, len);
}
