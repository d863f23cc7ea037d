/* load.h: the load of tokamak-bench: connections that each send a batch of requests, wait for
 * all replies, send the next.
 *
 * Closed loop: a slow server is asked more slowly, so the latencies are what these clients saw, not
 * what independent users would have. A request's latency runs from the moment its batch is handed
 * to the socket to the moment its reply has been read. Every reply is looked at: one too few, one
 * too many or an error is counted or ends the run.
 *
 * One thread, one poller. Ownership: struct load owns everything inside; the strings of the options
 * are borrowed. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/rand.h"
#include "io/poller.h"

#include "tools/histogram.h"

enum load_protocol {
    LOAD_RESP,
    LOAD_FRAME
};

enum load_command {
    LOAD_PING,
    LOAD_GET,
    LOAD_SET,
    LOAD_INCR
};

struct load_options {
    const char *host;
    int port;
    enum load_protocol protocol;
    enum load_command command;
    unsigned clients, pipeline;
    uint64_t requests, keyspace; /* keys are key:000000000000 … below keyspace, at random */
    size_t value_size;
    uint64_t seed;
};

struct load_client {
    int fd;
    unsigned waiting; /* replies still to come */
    uint64_t sent_ns; /* when the batch was handed over */
    bool wants_write; /* the poller watches for room */
    struct buf out, in;
};

struct load {
    const struct load_options *options;
    const struct poller_ops *ops;
    struct poller *poller;
    struct load_client *clients;
    unsigned open; /* clients with a batch under way */
    uint64_t issued, done, errors, nils;
    uint64_t started_ns, ended_ns;
    struct histogram latency; /* ns */
    struct rng rng;
    struct buf value;
    char failure[160]; /* why the run ended early, or the first error reply */
};

/* Connects all clients. On failure `failure` says why; load_deinit() is to be called in any case.
 */
enum err load_init(struct load *l, const struct load_options *options) MUST_USE;
void load_deinit(struct load *l);
/* Runs until all requests are answered. `progress` is called about four times a second; may be
 * NULL. */
enum err load_run(struct load *l, void (*progress)(const struct load *l)) MUST_USE;

/* What one reply is, as far as it has arrived. */
enum load_reply_kind {
    LOAD_INCOMPLETE,
    LOAD_VALUE,
    LOAD_NIL,
    LOAD_ERROR,
    LOAD_BROKEN
};

/* Looks at the reply at the front of `data`: one value of the kinds these commands have, no arrays.
 * *size is its length (unless incomplete or broken); for an error *text is the error. Pure; for
 * tests too. */
enum load_reply_kind load_reply(enum load_protocol protocol, struct slice data, size_t *size,
                                struct slice *text);
/* Appends one request. Pure but for the generator. */
void load_request(const struct load_options *options, struct rng *rng, struct slice value,
                  struct buf *out);
