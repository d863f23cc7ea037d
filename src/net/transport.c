#include "net/transport.h"

#include "base/log.h"
#include "net/conn_internal.h"

#include <errno.h>

#include <sys/socket.h>

enum {
    WIRE_KEEP_BYTES = 256 * 1024,
};

static ssize_t again(void)
{
    errno = EAGAIN;
    return -1;
}

static ssize_t broken(struct conn *c, const char *reason)
{
    log_verbose(c->transport->ready ? "Error reading from client: %s (addr=%s laddr=%s)"
                                    : "Error accepting a client connection: %s (addr=%s laddr=%s)",
                reason, c->info.peer, c->info.local);
    errno = EPROTO;
    return -1;
}

void transport_wire_end_turn(struct transport_wire *wire)
{
    buf_shrink(&wire->out, WIRE_KEEP_BYTES);
}

void transport_wire_deinit(struct transport_wire *wire)
{
    buf_deinit(&wire->out);
    mem_free(MEM_OTHER, wire->in, LIMIT_RECV_BYTES);
    wire->in = NULL;
}

bool transport_open(struct conn *c, const struct arrival *arrival)
{
    struct transport_wire *wire = &c->thread->wire;
    struct transport *t = mem_zalloc(MEM_CLIENT, sizeof(*t));
    if (!wire->in)
        wire->in = mem_alloc(MEM_OTHER, LIMIT_RECV_BYTES);
    buf_init(&t->unsent, MEM_CLIENT);
    if (arrival->proxied) {
        t->proxy = mem_alloc(MEM_CLIENT, sizeof(*t->proxy));
        proxy_header_init(t->proxy);
    }
    if (arrival->tls)
        t->tls = tls_session_create(arrival->tls, &wire->out);
    t->workers = arrival->handshakes;
    c->transport = t;
    return !arrival->tls || t->tls;
}

static void drop_header(struct transport *t)
{
    mem_free(MEM_CLIENT, t->proxy, sizeof(*t->proxy));
    t->proxy = NULL;
}

static void destroy(struct conn *c)
{
    struct transport *t = c->transport;
    drop_header(t);
    tls_session_destroy(t->tls);
    buf_deinit(&t->unsent);
    mem_free(MEM_CLIENT, t, sizeof(*t));
    c->transport = NULL;
}

/* The number of bytes that the socket has taken; -1: it is dead. */
static ssize_t send_bytes(struct conn *c, const struct buf *bytes)
{
    ssize_t n = send(c->source.fd, buf_ptr(bytes), buf_len(bytes), MSG_NOSIGNAL);
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : n;
}

bool transport_flush(struct conn *c)
{
    struct buf *unsent = &c->transport->unsent;
    if (!buf_len(unsent))
        return true;
    ssize_t n = send_bytes(c, unsent);
    if (n < 0)
        return false;
    buf_consume(unsent, (size_t)n);
    if (!buf_len(unsent))
        buf_deinit(unsent); /* an idle connection keeps no buffer */
    return true;
}

/* What TLS has put on the wire leaves, behind what waits already. */
static bool send_wire(struct conn *c, struct buf *out)
{
    struct buf *unsent = &c->transport->unsent;
    ssize_t n = 0;
    if (!buf_len(out))
        return true;
    if (!buf_len(unsent))
        n = send_bytes(c, out);
    if (n >= 0 && (size_t)n < buf_len(out)) {
        buf_append(unsent, buf_ptr(out) + n, buf_len(out) - (size_t)n);
        conn_update_interest(c);
    }
    buf_clear(out);
    return n >= 0;
}

void transport_close(struct conn *c)
{
    struct transport *t = c->transport;
    handshake_leave(c);
    if (t->tls && t->ready && !buf_len(&t->unsent)) {
        tls_end(t->tls);
        (void)send_wire(c, &c->thread->wire.out); /* or not: the socket closes anyway */
    }
    destroy(c);
}

