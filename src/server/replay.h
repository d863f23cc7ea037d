/* replay.h: runs the commands of a log: no client, no reply, nothing expires by itself, nobody is
 * told, nothing is logged again.
 *
 * Commands that write run; SELECT, MULTI and EXEC mean what they say; others change nothing and
 * are skipped. A unit has whole transactions (persist/aof_reader.h), so MULTI and EXEC need no
 * queue. A command that answers an error is counted, as in Redis, and the load goes on: what is in
 * a log worked once.
 *
 * Owner: one thread, alone with the keyspace while replay_some() runs: exclusive mode. Handlers
 * look at a struct server_thread that belongs to the replay and is no reactor. */
#pragma once

#include "persist/aof_reader.h"
#include "store/txn.h"

struct server;
struct replay;

/* `server` may be NULL (tools). The txn is the caller's and is marked as a replay until destroy. */
struct replay *replay_create(struct server *server, struct txn *t);
void replay_destroy(struct replay *r);

/* Takes commands off the front of the unit and runs them, until it is empty or the time is up
 * (monotonic us). False: `reason` says why this log cannot be replayed. */
bool replay_some(struct replay *r, struct slice *unit, int64_t until_us) MUST_USE;
const char *replay_reason(const struct replay *r);

/* A file begins: in database 0, as in Redis. */
void replay_begin_file(struct replay *r);

uint64_t replay_commands(const struct replay *r);       /* that ran */
uint64_t replay_errors(const struct replay *r);         /* of them, that answered an error */
const char *replay_first_error(const struct replay *r); /* of the file */
