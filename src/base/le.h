/* le.h: little-endian integers at unaligned addresses: for the structures whose memory layout is
 * also their file layout (packed, intset), and to look at several bytes of a text at once. Pure
 * functions, any thread, O(1). */
#pragma once

#include "base/base.h"

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define LE_SWAP(bits, x) __builtin_bswap##bits(x)
#else
#define LE_SWAP(bits, x) (x)
#endif

INLINE uint16_t le_load16(const void *at)
{
    uint16_t x;
    memcpy(&x, at, sizeof(x));
    return LE_SWAP(16, x);
}

INLINE uint32_t le_load32(const void *at)
{
    uint32_t x;
    memcpy(&x, at, sizeof(x));
    return LE_SWAP(32, x);
}

INLINE uint64_t le_load64(const void *at)
{
    uint64_t x;
    memcpy(&x, at, sizeof(x));
    return LE_SWAP(64, x);
}

/* Up to eight bytes, zeros above them; nothing beyond them is read. */
INLINE uint64_t le_load_few(const char *at, size_t len)
{
    if (len == 8)
        return le_load64(at);
    if (len >= 4) /* the overlap is the same bytes twice */
        return le_load32(at) | (uint64_t)le_load32(at + len - 4) << (8 * (len - 4));
    if (len == 0)
        return 0;
    return (uint64_t)(uint8_t)at[0] | (uint64_t)(uint8_t)at[len / 2] << (8 * (len / 2)) |
           (uint64_t)(uint8_t)at[len - 1] << (8 * (len - 1));
}

INLINE void le_store16(void *at, uint16_t x)
{
    x = LE_SWAP(16, x);
    memcpy(at, &x, sizeof(x));
}

INLINE void le_store32(void *at, uint32_t x)
{
    x = LE_SWAP(32, x);
    memcpy(at, &x, sizeof(x));
}

INLINE void le_store64(void *at, uint64_t x)
{
    x = LE_SWAP(64, x);
    memcpy(at, &x, sizeof(x));
}
