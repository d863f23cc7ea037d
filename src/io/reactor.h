/* reactor.h: an event loop on a thread of its own: descriptors, timers, a mailbox.
 *
 * Owner: the thread that runs reactor_run(); other threads only post messages, wake and stop it.
 * One turn: wait → descriptors' callbacks → mailbox → timers → after_turn (deferred work, closing).
 * A callback may remove its own or any other source: events of sources removed in this turn are
 * skipped. */
#pragma once

#include "base/mem.h"
#include "ds/heap.h"
#include "io/mailbox.h"
#include "io/poller.h"
#include "os/thread.h"
#include "os/wake.h"

struct reactor;

/* A descriptor's callback. Embedded in its owner; `fd` and `bits` belong to the reactor. */
struct source {
    void (*ready)(struct source *self, unsigned bits);
    int fd;
    unsigned bits;
};

/* A timer, embedded in its owner; fires once per arming, on the monotonic clock. */
struct timer {
    void (*fire)(struct timer *self);
    uint32_t position; /* in the heap, TIMER_IDLE when not armed */
};

enum {
    TIMER_IDLE = UINT32_MAX
};

enum {
    REACTOR_EVENTS = 256
};

struct reactor {
    struct mailbox mailbox;
    struct wake wake;
    struct source wake_source;
    const struct poller_ops *ops;
    struct poller *poller;
    struct heap timers;
    int64_t now_ms;                /* monotonic, sampled once per turn */
    _Atomic int64_t busy_since_ms; /* when the turn began; 0: it waits. For whoever watches */
    unsigned id;
    _Atomic bool stopping;
    _Atomic bool asleep;
    bool again; /* set by after_turn's work: do not sleep */
    void (*after_turn)(struct reactor *r);
    void *owner; /* of whoever embeds or configures the reactor */
    struct poller_event events[REACTOR_EVENTS];
    int event_at, event_count;
    pthread_t thread;
};

enum err reactor_init(struct reactor *r, const struct poller_ops *ops, unsigned id) MUST_USE;
void reactor_deinit(struct reactor *r);
/* Runs until reactor_stop(). */
void reactor_run(struct reactor *r);

/* Any thread. */
void reactor_post(struct reactor *r, struct message *msg);
void reactor_wake(struct reactor *r);
void reactor_stop(struct reactor *r);

/* The owner thread only. */
enum err reactor_add(struct reactor *r, struct source *s, int fd, unsigned bits) MUST_USE;
void reactor_modify(struct reactor *r, struct source *s, unsigned bits);
void reactor_remove(struct reactor *r, struct source *s);

INLINE void timer_init(struct timer *t, void (*fire)(struct timer *self))
{
    *t = (struct timer){fire, TIMER_IDLE};
}

void reactor_arm(struct reactor *r, struct timer *t, int64_t when_ms); /* moves an armed one */
void reactor_disarm(struct reactor *r, struct timer *t);
