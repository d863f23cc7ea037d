/* Log files, in memory: what is whole comes out, a torn end is told from damage in the middle. The
 * last file is cut at every byte of its last 64 KB, and bits are flipped: with TOKAMAK_LONG set at
 * all 65,536 places and in 10,000 files, else at a sample of them. */
#include "base/crc.h"
#include "base/rand.h"
#include "persist/aof_mark.h"
#include "persist/aof_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../fuzz/memory_file.h"

enum {
    BATCHES = 300,
    TAIL_BYTES = 64 << 10,
    FLIPS = 10000,
    SAMPLE = 37
};

#define PATH "log"

struct log {
    struct buf text;
    uint64_t ends[BATCHES + 1]; /* of the opening mark, and of each batch */
    uint32_t crc;
    size_t begin; /* of the batch being made */
    int batches;
};

static bool is_long(void)
{
    return getenv("TOKAMAK_LONG") != NULL;
}

static void put_mark(struct log *l)
{
    char line[AOF_MARK_BYTES];
    size_t len = buf_len(&l->text) - l->begin;
    l->crc = crc32c(l->crc, buf_slice(&l->text).ptr + l->begin, len);
    buf_append(&l->text, line, aof_mark_format(line, (struct aof_mark){len, l->crc}));
    l->begin = buf_len(&l->text);
}

static void put(struct log *l, const char *text)
{
    buf_puts(&l->text, text);
}

static void put_set(struct log *l, int n, int value_len)
{
    buf_printf(&l->text, "*3\r\n$3\r\nSET\r\n$8\r\nk%07d\r\n$%d\r\n", n, value_len);
    for (int i = 0; i < value_len; i++)
        buf_putc(&l->text, (char)("#CK:1:0\r\n*$"[(i * 7 + n) % 11]));
    put(l, "\r\n");
}

static void log_init(struct log *l)
{
    *l = (struct log){.begin = 0};
    buf_init(&l->text, MEM_OTHER);
}

/* Batches of one or more records, transactions among them. */
static void log_make(struct log *l, struct rng *rng)
{
    log_init(l);
    put_mark(l);
    l->ends[0] = buf_len(&l->text);
    for (int i = 0; i < BATCHES; i++) {
        if (i == 0)
            aof_put_select(&l->text, 0);
        if (i % 5 == 0)
            put(l, "#TS:1700000000\r\n");
        if (i % 7 == 3)
            put(l, "*1\r\n$5\r\nMULTI\r\n");
        for (unsigned n = 0; n <= rng_below(rng, 4); n++)
            put_set(l, i, (int)rng_below(rng, 200));
        if (i % 7 == 3)
            put(l, "*1\r\n$4\r\nEXEC\r\n");
        put_mark(l);
        l->ends[i + 1] = buf_len(&l->text);
    }
    l->batches = BATCHES;
}

/* Reads to the end; *whole: bytes of the units that came out, which must be those of the text. */
static enum aof_read read_all(struct slice file, struct slice text, uint64_t *whole,
                              struct aof_fault *fault)
{
    struct aof_reader r;
    struct slice unit;
    enum aof_read got;
    memory_file_put(PATH, file.ptr, file.len);
    *whole = 0;
    assert_int_equal(aof_reader_init(&r, PATH, 0), OK);
    while ((got = aof_reader_next(&r, &unit)) == AOF_READ_UNIT) {
        assert_true(*whole + unit.len <= text.len);
        assert_memory_equal(unit.ptr, text.ptr + *whole, unit.len);
        *whole += unit.len;
    }
    *fault = r.fault;
    if (got == AOF_READ_TORN || got == AOF_READ_FAULT)
        assert_int_equal(fault->whole, *whole);
    aof_reader_deinit(&r);
    return got;
}

static uint64_t last_end(const struct log *l, uint64_t size)
{
    int i = l->batches;
    while (i > 0 && l->ends[i] > size)
        i--;
    return l->ends[i];
}

static void test_whole(void **state)
{
    struct log l;
    struct rng rng;
    struct aof_fault fault;
    uint64_t whole;
    for (int choppy = 0; choppy < 2; choppy++) {
        memory_files_install();
        memory_faults.choppy = choppy;
        rng_seed(&rng, 1);
        log_make(&l, &rng);
        struct slice text = buf_slice(&l.text);
        assert_true(text.len > TAIL_BYTES);
        assert_int_equal(read_all(text, text, &whole, &fault), AOF_READ_END);
        assert_int_equal(whole, text.len);
        buf_deinit(&l.text);
    }
    memory_files_remove();
}

