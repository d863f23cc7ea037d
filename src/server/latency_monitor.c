#include "server/latency_monitor.h"

#include "base/clock.h"
#include "base/lock.h"
#include "server/settings.h"

struct event {
    const char *name;
    uint32_t max_ms;
    unsigned next, count; /* of the ring */
    struct latency_sample ring[LATENCY_SAMPLES];
};

static struct lock events_lock;
static struct event events[LATENCY_EVENTS_MAX];
static unsigned event_count;

static struct event *find_or_add(const char *name)
{
    for (unsigned i = 0; i < event_count; i++)
        if (strcmp(events[i].name, name) == 0)
            return &events[i];
    if (event_count == LATENCY_EVENTS_MAX)
        return NULL;
    events[event_count] = (struct event){.name = name};
    return &events[event_count++];
}

static void add_sample(struct event *e, int64_t now_s, uint32_t ms)
{
    struct latency_sample *last = &e->ring[(e->next + LATENCY_SAMPLES - 1) % LATENCY_SAMPLES];
    e->max_ms = MAX(e->max_ms, ms);
    if (e->count && last->time_s == now_s) {
        last->ms = MAX(last->ms, ms);
        return;
    }
    e->ring[e->next] = (struct latency_sample){now_s, ms};
    e->next = (e->next + 1) % LATENCY_SAMPLES;
    e->count = MIN(e->count + 1, (unsigned)LATENCY_SAMPLES);
}

void latency_event(const char *name, int64_t ms)
{
    int64_t threshold = server_settings.latency_monitor_threshold_ms;
    if (likely(!threshold) || ms < threshold)
        return;
    lock_acquire(&events_lock);
    struct event *e = find_or_add(name);
    if (e)
        add_sample(e, clock_wall_ms() / 1000, (uint32_t)MIN(ms, (int64_t)UINT32_MAX));
    lock_release(&events_lock);
}

static void copy(const struct event *e, struct latency_event_view *out)
{
    out->name = e->name;
    out->max_ms = e->max_ms;
    out->count = e->count;
    for (unsigned i = 0; i < e->count; i++)
        out->samples[i] = e->ring[(e->next + LATENCY_SAMPLES - e->count + i) % LATENCY_SAMPLES];
}

bool latency_event_at(unsigned index, struct latency_event_view *out)
{
    lock_acquire(&events_lock);
    bool there = index < event_count;
    if (there)
        copy(&events[index], out);
    lock_release(&events_lock);
    return there;
}

static bool is_named(const struct event *e, const char *name, size_t len)
{
    return strlen(e->name) == len && memcmp(e->name, name, len) == 0;
}

bool latency_event_named(const char *name, size_t len, struct latency_event_view *out)
{
    bool there = false;
    lock_acquire(&events_lock);
    for (unsigned i = 0; i < event_count && !there; i++) {
        there = is_named(&events[i], name, len);
        if (there)
            copy(&events[i], out);
    }
    lock_release(&events_lock);
    return there;
}

unsigned latency_event_reset(const char *name, size_t len)
{
    unsigned kept = 0;
    lock_acquire(&events_lock);
    unsigned before = event_count;
    for (unsigned i = 0; i < event_count; i++)
        if (name && !is_named(&events[i], name, len)) {
            if (kept != i)
                events[kept] = events[i];
            kept++;
        }
    event_count = kept;
    lock_release(&events_lock);
    return before - kept;
}
