#include "io/reactor.h"

#include "base/clock.h"

static void timer_moved(void *item, uint32_t position)
{
    ((struct timer *)item)->position = position;
}

static void wake_ready(struct source *self, unsigned bits)
{
    struct reactor *r = container_of(self, struct reactor, wake_source);
    wake_drain(&r->wake);
}

enum err reactor_init(struct reactor *r, const struct poller_ops *ops, unsigned id)
{
    memset(r, 0, sizeof(*r));
    r->ops = ops;
    r->id = id;
    enum err err = ops->create(&r->poller);
    if (err)
        return err;
    err = wake_init(&r->wake);
    if (err)
        return err;
    r->wake_source.ready = wake_ready;
    r->now_ms = clock_monotonic_ms();
    return reactor_add(r, &r->wake_source, r->wake.read_fd, POLLER_READ);
}

void reactor_deinit(struct reactor *r)
{
    mailbox_drain(&r->mailbox, r);
    heap_deinit(&r->timers, MEM_OTHER);
    wake_deinit(&r->wake);
    r->ops->destroy(r->poller);
}

void reactor_wake(struct reactor *r)
{
    wake_signal(&r->wake);
}

void reactor_post(struct reactor *r, struct message *msg)
{
    if (mailbox_post(&r->mailbox, msg))
        reactor_wake(r);
}

void reactor_stop(struct reactor *r)
{
    atomic_store(&r->stopping, true);
    reactor_wake(r);
}

enum err reactor_add(struct reactor *r, struct source *s, int fd, unsigned bits)
{
    s->fd = fd;
    s->bits = bits;
    return r->ops->add(r->poller, fd, bits, s);
}

void reactor_modify(struct reactor *r, struct source *s, unsigned bits)
{
    if (s->bits == bits)
        return;
    s->bits = bits;
    r->ops->modify(r->poller, s->fd, bits, s);
}

void reactor_remove(struct reactor *r, struct source *s)
{
    r->ops->remove(r->poller, s->fd);
    for (int i = r->event_at; i < r->event_count; i++)
        if (r->events[i].arg == s)
            r->events[i].arg = NULL; /* its owner may be gone when its turn comes */
    s->fd = -1;
}

void reactor_arm(struct reactor *r, struct timer *t, int64_t when_ms)
{
    if (t->position == TIMER_IDLE)
        heap_push(&r->timers, MEM_OTHER, when_ms, t, timer_moved);
    else
        heap_update(&r->timers, t->position, when_ms, timer_moved);
}

void reactor_disarm(struct reactor *r, struct timer *t)
{
    if (t->position == TIMER_IDLE)
        return;
    heap_remove(&r->timers, MEM_OTHER, t->position, timer_moved);
    t->position = TIMER_IDLE;
}

static void fire_timers(struct reactor *r)
{
    const struct heap_item *top;
    while ((top = heap_peek(&r->timers)) && top->when <= r->now_ms) {
        struct timer *t = heap_pop(&r->timers, MEM_OTHER, timer_moved);
        t->position = TIMER_IDLE;
        t->fire(t);
    }
}

static int sleep_ms(struct reactor *r)
{
    const struct heap_item *top = heap_peek(&r->timers);
    if (r->again || !mailbox_empty(&r->mailbox))
        return 0;
    if (!top)
        return 1000;
    int64_t wait = top->when - r->now_ms;
    return wait < 0 ? 0 : wait > 1000 ? 1000 : (int)wait;
}

void reactor_run(struct reactor *r)
{
    while (!atomic_load_explicit(&r->stopping, memory_order_relaxed)) {
        int timeout_ms = sleep_ms(r);
        r->again = false;
        atomic_store_explicit(&r->busy_since_ms, 0, memory_order_relaxed);
        r->event_count = r->ops->wait(r->poller, r->events, REACTOR_EVENTS, timeout_ms);
        r->now_ms = clock_monotonic_ms();
        atomic_store_explicit(&r->busy_since_ms, r->now_ms, memory_order_relaxed);
        for (r->event_at = 0; r->event_at < r->event_count; r->event_at++) {
            struct poller_event ev = r->events[r->event_at];
            if (likely(ev.arg != NULL))
                ((struct source *)ev.arg)->ready(ev.arg, ev.bits);
        }
        r->event_count = 0;
        mailbox_drain(&r->mailbox, r);
        fire_timers(r);
        if (r->after_turn)
            r->after_turn(r);
    }
}
