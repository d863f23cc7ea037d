#include "base/le.h"

#include "../../fuzz/chunking.h"
#include "../ds/model.h"

static struct request_arena arena;

static void put_u32(struct buf *b, uint32_t value)
{
    unsigned char bytes[4];
    le_store32(bytes, value);
    buf_append(b, bytes, 4);
}

static void put_frame(struct buf *b, const struct slice *args, uint32_t count)
{
    uint32_t length = 4;
    for (uint32_t i = 0; i < count; i++)
        length += 4 + (uint32_t)args[i].len;
    put_u32(b, length);
    put_u32(b, count);
    for (uint32_t i = 0; i < count; i++) {
        put_u32(b, (uint32_t)args[i].len);
        if (args[i].len)
            buf_append(b, args[i].ptr, args[i].len);
    }
}

/* Parses `count` numbers followed by `tail`. */
static enum parse_result parse(struct parser *p, const uint32_t *numbers, size_t count,
                               const char *tail, struct request *out)
{
    static struct buf data;
    buf_deinit(&data);
    buf_init(&data, MEM_OTHER);
    for (size_t i = 0; i < count; i++)
        put_u32(&data, numbers[i]);
    buf_puts(&data, tail);
    chunking_check(CODEC_FRAME, buf_slice(&data));
    arena.used = 0;
    return parser_next(p, buf_ptr(&data), buf_len(&data), &arena, out);
}

static void assert_error(bool authenticated, const uint32_t *numbers, size_t count,
                         const char *tail, const char *error)
{
    struct parser p;
    struct request r;
    parser_init(&p, CODEC_FRAME, 1000);
    p.authenticated = authenticated;
    assert_int_equal(parse(&p, numbers, count, tail, &r), PARSE_ERROR);
    assert_string_equal(p.error, error);
    parser_deinit(&p);
}

#define NUMBERS(...) (const uint32_t[]){__VA_ARGS__}, ARRAY_LEN(((const uint32_t[]){__VA_ARGS__}))

static void requests(void **state)
{
    (void)state;
    struct parser p;
    struct request r;
    struct buf data;
    struct slice args[] = {SLICE("SET"), SLICE("k\0\r\n"), SLICE("")};
    buf_init(&data, MEM_OTHER);
    parser_init(&p, CODEC_FRAME, 1000);
    put_frame(&data, args, 3);
    size_t first = buf_len(&data);
    put_frame(&data, args, 1);
    arena.used = 0;
    assert_int_equal(parser_next(&p, buf_ptr(&data), buf_len(&data), &arena, &r), PARSE_DONE);
    assert_int_equal(r.argc, 3);
    assert_int_equal(r.bytes, first);
    for (int i = 0; i < 3; i++)
        assert_true(slice_equal(r.argv[i], args[i]));
    assert_int_equal(parser_next(&p, buf_ptr(&data) + first, buf_len(&data) - first, &arena, &r),
                     PARSE_DONE);
    assert_int_equal(r.argc, 1);
    chunking_check(CODEC_FRAME, buf_slice(&data));
    parser_deinit(&p);
    buf_deinit(&data);
}

static void unfinished_frames(void **state)
{
    (void)state;
    struct parser p;
    struct request r;
    parser_init(&p, CODEC_FRAME, 1000);
    assert_int_equal(parse(&p, NUMBERS(12), "", &r), PARSE_MORE);
    assert_int_equal(parser_wants(&p), 16);
    assert_int_equal(parse(&p, NUMBERS(UINT32_MAX, UINT32_MAX), "", &r), PARSE_MORE);
    assert_int_equal(parser_wants(&p), (size_t)UINT32_MAX + 4);
    assert_int_equal(parser_bytes(&p), 0); /* an announced length costs nothing */
    assert_int_equal(parse(&p, NUMBERS(12, 1, 4), "PIN", &r), PARSE_MORE);
    assert_int_equal(parse(&p, NUMBERS(12, 1, 4), "PING", &r), PARSE_DONE);
    assert_int_equal(parser_wants(&p), 0);
    parser_deinit(&p);
}

