/* The input path: socket → requests → server. */
#include "base/assert.h"
#include "net/conn_internal.h"
#include "proto/http_parse.h"

#include <errno.h>

#include <sys/socket.h>

enum {
    TAIL_READ_MIN = 16 * 1024
};

static bool runnable(const struct conn *c)
{
    return c->state == CONN_OPEN && !c->parked && !c->held && !c->blocked && !c->away;
}

struct batch {
    struct request requests[LIMIT_BATCH_REQUESTS];
    uint32_t count;
    size_t bytes;
};

/* Parses as many requests as may run together. */
static enum parse_result parse_batch(struct conn *c, const char *data, size_t len,
                                     struct batch *batch)
{
    struct net_thread *t = c->thread;
    bool single = !c->parser.authenticated ||
                  c->parser.codec == CODEC_HTTP; /* its body may be the parser's */
    uint32_t limit = single ? 1 : LIMIT_BATCH_REQUESTS;
    enum parse_result result = PARSE_DONE;
    batch->count = 0;
    batch->bytes = 0;
    t->arena.used = 0;
    while (batch->count < limit) {
        struct request *request = &batch->requests[batch->count];
        result =
            parser_next(&c->parser, data + batch->bytes, len - batch->bytes, &t->arena, request);
        if (result != PARSE_DONE)
            break;
        batch->bytes += request->bytes;
        batch->count++;
        if (unlikely(parser_keeps_arguments(&c->parser)))
            break;
    }
    return result;
}

static size_t execute_batch(struct conn *c, struct batch *batch)
{
    uint32_t done = c->thread->ops->execute(c, batch->requests, batch->count, &c->thread->out);
    if (likely(done == batch->count))
        return batch->bytes;
    size_t bytes = 0;
    for (uint32_t i = 0; i < done; i++)
        bytes += batch->requests[i].bytes;
    parser_reset(&c->parser); /* the rest is parsed again later */
    return bytes;
}

/* Many replies are sent before more are made: the output limits bound what one read can ask for. */
static void reply_early(struct conn *c, size_t *begin)
{
    struct output *out = &c->thread->out;
    if (likely(output_len(out) <= LIMIT_TURN_OUTPUT_BYTES))
        return;
    conn_reply(c, *begin);
    *begin = buf_len(&out->bytes);
}

/* Executes what is complete in data; returns how many bytes are done with. The replies that are not
 * yet handed to conn_reply() start at *begin of the thread's output. */
static size_t consume(struct conn *c, const char *data, size_t len, size_t *begin)
{
    struct batch batch;
    size_t done = 0;
    while (done < len && runnable(c)) {
        enum parse_result result = parse_batch(c, data + done, len - done, &batch);
        if (batch.count) {
            size_t bytes = execute_batch(c, &batch);
            done += bytes;
            reply_early(c, begin);
            if (bytes < batch.bytes)
                continue;
            if (unlikely(c->blocked || c->away)) { /* what stands behind is looked at later */
                parser_reset(&c->parser);
                break;
            }
        }
        if (result == PARSE_ERROR && c->state == CONN_OPEN) {
            c->thread->ops->protocol_error(c, &c->thread->out);
            conn_close_after_flush(c);
        }
        if (result == PARSE_MORE || result == PARSE_ERROR)
            break;
    }
    return c->state == CONN_OPEN ? done : len;
}

static void check_query_limit(struct conn *c)
{
    size_t limit = (size_t)net_settings.client_query_buffer_limit;
    if (c->state != CONN_OPEN ||
        buf_len(&c->in) + parser_bytes(&c->parser) + c->queued_bytes <= limit)
        return;
    stat_bump(&c->thread->counters.query_limit_closed, 1);
    conn_close(c);
}

/* For conn_check_timeouts(). After `done` bytes another message has begun, with a time of its own.
 */
COLD static void note_message(struct conn *c, size_t done)
{
    if (!http_parse_is_within(&c->parser))
        c->message_ms = 0;
    else if (done || !c->message_ms)
        c->message_ms = c->thread->reactor.now_ms;
}

