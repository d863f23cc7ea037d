/* load_fleet.h: a whole run: threads with a part of the connections, the requests and the rate
 * each, and what came of it.
 *
 * The calling thread waits and may show progress. Ownership: options are borrowed; a result owns
 * its histograms. */
#pragma once

#include "tools/load.h"

enum {
    LOAD_THREADS_MAX = 64,
};

struct load_result {
    uint64_t requests, errors, nils;
    double seconds;
    double client_cpu_ns, server_cpu_ns; /* of the whole run; the server's -1: it does not say */
    uint64_t late_ns; /* open loop: the longest that a request waited in the generator */
    unsigned items;
    struct histogram *latency; /* one per item of the mix, and all of them at [items] */
    char failure[LOAD_FAILURE_MAX];
};

struct load_progress {
    uint64_t done;
    double seconds, recent; /* since the start; requests per second since the last call */
};

/* options->clients ≥ threads. Runs and waits for the end; `progress` is called about four times a
 * second, may be NULL. OK even with error replies, which result->errors counts. The result is to be
 * given to load_result_deinit() in any case. */
enum err load_fleet_run(const struct load_options *options, const struct load_plan *plan,
                        unsigned threads,
                        void (*progress)(void *arg, const struct load_progress *progress),
                        void *arg, struct load_result *result) MUST_USE;
void load_result_deinit(struct load_result *result);

/* CPU time that the server has used so far, from its INFO; negative: it does not say. */
double load_server_cpu_ns(const struct load_target *target);
