/* The manifest: Redis's own, ours with its mark, everything that is wrong, and every bit flipped.
 */
#include "persist/aof_manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char redis_manifest[] = "file appendonly.aof.2.base.rdb seq 2 type b\n"
                                     "file appendonly.aof.1.incr.aof seq 1 type h\n"
                                     "file appendonly.aof.4.incr.aof seq 4 type i\n"
                                     "file \"with \\\"blank\\x01\" seq 5 type i new-word 7\n";

static void make(struct aof_manifest *m)
{
    *m = (struct aof_manifest){0};
    aof_manifest_set_base(m, "a.1.base.rdb", 1);
    aof_manifest_add_incr(m, "a.1.incr.aof", 1);
    aof_manifest_add_incr(m, "with 'blank", 2);
    aof_manifest_set_base(m, "a.2.base.aof", 2);
    aof_manifest_retire(m, 2);
}

static void test_redis(void **state)
{
    struct aof_manifest m;
    struct aof_manifest_fault fault;
    assert_int_equal(aof_manifest_parse(slice_cstr(redis_manifest), &m, &fault), OK);
    assert_string_equal(m.base.name, "appendonly.aof.2.base.rdb");
    assert_int_equal(m.base.seq, 2);
    assert_int_equal(m.history.count, 1);
    assert_int_equal(m.incr.count, 2);
    assert_string_equal(m.incr.items[1].name, "with \"blank\x01");
    assert_int_equal(m.incr_seq, 5);
    assert_false(aof_manifest_is_empty(&m));
    aof_manifest_deinit(&m);
}

static void test_there_and_back(void **state)
{
    struct aof_manifest m, again;
    struct aof_manifest_fault fault;
    struct buf text, second;
    buf_init(&text, MEM_OTHER);
    buf_init(&second, MEM_OTHER);
    make(&m);
    aof_manifest_format(&text, &m);
    assert_int_equal(aof_manifest_parse(buf_slice(&text), &again, &fault), OK);
    aof_manifest_format(&second, &again);
    assert_true(slice_equal(buf_slice(&text), buf_slice(&second)));
    assert_int_equal(again.history.count, 2);
    assert_int_equal(again.incr.count, 1);
    aof_manifest_deinit(&again);
    aof_manifest_copy(&again, &m);
    aof_manifest_forget_history(&again);
    assert_int_equal(again.history.count, 0);
    assert_int_equal(m.history.count, 2);
    aof_manifest_deinit(&again);
    aof_manifest_deinit(&m);
    buf_deinit(&text);
    buf_deinit(&second);
}

static void test_wrong(void **state)
{
    static const struct {
        const char *text, *reason;
        unsigned line;
    } cases[] = {
        {"", "empty", 0},
        {"\n", "Invalid AOF manifest file format", 1},
        {"file a seq 1 type b", "cut off", 1},
        {"file a seq 1\n", "Invalid AOF manifest file format", 1},
        {"file a seq 1 type\n", "Invalid AOF manifest file format", 1},
        {"file a seq 0 type b\n", "Invalid AOF manifest file format", 1},
        {"file a seq -3 type b\n", "Invalid AOF manifest file format", 1},
        {"file a seq 99999999999999999999 type b\n", "sequence number", 1},
        {"file \"a seq 1 type b\n", "Invalid AOF manifest file format", 1},
        {"file ../a seq 1 type b\n", "just a filename", 1},
        {"file a seq 1 type b\nfile b seq 2 type b\n", "duplicate base", 2},
        {"file a seq 2 type i\nfile b seq 2 type i\n", "non-monotonic", 2},
        {"file a seq 2 type x\n", "Unknown AOF file type", 1},
        {"file a seq 2 type bi\n", "Unknown AOF file type", 1},
        {"#CK:0:00000001\n", "checksum", 1},
        {"#CK:0:00000000\nfile a seq 1 type b\n", "behind the mark", 2},
        {"#TS:1\n", "Neither a comment nor a mark", 1},
    };
    struct aof_manifest m;
    struct aof_manifest_fault fault;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(aof_manifest_parse(slice_cstr(cases[i].text), &m, &fault), ERR_SYNTAX);
        if (!strstr(fault.reason, cases[i].reason) || fault.line != cases[i].line)
            fail_msg("case %zu: line %u, %s", i, fault.line, fault.reason);
        assert_true(aof_manifest_is_empty(&m));
    }
    assert_int_equal(aof_manifest_parse(SLICE("# by hand\nfile a seq 1 type b\n"), &m, &fault), OK);
    aof_manifest_deinit(&m);
}

static void test_every_bit(void **state)
{
    struct aof_manifest m, out;
    struct aof_manifest_fault fault;
    struct buf text;
    buf_init(&text, MEM_OTHER);
    make(&m);
    aof_manifest_format(&text, &m);
    char *bytes = buf_ptr(&text);
    for (size_t bit = 0; bit < buf_len(&text) * 8; bit++) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        if (aof_manifest_parse(buf_slice(&text), &out, &fault) == OK)
            fail_msg("bit %zu of byte %zu went unnoticed", bit % 8, bit / 8);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t len = 0; len < buf_len(&text); len++) {
        enum err err = aof_manifest_parse(slice_make(bytes, len), &out, &fault);
        /* cut behind a line it reads as Redis's own; the replacement of manifests is atomic */
        assert_true(err == ERR_SYNTAX || bytes[len - 1] == '\n');
        aof_manifest_deinit(&out);
    }
    aof_manifest_deinit(&m);
    buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_redis),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_every_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
