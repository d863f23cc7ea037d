#include "../ds/model.h"
#include "tools/load_codec.h"
#include "tools/load_template.h"

static enum load_reply_kind reply(const char *protocol, struct slice data, size_t *size,
                                  struct slice *text)
{
    return load_codec_find(protocol)->reply(data, size, text);
}

static enum load_reply_kind resp(struct slice data, size_t want_size)
{
    struct slice text;
    size_t size = 0;
    for (size_t cut = 0; cut < want_size; cut++) /* every shorter prefix is incomplete */
        assert_int_equal(reply("resp", slice_make(data.ptr, cut), &size, &text), LOAD_INCOMPLETE);
    enum load_reply_kind kind = reply("resp", data, &size, &text);
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
    assert_int_equal(resp(SLICE("*0\r\n+"), 4), LOAD_VALUE);
    assert_int_equal(resp(SLICE("*-1\r\n"), 5), LOAD_NIL);
    assert_int_equal(resp(SLICE("*2\r\n$1\r\na\r\n*2\r\n:1\r\n$-1\r\n+"), 24), LOAD_VALUE);
    assert_int_equal(resp(SLICE("%1\r\n+a\r\n#t\r\n"), 12), LOAD_VALUE);
    assert_int_equal(resp(SLICE("_\r\n"), 3), LOAD_NIL);
    assert_int_equal(resp(SLICE("*1\r\n?\r\n"), 7), LOAD_BROKEN);
    assert_int_equal(resp(SLICE("*99999999999\r\n"), 14), LOAD_BROKEN);
    assert_int_equal(resp(SLICE("*-2\r\n"), 5), LOAD_BROKEN);
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
        assert_int_equal(reply("frame", slice_make(ok.ptr, cut), &size, &text), LOAD_INCOMPLETE);
    assert_int_equal(reply("frame", ok, &size, &text), LOAD_VALUE);
    assert_int_equal(size, 11);
    assert_int_equal(reply("frame", SLICE("\1\0\0\0\0"), &size, &text), LOAD_NIL);
    assert_int_equal(reply("frame", SLICE("\x0b\0\0\0\1\1\0\0\0\2\0\0\0no"), &size, &text),
                     LOAD_ERROR);
    assert_true(slice_equal(text, SLICE("no")));
    assert_int_equal(reply("frame", SLICE("\5\0\0\0\5\0\0\0\0"), &size, &text), LOAD_VALUE);
    assert_int_equal(reply("frame", SLICE("\5\0\0\0\5\1\0\0\0"), &size, &text), LOAD_BROKEN);
}

static void http_replies(void **state)
{
    (void)state;
    struct slice text,
        whole = SLICE("HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: 3\r\n\r\nabcHTTP");
    size_t size;
    for (size_t cut = 0; cut < whole.len - 4; cut++)
        assert_int_equal(reply("http", slice_make(whole.ptr, cut), &size, &text), LOAD_INCOMPLETE);
    assert_int_equal(reply("http", whole, &size, &text), LOAD_VALUE);
    assert_int_equal(size, whole.len - 4);
    assert_true(slice_equal(text, SLICE("abc")));
    struct slice missing = SLICE("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(reply("http", missing, &size, &text), LOAD_NIL);
    struct slice empty = SLICE("HTTP/1.1 204 No Content\r\n\r\n");
    assert_int_equal(reply("http", empty, &size, &text), LOAD_VALUE);
    struct slice error = SLICE("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
    assert_int_equal(reply("http", error, &size, &text), LOAD_ERROR);
    struct slice endless = SLICE("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    assert_int_equal(reply("http", endless, &size, &text), LOAD_BROKEN);
    struct slice wrong = SLICE("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n");
    assert_int_equal(reply("http", wrong, &size, &text), LOAD_BROKEN);
    assert_int_equal(reply("http", SLICE("+OK\r\n+OK\r\n+OK\r\n"), &size, &text), LOAD_BROKEN);
}

/* A request with the one key there is. */
static void request_is(const char *protocol, const char *command, struct slice value,
                       const char *token, struct slice expected)
{
    struct load_template t;
    struct load_keys keys;
    struct rng rng;
    struct buf out;
    char failure[160];
    rng_seed(&rng, 1);
    load_keys_init(&keys, LOAD_SEQUENTIAL, 1000000000000, 1, 987654321012, 1);
    buf_init(&out, MEM_OTHER);
    assert_true(load_template_init(&t, load_codec_find(protocol), command, value, token, failure));
    load_template_fill(&t, &keys, &rng, &out);
    assert_true(slice_equal(buf_slice(&out), expected));
    load_template_deinit(&t);
    buf_deinit(&out);
}

static void requests(void **state)
{
    (void)state;
    request_is("resp", "SET key:{key} {value}", SLICE("xxx"), NULL,
               SLICE("*3\r\n$3\r\nSET\r\n$16\r\nkey:987654321012\r\n$3\r\nxxx\r\n"));
    request_is("resp", "  GET  {key}{key}", SLICE("xxx"), NULL,
               SLICE("*2\r\n$3\r\nGET\r\n$24\r\n987654321012987654321013\r\n"));
    request_is("frame", "PING", SLICE(""), NULL, SLICE("\x0c\0\0\0\1\0\0\0\4\0\0\0PING"));
    request_is("frame", "GET {key}", SLICE(""), NULL,
               SLICE("\x1b\0\0\0\2\0\0\0\3\0\0\0GET\x0c\0\0\0"
                     "987654321012"));
    request_is("http", "GET k{key}", SLICE(""), "secret",
               SLICE("GET /kv/k987654321012 HTTP/1.1\r\nHost: localhost\r\n"
                     "Authorization: Bearer secret\r\n\r\n"));
    request_is("http", "set {key} {value}", SLICE("ab"), NULL,
               SLICE("PUT /kv/987654321012 HTTP/1.1\r\nHost: localhost\r\n"
                     "Content-Length: 2\r\n\r\nab"));
    request_is("http", "INCR {key}", SLICE(""), NULL,
               SLICE("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                     "Content-Length: 23\r\n\r\n[\"INCR\",\"987654321012\"]"));
}

static void refused(void **state)
{
    (void)state;
    static char many[LOAD_ARGS_MAX * 2 + 3], holes[(LOAD_HOLES_MAX + 1) * 5 + 1];
    for (int i = 0; i < LOAD_ARGS_MAX + 1; i++)
        memcpy(many + i * 2, "a ", 3);
    for (int i = 0; i < LOAD_HOLES_MAX + 1; i++)
        memcpy(holes + i * 5, "{key}", 6);

    static const struct {
        const char *protocol, *command;
    } cases[] = {
        {"resp", ""}, {"resp", "  "}, {"resp", many}, {"resp", holes}, {"http", "ECHO \""}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct load_template t;
        char failure[160] = "";
        assert_false(load_template_init(&t, load_codec_find(cases[i].protocol), cases[i].command,
                                        SLICE(""), NULL, failure));
        assert_true(failure[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resp_replies), cmocka_unit_test(frame_replies),
        cmocka_unit_test(http_replies), cmocka_unit_test(requests),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
