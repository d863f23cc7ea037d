#include "base/hash.h"
#include "store/hash.h"
#include "store/settings.h"

#include "../ds/model.h"

enum {
    FIELDS = 400,
    VALUE_MAX = 300
};

/* The naive twin: a value per field number, and what the encoding must be. */
struct twin {
    struct slice fields[FIELDS], values[FIELDS]; /* values: ptr NULL when the field is missing */
    uint64_t len;
    bool table;
};

static char field_texts[FIELDS][48], value_texts[FIELDS][VALUE_MAX];

/* Numbers, digits that are no canonical number, text; a few are longer than the limit in use. */
static void twin_init(struct twin *t)
{
    *t = (struct twin){0};
    for (int i = 0; i < FIELDS; i++) {
        static const char *const forms[] = {"%d", "0%d", "field:%d", "-%d00000000000",
                                            "a field longer than sixteen bytes %d"};
        int form = i % 50 == 49 ? 4 : i % 4;
        int len = snprintf(field_texts[i], sizeof(field_texts[i]), forms[form], i + 1);
        t->fields[i] = slice_make(field_texts[i], (size_t)len);
    }
}

static void set_limits(size_t entries, size_t value)
{
    store_settings.hash_max_listpack_entries = entries;
    store_settings.hash_max_listpack_value = value;
}

static bool too_long(struct slice s)
{
    return s.len > store_settings.hash_max_listpack_value;
}

static int twin_index(const struct twin *t, struct slice field)
{
    for (int i = 0; i < FIELDS; i++)
        if (slice_equal(t->fields[i], field))
            return i;
    return -1;
}

static void do_set(struct hash *h, struct twin *t, struct rng *rng, int i)
{
    char text[VALUE_MAX];
    struct slice value = model_value(rng, text, rng_below(rng, 30) ? 12 : VALUE_MAX);
    assert_int_equal(hash_set(h, t->fields[i], value), !t->values[i].ptr);
    t->len += !t->values[i].ptr;
    memcpy(value_texts[i], value.ptr, value.len);
    t->values[i] = slice_make(value_texts[i], value.len);
    t->table |= too_long(t->fields[i]) || too_long(value) ||
                t->len > store_settings.hash_max_listpack_entries;
}

static void do_remove(struct hash *h, struct twin *t, int i)
{
    assert_int_equal(hash_remove(h, t->fields[i]), t->values[i].ptr != NULL);
    t->len -= t->values[i].ptr != NULL;
    t->values[i].ptr = NULL;
}

static void check_one(struct hash h, const struct twin *t, int i)
{
    char scratch[NUM_INT64_MAX_LEN];
    struct slice value;
    bool found = hash_find(h, t->fields[i], scratch, &value);
    assert_int_equal(found, t->values[i].ptr != NULL);
    if (found)
        assert_true(slice_equal(value, t->values[i]));
    assert_int_equal(hash_len(h), t->len);
    assert_int_equal(h.encoding, t->table ? ENC_TABLE : ENC_PACKED);
}

/* Counts how often each field was visited and checks its value. */
struct census {
    const struct twin *twin;
    unsigned seen[FIELDS];
    uint64_t total;
};

static void census_visit(void *arg, struct slice field, struct slice value)
{
    struct census *c = arg;
    int i = twin_index(c->twin, field);
    assert_true(i >= 0 && c->twin->values[i].ptr);
    assert_true(slice_equal(value, c->twin->values[i]));
    c->seen[i]++;
    c->total++;
}

static void check_each_once(const struct census *c)
{
    for (int i = 0; i < FIELDS; i++)
        assert_int_equal(c->seen[i], c->twin->values[i].ptr != NULL);
}

static void check_walk(struct hash h, const struct twin *t)
{
    struct census c = {t};
    hash_value_ops.visit(h.encoding, h.root, census_visit, &c);
    check_each_once(&c);
}

