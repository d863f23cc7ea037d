/* lock.h: an adaptive mutex of four bytes: a short spin, then the kernel (futex). A pure spinlock
 * would stop the other core for a time slice whenever a holder is preempted; a pthread mutex is ten
 * times the size. State: 0 free, 1 held, 2 held and somebody sleeps (U. Drepper, "Futexes are
 * tricky", mutex 3). With -Dsched_fuzz=true each acquisition may yield first (sched_point()). */
#pragma once

#include "base/base.h"

#include <stdatomic.h>

struct lock {
    _Atomic uint32_t state;
};

/* For lock_acquire() and lock_release(): sleeps until it has the lock; wakes one who sleeps. */
COLD void lock_acquire_slow(struct lock *l);
COLD void lock_wake(struct lock *l);

INLINE bool lock_try(struct lock *l)
{
    uint32_t free_state = 0;
    return atomic_compare_exchange_strong_explicit(&l->state, &free_state, 1, memory_order_acquire,
                                                   memory_order_relaxed);
}

/* With -Dsched_fuzz=true a place where the thread may lose the processor, to make races likelier in
 * tests. */
INLINE void sched_point(void)
{
#ifdef SCHED_FUZZ
    void lock_yield_sometimes(void);
    lock_yield_sometimes();
#endif
}

INLINE void lock_acquire(struct lock *l)
{
    sched_point();
    if (unlikely(!lock_try(l)))
        lock_acquire_slow(l);
}

INLINE void lock_release(struct lock *l)
{
    if (unlikely(atomic_exchange_explicit(&l->state, 0, memory_order_release) == 2))
        lock_wake(l);
}
