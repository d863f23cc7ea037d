#include "cmd/command.h"
#include "server/command_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct command_logs logs;
static _Atomic uint64_t next_id;

static int begin(void **state)
{
    (void)state;
    commands_init();
    return 0;
}

static int end(void **state)
{
    (void)state;
    command_logs_deinit(&logs);
    return 0;
}

static void record(enum command_log_kind kind, size_t max, const struct slice *argv, uint32_t argc)
{
    struct command_record r = {.cmd = command_by_name(argv[0]),
                               .argv = argv,
                               .argc = argc,
                               .time_s = 5,
                               .value = 7,
                               .peer = SLICE("1.2.3.4:5"),
                               .name = SLICE("name")};
    command_log_record(&logs, kind, max, &next_id, &r);
}

static void keeps_the_newest(void **state)
{
    struct command_log_entry *out[64];
    char texts[40][8];
    (void)state;
    for (int i = 0; i < 40; i++) {
        struct slice argv[] = {SLICE("get"),
                               slice_make(texts[i], (size_t)snprintf(texts[i], 8, "%d", i))};
        record(COMMAND_LOG_SLOW, 8, argv, 2);
        assert_true(command_log_count(&logs, COMMAND_LOG_SLOW) <= 10); /* a quarter over */
    }
    size_t count = command_log_collect(&logs, COMMAND_LOG_SLOW, out, 5);
    assert_int_equal(count, 5);
    command_log_clear(&logs, COMMAND_LOG_SLOW); /* who has collected keeps the entries */
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(out[i]->id, 39 - i);
        assert_int_equal(out[i]->value, 7);
        assert_true(slice_equal(out[i]->argv[1], slice_cstr(texts[39 - i])));
        assert_true(slice_equal(out[i]->peer, SLICE("1.2.3.4:5")));
        command_log_unref(out[i]);
    }
    assert_int_equal(command_log_count(&logs, COMMAND_LOG_SLOW), 0);
    assert_int_equal(command_log_collect(&logs, COMMAND_LOG_LARGE_REPLY, out, 5), 0);
}

static void cuts(void **state)
{
    struct command_log_entry *e;
    struct slice argv[40];
    char text[300];
    (void)state;
    memset(text, 'x', sizeof(text));
    for (int i = 0; i < 40; i++)
        argv[i] = i ? slice_make(text, 129) : SLICE("mget");
    record(COMMAND_LOG_LARGE_REQUEST, 1, argv, 40);
    assert_int_equal(command_log_collect(&logs, COMMAND_LOG_LARGE_REQUEST, &e, 1), 1);
    assert_int_equal(e->argc, 32);
    assert_true(slice_equal(e->argv[31], SLICE("... (9 more arguments)")));
    assert_int_equal(e->argv[1].len, 128 + strlen("... (1 more bytes)"));
    assert_memory_equal(e->argv[30].ptr + 128, "... (1 more bytes)", 18);
    command_log_unref(e);
}

static void hides(void **state)
{
    struct command_log_entry *e;
    const struct slice argv[] = {SLICE("auth"), SLICE("user"), SLICE("secret")};
    (void)state;
    record(COMMAND_LOG_LARGE_REPLY, 4, argv, 3);
    assert_int_equal(command_log_collect(&logs, COMMAND_LOG_LARGE_REPLY, &e, 1), 1);
    assert_true(slice_equal(e->argv[0], SLICE("auth")));
    assert_true(slice_equal(e->argv[1], SLICE("(redacted)")));
    assert_true(slice_equal(e->argv[2], SLICE("(redacted)")));
    command_log_unref(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_newest),
        cmocka_unit_test(cuts),
        cmocka_unit_test(hides),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
