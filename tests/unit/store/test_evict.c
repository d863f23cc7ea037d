/* Eviction: each policy takes what it should, the limits hold, refusals say why. */
#include "store/evict.h"

#include "store_fixture.h"

#include <unistd.h>

enum {
    KEYS = 4000
};

static struct fixture f;
static struct evictor ev;

static int setup(void **state)
{
    fixture_init(&f, 256);
    evictor_init(&ev);
    return 0;
}

static int teardown(void **state)
{
    fixture_deinit(&f);
    return 0;
}

static enum evict_verdict make_room(void)
{
    evict_forget(&ev);
    return evict_make_room(&ev, &f.txn, 0, NULL, 0);
}

static uint64_t evicted(void)
{
    return keyspace_stat(f.ks, STAT_EVICTED);
}

static void fill(const char *prefix, int from, int to, int64_t expire_ms)
{
    for (int i = from; i < to; i++)
        fixture_set(&f, 0, prefix, i, SLICE("a value of thirty-two characters"), expire_ms);
}

/* Sets the limit so that this share of the data must go. */
static void limit_to(enum maxmemory_policy policy, double keep)
{
    store_settings.maxmemory_policy = policy;
    store_settings.maxmemory = (uint64_t)((double)mem_used(MEM_DATA) * keep);
}

static void check_limit(void)
{
    assert_int_equal(make_room(), EVICT_FITS);
    assert_true(mem_used(MEM_DATA) <= store_settings.maxmemory);
    assert_true(evicted() > 0);
    assert_int_equal(keyspace_all_keys(f.ks),
                     keyspace_keys(f.ks, 0) + keyspace_keys(f.ks, 1) + keyspace_keys(f.ks, 2));
}

static void test_no_limit(void **state)
{
    fill("k", 0, 100, TTL_NONE);
    assert_false(evict_limited());
    assert_int_equal(make_room(), EVICT_FITS);
    assert_int_equal(evicted(), 0);
}

static void test_noeviction(void **state)
{
    fill("k", 0, KEYS, FIXTURE_NOW_MS + 1000);
    limit_to(POLICY_NOEVICTION, 0.5);
    assert_true(evict_limited());
    assert_int_equal(make_room(), EVICT_FULL_MEMORY);
    assert_int_equal(evicted(), 0);
    usleep(2000);
    assert_true(evict_exceeded_now_us() >= 2000);
    limit_to(POLICY_NOEVICTION, 2);
    assert_int_equal(make_room(), EVICT_FITS);
    assert_int_equal(evict_exceeded_now_us(), 0);
}

static void test_allkeys_lru(void **state)
{
    fill("old", 0, KEYS / 2, TTL_NONE);
    fixture_time(&f, FIXTURE_NOW_MS + 100000);
    fill("new", 0, KEYS / 2, TTL_NONE);
    for (int i = 0; i < 200; i++)
        fixture_use(&f, 0, "old", i); /* as good as new */
    limit_to(POLICY_ALLKEYS_LRU, 0.7);
    check_limit();
    assert_true(fixture_count(&f, 0, "old", 200, KEYS / 2) < KEYS / 2 * 6 / 10);
    assert_true(fixture_count(&f, 0, "new", 0, KEYS / 2) > KEYS / 2 * 95 / 100);
    assert_true(fixture_count(&f, 0, "old", 0, 200) > 185);
}

static void test_allkeys_lfu(void **state)
{
    store_settings.maxmemory_policy = POLICY_ALLKEYS_LFU;
    fill("k", 0, KEYS, TTL_NONE);
    for (int use = 0; use < 60; use++)
        for (int i = 0; i < KEYS / 10; i++)
            fixture_use(&f, 0, "k", i);
    limit_to(POLICY_ALLKEYS_LFU, 0.5);
    check_limit();
    assert_true(fixture_count(&f, 0, "k", 0, KEYS / 10) > KEYS / 10 * 95 / 100);
}

/* Every key is as likely: both halves lose about the same. */
static void test_allkeys_random(void **state)
{
    fill("k", 0, KEYS, TTL_NONE);
    limit_to(POLICY_ALLKEYS_RANDOM, 0.5);
    check_limit();
    int first = fixture_count(&f, 0, "k", 0, KEYS / 2),
        second = fixture_count(&f, 0, "k", KEYS / 2, KEYS);
    assert_true(first > KEYS / 8 && second > KEYS / 8);
    assert_in_range(first - second + KEYS, KEYS - KEYS / 10, KEYS + KEYS / 10);
}