static void hostile_frames(void **state)
{
    (void)state;
    assert_error(true, NUMBERS(0), "", "Protocol error: invalid frame length");
    assert_error(true, NUMBERS(3), "abc", "Protocol error: invalid frame length");
    assert_error(true, NUMBERS(4, 0), "", "Protocol error: frame without arguments");
    assert_error(true, NUMBERS(8, UINT32_MAX, 0), "",
                 "Protocol error: frame too short for its arguments");
    assert_error(true, NUMBERS(8, 2, 0), "", "Protocol error: frame too short for its arguments");
    assert_error(true, NUMBERS(15, 2, 0), "abcdefg",
                 "Protocol error: invalid argument length in frame");
    assert_error(true, NUMBERS(8, 1, UINT32_MAX), "",
                 "Protocol error: invalid argument length in frame");
    assert_error(true, NUMBERS(12, 1, 3), "PING", "Protocol error: bytes left over in frame");
    assert_error(false, NUMBERS(16385), "", "Protocol error: unauthenticated frame length");
}

static void limits(void **state)
{
    (void)state;

    static const struct {
        uint32_t count;
        size_t len;
        bool authenticated;
        const char *error;
    } cases[] = {
        {1, 1000, true, NULL},
        {1, 1001, true, "Protocol error: invalid bulk length"},
        {16, 1, false, NULL},
        {17, 1, false, "Protocol error: unauthenticated multibulk length"},
        {LIMIT_BATCH_ARGS, 1, true, NULL},
        {LIMIT_BATCH_ARGS + 1, 1, true, NULL},
        {LIMIT_FRAME_ARGS, 0, true, NULL},
        {LIMIT_FRAME_ARGS + 1, 0, true, "Protocol error: too many arguments in frame"},
    };
    static struct slice args[LIMIT_FRAME_ARGS + 1];
    static const char text[1001] = "x";
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct parser p;
        struct request r;
        struct buf data;
        buf_init(&data, MEM_OTHER);
        for (uint32_t k = 0; k < cases[i].count; k++)
            args[k] = slice_make(text, cases[i].len);
        put_frame(&data, args, cases[i].count);
        parser_init(&p, CODEC_FRAME, 1000);
        p.authenticated = cases[i].authenticated;
        arena.used = 0;
        enum parse_result result = parser_next(&p, buf_ptr(&data), buf_len(&data), &arena, &r);
        assert_int_equal(result, cases[i].error ? PARSE_ERROR : PARSE_DONE);
        if (cases[i].error)
            assert_string_equal(p.error, cases[i].error);
        else
            assert_int_equal(r.argc, cases[i].count);
        parser_deinit(&p);
        buf_deinit(&data);
    }
    assert_int_equal(mem_used(MEM_CLIENT), 0);
}

static void the_arena_fills_up(void **state)
{
    (void)state;
    struct parser p;
    struct request r;
    struct buf data;
    struct slice args[] = {SLICE("GET"), SLICE("k")};
    buf_init(&data, MEM_OTHER);
    parser_init(&p, CODEC_FRAME, 1000);
    put_frame(&data, args, 2);
    arena.used = LIMIT_BATCH_ARGS - 1;
    assert_int_equal(parser_next(&p, buf_ptr(&data), buf_len(&data), &arena, &r), PARSE_FULL);
    arena.used = LIMIT_BATCH_ARGS - 2;
    assert_int_equal(parser_next(&p, buf_ptr(&data), buf_len(&data), &arena, &r), PARSE_DONE);
    parser_deinit(&p);
    buf_deinit(&data);
}

static void random_streams(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 4);
    for (long round = 0; round < MIN(model_ops() / 500, 2000L); round++) {
        struct buf stream;
        struct slice args[5];
        static const char text[40] = "value";
        buf_init(&stream, MEM_OTHER);
        for (uint64_t n = 1 + rng_below(&rng, 6); n; n--) {
            uint32_t argc = 1 + (uint32_t)rng_below(&rng, ARRAY_LEN(args));
            for (uint32_t i = 0; i < argc; i++)
                args[i] = slice_make(text, (size_t)rng_below(&rng, sizeof(text)));
            put_frame(&stream, args, argc);
        }
        if (rng_below(&rng, 2))
            buf_ptr(&stream)[rng_below(&rng, buf_len(&stream))] = (char)rng_below(&rng, 256);
        chunking_check(CODEC_FRAME, buf_slice(&stream));
        buf_deinit(&stream);
    }
    assert_int_equal(mem_used(MEM_CLIENT), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),           cmocka_unit_test(unfinished_frames),
        cmocka_unit_test(hostile_frames),     cmocka_unit_test(limits),
        cmocka_unit_test(the_arena_fills_up), cmocka_unit_test(random_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
