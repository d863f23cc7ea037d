/* run.h: a turn of one connection: the batch that dispatch() runs, and how far it is.
 *
 * What the parts of dispatching share: dispatch.c runs, admit.c decides, exclusive.c takes and
 * gives back exclusive mode. The counters of commands are kept here, a run of one command at a
 * time: looking at the clock for each call would cost more than many of them do.
 *
 * Owner: the reactor of the connection; a struct run lives on the stack of dispatch(). */
#pragma once

#include "server/server_internal.h"

/* What became of a command that was tried. */
enum run_result {
    RUN_DONE,
    RUN_QUEUED,  /* for EXEC */
    RUN_REFUSED, /* answered with an error */
    RUN_LATER,   /* when the gate lets it */
    RUN_HELD,    /* when CLIENT PAUSE ends */
    RUN_WAITS,   /* for a pin: the connection has left */
    RUN_AWAY,    /* on the worker pool: the connection has left, the command is done with here */
    RUN_ALONE,   /* nothing has happened: exclusive mode, at once … */
    RUN_STRIPED, /* … or under the locks of its keys */
};

struct run {
    struct server_thread *thread;
    struct conn *conn;
    struct session *session;
    const struct command *counting; /* the command of the calls not yet counted: statistics go by
                                       runs of one command */
    uint64_t calls, started;        /* of that run; cycles */
    uint32_t last;                  /* index of its last call's request */
    bool alone;                     /* each call is a run */
    bool inside;                    /* the gate */
    uint16_t last_command;          /* id + 1 */
};

/* Enters the gate, unless the run is inside. False: exclusive mode; the thread will be woken
 * (dispatch_gate_wake()). */
INLINE bool run_enter_gate(struct run *run)
{
    if (!run->inside)
        run->inside = gate_enter(&run->thread->server->ks->gates, run->thread->txn.self);
    return run->inside;
}

/* Counts the calls since the last time, and their time, for the command that they are of; `next`
 * is the command that runs now, NULL at the end. */
void run_count_calls(struct run *run, const struct command *next);
/* A request or its reply may be large: for the logs of such. Before reply_end(). */
void run_observe_bytes(const struct run *run, const struct command *cmd, const struct request *r);
