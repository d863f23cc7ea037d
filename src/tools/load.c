#include "tools/load.h"

#include "base/clock.h"
#include "os/sock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <sys/socket.h>

enum {
    CONNECT_TIMEOUT_MS = 5000,
    SILENCE_MS = 30000, /* a server that says nothing for so long is gone */
    TICK_MS = 250,
    READ_BYTES = 16 * 1024,
    EVENTS = 256,
};

static enum err give_up(struct load *l, enum err err, const char *format, ...) PRINTF_LIKE(3, 4);

static enum err give_up(struct load *l, enum err err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(l->failure, sizeof(l->failure), format, args);
    va_end(args);
    return err;
}

static enum err open_client(struct load *l, struct load_client *c)
{
    const struct load_options *o = l->options;
    c->fd = -1;
    buf_init(&c->out, MEM_OTHER);
    buf_init(&c->in, MEM_OTHER);
    enum err err = sock_connect_tcp(o->host, o->port, CONNECT_TIMEOUT_MS, &c->fd);
    if (!err)
        err = l->ops->add(l->poller, c->fd, POLLER_READ, c);
    if (err)
        return give_up(l, err, "cannot connect to %s:%d: %s", o->host, o->port, strerror(errno));
    return OK;
}

static void fill_value(struct load *l)
{
    size_t size = l->options->value_size;
    buf_init(&l->value, MEM_OTHER);
    memset(buf_reserve(&l->value, size + 1), 'x', size);
    buf_advance(&l->value, size);
}

enum err load_init(struct load *l, const struct load_options *options)
{
    *l = (struct load){.options = options, .ops = poller_by_name("auto")};
    histogram_init(&l->latency);
    rng_seed(&l->rng, options->seed);
    fill_value(l);
    l->clients = mem_zalloc(MEM_OTHER, options->clients * sizeof(*l->clients));
    for (unsigned i = 0; i < options->clients; i++)
        l->clients[i].fd = -1;
    enum err err = l->ops->create(&l->poller);
    if (err)
        return give_up(l, err, "cannot poll: %s", strerror(errno));
    for (unsigned i = 0; i < options->clients && !err; i++)
        err = open_client(l, &l->clients[i]);
    return err;
}

static void close_client(struct load *l, struct load_client *c)
{
    if (c->fd >= 0) {
        l->ops->remove(l->poller, c->fd);
        close(c->fd);
    }
    c->fd = -1;
    buf_deinit(&c->out);
    buf_deinit(&c->in);
}

void load_deinit(struct load *l)
{
    for (unsigned i = 0; i < l->options->clients; i++)
        close_client(l, &l->clients[i]);
    mem_free(MEM_OTHER, l->clients, l->options->clients * sizeof(*l->clients));
    buf_deinit(&l->value);
    if (l->poller)
        l->ops->destroy(l->poller);
}

static void watch_write(struct load *l, struct load_client *c, bool wanted)
{
    if (c->wants_write == wanted)
        return;
    c->wants_write = wanted;
    l->ops->modify(l->poller, c->fd, POLLER_READ | (wanted ? POLLER_WRITE : 0), c);
}

static enum err flush(struct load *l, struct load_client *c)
{
    while (buf_len(&c->out) > 0) {
        ssize_t sent = send(c->fd, buf_ptr(&c->out), buf_len(&c->out), MSG_NOSIGNAL);
        if (sent > 0)
            buf_consume(&c->out, (size_t)sent);
        else if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        else if (sent < 0 && errno != EINTR)
            return give_up(l, ERR_CLOSED, "the connection was lost: %s", strerror(errno));
    }
    watch_write(l, c, buf_len(&c->out) > 0);
    return OK;
}

