#include "net/handshake.h"

#include "io/worker.h"
#include "net/conn_internal.h"

struct handshake { /* a step */
    struct job job;
    struct message message;
    struct net_thread *thread;
    struct conn *conn; /* NULL: it has closed */
    struct tls_session *tls;
    struct buf wire; /* what the session says */
    ssize_t got;     /* of plaintext */
    size_t len;
    char bytes[]; /* `len` that have come, and room for their plaintext */
};

static size_t size_of(size_t len)
{
    return sizeof(struct handshake) + len + len + TLS_RECORD_MAX;
}

static void destroy(struct handshake *h)
{
    buf_deinit(&h->wire);
    mem_free(MEM_CLIENT, h, size_of(h->len));
}

void handshakes_init(struct handshakes *h)
{
    *h = (struct handshakes){0};
    h->waiting_tail = &h->waiting;
}

/* ---- the queue ---- */

static void push_waiting(struct handshakes *h, struct conn *c)
{
    struct transport *t = c->transport;
    t->next_waiting = NULL;
    t->waiting_link = h->waiting_tail;
    *h->waiting_tail = c;
    h->waiting_tail = &t->next_waiting;
}

static void remove_waiting(struct handshakes *h, struct conn *c)
{
    struct transport *t = c->transport;
    *t->waiting_link = t->next_waiting;
    if (t->next_waiting)
        t->next_waiting->transport->waiting_link = t->waiting_link;
    else
        h->waiting_tail = t->waiting_link;
    t->waiting_link = NULL;
}

bool handshake_may_begin(struct conn *c)
{
    struct handshakes *h = &c->thread->handshakes;
    if (h->under_way < LIMIT_HANDSHAKES)
        return true;
    push_waiting(h, c);
    conn_update_interest(c);
    return false;
}

/* ---- a step ---- */

/* On a worker: nobody else has the session. */
static void run(struct job *self)
{
    struct handshake *h = container_of(self, struct handshake, job);
    struct net_thread *t = h->thread;
    h->got = tls_decrypt(h->tls, h->bytes, h->len, h->bytes + h->len);
    if (mailbox_post(&t->handshakes.done, &h->message))
        reactor_wake(&t->reactor);
}

/* The session is the connection's again. */
static void give_back(struct handshake *h)
{
    struct conn *c = h->conn;
    c->transport->tls = h->tls;
    c->transport->step = NULL;
    tls_set_wire(h->tls, &c->thread->wire.out);
    if (c->state != CONN_OPEN || atomic_load(&c->thread->reactor.stopping))
        return;
    transport_step_over(c, &h->wire, h->bytes + h->len, h->got);
    conn_update_interest(c);
}

static void begin_waiting(struct net_thread *t)
{
    struct handshakes *h = &t->handshakes;
    while (h->waiting && h->under_way < LIMIT_HANDSHAKES) {
        struct conn *c = h->waiting;
        remove_waiting(h, c);
        conn_update_interest(c);
        if (c->state == CONN_OPEN)
            conn_read(c);
    }
}

static void finish(void *receiver, struct message *self)
{
    struct net_thread *t = receiver;
    struct handshake *h = container_of(self, struct handshake, message);
    t->handshakes.under_way--;
    if (h->conn)
        give_back(h);
    else
        tls_session_destroy(h->tls);
    destroy(h);
}

void handshake_begin(struct conn *c, struct slice data)
{
    struct transport *t = c->transport;
    struct handshake *h = mem_alloc(MEM_CLIENT, size_of(data.len));
    *h = (struct handshake){.job.run = run,
                            .message.run = finish,
                            .thread = c->thread,
                            .conn = c,
                            .tls = t->tls,
                            .len = data.len};
    buf_init(&h->wire, MEM_CLIENT);
    memcpy(h->bytes, data.ptr, data.len);
    tls_set_wire(h->tls, &h->wire);
    t->tls = NULL;
    t->step = h;
    c->thread->handshakes.under_way++;
    conn_update_interest(c);
    worker_submit(t->workers, &h->job);
}

void handshake_leave(struct conn *c)
{
    if (c->transport->waiting_link)
        remove_waiting(&c->thread->handshakes, c);
    if (c->transport->step)
        c->transport->step->conn = NULL;
}

void handshakes_look(struct net_thread *t)
{
    mailbox_drain(&t->handshakes.done, t);
    if (unlikely(t->handshakes.waiting != NULL) && !atomic_load(&t->reactor.stopping))
        begin_waiting(t); /* else there may be no worker any more */
}
