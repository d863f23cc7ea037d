#include "base/crc.h"
#include "base/rand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* One bit at a time, from the polynomial. */
static uint64_t reflected_crc(uint64_t crc, uint64_t poly, const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ poly : crc >> 1;
    }
    return crc;
}

static void check_values(void **state)
{
    (void)state;
    assert_true(crc64(0, "123456789", 9) == 0xe9c6d914c4b8d9caULL);
    assert_true(crc64_portable(0, "123456789", 9) == 0xe9c6d914c4b8d9caULL);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c_portable(0, "123456789", 9), 0xe3069283);
    assert_true(crc64(0, "", 0) == 0);
    assert_int_equal(crc32c(0, "", 0), 0);
    /* RFC 3720, B.4: 32 bytes of zeroes and of ones. */
    unsigned char block[32] = {0};
    assert_int_equal(crc32c(0, block, 32), 0x8a9136aa);
    memset(block, 0xff, 32);
    assert_int_equal(crc32c(0, block, 32), 0x62a8ab43);
}

static void every_length_and_alignment(void **state)
{
    (void)state;
    unsigned char bytes[96];
    struct rng rng;
    rng_seed(&rng, 6);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)rng_next(&rng);
    for (size_t begin = 0; begin < 16; begin++)
        for (size_t len = 0; begin + len <= sizeof(bytes); len++) {
            const unsigned char *p = bytes + begin;
            assert_true(crc64(0, p, len) == reflected_crc(0, 0x95ac9329ac4bc9b5ULL, p, len));
            uint32_t expected = ~(uint32_t)reflected_crc(0xffffffff, 0x82f63b78, p, len);
            assert_int_equal(crc32c(0, p, len), expected);
            assert_int_equal(crc32c_portable(0, p, len), expected);
        }
}

/* Long texts take another way than short ones. */
static void long_texts(void **state)
{
    (void)state;
    unsigned char bytes[1200];
    struct rng rng;
    rng_seed(&rng, 8);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)rng_next(&rng);
    for (size_t begin = 0; begin < 16; begin++)
        for (size_t len = 0; begin + len <= sizeof(bytes); len++) {
            const unsigned char *p = bytes + begin;
            uint64_t from = len & 1 ? rng_next(&rng) : 0;
            assert_true(crc64(from, p, len) == crc64_portable(from, p, len));
        }
    const unsigned char *p = bytes + 3;
    assert_true(crc64(0, p, 1111) == reflected_crc(0, 0x95ac9329ac4bc9b5ULL, p, 1111));
}

static void fed_in_pieces(void **state)
{
    (void)state;
    unsigned char bytes[4096];
    struct rng rng;
    rng_seed(&rng, 7);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)rng_next(&rng);
    uint64_t whole64 = crc64(0, bytes, sizeof(bytes));
    uint32_t whole32 = crc32c(0, bytes, sizeof(bytes));
    for (int round = 0; round < 200; round++) {
        uint64_t c64 = 0;
        uint32_t c32 = 0;
        for (size_t at = 0, len; at < sizeof(bytes); at += len) {
            len = rng_below(&rng, 1000);
            len = MIN(len, sizeof(bytes) - at);
            c64 = crc64(c64, bytes + at, len);
            c32 = rng_below(&rng, 2) ? crc32c(c32, bytes + at, len)
                                     : crc32c_portable(c32, bytes + at, len);
        }
        assert_true(c64 == whole64);
        assert_int_equal(c32, whole32);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_values),
        cmocka_unit_test(every_length_and_alignment),
        cmocka_unit_test(long_texts),
        cmocka_unit_test(fed_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
