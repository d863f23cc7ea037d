#include "server/stop_watch.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/server_internal.h"

#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

enum {
    STUCK_MS = 15 * 1000
};

static struct {
    CACHE_ALIGNED _Atomic int64_t ms;
} seen[THREADS_MAX];

static _Atomic int64_t began_ms; /* 0: no stop is asked for */
static timer_t timer;
static _Atomic bool has_timer;

void stop_watch_seen(unsigned reactor, int64_t now_ms)
{
    atomic_store_explicit(&seen[reactor].ms, now_ms, memory_order_relaxed);
}

/* In a signal's handler. */
static void look(int number)
{
    static const char text[] = "A script does not come back: the server ends without it.\n";
    int64_t now_ms = clock_monotonic_ms(), began = atomic_load(&began_ms);
    (void)number;
    if (!began || now_ms - began < STUCK_MS)
        return;
    for (unsigned i = 0; i < THREADS_MAX; i++) {
        int64_t ms = atomic_load_explicit(&seen[i].ms, memory_order_relaxed);
        if (ms && now_ms - ms >= STUCK_MS) {
            log_write_raw(text, sizeof(text) - 1);
            _exit(1);
        }
    }
}

static void make_timer(void)
{
    const struct itimerspec each_second = {.it_value = {1, 0}, .it_interval = {1, 0}};
    struct sigaction action = {.sa_handler = look, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    sigemptyset(&action.sa_mask);
    sigaction(SIGRTMIN, &action, NULL);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0)
        timer_settime(timer, 0, &each_second, NULL);
}

void stop_watch_begin(void)
{
    int64_t never = 0;
    if (atomic_compare_exchange_strong(&began_ms, &never, clock_monotonic_ms()) &&
        !atomic_exchange(&has_timer, true))
        make_timer();
}

void stop_watch_end(void)
{
    atomic_store(&began_ms, 0);
}