static void check_scan(struct hash h, const struct twin *t, uint64_t count)
{
    struct census c = {t};
    uint64_t cursor = 0, next;
    do {
        next = hash_scan(h, cursor, count, NULL, NULL);
        assert_int_equal(hash_scan(h, cursor, count, census_visit, &c), next);
        cursor = next;
    } while (cursor);
    for (int i = 0; i < FIELDS; i++)
        assert_int_equal(c.seen[i] > 0, t->values[i].ptr != NULL);
}

static void check_picks(struct hash h, const struct twin *t, struct rng *rng)
{
    struct census different = {t}, any = {t};
    uint64_t count = rng_below(rng, t->len + 1);
    hash_pick_unique(h, rng, count, census_visit, &different);
    assert_int_equal(different.total, count);
    for (int i = 0; i < FIELDS; i++)
        assert_true(different.seen[i] <= 1);
    hash_pick(h, rng, 5, census_visit, &any);
    assert_int_equal(any.total, 5);
}

static void check_copy(struct hash h, const struct twin *t)
{
    size_t before = mem_used(MEM_DATA);
    struct hash copy = {h.encoding, hash_value_ops.copy(h.encoding, h.root)};
    check_walk(copy, t);
    size_t bytes = hash_value_ops.bytes(copy.encoding, copy.root, 0);
    size_t charged = mem_used(MEM_DATA) - before;
    assert_true(bytes >= charged * 8 / 10 && bytes <= charged * 12 / 10);
    hash_remove(&copy, t->fields[0]);
    hash_value_ops.destroy(copy.encoding, copy.root);
    assert_int_equal(mem_used(MEM_DATA), before);
}

static void check_all(struct hash h, const struct twin *t, struct rng *rng)
{
    check_walk(h, t);
    check_scan(h, t, 1 + rng_below(rng, 20));
    check_copy(h, t);
    if (t->len)
        check_picks(h, t, rng);
    assert_int_equal(hash_value_ops.effort(h.encoding, h.root), t->table ? t->len : 1);
}

static void life(struct rng *rng, long ops)
{
    static struct twin t;
    struct hash h = hash_create();
    int range = rng_below(rng, 3) ? FIELDS : 12;
    twin_init(&t);
    for (long op = 0; op < ops; op++) {
        int i = (int)rng_below(rng, (uint64_t)range);
        if (rng_below(rng, 5) < 2)
            do_remove(&h, &t, i);
        else
            do_set(&h, &t, rng, i);
        check_one(h, &t, (int)rng_below(rng, (uint64_t)range));
        if (rng_below(rng, 500) == 0)
            check_all(h, &t, rng);
    }
    hash_value_ops.destroy(h.encoding, h.root);
    assert_int_equal(mem_used(MEM_DATA), 0);
}

static void agrees_with_a_naive_twin(void **state)
{
    struct rng rng;
    rng_seed(&rng, 11);
    for (long done = 0; done < model_ops() / 4; done += 2000) {
        if (rng_below(&rng, 2))
            set_limits(8, 16);
        else
            set_limits(128, 64);
        life(&rng, 2000);
    }
}

static void many_at_once_make_a_table_at_once(void **state)
{
    set_limits(128, 64);
    struct hash h = hash_create();
    hash_expect(&h, 128);
    assert_int_equal(h.encoding, ENC_PACKED);
    hash_set(&h, SLICE("f"), SLICE("v"));
    hash_expect(&h, 129);
    assert_int_equal(h.encoding, ENC_TABLE);
    assert_int_equal(hash_len(h), 1);
    hash_value_ops.destroy(h.encoding, h.root);
}

static void lowered_limits_show_at_the_next_write(void **state)
{
    set_limits(128, 64);
    struct hash h = hash_create();
    hash_set(&h, SLICE("a"), SLICE("1"));
    hash_set(&h, SLICE("b"), SLICE("2"));
    set_limits(1, 64);
    assert_int_equal(h.encoding, ENC_PACKED);
    hash_set(&h, SLICE("a"), SLICE("3"));
    assert_int_equal(h.encoding, ENC_TABLE);
    hash_value_ops.destroy(h.encoding, h.root);
}