static void test_cut_anywhere(void **state)
{
    struct log l;
    struct rng rng;
    struct aof_fault fault;
    uint64_t whole;
    memory_files_install();
    rng_seed(&rng, 2);
    log_make(&l, &rng);
    struct slice text = buf_slice(&l.text);
    size_t step = is_long() ? 1 : SAMPLE, cuts = 0;
    for (size_t size = text.len - TAIL_BYTES; size < text.len; size += step, cuts++) {
        uint64_t end = last_end(&l, size);
        enum aof_read got = read_all(slice_make(text.ptr, size), text, &whole, &fault);
        if (got != (size == end ? AOF_READ_END : AOF_READ_TORN) || whole != end)
            fail_msg("cut at %zu: %d, whole to %llu instead of %llu", size, got,
                     (unsigned long long)whole, (unsigned long long)end);
    }
    print_message("%zu cuts\n", cuts);
    buf_deinit(&l.text);
    memory_files_remove();
}

static void test_flipped_bits(void **state)
{
    struct log l;
    struct rng rng;
    struct aof_fault fault;
    uint64_t whole;
    unsigned refused = 0, truncated = 0;
    memory_files_install();
    rng_seed(&rng, 3);
    log_make(&l, &rng);
    struct slice text = buf_slice(&l.text);
    uint64_t last = l.ends[BATCHES - 1];
    struct buf copy;
    buf_init(&copy, MEM_OTHER);
    buf_append(&copy, text.ptr, text.len);
    for (int i = 0; i < (is_long() ? FLIPS : FLIPS / 20); i++) {
        /* every tenth one in the last batch */
        size_t byte = i % 10 ? rng_below(&rng, text.len) : last + rng_below(&rng, text.len - last);
        char bit = (char)(1 << rng_below(&rng, 8));
        buf_ptr(&copy)[byte] ^= bit;
        enum aof_read got = read_all(buf_slice(&copy), buf_slice(&copy), &whole, &fault);
        bool in_tail = byte >= last;
        if (got != AOF_READ_FAULT && !(got == AOF_READ_TORN && in_tail && whole == last))
            fail_msg("flip at %zu: %d, whole to %llu, the last batch begins at %llu", byte, got,
                     (unsigned long long)whole, (unsigned long long)last);
        /* without its opening mark the file looks like Redis's, up to the next mark */
        assert_true(whole <= byte || (byte < l.ends[0] && got == AOF_READ_FAULT));
        assert_true(*fault.reason);
        refused += got == AOF_READ_FAULT;
        truncated += got == AOF_READ_TORN;
        buf_ptr(&copy)[byte] ^= bit;
    }
    print_message("%u refused, %u truncated\n", refused, truncated);
    assert_true(refused && truncated);
    buf_deinit(&copy);
    buf_deinit(&l.text);
    memory_files_remove();
}

/* A batch that is missing, twice, or in another place has the wrong mark, too. */
static void test_moved_batches(void **state)
{
    struct log l;
    struct rng rng;
    struct aof_fault fault;
    uint64_t whole;
    struct buf file;
    memory_files_install();
    rng_seed(&rng, 4);
    log_make(&l, &rng);
    struct slice text = buf_slice(&l.text);
    buf_init(&file, MEM_OTHER);
    buf_append(&file, text.ptr, l.ends[10]);
    buf_append(&file, text.ptr + l.ends[11], text.len - l.ends[11]);
    assert_int_equal(read_all(buf_slice(&file), text, &whole, &fault), AOF_READ_FAULT);
    assert_int_equal(whole, l.ends[10]);
    buf_clear(&file);
    buf_append(&file, text.ptr, l.ends[11]);
    buf_append(&file, text.ptr + l.ends[10], text.len - l.ends[10]);
    assert_int_equal(read_all(buf_slice(&file), text, &whole, &fault), AOF_READ_FAULT);
    assert_int_equal(whole, l.ends[11]);
    buf_deinit(&file);
    buf_deinit(&l.text);
    memory_files_remove();
}

static enum aof_read read_text(const char *text, uint64_t *whole)
{
    struct aof_fault fault;
    return read_all(slice_cstr(text), slice_cstr(text), whole, &fault);
}

#define SELECT0 "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
#define SET     "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"
#define MULTI   "*1\r\n$5\r\nMULTI\r\n"
#define EXEC    "*1\r\n$4\r\nEXEC\r\n"

