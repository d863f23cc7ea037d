#include "ds/table.h"

#include "model.h"

enum {
    ITEMS = 30000
};

struct item {
    uint64_t hash;
    uint32_t id, seen;
    bool inside;
};

static uint64_t hash_of(const void *entry)
{
    return ((const struct item *)entry)->hash;
}

static bool has_id(const void *entry, const void *key)
{
    return ((const struct item *)entry)->id == *(const uint32_t *)key;
}

/* `bits` of entropy: few make long chains and equal fingerprints. */
static void make_items(struct item *items, uint32_t count, struct rng *rng, unsigned bits)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t hash = rng_next(rng);
        if (bits < 64)
            hash &= ((uint64_t)1 << bits) - 1;
        items[i] = (struct item){.hash = hash, .id = i};
    }
}

static struct item *find(const struct table *t, const struct item *wanted, struct table_pos *pos)
{
    return table_find(t, wanted->hash, has_id, &wanted->id, pos);
}

static void insert(struct table *t, struct item *item)
{
    struct table_pos pos = table_insert(t, item->hash, item, hash_of);
    assert_ptr_equal(table_pos_get(pos), item);
    item->inside = true;
}

static void take_out(struct table *t, struct item *item)
{
    struct table_pos pos;
    assert_ptr_equal(find(t, item, &pos), item);
    table_remove(t, item->hash, pos, hash_of);
    item->inside = false;
}

static size_t bytes_expected(const struct table *t)
{
    struct table_stats stats;
    table_stats_read(t, &stats);
    size_t bytes = stats.children * mem_size_class(sizeof(struct table_bucket));
    for (int array = 0; array < 2; array++)
        if (t->buckets[array])
            bytes += mem_size_class(sizeof(struct table_bucket) << t->log2[array]);
    return bytes;
}

/* Everything that can be asked, against the flags of the items. */
static void check(const struct table *t, struct item *items, uint32_t count, uint64_t inside)
{
    struct table_iter it;
    struct table_pos pos;
    struct item *item;
    uint64_t walked = 0;
    table_iter_init(&it, t);
    while ((item = table_iter_next(&it))) {
        assert_true(item->inside && item->seen == 0);
        item->seen = 1;
        walked++;
    }
    assert_int_equal(walked, inside);
    assert_int_equal(t->used, inside);
    for (uint32_t i = 0; i < count; i++) {
        assert_ptr_equal(find(t, &items[i], &pos), items[i].inside ? &items[i] : NULL);
        items[i].seen = 0;
    }
    assert_int_equal(mem_used(MEM_DATA), bytes_expected(t));
}

static void run_model(uint64_t seed, uint32_t count, unsigned hash_bits, long ops)
{
    static struct item items[ITEMS];
    struct table t;
    struct rng rng;
    uint64_t inside = 0;
    table_init(&t);
    rng_seed(&rng, seed);
    make_items(items, count, &rng, hash_bits);
    for (long op = 0; op < ops; op++) {
        struct item *item = &items[rng_below(&rng, count)];
        bool growing = op / (2 * count) % 2 == 0;
        bool insert_it = rng_below(&rng, 100) < (growing ? 95 : 5);
        if (insert_it != item->inside) {
            if (insert_it)
                insert(&t, item);
            else
                take_out(&t, item);
            inside += insert_it ? 1 : (uint64_t)-1;
        }
        if (rng_below(&rng, 10) == 0)
            table_step(&t, hash_of);
        if (op % (long)(3 * count + 7) == 0)
            check(&t, items, count, inside);
    }
    check(&t, items, count, inside);
    for (uint32_t i = 0; i < count; i++)
        if (items[i].inside)
            take_out(&t, &items[i]);
    assert_int_equal(mem_used(MEM_DATA), 0);
    table_deinit(&t, NULL, NULL);
}

static void agrees_with_flags(void **state)
{
    (void)state;
    run_model(1, ITEMS, 64, model_ops());
}

static void agrees_when_small(void **state)
{
    (void)state;
    for (uint32_t count = 1; count < 60; count++)
        run_model(count, count, 64, model_ops() / 500);
}

/* Hashes of few bits: chains of many buckets, equal fingerprints, all in a handful of heads. */
static void agrees_with_colliding_hashes(void **state)
{
    (void)state;
    run_model(2, 700, 3, model_ops() / 20);
    run_model(3, 200, 0, model_ops() / 20);
}

