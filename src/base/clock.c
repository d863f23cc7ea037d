#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

enum {
    CALIBRATION_NS = 5 * 1000 * 1000,
    CALIBRATION_TRIES = 8
};

static _Atomic int64_t wall_shift_ms;
/* Nanoseconds per cycle as a 32.32 fixed-point number; written once, before other threads start. */
static uint64_t ns_per_cycle = (uint64_t)1 << 32;

static int64_t read_clock_us(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
    int64_t shift_ms = atomic_load_explicit(&wall_shift_ms, memory_order_relaxed);
    return read_clock_us(CLOCK_REALTIME) + shift_ms * 1000;
}

int64_t clock_wall_ms(void)
{
    return clock_wall_us() / 1000;
}

uint64_t clock_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int64_t clock_monotonic_us(void)
{
    return (int64_t)(clock_monotonic_ns() / 1000);
}

int64_t clock_monotonic_ms(void)
{
    return (int64_t)(clock_monotonic_ns() / 1000000);
}

void clock_shift_wall_ms(int64_t delta_ms)
{
    atomic_fetch_add_explicit(&wall_shift_ms, delta_ms, memory_order_relaxed);
}

struct sample {
    uint64_t cycles, ns;
};

/* Both clocks at one moment. Of several tries the narrowest counts: in the others an interrupt may
 * lie between the two readings. */
static struct sample take_sample(void)
{
    struct sample best = {0, 0};
    uint64_t narrowest = UINT64_MAX;
    for (int i = 0; i < CALIBRATION_TRIES; i++) {
        uint64_t before = clock_cycles(), ns = clock_monotonic_ns(),
                 width = clock_cycles() - before;
        if (width < narrowest) {
            narrowest = width;
            best = (struct sample){before + width / 2, ns};
        }
    }
    return best;
}

void clock_init(void)
{
    struct sample begin = take_sample();
    nanosleep(&(struct timespec){.tv_nsec = CALIBRATION_NS}, NULL);
    struct sample end = take_sample();
    if (end.cycles > begin.cycles && end.ns > begin.ns)
        ns_per_cycle = (uint64_t)(((unsigned __int128)(end.ns - begin.ns) << 32) /
                                  (end.cycles - begin.cycles));
}

uint64_t clock_cycles_to_ns(uint64_t cycles)
{
    return (uint64_t)((unsigned __int128)cycles * ns_per_cycle >> 32);
}
