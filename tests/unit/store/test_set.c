/* Sets against a naive twin: which words of a fixed universe are in. */
#include "store/keyspace.h"
#include "store/set.h"
#include "store/set_ops.h"
#include "store/settings.h"

#include "../ds/model.h"

enum {
    WORDS = 900,
    NUMBERS = 600,
    LONGEST = 700
};

static char word_bytes[WORDS][LONGEST];
static struct slice words[WORDS]; /* first NUMBERS of them are integers */

struct twin {
    bool in[WORDS];
    uint64_t len;
};

static void limits(size_t intset, size_t packed, size_t value)
{
    store_settings.set_max_intset_entries = intset;
    store_settings.set_max_listpack_entries = packed;
    store_settings.set_max_listpack_value = value;
}

static int make_words(void **state)
{
    static const int64_t edges[] = {INT64_MIN, INT64_MAX, INT32_MIN, INT32_MAX, INT16_MIN, -1};
    hash_seed("0123456789abcdef");
    for (int i = 0; i < WORDS; i++) {
        size_t len;
        if (i < NUMBERS) {
            int64_t value =
                i < (int)ARRAY_LEN(edges) ? edges[i] : (int64_t)i * i * (i % 7 ? 1 : 99991);
            len = num_format_int64(word_bytes[i], value);
        } else {
            len = i == WORDS - 1 ? 0
                  : i % 37 == 0  ? 200 + (size_t)(i % 5) * 100
                                 : 4 + (size_t)i % 40;
            memset(word_bytes[i], 'x', len);
            if (len)
                num_format_int64(word_bytes[i], i);
        }
        words[i] = slice_make(word_bytes[i], len);
    }
    return 0;
}

static int word_index(struct slice text)
{
    for (int i = 0; i < WORDS; i++)
        if (slice_equal(words[i], text))
            return i;
    return -1;
}

static bool add(struct set *s, int word)
{
    struct set_member m;
    set_member_init(&m, words[word]);
    return set_add(s, &m);
}

static bool drop(struct set *s, int word)
{
    struct set_member m;
    set_member_init(&m, words[word]);
    return set_remove(s, &m);
}

static bool contains(const struct set *s, int word)
{
    struct set_member m;
    set_member_init(&m, words[word]);
    return set_contains(s, &m);
}

static struct set make(int from, int to)
{
    struct set s = set_create_as(ENC_INTSET);
    for (int i = from; i < to; i++)
        add(&s, i);
    return s;
}

/* Marks each member that it is shown; none may come twice. */
static void mark(void *arg, struct set_member *m)
{
    struct twin *seen = arg;
    int word = word_index(set_member_text(m));
    assert_true(word >= 0 && !seen->in[word]);
    seen->in[word] = true;
    seen->len++;
}

static void walk(const struct set *s, struct twin *out)
{
    struct set_iter it;
    struct set_member m;
    memset(out, 0, sizeof(*out));
    set_iter_init(&it, s);
    while (set_iter_next(&it, &m))
        mark(out, &m);
}

static void mark_visited(void *arg, struct slice element, struct slice value)
{
    struct set_member m;
    assert_int_equal(value.len, 0);
    set_member_init(&m, element);
    mark(arg, &m);
}

static void same(const struct twin *a, const struct twin *b)
{
    assert_int_equal(a->len, b->len);
    assert_memory_equal(a->in, b->in, sizeof(a->in));
}

static void check(const struct set *s, const struct twin *twin)
{
    struct twin seen;
    walk(s, &seen);
    same(&seen, twin);
    assert_int_equal(set_len(s), twin->len);
    memset(&seen, 0, sizeof(seen));
    set_value_ops.visit(s->encoding, s->root, mark_visited, &seen);
    same(&seen, twin);
    size_t bytes = set_value_ops.bytes(s->encoding, s->root, 0);
    if (s->encoding == ENC_TABLE) /* children of buckets are estimated */
        assert_in_range(mem_used(MEM_DATA), bytes * 70 / 100, bytes * 130 / 100);
    else
        assert_int_equal(mem_used(MEM_DATA), bytes);
}

