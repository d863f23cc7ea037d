#include "base/sha1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect(struct slice text, const char *hex)
{
    uint8_t sum[SHA1_BYTES];
    char got[2 * SHA1_BYTES + 1];
    sha1(text, sum);
    for (int i = 0; i < SHA1_BYTES; i++)
        snprintf(got + 2 * i, 3, "%02x", sum[i]);
    assert_string_equal(got, hex);
}

/* FIPS 180-4's examples, and the lengths around the padding's edges (as sha1sum gives them). */
static void known_values(void **state)
{
    (void)state;
    expect(SLICE(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    expect(SLICE("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    expect(SLICE("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
           "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    char *text = malloc(1000000);
    memset(text, 'a', 1000000);
    expect(slice_make(text, 55), "c1c8bbdc22796e28c0e15163d20899b65621d65a");
    expect(slice_make(text, 56), "c2db330f6083854c99d4b5bfb6e8f29f201be699");
    expect(slice_make(text, 63), "03f09f5b158a7a8cdad920bddc29b81c18a551f5");
    expect(slice_make(text, 64), "0098ba824b5c16427bd7a1122a5a442a25ec644d");
    expect(slice_make(text, 65), "11655326c708d70319be2610e8a57d9a5b959d3b");
    expect(slice_make(text, 1000000), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
