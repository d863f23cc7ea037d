#include "ds/packed.h"

#include "model.h"

enum {
    TWIN_MAX = 400
};

/* The naive twin: an array of copies. */
struct twin {
    struct slice values[TWIN_MAX];
    uint32_t len;
};

static struct slice copy_of(struct slice s)
{
    return slice_make(memcpy(malloc(s.len + 1), s.ptr, s.len), s.len);
}

static void twin_insert(struct twin *t, uint32_t index, struct slice value)
{
    memmove(t->values + index + 1, t->values + index, (t->len - index) * sizeof(struct slice));
    t->values[index] = copy_of(value);
    t->len++;
}

static void twin_delete(struct twin *t, uint32_t index, uint32_t count)
{
    for (uint32_t i = index; i < index + count; i++)
        free((char *)t->values[i].ptr);
    t->len -= count;
    memmove(t->values + index, t->values + index + count, (t->len - index) * sizeof(struct slice));
}

static void assert_slice_equal(struct slice a, struct slice b)
{
    assert_int_equal(a.len, b.len);
    assert_true(a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static void check_entry(const unsigned char *p, uint32_t at, struct slice want)
{
    char scratch[NUM_INT64_MAX_LEN];
    int64_t num;
    assert_slice_equal(packed_text(p, at, scratch), want);
    bool is_num = num_parse_int64(want, &num);
    assert_int_equal(packed_get(p, at).ptr == NULL, is_num);
    if (is_num)
        assert_int_equal(packed_get(p, at).num, num);
}

static void check(const unsigned char *p, const struct twin *t)
{
    uint32_t i = 0;
    assert_int_equal(packed_len(p), t->len);
    packed_foreach(p, at) check_entry(p, at, t->values[i++]);
    assert_int_equal(i, t->len);
    for (uint32_t at = packed_last(p); at; at = packed_prev(p, at))
        check_entry(p, at, t->values[--i]);
    assert_int_equal(i, 0);
    assert_true(packed_validate(p, packed_bytes(p)));
    assert_int_equal(mem_used(MEM_DATA), mem_size_class(packed_bytes(p)));
}

static void check_find(const unsigned char *p, const struct twin *t, struct rng *rng,
                       struct slice value)
{
    unsigned skip = (unsigned)rng_below(rng, 3);
    uint32_t from = t->len ? (uint32_t)rng_below(rng, t->len) : 0, want = 0;
    if (t->len && rng_below(rng, 2))
        value = t->values[rng_below(rng, t->len)];
    for (uint32_t i = from; i < t->len && !want; i += skip + 1)
        if (slice_equal(t->values[i], value))
            want = packed_seek(p, i);
    assert_int_equal(packed_find(p, packed_seek(p, from), value, skip), want);
}

static unsigned char *grow_step(unsigned char *p, struct twin *t, struct rng *rng,
                                struct slice value)
{
    uint32_t index = (uint32_t)rng_below(rng, t->len + 1);
    switch (rng_below(rng, 5)) {
    case 0:
        twin_insert(t, 0, value);
        return packed_insert(p, packed_first(p) ? packed_first(p) : packed_bytes(p) - 1, value);
    case 1:
        twin_insert(t, t->len, value);
        return packed_append(p, value);
    case 2: {
        int64_t num = model_number(rng);
        char text[NUM_INT64_MAX_LEN];
        twin_insert(t, t->len, slice_make(text, num_format_int64(text, num)));
        return packed_append_int(p, num);
    }
    case 3:
        if (index > 0) {
            twin_insert(t, index, value);
            return packed_insert_after(p, packed_seek(p, index - 1), value);
        } /* fall through */
    default:
        twin_insert(t, index, value);
        return packed_insert(p, index + 1 == t->len ? packed_bytes(p) - 1 : packed_seek(p, index),
                             value);
    }
}

static unsigned char *change_step(unsigned char *p, struct twin *t, struct rng *rng,
                                  struct slice value)
{
    uint32_t index = (uint32_t)rng_below(rng, t->len);
    int64_t signed_index = rng_below(rng, 2) ? (int64_t)index : (int64_t)index - t->len;
    uint32_t at = packed_seek(p, signed_index), count = (uint32_t)rng_below(rng, 4);
    switch (rng_below(rng, 4)) {
    case 0:
        twin_delete(t, index, 1);
        twin_insert(t, index, value);
        return packed_replace(p, at, value);
    case 1:
        twin_delete(t, index, MIN(count, t->len - index));
        return packed_delete_range(p, signed_index, count);
    default:
        twin_delete(t, index, 1);
        p = packed_delete(p, &at);
        assert_int_equal(at, packed_seek(p, index));
        return p;
    }
}

static void agrees_with_a_plain_array(void **state)
{
    (void)state;
    static struct twin twin;
    static char text[MODEL_TEXT_MAX];
    struct rng rng;
    unsigned char *p = packed_create();
    rng_seed(&rng, 1);
    for (long op = 0, ops = model_ops(); op < ops; op++) {
        struct slice value = model_value(&rng, text, op / 1000 % 8 ? 200 : MODEL_TEXT_MAX);
        unsigned target = op / 2000 % 10 == 0 ? TWIN_MAX - 1 : 12;
        bool grow = twin.len == 0 || rng_below(&rng, target * 2) >= twin.len;
        p = grow && twin.len < TWIN_MAX ? grow_step(p, &twin, &rng, value)
                                        : change_step(p, &twin, &rng, value);
        check_find(p, &twin, &rng, value);
        if (op % 101 == 0)
            check(p, &twin);
    }
    check(p, &twin);
    unsigned char *copy = packed_dup(p);
    assert_memory_equal(copy, p, packed_bytes(p));
    packed_free(copy);
    packed_free(p);
    packed_free(NULL);
    twin_delete(&twin, 0, twin.len);
    assert_int_equal(mem_used(MEM_DATA), 0);
}

/* The bytes that redis-server 7.0.15 made of the same values (DUMP of a list, decompressed). */
static void layout_is_that_of_redis(void **state)
{
    (void)state;
    static const char *const values[] = {"1",  "-1",    "4095",     "-4096",      "4096",
                                         "a",  "32767", "-8388608", "2147483647", "1099511627776",
                                         "007"};
    static const unsigned char want[] = {
        0x80, 0x00, 0x00, 0x00, 0x0C, 0x00, 0x01, 0x01, 0xDF, 0xFF, 0x02, 0xCF, 0xFF, 0x02,
        0xD0, 0x00, 0x02, 0xF1, 0x00, 0x10, 0x03, 0x81, 0x61, 0x02, 0xF1, 0xFF, 0x7F, 0x03,
        0xF2, 0x00, 0x00, 0x80, 0x04, 0xF3, 0xFF, 0xFF, 0xFF, 0x7F, 0x05, 0xF4, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x09, 0x83, 0x30, 0x30, 0x37, 0x04, 0xE0, 0x46};
    char text[70];
    memset(text, 'x', sizeof(text));
    unsigned char *p = packed_create();
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        p = packed_append(p, slice_cstr(values[i]));
    p = packed_append(p, slice_make(text, sizeof(text)));
    assert_int_equal(packed_bytes(p), 128);
    assert_memory_equal(p, want, sizeof(want));
    assert_memory_equal(p + sizeof(want), text, sizeof(text));
    assert_int_equal(p[126], 72);
    assert_int_equal(p[127], 0xFF);
    packed_free(p);
}

/* The sizes at which the back length and the string header grow. */
static void every_size_reads_back(void **state)
{
    (void)state;
    static const uint32_t bodies[][2] = {{127, 1},     {128, 2},     {16382, 2},   {16383, 3},
                                         {16384, 3},   {2097150, 3}, {2097151, 4}, {2097152, 4},
                                         {1 << 24, 4}, {1 << 28, 5}};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        uint32_t body = bodies[i][0], head = body < 66 ? 1 : body < 4098 ? 2 : 5;
        char *text = malloc(body);
        memset(text, 'x', body);
        unsigned char *p = packed_append(packed_create(), SLICE("left"));
        p = packed_append(p, slice_make(text, body - head));
        p = packed_append(p, SLICE("right"));
        assert_int_equal(packed_bytes(p), 7 + 6 + 7 + body + bodies[i][1]);
        assert_true(packed_validate(p, packed_bytes(p)));
        uint32_t at = packed_prev(p, packed_last(p));
        assert_int_equal(at, packed_next(p, packed_first(p)));
        assert_int_equal(packed_get(p, at).len, body - head);
        packed_free(p);
        free(text);
    }
}

static void counts_beyond_the_header(void **state)
{
    (void)state;
    unsigned char *p = packed_create();
    for (int i = 0; i < 70000; i++)
        p = packed_append_int(p, i % 100);
    assert_int_equal(le_load16(p + 4), PACKED_COUNT_UNKNOWN);
    assert_int_equal(packed_len(p), 70000);
    assert_true(packed_validate(p, packed_bytes(p)));
    assert_int_equal(packed_seek(p, 69999), packed_last(p));
    assert_int_equal(packed_seek(p, -70000), packed_first(p));
    assert_int_equal(packed_seek(p, 70000), 0);
    assert_int_equal(packed_seek(p, -70001), 0);
    p = packed_delete_range(p, -20000, 30000);
    assert_int_equal(packed_len(p), 50000);
    packed_free(p);
}

static void limits(void **state)
{
    (void)state;
    unsigned char *p = packed_create();
    assert_int_equal(packed_first(p), 0);
    assert_int_equal(packed_last(p), 0);
    assert_true(packed_can_add(NULL, 1 << 30));
    assert_false(packed_can_add(NULL, (1 << 30) + 1));
    assert_false(packed_can_add(p, 1 << 30));
    assert_false(packed_can_add(p, SIZE_MAX));
    packed_free(p);
}

/* Foreign data may hold digits as text and integers in long forms. */
static void finds_across_forms(void **state)
{
    (void)state;
    static const unsigned char foreign[] = {28,   0,   0,   0,   3,   0, 0x82, '1', '2', 3,
                                            0xF3, 12,  0,   0,   0,   5, 0xF0, 4,   0,   0,
                                            0,    'a', 'b', 'c', 'd', 9, 0xFF, 0};
    unsigned char bytes[sizeof(foreign) - 1];
    memcpy(bytes, foreign, sizeof(bytes));
    bytes[0] = sizeof(bytes);
    assert_true(packed_validate(bytes, sizeof(bytes)));
    assert_int_equal(packed_find(bytes, 6, SLICE("12"), 0), 6);
    assert_int_equal(packed_find(bytes, 10, SLICE("12"), 0), 10);
    assert_int_equal(packed_find(bytes, 6, SLICE("abcd"), 1), 16);
    assert_int_equal(packed_find(bytes, 6, SLICE("abcd"), 2), 0);
    assert_int_equal(packed_find(bytes, 6, SLICE("012"), 0), 0);
}

/* Cut at any place and closed again: only cuts between entries may pass. Exact allocations let a
 * sanitizer see a read beyond the end. */
static void cuts_are_refused(void **state)
{
    (void)state;
    static char text[5000];
    memset(text, 'x', sizeof(text));
    unsigned char *p = packed_create();
    for (size_t len = 100; len <= sizeof(text); len *= 7)
        p = packed_append(packed_append_int(p, INT32_MAX), slice_make(text, len));
    for (uint32_t len = 0, border = packed_first(p), count = 0; len < packed_bytes(p); len++) {
        unsigned char *cut = memcpy(malloc(len + 1), p, len);
        cut[len] = PACKED_END;
        bool whole = len == border;
        if (len >= PACKED_HEADER) {
            le_store32(cut, len + 1);
            le_store16(cut + 4, whole ? (uint16_t)count : PACKED_COUNT_UNKNOWN);
        }
        assert_int_equal(packed_validate(cut, len + 1), whole);
        if (whole) {
            le_store16(cut + 4, (uint16_t)(count + 1));
            assert_false(packed_validate(cut, len + 1));
            border += packed_entry_size(p + border);
            count++;
        }
        free(cut);
    }
    packed_free(p);
}

/* Whatever validate accepts must be walkable; whatever it reads must lie within the given bytes. */
static void damage_is_refused_or_harmless(void **state)
{
    (void)state;
    static char text[MODEL_TEXT_MAX];
    struct rng rng;
    rng_seed(&rng, 5);
    for (long round = 0, rounds = model_ops() / 10; round < rounds; round++) {
        unsigned char *p = packed_create();
        for (uint64_t n = rng_below(&rng, 6); n > 0; n--)
            p = packed_append(p, model_value(&rng, text, 300));
        size_t len = packed_bytes(p), keep = rng_below(&rng, 4) ? len : rng_below(&rng, len + 1);
        unsigned char *bytes = malloc(keep ? keep : 1);
        memcpy(bytes, p, keep);
        if (keep == len)
            bytes[rng_below(&rng, keep)] ^= (unsigned char)(1 << rng_below(&rng, 8));
        else
            assert_false(packed_validate(bytes, keep));
        if (keep >= PACKED_EMPTY && rng_below(&rng, 2))
            le_store32(bytes, (uint32_t)keep);
        if (packed_validate(bytes, keep)) {
            uint32_t count = 0, back = 0;
            packed_foreach(bytes, at) count += packed_get(bytes, at).len <= keep;
            for (uint32_t at = packed_last(bytes); at; at = packed_prev(bytes, at))
                back++;
            assert_int_equal(count, back);
        }
        free(bytes);
        packed_free(p);
    }
}

static void bench(void **state)
{
    (void)state;

    enum {
        N = 128,
        ROUNDS = 20000
    };

    if (!model_bench())
        return; /* cmocka reports a skipped test as failed in TAP */
    char text[32];
    double start = model_now_ns();
    unsigned char *p = NULL;
    for (int round = 0; round < ROUNDS / 10; round++) {
        packed_free(p);
        p = packed_create();
        for (int i = 0; i < N; i++)
            p = packed_append(p, slice_make(text, (size_t)snprintf(text, 32, "member:%09d", i)));
    }
    double built = model_now_ns();
    long sum = 0;
    for (int round = 0; round < ROUNDS; round++)
        sum += packed_find(p, packed_first(p), slice_make(text, 16), 0);
    assert_int_equal(sum, (long)ROUNDS * packed_last(p));
    print_message("# packed of 128: append %.0f ns with its formatting, find the last %.0f ns\n",
                  (built - start) / (ROUNDS / 10.0 * N), (model_now_ns() - built) / ROUNDS);
    packed_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_plain_array),
        cmocka_unit_test(layout_is_that_of_redis),
        cmocka_unit_test(every_size_reads_back),
        cmocka_unit_test(counts_beyond_the_header),
        cmocka_unit_test(limits),
        cmocka_unit_test(finds_across_forms),
        cmocka_unit_test(cuts_are_refused),
        cmocka_unit_test(damage_is_refused_or_harmless),
        cmocka_unit_test(bench),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
