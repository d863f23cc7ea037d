/* busy.h: a script that runs too long: who else is told so, and how it ends.
 *
 * At most one script runs alone at a time, so there is one state. When a script has run for busy-reply-threshold
 * it is published here; the reactors, whose clients wait at the gates, answer -BUSY instead, and run
 * what may run meanwhile (CMD_ALLOW_BUSY: SCRIPT KILL, SHUTDOWN …). The script's own reactor serves
 * its other clients from inside the script (busy_tick()).
 *
 * Threading: the state is written by the script's reactor, read by all; `killed` by anybody. */
#pragma once

#include "script/run.h"

struct nested;
struct server;
struct server_thread;

enum busy_what {
    BUSY_NOTHING,
    BUSY_SCRIPT,
    BUSY_FUNCTION
};

struct busy_state {
    _Atomic int what; /* enum busy_what: one that has passed the threshold */
    _Atomic bool wrote, killed;
};

/* Every 100,000 instructions of a script. */
enum script_verdict busy_tick(struct nested *n);
/* The script has written: it cannot be killed any more. */
void busy_note_write(struct server *s);
void busy_end(struct nested *n);

/* SCRIPT KILL and FUNCTION KILL. */
enum busy_kill {
    BUSY_KILLED,
    BUSY_NOT,        /* nothing of that kind runs too long */
    BUSY_OTHER_KIND, /* SCRIPT KILL of a function, or the other way */
    BUSY_WROTE       /* it has written already */
};

enum busy_kill busy_kill(struct server *s, enum busy_what what);