/* The connection is what a plain one is from its beginning. False: the server has sent it away. */
static bool get_ready(struct conn *c)
{
    struct net_thread *thread = c->thread;
    size_t begin = buf_len(&thread->out.bytes);
    c->transport->ready = true;
    c->opened_ms = thread->reactor.now_ms;
    thread->ops->ready(c, &thread->out);
    conn_reply(c, begin);
    conn_update_interest(c);
    return c->state == CONN_OPEN;
}

/* Takes the header's part of what came. False: there is nothing behind it yet, errno says why. */
static bool take_header(struct conn *c, struct slice *data)
{
    struct transport *t = c->transport;
    size_t used;
    enum parse_result result = proxy_header_feed(t->proxy, *data, &used);
    *data = slice_make(data->ptr + used, data->len - used);
    if (result == PARSE_ERROR)
        broken(c, t->proxy->error);
    if (result != PARSE_DONE) {
        if (result == PARSE_MORE)
            again();
        return false;
    }
    if (t->proxy->known) {
        t->remote = !t->proxy->local;
        registry_set_addresses(&c->thread->registry, &c->info, t->proxy->source,
                               t->proxy->destination);
    }
    drop_header(t);
    return true;
}

static ssize_t recv_plain(struct conn *c, struct slice data, char *at)
{
    bool open = get_ready(c);
    destroy(c); /* a plain connection from here on */
    conn_update_interest(c);
    if (!open || !data.len)
        return again();
    memcpy(at, data.ptr, data.len);
    return (ssize_t)data.len;
}

/* After `n` bytes of plaintext, or -1; what TLS says to that is on the wire. As recv(2). */
static ssize_t decrypted(struct conn *c, struct buf *wire, ssize_t n)
{
    struct transport *t = c->transport;
    bool alive = send_wire(c, wire); /* the handshake's answer, or an alert */
    if (n < 0)
        return broken(c, tls_failure(t->tls));
    if (!alive || buf_len(&t->unsent) > 2 * LIMIT_WIRE_BYTES)
        return broken(c, "the peer does not read");
    if (!t->ready && tls_established(t->tls) && !get_ready(c))
        return again();
    if (n == 0 && !tls_over(t->tls))
        return again();
    return n;
}

void transport_step_over(struct conn *c, struct buf *wire, const char *plain, ssize_t len)
{
    conn_take(c, plain, decrypted(c, wire, len));
}

ssize_t transport_recv(struct conn *c, char *at, size_t room)
{
    struct transport *t = c->transport;
    struct transport_wire *wire = &c->thread->wire;
    if (transport_is_away(t))
        return again(); /* an event from before a turn inside a command */
    if (!t->ready && t->tls && !handshake_may_begin(c))
        return again();
    size_t want = MIN(room - TRANSPORT_SLACK, (size_t)LIMIT_RECV_BYTES);
    ssize_t n = recv(c->source.fd, wire->in, want, 0);
    if (n <= 0)
        return n;
    struct slice data = slice_make(wire->in, (size_t)n);
    if (t->proxy && !take_header(c, &data))
        return -1;
    if (!t->tls)
        return recv_plain(c, data, at);
    if (!data.len)
        return again();
    if (t->ready)
        return decrypted(c, &wire->out, tls_decrypt(t->tls, data.ptr, data.len, at));
    handshake_begin(c, data);
    return again();
}

ssize_t transport_send(struct conn *c, const struct iovec *iov, int count)
{
    struct transport *t = c->transport;
    size_t taken = 0;
    if (!transport_flush(c))
        return -1;
    if (!t->ready || !t->tls || buf_len(&t->unsent))
        return 0;
    for (int i = 0; i < count && taken < LIMIT_WIRE_BYTES; i++) {
        size_t len = MIN(iov[i].iov_len, LIMIT_WIRE_BYTES - taken);
        if (tls_encrypt(t->tls, iov[i].iov_base, len) != OK)
            return -1;
        taken += len;
    }
    return send_wire(c, &c->thread->wire.out) ? (ssize_t)taken : -1;
}

bool transport_over(const struct conn *c)
{
    return c->transport->tls && tls_over(c->transport->tls);
}