static void note_input(struct conn *c, size_t done)
{
    if (unlikely(c->parser.codec == CODEC_HTTP))
        note_message(c, done);
    atomic_store_explicit(&c->info.in_bytes, (uint32_t)buf_len(&c->in), memory_order_relaxed);
    atomic_store_explicit(&c->info.in_free, (uint32_t)(c->in.cap - c->in.end),
                          memory_order_relaxed);
}

void conn_process_pending(struct conn *c)
{
    if (unlikely(atomic_load_explicit(&c->thread->reactor.stopping, memory_order_relaxed)))
        return; /* nothing begins any more: what it may need is being taken apart */
    size_t begin = buf_len(&c->thread->out.bytes);
    size_t done = consume(c, buf_ptr(&c->in), buf_len(&c->in), &begin);
    buf_consume(&c->in, done);
    if (!buf_len(&c->in) && c->in.cap) {
        buf_deinit(&c->in); /* an idle connection keeps no buffer */
        parser_trim(&c->parser);
    }
    conn_reply(c, begin);
    check_query_limit(c);
    note_input(c, done);
}

static void process_received(struct conn *c, const char *data, size_t len)
{
    size_t begin = buf_len(&c->thread->out.bytes);
    size_t done = consume(c, data, len, &begin);
    if (unlikely(done < len || c->message_ms)) {
        buf_append(&c->in, data + done, len - done);
        note_input(c, done);
    }
    conn_reply(c, begin);
    check_query_limit(c);
}

/* Grows with what has arrived, not with what was announced: a length line costs nobody memory. */
static size_t tail_room(const struct conn *c)
{
    size_t have = buf_len(&c->in), wants = parser_wants(&c->parser);
    size_t missing = wants > have ? wants - have : 0;
    return MAX(MIN(missing, MAX(have, (size_t)LIMIT_RECV_BYTES)), (size_t)TAIL_READ_MIN);
}

static bool received(struct conn *c, ssize_t n)
{
    if (likely(n > 0)) {
        c->active_ms = c->thread->reactor.now_ms;
        stat_bump(&c->thread->counters.bytes_in, (uint64_t)n);
        stat_bump(&c->thread->counters.reads, 1);
        stat_bump(&c->info.net_in, (uint64_t)n);
        return true;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
        conn_close(c);
    return false;
}

/* What was sent to us happened before what a client sends now. Inside a command it has to wait. */
static void receive_messages(struct net_thread *t)
{
    if (likely(!t->occupied))
        mailbox_drain(&t->reactor.mailbox, &t->reactor);
}

static ssize_t receive(struct conn *c, char *at, size_t room)
{
    if (likely(!c->transport))
        return recv(c->source.fd, at, room, 0);
    return transport_recv(c, at, room);
}

static void read_some(struct conn *c)
{
    struct net_thread *t = c->thread;
    if (likely(!buf_len(&c->in) && runnable(c))) {
        ssize_t n = receive(c, t->receive, LIMIT_RECV_BYTES);
        if (likely(received(c, n))) {
            receive_messages(t);
            process_received(c, t->receive, (size_t)n);
        }
        return;
    }
    size_t room = tail_room(c) + (c->transport ? TRANSPORT_SLACK : 0);
    char *at = buf_reserve(&c->in, room);
    ssize_t n = receive(c, at, room);
    if (!received(c, n))
        return;
    buf_advance(&c->in, (size_t)n);
    receive_messages(t);
    conn_process_pending(c);
}

void conn_read(struct conn *c)
{
    read_some(c);
    if (unlikely(c->transport != NULL) && transport_over(c))
        conn_close_after_flush(c);
}

void conn_take(struct conn *c, const char *data, ssize_t n)
{
    if (received(c, n)) {
        buf_append(&c->in, data, (size_t)n);
        receive_messages(c->thread);
        conn_process_pending(c);
    }
    if (transport_over(c))
        conn_close_after_flush(c);
}
