/* handshake.h: TLS handshakes off the reactor: one costs it a thousand times what a command does.
 *
 * What the socket has brought is copied and given to a worker, together with the session, which is
 * a function of bytes (os/tls.h). The connection is not read meanwhile; one that hangs up is
 * closed. The worker's message brings back the session, what it has to say to the peer, and the
 * first requests if there were any. So a step takes of the reactor a recv, a send and a message.
 *
 * At most LIMIT_HANDSHAKES steps of a thread are under way. Who comes then stands in a queue, the
 * bytes in its socket: a storm takes no memory, and nobody waits behind more than the storm.
 *
 * Ownership: the session belongs to the step while that is under way; when its connection closes
 * the step is left to itself, and ends with its message. Threads: all of the connection's reactor,
 * but for the worker's own function. */
#pragma once

#include "base/slice.h"
#include "io/mailbox.h"

struct conn;
struct net_thread;

struct handshakes { /* of a thread */
    struct mailbox done;
    struct conn *waiting, **waiting_tail;
    unsigned under_way;
};

void handshakes_init(struct handshakes *h);
/* True: there is room for a step of the connection. False: it stands in the queue, and conn_read()
 * is called when its turn comes. */
bool handshake_may_begin(struct conn *c) MUST_USE;
/* Begins a step with what has come (copied). The transport has no session until it is over. */
void handshake_begin(struct conn *c, struct slice data);
/* The connection closes. */
void handshake_leave(struct conn *c);
/* The steps that are over: their connections go on, and others begin, unless the reactor stops.
 * After each turn, also of one inside a command. */
void handshakes_look(struct net_thread *t);
