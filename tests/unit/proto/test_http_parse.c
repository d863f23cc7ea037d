/* HTTP messages: what is one by the letter, what is refused with which status, in any chunking. */
#include "proto/http_parse.h"

#include "../../fuzz/chunking.h"
#include "../ds/model.h"

static struct request_arena arena;

static enum parse_result parse(struct parser *p, struct slice data, struct request *out)
{
    chunking_check(CODEC_HTTP, data);
    parser_init(p, CODEC_HTTP, 1000);
    arena.used = 0;
    enum parse_result result = parser_next(p, data.ptr, data.len, &arena, out);
    if (result == PARSE_DONE && !out->bytes) /* the head alone */
        result = parser_next(p, data.ptr, data.len, &arena, out);
    return result;
}

static void assert_refused(int status, const char *text)
{
    struct parser p;
    struct request r;
    assert_int_equal(parse(&p, slice_cstr(text), &r), PARSE_ERROR);
    assert_int_equal(p.status, status);
    parser_deinit(&p);
}

static void assert_field(const struct request *r, enum http_field field, const char *text)
{
    assert_true(slice_equal(r->argv[field], slice_cstr(text)));
}

static void messages(void **state)
{
    struct parser p;
    struct request r;
    (void)state;
    struct slice get = SLICE("GET /a?b=c HTTP/1.1\r\nHost: \t x \r\nIf-Match:\"1\"\r\n\r\nGET");
    assert_int_equal(parse(&p, get, &r), PARSE_DONE);
    assert_int_equal(r.bytes, get.len - 3);
    assert_int_equal(r.argc, HTTP_FIELDS);
    assert_field(&r, HTTP_METHOD, "GET");
    assert_field(&r, HTTP_TARGET, "/a?b=c");
    assert_field(&r, HTTP_HOST, "x");
    assert_field(&r, HTTP_IF_MATCH, "\"1\"");
    assert_field(&r, HTTP_VERSION, "1.1");
    assert_field(&r, HTTP_PERSISTENCE, "keep-alive");
    assert_field(&r, HTTP_STAGE, "whole");
    assert_null(r.argv[HTTP_ORIGIN].ptr);
    parser_deinit(&p);
    struct slice old =
        SLICE("POST / HTTP/1.0\r\nconnection: x, Keep-Alive\r\ncontent-length: 3\r\n\r\nabc");
    assert_int_equal(parse(&p, old, &r), PARSE_DONE);
    assert_field(&r, HTTP_BODY, "abc");
    assert_field(&r, HTTP_PERSISTENCE, "keep-alive");
    parser_deinit(&p);
}

static void persistence(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"GET / HTTP/1.0\r\n\r\n", "close"},
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "keep-alive"},
        {"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "close"},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", "close"},
    };
    struct parser p;
    struct request r;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(parse(&p, slice_cstr(cases[i].text), &r), PARSE_DONE);
        assert_field(&r, HTTP_PERSISTENCE, cases[i].expected);
        parser_deinit(&p);
    }
}

#define POST    "POST / HTTP/1.1\r\nHost: x\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static void chunks(void **state)
{
    struct parser p;
    struct request r;
    (void)state;
    struct slice data = SLICE(CHUNKED "3\r\nabc\r\n00A\r\n0123456789\r\n0\r\n\r\nGET");
    assert_int_equal(parse(&p, data, &r), PARSE_DONE);
    assert_field(&r, HTTP_BODY, "abc0123456789");
    assert_int_equal(r.bytes, data.len - 3);
    parser_deinit(&p);
    assert_refused(400, CHUNKED "3\nabc\r\n0\r\n\r\n");
    assert_refused(400, CHUNKED "3;x=y\r\nabc\r\n0\r\n\r\n");
    assert_refused(400, CHUNKED "g\r\n");
    assert_refused(400, CHUNKED "\r\n");
    assert_refused(400, CHUNKED "-1\r\n");
    assert_refused(400, CHUNKED "0x3\r\nabc\r\n0\r\n\r\n");
    assert_refused(400, CHUNKED "3\r\nabcd\r\n0\r\n\r\n");
    assert_refused(400, CHUNKED "0\r\nTrailer: x\r\n\r\n");
    assert_refused(400, CHUNKED "00000000000003\r\nabc\r\n");
    assert_refused(413, CHUNKED "3e9\r\n");
    assert_refused(413, CHUNKED "FFFFFFFF\r\n");
}

