#include "net/conn.h"

#include "base/assert.h"
#include "base/clock.h"
#include "net/conn_gate.h"
#include "net/conn_internal.h"
#include "proto/settings.h"

#include <unistd.h>

enum {
    CRON_MS = 1000,
    OUT_KEEP_BYTES = 1024 * 1024
};

/* ---- life ---- */

/* A step of its TLS handshake is under way, or waits. */
static bool shakes_hands(const struct conn *c)
{
    return c->transport && transport_is_away(c->transport);
}

static void ready(struct source *self, unsigned bits)
{
    struct conn *c = container_of(self, struct conn, source);
    if (unlikely(atomic_load_explicit(&c->info.kill, memory_order_relaxed))) {
        conn_close(c);
        return;
    }
    if (bits & POLLER_WRITE)
        conn_write(c);
    if (unlikely(bits & POLLER_HANGUP) && shakes_hands(c))
        conn_close(c); /* what stands unread in the socket would be reported for ever */
    if (bits & (POLLER_READ | POLLER_HANGUP) && c->state == CONN_OPEN)
        conn_read(c);
    else if (bits & POLLER_HANGUP)
        conn_close(c);
}

static void link_conn(struct net_thread *t, struct conn *c)
{
    c->next = t->conns;
    c->link = &t->conns;
    if (t->conns)
        t->conns->link = &c->next;
    t->conns = c;
    t->conn_count++;
}

static void unlink_conn(struct conn *c)
{
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    c->thread->conn_count--;
}

static enum codec codec_of(enum conn_kind kind)
{
    if (kind == CONN_HTTP)
        return CODEC_HTTP;
    return kind == CONN_FRAME ? CODEC_FRAME : CODEC_RESP;
}

static struct conn *conn_create(struct net_thread *t, int fd, enum conn_kind kind, uint64_t id)
{
    struct conn *c = mem_zalloc(MEM_CLIENT, sizeof(*c));
    c->thread = t;
    c->source.ready = ready;
    c->info = (struct conn_info){.id = id, .fd = fd, .kind = kind, .created_ms = clock_wall_ms()};
    c->info.active_ms = c->info.created_ms;
    c->opened_ms = c->active_ms = t->reactor.now_ms;
    sock_names(fd, c->info.peer, c->info.local);
    if (kind == CONN_HTTP)
        c->message_ms = c->opened_ms;
    parser_init(&c->parser, codec_of(kind), (uint64_t)proto_settings.max_bulk_len);
    buf_init(&c->in, MEM_CLIENT);
    output_init(&c->pending);
    return c;
}

static void open_conn(struct net_thread *t, const struct arrival *arrival)
{
    int fd = arrival->fd;
    if (arrival->kind != CONN_UNIX) {
        sock_set_nodelay(fd);
        sock_set_keepalive(fd, net_settings.tcp_keepalive_s);
    }
    struct conn *c = conn_create(t, fd, arrival->kind, arrival->id);
    bool carried = !(arrival->tls || arrival->proxied) || transport_open(c, arrival);
    size_t begin = buf_len(&t->out.bytes);
    link_conn(t, c);
    registry_add(&t->registry, &c->info);
    t->ops->opened(c);
    if (!carried || reactor_add(&t->reactor, &c->source, fd, POLLER_READ) != OK) {
        c->source.fd = fd;
        conn_close(c);
    }
    conn_reply(c, begin); /* what `opened` may have to say */
}

void conn_close(struct conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    c->state = CONN_CLOSED;
    c->next_dead = c->thread->dead;
    c->thread->dead = c;
}

void conn_close_after_flush(struct conn *c)
{
    if (c->state != CONN_OPEN)
        return;
    c->state = CONN_FLUSHING;
    conn_update_interest(c);
    conn_write_later(c); /* closes it if nothing is left then */
}

static void destroy(struct conn *c)
{
    struct net_thread *t = c->thread;
    int fd = c->source.fd;
    t->ops->closed(c);
    if (c->transport)
        transport_close(c);
    registry_remove(&t->registry, &c->info);
    unlink_conn(c);
    reactor_remove(&t->reactor, &c->source);
    close(fd);
    parser_deinit(&c->parser);
    buf_deinit(&c->in);
    output_deinit(&c->pending);
    conn_gate_deinit(c);
    mem_free(MEM_CLIENT, c, sizeof(*c));
}

static void unpark(struct net_thread *t, struct conn *dead)
{
    for (struct conn **at = &t->parked; *at; at = &(*at)->next_parked)
        if (*at == dead) {
            *at = dead->next_parked;
            if (!*at)
                t->parked_tail = at;
            return;
        }
}

static void bury(struct net_thread *t)
{
    while (t->dead) {
        struct conn *c = t->dead;
        t->dead = c->next_dead;
        if (c->parked)
            unpark(t, c);
        destroy(c);
    }
}

/* ---- interest, parking, holding ---- */

