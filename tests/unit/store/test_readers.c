/* Readers of keys against a naive twin, sweeping included; and what the store tells of changes. */
#include "store/notify.h"
#include "store/readers.h"
#include "store/string.h"

#include "store_fixture.h"

enum {
    SHARDS = 64,
    KEYS = 40,
    READERS = 50,
    STEPS = 60000
};

struct twin {
    bool reads[KEYS][READERS];
};

/* Numbers far apart, as those of several reactors are. */
static uint64_t number_of(int reader)
{
    return (uint64_t)(reader % 3) << 58 | (uint64_t)reader;
}

static uint32_t count_readers(const struct twin *w, int key)
{
    uint32_t count = 0;
    for (int i = 0; i < READERS; i++)
        count += w->reads[key][i];
    return count;
}

static void check_totals(const struct fixture *f, const struct twin *w)
{
    uint64_t keys = 0, readers = 0;
    for (int i = 0; i < KEYS; i++) {
        keys += count_readers(w, i) != 0;
        readers += count_readers(w, i);
    }
    assert_int_equal(readers_keys(f->ks), keys);
    assert_int_equal(atomic_load(&f->ks->readers), readers);
}

static void take(struct fixture *f, struct twin *w, int number)
{
    struct key key = fixture_key(f, "k", number);
    struct readers *r = readers_take(&f->txn, &key);
    uint32_t want = count_readers(w, number), at = 0;
    assert_int_equal(r != NULL, want != 0);
    if (!r)
        return;
    assert_int_equal(r->count, want);
    for (int reactor = 0; reactor < 3; reactor++)
        for (int i = reactor; i < READERS; i += 3)
            if (w->reads[number][i])
                assert_int_equal(r->numbers[at++], number_of(i));
    memset(w->reads[number], 0, sizeof(w->reads[number]));
    readers_destroy(r);
}

static bool is_odd(void *arg, uint64_t number)
{
    (void)arg;
    return number & 1;
}

static void sweep(struct fixture *f, struct twin *w)
{
    for (unsigned shard = 0; shard < SHARDS; shard++)
        readers_sweep(&f->txn, shard, is_odd, NULL);
    for (int i = 0; i < KEYS; i++)
        for (int j = 1; j < READERS; j += 2)
            w->reads[i][j] = false;
}

static void test_twin(void **state)
{
    struct fixture f;
    static struct twin w;
    struct rng rng;
    (void)state;
    fixture_init(&f, SHARDS);
    rng_seed(&rng, 11);
    txn_begin(&f.txn, 0, true);
    for (int i = 0; i < STEPS; i++) {
        int number = (int)rng_below(&rng, KEYS), reader = (int)rng_below(&rng, READERS);
        struct key key = fixture_key(&f, "k", number);
        if (rng_below(&rng, 20) == 0) {
            take(&f, &w, number);
        } else {
            readers_add(&f.txn, &key, number_of(reader));
            w.reads[number][reader] = true;
        }
        if (i % 5000 == 4999)
            sweep(&f, &w);
        check_totals(&f, &w);
    }
    readers_clear(f.ks);
    assert_int_equal(readers_keys(f.ks), 0);
    txn_end(&f.txn, NULL, 0);
    fixture_deinit(&f);
    assert_int_equal(mem_used(MEM_CLIENT), 0);
}

static void test_any(void **state)
{
    struct fixture f;
    (void)state;
    fixture_init(&f, SHARDS);
    txn_begin(&f.txn, 0, true);
    for (int i = 0; i < KEYS; i++) {
        struct key key = fixture_key(&f, "k", i);
        readers_add(&f.txn, &key, 7);
    }
    int taken = 0;
    for (unsigned shard = 0; shard < SHARDS; shard++) {
        for (struct readers *r; (r = readers_take_any(&f.txn, shard)); taken++) {
            assert_int_equal(keyspace_shard_of(f.ks, r->hash), shard);
            readers_destroy(r);
        }
        assert_false(readers_has_any(f.ks, shard));
    }
    assert_int_equal(taken, KEYS);
    txn_end(&f.txn, NULL, 0);
    fixture_deinit(&f);
}

/* ---- what is told ---- */

static char told[512];

static void tell_event(struct txn *t, int db, enum event event, struct slice key)
{
    size_t len = strlen(told);
    (void)t;
    snprintf(told + len, sizeof(told) - len, "%s@%d:%.*s ", events[event].name, db, (int)key.len,
             key.ptr);
}

static void tell_change(struct txn *t, const struct key *key, enum event event)
{
    size_t len = strlen(told);
    (void)t;
    (void)event;
    snprintf(told + len, sizeof(told) - len, "!%.*s ", (int)key->name.len, key->name.ptr);
}

static void tell_flush(struct txn *t)
{
    (void)t;
    strcat(told, "flush ");
}

static const struct notify_ops recorder = {tell_event, tell_change, tell_flush};

static void expect(const char *text)
{
    assert_string_equal(told, text);
    told[0] = 0;
}

static void set_key(struct fixture *f, int db, int64_t expire_ms)
{
    struct key key = fixture_key(f, "k", 1);
    struct ref ref;
    fixture_begin(f, db, &key, &ref);
    txn_set_string(&f->txn, &ref, SLICE("v"), expire_ms, EVENT_SET);
    txn_end(&f->txn, NULL, 0);
}

static void read_key(struct fixture *f, int db)
{
    struct key key = fixture_key(f, "k", 1);
    struct ref ref;
    txn_begin(&f->txn, db, false);
    txn_lock(&f->txn, &key, 1);
    txn_find_read(&f->txn, &key, &ref);
    txn_end(&f->txn, NULL, 0);
}

static void test_told(void **state)
{
    struct fixture f;
    (void)state;
    fixture_init(&f, SHARDS);
    f.ks->notify = &recorder;
    set_key(&f, 0, TTL_NONE);
    expect(""); /* nobody wants to hear */
    store_settings.notify_events = NOTIFY_ALL | NOTIFY_MISS | NOTIFY_NEW;
    notify_hear(f.ks, HEARD_EVENTS, true);
    set_key(&f, 1, f.txn.now_ms + 5);
    expect("new@1:k:1 set@1:k:1 ");
    notify_hear(f.ks, HEARD_CHANGES, true);
    set_key(&f, 0, TTL_NONE);
    expect("!k:1 set@0:k:1 ");
    fixture_time(&f, f.txn.now_ms + 6);
    read_key(&f, 1);
    expect("!k:1 expired@1:k:1 keymiss@1:k:1 ");
    store_settings.notify_events = NOTIFY_STRING;
    read_key(&f, 2);
    set_key(&f, 2, TTL_NONE);
    expect("!k:1 set@2:k:1 ");
    txn_begin(&f.txn, 0, true);
    txn_flush(&f.txn, -1, false);
    txn_end(&f.txn, NULL, 0);
    expect("flush ");
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twin),
        cmocka_unit_test(test_any),
        cmocka_unit_test(test_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
