/* Pins: who waits for whom, that nobody is woken before the last one lets go, and that no pin and
 * no waiter is left behind; random sequences against a naive twin. */
#include "store/pin.h"

#include "store_fixture.h"

enum {
    SHARDS = 64,
    KEYS = 6,
    CLIENTS = 12,
    STEPS = 60000
};

static void wake(struct pin_waiter *w)
{
    (void)w;
}

static bool take(struct fixture *f, const struct key *key, enum pin_use use, struct pin_waiter *w)
{
    return pins_take(f->ks, key, &use, 1, w);
}

static void drop(struct fixture *f, const struct key *key, enum pin_use use)
{
    pins_drop(f->ks, key, &use, 1);
}

static void test_rules(void **state)
{
    struct fixture f;
    struct pin_waiter writer = {.wake = wake}, slow = {.wake = wake};
    fixture_init(&f, SHARDS);
    struct key a = key_make(SLICE("a")), b = key_make(SLICE("b"));
    (void)state;
    assert_true(take(&f, &a, PIN_READ, &slow));
    assert_true(take(&f, &a, PIN_READ, &slow)); /* readers share */
    assert_true(pins_hold(f.ks, &a) && !pins_hold(f.ks, &b));
    assert_false(take(&f, &a, PIN_TARGET, &slow)); /* but not with one who will store */
    pins_forget(f.ks, &slow);
    assert_true(pins_wait(f.ks, &a, &writer, PIN_BARS_WRITES));
    assert_false(take(&f, &a, PIN_READ, &slow)); /* nor with one who waits */
    drop(&f, &a, PIN_READ);
    assert_true(pins_is_waiting(f.ks, &writer) && pins_is_waiting(f.ks, &slow));
    drop(&f, &a, PIN_READ);
    assert_false(pins_is_waiting(f.ks, &writer) || pins_is_waiting(f.ks, &slow));
    assert_true(take(&f, &b, PIN_TARGET, &slow));
    assert_false(pins_wait(f.ks, &b, &writer, PIN_BARS_WRITES)); /* writers pass a destination */
    assert_true(pins_wait(f.ks, &b, &writer, PIN_BARS_ALL) && pins_is_waiting(f.ks, &writer));
    pins_forget(f.ks, &writer);
    assert_false(pins_hold(f.ks, &b));
    drop(&f, &b, PIN_TARGET);
    fixture_deinit(&f);
}

static void test_one_command_with_a_key_twice(void **state)
{
    struct fixture f;
    struct pin_waiter w = {.wake = wake};
    fixture_init(&f, SHARDS);
    struct key a = key_make(SLICE("a")), keys[] = {a, a, a};

    const enum pin_use uses[] = {PIN_TARGET, PIN_READ, PIN_READ};

    (void)state;
    assert_true(pins_take(f.ks, keys, uses, 3, &w));
    assert_true(pins_wait(f.ks, &a, &w, PIN_BARS_WRITES));
    pins_drop(f.ks, keys, uses, 3);
    assert_false(pins_hold(f.ks, &a) || pins_is_waiting(f.ks, &w));
    fixture_deinit(&f);
}

static void test_an_edit_is_alone(void **state)
{
    struct fixture f;
    struct pin_waiter reader = {.wake = wake}, slow = {.wake = wake};
    (void)state;
    fixture_init(&f, SHARDS);
    struct key a = key_make(SLICE("a"));
    assert_true(take(&f, &a, PIN_READ, &slow));
    assert_false(take(&f, &a, PIN_EDIT, &slow));
    pins_forget(f.ks, &slow);
    assert_false(pins_wait(f.ks, &a, &reader, PIN_BARS_READS));
    drop(&f, &a, PIN_READ);
    assert_true(take(&f, &a, PIN_EDIT, &slow) && pins_hold(f.ks, &a));
    assert_true(pins_wait(f.ks, &a, &reader, PIN_BARS_READS));
    assert_false(take(&f, &a, PIN_READ, &slow));
    drop(&f, &a, PIN_EDIT);
    assert_false(pins_is_waiting(f.ks, &reader) || pins_is_waiting(f.ks, &slow));
    assert_false(pins_hold(f.ks, &a));
    fixture_deinit(&f);
}

