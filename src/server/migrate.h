/* migrate.h: MIGRATE, which must wait for another server and may block no reactor.
 *
 * The command runs twice. First it writes the keys' payloads into a buffer, watches each key, hands
 * a job to the migration workers and leaves its connection held, with the command still unread. The
 * worker (migrate_link.h) knows no keys. When it is through, a message to the connection's reactor
 * releases the connection, the same command comes again, finds the result, deletes the keys that
 * were accepted and have not been touched meanwhile, and answers. A key that somebody changed stays
 * and the answer is an error, where Redis, which stops the world, has no such case.
 *
 * Ownership: a migration belongs to its connection; when that closes early, to the message on its
 * way back. Threads: everything but the job runs on the connection's reactor. */
#pragma once

struct server;
struct server_thread;
struct session;
struct run;

/* The connection closes. */
void migrate_forget(struct server_thread *t, struct session *session);
/* Ends the workers: all reactors have stopped, their mailboxes are still there. */
void migrate_stop(struct server *s);
