#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/tokamak-test-log-XXXXXX";
static char path[64], moved[64];

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof(path), "%s/log", directory);
    snprintf(moved, sizeof(moved), "%s/log.1", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    unlink(moved);
    return rmdir(directory);
}

static size_t read_file(const char *name, char *out, size_t room)
{
    FILE *file = fopen(name, "r");
    assert_non_null(file);
    size_t len = fread(out, 1, room - 1, file);
    fclose(file);
    out[len] = 0;
    return len;
}

static void assert_matches(const char *text, const char *pattern)
{
    regex_t regex;
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&regex, text, 0, NULL, 0) != 0)
        fail_msg("[%s] does not match %s", text, pattern);
    regfree(&regex);
}

static void line_format(void **state)
{
    (void)state;
    char text[8192], pattern[400];
    unlink(path);
    assert_int_equal(log_set_file(path), OK);
    log_set_level(LOG_NOTICE);
    log_verbose("hidden");
    log_notice("hello %d\n\x1b[2J\x80 \"quoted\"", 42);
    log_warning("careful");
    log_set_level(LOG_DEBUG);
    LOG_AT(LOG_DEBUG, "details");
    log_set_level(LOG_NOTHING);
    log_warning("hidden");
    log_set_level(LOG_NOTICE);
    assert_int_equal(log_set_file(""), OK);
    read_file(path, text, sizeof(text));
#define DATE "[0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}"
    snprintf(pattern, sizeof(pattern),
             "^%d:M " DATE " \\* hello 42\\\\n\\\\x1b\\[2J\\\\x80 \"quoted\"\n"
             "%d:M " DATE " # careful\n%d:M " DATE " \\. details\n$",
             (int)getpid(), (int)getpid(), (int)getpid());
    assert_matches(text, pattern);
}

static void long_messages_are_cut(void **state)
{
    (void)state;
    static char message[5000], text[8192];
    unlink(path);
    assert_int_equal(log_set_file(path), OK);
    memset(message, 1, sizeof(message) - 1); /* every byte becomes four */
    errno = ENOENT;
    log_notice("%s", message);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(log_set_file(""), OK);
    size_t len = read_file(path, text, sizeof(text));
    const char *begin = strstr(text, "\\x01");
    assert_non_null(begin);
    assert_int_equal(len - (size_t)(begin - text), 1023 * 4 + 1);
    assert_int_equal(text[len - 1], '\n');
}

static void reopens_after_rotation(void **state)
{
    (void)state;
    char text[8192];
    unlink(path);
    assert_int_equal(log_set_file(path), OK);
    log_notice("before");
    assert_int_equal(rename(path, moved), 0);
    log_notice("between");
    log_reopen();
    log_notice("after");
    /* A file that cannot be opened: the old one stays. */
    assert_int_equal(log_set_file("/nonexistent/directory/log"), ERR_SYS);
    log_notice("still");
    assert_int_equal(log_set_file(""), OK);
    log_reopen();
    read_file(moved, text, sizeof(text));
    assert_matches(text, "before\n.*between\n$");
    read_file(path, text, sizeof(text));
    assert_matches(text, "after\n.*still\n$");
}

enum {
    THREADS = 4,
    LINES = 2000
};

static void *write_lines(void *name)
{
    for (int i = 0; i < LINES; i++)
        log_notice("<%s %04d>", (const char *)name, i);
    return NULL;
}

static void lines_stay_whole(void **state)
{
    (void)state;
    static char *names[THREADS] = {"one", "two", "three", "four"};
    pthread_t threads[THREADS];
    unlink(path);
    unlink(moved);
    assert_int_equal(log_set_file(path), OK);
    for (int t = 0; t < THREADS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, write_lines, names[t]), 0);
    for (int i = 0; i < 50; i++)
        log_reopen();
    for (int t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    assert_int_equal(log_set_file(""), OK);
    FILE *file = fopen(path, "r");
    char line[300];
    int next[THREADS] = {0}, number;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        char name[8], *message = strchr(line, '<');
        assert_non_null(message);
        assert_int_equal(sscanf(message, "<%7s %d>\n", name, &number), 2);
        for (int t = 0; t < THREADS; t++)
            if (strcmp(name, names[t]) == 0)
                assert_int_equal(number, next[t]++);
    }
    fclose(file);
    for (int t = 0; t < THREADS; t++)
        assert_int_equal(next[t], LINES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_format),
        cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(reopens_after_rotation),
        cmocka_unit_test(lines_stay_whole),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