/* A file without marks goes by Redis's rules. */
static void test_redis_rules(void **state)
{
    static const struct {
        const char *text;
        enum aof_read got;
        size_t whole;
    } cases[] = {
        {"", AOF_READ_END, 0},
        {SELECT0 SET, AOF_READ_END, sizeof(SELECT0 SET) - 1},
        {"#TS:1\r\n" SELECT0 SET, AOF_READ_END, sizeof("#TS:1\r\n" SELECT0 SET) - 1},
        {SELECT0 SET "#TS:1\r\n", AOF_READ_END, sizeof(SELECT0 SET "#TS:1\r\n") - 1},
        {SELECT0 SET "#TS:1", AOF_READ_TORN, sizeof(SELECT0 SET) - 1},
        {SELECT0 SET "*", AOF_READ_TORN, sizeof(SELECT0 SET) - 1},
        {SELECT0 SET "*3\r\n$3\r\nSE", AOF_READ_TORN, sizeof(SELECT0 SET) - 1},
        {SELECT0 SET MULTI SET, AOF_READ_TORN, sizeof(SELECT0 SET) - 1},
        {SELECT0 MULTI SET EXEC, AOF_READ_END, sizeof(SELECT0 MULTI SET EXEC) - 1},
        {SELECT0 MULTI SET EXEC SET "*3\r\n$3", AOF_READ_TORN,
         sizeof(SELECT0 MULTI SET EXEC SET) - 1},
        {SELECT0 "hello\r\n" SET, AOF_READ_FAULT, sizeof(SELECT0) - 1},
        {SELECT0 "*1\r\n+OK\r\n", AOF_READ_FAULT, sizeof(SELECT0) - 1},
        {SELECT0 "*0\r\n" SET, AOF_READ_FAULT, sizeof(SELECT0) - 1},
        {SELECT0 "*1\r\n$1\r\nab\r\n" SET, AOF_READ_FAULT, sizeof(SELECT0) - 1},
        {SELECT0 "*1\r\n$99999999999999999999999\r\na\r\n", AOF_READ_FAULT, sizeof(SELECT0) - 1},
        {SELECT0 "*4000000000\r\n$1\r\na\r\n", AOF_READ_TORN, sizeof(SELECT0) - 1},
    };

    uint64_t whole;
    memory_files_install();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum aof_read got = read_text(cases[i].text, &whole);
        if (got != cases[i].got || whole != cases[i].whole)
            fail_msg("case %zu: %d, %llu", i, got, (unsigned long long)whole);
    }
    memory_files_remove();
}

/* redis-server has had our file, added to it and was killed. Then we go on. */
static void test_two_authors(void **state)
{
    struct log l;
    struct rng rng;
    struct aof_fault fault;
    uint64_t whole;
    memory_files_install();
    rng_seed(&rng, 5);
    log_make(&l, &rng);
    put(&l, SELECT0 SET SET MULTI SET EXEC);
    size_t good = buf_len(&l.text);
    put(&l, SET);
    struct slice text = buf_slice(&l.text);
    assert_int_equal(read_all(text, text, &whole, &fault), AOF_READ_END);
    assert_int_equal(whole, text.len);
    struct slice cut = slice_make(text.ptr, text.len - 3);
    assert_int_equal(read_all(cut, text, &whole, &fault), AOF_READ_TORN);
    assert_int_equal(whole, good);
    put_mark(&l); /* over all that was added */
    put_set(&l, 1, 10);
    put_mark(&l);
    text = buf_slice(&l.text);
    assert_int_equal(read_all(text, text, &whole, &fault), AOF_READ_END);
    assert_int_equal(whole, text.len);
    buf_ptr(&l.text)[good + 10] ^= 1;
    assert_int_equal(read_all(buf_slice(&l.text), text, &whole, &fault), AOF_READ_FAULT);
    buf_deinit(&l.text);
    memory_files_remove();
}

static void test_transaction_over_marks(void **state)
{
    struct log l;
    struct aof_fault fault;
    uint64_t whole;
    memory_files_install();
    log_init(&l);
    put_mark(&l);
    put(&l, SET);
    put_mark(&l);
    size_t before = buf_len(&l.text);
    put(&l, MULTI SET);
    put_mark(&l);
    struct slice text = buf_slice(&l.text);
    assert_int_equal(read_all(text, text, &whole, &fault), AOF_READ_TORN);
    assert_int_equal(whole, before);
    put(&l, SET EXEC);
    put_mark(&l);
    text = buf_slice(&l.text);
    assert_int_equal(read_all(text, text, &whole, &fault), AOF_READ_END);
    assert_int_equal(whole, text.len);
    buf_deinit(&l.text);
    memory_files_remove();
}

