/* A turn of the event loop inside a command: see net_thread_inner_turn(). The loop stands in the
 * middle of a turn: of its events, of the bytes received, of a batch of requests in the arena, of
 * the output. All that is set aside, and put back afterwards. */
#include "base/clock.h"
#include "net/conn_internal.h"

struct aside {
    struct output out;
    char *receive;
    struct request_arena arena;
    uint64_t reply_lsn;
    struct poller_event events[REACTOR_EVENTS];
    int event_at, event_count;
    bool again;
};

static void set_aside(struct net_thread *t, struct aside *a)
{
    struct reactor *r = &t->reactor;
    a->out = t->out;
    a->receive = t->receive;
    a->reply_lsn = t->reply_lsn;
    t->reply_lsn = 0;
    memcpy(&a->arena, &t->arena, sizeof(t->arena));
    memcpy(a->events, r->events, sizeof(r->events));
    a->event_at = r->event_at;
    a->event_count = r->event_count;
    a->again = r->again;
    output_init(&t->out);
    t->receive = mem_alloc(MEM_OTHER, LIMIT_RECV_BYTES);
}

static void put_back(struct net_thread *t, struct aside *a)
{
    struct reactor *r = &t->reactor;
    output_deinit(&t->out);
    mem_free(MEM_OTHER, t->receive, LIMIT_RECV_BYTES);
    t->out = a->out;
    t->receive = a->receive;
    t->reply_lsn = a->reply_lsn;
    memcpy(&t->arena, &a->arena, sizeof(t->arena));
    memcpy(r->events, a->events, sizeof(r->events));
    r->event_at = a->event_at;
    r->event_count = a->event_count;
    r->again = a->again;
}

/* The sources of a net_thread's reactor are connections, but for its wake. */
static bool is_free(const struct net_thread *t, const struct source *s)
{
    return s != &t->reactor.wake_source && s != &t->occupied->source;
}

static void look_at_sources(struct net_thread *t)
{
    struct reactor *r = &t->reactor;
    r->event_count = r->ops->wait(r->poller, r->events, REACTOR_EVENTS, 0);
    r->now_ms = clock_monotonic_ms();
    for (r->event_at = 0; r->event_at < r->event_count; r->event_at++) {
        struct poller_event ev = r->events[r->event_at];
        if (ev.arg && is_free(t, ev.arg))
            ((struct source *)ev.arg)->ready(ev.arg, ev.bits);
    }
    r->event_count = 0;
}

void net_thread_inner_turn(struct net_thread *t, const struct conn *c)
{
    struct aside *a = mem_alloc(MEM_OTHER, sizeof(*a));
    conn_send_queued(t); /* what was answered before need not wait */
    set_aside(t, a);
    t->occupied = c;
    conn_adopt_all(t);
    look_at_sources(t);
    handshakes_look(t);
    conn_resume_all(t);
    conn_flush_queued(t);
    t->occupied = NULL;
    put_back(t, a);
    mem_free(MEM_OTHER, a, sizeof(*a));
}
