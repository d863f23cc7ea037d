/* watchdog.h: a reactor that does not come back from its turn for watchdog-period is shown in the
 * log: its command and its stack, once per stall.
 *
 * A turn is stuck for a command that takes long, a lock, or a system call that hangs. Each reactor
 * notes when its turn began (reactor.busy_since_ms); a timer's signal looks at these on the main
 * thread, which runs no commands. With the period at 0 there is no timer, and nobody looks.
 *
 * Redis's directive, with its bounds: a period is at least two rounds of hz. */
#pragma once

#include "base/base.h"

struct server_thread;

/* This reactor may be looked at from now on, until it ends. Its own thread. */
void watchdog_thread_begin(struct server_thread *t);
void watchdog_thread_end(struct server_thread *t);
/* From the directive: at start, and by CONFIG SET, alone. */
void watchdog_apply(void);
