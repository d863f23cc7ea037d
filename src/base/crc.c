#include "base/crc.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#define CRC16_POLY  0x1021
#define CRC64_POLY  0x95ac9329ac4bc9b5ULL /* Jones's 0xad93d23594c935a9, bits reflected */
#define CRC32C_POLY 0x82f63b78U           /* 0x1edc6f41, bits reflected */

static uint16_t table16[256];
/* table64[k][b]: the checksum of byte b followed by k zero bytes. Eight bytes are then taken at
 * once: "slicing by 8" (Kounavis, Berry: "A Systematic Approach to Building High Performance,
 * Software-based, CRC Generators", 2005). */
static uint64_t table64[8][256];
static uint32_t table32[256];

static void fill_first_row(unsigned byte)
{
    uint16_t c16 = (uint16_t)(byte << 8);
    uint64_t c64 = byte;
    uint32_t c32 = byte;
    for (int bit = 0; bit < 8; bit++) {
        c16 = (uint16_t)(c16 << 1 ^ (c16 & 0x8000 ? CRC16_POLY : 0));
        c64 = c64 >> 1 ^ (c64 & 1 ? CRC64_POLY : 0);
        c32 = c32 >> 1 ^ (c32 & 1 ? CRC32C_POLY : 0);
    }
    table16[byte] = c16;
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

INLINE uint64_t load_le64(const void *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

uint16_t crc16(const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    uint16_t crc = 0;
    for (size_t i = 0; i < len; i++)
        crc = (uint16_t)(crc << 8 ^ table16[(crc >> 8 ^ p[i]) & 0xff]);
    return crc;
}

uint64_t crc64(uint64_t crc, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t word = crc ^ load_le64(p);
        crc = table64[7][word & 0xff] ^ table64[6][word >> 8 & 0xff] ^
              table64[5][word >> 16 & 0xff] ^ table64[4][word >> 24 & 0xff] ^
              table64[3][word >> 32 & 0xff] ^ table64[2][word >> 40 & 0xff] ^
              table64[1][word >> 48 & 0xff] ^ table64[0][word >> 56];
    }
    for (; len; p++, len--)
        crc = crc >> 8 ^ table64[0][(crc ^ *p) & 0xff];
    return crc;
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
        state = _mm_crc32_u64(state, load_le64(p));
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
