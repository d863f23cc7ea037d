#include "ds/heap.h"

#include "model.h"

enum {
    ITEMS = 2000
};

struct timer {
    int64_t when;
    uint32_t position;
    bool inside;
};

static void timer_moved(void *item, uint32_t position)
{
    ((struct timer *)item)->position = position;
}

static int64_t least(const struct timer *timers)
{
    int64_t min = INT64_MAX;
    for (int i = 0; i < ITEMS; i++)
        if (timers[i].inside && timers[i].when < min)
            min = timers[i].when;
    return min;
}

static void check(const struct heap *h, const struct timer *timers, uint32_t inside)
{
    assert_true(heap_validate(h));
    assert_int_equal(h->len, inside);
    assert_true(h->cap <= 16 || h->len >= h->cap / 4);
    for (int i = 0; i < ITEMS; i++)
        if (timers[i].inside) {
            assert_true(h->items[timers[i].position].item == &timers[i]);
            assert_int_equal(h->items[timers[i].position].when, timers[i].when);
        }
    if (inside)
        assert_int_equal(heap_peek(h)->when, least(timers));
    else
        assert_null(heap_peek(h));
    assert_int_equal(mem_used(MEM_OTHER), heap_bytes(h));
}

/* `growing` in percent: how often an absent timer is pushed rather than skipped. */
static uint32_t step(struct heap *h, struct timer *timers, struct rng *rng, unsigned growing,
                     uint32_t inside)
{
    struct timer *t = &timers[rng_below(rng, ITEMS)];
    int64_t when = rng_below(rng, 50) ? (int64_t)rng_below(rng, 5000) : model_number(rng);
    unsigned kind = (unsigned)rng_below(rng, 100);
    if (!t->inside) {
        if (kind >= growing)
            return inside;
        *t = (struct timer){.when = when, .inside = true, .position = UINT32_MAX};
        heap_push(h, MEM_OTHER, when, t, timer_moved);
        return inside + 1;
    }
    if (kind < growing) {
        t->when = when;
        heap_update(h, t->position, when, timer_moved);
        return inside;
    }
    if (kind % 2) {
        int64_t min = h->items[0].when;
        t = heap_pop(h, MEM_OTHER, timer_moved);
        assert_int_equal(t->when, min);
    } else {
        heap_remove(h, MEM_OTHER, t->position, timer_moved);
    }
    assert_true(t->inside);
    t->inside = false;
    return inside - 1;
}

static void agrees_with_a_plain_array(void **state)
{
    (void)state;
    static struct timer timers[ITEMS];
    struct heap h;
    struct rng rng;
    uint32_t inside = 0;
    heap_init(&h);
    rng_seed(&rng, 1);
    for (long op = 0, ops = model_ops(); op < ops; op++) {
        unsigned growing = op / 10000 % 2 ? 10 : 90;
        inside = step(&h, timers, &rng, growing, inside);
        if (op % 997 == 0)
            check(&h, timers, inside);
    }
    check(&h, timers, inside);
    heap_deinit(&h, MEM_OTHER);
    assert_int_equal(mem_used(MEM_OTHER), 0);
}

static void pops_in_order(void **state)
{
    (void)state;
    static struct timer timers[ITEMS];
    struct heap h;
    struct rng rng;
    heap_init(&h);
    rng_seed(&rng, 2);
    for (int i = 0; i < ITEMS; i++)
        heap_push(&h, MEM_DATA, (int64_t)rng_next(&rng), &timers[i], timer_moved);
    int64_t last = INT64_MIN;
    for (int i = 0; i < ITEMS; i++) {
        int64_t when = heap_peek(&h)->when;
        assert_true(when >= last);
        last = when;
        assert_non_null(heap_pop(&h, MEM_DATA, timer_moved));
    }
    assert_null(heap_pop(&h, MEM_DATA, timer_moved));
    assert_true(h.cap <= 8);
    heap_deinit(&h, MEM_DATA);
    assert_int_equal(mem_used(MEM_DATA), 0);
}

static void bench(void **state)
{
    (void)state;

    enum {
        N = 1000000
    };

    if (!model_bench())
        return; /* cmocka reports a skipped test as failed in TAP */
    struct timer *timers = calloc(N, sizeof(*timers));
    struct heap h;
    struct rng rng;
    heap_init(&h);
    rng_seed(&rng, 3);
    double start = model_now_ns();
    for (int i = 0; i < N; i++)
        heap_push(&h, MEM_DATA, (int64_t)(rng_next(&rng) >> 1), &timers[i], timer_moved);
    double pushed = model_now_ns();
    for (int i = 0; i < N; i++)
        heap_pop(&h, MEM_DATA, timer_moved);
    print_message("# heap of 10^6: push %.0f ns, pop %.0f ns\n", (pushed - start) / N,
                  (model_now_ns() - pushed) / N);
    heap_deinit(&h, MEM_DATA);
    free(timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_plain_array),
        cmocka_unit_test(pops_in_order),
        cmocka_unit_test(bench),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
