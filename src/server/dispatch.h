/* dispatch.h: from requests to handlers.
 *
 * A batch is planned (plan.h: commands looked up, keys hashed, memory prefetched), then its
 * commands run in order, each under the locks of its keys. The whole batch is inside the gate, left
 * only for exclusive commands (exclusive.h). A command that must wait (for the gates, a pause, the
 * log, a key, the worker pool) ends the batch: what is behind it stays in the connection's input.
 *
 * Threading: the reactor of the connection. */
#pragma once

#include "net/conn.h"
#include "proto/request.h"

/* Runs the requests in order, replies go to `out`; returns how many are done with. The others are
 * to be given again when the connection is not held, blocked or parked any more. The requests are
 * borrowed. count ≤ LIMIT_BATCH_REQUESTS. */
uint32_t dispatch(struct conn *c, struct request *requests, uint32_t count, struct output *out);

/* The gates have opened, or are granted: the thread (`arg`) looks at its parked connections. Any
 * thread. */
void dispatch_gate_wake(void *arg);
