/* latency_report.h: latency events for people: a graph of one, a diagnosis of all. */
#pragma once

#include "base/buf.h"
#include "server/latency_monitor.h"

/* "name - high H ms, low L ms (all time high M ms)", and a graph of at most 80 columns, each with
 * its age below. */
void latency_graph(struct buf *out, const struct latency_event_view *event);
/* What the events say, and what may be done. */
void latency_diagnose(struct buf *out);
