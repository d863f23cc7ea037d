#include "persist/guest.h"

#include "base/clock.h"
#include "store/access.h"

static void wake(void *arg)
{
    struct guest *g = arg;
    sem_post(&g->wake);
}

void guest_init(struct guest *g, struct keyspace *ks)
{
    sem_init(&g->wake, 0, 0);
    txn_init(&g->txn, ks, gate_register(&ks->gates, wake, g));
    ks->gates.used--;
    g->awake = false;
}

void guest_deinit(struct guest *g)
{
    txn_deinit(&g->txn);
    sem_destroy(&g->wake);
}

void guest_awake(struct guest *g, bool awake)
{
    unsigned *used = &g->txn.ks->gates.used;
    if (g->awake != awake)
        *used = awake ? *used + 1 : *used - 1;
    g->awake = awake;
}

/* A wake too many only makes the caller look once more. */
static void sleep_until_woken(struct guest *g)
{
    while (sem_wait(&g->wake) != 0)
        ;
}

static void start_clock(struct txn *t)
{
    t->now_ms = clock_wall_ms();
    t->access_clock = access_lru_clock(t->now_ms);
    t->restartable = false;
}

void guest_enter(struct guest *g)
{
    while (!gate_enter(&g->txn.ks->gates, g->txn.self))
        sleep_until_woken(g);
    start_clock(&g->txn);
}

void guest_leave(struct guest *g)
{
    gate_leave(&g->txn.ks->gates, g->txn.self);
}

void guest_exclusive(struct guest *g)
{
    while (gate_exclusive(&g->txn.ks->gates, g->txn.self) != GATE_GRANTED)
        sleep_until_woken(g);
    start_clock(&g->txn);
}

void guest_open(struct guest *g)
{
    gate_open(&g->txn.ks->gates, g->txn.self);
}
