/* Waiters: order, claims, what is noted and when it is served; and threads that wait, write, give
 * up and serve at once, where every element must go to exactly one of them. */
#include "store/wait.h"

#include <pthread.h>

#include "store_fixture.h"

enum {
    SHARDS = 64,
    KEYS_MAX = 4,
    THREADS = 4,
    ROUNDS = 20000,
    SHARED_KEYS = 6
};

struct client {
    struct waiter waiter;
    struct key keys[KEYS_MAX];
    char names[KEYS_MAX][16];
    struct wait_node nodes[KEYS_MAX];
};

static struct client *served[64];
static int served_count;

static bool is_string(struct txn *t, const struct waiter *w, uint32_t key, const struct ref *ref)
{
    return ref->entry && entry_type(ref->entry) == TYPE_STRING;
}

static void client_init(struct client *c, int db, const int *numbers, uint32_t waits, uint32_t also)
{
    *c = (struct client){.waiter = {.db = db, .key_count = waits, .also_count = also}};
    for (uint32_t i = 0; i < waits + also; i++) {
        int len = snprintf(c->names[i], sizeof(c->names[i]), "k:%d", numbers[i]);
        c->keys[i] = key_make(slice_make(c->names[i], (size_t)len));
    }
    c->waiter.keys = c->keys;
    c->waiter.nodes = c->nodes;
    c->waiter.ready = is_string;
}

static void join(struct txn *t, struct client *c)
{
    txn_begin(t, c->waiter.db, false);
    txn_lock(t, c->keys, c->waiter.key_count);
    wait_join(t, &c->waiter);
    txn_end(t, NULL, 0);
}

/* Takes the string that made the key ready, as BLPOP an element. */
static void serve(struct txn *t)
{
    struct ready_key *r;
    while ((r = wait_take_ready(t))) {
        uint64_t after = 0;
        struct waiter *w;
        struct ref ref;
        txn_select(t, r->db);
        do {
            txn_find(t, &r->key, &ref);
            w = wait_claim_next(t, r->db, &ref, &after);
            if (!w)
                continue;
            wait_leave(t, w);
            txn_delete(t, &ref, false, EVENT_DEL);
            served[served_count++] = container_of(w, struct client, waiter);
        } while (w);
        wait_free_ready(r);
    }
}

static void setup(struct fixture *f)
{
    fixture_init(f, SHARDS);
    f->ks->serve = serve;
    served_count = 0;
}

static void set(struct fixture *f, int db, int number)
{
    fixture_set(f, db, "k", number, SLICE("v"), TTL_NONE);
}

/* ---- one thread ---- */

static void test_order(void **state)
{
    struct fixture f;
    struct client c[3];
    setup(&f);
    for (int i = 0; i < 3; i++) {
        client_init(&c[i], 0, (int[]){1}, 1, 0);
        join(&f.txn, &c[i]);
    }
    assert_int_equal(wait_keys(f.ks), 1);
    for (int i = 0; i < 3; i++) {
        set(&f, 0, 1);
        assert_int_equal(served_count, i + 1);
        assert_ptr_equal(served[i], &c[i]);
        assert_false(fixture_has(&f, 0, "k", 1));
    }
    assert_int_equal(wait_keys(f.ks), 0);
    set(&f, 0, 1);
    assert_true(fixture_has(&f, 0, "k", 1));
    fixture_deinit(&f);
}

static void test_several_keys(void **state)
{
    struct fixture f;
    struct client c, other;
    setup(&f);
    client_init(&c, 0, (int[]){1, 2, 1, 3}, 4, 0);
    join(&f.txn, &c);
    client_init(&other, 1, (int[]){2}, 1, 0);
    join(&f.txn, &other);
    assert_int_equal(wait_keys(f.ks), 3);
    set(&f, 1, 3);
    assert_int_equal(served_count, 0);
    set(&f, 0, 2);
    assert_ptr_equal(served[0], &c);
    assert_int_equal(wait_keys(f.ks), 1);
    set(&f, 0, 1);
    assert_int_equal(served_count, 1);
    set(&f, 1, 2);
    assert_ptr_equal(served[1], &other);
    assert_int_equal(wait_keys(f.ks), 0);
    fixture_deinit(&f);
}