void conn_update_interest(struct conn *c)
{
    unsigned bits = 0;
    if (c->state == CONN_CLOSED)
        return;
    if (c->state == CONN_OPEN && !c->parked && !c->held && !c->away && !shakes_hands(c))
        bits |= POLLER_READ;
    if (conn_writable(c))
        bits |= POLLER_WRITE;
    reactor_modify(&c->thread->reactor, &c->source, bits);
}

void conn_park(struct conn *c)
{
    if (c->parked)
        return;
    c->parked = true;
    c->next_parked = NULL;
    *c->thread->parked_tail = c;
    c->thread->parked_tail = &c->next_parked;
    conn_update_interest(c);
}

void conn_resume_all(struct net_thread *t)
{
    struct conn *list = t->parked;
    t->parked = NULL;
    t->parked_tail = &t->parked;
    while (list) {
        struct conn *c = list;
        list = c->next_parked;
        c->parked = false;
        if (c->state == CONN_CLOSED)
            continue;
        conn_process_pending(c);
        conn_update_interest(c);
    }
}

void conn_hold(struct conn *c)
{
    c->held = true;
    conn_update_interest(c);
}

void conn_release(struct conn *c)
{
    if (!c->held)
        return;
    c->held = false;
    if (c->state == CONN_CLOSED)
        return;
    conn_process_pending(c);
    conn_update_interest(c);
}

void conn_block(struct conn *c)
{
    c->blocked = true;
}

void conn_unblock(struct conn *c)
{
    if (!c->blocked)
        return;
    c->blocked = false;
    c->active_ms = c->thread->reactor.now_ms; /* it was not idle */
    if (c->state == CONN_CLOSED)
        return;
    conn_process_pending(c);
    conn_update_interest(c);
}

void conn_leave(struct conn *c)
{
    c->away = true;
    conn_update_interest(c);
}

void conn_return(struct conn *c)
{
    c->away = false;
    if (c->state == CONN_CLOSED)
        return;
    conn_process_pending(c);
    conn_update_interest(c);
}

/* ---- the thread ---- */

struct adoption {
    struct message message;
    struct arrival arrival;
};

static void run_adoption(void *receiver, struct message *self)
{
    struct net_thread *t = receiver;
    struct adoption *a = container_of(self, struct adoption, message);
    if (atomic_load(&t->reactor.stopping))
        close(a->arrival.fd);
    else
        open_conn(t, &a->arrival);
    tls_context_unref(a->arrival.tls);
    mem_free(MEM_CLIENT, a, sizeof(*a));
}

void net_thread_adopt(struct net_thread *t, struct arrival arrival)
{
    struct adoption *a = mem_alloc(MEM_CLIENT, sizeof(*a));
    *a = (struct adoption){{.run = run_adoption}, arrival};
    if (mailbox_post(&t->adoptions, &a->message))
        reactor_wake(&t->reactor);
}

void conn_adopt_all(struct net_thread *t)
{
    mailbox_drain(&t->adoptions, t);
}

static void cron(struct timer *self)
{
    struct net_thread *t = container_of(self, struct net_thread, cron);
    for (struct conn *c = t->conns; c; c = c->next)
        conn_check_timeouts(c, t->reactor.now_ms);
    reactor_arm(&t->reactor, &t->cron, t->reactor.now_ms + CRON_MS);
}

void net_thread_end_turn(struct net_thread *t)
{
    conn_adopt_all(t);
    conn_flush_queued(t);
    conn_gate_look(t);
    buf_shrink(&t->out.bytes, OUT_KEEP_BYTES);
    bury(t);
    transport_wire_end_turn(&t->wire);
}

void net_thread_safe(struct net_thread *t)
{
    if (atomic_load(&t->gate_waits) && atomic_exchange(&t->gate_waits, false))
        reactor_wake(&t->reactor);
}

/* Until somebody plugs a log in. */
static const _Atomic uint64_t nothing_waits = UINT64_MAX;

enum err net_thread_init(struct net_thread *t, const struct poller_ops *poller, unsigned id,
                         const struct conn_ops *ops)
{
    memset(t, 0, sizeof(*t));
    enum err err = reactor_init(&t->reactor, poller, id);
    if (err)
        return err;
    t->ops = ops;
    t->flushes = 1;
    t->safe_lsn = &nothing_waits;
    t->parked_tail = &t->parked;
    handshakes_init(&t->handshakes);
    t->receive = mem_alloc(MEM_OTHER, LIMIT_RECV_BYTES);
    output_init(&t->out);
    buf_init(&t->wire.out, MEM_CLIENT);
    timer_init(&t->cron, cron);
    reactor_arm(&t->reactor, &t->cron, t->reactor.now_ms + CRON_MS);
    return OK;
}

void net_thread_deinit(struct net_thread *t)
{
    mailbox_drain(&t->reactor.mailbox, &t->reactor);
    conn_adopt_all(t);
    handshakes_look(t);
    for (struct conn *c = t->conns; c; c = c->next)
        conn_close(c);
    bury(t);
    reactor_disarm(&t->reactor, &t->cron);
    output_deinit(&t->out);
    mem_free(MEM_OTHER, t->receive, LIMIT_RECV_BYTES);
    transport_wire_deinit(&t->wire);
    reactor_deinit(&t->reactor);
}
