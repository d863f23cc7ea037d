/* Commands out of JSON and replies into it. */
#include "proto/json.h"

#include "../ds/model.h"

static void assert_reads(const char *text, const char *expected)
{
    struct json_commands c;
    struct buf out;
    uint32_t at = 0;
    json_commands_init(&c);
    buf_init(&out, MEM_OTHER);
    assert_int_equal(json_commands_read(&c, slice_cstr(text)), OK);
    for (uint32_t i = 0; i < c.count; i++, buf_putc(&out, ';'))
        for (; at < c.ends[i]; at++) {
            buf_append(&out, c.args[at].ptr, c.args[at].len);
            buf_putc(&out, '|');
        }
    buf_putc(&out, 0);
    assert_string_equal(buf_ptr(&out), expected);
    buf_deinit(&out);
    json_commands_deinit(&c);
}

static void reads(void **state)
{
    (void)state;
    assert_reads("[\"SET\",\"k\",\"v\"]", "SET|k|v|;");
    assert_reads(" [ \"a\" , 1, -0.5e+3 , true,false ] ", "a|1|-0.5e+3|true|false|;");
    assert_reads("[[\"a\"],[\"b\",\"\"] ]", "a|;b||;");
    assert_reads("[\"\\u00e9\\ud83d\\ude00\\n\\\"\\/\\\\\"]", "\xc3\xa9\xf0\x9f\x98\x80\n\"/\\|;");
}

static void refuses(void **state)
{
    static const char *const texts[] = {
        "",
        "[",
        "[]",
        "[[]]",
        "{}",
        "\"a\"",
        "[\"a\"",
        "[\"a\",]",
        "[,\"a\"]",
        "[\"a\" \"b\"]",
        "[\"a\"]x",
        "[null]",
        "[01]",
        "[1.]",
        "[.5]",
        "[-]",
        "[1e]",
        "[\"\n\"]",
        "[\"\\x\"]",
        "[\"\\u12\"]",
        "[\"\\ud800\"]",
        "[\"\\udc00\"]",
        "[\"\xff\"]",
        "[\"\\ud800\\u0041\"]",
        "[[\"a\"],1]",
        "[\"a\",[\"b\"]]",
        "[[[\"a\"]]]",
        "[\"\xed\xa0\x80\"]",
        "[\"\xc0\x80\"]",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct json_commands c;
        json_commands_init(&c);
        assert_int_equal(json_commands_read(&c, slice_cstr(texts[i])), ERR_SYNTAX);
        assert_non_null(c.error);
        json_commands_deinit(&c);
    }
}

static void assert_writes(const char *resp, bool base64, const char *expected)
{
    struct buf out;
    struct slice rest = slice_cstr(resp);
    buf_init(&out, MEM_OTHER);
    bool failed = !json_put_reply(&out, &rest, base64, true);
    assert_int_equal(failed, *resp == '-');
    assert_int_equal(rest.len, 0);
    buf_putc(&out, 0);
    assert_string_equal(buf_ptr(&out), expected);
    buf_deinit(&out);
}

static void writes(void **state)
{
    (void)state;
    assert_writes("+OK\r\n", false, "{\"result\":\"OK\"}");
    assert_writes("+OK\r\n", true, "{\"result\":\"OK\"}");
    assert_writes("+PONG\r\n", true, "{\"result\":\"UE9ORw==\"}");
    assert_writes("-ERR no\r\n", true, "{\"error\":\"ERR no\"}");
    assert_writes(":-5\r\n", false, "{\"result\":-5}");
    assert_writes("$-1\r\n", false, "{\"result\":null}");
    assert_writes("*-1\r\n", false, "{\"result\":null}");
    assert_writes("*0\r\n", false, "{\"result\":[]}");
    assert_writes("*3\r\n*2\r\n:1\r\n*0\r\n$1\r\na\r\n*1\r\n$-1\r\n", false,
                  "{\"result\":[[1,[]],\"a\",[null]]}");
    assert_writes("$7\r\n\"\\\n\x01\xff\xc3\xa9\r\n", false,
                  "{\"result\":\"\\\"\\\\\\n\\u0001\xef\xbf\xbd\xc3\xa9\"}");
    assert_writes("$2\r\n\xff\xfe\r\n", true, "{\"result\":\"//4=\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(refuses),
        cmocka_unit_test(writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