/* A value may hold all of a log file, marks and all. */
static void put_log_as_value(struct log *l, const struct log *inner)
{
    struct slice text = buf_slice(&inner->text);
    buf_printf(&l->text, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%zu\r\n", text.len + 40);
    buf_append(&l->text, text.ptr, text.len);
    put(l, "#CK:5:00000000\r\n#CK:77:12345678\r\n1234567\r\n");
}

static void expect_torn(struct slice file, uint64_t end)
{
    struct aof_fault fault;
    uint64_t whole;
    enum aof_read got = read_all(file, file, &whole, &fault);
    if (got != (file.len == end ? AOF_READ_END : AOF_READ_TORN) || whole != end)
        fail_msg("cut at %zu: %d, whole %llu of %llu: %s", file.len, (int)got,
                 (unsigned long long)whole, (unsigned long long)end, fault.reason);
}

/* The last write did not end, in a value with lines like marks: it is cut off, also when the disk
 * left zeros in its place. */
static void test_marks_in_a_torn_value(void **state)
{
    struct log l, inner;
    struct buf zeros;
    memory_files_install();
    log_init(&inner);
    put_mark(&inner);
    for (int i = 0; i < 6; i++) {
        put_set(&inner, i, 30);
        put_mark(&inner);
    }
    log_init(&l);
    put_mark(&l);
    aof_put_select(&l.text, 0);
    put_log_as_value(&l, &inner);
    put_mark(&l);
    size_t end = buf_len(&l.text);
    put_log_as_value(&l, &inner);
    put_set(&l, 1, 9);
    size_t torn_end = buf_len(&l.text);
    for (size_t size = end; size <= torn_end; size++)
        expect_torn(slice_make(buf_slice(&l.text).ptr, size), end);
    for (size_t size = end + 1; size < torn_end; size += SAMPLE) {
        buf_init(&zeros, MEM_OTHER);
        buf_append(&zeros, buf_slice(&l.text).ptr, size);
        while (buf_len(&zeros) < torn_end)
            buf_putc(&zeros, 0);
        expect_torn(buf_slice(&zeros), end);
        buf_deinit(&zeros);
    }
    buf_deinit(&inner.text);
    buf_deinit(&l.text);
    memory_files_remove();
}

/* A length that grew swallows the marks behind it, up to the end of the file: not a torn end. */
static void test_length_that_swallows_marks(void **state)
{
    struct aof_fault fault;
    uint64_t whole;
    struct log l;
    memory_files_install();
    for (int marked_first = 0; marked_first < 2; marked_first++) {
        log_init(&l);
        if (marked_first)
            put_mark(&l);
        put(&l, SELECT0 SET);
        if (marked_first)
            put_mark(&l);
        put_set(&l, 1, 100);
        char *length = memmem(buf_ptr(&l.text), buf_len(&l.text), "$100", 4);
        size_t at = (size_t)(length - (char *)buf_ptr(&l.text));
        put_mark(&l);
        put_set(&l, 2, 10);
        put_mark(&l);
        ((char *)buf_ptr(&l.text))[at + 1] = '9';
        struct slice text = buf_slice(&l.text);
        assert_int_equal(read_all(text, text, &whole, &fault), AOF_READ_FAULT);
        buf_deinit(&l.text);
    }
    memory_files_remove();
}

static void test_commands(void **state)
{
    struct slice unit = SLICE("#TS:77\r\n" MULTI SET "#other\r\n" EXEC "#TS:78\r\n");
    struct aof_command c = {0};
    assert_true(aof_command_take(&unit, &c));
    assert_true(c.argc == 1 && slice_is(c.argv[0], "multi"));
    assert_int_equal(c.stamp_s, 77);
    assert_true(aof_command_take(&unit, &c));
    assert_int_equal(c.argc, 3);
    assert_true(slice_equal(c.argv[2], SLICE("v")));
    assert_true(aof_command_take(&unit, &c));
    assert_true(c.argc == 1 && slice_is(c.argv[0], "exec"));
    assert_false(aof_command_take(&unit, &c));
    assert_int_equal(c.stamp_s, 78);
    aof_command_deinit(&c);
}

static void test_marks(void **state)
{
    struct aof_mark m;
    char line[AOF_MARK_BYTES];
    size_t len = aof_mark_format(line, (struct aof_mark){UINT64_MAX, UINT32_MAX});
    assert_true(len <= AOF_MARK_BYTES);
    assert_true(aof_mark_read(slice_make(line, len - 2), &m));
    assert_true(m.bytes == UINT64_MAX && m.crc == UINT32_MAX);
    assert_true(aof_mark_read(SLICE("#CK:118:0e5da1c4"), &m));
    assert_true(m.bytes == 118 && m.crc == 0x0e5da1c4);
    assert_false(aof_mark_read(SLICE("#CK:118:0E5DA1C4"), &m));
    assert_false(aof_mark_read(SLICE("#CK:118:0e5da1c"), &m));
    assert_false(aof_mark_read(SLICE("#CK:0118:0e5da1c4"), &m));
    assert_false(aof_mark_read(SLICE("#CK::0e5da1c4"), &m));
    assert_false(aof_mark_read(SLICE("#CK:"), &m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_redis_rules),
        cmocka_unit_test(test_two_authors),
        cmocka_unit_test(test_transaction_over_marks),
        cmocka_unit_test(test_moved_batches),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_marks_in_a_torn_value),
        cmocka_unit_test(test_length_that_swallows_marks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
