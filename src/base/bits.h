/* bits.h: counting, finding and combining bits of long byte strings.
 *
 * Bit 0 is the highest bit of byte 0, as in Redis's bitmaps. Pure functions, any thread; no
 * alignment is asked for. The counter picks the widest instructions the processor has at run time
 * (a flag test per call, no ifunc, so sanitizers work); the AVX2 kernel is the byte-shuffle method
 * of W. Mula, "SSSE3: fast popcount" (0x80.pl, 2008). */
#pragma once

#include "base/base.h"

/* Set bits of `len` bytes. */
uint64_t bits_count(const void *bytes, size_t len);
/* Set bits from bit `from` up to, but without, bit `to`. */
uint64_t bits_count_range(const void *bytes, uint64_t from, uint64_t to);
/* The first bit of [from, to) that is `set` or clear; `to` when there is none. */
uint64_t bits_find(const void *bytes, uint64_t from, uint64_t to, bool set);

INLINE bool bits_get(const void *bytes, uint64_t bit)
{
    return ((const uint8_t *)bytes)[bit >> 3] >> (7 - (bit & 7)) & 1;
}

INLINE void bits_put(void *bytes, uint64_t bit, bool value)
{
    uint8_t *byte = (uint8_t *)bytes + (bit >> 3), mask = (uint8_t)(0x80 >> (bit & 7));
    *byte = (uint8_t)(value ? *byte | mask : *byte & ~mask);
}

/* Big-endian integer of `width` (1 to 64) bits at a bit offset. All touched bytes must exist. */
uint64_t bits_get_uint(const void *bytes, uint64_t bit, unsigned width);
void bits_put_uint(void *bytes, uint64_t bit, unsigned width, uint64_t value);

/* dst = dst OP src over `len` bytes; dst and src do not overlap. */
void bits_and(void *dst, const void *src, size_t len);
void bits_or(void *dst, const void *src, size_t len);
void bits_xor(void *dst, const void *src, size_t len);
void bits_and_not(void *dst, const void *src, size_t len);
void bits_invert(void *dst, size_t len);
