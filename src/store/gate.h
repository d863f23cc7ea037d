/* gate.h: the way into the keyspace, and exclusive mode.
 *
 * Every thread that may take a shard lock has a gate and runs commands inside it, a bounded batch
 * at a time. Exclusive mode closes all gates: its owner then runs alone, with single-threaded
 * semantics and without shard locks. Nothing here blocks. A thread that finds its gate closed, or
 * that must wait for others to leave, returns to its loop, and is woken through its wake function
 * when it should try again.
 *
 * Memory order: enter stores `inside` and then reads `exclusive`; the owner stores `exclusive` and
 * then reads every `inside`. Both are sequentially consistent, so at least one of the two sees the
 * other (Dekker's argument). What a thread did inside its gate happens before the owner's run: the
 * owner reads its `inside` as 0. */
#pragma once

#include "base/base.h"

#include <stdatomic.h>

enum {
    GATES_MAX = 130
};

typedef void (*gate_wake_fn)(void *arg); /* any thread; must not block */

struct gate {
    CACHE_ALIGNED _Atomic uint32_t inside;
    _Atomic uint32_t waiting; /* wants a wake when exclusive mode ends */
    gate_wake_fn wake;
    void *arg;
};

struct gates {
    CACHE_ALIGNED _Atomic uint32_t exclusive; /* 0, or the owner's index + 1 */
    unsigned count;
    unsigned used; /* of them: nobody enters the others for now; changed in exclusive mode or before
                      there are threads */
    struct gate gates[GATES_MAX];
};

enum gate_grant {
    GATE_GRANTED, /* run, then gate_open() */
    GATE_PENDING, /* ours, but others are still inside: ask again when woken */
    GATE_BUSY,    /* another thread's turn: ask again when woken */
};

/* Adds a gate and returns its index. Before the threads start. */
unsigned gate_register(struct gates *gs, gate_wake_fn wake, void *arg);

/* One thread only enters for now: what it does needs no lock against others. Changes in exclusive
 * mode only, once the threads run. */
INLINE bool gates_lone(const struct gates *gs)
{
    return gs->used == 1;
}

/* False: closed; a wake will come. */
INLINE bool gate_enter(struct gates *gs, unsigned self);
INLINE void gate_leave(struct gates *gs, unsigned self);
/* Asks for exclusive mode; the caller is outside its gate. Repeat until GRANTED: a PENDING request
 * stays raised. */
enum gate_grant gate_exclusive(struct gates *gs, unsigned self);
/* Ends exclusive mode and wakes whoever waits. */
void gate_open(struct gates *gs, unsigned self);

/* Not for callers. */
bool gate_enter_closed(struct gates *gs, unsigned self);
void gate_wake_owner(struct gates *gs);

INLINE bool gate_enter(struct gates *gs, unsigned self)
{
    atomic_store(&gs->gates[self].inside, 1);
    return likely(atomic_load(&gs->exclusive) == 0) || gate_enter_closed(gs, self);
}

INLINE void gate_leave(struct gates *gs, unsigned self)
{
    atomic_store(&gs->gates[self].inside, 0);
    if (unlikely(atomic_load(&gs->exclusive) != 0))
        gate_wake_owner(gs);
}