static void fill(struct hash *h, int count)
{
    for (int i = 0; i < count; i++) {
        char field[24], value[24];
        int field_len = snprintf(field, sizeof(field), "field:%010d", i);
        int value_len = snprintf(value, sizeof(value), "value:%010d", i);
        hash_set(h, slice_make(field, (size_t)field_len), slice_make(value, (size_t)value_len));
    }
}

struct tally {
    unsigned seen[1000];
};

static void tally_visit(void *arg, struct slice field, struct slice value)
{
    struct tally *t = arg;
    t->seen[atoi(field.ptr + sizeof("field:") - 1)]++;
}

/* Each of `fields` must come near its share: for a fair choice the chance of a miss is far below
 * 10^-9. */
static void check_fair(const struct tally *t, int fields, double share)
{
    for (int i = 0; i < fields; i++)
        assert_true(t->seen[i] > share * 0.5 && t->seen[i] < share * 1.7);
}

static void random_choice_is_fair(void **state)
{
    enum {
        ROUNDS = 4000,
        PER_ROUND = 10
    };

    static const int sizes[] = {
        30, 100, 1000}; /* packed, a table walked for 10 of 30, drawn from for 10 of 1000 */
    static const size_t limits[] = {128, 10, 128};
    struct rng rng;
    rng_seed(&rng, 5);
    for (size_t n = 0; n < ARRAY_LEN(sizes); n++) {
        set_limits(limits[n], 64);
        struct hash h = hash_create();
        fill(&h, sizes[n]);
        int rounds = ROUNDS * (sizes[n] == 1000 ? 8 : 1);
        struct tally any = {0}, different = {0};
        for (int i = 0; i < rounds; i++) {
            hash_pick(h, &rng, PER_ROUND, tally_visit, &any);
            hash_pick_unique(h, &rng, PER_ROUND, tally_visit, &different);
        }
        double share = (double)rounds * PER_ROUND / sizes[n];
        check_fair(&any, sizes[n], share);
        check_fair(&different, sizes[n], share);
        hash_value_ops.destroy(h.encoding, h.root);
    }
}

static void scan_goes_through_a_growing_table(void **state)
{
    enum {
        OLD = 500,
        STEPS_MAX = 100000
    };

    set_limits(10, 64);
    struct hash h = hash_create();
    struct tally t = {0};
    uint64_t cursor = 0;
    int added = OLD, steps = 0;
    fill(&h, OLD);
    do {
        cursor = hash_scan(h, cursor, 5, tally_visit, &t);
        if (added < 1000)
            fill(&h, added += 20);
    } while (cursor && ++steps < STEPS_MAX);
    for (int i = 0; i < OLD; i++)
        assert_true(t.seen[i] > 0);
    hash_value_ops.destroy(h.encoding, h.root);
}

/* 16 + 16 bytes a field. */
static void a_million_fields_keep_the_budget(void **state)
{
    enum {
        MILLION = 1000000
    };

    set_limits(128, 64);
    struct hash h = hash_create();
    size_t before = mem_used(MEM_DATA);
    fill(&h, MILLION);
    double per_field = (double)(mem_used(MEM_DATA) - before) / MILLION;
    print_message("# %.1f bytes per field of a large hash\n", per_field);
    assert_true(per_field <= 60 || TABLE_SLOTS < 9);
    hash_value_ops.destroy(h.encoding, h.root);
    assert_int_equal(mem_used(MEM_DATA), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_naive_twin),
        cmocka_unit_test(many_at_once_make_a_table_at_once),
        cmocka_unit_test(lowered_limits_show_at_the_next_write),
        cmocka_unit_test(random_choice_is_fair),
        cmocka_unit_test(scan_goes_through_a_growing_table),
        cmocka_unit_test(a_million_fields_keep_the_budget),
    };
    hash_seed(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
