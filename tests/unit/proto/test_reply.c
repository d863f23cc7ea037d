#include "proto/frame_value.h"
#include "proto/limits.h"
#include "proto/reply.h"

#include <math.h>

#include "../ds/model.h"

static struct output out;

static struct reply start(enum reply_proto proto)
{
    output_clear(&out);
    return (struct reply){.out = &out, .proto = proto};
}

/* The bytes of the output with its references filled in. */
static struct slice rendered(void)
{
    static struct buf text;
    size_t at = 0;
    buf_deinit(&text);
    buf_init(&text, MEM_OTHER);
    for (uint32_t i = 0; i < out.ref_count; i++) {
        buf_append(&text, buf_ptr(&out.bytes) + at, out.refs[i].at - at);
        buf_append(&text, out.refs[i].blob->bytes, out.refs[i].blob->len);
        at = out.refs[i].at;
    }
    buf_append(&text, buf_ptr(&out.bytes) + at, buf_len(&out.bytes) - at);
    assert_int_equal(buf_len(&text), output_len(&out));
    return buf_slice(&text);
}

typedef void (*write_fn)(struct reply *r);

static void assert_resp(enum reply_proto proto, write_fn write, const char *want)
{
    struct reply r = start(proto);
    reply_begin(&r);
    write(&r);
    reply_end(&r);
    struct slice got = rendered();
    if (got.len != strlen(want) || memcmp(got.ptr, want, got.len) != 0)
        fail_msg("got %.*s, want %s", (int)got.len, got.ptr, want);
}

/* The body of the one frame in the output, which is one valid value. */
static struct slice frame_body(write_fn write)
{
    struct slice body;
    size_t size;
    struct reply r = start(REPLY_FRAME);
    reply_begin(&r);
    write(&r);
    reply_end(&r);
    struct slice all = rendered();
    assert_int_equal(frame_value_reply(all, &body, &size), OK);
    assert_int_equal(size, all.len);
    assert_true(frame_value_valid(body));
    return body;
}

static struct frame_value frame(write_fn write)
{
    struct frame_value v;
    struct slice body = frame_body(write);
    assert_int_equal(frame_value_take(&body, &v), OK);
    return v;
}

static void write_status(struct reply *r)
{
    reply_status(r, "PONG");
}

static void write_bulk(struct reply *r)
{
    reply_bulk(r, SLICE("a\r\nb"));
}

static void write_empty(struct reply *r)
{
    reply_bulk(r, SLICE(""));
}

static void write_negative(struct reply *r)
{
    reply_int(r, INT64_MIN);
}

static void write_bulk_int(struct reply *r)
{
    reply_bulk_int(r, -42);
}

static void write_double(struct reply *r)
{
    reply_double(r, 0.1);
}

static void write_infinity(struct reply *r)
{
    reply_double(r, -INFINITY);
}

static void write_true(struct reply *r)
{
    reply_bool(r, true);
}

static void write_verbatim(struct reply *r)
{
    reply_verbatim(r, "txt", SLICE("hello"));
}

static void write_big(struct reply *r)
{
    reply_big_number(r, SLICE("123456789012345678901234567890"));
}

static void write_wrongtype(struct reply *r)
{
    reply_error(r, "WRONGTYPE no\r\nway");
}

static void write_ints(struct reply *r)
{
    static const int64_t values[] = {1, -1, INT64_MAX};
    reply_int_array(r, values, ARRAY_LEN(values));
}

static void write_map(struct reply *r)
{
    reply_map(r, 1);
    reply_bulk(r, SLICE("k"));
    reply_set(r, 1);
    reply_null(r);
}

static void write_deferred(struct reply *r)
{
    struct output_mark outer = reply_defer(r);
    struct output_mark inner = reply_defer(r);
    reply_int(r, 1);
    reply_int(r, 2);
    reply_defer_end(r, inner, REPLY_MAP, 1);
    reply_defer_end(r, outer, REPLY_PUSH, 1);
}

static void scalars(void **state)
{
    (void)state;
    assert_resp(REPLY_RESP2, write_status, "+PONG\r\n");
    assert_resp(REPLY_RESP2, reply_ok, "+OK\r\n");
    assert_resp(REPLY_RESP2, write_bulk, "$4\r\na\r\nb\r\n");
    assert_resp(REPLY_RESP2, write_empty, "$0\r\n\r\n");
    assert_resp(REPLY_RESP2, write_negative, ":-9223372036854775808\r\n");
    assert_resp(REPLY_RESP2, write_bulk_int, "$3\r\n-42\r\n");
    assert_resp(REPLY_RESP2, reply_null, "$-1\r\n");
    assert_resp(REPLY_RESP2, reply_null_array, "*-1\r\n");
    assert_resp(REPLY_RESP3, reply_null, "_\r\n");
    assert_resp(REPLY_RESP3, reply_null_array, "_\r\n");
    assert_resp(REPLY_RESP2, write_double, "$3\r\n0.1\r\n");
    assert_resp(REPLY_RESP3, write_double, ",0.1\r\n");
    assert_resp(REPLY_RESP3, write_infinity, ",-inf\r\n");
    assert_resp(REPLY_RESP2, write_true, ":1\r\n");
    assert_resp(REPLY_RESP3, write_true, "#t\r\n");
    assert_resp(REPLY_RESP2, write_verbatim, "$5\r\nhello\r\n");
    assert_resp(REPLY_RESP3, write_verbatim, "=9\r\ntxt:hello\r\n");
    assert_resp(REPLY_RESP3, write_big, "(123456789012345678901234567890\r\n");
    assert_resp(REPLY_RESP2, write_wrongtype, "-WRONGTYPE no  way\r\n");
}