/* Keys without a TTL stay, whatever happens; when no other is left, the verdict says so. */
static void check_volatile(enum maxmemory_policy policy)
{
    fill("stays", 0, KEYS / 2, TTL_NONE);
    fill("goes", 0, KEYS / 2, FIXTURE_NOW_MS + 1000000);
    limit_to(policy, 0.75);
    check_limit();
    assert_int_equal(fixture_count(&f, 0, "stays", 0, KEYS / 2), KEYS / 2);
    assert_in_range(fixture_count(&f, 0, "goes", 0, KEYS / 2), KEYS / 20, KEYS / 2 - 1);
    limit_to(policy, 0.1);
    assert_int_equal(make_room(), EVICT_FULL_MEMORY);
    assert_int_equal(fixture_count(&f, 0, "stays", 0, KEYS / 2), KEYS / 2);
    assert_int_equal(keyspace_expires(f.ks, 0), 0);
}

static void test_volatile_lru(void **state)
{
    check_volatile(POLICY_VOLATILE_LRU);
}

static void test_volatile_lfu(void **state)
{
    check_volatile(POLICY_VOLATILE_LFU);
}

static void test_volatile_random(void **state)
{
    check_volatile(POLICY_VOLATILE_RANDOM);
}

static void test_volatile_ttl(void **state)
{
    check_volatile(POLICY_VOLATILE_TTL);
}

/* One volatile key among many others is found. */
static void test_needle(void **state)
{
    fill("stays", 0, KEYS, TTL_NONE);
    fill("goes", 0, 1, FIXTURE_NOW_MS + 1000);
    store_settings.maxmemory_policy = POLICY_VOLATILE_LRU;
    store_settings.maxmemory = mem_used(MEM_DATA) - 1;
    check_limit();
    assert_false(fixture_has(&f, 0, "goes", 0));
}

static void test_ttl_order(void **state)
{
    fill("soon", 0, KEYS / 2, FIXTURE_NOW_MS + 1000);
    fill("late", 0, KEYS / 2, FIXTURE_NOW_MS + 9000000);
    limit_to(POLICY_VOLATILE_TTL, 0.7);
    check_limit();
    assert_true(fixture_count(&f, 0, "late", 0, KEYS / 2) > KEYS / 2 * 97 / 100);
}

/* All databases give: the idle keys are in the third. */
static void test_databases(void **state)
{
    for (int i = 0; i < KEYS / 2; i++)
        fixture_set(&f, 2, "idle", i, SLICE("a value of thirty-two characters"), TTL_NONE);
    fixture_time(&f, FIXTURE_NOW_MS + 100000);
    fill("k", 0, KEYS / 2, TTL_NONE);
    limit_to(POLICY_ALLKEYS_LRU, 0.7);
    check_limit();
    assert_true(fixture_count(&f, 0, "k", 0, KEYS / 2) > KEYS / 2 * 95 / 100);
    assert_true(fixture_count(&f, 2, "idle", 0, KEYS / 2) < KEYS / 2 * 6 / 10);
}

static enum evict_verdict room_for(const char *prefix, int number)
{
    struct key key = fixture_key(&f, prefix, number);
    evict_forget(&ev);
    return evict_make_room(&ev, &f.txn, 0, &key, 1);
}

static void test_maxkeys(void **state)
{
    store_settings.maxkeys = 100;
    fill("k", 0, 99, TTL_NONE);
    assert_int_equal(room_for("k", 99), EVICT_FITS);
    fill("k", 99, 100, TTL_NONE);
    assert_int_equal(room_for("k", 100), EVICT_FULL_KEYS);
    assert_int_equal(room_for("k", 50), EVICT_FITS); /* it is there: nothing is added */
    assert_int_equal(evicted(), 0);
    store_settings.maxmemory_policy = POLICY_ALLKEYS_RANDOM;
    assert_int_equal(room_for("k", 50), EVICT_FITS);
    assert_int_equal(keyspace_all_keys(f.ks), 100);
    assert_int_equal(room_for("k", 100), EVICT_FITS);
    assert_int_equal(keyspace_all_keys(f.ks), 99);
}

