/* wake.h: wakes a thread that sleeps in its poller: an eventfd, or a pipe where there is none.
 * wake_signal() may be called by any thread; the reader drains. */
#pragma once

#include "base/err.h"

struct wake {
    int read_fd, write_fd; /* the same for an eventfd */
};

enum err wake_init(struct wake *w) MUST_USE;
void wake_deinit(struct wake *w);
void wake_signal(struct wake *w);
void wake_drain(struct wake *w);
