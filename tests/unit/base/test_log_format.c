#include "base/log_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* 21 Nov 2026, 08:20:00.123 UTC. */
static struct log_line line_of(enum log_format format, enum log_timestamps timestamps,
                               const char *message, size_t len)
{
    return (struct log_line){.format = format,
                             .timestamps = timestamps,
                             .level = 3,
                             .pid = 42,
                             .now = {1795249200, 123456789},
                             .message = message,
                             .len = len};
}

static void expect(const struct log_line *line, const char *text)
{
    char out[LOG_LINE_MAX + 1];
    out[log_format_line(out, line)] = 0;
    assert_string_equal(out, text);
}

static void forms(void **state)
{
    struct log_line line = line_of(LOG_FORMAT_TEXT, LOG_TIME_LEGACY, "hello", 5);
    (void)state;
    expect(&line, "42:M 21 Nov 2026 08:20:00.123 # hello\n");
    line.format = LOG_FORMAT_LOGFMT;
    line.timestamps = LOG_TIME_ISO8601;
    expect(&line, "pid=42 role=primary timestamp=\"2026-11-21T08:20:00.123+00:00\" level=warning "
                  "message=\"hello\"\n");
    line.format = LOG_FORMAT_JSON;
    line.timestamps = LOG_TIME_MILLIS;
    expect(&line, "{\"pid\":42,\"role\":\"primary\",\"timestamp\":\"1795249200123\","
                  "\"level\":\"warning\",\"message\":\"hello\"}\n");
}

static void escapes(void **state)
{
    const char message[] = "a\"b\\c\n\t\x01\xff\0d";
    struct log_line line = line_of(LOG_FORMAT_TEXT, LOG_TIME_MILLIS, message, sizeof(message) - 1);
    (void)state;
    expect(&line, "42:M 1795249200123 # a\"b\\c\\n\\t\\x01\\xff\\x00d\n");
    line.format = LOG_FORMAT_LOGFMT;
    expect(&line, "pid=42 role=primary timestamp=\"1795249200123\" level=warning "
                  "message=\"a\\\"b\\\\c\\n\\t\\x01\\xff\\x00d\"\n");
    line.format = LOG_FORMAT_JSON;
    expect(&line, "{\"pid\":42,\"role\":\"primary\",\"timestamp\":\"1795249200123\","
                  "\"level\":\"warning\","
                  "\"message\":\"a\\\"b\\\\c\\n\\t\\u0001\\u00ff\\u0000d\"}\n");
}

/* Every byte takes its longest form, and the line still fits. */
static void longest(void **state)
{
    char message[LOG_MESSAGE_MAX - 1], out[LOG_LINE_MAX];
    (void)state;
    memset(message, 1, sizeof(message));
    for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
        struct log_line line =
            line_of((enum log_format)format, LOG_TIME_ISO8601, message, sizeof(message));
        size_t len = log_format_line(out, &line);
        assert_true(len > 4 * sizeof(message) && len <= LOG_LINE_MAX);
        assert_int_equal(out[len - 1], '\n');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(escapes),
        cmocka_unit_test(longest),
    };
    setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
