/* metrics_info.h: what INFO, LATENCY LATEST and SLOWLOG say, as metrics. Pure, any thread; linear
 * in their text times the rows of metrics.def. */
#pragma once

#include "base/buf.h"

/* INFO's lines. */
void metrics_info(struct buf *out, struct slice info);
/* Takes LATENCY LATEST's reply off the front: the last spike of each event. An error: nothing. */
void metrics_info_spikes(struct buf *out, struct slice *rest);
/* The replies of SLOWLOG LEN and SLOWLOG GET 1. */
void metrics_info_slowlog(struct buf *out, struct slice rest);
