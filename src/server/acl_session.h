/* acl_session.h: users and the clients that are logged in: who may run what, and what happens to
 * clients when users change. */
#pragma once

#include "cmd/session.h"
#include "server/acl.h"

struct server_thread;
struct conn;
struct exec;

/* A client is this user from now on. Its reactor. */
void acl_login(struct conn *c, struct acl_user *user);

/* Whether its commands need to be checked. */
INLINE bool acl_is_limited(const struct session *session)
{
    return unlikely(session->user != NULL &&
                    atomic_load_explicit(&session->user->restricted, memory_order_relaxed));
}

/* Whether the current client of the thread, or a script or transaction of it, may run the command.
 * If not, that is logged, and the text behind "NOPERM " is appended to `why`. Inside the
 * gate or alone. A client whose user is gone is closed. */
bool acl_permits(struct server_thread *t, struct session *session, const struct command *cmd,
                 const struct slice *argv, uint32_t argc, enum acl_context context,
                 struct buf *why);
/* The same for a command that waits, by whoever serves it: `user` is its client's, client_id names
 * it for the log. */
bool acl_permits_blocked(struct server_thread *t, const struct acl_user *user, uint64_t client_id,
                         const struct command *cmd, const struct slice *argv, uint32_t argc,
                         struct buf *why);
/* A queued command, when EXEC runs it. False: answered. */
bool acl_permits_queued(struct exec *ex);
/* Plugged into cmd/access.h. */
bool acl_reads_all_keys(const struct exec *ex);
/* A login was refused: for the log. */
void acl_log_login(struct exec *ex, struct slice user);

/* Closes the clients of a user that listen to what it may not hear any more, and waits until that
 * is done: their reactors alone know who listens. Exclusive mode. */
void acl_revoke_channels(struct server *s, struct acl_user *user);
