/* Subscriptions against a naive twin: for each publication exactly the reactors and as many
 * receivers as the twin has; and with threads that join, leave and publish at once. */
#include "base/hash.h"
#include "base/rand.h"
#include "cmd/pubsub.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum {
    NAMES = 6,
    REACTORS = 5,
    STEPS = 40000
};

/* The last three also match channels as patterns. */
static const char *const names[NAMES] = {"a", "news", "news.x", "news*", "*", "a[b-d]*"};
static const bool matching[NAMES][NAMES] = {
    /* pattern [i] matches channel [j] */
    {true, false, false, false, false, false}, {false, true, false, false, false, false},
    {false, false, true, false, false, false}, {false, true, true, true, false, false},
    {true, true, true, true, true, true},      {false, false, false, false, false, false},
};

struct heard {
    uint64_t reactors[PUBSUB_KINDS], number;
    uint32_t posts[PUBSUB_KINDS];
};

static void post(void *arg, const struct publication *p, uint64_t reactors)
{
    struct heard *h = arg;
    assert_true(!h->number || h->number == p->number);
    h->number = p->number;
    h->reactors[p->kind] |= reactors;
    h->posts[p->kind]++;
    assert_true((p->kind == PUBSUB_PATTERN) == (p->pattern.ptr != NULL));
    assert_true(slice_equal(p->payload, SLICE("payload")));
}

struct twin {
    uint32_t count[PUBSUB_KINDS][NAMES][REACTORS];
};

static uint32_t total(const struct twin *w, int kind, int name)
{
    uint32_t sum = 0;
    for (int r = 0; r < REACTORS; r++)
        sum += w->count[kind][name][r];
    return sum;
}

static uint64_t mask(const struct twin *w, int kind, int name)
{
    uint64_t bits = 0;
    for (unsigned r = 0; r < REACTORS; r++)
        bits |= (uint64_t)(w->count[kind][name][r] != 0) << r;
    return bits;
}

static void check_publish(struct pubsub *ps, const struct twin *w, enum pubsub_kind kind, int name,
                          uint64_t *number)
{
    struct heard h = {0};
    uint64_t patterns = 0, receivers = total(w, kind, name);
    uint32_t posts = 0;
    uint64_t got = pubsub_publish(ps, kind, slice_cstr(names[name]), SLICE("payload"), post, &h);
    for (int i = 0; i < NAMES && kind == PUBSUB_CHANNEL; i++)
        if (matching[i][name] && total(w, PUBSUB_PATTERN, i)) {
            patterns |= mask(w, PUBSUB_PATTERN, i);
            receivers += total(w, PUBSUB_PATTERN, i);
            posts++;
        }
    assert_int_equal(got, receivers);
    assert_int_equal(h.reactors[kind], mask(w, kind, name));
    assert_int_equal(h.posts[kind], mask(w, kind, name) != 0);
    assert_int_equal(h.reactors[PUBSUB_PATTERN], patterns);
    assert_int_equal(h.posts[PUBSUB_PATTERN], posts);
    assert_true(!h.number || h.number > *number);
    *number = MAX(*number, h.number);
}

static void change(struct pubsub *ps, struct twin *w, struct rng *rng, enum pubsub_kind kind,
                   int name, const uint64_t *number)
{
    unsigned reactor = (unsigned)rng_below(rng, REACTORS);
    uint32_t *count = &w->count[kind][name][reactor];
    struct slice text = slice_cstr(names[name]);
    uint64_t told;
    if (rng_below(rng, 2) || !*count) {
        told = pubsub_join(ps, kind, text, hash_slice(text), reactor);
        ++*count;
    } else {
        told = pubsub_leave(ps, kind, text, hash_slice(text), reactor, *count == 1);
        --*count;
    }
    assert_true(told >= *number);
}

static void leave_all(struct pubsub *ps, struct twin *w)
{
    for (int kind = 0; kind < PUBSUB_KINDS; kind++)
        for (int name = 0; name < NAMES; name++)
            for (unsigned r = 0; r < REACTORS; r++)
                for (struct slice text = slice_cstr(names[name]); w->count[kind][name][r];)
                    pubsub_leave(ps, kind, text, hash_slice(text), r,
                                 --w->count[kind][name][r] == 0);
}

static void check_counts(struct pubsub *ps, const struct twin *w)
{
    for (int kind = 0; kind < PUBSUB_KINDS; kind++) {
        uint64_t used = 0;
        for (int name = 0; name < NAMES; name++) {
            used += total(w, kind, name) != 0;
            if (kind != PUBSUB_PATTERN)
                assert_int_equal(pubsub_subscribers(ps, kind, slice_cstr(names[name])),
                                 total(w, kind, name));
        }
        assert_int_equal(pubsub_count(ps, kind), used);
    }
}

static void test_twin(void **state)
{
    static struct pubsub ps;
    struct twin w = {0};
    struct rng rng;
    uint64_t number = 0;
    (void)state;
    rng_seed(&rng, 3);
    pubsub_init(&ps);
    for (int i = 0; i < STEPS; i++) {
        enum pubsub_kind kind = (enum pubsub_kind)rng_below(&rng, PUBSUB_KINDS);
        int name = (int)rng_below(&rng, NAMES);
        if (rng_below(&rng, 2) && kind != PUBSUB_PATTERN)
            check_publish(&ps, &w, kind, name, &number);
        else
            change(&ps, &w, &rng, kind, name, &number);
        if (i % 100 == 0)
            check_counts(&ps, &w);
    }
    leave_all(&ps, &w);
    check_counts(&ps, &w);
    pubsub_deinit(&ps);
    assert_int_equal(mem_used(MEM_CLIENT), 0);
}

/* ---- threads ---- */

struct worker {
    pthread_t thread;
    struct pubsub *ps;
    unsigned reactor;
};

/* Who holds the stripe of a channel sees its numbers rise. */
static uint64_t last_of[NAMES];

static void post_in_order(void *arg, const struct publication *p, uint64_t reactors)
{
    uint64_t *last = arg;
    (void)reactors;
    if (p->kind != PUBSUB_CHANNEL)
        return;
    assert_true(p->number > *last);
    *last = p->number;
}

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    struct rng rng;
    rng_seed(&rng, w->reactor);
    for (int i = 0; i < STEPS / 4; i++) {
        int name = (int)rng_below(&rng, NAMES);
        struct slice text = slice_cstr(names[name]);
        enum pubsub_kind kind = rng_below(&rng, 2) ? PUBSUB_PATTERN : PUBSUB_CHANNEL;
        pubsub_join(w->ps, kind, text, hash_slice(text), w->reactor);
        pubsub_publish(w->ps, PUBSUB_CHANNEL, text, SLICE("payload"), post_in_order,
                       &last_of[name]);
        pubsub_leave(w->ps, kind, text, hash_slice(text), w->reactor, true);
    }
    return NULL;
}

static void test_threads(void **state)
{
    static struct pubsub ps;
    struct worker workers[4];
    (void)state;
    pubsub_init(&ps);
    for (unsigned i = 0; i < ARRAY_LEN(workers); i++) {
        workers[i] = (struct worker){.ps = &ps, .reactor = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]), 0);
    }
    for (unsigned i = 0; i < ARRAY_LEN(workers); i++)
        pthread_join(workers[i].thread, NULL);
    pubsub_deinit(&ps);
    assert_int_equal(mem_used(MEM_CLIENT), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twin),
        cmocka_unit_test(test_threads),
    };
    hash_seed(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
