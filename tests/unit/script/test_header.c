#include "script/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect_flags(struct slice text, uint32_t flags, const char *body)
{
    char error[SCRIPT_HEADER_ERROR_BYTES];
    struct slice got;
    uint32_t found;
    assert_true(script_read_header(text, &found, &got, error));
    assert_int_equal(found, flags);
    assert_true(slice_equal(got, slice_cstr(body)));
    assert_int_equal(script_declares_keys(text), (flags & SCRIPT_DECLARED_KEYS) != 0);
}

static void expect_error(struct slice text, const char *wanted)
{
    char error[SCRIPT_HEADER_ERROR_BYTES];
    struct slice body;
    uint32_t flags;
    assert_false(script_read_header(text, &flags, &body, error));
    assert_string_equal(error, wanted);
    assert_false(script_declares_keys(text));
}

static void reads_flags(void **state)
{
    (void)state;
    expect_flags(SLICE("return 1"), SCRIPT_COMPAT, "return 1");
    expect_flags(SLICE(""), SCRIPT_COMPAT, "");
    expect_flags(SLICE("#!lua\nreturn 1"), 0, "\nreturn 1");
    expect_flags(SLICE("#!lua flags=\nx"), 0, "\nx");
    expect_flags(SLICE("#!lua   flags=no-writes,allow-oom\r\nx"),
                 SCRIPT_NO_WRITES | SCRIPT_ALLOW_OOM, "\nx");
    expect_flags(SLICE("#!lua flags=declared-keys\n"), SCRIPT_DECLARED_KEYS, "\n");
    expect_flags(SLICE("#!lua flags=allow-stale flags=no-cluster,allow-cross-slot-keys\n"),
                 SCRIPT_ALLOW_STALE | SCRIPT_NO_CLUSTER | SCRIPT_ALLOW_CROSS_SLOT, "\n");
}

static void tells_what_is_wrong(void **state)
{
    (void)state;
    expect_error(SLICE("#!lua"), "ERR Invalid script shebang");
    expect_error(SLICE("#!js\n"), "ERR Unexpected engine in script shebang: #!js");
    expect_error(SLICE("#!lua name=x\n"), "ERR Unknown lua shebang option: name=x");
    expect_error(SLICE("#!lua flags=x\n"), "ERR Unexpected flag in script shebang: x");
    expect_error(SLICE("#!lua flags=no-writes,,\n"), "ERR Unexpected flag in script shebang: ");
}

static void names_flags(void **state)
{
    (void)state;
    assert_string_equal(script_flag_name(script_flag_by_name(SLICE("allow-oom"))), "allow-oom");
    assert_null(script_flag_name(SCRIPT_COMPAT));
    assert_int_equal(script_flag_by_name(SLICE("Allow-oom")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_flags),
        cmocka_unit_test(tells_what_is_wrong),
        cmocka_unit_test(names_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
