/* Sorted sets against a naive twin: a sorted array of the words of a fixed universe that are in. */
#include "store/settings.h"
#include "store/zset.h"
#include "store/zset_ops.h"

#include <math.h>

#include "../ds/model.h"

enum {
    WORDS = 700,
    LONGEST = 400
};

static char word_bytes[WORDS][LONGEST];
static struct slice words[WORDS];

struct twin {
    bool in[WORDS];
    double score[WORDS];
    int order[WORDS]; /* word numbers by (score, text) */
    size_t len;
};

static void limits(size_t entries, size_t value)
{
    store_settings.zset_max_listpack_entries = entries;
    store_settings.zset_max_listpack_value = value;
}

static int make_words(void **state)
{
    hash_seed("0123456789abcdef");
    for (int i = 0; i < WORDS; i++) {
        size_t len = i == 0 ? 0 : i % 41 == 0 ? 260 : 3 + (size_t)i % 20;
        memset(word_bytes[i], i % 3 ? 'x' : '7', len);
        if (len)
            len = MAX(len, num_format_int64(word_bytes[i], i % 2 ? i : -i));
        if (i % 5 == 1)
            len = num_format_int64(word_bytes[i], i); /* some are integers in the packed form */
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

/* ---- the twin ---- */

static bool twin_less(const struct twin *t, int a, int b)
{
    if (t->score[a] != t->score[b])
        return t->score[a] < t->score[b];
    return slice_compare(words[a], words[b]) < 0;
}

static size_t twin_rank(const struct twin *t, int word)
{
    size_t rank = 0;
    while (t->order[rank] != word)
        rank++;
    return rank;
}

static void twin_remove_span(struct twin *t, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++)
        t->in[t->order[i]] = false;
    memmove(t->order + first, t->order + first + count,
            (t->len - first - count) * sizeof(t->order[0]));
    t->len -= count;
}

static void twin_put(struct twin *t, int word, double score)
{
    if (t->in[word])
        twin_remove_span(t, twin_rank(t, word), 1);
    t->score[word] = score;
    size_t at = 0;
    while (at < t->len && twin_less(t, t->order[at], word))
        at++;
    memmove(t->order + at + 1, t->order + at, (t->len - at) * sizeof(t->order[0]));
    t->order[at] = word;
    t->in[word] = true;
    t->len++;
}

/* ZADD's rules, spelled out once more. */
static enum zset_result twin_add(struct twin *t, int word, double *score, unsigned rules)
{
    double wanted = *score;
    if (!t->in[word]) {
        if (rules & ZSET_XX)
            return ZSET_REFUSED;
        twin_put(t, word, wanted);
        return ZSET_ADDED;
    }
    double current = t->score[word];
    if (rules & ZSET_NX)
        return ZSET_REFUSED;
    if (rules & ZSET_INCR)
        wanted = current + wanted;
    if (isnan(wanted))
        return ZSET_NAN;
    if (((rules & ZSET_GT) && !(wanted > current)) || ((rules & ZSET_LT) && !(wanted < current)))
        return ZSET_REFUSED;
    *score = wanted;
    if (wanted == current)
        return ZSET_SAME;
    twin_put(t, word, wanted);
    return ZSET_UPDATED;
}

/* ---- random operations ---- */

static double random_score(struct rng *rng)
{
    static const double special[] = {(double)INFINITY, -(double)INFINITY,  0.1, 1e300,
                                     -1e-300,          9007199254740993.0, 3.5, -2.25};
    switch (rng_below(rng, 4)) {
    case 0:
        return special[rng_below(rng, ARRAY_LEN(special))];
    case 1:
        return rng_double(rng) * 100 - 50;
    default:
        return (double)rng_below(rng, 20) - 10;
    }
}

static void check_same(const struct zset *z, const struct twin *t, bool reverse)
{
    struct zset_iter it;
    struct zset_item item;
    size_t i = 0;
    assert_int_equal(zset_len(z), t->len);
    zset_iter_init(&it, z, zset_all(z), reverse);
    for (; zset_iter_next(&it, &item); i++) {
        int word = t->order[reverse ? t->len - 1 - i : i];
        assert_true(slice_equal(item.member, words[word]));
        assert_true(item.score == t->score[word]);
    }
    assert_int_equal(i, t->len);
}

static void check_member(const struct zset *z, const struct twin *t, int word)
{
    double score = -77, score2 = -77;
    size_t rank = 0;
    assert_int_equal(zset_score(z, words[word], &score), t->in[word]);
    assert_int_equal(zset_rank(z, words[word], &rank, &score2), t->in[word]);
    if (!t->in[word])
        return;
    assert_true(score == t->score[word] && score2 == score);
    assert_int_equal(rank, twin_rank(t, word));
}

static void random_add(struct zset *z, struct twin *t, struct rng *rng, int word)
{
    static const unsigned rules[] = {0,
                                     0,
                                     0,
                                     0,
                                     ZSET_NX,
                                     ZSET_XX,
                                     ZSET_GT,
                                     ZSET_LT | ZSET_XX,
                                     ZSET_INCR,
                                     ZSET_INCR | ZSET_GT,
                                     ZSET_INCR | ZSET_NX};
    unsigned rule = rules[rng_below(rng, ARRAY_LEN(rules))];
    double score = random_score(rng), expected = score;
    enum zset_result theirs = twin_add(t, word, &expected, rule);
    assert_int_equal(zset_add(z, words[word], &score, rule), theirs);
    assert_true(score == expected);
}

static bool score_in(const struct zset_range *r, double score)
{
    bool low = r->score.min_exclusive ? score > r->score.min : score >= r->score.min;
    bool high = r->score.max_exclusive ? score < r->score.max : score <= r->score.max;
    return low && high;
}

static struct zset_span random_score_span(const struct zset *z, const struct twin *t,
                                          struct rng *rng)
{
    struct zset_range r = {
        .by = ZSET_BY_SCORE,
        .score = {random_score(rng), random_score(rng), rng_below(rng, 2), rng_below(rng, 2)}};
    struct zset_span span = zset_span(z, &r, false);
    size_t count = 0;
    for (size_t i = 0; i < t->len; i++)
        count += score_in(&r, t->score[t->order[i]]);
    assert_int_equal(span.count, count);
    for (size_t i = 0; i < span.count; i++)
        assert_true(score_in(&r, t->score[t->order[span.first + i]]));
    return span;
}

static void random_step(struct zset *z, struct twin *t, struct rng *rng)
{
    int word = (int)rng_below(rng, WORDS);
    switch (rng_below(rng, 16)) {
    case 0: {
        bool was = t->in[word];
        if (was)
            twin_remove_span(t, twin_rank(t, word), 1);
        assert_int_equal(zset_remove(z, words[word]), was);
        return;
    }
    case 1:
        check_member(z, t, word);
        return;
    case 2: {
        struct zset_span span = random_score_span(z, t, rng);
        if (rng_below(rng, 40) || !span.count)
            return;
        span.count = MIN(span.count, (size_t)60);
        zset_remove_span(z, span);
        twin_remove_span(t, span.first, span.count);
        return;
    }
    default:
        random_add(z, t, rng, word);
    }
}

static void run_model(size_t entries, enum encoding end, uint64_t seed, long ops)
{
    static struct twin t;
    struct rng rng;
    t = (struct twin){.len = 0};
    limits(entries, LONGEST);
    rng_seed(&rng, seed);
    struct zset z = zset_create(1, 1);
    for (long i = 0; i < ops; i++) {
        random_step(&z, &t, &rng);
        if (i % 512 == 0)
            check_same(&z, &t, i & 512);
    }
    check_same(&z, &t, false);
    assert_int_equal(z.encoding, end);
    zset_destroy(&z);
}

static void test_model(void **state)
{
    long ops = model_ops();
    run_model(0, ENC_TREE, 1, ops / 4);
    run_model(128, ENC_TREE, 2, ops / 8);
    run_model(100000, ENC_PACKED, 3, ops / 50);
}

/* ---- encodings ---- */

static void test_encoding(void **state)
{
    double score = 1;
    limits(4, 8);
    struct zset z = zset_create(5, 1);
    assert_int_equal(z.encoding, ENC_TREE);
    zset_destroy(&z);
    z = zset_create(1, 8);
    assert_int_equal(z.encoding, ENC_PACKED);
    for (int i = 0; i < 4; i++)
        zset_add(&z, slice_make(&"abcd"[i], 1), &score, 0);
    assert_int_equal(z.encoding, ENC_PACKED);
    zset_add(&z, SLICE("e"), &score, ZSET_XX);
    assert_int_equal(z.encoding, ENC_PACKED);
    zset_add(&z, SLICE("e"), &score, 0);
    assert_int_equal(z.encoding, ENC_TREE);
    zset_remove(&z, SLICE("e"));
    assert_int_equal(z.encoding, ENC_TREE);
    zset_destroy(&z);

    z = zset_create(1, 8);
    zset_add(&z, SLICE("123456789"), &score, 0);
    assert_int_equal(z.encoding, ENC_TREE);
    zset_destroy(&z);

    z = zset_create(1, 8);
    zset_expect(&z, 4);
    assert_int_equal(z.encoding, ENC_PACKED);
    zset_expect(&z, 5);
    assert_int_equal(z.encoding, ENC_TREE);
    zset_destroy(&z);
}

/* ---- ranks and limits at the edges ---- */

static void expect_span(const struct zset *z, int64_t first, int64_t last, bool reverse,
                        size_t from, size_t count)
{
    struct zset_range r = {.by = ZSET_BY_RANK, .rank = {first, last}};
    struct zset_span span = zset_span(z, &r, reverse);
    assert_int_equal(span.count, count);
    if (count)
        assert_int_equal(span.first, from);
}

static void test_rank_edges(void **state)
{
    for (size_t entries = 0; entries <= 100; entries += 100) {
        limits(entries, 64);
        struct zset z = zset_create(1, 1);
        for (double i = 0; i < 10; i++)
            zset_insert(&z, slice_make(&"0123456789"[(int)i], 1), i);
        expect_span(&z, 0, -1, false, 0, 10);
        expect_span(&z, INT64_MIN, INT64_MAX, false, 0, 10);
        expect_span(&z, INT64_MIN, INT64_MIN, false, 0, 0);
        expect_span(&z, INT64_MAX, INT64_MAX, false, 0, 0);
        expect_span(&z, INT64_MAX, INT64_MIN, true, 0, 0);
        expect_span(&z, 0, 2, true, 7, 3);
        expect_span(&z, -3, -2, false, 7, 2);
        expect_span(&z, -3, -2, true, 1, 2);
        expect_span(&z, 9, 9, false, 9, 1);
        expect_span(&z, 10, 12, false, 0, 0);
        expect_span(&z, -11, 0, false, 0, 1);
        zset_destroy(&z);
    }
}

static void expect_limit(int64_t offset, int64_t count, bool reverse, size_t from, size_t left)
{
    struct zset_span span = zset_span_limit((struct zset_span){5, 10}, offset, count, reverse);
    assert_int_equal(span.count, left);
    if (left)
        assert_int_equal(span.first, from);
}

static void test_limit_edges(void **state)
{
    expect_limit(0, -1, false, 5, 10);
    expect_limit(0, 0, false, 5, 0);
    expect_limit(3, 2, false, 8, 2);
    expect_limit(3, 2, true, 10, 2);
    expect_limit(0, INT64_MIN, true, 5, 10);
    expect_limit(9, 5, false, 14, 1);
    expect_limit(9, 5, true, 5, 1);
    expect_limit(10, 1, false, 0, 0);
    expect_limit(-1, 1, false, 0, 0);
    expect_limit(INT64_MAX, INT64_MAX, true, 0, 0);
    expect_limit(INT64_MIN, -1, true, 0, 0);
}

/* ---- ranges by member ---- */

static void test_lex(void **state)
{
    static struct twin t;
    struct rng rng;
    rng_seed(&rng, 5);
    for (size_t entries = 0; entries <= 100000; entries += 100000) {
        limits(entries, 1000);
        t = (struct twin){.len = 0};
        struct zset z = zset_create(1, 1);
        for (int i = 0; i < WORDS; i += 2) {
            zset_insert(&z, words[i], 3);
            twin_put(&t, i, 3);
        }
        for (int round = 0; round < 2000; round++) {
            struct slice min = words[rng_below(&rng, WORDS)], max = words[rng_below(&rng, WORDS)];
            bool min_ex = rng_below(&rng, 2), max_ex = rng_below(&rng, 2);
            struct zset_range r = {
                .by = ZSET_BY_LEX,
                .lex = {{min, rng_below(&rng, 9) ? BOUND_TEXT : BOUND_LOWEST, min_ex},
                        {max, rng_below(&rng, 9) ? BOUND_TEXT : BOUND_HIGHEST, max_ex}}};
            size_t count = 0, first = t.len;
            for (size_t i = 0; i < t.len; i++) {
                int low = slice_compare(words[t.order[i]], min);
                int high = slice_compare(words[t.order[i]], max);
                bool in = (r.lex.min.kind == BOUND_LOWEST || low > 0 || (low == 0 && !min_ex)) &&
                          (r.lex.max.kind == BOUND_HIGHEST || high < 0 || (high == 0 && !max_ex));
                first = in && !count ? i : first;
                count += in;
            }
            struct zset_span span = zset_span(&z, &r, false);
            assert_int_equal(span.count, count);
            if (count)
                assert_int_equal(span.first, first);
        }
        zset_destroy(&z);
    }
}

/* ---- scan, random choice ---- */

struct seen {
    int times[WORDS];
    size_t total;
};

static void see(void *arg, const struct zset_item *item)
{
    struct seen *seen = arg;
    int word = word_index(item->member);
    assert_true(word >= 0);
    seen->times[word]++;
    seen->total++;
}

static struct zset every_word(size_t entries)
{
    limits(entries, 1000);
    struct zset z = zset_create(1, 1);
    for (int i = 0; i < WORDS; i++)
        zset_insert(&z, words[i], i % 17);
    return z;
}

static void test_scan(void **state)
{
    for (size_t entries = 0; entries <= 1000; entries += 1000) {
        struct seen seen = {0};
        struct zset z = every_word(entries);
        uint64_t cursor = 0;
        do {
            uint64_t next = zset_scan(&z, cursor, 5, NULL, NULL);
            cursor = zset_scan(&z, cursor, 5, see, &seen);
            assert_true(cursor == next);
        } while (cursor);
        for (int i = 0; i < WORDS; i++)
            assert_true(seen.times[i] >= 1);
        zset_destroy(&z);
    }
}

static void test_random(void **state)
{
    struct rng rng;
    rng_seed(&rng, 9);
    for (size_t entries = 0; entries <= 1000; entries += 1000) {
        struct zset z = every_word(entries);
        struct seen all = {0};
        for (size_t count = 0; count <= WORDS; count += count < 20 ? 1 : 40) {
            struct seen seen = {0};
            zset_sample(&z, &rng, count, see, &seen);
            assert_int_equal(seen.total, count);
            for (int i = 0; i < WORDS; i++)
                assert_true(seen.times[i] <= 1);
        }
        for (int round = 0; round < 7000; round++)
            zset_sample(&z, &rng, 20, see, &all); /* 200 times each */
        zset_random(&z, &rng, 140000, see, &all); /* 200 times each */
        for (int i = 0; i < WORDS; i++)
            assert_in_range(all.times[i], 250, 550);
        zset_destroy(&z);
    }
}

/* ---- the value type ---- */

static void visit_value(void *arg, struct slice member, struct slice score)
{
    struct twin *t = arg;
    double number;
    assert_true(num_parse_double(score, &number));
    twin_put(t, word_index(member), number);
}

static void test_value_ops(void **state)
{
    for (size_t entries = 0; entries <= 1000; entries += 1000) {
        static struct twin t;
        t = (struct twin){.len = 0};
        size_t before = mem_used(MEM_DATA);
        struct zset z = every_word(entries);
        size_t taken = mem_used(MEM_DATA) - before;
        struct zset copy = {z.encoding, {zset_value_ops.copy(z.encoding, z.root)}};
        zset_remove(&z, words[5]);
        zset_value_ops.visit(copy.encoding, copy.root, visit_value, &t);
        check_same(&copy, &t, false);
        assert_int_equal(t.len, WORDS);
        size_t bytes = zset_value_ops.bytes(copy.encoding, copy.root, 0);
        assert_in_range(bytes, taken * 8 / 10, taken * 12 / 10);
        assert_int_equal(zset_value_ops.effort(copy.encoding, copy.root), entries ? 1 : WORDS);
        zset_value_ops.destroy(copy.encoding, copy.root);
        zset_destroy(&z);
        assert_int_equal(mem_used(MEM_DATA), before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),      cmocka_unit_test(test_encoding),
        cmocka_unit_test(test_rank_edges), cmocka_unit_test(test_limit_edges),
        cmocka_unit_test(test_lex),        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_random),     cmocka_unit_test(test_value_ops),
    };
    return cmocka_run_group_tests(tests, make_words, NULL);
}
