#include "server/key_census.h"

#include "server/server_internal.h"

static void tell(struct key_census *c, bool complete)
{
    lock_acquire(&c->lock);
    if (complete || !c->complete)
        c->told = c->round;
    c->complete |= complete;
    lock_release(&c->lock);
}

void key_census_step(struct key_census *c)
{
    tell(c, false);
}

void key_census_round(struct key_census *c)
{
    tell(c, true);
    c->round = (struct type_counts){0};
}

struct type_counts key_census_total(const struct server *s)
{
    struct type_counts sum = {0};
    for (unsigned i = 0; i < s->thread_count; i++) {
        struct key_census *c = &s->threads[i]->big.census;
        lock_acquire(&c->lock);
        for (int type = 0; type < TYPE_COUNT; type++) {
            sum.keys[type] += c->told.keys[type];
            sum.bytes[type] += c->told.bytes[type];
        }
        lock_release(&c->lock);
    }
    return sum;
}
