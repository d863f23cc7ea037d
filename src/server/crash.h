/* crash.h: what is written to the log before the process dies of SIGSEGV, SIGBUS, SIGFPE, SIGILL or
 * SIGABRT: registers, the stacks of all threads, the command that ran, figures, the last log lines.
 * SIGALRM writes the stacks and lets the process live.
 *
 * The report is made in the signal handler, with calls that are safe there (write, raw system
 * calls, relaxed loads) and no others, but for backtrace(), which was called once before. If making
 * it crashes, the process ends without the rest. Handlers run on a stack of their own on reactors,
 * so that an overflow is reported, too. Builds with a sanitizer keep its handlers. */
#pragma once

#include "base/base.h"

struct server_thread;

/* Installs the handlers, or puts the system's back. At start and by CONFIG SET, alone. */
void crash_handle(bool enabled);
/* In a signal's handler, on the main thread: writes the stack of a reactor that has not come back
 * for so long. False: a report is under way. */
bool crash_report_stall(unsigned reactor, int tid, int64_t ms);
/* This thread is a reactor: its command is part of a report. */
void crash_thread_begin(struct server_thread *t);
