/* Union, intersection and difference of sorted sets and sets against arrays of scores. */
#include "store/settings.h"
#include "store/zset_ops.h"

#include <math.h>

#include "../ds/model.h"

enum {
    WORDS = 300,
    SOURCES = 5
};

static char word_bytes[WORDS][8];
static struct slice words[WORDS];

struct twin {
    bool in[WORDS];
    double score[WORDS];
};

static int make_words(void **state)
{
    hash_seed("0123456789abcdef");
    for (int i = 0; i < WORDS; i++) {
        size_t len = num_format_int64(word_bytes[i], i);
        word_bytes[i][len] = 'w';
        words[i] = slice_make(word_bytes[i], len + (i % 3 != 0));
    }
    return 0;
}

static void fill_zset(struct zset_source *s, struct twin *t, struct rng *rng, unsigned one_in)
{
    s->type = TYPE_ZSET;
    s->zset = zset_create(1, 1);
    for (int i = 0; i < WORDS; i++) {
        if (rng_below(rng, one_in))
            continue;
        t->in[i] = true;
        t->score[i] = rng_below(rng, 30) ? (double)rng_below(rng, 9) - 4
                                         : (rng_below(rng, 2) ? 1 : -1) * (double)INFINITY;
        zset_insert(&s->zset, words[i], t->score[i]);
    }
}

static void fill_set(struct zset_source *s, struct twin *t, struct rng *rng, unsigned one_in)
{
    s->type = TYPE_SET;
    s->set = set_create_as(ENC_PACKED);
    for (int i = 0; i < WORDS; i++) {
        struct set_member m;
        if (rng_below(rng, one_in))
            continue;
        t->in[i] = true;
        t->score[i] = 1;
        set_member_init(&m, words[i]);
        set_add(&s->set, &m);
    }
}

static void make_sources(struct zset_source *s, struct twin *twins, size_t count, struct rng *rng)
{
    static const double weights[] = {1, 1, 2, -1, 0.5, 0};
    for (size_t i = 0; i < count; i++) {
        unsigned one_in = 1 + (unsigned)rng_below(rng, 3) * (unsigned)rng_below(rng, 20);
        twins[i] = (struct twin){0};
        s[i] = (struct zset_source){.type = TYPE_COUNT};
        s[i].weight = weights[rng_below(rng, ARRAY_LEN(weights))];
        uint64_t kind = rng_below(rng, 8);
        if (kind >= 3)
            fill_zset(&s[i], &twins[i], rng, one_in);
        else if (kind >= 1)
            fill_set(&s[i], &twins[i], rng, one_in);
    }
}

static void drop_sources(struct zset_source *s, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (s[i].type == TYPE_ZSET)
            zset_destroy(&s[i].zset);
        else if (s[i].type == TYPE_SET)
            set_destroy(s[i].set);
    }
}

static double no_nan(double x)
{
    return isnan(x) ? 0 : x;
}

static double combine(enum zset_aggregate how, double a, double b)
{
    return how == AGGREGATE_SUM ? no_nan(a + b) : how == AGGREGATE_MIN ? fmin(a, b) : fmax(a, b);
}

/* Scores are small numbers and infinities: the order of additions matters only for +inf + -inf,
 * where a 0 comes in between. Members in which both infinities meet are therefore left out of the
 * comparison of sums. */
static double expected_score(const struct zset_source *s, const struct twin *twins, size_t count,
                             int word, enum zset_aggregate how, size_t *holders, bool *murky)
{
    double score = 0;
    bool plus = false, minus = false;
    *holders = 0;
    for (size_t i = 0; i < count; i++) {
        if (!twins[i].in[word])
            continue;
        double value = no_nan(s[i].weight * twins[i].score[word]);
        *murky |= isnan(s[i].weight * twins[i].score[word]);
        plus |= isinf(value) && value > 0;
        minus |= isinf(value) && value < 0;
        score = (*holders)++ ? combine(how, score, value) : value;
    }
    *murky |= plus && minus && how == AGGREGATE_SUM;
    return score;
}