static void aggregates(void **state)
{
    (void)state;
    assert_resp(REPLY_RESP2, write_ints, "*3\r\n:1\r\n:-1\r\n:9223372036854775807\r\n");
    assert_resp(REPLY_RESP2, write_map, "*2\r\n$1\r\nk\r\n*1\r\n$-1\r\n");
    assert_resp(REPLY_RESP3, write_map, "%1\r\n$1\r\nk\r\n~1\r\n_\r\n");
    assert_resp(REPLY_RESP2, write_deferred, "*1\r\n*2\r\n:1\r\n:2\r\n");
    assert_resp(REPLY_RESP3, write_deferred, ">1\r\n%1\r\n:1\r\n:2\r\n");
}

static void frame_scalars(void **state)
{
    (void)state;
    assert_int_equal(frame(reply_null).tag, FRAME_NIL);
    assert_int_equal(frame(reply_null_array).tag, FRAME_NIL);
    assert_true(slice_equal(frame(reply_ok).text, SLICE("OK")));
    assert_true(slice_equal(frame(write_status).text, SLICE("PONG")));
    assert_int_equal(frame(write_status).tag, FRAME_STRING);
    assert_true(slice_equal(frame(write_bulk).text, SLICE("a\r\nb")));
    assert_int_equal(frame(write_empty).text.len, 0);
    assert_int_equal(frame(write_negative).tag, FRAME_INT);
    assert_true(frame(write_negative).integer == INT64_MIN);
    assert_true(frame(write_true).integer == 1);
    assert_int_equal(frame(write_double).tag, FRAME_DOUBLE);
    assert_true(frame(write_double).real == 0.1);
    assert_true(frame(write_infinity).real == -INFINITY);
    assert_true(slice_equal(frame(write_verbatim).text, SLICE("hello")));
    assert_true(slice_equal(frame(write_bulk_int).text, SLICE("-42")));
}

static void frame_errors(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        uint32_t code;
    } errors[] = {
        {"ERR x", FRAME_CODE_ERR},         {"WRONGTYPE x", FRAME_CODE_WRONGTYPE},
        {"NOAUTH x", FRAME_CODE_NOAUTH},   {"NOPERM x", FRAME_CODE_NOPERM},
        {"OOM x", FRAME_CODE_OOM},         {"MISCONF x", FRAME_CODE_MISCONF},
        {"BUSY x", FRAME_CODE_BUSY},       {"LOADING x", FRAME_CODE_LOADING},
        {"BUSYGROUP x", FRAME_CODE_OTHER}, {"NOSCRIPT x", FRAME_CODE_OTHER},
    };

    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        struct reply r = start(REPLY_FRAME);
        struct frame_value v;
        struct slice body;
        size_t size;
        reply_begin(&r);
        reply_errorf(&r, "%s", errors[i].text);
        reply_end(&r);
        assert_int_equal(r.errors, 1);
        assert_int_equal(frame_value_reply(rendered(), &body, &size), OK);
        assert_int_equal(frame_value_take(&body, &v), OK);
        assert_int_equal(v.tag, FRAME_ERROR);
        assert_int_equal(v.code, errors[i].code);
        assert_true(slice_equal(v.text, slice_cstr(errors[i].text)));
    }
}

static void frame_aggregates(void **state)
{
    (void)state;
    struct frame_value v;
    struct slice body = frame_body(write_map);

    enum frame_tag want[] = {FRAME_ARRAY, FRAME_STRING, FRAME_ARRAY, FRAME_NIL};

    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_int_equal(frame_value_take(&body, &v), OK);
        assert_int_equal(v.tag, want[i]);
        if (i == 0)
            assert_int_equal(v.count, 2);
    }
    assert_int_equal(body.len, 0);
    body = frame_body(write_deferred);
    assert_int_equal(frame_value_take(&body, &v), OK);
    assert_int_equal(v.count, 1);
    assert_int_equal(frame_value_take(&body, &v), OK);
    assert_int_equal(v.count, 2);
    assert_int_equal(frame_value_take(&body, &v), OK);
    assert_true(v.integer == 1);
    assert_int_equal(frame(write_ints).count, 3);
}