static void test_claimed_by_others(void **state)
{
    struct fixture f;
    struct client c[2];
    setup(&f);
    for (int i = 0; i < 2; i++) {
        client_init(&c[i], 0, (int[]){1, 2}, 2, 0);
        join(&f.txn, &c[i]);
    }
    assert_true(wait_claim(&c[0].waiter, WAIT_KILLED));
    assert_false(wait_claim(&c[0].waiter, WAIT_SERVED));
    set(&f, 0, 1);
    assert_int_equal(served_count, 1);
    assert_ptr_equal(served[0], &c[1]);
    wait_leave(&f.txn, &c[0].waiter);
    wait_leave(&f.txn, &c[0].waiter); /* harmless */
    assert_int_equal(wait_keys(f.ks), 0);
    fixture_deinit(&f);
}

static void test_swap_and_flush(void **state)
{
    struct fixture f;
    struct client c;
    setup(&f);
    set(&f, 1, 1);
    client_init(&c, 0, (int[]){1}, 1, 0);
    join(&f.txn, &c);
    txn_begin(&f.txn, 0, true);
    txn_flush(&f.txn, 2, false);
    txn_swap(&f.txn, 0, 1);
    assert_int_equal(served_count, 0);
    txn_end(&f.txn, NULL, 0);
    assert_int_equal(served_count, 1);
    assert_false(fixture_has(&f, 0, "k", 1));
    fixture_deinit(&f);
}

/* ---- keys that serving needs ---- */

static bool has_hash(const uint64_t *hashes, int count, const struct key *key)
{
    for (int i = 0; i < count; i++)
        if (hashes[i] == key->hash)
            return true;
    return false;
}

static void test_also(void **state)
{
    struct fixture f;
    struct client chain[3], many[WAIT_ALSO_MAX + 1];
    uint64_t hashes[WAIT_ALSO_MAX];
    setup(&f);
    for (int i = 0; i < 3; i++) { /* 1 → 2 → 3 → 1 */
        client_init(&chain[i], 0, (int[]){i + 1, (i + 1) % 3 + 1}, 1, 1);
        join(&f.txn, &chain[i]);
    }
    int count = wait_also(&f.txn, &chain[0].keys[0], 1, 1, 0, hashes);
    assert_int_equal(count, 3);
    for (int i = 0; i < 3; i++)
        assert_true(has_hash(hashes, count, &chain[i].keys[0]));
    assert_int_equal(wait_also(&f.txn, &chain[0].keys[0], 1, 1, 1, hashes), 0);
    for (int i = 0; i <= WAIT_ALSO_MAX; i++) {
        client_init(&many[i], 0, (int[]){10, 100 + i}, 1, 1);
        join(&f.txn, &many[i]);
    }
    assert_int_equal(wait_also(&f.txn, &many[0].keys[0], 1, 2, 0, hashes), 2);
    assert_true(has_hash(hashes, 2, &many[0].keys[1]) && has_hash(hashes, 2, &many[1].keys[1]));
    assert_int_equal(wait_also(&f.txn, &many[0].keys[0], 1, UINT32_MAX, -1, hashes), -1);
    struct client ring[2]; /* 20 → 21 → 21: what is there serves many */
    for (int i = 0; i < 2; i++) {
        client_init(&ring[i], 0, (int[]){20 + i, 21}, 1, 1);
        join(&f.txn, &ring[i]);
    }
    struct client beyond[2];
    for (int i = 0; i < 2; i++) {
        client_init(&beyond[i], 0, (int[]){21, 22 + i}, 1, 1);
        join(&f.txn, &beyond[i]);
    }
    assert_int_equal(wait_also(&f.txn, &ring[0].keys[0], 1, 1, 0, hashes), 3);
    assert_true(has_hash(hashes, 3, &beyond[1].keys[1]));
    assert_int_equal(wait_also(&f.txn, &ring[1].keys[0], 1, 1, 0, hashes), 3);
    for (int i = 0; i < 2; i++) {
        wait_leave(&f.txn, &ring[i].waiter);
        wait_leave(&f.txn, &beyond[i].waiter);
    }
    for (int i = 0; i < 3; i++)
        wait_leave(&f.txn, &chain[i].waiter);
    for (int i = 0; i <= WAIT_ALSO_MAX; i++)
        wait_leave(&f.txn, &many[i].waiter);
    assert_int_equal(wait_keys(f.ks), 0);
    fixture_deinit(&f);
}

