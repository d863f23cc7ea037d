/* stop_watch.h: a server that was asked to stop ends, even if a script never comes back.
 *
 * Scripts are ended where Lua counts instructions, and inside the functions that can run for ever
 * (script/run.h: script_step()). A command that they call is not interrupted, and some of them take
 * hours when asked: its reactor answers to nothing, and with exclusive mode in its hand nobody
 * saves. Once a stop is 15 s old and a script has not been heard of for as long, the process ends
 * at once, with status 1; what is not in the log or the file by then is lost.
 *
 * Threads tell by stores into places of their own; a timer's signal on the main thread looks at
 * them. So the check needs no thread that could be held up as well, and no memory that could be
 * gone. */
#pragma once

#include "base/base.h"

/* The script of this reactor has begun, or lives: clock_monotonic_ms(); 0: it has ended. */
void stop_watch_seen(unsigned reactor, int64_t now_ms);

/* A stop was asked for. Any thread. */
void stop_watch_begin(void);
/* It will not happen. */
void stop_watch_end(void);