/* Long strings are references; headers put in front of them later move them along. */
static void references(void **state)
{
    (void)state;
    struct blob *b = blob_create(LIMIT_REPLY_REF_BYTES, LIMIT_REPLY_REF_BYTES);
    memset(b->bytes, 'x', b->len);
    for (int proto = REPLY_RESP2; proto <= REPLY_FRAME; proto++) {
        struct reply r = start((enum reply_proto)proto);
        reply_begin(&r);
        struct output_mark mark = reply_defer(&r);
        reply_bulk_blob(&r, b);
        reply_int(&r, 7);
        reply_defer_end(&r, mark, REPLY_ARRAY, 2);
        reply_end(&r);
        assert_int_equal(out.ref_count, 1);
        struct slice all = rendered();
        if (proto != REPLY_FRAME) {
            assert_memory_equal(all.ptr, "*2\r\n$32768\r\nxxx", 15);
            assert_memory_equal(all.ptr + all.len - 9, "xxx\r\n:7\r\n", 9);
            continue;
        }
        struct slice body;
        size_t size;
        assert_int_equal(frame_value_reply(all, &body, &size), OK);
        assert_int_equal(size, all.len);
        assert_true(frame_value_valid(body));
    }
    output_clear(&out);
    assert_int_equal(out.ref_bytes, 0);
    blob_unref(b);
}

/* What a frame's length cannot say is an error, and the reply before it stays. */
static void too_long_for_a_frame(void **state)
{
    (void)state;
    struct blob *b = blob_create(1 << 20, 1 << 20);
    struct reply r = start(REPLY_FRAME);
    reply_begin(&r);
    reply_int(&r, 1);
    reply_end(&r);
    size_t before = output_len(&out);
    reply_begin(&r);
    reply_array(&r, 4096);
    for (int i = 0; i < 4096; i++)
        reply_bulk_blob(&r, b);
    reply_end(&r);
    struct slice all = rendered(), body;
    size_t size;
    struct frame_value v;
    assert_int_equal(
        frame_value_reply(slice_make(all.ptr + before, all.len - before), &body, &size), OK);
    assert_int_equal(before + size, all.len);
    assert_int_equal(frame_value_take(&body, &v), OK);
    assert_int_equal(v.tag, FRAME_ERROR);
    assert_int_equal(r.errors, 1);
    output_clear(&out);
    blob_unref(b);
}

static void hostile_values(void **state)
{
    (void)state;
    static const struct slice bad[] = {
        SLICE(""),
        SLICE("\6"),
        SLICE("\xff"),
        SLICE("\2\5\0\0\0abcd"),
        SLICE("\2\xff\xff\xff\xff"),
        SLICE("\3\1\2\3\4\5\6\7"),
        SLICE("\4"),
        SLICE("\1\1\0\0\0\3\0\0\0ab"),
        SLICE("\5\xff\xff\xff\xff\0"),
        SLICE("\5\2\0\0\0\0"),
        SLICE("\0\0"),
        SLICE("\5\1\0\0\0\5\1\0\0\0\5\1\0\0\0"),
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(frame_value_valid(bad[i]));
    assert_true(frame_value_valid(SLICE("\5\2\0\0\0\0\5\0\0\0\0")));
}

static void rewinding_drops_references(void **state)
{
    (void)state;
    struct blob *b = blob_create(LIMIT_REPLY_REF_BYTES, LIMIT_REPLY_REF_BYTES);
    struct reply r = start(REPLY_RESP2);
    reply_int(&r, 1);
    struct output_mark mark = output_mark(&out);
    reply_bulk_blob(&r, b);
    output_rewind(&out, mark);
    assert_int_equal(out.ref_count, 0);
    assert_true(slice_equal(rendered(), SLICE(":1\r\n")));
    blob_unref(b);
}

/* Lengths around the borders of the fast way. */
static void bulk_lengths(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 9, 10, 11, 99, 100, 101, 999, 1000, 1001, 99999};
    static char text[100000];
    memset(text, 'v', sizeof(text));
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        char head[16];
        size_t len = lengths[i], head_len = (size_t)snprintf(head, sizeof(head), "$%zu\r\n", len);
        struct reply r = start(REPLY_RESP2);
        reply_bulk(&r, slice_make(text, len));
        memcpy(reply_bulk_space(&r, len), text, len);
        struct slice all = rendered();
        assert_int_equal(all.len, 2 * (head_len + len + 2));
        for (int half = 0; half < 2; half++) {
            const char *at = all.ptr + (size_t)half * (all.len / 2);
            assert_memory_equal(at, head, head_len);
            assert_int_equal(bytes_equal(at + head_len, text, len), true);
            assert_memory_equal(at + head_len + len, "\r\n", 2);
        }
    }
}

static int set_up(void **state)
{
    (void)state;
    output_init(&out);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    output_deinit(&out);
    return mem_used(MEM_CLIENT) != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars),
        cmocka_unit_test(aggregates),
        cmocka_unit_test(frame_scalars),
        cmocka_unit_test(frame_errors),
        cmocka_unit_test(frame_aggregates),
        cmocka_unit_test(references),
        cmocka_unit_test(too_long_for_a_frame),
        cmocka_unit_test(hostile_values),
        cmocka_unit_test(rewinding_drops_references),
        cmocka_unit_test(bulk_lengths),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