static void agrees_with_a_plain_array(void **state)
{
    struct rng rng;
    struct twin twin = {0};
    struct set s = set_create_as(ENC_INTSET);
    int seen_encodings = 0;
    rng_seed(&rng, 1);
    for (long op = 0, ops = model_ops(); op < ops; op++) {
        if (op % 4000 == 0) {
            size_t packed = rng_below(&rng, 200), wide = 8 + rng_below(&rng, 300);
            set_destroy(s);
            limits(rng_below(&rng, 300), packed, wide);
            s = set_create_as(rng_below(&rng, 2) ? ENC_INTSET : ENC_PACKED);
            memset(&twin, 0, sizeof(twin));
        }
        bool growing = op % 4000 < 2500;
        int word = (int)rng_below(&rng, op % 4000 < 500 ? NUMBERS : WORDS);
        assert_int_equal(contains(&s, word), twin.in[word]);
        if (rng_below(&rng, 100) < (growing ? 70u : 30u)) {
            assert_int_equal(add(&s, word), !twin.in[word]);
            twin.len += !twin.in[word];
            twin.in[word] = true;
        } else {
            assert_int_equal(drop(&s, word), twin.in[word]);
            twin.len -= twin.in[word];
            twin.in[word] = false;
        }
        seen_encodings |= 1 << s.encoding;
        if (op % 997 == 0)
            check(&s, &twin);
    }
    assert_int_equal(seen_encodings, 1 << ENC_INTSET | 1 << ENC_PACKED | 1 << ENC_TABLE);
    set_destroy(s);
    assert_int_equal(mem_used(MEM_DATA), 0);
}

static enum encoding encoding_of(int from, int to)
{
    struct set s = make(from, to);
    set_destroy(s);
    return s.encoding;
}

static void converts_as_redis_does(void **state)
{
    limits(512, 128, 64);
    assert_int_equal(encoding_of(0, 512), ENC_INTSET);
    assert_int_equal(encoding_of(0, 513), ENC_TABLE); /* never packed from too many integers */
    assert_int_equal(encoding_of(NUMBERS - 127, NUMBERS + 1), ENC_PACKED);
    assert_int_equal(encoding_of(NUMBERS - 128, NUMBERS + 1), ENC_TABLE);
    assert_int_equal(encoding_of(600, 628), ENC_PACKED);
    assert_int_equal(encoding_of(600, 630), ENC_TABLE); /* word 629 has 629 % 37 == 0: long */
    limits(512, 128, 3);
    assert_int_equal(encoding_of(NUMBERS - 10, NUMBERS + 1), ENC_TABLE); /* numbers too wide */
}

static void the_first_member_and_the_count_choose(void **state)
{
    struct {
        int word;
        size_t count;
        enum encoding encoding;
    } rows[] = {
        {10, 512, ENC_INTSET}, {10, 513, ENC_TABLE}, {700, 128, ENC_PACKED},
        {700, 129, ENC_TABLE}, {10, 1, ENC_INTSET},
    };

    limits(512, 128, 64);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct set_member m;
        set_member_init(&m, words[rows[i].word]);
        struct set s = set_create(&m, rows[i].count);
        assert_int_equal(s.encoding, rows[i].encoding);
        set_destroy(s);
    }
    struct set s = make(0, 3);
    set_expect(&s, 512);
    assert_int_equal(s.encoding, ENC_INTSET);
    set_expect(&s, 513);
    assert_int_equal(s.encoding, ENC_TABLE);
    assert_int_equal(set_len(&s), 3);
    set_destroy(s);
}

static void copies_are_equal_and_apart(void **state)
{
    limits(512, 128, 64);
    int ranges[][2] = {{0, 100}, {610, 620}, {0, WORDS}};
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        struct set s = make(ranges[i][0], ranges[i][1]);
        struct set copy = {s.encoding, set_value_ops.copy(s.encoding, s.root)};
        struct twin before, after;
        walk(&s, &before);
        drop(&s, ranges[i][0]);
        walk(&copy, &after);
        same(&before, &after);
        assert_int_equal(set_value_ops.effort(copy.encoding, copy.root),
                         copy.encoding == ENC_TABLE ? WORDS : 1);
        set_destroy(s);
        set_destroy(copy);
    }
}

static void mark_again(void *arg, struct set_member *m)
{
    struct twin *seen = arg;
    int word = word_index(set_member_text(m));
    assert_true(word >= 0);
    seen->len += !seen->in[word];
    seen->in[word] = true;
}

static void a_scan_sees_what_stays(void **state)
{
    limits(512, 128, 64);
    struct set s = make(0, WORDS);
    struct twin seen = {0};
    uint64_t cursor = 0;
    int calls = 0;
    do {
        uint64_t next = set_scan(&s, cursor, 10, NULL, NULL);
        assert_int_equal(set_scan(&s, cursor, 10, mark_again, &seen), next);
        cursor = next;
        drop(&s, 100 + calls++); /* the table shrinks under the scan */
    } while (cursor);
    for (int i = 0; i < WORDS; i++)
        assert_true(seen.in[i] || (i >= 100 && i < 100 + calls));
    assert_true(calls > 20 && calls <= WORDS / 10 + 1);
    set_destroy(s);
    s = make(0, 100);
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(set_scan(&s, 0, 10, mark, &seen), 0); /* an intset comes whole */
    assert_int_equal(seen.len, 100);
    set_destroy(s);
}

