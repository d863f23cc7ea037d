#include "os/thread.h"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <sys/resource.h>
#include <sys/syscall.h>

/* Signals that a thread gets for what it does itself; SIGUSR2 asks for its stack. */
static const int own_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGUSR2};

enum err thread_start(pthread_t *out, const char *name, void *(*run)(void *), void *arg)
{
    sigset_t all, old;
    sigfillset(&all);
    for (size_t i = 0; i < ARRAY_LEN(own_signals); i++)
        sigdelset(&all, own_signals[i]); /* blocked, they would end the process without a report */
    pthread_sigmask(SIG_SETMASK, &all, &old); /* inherited by the new thread */
    int failed = pthread_create(out, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed)
        return ERR_SYS;
    pthread_setname_np(*out, name);
    return OK;
}

void thread_set_nice(int nice)
{
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), nice);
}

unsigned thread_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        return (unsigned)CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (unsigned)n : 1;
}
