/* process.h: what the process does to itself at start: log file, background, supervisor, pid file. Before there
 * are threads. */
#pragma once

#include "base/err.h"

/* Applies the settings; a problem is printed. In the background the calling process ends and its
 * child returns. */
enum err process_begin(void) MUST_USE;
/* Removes the pid file. */
void process_end(void);
