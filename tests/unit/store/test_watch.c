/* Watchers against a naive twin: each watcher's set of keys, whose flag must be up exactly when one
 * of them changed; and the same with threads that watch, write and go away at once. */
#include "store/watch.h"

#include <pthread.h>

#include "store_fixture.h"

enum {
    SHARDS = 64,
    KEYS = 30,
    WATCHERS = 12,
    STEPS = 60000
};

struct twin {
    struct watcher watcher;
    _Atomic bool touched;
    bool watched[FIXTURE_DBS][KEYS];
    bool expected;
    uint32_t count;
};

static void twin_init(struct twin *w)
{
    *w = (struct twin){0};
    w->watcher.touched = &w->touched;
}

static void watch_key(struct fixture *f, struct watcher *w, int db, int number)
{
    struct key key = fixture_key(f, "k", number);
    txn_begin(&f->txn, db, false);
    txn_lock(&f->txn, &key, 1);
    watch_add(&f->txn, w, &key);
    txn_end(&f->txn, NULL, 0);
}

static void delete_key(struct fixture *f, int db, int number)
{
    struct key key = fixture_key(f, "k", number);
    struct ref ref;
    fixture_begin(f, db, &key, &ref);
    if (ref.entry)
        txn_delete(&f->txn, &ref, false, EVENT_DEL);
    txn_end(&f->txn, NULL, 0);
}

/* ---- the twin ---- */

static void expect_change(struct twin *twins, int db, int number)
{
    for (int i = 0; i < WATCHERS; i++)
        twins[i].expected |= twins[i].watched[db][number];
}

static void expect_flush(struct fixture *f, struct twin *twins, int db)
{
    for (int number = 0; number < KEYS; number++)
        if (fixture_has(f, db, "k", number))
            expect_change(twins, db, number);
}

static void flush(struct fixture *f, int db)
{
    txn_begin(&f->txn, 0, true);
    txn_flush(&f->txn, db, false);
    txn_end(&f->txn, NULL, 0);
}

static void swap(struct fixture *f, struct twin *twins, int a, int b)
{
    for (int number = 0; number < KEYS && a != b; number++)
        if (fixture_has(f, a, "k", number) || fixture_has(f, b, "k", number)) {
            expect_change(twins, a, number);
            expect_change(twins, b, number);
        }
    txn_begin(&f->txn, 0, true);
    txn_swap(&f->txn, a, b);
    txn_end(&f->txn, NULL, 0);
}

static void add_watch(struct fixture *f, struct twin *w, int db, int number)
{
    if (w->expected)
        return; /* like WATCH: there is nothing more to learn */
    watch_key(f, &w->watcher, db, number);
    w->count += !w->watched[db][number];
    w->watched[db][number] = true;
}

static void clear(struct fixture *f, struct twin *w)
{
    watch_clear(&f->txn, &w->watcher);
    twin_init(w);
}

static void step(struct fixture *f, struct twin *twins)
{
    struct rng *rng = &f->txn.rng;
    struct twin *w = &twins[rng_below(rng, WATCHERS)];
    int db = (int)rng_below(rng, FIXTURE_DBS), number = (int)rng_below(rng, KEYS);
    unsigned roll = (unsigned)rng_below(rng, 1000);
    if (roll < 500) {
        add_watch(f, w, db, number);
    } else if (roll < 600) {
        expect_change(twins, db, number);
        fixture_set(f, db, "k", number, SLICE("v"), TTL_NONE);
    } else if (roll < 700) {
        if (fixture_has(f, db, "k", number))
            expect_change(twins, db, number);
        delete_key(f, db, number);
    } else if (roll < 995) {
        clear(f, w);
    } else if (roll < 998) {
        expect_flush(f, twins, db);
        flush(f, db);
    } else {
        swap(f, twins, db, (int)rng_below(rng, FIXTURE_DBS));
    }
}

static void check(struct fixture *f, struct twin *twins)
{
    int64_t clients = 0;
    for (int i = 0; i < WATCHERS; i++) {
        assert_int_equal(twins[i].touched, twins[i].expected);
        assert_int_equal(twins[i].watcher.count, twins[i].count);
        clients += twins[i].count && !twins[i].expected;
    }
    assert_int_equal(watch_clients(f->ks), clients);
}