/* ---- chance ---- */

/* Chi square of `counts` against equal shares, within five standard deviations of its mean. Draws
 * without replacement that leave only the share `left` out vary by so much less. */
static void assert_uniform(const unsigned *counts, unsigned cells, unsigned total, double left)
{
    double expected = (double)total / cells, chi = 0;
    for (unsigned i = 0; i < cells; i++)
        chi += (counts[i] - expected) * (counts[i] - expected) / expected / left;
    double mean = cells - 1, spread = (chi - mean) * (chi - mean) / (2 * mean);
    assert_true(spread < 25);
}

static void random_members_are_uniform(void **state)
{
    enum {
        DRAWS = 400000
    };

    int ranges[][2] = {{0, 400}, {650, 660}, {0, WORDS}};
    struct rng rng;
    limits(512, 128, 64);
    rng_seed(&rng, 7);
    for (size_t r = 0; r < ARRAY_LEN(ranges); r++) {
        static unsigned counts[WORDS];
        struct set s = make(ranges[r][0], ranges[r][1]);
        memset(counts, 0, sizeof(counts));
        for (int i = 0; i < DRAWS / 20; i++) {
            struct set_member m;
            set_random(&s, &rng, &m);
            counts[word_index(set_member_text(&m)) - ranges[r][0]]++;
        }
        assert_uniform(counts, (unsigned)(ranges[r][1] - ranges[r][0]), DRAWS / 20, 1);
        set_destroy(s);
    }
}

static void samples_are_different_and_uniform(void **state)
{
    int ranges[][2] = {{0, 100}, {640, 660}, {0, WORDS}};
    struct rng rng;
    limits(512, 128, 64);
    rng_seed(&rng, 9);
    for (size_t r = 0; r < ARRAY_LEN(ranges); r++) {
        static unsigned counts[WORDS];
        struct set s = make(ranges[r][0], ranges[r][1]);
        uint64_t len = set_len(&s), sizes[] = {1, len / 10, len / 2, len - 1};
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            unsigned rounds = (unsigned)(len * 20 / sizes[i]);
            memset(counts, 0, sizeof(counts));
            for (unsigned round = 0; round < rounds; round++) {
                struct twin seen = {0};
                set_sample(&s, &rng, sizes[i], mark, &seen);
                assert_int_equal(seen.len, sizes[i]);
                for (int w = 0; w < WORDS; w++)
                    counts[w] += seen.in[w];
            }
            assert_uniform(counts + ranges[r][0], (unsigned)len, rounds * (unsigned)sizes[i],
                           1 - (double)sizes[i] / (double)len);
        }
        set_destroy(s);
    }
}

/* What was popped and what stayed are the set, whatever the way. */
static void pops_split_the_set(void **state)
{
    struct {
        int from, to;
        uint64_t count;
        enum encoding after;
    } rows[] = {
        {0, 100, 1, ENC_INTSET},    {0, 100, 50, ENC_INTSET},  {0, 100, 99, ENC_INTSET},
        {650, 660, 1, ENC_PACKED},  {650, 660, 9, ENC_PACKED}, {0, WORDS, 1, ENC_TABLE},
        {0, WORDS, 700, ENC_TABLE}, {0, 590, 580, ENC_PACKED}, {0, WORDS, WORDS - 150, ENC_TABLE},
    };
    struct rng rng;
    limits(512, 128, 64);
    rng_seed(&rng, 3);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct set s = make(rows[i].from, rows[i].to), rest;
        struct twin popped = {0}, left;
        set_pop(&s, &rng, rows[i].count, mark, &popped, &rest);
        if (rest.root)
            set_destroy(rest);
        walk(&s, &left);
        assert_int_equal(s.encoding, rows[i].after);
        assert_int_equal(popped.len, rows[i].count);
        for (int w = 0; w < WORDS; w++)
            assert_int_equal(popped.in[w] + left.in[w], w >= rows[i].from && w < rows[i].to);
        set_destroy(s);
    }
    assert_int_equal(mem_used(MEM_DATA), 0);
}

/* ---- operations ---- */

struct operands {
    struct set sets[6];
    struct twin twins[6];
    uint32_t count;
};

static void draw_operands(struct operands *o, struct rng *rng)
{
    o->count = 1 + (uint32_t)rng_below(rng, 6);
    for (uint32_t i = 0; i < o->count; i++) {
        uint64_t kind = rng_below(rng, 8), size = 1 + rng_below(rng, kind < 3 ? 20 : 600);
        memset(&o->twins[i], 0, sizeof(o->twins[i]));
        if (kind == 7) {
            o->sets[i] = (struct set){ENC_INTSET, NULL};
            continue;
        }
        o->sets[i] = set_create_as(ENC_INTSET);
        while (size--) {
            int word = (int)rng_below(rng, kind % 2 ? NUMBERS : WORDS);
            o->twins[i].len += add(&o->sets[i], word);
            o->twins[i].in[word] = true;
        }
    }
}

