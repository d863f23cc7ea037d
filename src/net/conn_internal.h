/* conn_internal.h: between the files of a connection. */
#pragma once

#include "net/conn_gate.h"

void conn_read(struct conn *c);            /* the socket is readable */
void conn_write(struct conn *c);           /* the socket is writable */
void conn_write_later(struct conn *c);     /* the same at the end of the turn */
void conn_process_pending(struct conn *c); /* executes what stands in c->in */
void conn_update_interest(struct conn *c);
/* As conn_read(), when the connection's transport has received something: as from recv(2). */
void conn_take(struct conn *c, const char *data, ssize_t n);

/* True when something must be sent before the connection can close. */
INLINE bool conn_unsent(const struct conn *c)
{
    const struct transport *t = c->transport;
    if (likely(!t))
        return output_len(&c->pending) != 0;
    return buf_len(&t->unsent) || (t->ready && output_len(&c->pending));
}

/* True when something may be sent as soon as the socket takes it. */
INLINE bool conn_writable(const struct conn *c)
{
    const struct transport *t = c->transport;
    if (unlikely(t != NULL) && (!t->ready || buf_len(&t->unsent)))
        return buf_len(&t->unsent) != 0;
    return output_len(&c->pending) && conn_sendable(c);
}

/* Closes it when it idles, or drips, for too long. Its thread, from a timer. */
void conn_check_timeouts(struct conn *c, int64_t now_ms);
void conn_send_queued(
    struct net_thread *t); /* the queued runs, and nothing of what stands behind */
void conn_send_pushed(struct net_thread *t);
void conn_adopt_all(struct net_thread *t); /* the sockets handed over */