/* ---- scan ---- */

static void mark(void *entry, void *arg)
{
    (void)arg;
    ((struct item *)entry)->seen++;
}

/* While a scan runs, everything but the first `stable` items comes and goes. */
static void scan_once(struct rng *rng, uint32_t stable, uint32_t before, uint32_t after)
{
    static struct item items[ITEMS];
    struct table t;
    table_init(&t);
    make_items(items, ITEMS, rng, 64);
    for (uint32_t i = 0; i < stable + before; i++)
        insert(&t, &items[i]);
    uint64_t cursor = 0;
    uint32_t low = stable, high = stable + before, target = stable + after;
    do {
        cursor = table_scan(&t, cursor, mark, NULL);
        for (uint64_t n = rng_below(rng, 12); n > 0; n--) {
            if (high < target && high < ITEMS)
                insert(&t, &items[high++]);
            else if (low < high && after < before)
                take_out(&t, &items[low++]);
        }
        if (rng_below(rng, 3) == 0)
            table_step(&t, hash_of);
    } while (cursor);
    for (uint32_t i = 0; i < stable; i++)
        assert_true(items[i].seen >= 1);
    table_deinit(&t, NULL, NULL);
    assert_int_equal(mem_used(MEM_DATA), 0);
}

static void scan_returns_all_that_stay(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 4);
    for (int i = 0; i < 40; i++) {
        uint32_t stable = 1 + (uint32_t)rng_below(&rng, 1500);
        scan_once(&rng, stable, 0, (uint32_t)rng_below(&rng, 20000));
        scan_once(&rng, stable, (uint32_t)rng_below(&rng, 20000), 0);
        scan_once(&rng, stable, 500, 500);
    }
}

/* Of a table that rests, each entry comes exactly once, and the cursor stays below the number of
 * buckets. */
static void scan_of_a_resting_table_is_exact(void **state)
{
    (void)state;
    static struct item items[5000];
    struct table t;
    struct rng rng;
    table_init(&t);
    rng_seed(&rng, 5);
    make_items(items, 5000, &rng, 64);
    assert_int_equal(table_scan(&t, 77, mark, NULL), 0);
    for (uint32_t i = 0; i < 5000; i++)
        insert(&t, &items[i]);
    while (table_step(&t, hash_of))
        ;
    uint64_t cursor = 0;
    do {
        cursor = table_scan(&t, cursor, mark, NULL);
        assert_true(cursor >> t.log2[0] == 0);
    } while (cursor);
    for (uint32_t i = 0; i < 5000; i++)
        assert_int_equal(items[i].seen, 1);
    assert_true(table_scan(&t, UINT64_MAX, mark, NULL) >> t.log2[0] == 0);
    table_deinit(&t, NULL, NULL);
}

/* ---- random ---- */

static double chi_square(const struct table *t, struct item *items, uint32_t count, int draws)
{
    struct rng rng;
    double expected = (double)draws / count, sum = 0;
    rng_seed(&rng, 6);
    for (int i = 0; i < draws; i++)
        ((struct item *)table_random(t, &rng))->seen++;
    for (uint32_t i = 0; i < count; i++) {
        sum += (items[i].seen - expected) * (items[i].seen - expected) / expected;
        items[i].seen = 0;
    }
    return sum;
}

/* Chi-square of n − 1 degrees has mean n − 1 and variance 2(n − 1): five deviations above is one in
 * a million. */
static void random_is_uniform(void **state)
{
    (void)state;
    static struct item items[4000];
    static const uint32_t counts[] = {2, 10, 64, 1000, 4000};
    struct rng rng;
    rng_seed(&rng, 7);
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        struct table t;
        uint32_t n = counts[i];
        double limit = n - 1 + 5 * 1.4143 * (double)n;
        table_init(&t);
        assert_null(table_random(&t, &rng));
        make_items(items, n, &rng, 64);
        for (uint32_t k = 0; k < n; k++)
            insert(&t, &items[k]);
        assert_true(chi_square(&t, items, n, (int)n * 100) < limit);
        while (table_step(&t, hash_of))
            ;
        assert_true(chi_square(&t, items, n, (int)n * 100) < limit);
        table_deinit(&t, NULL, NULL);
    }
}