/* What two readers could understand in two ways. */
static void ambiguous(void **state)
{
    (void)state;
    assert_refused(400, POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert_refused(400, POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n");
    assert_refused(400, POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc");
    assert_refused(400, POST "Content-Length: 3, 3\r\n\r\nabc");
    assert_refused(400, POST "Content-Length: +3\r\n\r\nabc");
    assert_refused(400, POST "Content-Length: -3\r\n\r\nabc");
    assert_refused(400, POST "Content-Length: 0x3\r\n\r\nabc");
    assert_refused(400, POST "Content-Length:\r\n\r\nabc");
    assert_refused(400, POST "Content-Length: 9999999999999999999\r\n\r\nabc");
    assert_refused(400, POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_refused(501, POST "Transfer-Encoding: gzip, chunked\r\n\r\n");
    assert_refused(501, POST "Transfer-Encoding: xchunked\r\n\r\n");
    assert_refused(400, "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_refused(400, "GET / HTTP/1.1\nHost: x\r\n\r\n");
    assert_refused(400, "GET / HTTP/1.1\r\nHost: x\n\r\n");
    assert_refused(400, "GET / HTTP/1.1\r\nHost: x\r\n\n");
    assert_refused(400, POST "X: a\r\n b\r\n\r\n");
    assert_refused(400, POST "Content-Length : 3\r\n\r\nabc");
    assert_refused(400, POST "X: a\rb\r\n\r\n");
    assert_refused(400, POST ": a\r\n\r\n");
    assert_refused(400, POST "no colon\r\n\r\n");
    assert_refused(400, POST "X: \x01\r\n\r\n");
    assert_refused(400, "GET / HTTP/1.1\r\n\r\n");
    assert_refused(400, "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n");
    assert_refused(400, "GET / HTTP/1.1\r\nHost: x\r\nOrigin: a\r\nOrigin: b\r\n\r\n");
}

static void start_lines(void **state)
{
    (void)state;
    assert_refused(400, "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_refused(400, "GET  / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_refused(400, "GET / HTTP/1.1 \r\nHost: x\r\n\r\n");
    assert_refused(400, "GET /\r\n\r\n");
    assert_refused(400, "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_refused(400, "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_refused(400, "GET * HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_refused(400, "GET /\x80 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_refused(400, "GET /#a HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_refused(400, "G@T / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_refused(400, "GET / http/1.1\r\nHost: x\r\n\r\n");
    assert_refused(505, "GET / HTTP/2.0\r\nHost: x\r\n\r\n");
    assert_refused(505, "GET / HTTP/1.2\r\nHost: x\r\n\r\n");
    assert_refused(417, POST "Expect: magic\r\n\r\n");
    assert_refused(413, POST "Content-Length: 1001\r\n\r\n");
}

static void limits(void **state)
{
    struct buf text;
    (void)state;
    buf_init(&text, MEM_OTHER);
    buf_puts(&text, POST);
    for (int i = 0; i < LIMIT_HTTP_HEADERS; i++)
        buf_puts(&text, "a: b\r\n");
    buf_append(&text, "\r\n", 3);
    assert_refused(431, buf_ptr(&text));
    buf_clear(&text);
    buf_puts(&text, POST "X: ");
    memset(buf_reserve(&text, LIMIT_HTTP_HEAD_BYTES), 'x', LIMIT_HTTP_HEAD_BYTES);
    buf_advance(&text, LIMIT_HTTP_HEAD_BYTES);
    buf_putc(&text, 0);
    assert_refused(431, buf_ptr(&text));
    buf_deinit(&text);
}

/* A head is shown before its body when that is long, in chunks, or waited with. */
static void heads_first(void **state)
{
    static const struct {
        const char *text;
        bool shown;
    } cases[] = {
        {POST "Content-Length: 3\r\n\r\n", false},
        {POST "Content-Length: 3\r\nExpect: 100-Continue\r\n\r\n", true},
        {POST "Content-Length: 20000\r\n\r\n", true},
        {CHUNKED, true},
    };
    struct parser p;
    struct request r;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct slice data = slice_cstr(cases[i].text);
        parser_init(&p, CODEC_HTTP, 1 << 20);
        arena.used = 0;
        enum parse_result result = parser_next(&p, data.ptr, data.len, &arena, &r);
        assert_int_equal(result, cases[i].shown ? PARSE_DONE : PARSE_MORE);
        if (cases[i].shown) {
            assert_int_equal(r.bytes, 0);
            assert_field(&r, HTTP_STAGE, "head");
        }
        assert_int_equal(parser_next(&p, data.ptr, data.len, &arena, &r), PARSE_MORE);
        assert_true(http_parse_is_within(&p) && !http_parse_is_in_head(&p));
        parser_deinit(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages),    cmocka_unit_test(persistence), cmocka_unit_test(chunks),
        cmocka_unit_test(ambiguous),   cmocka_unit_test(start_lines), cmocka_unit_test(limits),
        cmocka_unit_test(heads_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
