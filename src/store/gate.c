#include "store/gate.h"

#include "base/assert.h"

enum {
    SPINS = 200
}; /* ~2 µs: most batches end sooner than a sleep and a wake take */

unsigned gate_register(struct gates *gs, gate_wake_fn wake, void *arg)
{
    ASSERT(gs->count < GATES_MAX);
    gs->gates[gs->count] = (struct gate){.wake = wake, .arg = arg};
    gs->used++;
    return gs->count++;
}

void gate_wake_owner(struct gates *gs)
{
    uint32_t owner = atomic_load(&gs->exclusive);
    if (owner)
        gs->gates[owner - 1].wake(gs->gates[owner - 1].arg);
}

/* Announces that a wake is wanted. False when exclusive mode has ended meanwhile: no wake may come.
 * The announcement stays even then, for it may be an earlier one's too, to whom a wake was
 * promised; a wake too many costs a look. */
static bool wait_for_open(struct gates *gs, unsigned self)
{
    atomic_store(&gs->gates[self].waiting, 1);
    return atomic_load(&gs->exclusive) != 0;
}

bool gate_enter_closed(struct gates *gs, unsigned self)
{
    for (;;) {
        gate_leave(gs, self); /* the owner may have seen us inside */
        if (wait_for_open(gs, self))
            return false;
        atomic_store(&gs->gates[self].inside, 1);
        if (atomic_load(&gs->exclusive) == 0)
            return true;
    }
}

static bool others_inside(struct gates *gs, unsigned self)
{
    for (unsigned i = 0; i < gs->count; i++)
        if (i != self && atomic_load(&gs->gates[i].inside))
            return true;
    return false;
}

enum gate_grant gate_exclusive(struct gates *gs, unsigned self)
{
    uint32_t owner = atomic_load(&gs->exclusive);
    while (owner != self + 1) {
        owner = 0;
        if (atomic_compare_exchange_strong(&gs->exclusive, &owner, self + 1))
            break;
        if (owner != self + 1 && wait_for_open(gs, self))
            return GATE_BUSY;
    }
    for (int i = 0; i < SPINS; i++) {
        if (!others_inside(gs, self))
            return GATE_GRANTED;
        cpu_pause();
    }
    return GATE_PENDING;
}

void gate_open(struct gates *gs, unsigned self)
{
    ASSERT(atomic_load(&gs->exclusive) == self + 1);
    atomic_store(&gs->exclusive, 0);
    for (unsigned i = 0; i < gs->count; i++)
        if (atomic_load(&gs->gates[i].waiting) && atomic_exchange(&gs->gates[i].waiting, 0))
            gs->gates[i].wake(gs->gates[i].arg);
}
