#include "base/sha1.h"

enum {
    BLOCK = 64,
    LENGTH_BYTES = 8
};

static uint32_t rotate(uint32_t x, unsigned bits)
{
    return x << bits | x >> (32 - bits);
}

static uint32_t load_be(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void store_be(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* f(x, y, z) and the constant of step t. */
static uint32_t mix(unsigned t, uint32_t x, uint32_t y, uint32_t z)
{
    if (t < 20)
        return ((x & y) | (~x & z)) + 0x5a827999;
    if (t < 40)
        return (x ^ y ^ z) + 0x6ed9eba1;
    if (t < 60)
        return ((x & y) | (x & z) | (y & z)) + 0x8f1bbcdc;
    return (x ^ y ^ z) + 0xca62c1d6;
}

static void add_block(uint32_t h[5], const uint8_t *block)
{
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (unsigned t = 0; t < 16; t++)
        w[t] = load_be(block + 4 * t);
    for (unsigned t = 16; t < 80; t++)
        w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    for (unsigned t = 0; t < 80; t++) {
        uint32_t next = rotate(a, 5) + mix(t, b, c, d) + e + w[t];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

void sha1(struct slice text, uint8_t out[SHA1_BYTES])
{
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    const uint8_t *p = (const uint8_t *)text.ptr;
    size_t whole = text.len / BLOCK * BLOCK, rest = text.len - whole;
    for (size_t at = 0; at < whole; at += BLOCK)
        add_block(h, p + at);
    uint8_t tail[2 * BLOCK] = {0}; /* the rest, a one bit, zeros, the length in bits */
    size_t tail_len = rest + 1 + LENGTH_BYTES <= BLOCK ? BLOCK : 2 * BLOCK;
    if (rest)
        memcpy(tail, p + whole, rest);
    tail[rest] = 0x80;
    store_be(tail + tail_len - 8, (uint32_t)((uint64_t)text.len >> 29));
    store_be(tail + tail_len - 4, (uint32_t)((uint64_t)text.len << 3));
    for (size_t at = 0; at < tail_len; at += BLOCK)
        add_block(h, tail + at);
    for (int i = 0; i < 5; i++)
        store_be(out + 4 * i, h[i]);
}
