#include "../../fuzz/chunking.h"
#include "../ds/model.h"

static struct request_arena arena;

static enum parse_result parse(struct parser *p, struct slice data, struct request *out)
{
    arena.used = 0;
    return parser_next(p, data.ptr, data.len, &arena, out);
}

/* The whole input is one request with these arguments, however it is cut. */
static void assert_request(struct slice data, const struct slice *want, uint32_t count)
{
    struct parser p;
    struct request r;
    parser_init(&p, CODEC_RESP, 512 << 20);
    assert_int_equal(parse(&p, data, &r), PARSE_DONE);
    assert_int_equal(r.bytes, data.len);
    assert_int_equal(r.argc, count);
    for (uint32_t i = 0; i < count; i++)
        assert_true(slice_equal(r.argv[i], want[i]));
    parser_deinit(&p);
    chunking_check(CODEC_RESP, data);
}

#define REQUEST(data, ...)                                     \
    assert_request(SLICE(data), (struct slice[]){__VA_ARGS__}, \
                   ARRAY_LEN(((struct slice[]){__VA_ARGS__})))

static void assert_result(struct slice data, bool authenticated, enum parse_result want,
                          const char *error)
{
    struct parser p;
    struct request r;
    parser_init(&p, CODEC_RESP, 512 << 20);
    p.authenticated = authenticated;
    assert_int_equal(parse(&p, data, &r), want);
    if (want == PARSE_ERROR)
        assert_string_equal(p.error, error);
    parser_deinit(&p);
    chunking_check(CODEC_RESP, data);
}

static void assert_error(struct slice data, const char *error)
{
    assert_result(data, true, PARSE_ERROR, error);
}

static void arrays(void **state)
{
    (void)state;
    REQUEST("*1\r\n$4\r\nPING\r\n", SLICE("PING"));
    REQUEST("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n", SLICE("SET"), SLICE("k"), SLICE(""));
    REQUEST("*2\r\n$4\r\nECHO\r\n$9\r\n\r\n$1\r\n*1\0\r\n", SLICE("ECHO"), SLICE("\r\n$1\r\n*1\0"));
}

static void inline_commands(void **state)
{
    (void)state;
    REQUEST("PING\r\n", SLICE("PING"));
    REQUEST("PING\n", SLICE("PING"));
    REQUEST("  SET  a \t\"b c\"  \r\n", SLICE("SET"), SLICE("a"), SLICE("b c"));
    REQUEST("ECHO \"\\x00\\xff\\n\"\n", SLICE("ECHO"), SLICE("\0\xff\n"));
    REQUEST("SET \"\" ''\r\n", SLICE("SET"), SLICE(""), SLICE(""));
}

static void requests_without_arguments(void **state)
{
    (void)state;
    assert_request(SLICE("*0\r\n"), NULL, 0);
    assert_request(SLICE("*-1\r\n"), NULL, 0);
    assert_request(SLICE("*-9223372036854775808\r\n"), NULL, 0);
    assert_request(SLICE("\r\n"), NULL, 0);
    assert_request(SLICE("   \n"), NULL, 0);
}

static void bad_counts(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "*\r\n",   "*abc\r\n", "*+1\r\n",         "* 1\r\n",
        "*01\r\n", "*1 \r\n",  "*2147483648\r\n", "*9223372036854775808\r\n",
        "*-0\r\n", "*1.0\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_error(slice_cstr(bad[i]), "Protocol error: invalid multibulk length");
    assert_error(SLICE("*1\r$4\r\nPING\r\n"), "Protocol error: expected CRLF");
    assert_result(SLICE("*2147483647\r\n"), true, PARSE_MORE, NULL);
    assert_result(SLICE("*1\n$4\nPING\n"), true, PARSE_MORE, NULL);
}

static void bad_lengths(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "$-1\r\n", "$-2\r\n", "$\r\n",          "$+4\r\nPING\r\n",         "$ 4\r\nPING\r\n",
        "$4 \r\n", "$04\r\n", "$536870913\r\n", "$9223372036854775808\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char text[64];
        snprintf(text, sizeof(text), "*1\r\n%s", bad[i]);
        assert_error(slice_cstr(text), "Protocol error: invalid bulk length");
    }
    assert_result(SLICE("*1\r\n$536870912\r\nx"), true, PARSE_MORE, NULL);
    assert_error(SLICE("*1\r\nPING\r\n"), "Protocol error: expected '$', got 'P'");
    assert_error(SLICE("*1\r\n$3\r\nPING\r\n"), "Protocol error: expected CRLF");
    assert_error(SLICE("*1\r\n$4\r\nPINGxx"), "Protocol error: expected CRLF");
    assert_error(SLICE("SET \"a\r\n"), "Protocol error: unbalanced quotes in request");
}

