/* key_guard.h: a command touches no key but those that its key specs name.
 *
 * ACL rules, the lock planner and declared-keys scripts trust command_visit_accesses(). Builds with
 * DEBUG_CHECKS compare: while a handler runs, each key that is looked up must be one of them, also
 * in exclusive mode, where no lock would miss it; any other aborts the process. So every test
 * under a sanitizer is a test of all key specs. Other builds only call the handler.
 *
 * Threading: the thread that runs the command. O(arguments) per lookup, with DEBUG_CHECKS only. */
#pragma once

#include "cmd/exec.h"

#ifdef DEBUG_CHECKS
/* Calls ex->cmd's handler. */
void key_guard_call(struct exec *ex);
/* After a handler was left by a jump. */
void key_guard_reset(void);
#else
INLINE void key_guard_call(struct exec *ex)
{
    ex->cmd->handler(ex);
}

INLINE void key_guard_reset(void) {}
#endif
