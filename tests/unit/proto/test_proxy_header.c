/* PROXY headers: what is one by the letter, what is not, in any chunking. */
#include "proto/proxy_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Feeds in pieces of `chunk` bytes, each in memory of its own. */
static enum parse_result feed(struct proxy_header *h, const char *data, size_t len, size_t chunk,
                              size_t *used)
{
    enum parse_result result = PARSE_MORE;
    proxy_header_init(h);
    *used = 0;
    while (result == PARSE_MORE && *used < len) {
        size_t now = MIN(chunk, len - *used), taken;
        char *copy = malloc(now);
        memcpy(copy, data + *used, now);
        result = proxy_header_feed(h, slice_make(copy, now), &taken);
        assert_true(taken <= now);
        if (result == PARSE_MORE)
            assert_int_equal(taken, now);
        *used += taken;
        free(copy);
    }
    return result;
}

static enum parse_result feed_all_ways(struct proxy_header *h, const char *data, size_t len,
                                       size_t *used)
{
    enum parse_result whole = feed(h, data, len, len, used);
    for (size_t chunk = 1; chunk < len; chunk = chunk * 2 + 1) {
        struct proxy_header other;
        size_t other_used;
        assert_int_equal(feed(&other, data, len, chunk, &other_used), whole);
        assert_int_equal(other_used, *used);
        assert_string_equal(other.source, h->source);
        assert_string_equal(other.destination, h->destination);
        assert_int_equal(other.known, h->known);
        assert_int_equal(other.local, h->local);
    }
    return whole;
}

static const char v1_rest[] = "*1\r\n$4\r\nPING\r\n";

static void expect_v1(const char *line, const char *source, const char *destination, bool local)
{
    struct proxy_header h;
    char data[256];
    size_t used, len = (size_t)snprintf(data, sizeof(data), "%s\r\n%s", line, v1_rest);
    assert_int_equal(feed_all_ways(&h, data, len, &used), PARSE_DONE);
    assert_int_equal(used, strlen(line) + 2);
    assert_int_equal(h.known, *source != 0);
    assert_string_equal(h.source, source);
    assert_string_equal(h.destination, destination);
    assert_int_equal(h.local, local);
}

static void test_v1(void **state)
{
    (void)state;
    expect_v1("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443", "192.0.2.1:56324", "198.51.100.2:443",
              false);
    expect_v1("PROXY TCP4 127.9.9.9 1.2.3.4 0 65535", "127.9.9.9:0", "1.2.3.4:65535", true);
    expect_v1("PROXY TCP6 2001:db8::1 ::1 1 2", "[2001:db8::1]:1", "[::1]:2", false);
    expect_v1("PROXY TCP6 ::1 ::1 1 2", "[::1]:1", "[::1]:2", true);
    expect_v1("PROXY TCP6 ::ffff:127.0.0.1 ::1 1 2", "[::ffff:127.0.0.1]:1", "[::1]:2", true);
    expect_v1("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
              "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
              "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
              "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", false);
    expect_v1("PROXY UNKNOWN", "", "", false);
    expect_v1("PROXY UNKNOWN whatever stands here", "", "", false);
}

static void refuse_v1(const char *line)
{
    struct proxy_header h;
    size_t used;
    if (feed_all_ways(&h, line, strlen(line), &used) != PARSE_ERROR)
        fail_msg("accepted: %s", line);
    assert_non_null(h.error);
    assert_false(h.known);
}

static void test_v1_refused(void **state)
{
    (void)state;
    refuse_v1("*1\r\n$4\r\nPING\r\n");
    refuse_v1("PING\r\n");
    refuse_v1("proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n");
    refuse_v1("PROXY\r\n");
    refuse_v1("PROXY \r\n");
    refuse_v1("PROXY TCP4\r\n");
    refuse_v1("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n");
    refuse_v1("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n");
    refuse_v1("PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n");
    refuse_v1("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n");
    refuse_v1("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n");
    refuse_v1("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n");
    refuse_v1("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n");
    refuse_v1("PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n");
    refuse_v1("PROXY TCP4 1.2.3.4 1.2.3.4 123456 2\r\n");
    refuse_v1("PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n");
    refuse_v1("PROXY TCP4 ::1 ::1 1 2\r\n");
    refuse_v1("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n");
    refuse_v1("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n");
    char longest[200];
    memset(longest, 'x', sizeof(longest));
    memcpy(longest, "PROXY UNKNOWN ", 14);
    longest[sizeof(longest) - 1] = 0;
    refuse_v1(longest);
    struct proxy_header h;
    size_t used;
    assert_int_equal(feed(&h, "PROXY UNKNOWN \0\r\n", 17, 17, &used), PARSE_ERROR);
}

