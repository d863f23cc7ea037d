/* poller.h: readiness of descriptors, level-triggered, behind one interface with a file per system
 * call. One poller belongs to one thread. A descriptor is removed before it is closed. */
#pragma once

#include "base/err.h"

enum poller_event_bits {
    POLLER_READ = 1,
    POLLER_WRITE = 2,
    POLLER_HANGUP = 4, /* error or both ends closed; always reported */
};

struct poller_event {
    void *arg; /* as given to add */
    unsigned bits;
};

struct poller; /* a back end's own */

struct poller_ops {
    const char *name;
    enum err (*create)(struct poller **out);
    void (*destroy)(struct poller *p);
    enum err (*add)(struct poller *p, int fd, unsigned bits, void *arg);
    /* Changes the interest of a descriptor; arg must be the one given to add. */
    void (*modify)(struct poller *p, int fd, unsigned bits, void *arg);
    void (*remove)(struct poller *p, int fd);
    /* Waits at most timeout_ms (-1: for ever), returns the number of events, 0 on a timeout or a
     * signal. */
    int (*wait)(struct poller *p, struct poller_event *out, int max, int timeout_ms);
};

extern const struct poller_ops poller_epoll, poller_poll;

/* By name; "auto" is the best there is; NULL: no such back end here. */
const struct poller_ops *poller_by_name(const char *name);
