/* admit.h: whether a command may run now: it is known, has the right number of arguments, its
 * client is logged in and may use it, the disk and the memory allow it.
 *
 * The checks come in the order of Redis, because a client sees which of them refused it. A refusal
 * is answered; an EXEC that is refused has a code of its own. What only delays a command (CLIENT
 * PAUSE, the log, exclusive mode) is no refusal: dispatch.c.
 *
 * Threading: the reactor that runs the batch. Users change in exclusive mode only, so their rules
 * are read inside the gate or alone, and a command that was admitted outside is asked again there.
 */
#pragma once

#include "server/acl_session.h"
#include "server/plan.h"
#include "server/run.h"

/* False: the command (cmd NULL: an unknown one) was answered with an error, or the connection is
 * being closed. Outside the gate, admit_user() is still to be asked. */
bool admit(const struct run *run, const struct command *cmd, const struct request *r) MUST_USE;

/* For a user with limits: goes through its rules. */
bool admit_by_rules(struct server_thread *t, const struct command *cmd, const struct request *r,
                    struct session *session) MUST_USE;

/* Whether its user may run it; false: answered. Inside the gate or alone. */
INLINE bool admit_user(struct server_thread *t, const struct command *cmd, const struct request *r,
                       struct session *session)
{
    return !acl_is_limited(session) || admit_by_rules(t, cmd, r, session);
}

/* Evicts what must go; false: nothing can, and the command, which may add data, was refused. So is
 * all that would grow a queue (`queued`: this command goes to one). Inside the gate. */
bool admit_room(const struct run *run, const struct planned *p, const struct request *r,
                bool queued) MUST_USE;
