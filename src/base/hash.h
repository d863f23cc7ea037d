/* hash.h: the keyed hash of keys and members.
 *
 * SipHash-1-3 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012) under a random 128-bit
 * key per process, because hash flooding is an attack. The build option hash=fnv1a takes FNV-1a
 * (Fowler, Noll, Vo) instead; it is not safe for keys that strangers choose.
 *
 * One 64-bit result serves all: top bits the shard, low bits the bucket, eight more the
 * fingerprint (HASH_FINGERPRINT_SHIFT). Threading: pure after hash_seed(). */
#pragma once

#include "base/le.h"
#include "base/slice.h"

struct hash_key {
    uint64_t k0, k1;
};
extern struct hash_key hash_process_key; /* set once by hash_seed(), before any thread starts */

/* Sets the process key: from the kernel's random source when seed is NULL (tests pass 16 bytes). */
void hash_seed(const void *seed);

#define HASH_ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define HASH_SIPROUND                \
    do {                             \
        v0 += v1;                    \
        v1 = HASH_ROTL(v1, 13) ^ v0; \
        v0 = HASH_ROTL(v0, 32);      \
        v2 += v3;                    \
        v3 = HASH_ROTL(v3, 16) ^ v2; \
        v0 += v3;                    \
        v3 = HASH_ROTL(v3, 21) ^ v0; \
        v2 += v1;                    \
        v1 = HASH_ROTL(v1, 17) ^ v2; \
        v2 = HASH_ROTL(v2, 32);      \
    } while (0)

INLINE uint64_t hash_siphash13(const void *bytes, size_t len, const struct hash_key *key)
{
    uint64_t v0 = 0x736f6d6570736575ULL ^ key->k0, v1 = 0x646f72616e646f6dULL ^ key->k1;
    uint64_t v2 = 0x6c7967656e657261ULL ^ key->k0, v3 = 0x7465646279746573ULL ^ key->k1;
    const char *p = (const char *)bytes, *end = p + (len & ~(size_t)7);
    for (; p != end; p += 8) {
        uint64_t word = le_load64(p);
        v3 ^= word;
        HASH_SIPROUND;
        v0 ^= word;
    }
    uint64_t last = le_load_few(p, len & 7) | (uint64_t)len << 56;
    v3 ^= last;
    HASH_SIPROUND;
    v0 ^= last;
    v2 ^= 0xff;
    HASH_SIPROUND;
    HASH_SIPROUND;
    HASH_SIPROUND;
    return v0 ^ v1 ^ v2 ^ v3;
}

/* FNV-1a with a final mix, since its high bits are weak and we use them. */
INLINE uint64_t hash_fnv1a(const void *bytes, size_t len)
{
    const unsigned char *p = (const unsigned char *)bytes;
    uint64_t h = 0xcbf29ce484222325ULL;
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 0x100000001b3ULL;
    h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93ULL;
    return h ^ (h >> 32);
}

INLINE uint64_t hash_bytes(const void *bytes, size_t len)
{
#ifdef HASH_FNV1A
    return hash_fnv1a(bytes, len);
#else
    return hash_siphash13(bytes, len, &hash_process_key);
#endif
}

INLINE uint64_t hash_slice(struct slice s)
{
    return hash_bytes(s.ptr, s.len);
}
