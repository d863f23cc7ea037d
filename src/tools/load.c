#include "tools/load.h"

#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <sys/timerfd.h>

enum {
    SILENCE_MS = 30000, /* a server that says nothing for so long is gone */
    TICK_MS = 250,
    EVENTS = 256,
};

static enum err give_up(struct load *l, enum err err, const char *text)
{
    snprintf(l->failure, sizeof(l->failure), "%s", text);
    return err;
}

static enum err open_poller(struct load *l)
{
    enum err err = l->ops->create(&l->poller);
    if (err)
        return give_up(l, err, "cannot poll");
    if (l->options->rate <= 0)
        return OK;
    l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (l->timer_fd < 0)
        return give_up(l, ERR_SYS, "cannot make a timer");
    return l->ops->add(l->poller, l->timer_fd, POLLER_READ, NULL);
}

enum err load_init(struct load *l, const struct load_options *options, const struct load_plan *plan)
{
    *l = (struct load){.options = options,
                       .plan = plan,
                       .ops = poller_by_name("auto"),
                       .timer_fd = -1,
                       .keys = options->keys};
    rng_seed(&l->rng, options->seed);
    l->latency = mem_zalloc(MEM_OTHER, plan->mix->count * sizeof(*l->latency));
    for (unsigned i = 0; i < plan->mix->count; i++)
        histogram_init(&l->latency[i]);
    l->clients = mem_zalloc(MEM_OTHER, options->clients * sizeof(*l->clients));
    for (unsigned i = 0; i < options->clients; i++)
        l->clients[i].fd = -1;
    enum err err = open_poller(l);
    for (unsigned i = 0; i < options->clients && !err; i++) {
        struct load_client *c = &l->clients[i];
        err = load_client_open(c, &options->target, options->pipeline, l->failure);
        if (!err)
            err = l->ops->add(l->poller, c->fd, POLLER_READ, c);
    }
    return err;
}

void load_deinit(struct load *l)
{
    for (unsigned i = 0; i < l->options->clients; i++) {
        if (l->clients[i].fd >= 0)
            l->ops->remove(l->poller, l->clients[i].fd);
        load_client_close(&l->clients[i]);
    }
    mem_free(MEM_OTHER, l->clients, l->options->clients * sizeof(*l->clients));
    mem_free(MEM_OTHER, l->latency, l->plan->mix->count * sizeof(*l->latency));
    if (l->timer_fd >= 0) {
        l->ops->remove(l->poller, l->timer_fd);
        close(l->timer_fd);
    }
    if (l->poller)
        l->ops->destroy(l->poller);
}

static enum err flush(struct load *l, struct load_client *c)
{
    enum err err = load_client_flush(c, l->failure);
    bool blocked = !err && load_client_blocked(c);
    if (blocked != c->wants_write) {
        c->wants_write = blocked;
        l->ops->modify(l->poller, c->fd, POLLER_READ | (blocked ? POLLER_WRITE : 0), c);
    }
    return err;
}

static void put_request(struct load *l, struct load_client *c, uint64_t since_ns)
{
    load_client_add_flight(c, since_ns, load_plan_next(l->plan, &l->keys, &l->rng, &c->out));
    l->issued++;
    l->in_flight++;
}

/* Closed loop: the next batch, as far as there is anything left to ask. */
static enum err send_batch(struct load *l, struct load_client *c)
{
    uint64_t now = clock_monotonic_ns(), left = l->over ? 0 : l->options->requests - l->issued;
    unsigned count = (unsigned)MIN(left, (uint64_t)l->options->pipeline);
    for (unsigned i = 0; i < count; i++)
        put_request(l, c, now);
    return count ? flush(l, c) : OK;
}

static uint64_t due_ns(const struct load *l, uint64_t request)
{
    return l->started_ns + (uint64_t)((double)request * 1e9 / l->options->rate);
}

/* The next client with room, or NULL; it keeps the turn until it has no more. */
static struct load_client *free_client(struct load *l)
{
    unsigned clients = l->options->clients;
    for (unsigned i = 0; i < clients; i++) {
        struct load_client *c = &l->clients[l->next];
        l->next = l->next + 1 == clients ? 0 : l->next + 1;
        if (c->waiting < c->cap)
            return c;
    }
    return NULL;
}

static enum err set_timer(struct load *l)
{
    if (l->over || l->issued >= l->options->requests)
        return OK;
    uint64_t due = due_ns(l, l->issued);
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(due / 1000000000), .tv_nsec = (long)(due % 1000000000)}};
    if (timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) != 0)
        return give_up(l, ERR_SYS, "cannot set a timer");
    return OK;
}

/* Open loop: sends what is due as far as clients have room. When none has, a reply brings us back;
 * the timer of a moment that is past would only turn the loop. */
