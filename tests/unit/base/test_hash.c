#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Values of the authors' reference code and of the SipHash-1-3 in Rust's library. */
static void known_values(void **state)
{
    (void)state;
    struct hash_key zero = {0, 0}, count = {0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};
    assert_true(hash_siphash13("", 0, &zero) == 0xd1fba762150c532cULL);
    assert_true(hash_siphash13("\0", 1, &zero) == 0x68a914128e01e473ULL);
    assert_true(hash_siphash13("siphash", 7, &zero) == 0x8264ceeccb16bcbeULL);
    assert_true(hash_siphash13("", 0, &count) == 0xabac0158050fc4dcULL);
}

/* Every length and alignment: only the bytes named count, and each of them does. */
static void every_byte_counts(void **state)
{
    (void)state;
    struct hash_key key = {1, 2};
    char bytes[64 + 8];
    for (size_t begin = 0; begin < 8; begin++)
        for (size_t len = 1; len <= 64; len++) {
            memset(bytes, 'x', sizeof(bytes));
            uint64_t h = hash_siphash13(bytes + begin, len, &key),
                     f = hash_fnv1a(bytes + begin, len);
            if (begin + len < sizeof(bytes)) {
                bytes[begin + len] = 'y';
                assert_true(hash_siphash13(bytes + begin, len, &key) == h);
                assert_true(hash_fnv1a(bytes + begin, len) == f);
            }
            assert_true(hash_siphash13(bytes + begin, len - 1, &key) != h);
            for (size_t i = 0; i < len; i++) {
                bytes[begin + i] ^= 1;
                assert_true(hash_siphash13(bytes + begin, len, &key) != h);
                assert_true(hash_fnv1a(bytes + begin, len) != f);
                bytes[begin + i] ^= 1;
            }
        }
}

static void the_key_is_used(void **state)
{
    (void)state;
    hash_seed("0123456789abcdef");
    struct hash_key first = hash_process_key;
    uint64_t a = hash_slice(SLICE("key"));
    hash_seed("0123456789abcdeg");
    uint64_t b = hash_slice(SLICE("key"));
    hash_seed("0123456789abcdef");
    assert_true(hash_slice(SLICE("key")) == a);
#ifndef HASH_FNV1A
    assert_true(a != b);
    assert_true(a == hash_siphash13("key", 3, &first));
#endif
    assert_true(hash_slice(SLICE("key")) == hash_bytes("key", 3));
    hash_seed(NULL);
    assert_memory_not_equal(&hash_process_key, &first, sizeof(first));
}

/* 1,024 cells, chosen by the top, the low and some middle bits: shard, bucket and fingerprint. */
static void bits_are_spread(void **state)
{
    (void)state;

    enum {
        CELLS = 1024,
        PER_CELL = 200
    };

    static unsigned counts[2][3][CELLS];
    struct hash_key key = {3, 4};
    for (int i = 0; i < CELLS * PER_CELL; i++) {
        char text[16];
        size_t len = (size_t)snprintf(text, sizeof(text), "key:%d", i);
        uint64_t hashes[2] = {hash_siphash13(text, len, &key), hash_fnv1a(text, len)};
        for (int h = 0; h < 2; h++) {
            counts[h][0][hashes[h] >> 54]++;
            counts[h][1][hashes[h] % CELLS]++;
            counts[h][2][hashes[h] >> 40 & (CELLS - 1)]++;
        }
    }
    /* Six standard deviations of a binomial cell are 85. */
    for (int h = 0; h < 2; h++)
        for (int place = 0; place < 3; place++)
            for (int cell = 0; cell < CELLS; cell++)
                assert_in_range(counts[h][place][cell], PER_CELL - 90, PER_CELL + 90);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(the_key_is_used),
        cmocka_unit_test(bits_are_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
