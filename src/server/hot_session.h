/* hot_session.h: HOTKEYS sessions: begin, end, totals. */
#pragma once

#include "server/hot_keys.h"

struct hot_options {
    bool metrics[HOT_METRICS];
    uint32_t ratio, shown;
    int64_t duration_s; /* 0: until it is stopped */
};

/* In exclusive mode. */
void hot_session_begin(struct server *s, const struct hot_options *o);
/* Stops it if it runs; false: it did not. */
bool hot_session_end(struct server *s);
/* Drops it and what it has collected. */
void hot_session_drop(struct server *s);

/* Begun and not stopped. */
bool hot_session_runs(const struct server *s);
/* What happened between its start and its end, or now. There must be one. */
void hot_session_totals(struct server *s, struct hot_totals *out, int64_t *duration_ms);
/* The totals since the server's start. */
void hot_totals_read(const struct server *s, struct hot_totals *out);
