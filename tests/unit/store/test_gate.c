#include "base/assert.h"
#include "store/gate.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    THREADS = 6
};

/* What a reactor's mailbox does: a wake is remembered until somebody waits for it. */
struct event {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool set;
};

struct visitor {
    pthread_t thread;
    struct gates *gates;
    unsigned gate, rounds;
    struct event event;
    uint64_t entered, alone, common;
};

/* Plain memory, as the keyspace is: the gates alone order the accesses. Each visitor writes its own
 * word inside its gate; the owner of exclusive mode reads all of them and writes the common one. */
static struct {
    CACHE_ALIGNED uint64_t own[THREADS];
    uint64_t common, inside_sum;
} shared;

static _Atomic int inside_now; /* relaxed: it must not order what the gates should */

static int count_inside(void)
{
    return atomic_load_explicit(&inside_now, memory_order_relaxed);
}

static void wake(void *arg)
{
    struct event *e = arg;
    pthread_mutex_lock(&e->mutex);
    e->set = true;
    pthread_cond_signal(&e->cond);
    pthread_mutex_unlock(&e->mutex);
}

static void wait_for(struct event *e)
{
    pthread_mutex_lock(&e->mutex);
    while (!e->set)
        pthread_cond_wait(&e->cond, &e->mutex);
    e->set = false;
    pthread_mutex_unlock(&e->mutex);
}

static void go_inside(struct visitor *v)
{
    while (!gate_enter(v->gates, v->gate))
        wait_for(&v->event);
    atomic_fetch_add_explicit(&inside_now, 1, memory_order_relaxed);
    ASSERT(shared.common >= v->common);
    v->common = shared.common;
    shared.own[v->gate]++;
    atomic_fetch_sub_explicit(&inside_now, 1, memory_order_relaxed);
    gate_leave(v->gates, v->gate);
    v->entered++;
}

static void go_alone(struct visitor *v)
{
    while (gate_exclusive(v->gates, v->gate) != GATE_GRANTED)
        wait_for(&v->event);
    ASSERT(count_inside() == 0);
    uint64_t sum = 0;
    for (int i = 0; i < THREADS; i++)
        sum += shared.own[i];
    ASSERT(sum >= shared.inside_sum); /* nothing of what was inside is lost */
    shared.inside_sum = sum;
    shared.common++;
    ASSERT(count_inside() == 0);
    gate_open(v->gates, v->gate);
    v->alone++;
}

static void *visit(void *arg)
{
    struct visitor *v = arg;
    for (unsigned i = 0; i < v->rounds; i++) {
        go_inside(v);
        if ((i * 7 + v->gate) % 23 == 0)
            go_alone(v);
    }
    return NULL;
}

/* Nobody hangs, nobody is inside while an owner is alone, and every owner sees what was done
 * before. */
static void exclusion_holds(void **state)
{
    (void)state;
    static struct gates gates;
    static struct visitor visitors[THREADS];
    const char *env = getenv("MODEL_OPS");
    unsigned rounds = env ? (unsigned)(atol(env) / 2 + 1) : 500000;
    uint64_t entered = 0, alone = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        struct visitor *v = &visitors[i];
        *v = (struct visitor){.gates = &gates, .rounds = rounds};
        pthread_mutex_init(&v->event.mutex, NULL);
        pthread_cond_init(&v->event.cond, NULL);
        v->gate = gate_register(&gates, wake, &v->event);
        assert_int_equal(v->gate, i);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&visitors[i].thread, NULL, visit, &visitors[i]);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(visitors[i].thread, NULL);
        entered += visitors[i].entered;
        alone += visitors[i].alone;
    }
    uint64_t sum = 0;
    for (int i = 0; i < THREADS; i++)
        sum += shared.own[i];
    assert_int_equal(sum, entered);
    assert_int_equal(shared.common, alone);
}

static void note(void *arg)
{
    ++*(int *)arg;
}

/* The protocol step by step, on one thread. */
static void closed_gates_answer_and_wake(void **state)
{
    (void)state;
    static struct gates gates;
    int woken[3] = {0};
    for (int i = 0; i < 3; i++)
        gate_register(&gates, note, &woken[i]);
    assert_true(gate_enter(&gates, 0));
    assert_int_equal(gate_exclusive(&gates, 1), GATE_PENDING); /* 0 is inside */
    assert_int_equal(gate_exclusive(&gates, 2), GATE_BUSY);
    assert_false(gate_enter(&gates, 2));
    gate_leave(&gates, 0); /* the last one out calls the owner */
    assert_true(woken[1] >= 1);
    assert_int_equal(gate_exclusive(&gates, 1), GATE_GRANTED);
    assert_false(gate_enter(&gates, 0));
    assert_int_equal(woken[0] + woken[2], 0);
    gate_open(&gates, 1);
    assert_true(woken[0] == 1 && woken[2] == 1);
    assert_true(gate_enter(&gates, 0) && gate_enter(&gates, 2));
    gate_leave(&gates, 0);
    gate_leave(&gates, 2);
    assert_int_equal(gate_exclusive(&gates, 2), GATE_GRANTED);
    gate_open(&gates, 2);
    assert_int_equal(woken[0], 1); /* nobody waited: nobody is woken */
}

struct opener {
    struct gates gates;
    _Atomic bool stop;
};

static void *open_and_close(void *arg)
{
    struct opener *o = arg;
    while (!atomic_load(&o->stop))
        if (gate_exclusive(&o->gates, 0) == GATE_GRANTED)
            gate_open(&o->gates, 0);
    return NULL;
}

/* A reactor asks again for its next client while the first one waits. What comes of that must not
 * cost the first one its wake. */
static void a_second_try_leaves_the_first_its_wake(void **state)
{
    enum {
        ROUNDS = 5000,
        PATIENCE_S = 20
    };

    (void)state;
    static struct opener opener;
    struct event event = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false},
                 nobody = event;
    pthread_t thread;
    gate_register(&opener.gates, wake, &nobody);
    gate_register(&opener.gates, wake, &event);
    assert_int_equal(pthread_create(&thread, NULL, open_and_close, &opener), 0);
    for (int round = 0; round < ROUNDS;) {
        if (gate_enter(&opener.gates, 1)) {
            gate_leave(&opener.gates, 1);
            continue;
        }
        if (gate_enter(&opener.gates, 1)) /* the next client had better luck */
            gate_leave(&opener.gates, 1);
        alarm(PATIENCE_S); /* a lost wake ends the test, not the suite's patience */
        wait_for(&event);
        alarm(0);
        round++;
    }
    atomic_store(&opener.stop, true);
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_gates_answer_and_wake),
        cmocka_unit_test(a_second_try_leaves_the_first_its_wake),
        cmocka_unit_test(exclusion_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
