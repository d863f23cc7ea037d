/* clock.h: time. Wall time for TTLs and INFO, monotonic time for timeouts and durations. The wall
 * clock can be shifted for tests (DEBUG commands). Any thread; all reads are vDSO calls without a
 * lock. */
#pragma once

#include "base/base.h"

/* Since the epoch; it may jump. Monotonic ones never do; their zero means nothing. Any thread. */
int64_t clock_wall_ms(void);
int64_t clock_wall_us(void);
int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);
uint64_t clock_monotonic_ns(void);
/* Adds an offset to the wall clock seen by this process (tests). */
void clock_shift_wall_ms(int64_t delta_ms);

/* Cheap cycle counter for durations, and its rate, measured at start (x86 TSC, arm64 CNTVCT). */
INLINE uint64_t clock_cycles(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t value;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
    return value;
#else
    return clock_monotonic_ns();
#endif
}

void clock_init(void);                        /* once at start: measures the cycle rate, 5 ms */
uint64_t clock_cycles_to_ns(uint64_t cycles); /* after clock_init(); within 0.1 % */