/* A text of `len` times one byte between two others. */
static struct slice repeated(const char *head, char c, size_t len, const char *tail)
{
    static char text[200000];
    size_t at = strlen(head);
    memcpy(text, head, at);
    memset(text + at, c, len);
    strcpy(text + at + len, tail);
    return slice_make(text, at + len + strlen(tail));
}

static void long_lines(void **state)
{
    (void)state;
    assert_error(repeated("*", '1', LIMIT_INLINE_BYTES, ""),
                 "Protocol error: too big mbulk count string");
    assert_error(repeated("*1\r\n$", '1', LIMIT_INLINE_BYTES + 9, "\r\n"),
                 "Protocol error: too big bulk count string");
    assert_error(repeated("", 'x', LIMIT_INLINE_BYTES, "\n"),
                 "Protocol error: too big inline request");
    assert_result(repeated("", 'x', LIMIT_INLINE_BYTES - 1, "\n"), true, PARSE_DONE, NULL);
    assert_result(repeated("", 'x', LIMIT_INLINE_BYTES - 1, ""), true, PARSE_MORE, NULL);
}

static void before_authentication(void **state)
{
    (void)state;
    assert_result(SLICE("*16\r\n"), false, PARSE_MORE, NULL);
    assert_result(SLICE("*17\r\n"), false, PARSE_ERROR,
                  "Protocol error: unauthenticated multibulk length");
    assert_result(SLICE("*1\r\n$16384\r\n"), false, PARSE_MORE, NULL);
    assert_result(SLICE("*1\r\n$16385\r\n"), false, PARSE_ERROR,
                  "Protocol error: unauthenticated bulk length");
    assert_result(repeated("*3\r\n$16384\r\n", 'x', 16384, "\r\n$1\r\n"), false, PARSE_ERROR,
                  "Protocol error: unauthenticated request too large");
    assert_result(repeated("", 'x', LIMIT_PREAUTH_REQUEST_BYTES, ""), false, PARSE_ERROR,
                  "Protocol error: too big inline request");
    assert_result(SLICE("1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7\r\n"), false, PARSE_ERROR,
                  "Protocol error: unauthenticated multibulk length");
    assert_result(SLICE("1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6\r\n"), false, PARSE_DONE, NULL);
}

/* An announced length costs no memory; what has arrived costs in proportion. */
static void memory_follows_the_input(void **state)
{
    (void)state;
    struct parser p;
    struct request r;
    static char text[13 + 6 * 10000];
    int len = snprintf(text, sizeof(text), "*2147483647\r\n");
    parser_init(&p, CODEC_RESP, 512 << 20);
    assert_int_equal(parse(&p, slice_make(text, (size_t)len), &r), PARSE_MORE);
    assert_true(mem_used(MEM_CLIENT) < 256);
    for (int i = 0; i < 10000; i++, len += 6)
        memcpy(text + len, "$0\r\n\r\n", 6);
    assert_int_equal(parse(&p, slice_make(text, (size_t)len), &r), PARSE_MORE);
    assert_in_range(parser_bytes(&p), 160000, 300000);
    parser_reset(&p);
    assert_int_equal(parser_bytes(&p), 0);
    assert_int_equal(parse(&p, SLICE("*1\r\n$536870912\r\n"), &r), PARSE_MORE);
    assert_int_equal(parser_wants(&p), 16 + 536870912 + 2);
    assert_true(mem_used(MEM_CLIENT) < 1024);
    parser_deinit(&p);
    assert_int_equal(mem_used(MEM_CLIENT), 0);
}

