/* load.h: the load of one thread of tokamak-bench.
 *
 * Closed loop: each connection sends a batch, waits for all replies, sends the next. A slow server
 * is asked more slowly, so latencies are what these clients saw, not what independent users would
 * have; they run from the moment when a batch is handed to the socket.
 *
 * Open loop (a rate is given): request i is due i/rate seconds after the start, whatever the server
 * does. It goes to the next connection that has less than `pipeline` requests under way, and while
 * there is none it waits here; its latency runs from when it was due. So a pause of the server
 * is felt by all who would have asked meanwhile, and not omitted (G. Tene, "How NOT to Measure
 * Latency"; wrk2).
 *
 * Every reply is looked at: an error is counted; one too many, one that is no reply, or a
 * connection that ends, ends the run. One thread, one poller; `done` and `error_count` may be read
 * by others while it runs. Ownership: struct load owns its clients; options and plan are borrowed.
 */
#pragma once

#include "io/poller.h"

#include <stdatomic.h>

#include "tools/histogram.h"
#include "tools/load_client.h"

struct load_options {
    struct load_target target;
    unsigned clients, pipeline;
    uint64_t requests;    /* UINT64_MAX: until the time is over */
    uint64_t duration_ms; /* 0: no limit */
    double rate;          /* requests per second; 0: closed loop */
    struct load_keys keys;
    uint64_t seed;
};

struct load {
    const struct load_options *options;
    const struct load_plan *plan;
    const struct poller_ops *ops;
    struct poller *poller;
    struct load_client *clients;
    int timer_fd;       /* open loop */
    unsigned next;      /* open loop: the client whose turn it is */
    unsigned in_flight; /* requests under way */
    bool over;          /* nothing more is asked */
    uint64_t issued, nils;
    _Atomic uint64_t done, errors; /* relaxed: read for the progress line */
    uint64_t started_ns, ended_ns, cpu_ns;
    uint64_t late_ns;          /* the longest that a request waited here after it was due */
    struct histogram *latency; /* ns; one per item of the mix */
    struct load_keys keys;
    struct rng rng;
    char failure[LOAD_FAILURE_MAX]; /* why the run ended early, or the first error reply */
};

/* Connects all clients. On failure `failure` says why; load_deinit() is to be called in any case.
 */
enum err load_init(struct load *l, const struct load_options *options,
                   const struct load_plan *plan) MUST_USE;
void load_deinit(struct load *l);
/* Runs until all requests are answered, or the time is over and the last replies are there. */
enum err load_run(struct load *l) MUST_USE;
