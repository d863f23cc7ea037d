/* latency_monitor.h: moments at which the server stood still: LATENCY's events, as Redis names them
 * ("command", "fast-command", "expire-cycle", "eviction-cycle", …).
 *
 * An event keeps its last 160 seconds with something to tell: the second and the worst latency in
 * it. Below latency-monitor-threshold nothing is kept, so recording is rare and one lock for all
 * events is enough (a leaf; nothing is called inside). Any thread. */
#pragma once

#include "base/base.h"

#include <time.h>

enum {
    LATENCY_SAMPLES = 160,
    LATENCY_EVENTS_MAX = 32 /* names are our own constants */
};

struct latency_sample {
    int64_t time_s;
    uint32_t ms;
};

struct latency_event_view {
    const char *name;
    uint32_t max_ms; /* of all times */
    unsigned count;
    struct latency_sample samples[LATENCY_SAMPLES]; /* oldest first */
};

/* Notes the event if it reaches the threshold. `name` lives for ever. */
void latency_event(const char *name, int64_t ms);
/* Copies the event with that index, or that name (in its own case, as in Redis); false: there
 * is none. */
bool latency_event_at(unsigned index, struct latency_event_view *out);
bool latency_event_named(const char *name, size_t len, struct latency_event_view *out);
/* Forgets an event, or all with name NULL; returns how many there were. */
unsigned latency_event_reset(const char *name, size_t len);