static size_t make_v2(char *out, int command, int family, const void *body, size_t len)
{
    memcpy(out, "\r\n\r\n\0\r\nQUIT\n", 12);
    out[12] = (char)command;
    out[13] = (char)family;
    out[14] = (char)(len >> 8);
    out[15] = (char)len;
    if (len)
        memcpy(out + 16, body, len);
    memcpy(out + 16 + len, "rest", 4);
    return 16 + len + 4;
}

static void expect_v2(int command, int family, const void *body, size_t len, const char *source,
                      const char *destination, bool local)
{
    struct proxy_header h;
    char *data = malloc(len + 32);
    size_t used, total = make_v2(data, command, family, body, len);
    assert_int_equal(feed_all_ways(&h, data, total, &used), PARSE_DONE);
    assert_int_equal(used, total - 4);
    assert_int_equal(h.known, *source != 0);
    assert_string_equal(h.source, source);
    assert_string_equal(h.destination, destination);
    assert_int_equal(h.local, local);
    free(data);
}

static void test_v2(void **state)
{
    static const char v4[] = "\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb";
    static char v6[36] = {[0] = 0x20, [1] = 1, [15] = 1, [31] = 1, [33] = 7, [35] = 8};
    static char paths[216] = "/run/a client\n", fields[65535];
    (void)state;
    expect_v2(0x21, 0x11, v4, 12, "192.0.2.1:56324", "198.51.100.2:443", false);
    expect_v2(0x21, 0x21, v6, 36, "[2001::1]:7", "[::1]:8", false);
    strcpy(paths + 108, "/run/server");
    expect_v2(0x21, 0x31, paths, 216, "/run/a?client?:0", "/run/server:0", true);
    memset(paths, 'p', sizeof(paths)); /* without a NUL */
    expect_v2(0x21, 0x31, paths, 216,
              "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp:0",
              "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp:0", true);
    memcpy(fields, v4, 12); /* addresses and as many fields as there may be */
    expect_v2(0x21, 0x11, fields, sizeof(fields), "192.0.2.1:56324", "198.51.100.2:443", false);
    expect_v2(0x20, 0x00, "", 0, "", "", false);
    expect_v2(0x20, 0x11, v4, 12, "", "", false);
    expect_v2(0x20, 0x77, "xx", 2, "", "", false);
    expect_v2(0x21, 0x00, "", 0, "", "", false);
    expect_v2(0x21, 0x00, fields, 700, "", "", false);
}

static void refuse_v2(int command, int family, size_t len)
{
    static const char body[256];
    struct proxy_header h;
    char data[300];
    size_t used, total = make_v2(data, command, family, body, len);
    assert_int_equal(feed_all_ways(&h, data, total, &used), PARSE_ERROR);
    assert_int_equal(used, 16);
    assert_non_null(h.error);
}

static void test_v2_refused(void **state)
{
    struct proxy_header h;
    size_t used;
    (void)state;
    refuse_v2(0x11, 0x11, 12);
    refuse_v2(0x22, 0x11, 12);
    refuse_v2(0x21, 0x12, 12);
    refuse_v2(0x21, 0x41, 36);
    refuse_v2(0x21, 0x11, 11);
    refuse_v2(0x21, 0x21, 35);
    refuse_v2(0x21, 0x31, 215);
    assert_int_equal(feed(&h, "\r\n\r\n\0\r\nQUIT\r", 12, 12, &used), PARSE_ERROR);
    assert_int_equal(feed(&h, "\r\nPING\r\n", 8, 8, &used), PARSE_ERROR);
}

static void test_unfinished(void **state)
{
    struct proxy_header h;
    size_t used;
    (void)state;
    assert_int_equal(feed(&h, "PROXY TCP4 1.2.3.4", 18, 5, &used), PARSE_MORE);
    assert_int_equal(feed(&h, "\r\n\r\n", 4, 4, &used), PARSE_MORE);
    assert_int_equal(proxy_header_feed(&h, SLICE(""), &used), PARSE_MORE);
    assert_int_equal(used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v1),         cmocka_unit_test(test_v1_refused),
        cmocka_unit_test(test_v2),         cmocka_unit_test(test_v2_refused),
        cmocka_unit_test(test_unfinished),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