/* The next batch, as far as there is anything left to ask. */
static enum err send_batch(struct load *l, struct load_client *c)
{
    const struct load_options *o = l->options;
    uint64_t left = o->requests - l->issued;
    unsigned count = (unsigned)MIN(left, (uint64_t)o->pipeline);
    if (count == 0) {
        l->open--;
        return OK;
    }
    for (unsigned i = 0; i < count; i++)
        load_request(o, &l->rng, buf_slice(&l->value), &c->out);
    l->issued += count;
    c->waiting = count;
    c->sent_ns = clock_monotonic_ns();
    return flush(l, c);
}

static void note_error(struct load *l, struct slice text)
{
    if (l->errors++ == 0)
        snprintf(l->failure, sizeof(l->failure), "%.*s", (int)MIN(text.len, (size_t)150), text.ptr);
}

/* Takes the replies that are whole; all that are read together arrived at the same moment. */
static enum err take_replies(struct load *l, struct load_client *c)
{
    uint64_t latency = clock_monotonic_ns() - c->sent_ns;
    while (buf_len(&c->in) > 0) {
        size_t size;
        struct slice text;
        enum load_reply_kind kind =
            load_reply(l->options->protocol, buf_slice(&c->in), &size, &text);
        if (kind == LOAD_INCOMPLETE)
            return OK;
        if (kind == LOAD_BROKEN)
            return give_up(l, ERR_SYNTAX, "a reply is not what the protocol allows");
        if (c->waiting == 0)
            return give_up(l, ERR_SYNTAX, "a reply came that nobody asked for");
        if (kind == LOAD_ERROR)
            note_error(l, text);
        l->nils += kind == LOAD_NIL;
        histogram_record(&l->latency, latency);
        l->done++;
        c->waiting--;
        buf_consume(&c->in, size);
    }
    return OK;
}

static enum err receive(struct load *l, struct load_client *c)
{
    ssize_t got = recv(c->fd, buf_reserve(&c->in, READ_BYTES), READ_BYTES, 0);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return OK;
    if (got <= 0)
        return give_up(l, ERR_CLOSED, "the connection was lost: %s",
                       got ? strerror(errno) : "closed by the server");
    buf_advance(&c->in, (size_t)got);
    bool asked = c->waiting > 0;
    enum err err = take_replies(l, c);
    if (!err && asked && c->waiting == 0)
        err = send_batch(l, c);
    return err;
}

static enum err serve(struct load *l, const struct poller_event *events, int count)
{
    enum err err = OK;
    for (int i = 0; i < count && !err; i++) {
        struct load_client *c = events[i].arg;
        if (events[i].bits & POLLER_WRITE)
            err = flush(l, c);
        if (!err && events[i].bits & (POLLER_READ | POLLER_HANGUP))
            err = receive(l, c);
    }
    return err;
}

static enum err loop(struct load *l, void (*progress)(const struct load *l))
{
    struct poller_event events[EVENTS];
    int64_t heard_ms = clock_monotonic_ms(), told_ms = heard_ms;
    enum err err = OK;
    while (l->open > 0 && !err) {
        int count = l->ops->wait(l->poller, events, EVENTS, TICK_MS);
        err = serve(l, events, count);
        int64_t now_ms = clock_monotonic_ms();
        if (count > 0)
            heard_ms = now_ms;
        else if (now_ms - heard_ms > SILENCE_MS)
            err = give_up(l, ERR_CLOSED, "the server does not answer");
        if (progress && now_ms - told_ms >= TICK_MS) {
            l->ended_ns = clock_monotonic_ns();
            progress(l);
            told_ms = now_ms;
        }
    }
    return err;
}

enum err load_run(struct load *l, void (*progress)(const struct load *l))
{
    enum err err = OK;
    l->started_ns = clock_monotonic_ns();
    l->open = l->options->clients;
    for (unsigned i = 0; i < l->options->clients && !err; i++)
        err = send_batch(l, &l->clients[i]);
    if (!err)
        err = loop(l, progress);
    l->ended_ns = clock_monotonic_ns();
    return err;
}
