/* monitor.h: MONITOR: clients that see every command that runs.
 *
 * A command is fed after its handler and before its locks drop, so commands on one key are seen in
 * the order in which they took effect, and those of one client in the order of its replies. The
 * line is made once and goes to the reactors with monitors by their mailboxes of publications
 * (push.h); their output limits are those of other clients. As Redis, administrative commands are
 * not shown, and passwords are not.
 * Owner: the hub and its monitors belong to their reactor. While nobody monitors, a command costs
 * one load. */
#pragma once

#include "cmd/exec.h"

struct conn;
struct server;
struct server_thread;

struct monitor { /* part of a client; all zero when new */
    struct monitor *next, **link; /* link NULL: it does not monitor */
    struct conn *conn;
};

struct monitor_hub { /* part of a server_thread */
    struct monitor *first;
    _Atomic uint32_t count;
};

extern _Atomic uint32_t monitor_count; /* of all threads */

INLINE bool monitor_wanted(void)
{
    return unlikely(atomic_load_explicit(&monitor_count, memory_order_relaxed) != 0);
}

/* The client monitors from now on, or no longer. */
void monitor_join(struct server_thread *t, struct monitor *m);
void monitor_leave(struct server_thread *t, struct monitor *m);

/* Shows a command to all monitors. `by_script`: it was called by the client's script. Ask
 * monitor_wanted() first. */
void monitor_feed(struct server_thread *t, const struct command *cmd, const struct slice *argv,
                  uint32_t argc, int db, bool by_script);
/* The command of an exec that has just run. */
void monitor_feed_exec(struct exec *ex);