static void random_finds_the_last_one(void **state)
{
    (void)state;
    static struct item items[3000];
    struct table t;
    struct rng rng;
    table_init(&t);
    rng_seed(&rng, 8);
    make_items(items, 3000, &rng, 64);
    for (uint32_t i = 0; i < 3000; i++)
        insert(&t, &items[i]);
    for (uint32_t i = 1; i < 3000; i++) {
        take_out(&t, &items[i]);
        struct item *item = table_random(&t, &rng);
        assert_true(item && item->inside);
    }
    assert_ptr_equal(table_random(&t, &rng), &items[0]);
    table_deinit(&t, NULL, NULL);
}

/* ---- the rest ---- */

static void count_visit(void *entry, void *arg)
{
    (void)entry;
    ++*(int *)arg;
}

static void reserve_makes_room_once(void **state)
{
    (void)state;
    static struct item items[10000];
    struct table t;
    struct rng rng;
    int visited = 0;
    table_init(&t);
    rng_seed(&rng, 9);
    make_items(items, 10000, &rng, 64);
    table_reserve(&t, 10000);
    struct table_bucket *array = t.buckets[0];
    for (uint32_t i = 0; i < 10000; i++)
        insert(&t, &items[i]);
    assert_ptr_equal(t.buckets[0], array);
    assert_false(table_rehashing(&t));
    table_deinit(&t, count_visit, &visited);
    assert_int_equal(visited, 10000);
    assert_int_equal(mem_used(MEM_DATA), 0);
}

static void an_entry_may_move_in_memory(void **state)
{
    (void)state;
    struct item here = {.hash = 0x123456789abcdef, .id = 1}, there = here;
    struct table_pos pos;
    struct table t;
    table_init(&t);
    insert(&t, &here);
    assert_ptr_equal(find(&t, &here, &pos), &here);
    table_pos_set(pos, &there);
    assert_ptr_equal(find(&t, &here, &pos), &there);
    assert_ptr_equal(table_peek(&t, here.hash), &there);
    table_remove(&t, here.hash, pos, hash_of);
    assert_null(find(&t, &here, &pos));
    assert_null(t.buckets[0]);
    table_deinit(&t, NULL, NULL);
}

/* A table that gave almost everything back does not keep its large array. */
static void shrinks(void **state)
{
    (void)state;
    static struct item items[ITEMS];
    struct table t;
    struct rng rng;
    table_init(&t);
    rng_seed(&rng, 10);
    make_items(items, ITEMS, &rng, 64);
    for (uint32_t i = 0; i < ITEMS; i++)
        insert(&t, &items[i]);
    size_t full = mem_used(MEM_DATA);
    for (uint32_t i = 10; i < ITEMS; i++)
        take_out(&t, &items[i]);
    while (table_step(&t, hash_of))
        ;
    assert_true(mem_used(MEM_DATA) < full / 8);
    table_deinit(&t, NULL, NULL);
}

/* Arrays of 4,096 buckets and more are mapped, and go back in pieces while they are emptied. */
static void large_arrays_are_given_back(void **state)
{
    enum {
        MANY = 300000,
        STEP = 50000
    };

    (void)state;
    struct table t;
    struct rng rng;
    struct item *items = calloc(MANY, sizeof(*items));
    rng_seed(&rng, 11);
    make_items(items, MANY, &rng, 64);
    table_init(&t);
    for (uint32_t i = 0; i < MANY; i++) {
        insert(&t, &items[i]);
        if ((i + 1) % STEP == 0)
            check(&t, items, MANY, i + 1);
    }
    assert_true(t.log2[0] >= 14);
    for (uint32_t i = 0; i < MANY; i++) {
        take_out(&t, &items[i]);
        if ((i + 1) % STEP == 0)
            check(&t, items, MANY, MANY - i - 1);
    }
    assert_int_equal(mem_used(MEM_DATA), 0);
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_flags),
        cmocka_unit_test(agrees_when_small),
        cmocka_unit_test(agrees_with_colliding_hashes),
        cmocka_unit_test(scan_returns_all_that_stay),
        cmocka_unit_test(scan_of_a_resting_table_is_exact),
        cmocka_unit_test(random_is_uniform),
        cmocka_unit_test(random_finds_the_last_one),
        cmocka_unit_test(reserve_makes_room_once),
        cmocka_unit_test(an_entry_may_move_in_memory),
        cmocka_unit_test(shrinks),
        cmocka_unit_test(large_arrays_are_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
