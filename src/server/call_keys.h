/* call_keys.h: the keys of the command that is about to run, hashed, for its locks.
 *
 * One key that the planner has found is used where it is; more are gathered in the thread's array,
 * which grows with the longest command and is given back after a turn (call_keys_shrink()).
 *
 * Owner: the thread that runs the command. The keys point into the request, or for EXEC into the
 * queue. O(keys). */
#pragma once

#include "server/plan.h"
#include "server/server_internal.h"

enum {
    CALL_KEYS_KEEP = 64 * 1024 /* what the array keeps after a turn */
};

/* For a command whose keys are not the planner's: sets keys and key_count of t->exec. */
void call_keys_gather(struct server_thread *t, const struct command *cmd, const struct request *r);

/* Sets keys and key_count of t->exec; they hold until the next call. */
INLINE void call_keys_collect(struct server_thread *t, const struct planned *p,
                              const struct request *r)
{
    t->exec.keys = &p->key;
    t->exec.key_count = p->one_key;
    if (unlikely(!p->one_key))
        call_keys_gather(t, p->cmd, r);
}

/* A command of a million keys does not leave its memory behind. Between turns. */
void call_keys_shrink(struct server_thread *t);
