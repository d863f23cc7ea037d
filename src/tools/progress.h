/* progress.h: how far a long reading is, on a terminal: one line on standard error, written over
 * and over, and removed at the end. Nothing is printed when standard error is no terminal.
 *
 * Memory: the caller's, no part of it allocated. Threading: one thread. */
#pragma once

#include "base/base.h"

struct progress {
    const char *unit; /* what is counted, e.g. "keys"; a literal */
    int64_t shown_ms;
    bool terminal;
};

/* Nothing is shown before progress_show(). */
void progress_init(struct progress *p, const char *unit);
/* Shows `done` of `total` bytes and the count, at most a few times a second. O(1): a look at the
 * clock. */
void progress_show(struct progress *p, uint64_t done, uint64_t total, uint64_t count);
/* Removes the line. */
void progress_end(struct progress *p);
