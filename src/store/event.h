/* event.h: what can happen to a key, by the names and classes of Redis's keyspace notifications. A
 * new event is one row of events.def. */
#pragma once

#include "store/settings.h" /* enum notify_class */

enum event {
    EVENT_NONE, /* watchers and the log hear of the change, subscribers do not */
#define EVENT(id, name, class) EVENT_##id,
#include "store/events.def"
#undef EVENT
    EVENT_COUNT
};

struct event_info {
    const char *name;
    unsigned class; /* enum notify_class */
};

extern const struct event_info events[EVENT_COUNT];
