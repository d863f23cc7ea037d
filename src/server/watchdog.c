#include "server/watchdog.h"

#include "base/clock.h"
#include "server/crash.h"
#include "server/server_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include <sys/syscall.h>

enum {
    HZ_MAX = 500,
    LOOKS_PER_PERIOD = 4,
    LOOK_SIGNAL = 1 /* from SIGRTMIN; stop_watch.c has 0 */
};

/* A reactor as the handler sees it. */
static struct {
    const struct server_thread *_Atomic thread; /* release by its thread, with tid set */
    int tid;
    int64_t told_ms; /* the stall that was told of, by its begin; the handler's own */
} watched[THREADS_MAX];

static _Atomic int64_t period_ms; /* 0: nobody looks */
static timer_t timer;
static bool has_timer; /* changed alone */

void watchdog_thread_begin(struct server_thread *t)
{
    unsigned id = t->net.reactor.id;
    watched[id].tid = (int)syscall(SYS_gettid);
    atomic_store_explicit(&watched[id].thread, t, memory_order_release);
}

void watchdog_thread_end(struct server_thread *t)
{
    atomic_store(&watched[t->net.reactor.id].thread, NULL);
}

/* In the handler. */
static void look_at(unsigned id, int64_t now_ms, int64_t limit_ms)
{
    /* acquire: its tid */
    const struct server_thread *t = atomic_load_explicit(&watched[id].thread, memory_order_acquire);
    if (!t)
        return;
    int64_t since_ms = atomic_load_explicit(&t->net.reactor.busy_since_ms, memory_order_relaxed);
    if (!since_ms || now_ms - since_ms < limit_ms || since_ms == watched[id].told_ms)
        return;
    if (crash_report_stall(id, watched[id].tid, now_ms - since_ms))
        watched[id].told_ms = since_ms;
}

static void look(int number)
{
    int saved = errno;
    int64_t limit_ms = atomic_load(&period_ms), now_ms = clock_monotonic_ms();
    (void)number;
    for (unsigned id = 0; id < THREADS_MAX && limit_ms; id++)
        look_at(id, now_ms, limit_ms);
    errno = saved;
}

static bool make_timer(void)
{
    struct sigaction action = {.sa_handler = look, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + LOOK_SIGNAL};
    sigemptyset(&action.sa_mask);
    sigaction(SIGRTMIN + LOOK_SIGNAL, &action, NULL);
    return timer_create(CLOCK_MONOTONIC, &event, &timer) == 0;
}

void watchdog_apply(void)
{
    int64_t ms = server_settings.watchdog_period_ms, hz = atomic_load(&server_settings.hz);
    if (ms) /* as Redis, which also shows what it has made of it */
        ms = server_settings.watchdog_period_ms = MAX(ms, 2 * 1000 / MIN(MAX(hz, 1), HZ_MAX));
    atomic_store(&period_ms, ms);
    if (ms && !has_timer)
        has_timer = make_timer();
    if (!has_timer)
        return;
    int64_t every_ms = ms ? MAX(ms / LOOKS_PER_PERIOD, 1) : 0; /* 0 stops the timer */
    struct timespec every = {every_ms / 1000, every_ms % 1000 * 1000000};
    timer_settime(timer, 0, &(struct itimerspec){.it_value = every, .it_interval = every}, NULL);
}
