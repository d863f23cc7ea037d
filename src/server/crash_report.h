/* crash_report.h: the parts of a crash report (crash.h): written with what is safe in a signal
 * handler. */
#pragma once

#include "base/base.h"

#include <signal.h>

struct server_thread;

/* These write to the log's descriptor and are safe in a signal handler. */
void crash_put(const char *text);
void crash_put_bytes(const char *bytes, size_t len); /* as they are, unprintable ones as dots */
void crash_put_decimal(uint64_t value);
void crash_put_hex(uint64_t value);

void crash_put_registers(const void *context); /* ucontext_t */
/* The instruction that was running. */
void *crash_instruction(const void *context);
/* The calling thread's stack. */
void crash_put_stack(void);
void crash_put_figures(void);
/* Which reactor the calling thread is, and the name of the command that it was given last: it may
 * be through with that, so no argument is looked at. NULL: it is none. */
void crash_put_last_command(const struct server_thread *t);
/* What the reactor runs; NULL: the thread is none. */
void crash_put_command(const struct server_thread *t);