static void test_model(void **state)
{
    struct fixture f;
    struct twin twins[WATCHERS];
    int raised = 0;
    fixture_init(&f, SHARDS);
    for (int i = 0; i < WATCHERS; i++)
        twin_init(&twins[i]);
    for (int n = 0; n < STEPS; n++) {
        step(&f, twins);
        check(&f, twins);
        raised += twins[n % WATCHERS].expected;
    }
    assert_true(raised > STEPS / 20 && raised < STEPS);
    for (int i = 0; i < WATCHERS; i++)
        clear(&f, &twins[i]);
    assert_int_equal(watch_keys(f.ks), 0);
    assert_int_equal(watch_clients(f.ks), 0);
    for (unsigned i = 0; i < SHARDS; i++)
        assert_null(f.ks->shards[i].watchers);
    fixture_deinit(&f);
}

/* ---- expiry ---- */

static bool decide(struct fixture *f, struct watcher *w, int number)
{
    struct key key = fixture_key(f, "k", number);
    txn_begin(&f->txn, 0, false);
    txn_lock(&f->txn, &key, 1);
    bool touched = watch_decide(&f->txn, w);
    txn_end(&f->txn, NULL, 0);
    return touched;
}

static void test_expiry(void **state)
{
    struct fixture f;
    struct twin w;
    fixture_init(&f, SHARDS);
    twin_init(&w);
    fixture_set(&f, 0, "k", 1, SLICE("v"), FIXTURE_NOW_MS + 10);
    watch_key(&f, &w.watcher, 0, 1);
    assert_false(decide(&f, &w.watcher, 1));
    fixture_time(&f, FIXTURE_NOW_MS + 11);
    assert_false(w.touched); /* nobody has looked yet */
    assert_true(decide(&f, &w.watcher, 1));
    watch_clear(&f.txn, &w.watcher);
    assert_false(w.touched);

    fixture_set(&f, 0, "k", 1, SLICE("v"), FIXTURE_NOW_MS + 20);
    fixture_time(&f, FIXTURE_NOW_MS + 21);
    watch_key(&f, &w.watcher, 0, 1); /* has expired before: missing, and stays so */
    delete_key(&f, 0, 1);
    assert_false(decide(&f, &w.watcher, 1));
    watch_clear(&f.txn, &w.watcher);
    fixture_deinit(&f);
}

/* ---- threads: a counter raised only when the flag is down loses nothing ---- */

enum {
    THREADS = 4,
    ROUNDS = 4000
};

struct racer {
    struct txn txn;
    uint64_t done, lost;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    struct txn *t = &r->txn;
    struct key key = key_make(SLICE("counter"));
    _Atomic bool touched = false;
    for (int i = 0; i < ROUNDS; i++) {
        struct watcher w = {.touched = &touched};
        struct ref ref;
        txn_begin(t, 0, false);
        txn_lock(t, &key, 1);
        watch_add(t, &w, &key);
        int64_t seen = txn_find(t, &key, &ref) ? entry_int(ref.entry) : 0;
        txn_end(t, NULL, 0);
        if (i % 8 == 0) { /* goes away without deciding */
            watch_clear(t, &w);
            continue;
        }
        txn_begin(t, 0, false);
        txn_lock(t, &key, 1);
        bool lost = watch_decide(t, &w);
        if (!lost) {
            txn_find(t, &key, &ref);
            txn_set_int(t, &ref, seen + 1, EVENT_INCRBY);
        }
        txn_end(t, NULL, 0);
        watch_clear(t, &w);
        r->done += !lost;
        r->lost += lost;
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct fixture f;
    static struct racer racers[THREADS];
    pthread_t threads[THREADS];
    uint64_t done = 0;
    fixture_init(&f, SHARDS);
    for (int i = 0; i < THREADS; i++) {
        txn_init(&racers[i].txn, f.ks, gate_register(&f.ks->gates, NULL, NULL));
        racers[i].txn.now_ms = FIXTURE_NOW_MS;
    }
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, race, &racers[i]);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        done += racers[i].done;
        txn_deinit(&racers[i].txn);
    }
    struct key key = key_make(SLICE("counter"));
    struct ref ref;
    fixture_begin(&f, 0, &key, &ref);
    assert_int_equal(entry_int(ref.entry), done);
    txn_end(&f.txn, NULL, 0);
    assert_int_equal(watch_keys(f.ks), 0);
    assert_int_equal(watch_clients(f.ks), 0);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
