#include "os/thread.h"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <sys/resource.h>
#include <sys/syscall.h>

enum err thread_start(pthread_t *out, const char *name, void *(*run)(void *), void *arg)
{
    sigset_t all, old;
    sigfillset(&all);
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
