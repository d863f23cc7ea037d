#include "base/lock.h"

#include <sched.h>
#include <unistd.h>

#include <linux/futex.h>
#include <sys/syscall.h>

enum {
    SPINS = 100
};

static void futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

void lock_acquire_slow(struct lock *l)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&l->state, memory_order_relaxed) == 0 && lock_try(l))
            return;
        cpu_pause();
    }
    while (atomic_exchange_explicit(&l->state, 2, memory_order_acquire) != 0)
        futex_wait(&l->state, 2);
}

void lock_wake(struct lock *l)
{
    syscall(SYS_futex, &l->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

#ifdef SCHED_FUZZ
void lock_yield_sometimes(void);

void lock_yield_sometimes(void)
{
    static __thread uint64_t state = 88172645463325252ULL;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    if ((state & 7) == 0)
        sched_yield();
}
#endif
