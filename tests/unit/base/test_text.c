#include "base/rand.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    ARGS_MAX = 16
};

static void assert_split(struct slice line, int expected, const struct slice *args)
{
    struct buf store;
    struct slice out[ARGS_MAX];
    buf_init(&store, MEM_OTHER);
    char *copy = malloc(MAX(line.len, 1)); /* exactly sized, for AddressSanitizer */
    assert_non_null(copy);
    memcpy(copy, line.ptr, line.len);
    int count = text_split_args(slice_make(copy, line.len), &store, out, ARGS_MAX);
    if (count != expected)
        fail_msg("[%.*s] gave %d arguments", (int)line.len, line.ptr, count);
    for (int i = 0; i < count; i++)
        if (!slice_equal(out[i], args[i]))
            fail_msg("[%.*s]: argument %d is [%.*s]", (int)line.len, line.ptr, i, (int)out[i].len,
                     out[i].ptr);
    free(copy);
    buf_deinit(&store);
}

#define SPLITS(line, ...)                                        \
    do {                                                         \
        struct slice args_[] = {__VA_ARGS__};                    \
        assert_split(SLICE(line), (int)ARRAY_LEN(args_), args_); \
    } while (0)

static void splits_as_redis(void **state)
{
    (void)state;
    assert_split(SLICE(""), 0, NULL);
    assert_split(SLICE(" \t\r\n\v\f "), 0, NULL);
    SPLITS("set  key\tvalue\r\n", SLICE("set"), SLICE("key"), SLICE("value"));
    SPLITS("a \"b c\" 'd e'", SLICE("a"), SLICE("b c"), SLICE("d e"));
    SPLITS("\"\" ''", SLICE(""), SLICE(""));
    SPLITS("\"\\n\\r\\t\\b\\a\\\"\\\\\\q\"", SLICE("\n\r\t\b\a\"\\q"));
    SPLITS("\"\\x00\\xfF\\xg1\\x1\"", SLICE("\0\xffxg1x1"));
    SPLITS("'\\n \\' \\\\ '", SLICE("\\n ' \\\\ "));
    SPLITS("pre\"fix\" x'y'", SLICE("prefix"), SLICE("xy"));
    SPLITS("a\vb \vc", SLICE("a\vb"), SLICE("c"));
    SPLITS("\"a\"\vb", SLICE("a"), SLICE("b"));
    SPLITS("back\\slash", SLICE("back\\slash"));
    SPLITS("a b\0c d", SLICE("a"), SLICE("b\0c"), SLICE("d"));
    SPLITS("\xc3\xa9 #x", SLICE("\xc3\xa9"), SLICE("#x"));
}

static void refuses_bad_quotes(void **state)
{
    (void)state;
    static const char *const bad[] = {"\"",      "'",     "a \"b",  "\"a\"b",   "'a'b",  "\"a\\",
                                      "\"a\\\"", "'a\\'", "\"\"\"", "'a'\"b\"", "\"\\x4"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_split(slice_cstr(bad[i]), -1, NULL);
    SPLITS("\"a\0\"", SLICE("a\0"));
}

static void stops_at_the_maximum(void **state)
{
    (void)state;
    struct buf store;
    struct slice out[3] = {{NULL, 0}};
    buf_init(&store, MEM_OTHER);
    assert_int_equal(text_split_args(SLICE("a b c d"), &store, out, 2), 2);
    assert_true(slice_equal(out[1], SLICE("b")));
    assert_null(out[2].ptr);
    assert_int_equal(text_split_args(SLICE("a"), &store, out, 0), 0);
    buf_deinit(&store);
}

static void quoting(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, MEM_OTHER);
    text_quote(&out, SLICE("a'\"\\\n\r\t\a\b\0\x7f\xff z"));
    assert_true(
        slice_equal(buf_slice(&out), SLICE("\"a'\\\"\\\\\\n\\r\\t\\a\\b\\x00\\x7f\\xff z\"")));
    buf_deinit(&out);
}

static void quoted_text_comes_back(void **state)
{
    (void)state;
    struct buf quoted, store;
    struct rng rng;
    buf_init(&quoted, MEM_OTHER);
    buf_init(&store, MEM_OTHER);
    rng_seed(&rng, 10);
    for (int i = 0; i < 20000; i++) {
        char texts[3][40];
        size_t lens[3];
        struct slice out[4];
        buf_clear(&quoted);
        for (int k = 0; k < 3; k++) {
            lens[k] = rng_below(&rng, sizeof(texts[k]));
            for (size_t j = 0; j < lens[k]; j++)
                texts[k][j] = (char)rng_below(&rng, 256);
            text_quote(&quoted, slice_make(texts[k], lens[k]));
            buf_putc(&quoted, ' ');
        }
        assert_int_equal(text_split_args(buf_slice(&quoted), &store, out, 4), 3);
        for (int k = 0; k < 3; k++)
            assert_true(slice_equal(out[k], slice_make(texts[k], lens[k])));
    }
    buf_deinit(&quoted);
    buf_deinit(&store);
}

static void distances(void **state)
{
    (void)state;
    assert_int_equal(text_distance("", ""), 0);
    assert_int_equal(text_distance("abc", ""), 3);
    assert_int_equal(text_distance("", "ab"), 2);
    assert_int_equal(text_distance("kitten", "sitting"), 3);
    assert_int_equal(text_distance("maxmemory", "maxmemroy"), 2);
    assert_int_equal(text_distance("flaw", "lawn"), 2);
    assert_int_equal(text_distance("port", "port"), 0);
    char a[101], b[101];
    memset(a, 'a', 100);
    memset(b, 'b', 100);
    a[100] = b[100] = 0;
    assert_int_equal(text_distance(a, b), 64); /* cut at 64 */
    assert_int_equal(text_distance(a, "x"), 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_as_redis),        cmocka_unit_test(refuses_bad_quotes),
        cmocka_unit_test(stops_at_the_maximum),   cmocka_unit_test(quoting),
        cmocka_unit_test(quoted_text_comes_back), cmocka_unit_test(distances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
