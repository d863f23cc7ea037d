/* metrics_latency.h: how long commands take, for /metrics: a histogram and a summary per command,
 * and the spikes of the latency monitor. Pure, any thread; linear in the replies. */
#pragma once

#include "base/buf.h"

/* Takes the reply of LATENCY HISTOGRAM, or its error, off the front of *rest. The sums come from
 * INFO's Commandstats. */
void metrics_latency_histograms(struct buf *out, struct slice *rest, struct slice info);
/* Out of INFO's Latencystats and Commandstats. */
void metrics_latency_percentiles(struct buf *out, struct slice info);
/* Takes the reply of LATENCY LATEST, or its error. */
void metrics_latency_spikes(struct buf *out, struct slice *rest);
