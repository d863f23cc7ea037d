#include "../ds/model.h"
#include "tools/load.h"

static enum load_reply_kind resp(struct slice data, size_t want_size)
{
    struct slice text;
    size_t size = 0;
    for (size_t cut = 0; cut < want_size; cut++) /* every shorter prefix is incomplete */
        assert_int_equal(load_reply(LOAD_RESP, slice_make(data.ptr, cut), &size, &text),
                         LOAD_INCOMPLETE);
    enum load_reply_kind kind = load_reply(LOAD_RESP, data, &size, &text);
    if (kind != LOAD_BROKEN)
        assert_int_equal(size, want_size);
    return kind;
}

static void resp_replies(void **state)
{
    (void)state;
    assert_int_equal(resp(SLICE("+OK\r\n+OK\r\n"), 5), LOAD_VALUE);
    assert_int_equal(resp(SLICE(":-12\r\n"), 6), LOAD_VALUE);
    assert_int_equal(resp(SLICE("$-1\r\n$-1\r\n"), 5), LOAD_NIL);
    assert_int_equal(resp(SLICE("$3\r\na\r\n\r\n+"), 9), LOAD_VALUE);
    assert_int_equal(resp(SLICE("$0\r\n\r\n"), 6), LOAD_VALUE);
    assert_int_equal(resp(SLICE("-ERR no\r\n"), 9), LOAD_ERROR);
    assert_int_equal(resp(SLICE("*1\r\n"), 4), LOAD_BROKEN);
    assert_int_equal(resp(SLICE("HTTP/1.1\r\n"), 10), LOAD_BROKEN);
    assert_int_equal(resp(SLICE("$x\r\n"), 4), LOAD_BROKEN);
    assert_int_equal(resp(SLICE("$1\r\nab\r\n"), 7), LOAD_BROKEN);
}

static void frame_replies(void **state)
{
    (void)state;
    struct slice text;
    size_t size;
    struct slice ok = SLICE("\7\0\0\0\2\2\0\0\0OKrest");
    for (size_t cut = 0; cut < 11; cut++)
        assert_int_equal(load_reply(LOAD_FRAME, slice_make(ok.ptr, cut), &size, &text),
                         LOAD_INCOMPLETE);
    assert_int_equal(load_reply(LOAD_FRAME, ok, &size, &text), LOAD_VALUE);
    assert_int_equal(size, 11);
    assert_int_equal(load_reply(LOAD_FRAME, SLICE("\1\0\0\0\0"), &size, &text), LOAD_NIL);
    assert_int_equal(load_reply(LOAD_FRAME, SLICE("\x0b\0\0\0\1\1\0\0\0\2\0\0\0no"), &size, &text),
                     LOAD_ERROR);
    assert_true(slice_equal(text, SLICE("no")));
    assert_int_equal(load_reply(LOAD_FRAME, SLICE("\5\0\0\0\5\0\0\0\0"), &size, &text),
                     LOAD_BROKEN);
}

static void requests(void **state)
{
    (void)state;
    struct load_options options = {.protocol = LOAD_RESP, .command = LOAD_SET, .keyspace = 1};
    struct rng rng;
    struct buf out;
    rng_seed(&rng, 1);
    buf_init(&out, MEM_OTHER);
    load_request(&options, &rng, SLICE("xxx"), &out);
    options.command = LOAD_PING;
    load_request(&options, &rng, SLICE("xxx"), &out);
    assert_true(slice_equal(buf_slice(&out),
                            SLICE("*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000000\r\n$3\r\nxxx\r\n"
                                  "*1\r\n$4\r\nPING\r\n")));
    buf_clear(&out);
    options.protocol = LOAD_FRAME;
    load_request(&options, &rng, SLICE("xxx"), &out);
    assert_true(slice_equal(buf_slice(&out), SLICE("\x0c\0\0\0\1\0\0\0\4\0\0\0PING")));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resp_replies),
        cmocka_unit_test(frame_replies),
        cmocka_unit_test(requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