/* ---- the twin ---- */

struct client {
    struct pin_waiter waiter;
    int key; /* that it pins or waits for; -1: idle */
    enum pin_use use;
    enum pin_bar bar;
    bool pins, waits;
};

static bool twin_conflicts(const struct client *c, const struct client *o, bool user)
{
    if (!user)
        return c->use != PIN_READ || o->use != PIN_READ;
    return o->use == PIN_EDIT || (o->use == PIN_READ && c->bar >= PIN_BARS_WRITES) ||
           (o->use == PIN_TARGET && c->bar == PIN_BARS_ALL);
}

/* `user`: of the key itself, not of a pin. */
static bool twin_admits(const struct client *clients, const struct client *c, bool user)
{
    for (int i = 0; i < CLIENTS; i++) {
        const struct client *o = &clients[i];
        if (o == c || o->key != c->key)
            continue;
        if (o->pins && twin_conflicts(c, o, user))
            return false;
        if (o->waits && !user)
            return false;
    }
    return true;
}

static void twin_wake(struct client *clients, int key)
{
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i].key == key && clients[i].pins)
            return;
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i].key == key && clients[i].waits) {
            clients[i].waits = false;
            clients[i].key = -1;
        }
}

static void step(struct fixture *f, struct client *clients, const struct key *keys)
{
    struct client *c = &clients[rng_below(&f->txn.rng, CLIENTS)];
    int key = c->key;
    if (c->pins) {
        c->pins = false;
        drop(f, &keys[key], c->use);
        twin_wake(clients, key);
        c->key = -1;
    } else if (c->waits) {
        pins_forget(f->ks, &c->waiter);
        c->waits = false;
        c->key = -1;
    } else {
        bool user = rng_below(&f->txn.rng, 3) == 0;
        c->key = (int)rng_below(&f->txn.rng, KEYS);
        c->use = (enum pin_use)rng_below(&f->txn.rng, 3);
        c->bar = (enum pin_bar)rng_below(&f->txn.rng, 3);
        bool admits = twin_admits(clients, c, user);
        bool passed = user ? !pins_wait(f->ks, &keys[c->key], &c->waiter, c->bar)
                           : take(f, &keys[c->key], c->use, &c->waiter);
        assert_int_equal(passed, admits);
        c->pins = passed && !user;
        c->waits = !passed;
        c->key = passed && user ? -1 : c->key;
    }
}

static void test_against_the_twin(void **state)
{
    static char names[KEYS][8];
    struct fixture f;
    struct client clients[CLIENTS] = {0};
    struct key keys[KEYS];
    (void)state;
    fixture_init(&f, SHARDS);
    for (int i = 0; i < KEYS; i++) {
        int len = snprintf(names[i], sizeof(names[i]), "key%d", i);
        keys[i] = key_make(slice_make(names[i], (size_t)len));
    }
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = (struct client){.waiter.wake = wake, .key = -1};
    for (int n = 0; n < STEPS; n++) {
        step(&f, clients, keys);
        for (int i = 0; i < CLIENTS; i++)
            assert_int_equal(pins_is_waiting(f.ks, &clients[i].waiter), clients[i].waits);
    }
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i].pins)
            drop(&f, &keys[clients[i].key], clients[i].use);
    for (unsigned i = 0; i < SHARDS; i++)
        assert_int_equal(atomic_load(&f.ks->shards[i].pins), 0);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_one_command_with_a_key_twice),
        cmocka_unit_test(test_an_edit_is_alone),
        cmocka_unit_test(test_against_the_twin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