static void test_maxkeys_many(void **state)
{
    struct key keys[8];
    char names[8][16];
    store_settings.maxkeys = 7;
    store_settings.maxmemory_policy = POLICY_ALLKEYS_LRU;
    fill("k", 0, 7, TTL_NONE);
    for (int i = 0; i < 8; i++)
        keys[i] = key_make(slice_make(names[i], (size_t)snprintf(names[i], 16, "m:%d", i)));
    evict_forget(&ev);
    assert_int_equal(evict_make_room(&ev, &f.txn, 0, keys, 8), EVICT_FULL_KEYS);
    assert_int_equal(evicted(), 0); /* eight would not fit at all: nothing is sacrificed */
    evict_forget(&ev);
    assert_int_equal(evict_make_room(&ev, &f.txn, 0, keys, 5), EVICT_FITS);
    assert_int_equal(keyspace_all_keys(f.ks), 2);
}

/* A batch may use its share of the room without a look at the sums, but not more. */
static void test_share(void **state)
{
    struct key key = fixture_key(&f, "x", 0);
    store_settings.maxkeys = 1000;
    evict_forget(&ev);
    assert_int_equal(evict_make_room(&ev, &f.txn, 0, &key, 1), EVICT_FITS);
    assert_in_range(ev.key_share, 1, 500);
    store_settings.maxmemory = mem_used(MEM_DATA) + 100000;
    assert_int_equal(make_room(), EVICT_FITS);
    int64_t share = ev.memory_share - mem_used_self(MEM_DATA);
    assert_in_range(share, 1, 50000);
}

struct sunk {
    int dels;
    size_t bytes;
};

static uint64_t sink_write(void *arg, int db, struct slice commands)
{
    struct sunk *sunk = arg;
    sunk->dels += memmem(commands.ptr, commands.len, "$3\r\nDEL\r\n", 9) != NULL;
    sunk->bytes += commands.len;
    return 0;
}

static void test_effects(void **state)
{
    struct sunk sunk = {0};
    struct effect_sink sink = {sink_write, NULL, &sunk};
    fill("k", 0, KEYS, TTL_NONE);
    f.ks->sink = &sink;
    limit_to(POLICY_ALLKEYS_LRU, 0.9);
    check_limit();
    assert_int_equal(sunk.dels, evicted());
}

/* Shards that others hold are passed over; what the rest has is enough. */
static void test_held_shards(void **state)
{
    fill("k", 0, KEYS, TTL_NONE);
    for (unsigned i = 0; i < f.ks->shard_count; i += 2)
        lock_acquire(&f.ks->shards[i].lock);
    limit_to(POLICY_ALLKEYS_LRU, 0.8);
    check_limit();
    for (unsigned i = 0; i < f.ks->shard_count; i += 2)
        lock_release(&f.ks->shards[i].lock);
}

static void test_time_budget(void **state)
{
    fill("k", 0, KEYS, TTL_NONE);
    store_settings.maxmemory_eviction_tenacity = 0;
    limit_to(POLICY_ALLKEYS_LRU, 0.1);
    assert_int_equal(make_room(), EVICT_LATER);
    assert_in_range(evicted(), 1, KEYS / 2);
    while (make_room() == EVICT_LATER)
        continue;
    check_limit();
}

/* What a worker is still freeing neither counts nor makes a command fail. */
static void test_being_freed(void **state)
{
    fill("k", 0, 100, TTL_NONE);
    limit_to(POLICY_NOEVICTION, 0.5);
    keyspace_freeing(1, 0);
    assert_int_equal(make_room(), EVICT_LATER);
    keyspace_freeing(0, (int64_t)mem_used(MEM_DATA));
    assert_int_equal(make_room(), EVICT_FITS);
    keyspace_freeing(-1, -keyspace_freeing_bytes());
    assert_int_equal(make_room(), EVICT_FULL_MEMORY);
}

int main(void)
{
#define ROW(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        ROW(no_limit),     ROW(noeviction),     ROW(allkeys_lru),  ROW(allkeys_lfu),
        ROW(volatile_lru), ROW(allkeys_random), ROW(volatile_lfu), ROW(volatile_random),
        ROW(volatile_ttl), ROW(needle),         ROW(ttl_order),    ROW(databases),
        ROW(maxkeys),      ROW(maxkeys_many),   ROW(share),        ROW(effects),
        ROW(held_shards),  ROW(time_budget),    ROW(being_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