static void the_arena_fills_up(void **state)
{
    (void)state;
    struct parser p;
    struct request r;
    struct slice data = SLICE("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
    parser_init(&p, CODEC_RESP, 512 << 20);
    arena.used = 0;
    for (int i = 0; i < LIMIT_BATCH_ARGS / 2; i++)
        assert_int_equal(parser_next(&p, data.ptr, data.len, &arena, &r), PARSE_DONE);
    assert_int_equal(parser_next(&p, data.ptr, data.len, &arena, &r), PARSE_FULL);
    arena.used = 0;
    assert_int_equal(parser_next(&p, data.ptr, data.len, &arena, &r), PARSE_DONE);
    parser_deinit(&p);
}

/* `again`: the same name, byte for byte, and as many arguments as the request before. */
static void repeated_heads(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        uint32_t argc;
        bool again;
    } requests[] = {
        {"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n", 2, false},
        {"*2\r\n$3\r\nGET\r\n$12\r\nanother--key\r\n", 2, true},
        {"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", 2, true},
        {"*2\r\n$3\r\nget\r\n$1\r\nk\r\n", 2, false},
        {"*3\r\n$3\r\nget\r\n$1\r\nk\r\n$1\r\nv\r\n", 3, false},
        {"*1\r\n$4\r\nPING\r\n", 1, false},
        {"*1\r\n$4\r\nPING\r\n", 1, true},
        {"*1\r\n$4\r\nPINg\r\n", 1, false},
        {"*2\r\n$11\r\nINCRBYFLOAT\r\n$1\r\nk\r\n", 2, false},
        {"*2\r\n$11\r\nINCRBYFLOAT\r\n$1\r\nk\r\n", 2, false}, /* too long to be compared */
        {"*2\r\n$6\r\nINCRBY\r\n$1\r\nk\r\n", 2, false},
        {"*2\r\n$6\r\nINCRBY\r\n$1\r\nk\r\n", 2, true},
        {"*1\r\n$0\r\n\r\n", 1, false},
        {"*1\r\n$0\r\n\r\n", 1, true},
    };
    struct parser p;
    struct request r;
    parser_init(&p, CODEC_RESP, 512 << 20);
    arena.used = 0;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        struct slice data = slice_cstr(requests[i].text);
        char *copy = malloc(data.len); /* a read too far is seen */
        memcpy(copy, data.ptr, data.len);
        for (size_t len = 1; len < data.len; len++) {
            assert_int_equal(parser_next(&p, copy, len, &arena, &r), PARSE_MORE);
            parser_reset(&p);
        }
        assert_int_equal(parser_next(&p, copy, data.len, &arena, &r), PARSE_DONE);
        assert_int_equal(r.argc, requests[i].argc);
        assert_int_equal(r.bytes, data.len);
        free(copy);
    }
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        struct slice data = slice_cstr(requests[i].text);
        assert_int_equal(parser_next(&p, data.ptr, data.len, &arena, &r), PARSE_DONE);
        assert_int_equal(r.again, requests[i].again);
        assert_true(memmem(data.ptr, data.len, r.argv[0].ptr, r.argv[0].len) != NULL);
        assert_true(r.argv[0].ptr > data.ptr && r.argv[0].ptr < data.ptr + data.len);
    }
    assert_int_equal(parser_next(&p, "PING\r\n", 6, &arena, &r), PARSE_DONE);
    assert_false(r.again);
    parser_deinit(&p);
}

/* Well-formed streams of random requests, some cut at the end, some with one byte changed. */
static void random_streams(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 3);
    for (long round = 0; round < MIN(model_ops() / 500, 2000L); round++) {
        struct buf stream;
        buf_init(&stream, MEM_OTHER);
        for (uint64_t n = 1 + rng_below(&rng, 6); n; n--) {
            uint64_t argc = rng_below(&rng, 30) ? 1 + rng_below(&rng, 5) : rng_below(&rng, 2100);
            buf_printf(&stream, "*%d\r\n", (int)argc);
            for (; argc; argc--) {
                static char value[512];
                size_t len = (size_t)rng_below(&rng, rng_below(&rng, 20) ? 12 : sizeof(value));
                memset(value, '\n' + (int)rng_below(&rng, 30), len);
                buf_printf(&stream, "$%zu\r\n", len);
                buf_append(&stream, value, len);
                buf_append(&stream, "\r\n", 2);
            }
        }
        struct slice all = buf_slice(&stream);
        if (rng_below(&rng, 2))
            buf_ptr(&stream)[rng_below(&rng, all.len)] = (char)rng_below(&rng, 128);
        if (rng_below(&rng, 2))
            all.len = (size_t)rng_below(&rng, all.len) + 1;
        chunking_check(CODEC_RESP, all);
        buf_deinit(&stream);
    }
    assert_int_equal(mem_used(MEM_CLIENT), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays),
        cmocka_unit_test(inline_commands),
        cmocka_unit_test(requests_without_arguments),
        cmocka_unit_test(bad_counts),
        cmocka_unit_test(bad_lengths),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(before_authentication),
        cmocka_unit_test(memory_follows_the_input),
        cmocka_unit_test(the_arena_fills_up),
        cmocka_unit_test(repeated_heads),
        cmocka_unit_test(random_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