/* ---- threads ---- */

static _Atomic uint64_t taken, given;

/* What was set is taken by a waiter at once, or stands until a thread that wants to wait finds it.
 */
static void serve_counting(struct txn *t)
{
    struct ready_key *r;
    while ((r = wait_take_ready(t))) {
        uint64_t after = 0;
        struct ref ref;
        txn_find(t, &r->key, &ref);
        struct waiter *w = wait_claim_next(t, r->db, &ref, &after);
        if (w) {
            txn_delete(t, &ref, false, EVENT_DEL);
            atomic_fetch_add(&taken, 1);
        }
        wait_free_ready(r);
    }
}

struct thread {
    pthread_t id;
    struct txn txn;
};

static int random_key(struct thread *t)
{
    return (int)rng_below(&t->txn.rng, SHARED_KEYS);
}

static void give(struct thread *t)
{
    char name[16];
    int len = snprintf(name, sizeof(name), "k:%d", random_key(t));
    struct key key = key_make(slice_make(name, (size_t)len));
    struct ref ref;
    txn_begin(&t->txn, 0, false);
    txn_lock(&t->txn, &key, 1);
    if (!txn_find(&t->txn, &key, &ref)) {
        txn_set_string(&t->txn, &ref, SLICE("v"), TTL_NONE, EVENT_SET);
        atomic_fetch_add(&given, 1);
    }
    txn_end(&t->txn, NULL, 0);
}

static bool take_or_join(struct thread *t, struct client *c)
{
    bool found = false;
    txn_begin(&t->txn, 0, false);
    txn_lock(&t->txn, c->keys, c->waiter.key_count);
    for (uint32_t i = 0; i < c->waiter.key_count && !found; i++) {
        struct ref ref;
        found = txn_find(&t->txn, &c->keys[i], &ref);
        if (found)
            txn_delete(&t->txn, &ref, false, EVENT_DEL);
    }
    if (!found)
        wait_join(&t->txn, &c->waiter);
    txn_end(&t->txn, NULL, 0);
    if (found)
        atomic_fetch_add(&taken, 1);
    return !found;
}

static void *run_thread(void *arg)
{
    struct thread *t = arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct client c;
        client_init(&c, 0, (int[]){random_key(t), random_key(t)}, 2, 0);
        if (take_or_join(t, &c)) {
            for (int tries = 0; tries < 3; tries++)
                give(t);
            (void)wait_claim(&c.waiter, WAIT_OVER); /* or it was served */
            wait_leave(&t->txn, &c.waiter);
        }
    }
    return NULL;
}

static void test_threads(void **state)
{
    static struct thread threads[THREADS];
    struct fixture f;
    setup(&f);
    f.ks->serve = serve_counting;
    for (int i = 0; i < THREADS; i++) {
        txn_init(&threads[i].txn, f.ks, gate_register(&f.ks->gates, NULL, NULL));
        threads[i].txn.now_ms = FIXTURE_NOW_MS;
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i].id, NULL, run_thread, &threads[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i].id, NULL);
    int left = fixture_count(&f, 0, "k", 0, SHARED_KEYS);
    assert_int_equal(atomic_load(&given), atomic_load(&taken) + (uint64_t)left);
    assert_true(atomic_load(&taken) > ROUNDS / 10);
    assert_int_equal(wait_keys(f.ks), 0);
    for (int i = 0; i < THREADS; i++)
        txn_deinit(&threads[i].txn);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_several_keys),
        cmocka_unit_test(test_claimed_by_others),
        cmocka_unit_test(test_swap_and_flush),
        cmocka_unit_test(test_also),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
