/* blocked.h: clients whose command waits (cmd/blocking.h): the side of their reactor, and the side
 * of who serves them.
 *
 * A wait begins in the middle of its command's txn: from then on anybody may claim it. It ends in
 * one of these ways, decided by the claim word:
 * - served: the claimer fills in the reply and posts it to the client's reactor;
 * - CLIENT UNBLOCK, from any thread, which posts as well;
 * - its timer, or the end of its connection: the reactor itself;
 * - CLIENT KILL: nobody else may serve it from then on; the connection's end cleans up.
 * A message that finds its connection gone is dropped, and with it what was popped, as by a socket
 * that breaks. The client's descriptor (net/registry.h) points to its wait, guarded by the
 * registry's lock, for those who come by the client's id.
 * Owner: the client's reactor; the claimer between claim and post. */
#pragma once

#include "cmd/blocking.h"
#include "io/reactor.h"
#include "net/conn.h"
#include "store/wait.h"

struct server_thread;
struct server;
struct blocked_client;

/* The command of the current connection waits (exec.blocked): parks the connection. Before its txn
 * ends. */
void blocked_begin(struct server_thread *t, struct conn *c, struct blocked *b);
/* The wait is over as if its time were. The owner. */
void blocked_end(struct server_thread *t, struct blocked_client *client);
/* The connection closes, or its client resets. */
void blocked_forget(struct server_thread *t, struct conn *c);

/* CLIENT KILL hit it: nothing more is taken for it. The registry is locked. Any thread. */
void blocked_kill(struct conn_info *info);
/* CLIENT UNBLOCK; false: there is no such client, or it does not wait. Any thread. */
bool blocked_unblock(struct server_thread *self, uint64_t id, bool error);

/* serve.c */
/* Plugged into the keyspace: runs the commands that waited for the keys noted in the txn, which is
 * that of a server_thread. */
void blocked_serve(struct txn *t);
/* The shards of the command's keys are held, and somebody waits there: locks what serving needs
 * too. False: nothing is locked any more, the command must run alone. */
bool blocked_lock_targets(struct server_thread *t, const struct command *cmd);
/* The hashes of the keys that serving may change besides the command's own; all are held. Returns
 * how many there are. */
int blocked_targets(struct server_thread *t, const struct command *cmd,
                    uint64_t hashes[WAIT_ALSO_MAX]);
/* The same: those that were served get their replies, now that the record is in the log. */
void blocked_post_served(struct txn *t);
/* Hands a claimed wait to its client's reactor. Takes it. */
void blocked_post(struct server_thread *self, struct blocked *b);

/* cmd_waitaof.c: waits for the log. The owner. */
void waitaof_begin(struct server_thread *t, struct blocked_client *client);
void waitaof_forget(struct blocked_client *client);
void waitaof_answer(struct server_thread *t, struct reply *r, const struct blocked_client *client);

/* What the server keeps of a wait. */
struct blocked_client {
    struct message message;
    struct timer timer;
    struct server_thread *thread; /* the owner */
    struct conn *conn;            /* NULL: gone; the owner only */
    struct blocked *wait;
    struct output reply;                               /* of a served one */
    uint64_t lsn;                                      /* what the reply waits for */
    struct blocked_client *next_waiter, **waiter_link; /* WAITAOF: of the thread */
    struct acl_user *user; /* a reference: its rules may change before it is served */
    bool failed;           /* it is an error */
};
