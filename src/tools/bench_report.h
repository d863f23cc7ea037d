/* bench_report.h: what tokamak-bench prints: a run as text, JSON or CSV, two servers side by side,
 * and the distribution of latencies in the form of HdrHistogram (percentile output, values in us).
 */
#pragma once

#include "tools/bench_options.h"

/* One run, in the asked form, appended to `out`. */
void bench_report(const struct bench_options *o, const struct load_result *result, struct buf *out);
/* Rounds of two servers: medians. JSON has every round, CSV two lines per round, ours first. */
void bench_report_pair(const struct bench_options *o, const struct load_result *ours,
                       const struct load_result *theirs, unsigned rounds, struct buf *out);
/* ERR_SYS: the file cannot be written. */
enum err bench_report_hgrm(const char *path, const struct histogram *h) MUST_USE;
