/* busy.h: a script that runs too long: what others are told meanwhile, and how it ends.
 *
 * A script that runs alone keeps everybody waiting. When it has run for busy-reply-threshold that
 * is published here: the reactors whose clients wait at the gates answer -BUSY instead, and run
 * what may run meanwhile (CMD_ALLOW_BUSY: SCRIPT KILL, SHUTDOWN NOSAVE …). The script's own reactor
 * does the same for its other clients in turns inside the script (net_thread_inner_turn()).
 *
 * A script with declared-keys holds locks instead, which others wait for without a word. So it is
 * soon broken off and runs again, alone; if it has written by then, it may go on to the threshold,
 * and ends with an error.
 *
 * Threading: `what` is written by the script's reactor, `fate` by it and by who kills; read by all.
 */
#pragma once

#include "base/lock.h"
#include "proto/request.h"
#include "script/run.h"

struct conn;
struct exec;
struct nested;
struct output;
struct server;
struct server_thread;

enum busy_what {
    BUSY_NOTHING,
    BUSY_SCRIPT,
    BUSY_FUNCTION
};

/* A script can be killed before it writes, or write before it is killed. */
enum busy_fate {
    BUSY_CLEAN,
    BUSY_HAS_WRITTEN,
    BUSY_IS_KILLED
};

struct busy_state {
    _Atomic int what;        /* enum busy_what: one that has passed the threshold */
    _Atomic int fate;        /* enum busy_fate; changes once, by compare and swap */
    _Atomic int64_t stop_ms; /* monotonic: when the server was first asked to stop; 0: it was not */
    struct lock lock;        /* a leaf */
    const struct nested
        *running; /* under the lock: who has it may look at what it was called with */
};

/* True while a script runs too long: for a thread whose gate is closed. */
bool busy_is(const struct server *s);
/* Executes in place of dispatch(), outside the gates: answers -BUSY, or runs what touches no key.
 * The connection is parked when a request has to wait for the script. */
uint32_t busy_dispatch(struct conn *c, struct request *requests, uint32_t count,
                       struct output *out);

/* Every 5,000 instructions of a script. With `may_unwind` it may not return: the command is broken
 * off and runs again, alone. */
enum script_verdict busy_tick(struct nested *n, bool may_unwind);
/* The script is about to write for the first time, and cannot be killed from then on. False: it has
 * been killed, and must not. */
bool busy_may_write(struct nested *n);
void busy_end(struct nested *n);

/* The server is to stop: a script that runs too long will not hold that up. Any thread. */
void busy_stop(struct server *s);
/* It goes on: the last save has failed. */
void busy_stop_failed(struct server *s);

/* SCRIPT KILL and FUNCTION KILL. */
enum busy_kill {
    BUSY_KILLED,
    BUSY_NOT,        /* nothing of that kind runs too long */
    BUSY_OTHER_KIND, /* SCRIPT KILL of a function, or the other way */
    BUSY_WROTE       /* it has written already */
};

enum busy_kill busy_kill(struct server *s, enum busy_what what);
/* The same as a command, answered. */
void busy_answer_kill(struct exec *ex, enum busy_what what);