static void expect(const struct operands *o, int op, struct twin *out)
{
    out->len = 0;
    for (int w = 0; w < WORDS; w++) {
        uint32_t holders = 0;
        for (uint32_t i = 0; i < o->count; i++)
            holders += o->twins[i].in[w];
        out->in[w] = op == 0   ? holders == o->count
                     : op == 1 ? holders > 0
                               : o->twins[0].in[w] && holders == 1;
        out->len += out->in[w];
    }
}

static uint64_t show(struct set *sets, uint32_t count, int op, struct twin *seen)
{
    if (op == 0)
        return set_intersect(sets, count, 0, mark, seen);
    return op == 1 ? set_unite(sets, count, mark, seen) : set_subtract(sets, count, mark, seen);
}

static void check_operation(const struct operands *o, int op)
{
    struct set sets[6], result;
    struct twin expected, seen = {0};
    expect(o, op, &expected);
    memcpy(sets, o->sets, sizeof(sets));
    assert_int_equal(show(sets, o->count, op, &seen), expected.len);
    same(&seen, &expected);
    memcpy(sets, o->sets, sizeof(sets));
    result = op == 0   ? set_intersection(sets, o->count)
             : op == 1 ? set_union(sets, o->count)
                       : set_difference(sets, o->count);
    walk(&result, &seen);
    same(&seen, &expected);
    set_destroy(result);
}

static void operations_agree_with_the_twin(void **state)
{
    struct rng rng;
    limits(512, 128, 64);
    rng_seed(&rng, 11);
    for (int round = 0; round < 600; round++) {
        struct operands o;
        draw_operands(&o, &rng);
        for (int op = 0; op < 3; op++)
            check_operation(&o, op);
        for (uint32_t i = 0; i < o.count; i++)
            if (o.sets[i].root)
                set_destroy(o.sets[i]);
    }
    assert_int_equal(mem_used(MEM_DATA), 0);
}

static void an_operand_may_stand_twice(void **state)
{
    limits(512, 128, 64);
    struct set a = make(0, WORDS), b = make(650, 660), sets[3] = {a, b, a};
    struct twin seen = {0};
    assert_int_equal(set_subtract(sets, 3, mark, &seen), 0);
    sets[0] = a, sets[1] = b, sets[2] = a;
    assert_int_equal(set_intersect(sets, 3, 0, mark, &seen), 10);
    sets[0] = a, sets[1] = b, sets[2] = a;
    assert_int_equal(set_intersect(sets, 3, 4, NULL, NULL), 4);
    set_destroy(a);
    set_destroy(b);
}

static void results_choose_their_encoding(void **state)
{
    limits(512, 128, 64);
    struct set big = make(0, WORDS), ints = make(0, 300), few = make(650, 660), sets[2];

    struct {
        struct set a, b;
        int op;
        enum encoding encoding;
    } rows[] = {
        {big, ints, 0, ENC_INTSET},  {big, few, 0, ENC_PACKED}, {big, big, 0, ENC_TABLE},
        {ints, ints, 1, ENC_INTSET}, {ints, few, 1, ENC_TABLE}, {few, few, 1, ENC_PACKED},
        {few, big, 2, ENC_INTSET},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        sets[0] = rows[i].a, sets[1] = rows[i].b;
        struct set result = rows[i].op == 0   ? set_intersection(sets, 2)
                            : rows[i].op == 1 ? set_union(sets, 2)
                                              : set_difference(sets, 2);
        assert_int_equal(result.encoding, rows[i].encoding);
        set_destroy(result);
    }
    set_destroy(big);
    set_destroy(ints);
    set_destroy(few);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_plain_array),
        cmocka_unit_test(converts_as_redis_does),
        cmocka_unit_test(the_first_member_and_the_count_choose),
        cmocka_unit_test(copies_are_equal_and_apart),
        cmocka_unit_test(a_scan_sees_what_stays),
        cmocka_unit_test(random_members_are_uniform),
        cmocka_unit_test(samples_are_different_and_uniform),
        cmocka_unit_test(pops_split_the_set),
        cmocka_unit_test(operations_agree_with_the_twin),
        cmocka_unit_test(an_operand_may_stand_twice),
        cmocka_unit_test(results_choose_their_encoding),
    };
    return cmocka_run_group_tests(tests, make_words, NULL);
}
