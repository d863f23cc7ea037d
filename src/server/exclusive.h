/* exclusive.h: exclusive mode, for a command that must run alone.
 *
 * The thread leaves its gate, keeps slow commands from starting (slow.h) and asks for all gates
 * (store/gate.h). That takes more than a turn when others are inside: meanwhile the connection is
 * parked with its request, new batches of all threads stay outside, and the thread's gate wake
 * (dispatch_gate_wake()) brings the command back. One request may be pending per thread
 * (server_thread.raised); any of its connections that needs exclusive mode uses it up.
 *
 * Threading: the reactor of the connection, for its own requests. */
#pragma once

#include "cmd/transaction.h"
#include "server/run.h"

/* Whether the command must run alone: by its row of commands.def and its arguments, because it was
 * tried under locks and could not, or by exec-mode. */
INLINE bool exclusive_wanted(const struct run *run, const struct command *cmd,
                             const struct request *r)
{
    const struct session *session = run->session;
    bool is_exec = cmd->id == CMD_ID_exec;
    if (command_runs_alone(cmd, r->argv, r->argc) || run->thread->rerun_exclusive ||
        session->run_alone || (is_exec && transaction_is_alone(session)))
        return true;
    return server_settings.exec_mode == EXEC_EXCLUSIVE &&
           (cmd->key_spec_count || cmd->flags & CMD_WALKS || is_exec);
}

/* True: the thread is alone, outside its gate, until exclusive_leave(). False: not yet; the
 * connection is to be parked. Either way the run is not inside any more. */
bool exclusive_enter(struct run *run) MUST_USE;
/* Opens the gates. The run stays outside. */
void exclusive_leave(struct run *run);

/* The connection no longer wants the exclusive mode that it may have asked for: its command waits
 * for something else, or it closes. Others that are parked on this thread ask again. */
void exclusive_forget(struct server_thread *t, const struct conn *c);