static void check_result(const struct zset *z, const bool *in, const double *score,
                         const bool *murky)
{
    size_t count = 0;
    double found;
    for (int i = 0; i < WORDS; i++) {
        count += in[i];
        assert_int_equal(zset_score(z, words[i], &found), in[i]);
        if (in[i] && !murky[i])
            assert_true(found == score[i]);
    }
    assert_int_equal(zset_len(z), count);
    struct zset_iter it;
    struct zset_item item;
    double last = -(double)INFINITY;
    zset_iter_init(&it, z, zset_all(z), false);
    for (; zset_iter_next(&it, &item); last = item.score)
        assert_true(item.score >= last);
}

enum op {
    UNION,
    INTER,
    DIFF
};

static void check_op(struct zset_source *s, const struct twin *twins, size_t count, enum op op,
                     enum zset_aggregate how)
{
    struct zset_source copy[SOURCES];
    bool in[WORDS], murky[WORDS] = {false};
    double score[WORDS];
    size_t common = 0;
    for (int i = 0; i < WORDS; i++) {
        size_t holders;
        score[i] = expected_score(s, twins, count, i, how, &holders, &murky[i]);
        in[i] = op == UNION   ? holders > 0
                : op == INTER ? holders == count
                              : twins[0].in[i] && holders == 1;
        if (op == DIFF) {
            score[i] = twins[0].score[i];
            murky[i] = false;
        }
        common += holders == count;
    }
    memcpy(copy, s, sizeof(copy));
    struct zset z = op == UNION   ? zset_union(copy, count, how)
                    : op == INTER ? zset_inter(copy, count, how)
                                  : zset_diff(copy, count);
    check_result(&z, in, score, murky);
    zset_destroy(&z);
    assert_int_equal(zset_inter_count(copy, count, 0), common);
    assert_int_equal(zset_inter_count(copy, count, 7), MIN(common, (size_t)7));
}

static void test_operations(void **state)
{
    static struct twin twins[SOURCES];
    struct zset_source sources[SOURCES];
    struct rng rng;
    rng_seed(&rng, 77);
    for (int round = 0; round < 600; round++) {
        size_t count = 1 + rng_below(&rng, SOURCES);
        store_settings.zset_max_listpack_entries = round % 3 * 100;
        store_settings.zset_max_listpack_value = 64;
        store_settings.set_max_listpack_entries = round % 2 * 1000;
        store_settings.set_max_listpack_value = 64;
        make_sources(sources, twins, count, &rng);
        for (int how = AGGREGATE_SUM; how <= AGGREGATE_MAX; how++) {
            check_op(sources, twins, count, UNION, (enum zset_aggregate)how);
            check_op(sources, twins, count, INTER, (enum zset_aggregate)how);
        }
        check_op(sources, twins, count, DIFF, AGGREGATE_SUM);
        drop_sources(sources, count);
    }
}

/* Results are encoded by what they hold, not by what they came from. */
static void test_encoding(void **state)
{
    store_settings.zset_max_listpack_entries = 2;
    store_settings.zset_max_listpack_value = 4;
    struct zset_source s[2] = {{.type = TYPE_ZSET, .weight = 1}, {.type = TYPE_ZSET, .weight = 1}};
    s[0].zset = zset_create(1, 1);
    s[1].zset = zset_create(1, 1);
    zset_insert(&s[0].zset, SLICE("a"), 1);
    zset_insert(&s[0].zset, SLICE("b"), 1);
    zset_insert(&s[0].zset, SLICE("longer"), 1);
    zset_insert(&s[1].zset, SLICE("longer"), 1);
    struct zset z = zset_diff(s, 2);
    assert_int_equal(z.encoding, ENC_PACKED);
    zset_destroy(&z);
    z = zset_union(s, 2, AGGREGATE_SUM);
    assert_int_equal(z.encoding, ENC_TREE);
    zset_destroy(&z);
    z = zset_inter(s, 2, AGGREGATE_SUM);
    assert_int_equal(z.encoding, ENC_TREE); /* one member, but a long one */
    zset_destroy(&z);
    zset_destroy(&s[0].zset);
    zset_destroy(&s[1].zset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_encoding),
    };
    return cmocka_run_group_tests(tests, make_words, NULL);
}
