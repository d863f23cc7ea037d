/* transport.h: what stands between a connection's socket and its requests: first perhaps a PROXY
 * header, then perhaps TLS. A plain connection has no transport, and its path one branch for it.
 *
 * Owner: the connection's thread. Nothing of the input stays behind here: all that one recv brought
 * is decrypted at once, so the socket's readiness tells of every byte. What the socket does not
 * take of the ciphertext waits in `unsent` (one call's worth at most), and nothing more is
 * encrypted meanwhile. Handshakes are done by workers: handshake.h. */
#pragma once

#include "net/handshake.h"
#include "os/tls.h"
#include "proto/proxy_header.h"

#include <sys/uio.h>

struct arrival;
struct conn;
struct net_thread;
struct worker_pool;

enum {
    TRANSPORT_SLACK = TLS_RECORD_MAX, /* more than asked for may come out of what is unfinished */
};

struct transport {
    struct tls_session *tls;    /* NULL: without TLS, or a worker has it */
    struct proxy_header *proxy; /* NULL: none, or it has been read */
    struct buf unsent;
    bool ready;  /* the header is read and the handshake over: conn_ops.ready was called */
    bool remote; /* the PROXY header says that the client is on another machine */
    /* Of the handshake: */
    struct worker_pool *workers;
    struct handshake *step;                    /* under way; NULL: none is */
    struct conn *next_waiting, **waiting_link; /* for a step; waiting_link NULL: it does not wait */
};

/* Of a thread: ciphertext on its way in and out. Zeroed is empty. */
struct transport_wire {
    char *in; /* LIMIT_RECV_BYTES, allocated when needed first */
    struct buf out;
};

/* A large buffer is given back. Its thread. */
void transport_wire_end_turn(struct transport_wire *wire);
void transport_wire_deinit(struct transport_wire *wire);

/* Gives the connection its transport; false: there is not enough memory. */
bool transport_open(struct conn *c, const struct arrival *arrival) MUST_USE;
/* Says goodbye to the peer, without waiting, and frees the transport. */
void transport_close(struct conn *c);

/* As recv(2): plaintext to `at`, at most `room` bytes, which is more than TRANSPORT_SLACK; -1 with
 * EAGAIN also when all that came belongs to the header or to TLS itself. The connection may have
 * been closed meanwhile, and its transport be gone: a PROXY header alone is none for long. */
ssize_t transport_recv(struct conn *c, char *at, size_t room) MUST_USE;
/* What a step of the handshake has come to: what TLS says to the peer, and the plaintext behind the
 * handshake, or -1 as from tls_decrypt(). */
void transport_step_over(struct conn *c, struct buf *wire, const char *plain, ssize_t len);
/* As sendmsg(2); 0: the socket is full. What is taken may partly stand in `unsent`. */
ssize_t transport_send(struct conn *c, const struct iovec *iov, int count) MUST_USE;
/* Sends what stands in `unsent`. False: the socket is dead. */
bool transport_flush(struct conn *c) MUST_USE;
/* True when the peer has ended TLS: no input comes any more, whatever the socket does. */
bool transport_over(const struct conn *c);

/* True while a step of the handshake is under way or waits: nothing is read. */
INLINE bool transport_is_away(const struct transport *t)
{
    return t->step || t->waiting_link;
}
