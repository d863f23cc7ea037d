#include "store/event.h"

const struct event_info events[EVENT_COUNT] = {
#define EVENT(id, name, class) [EVENT_##id] = {name, class},
#include "store/events.def"
#undef EVENT
};
