/* thread.h: threads with a name. All signals are blocked in them: the main thread handles signals.
 */
#pragma once

#include "base/err.h"

#include <pthread.h>

/* Starts run(arg); name is at most 15 bytes. ERR_SYS when the system refuses. */
enum err thread_start(pthread_t *out, const char *name, void *(*run)(void *), void *arg) MUST_USE;
/* Lowers the calling thread's priority (19 is the lowest); only this thread. */
void thread_set_nice(int nice);
/* Processors this process may run on. */
unsigned thread_cpu_count(void);
