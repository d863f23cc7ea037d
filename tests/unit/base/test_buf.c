#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void sliding_window_keeps_content(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, MEM_OTHER);
    size_t appended = 0, consumed = 0;
    for (int round = 0; round < 10000; round++) {
        unsigned len = (unsigned)(rand() % 100);
        for (unsigned i = 0; i < len; i++)
            buf_putc(&b, (char)(appended++ % 251));
        unsigned eat = (unsigned)(rand() % 120);
        if (eat > buf_len(&b))
            eat = (unsigned)buf_len(&b);
        for (unsigned i = 0; i < eat; i++)
            assert_int_equal((unsigned char)buf_ptr(&b)[i], (consumed + i) % 251);
        consumed += eat;
        buf_consume(&b, eat);
        assert_int_equal(buf_len(&b), appended - consumed);
    }
    buf_deinit(&b);
    assert_int_equal(mem_used(MEM_OTHER), 0);
}

static void printf_grows(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, MEM_OTHER);
    for (int i = 0; i < 200; i++)
        buf_printf(&b, "%d,", i);
    assert_memory_equal(buf_ptr(&b), "0,1,2,3,", 8);
    assert_int_equal(buf_len(&b), 10 * 2 + 90 * 3 + 100 * 4);
    buf_deinit(&b);
}

static void nothing_has_no_address(void **state)
{
    struct buf b, empty;
    buf_init(&b, MEM_OTHER);
    buf_init(&empty, MEM_OTHER);
    buf_append(&b, NULL, 0);
    buf_append(&b, buf_ptr(&empty), buf_len(&empty));
    assert_null(buf_reserve(&b, 0));
    assert_int_equal(buf_len(&b), 0);
    struct slice none = buf_slice(&b);
    assert_true(slice_equal(none, SLICE("")) && slice_compare(none, SLICE("a")) < 0 &&
                slice_compare(none, none) == 0);
    buf_append(&b, "x", 1);
    assert_memory_equal(buf_ptr(&b), "x", 1);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sliding_window_keeps_content),
        cmocka_unit_test(printf_grows),
        cmocka_unit_test(nothing_has_no_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