static enum err send_due(struct load *l)
{
    enum err err = OK;
    uint64_t now = clock_monotonic_ns();
    struct load_client *c = NULL;
    while (!err && !l->over && l->issued < l->options->requests && due_ns(l, l->issued) <= now) {
        c = free_client(l);
        if (!c)
            return OK;
        uint64_t due = due_ns(l, l->issued);
        l->late_ns = MAX(l->late_ns, now - due);
        put_request(l, c, due);
        err = flush(l, c);
    }
    return err ? err : set_timer(l);
}

static void note_error(struct load *l, struct slice text)
{
    uint64_t errors = atomic_load_explicit(&l->errors, memory_order_relaxed);
    if (errors == 0)
        snprintf(l->failure, sizeof(l->failure), "%.*s", (int)MIN(text.len, (size_t)150), text.ptr);
    atomic_store_explicit(&l->errors, errors + 1, memory_order_relaxed);
}

static enum err take_reply(struct load *l, struct load_client *c, enum load_reply_kind kind,
                           struct slice text, uint64_t now_ns)
{
    if (kind == LOAD_BROKEN)
        return give_up(l, ERR_SYNTAX, "a reply is not what the protocol allows");
    if (c->waiting == 0)
        return give_up(l, ERR_SYNTAX, "a reply came that nobody asked for");
    if (kind == LOAD_ERROR)
        note_error(l, text);
    l->nils += kind == LOAD_NIL;
    struct load_flight flight = load_client_take_flight(c);
    histogram_record(&l->latency[flight.item], now_ns - flight.since_ns);
    return OK;
}

/* Takes the replies that are whole; all that are read together arrived at the same moment. */
static enum err take_replies(struct load *l, struct load_client *c)
{
    const struct load_codec *codec = l->options->target.codec;
    uint64_t now = clock_monotonic_ns();
    unsigned before = c->waiting;
    enum err err = OK;
    while (!err && buf_len(&c->in) > 0) {
        size_t size;
        struct slice text = {0};
        enum load_reply_kind kind = codec->reply(buf_slice(&c->in), &size, &text);
        if (kind == LOAD_INCOMPLETE)
            break;
        err = take_reply(l, c, kind, text, now);
        if (!err)
            buf_consume(&c->in, size);
    }
    unsigned taken = before - c->waiting;
    l->in_flight -= taken;
    uint64_t done = atomic_load_explicit(&l->done, memory_order_relaxed) + taken;
    atomic_store_explicit(&l->done, done, memory_order_relaxed);
    return err;
}

static enum err receive(struct load *l, struct load_client *c)
{
    unsigned before = c->waiting;
    enum err err = load_client_receive(c, l->failure);
    if (!err)
        err = take_replies(l, c);
    if (!err && l->options->rate <= 0 && before > 0 && c->waiting == 0)
        err = send_batch(l, c);
    return err;
}

static enum err serve(struct load *l, const struct poller_event *events, int count)
{
    enum err err = OK;
    for (int i = 0; i < count && !err; i++) {
        struct load_client *c = events[i].arg;
        uint64_t expirations;
        if (!c) { /* the timer: that it has been read makes it quiet */
            if (read(l->timer_fd, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
                err = give_up(l, ERR_SYS, "cannot read a timer");
            continue;
        }
        if (events[i].bits & POLLER_WRITE)
            err = flush(l, c);
        if (!err && events[i].bits & (POLLER_READ | POLLER_HANGUP))
            err = receive(l, c);
    }
    return !err && l->options->rate > 0 ? send_due(l) : err;
}

static bool finished(const struct load *l)
{
    return l->in_flight == 0 && (l->over || l->issued >= l->options->requests);
}

static enum err loop(struct load *l)
{
    struct poller_event events[EVENTS];
    int64_t heard_ms = clock_monotonic_ms();
    int64_t end_ms =
        l->options->duration_ms ? heard_ms + (int64_t)l->options->duration_ms : INT64_MAX;
    enum err err = OK;
    while (!err && !finished(l)) {
        int64_t patience = MIN((int64_t)TICK_MS, end_ms - heard_ms);
        int count = l->ops->wait(l->poller, events, EVENTS, (int)MAX(patience, (int64_t)1));
        err = serve(l, events, count);
        int64_t now_ms = clock_monotonic_ms();
        l->over |= now_ms >= end_ms;
        if (count > 0 || l->in_flight == 0)
            heard_ms = now_ms;
        else if (!err && now_ms - heard_ms > SILENCE_MS)
            err = give_up(l, ERR_CLOSED, "the server does not answer");
    }
    return err;
}

static uint64_t thread_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

enum err load_run(struct load *l)
{
    uint64_t cpu = thread_cpu_ns();
    enum err err = OK;
    l->started_ns = clock_monotonic_ns();
    if (l->options->rate > 0)
        err = send_due(l);
    for (unsigned i = 0; i < l->options->clients && !err && l->options->rate <= 0; i++)
        err = send_batch(l, &l->clients[i]);
    if (!err)
        err = loop(l);
    l->ended_ns = clock_monotonic_ns();
    l->cpu_ns = thread_cpu_ns() - cpu;
    return err;
}
