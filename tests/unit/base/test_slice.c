#include "base/le.h"
#include "base/slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    LONGEST = 80
};

/* Blocks of exactly the length, so that a byte too many is seen by a checker. */
static char *block(size_t len)
{
    char *bytes = malloc(len ? len : 1);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)('a' + i % 26);
    return bytes;
}

static void equality_looks_at_every_byte(void **state)
{
    (void)state;
    for (size_t len = 0; len <= LONGEST; len++) {
        char *a = block(len), *b = block(len);
        assert_true(bytes_equal(a, b, len));
        for (size_t i = 0; i < len; i++) {
            b[i] ^= 0x40;
            assert_false(bytes_equal(a, b, len));
            assert_false(slice_equal(slice_make(a, len), slice_make(b, len)));
            b[i] ^= 0x40;
        }
        assert_true(slice_equal(slice_make(a, len), slice_make(b, len)));
        if (len)
            assert_false(slice_equal(slice_make(a, len - 1), slice_make(b, len)));
        free(a);
        free(b);
    }
}

static void copies_are_exact(void **state)
{
    (void)state;
    for (size_t len = 0; len <= LONGEST; len++) {
        char *from = block(len), to[LONGEST + 2];
        memset(to, '#', sizeof(to));
        bytes_copy(to + 1, from, len);
        assert_memory_equal(to + 1, from, len);
        assert_int_equal(to[0], '#');
        assert_int_equal(to[1 + len], '#');
        free(from);
    }
}

static void a_few_bytes_as_a_word(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 8; len++) {
        char *bytes = block(len);
        uint64_t want = 0;
        for (size_t i = 0; i < len; i++)
            want |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
        assert_true(le_load_few(bytes, len) == want);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality_looks_at_every_byte),
        cmocka_unit_test(copies_are_exact),
        cmocka_unit_test(a_few_bytes_as_a_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
