/* The output path: replies → socket. */
#include "base/assert.h"
#include "base/clock.h"
#include "net/conn_gate.h"
#include "net/conn_internal.h"
#include "proto/http_parse.h"

#include <errno.h>
#include <poll.h>

#include <sys/socket.h>
#include <sys/uio.h>

enum {
    IOV_BATCH = 64,
    COMPACT_BYTES = 256 * 1024,
    COMPACT_REFS = 64,
    PUSH_ROOM =
        2000 /* for what else a turn pushes: most often it leaves, and is freed, at its end */
};

static size_t remaining(const struct output *o, const struct out_cursor *at)
{
    size_t refs = at->ref_part ? o->refs[at->refs].blob->len - at->ref_part : 0;
    for (uint32_t i = at->refs + (at->ref_part != 0); i < o->ref_count; i++)
        refs += o->refs[i].blob->len;
    return buf_len(&o->bytes) - at->bytes + refs;
}

/* The next pieces to send, `len` bytes at most: bytes up to a reference, the reference, and so on.
 */
static int fill_iov(const struct output *o, struct out_cursor at, size_t len, struct iovec *iov)
{
    int n = 0;
    size_t end = buf_len(&o->bytes);
    while (n < IOV_BATCH - 1 && (at.bytes < end || at.refs < o->ref_count)) {
        size_t stop = at.refs < o->ref_count ? o->refs[at.refs].at : end;
        if (at.bytes < stop) {
            iov[n++] = (struct iovec){buf_ptr(&o->bytes) + at.bytes, stop - at.bytes};
            at.bytes = stop;
        }
        if (at.refs < o->ref_count) {
            struct blob *b = o->refs[at.refs++].blob;
            iov[n++] = (struct iovec){b->bytes + at.ref_part, b->len - at.ref_part};
            at.ref_part = 0;
        }
    }
    for (int i = 0; i < n; i++) {
        iov[i].iov_len = MIN(iov[i].iov_len, len);
        len -= iov[i].iov_len;
    }
    return n;
}

static void advance(const struct output *o, struct out_cursor *at, size_t sent)
{
    while (sent) {
        size_t stop = at->refs < o->ref_count ? o->refs[at->refs].at : buf_len(&o->bytes);
        size_t bytes = MIN(sent, stop - at->bytes);
        at->bytes += bytes;
        sent -= bytes;
        if (at->refs == o->ref_count || at->bytes < stop)
            continue;
        size_t part = MIN(sent, o->refs[at->refs].blob->len - at->ref_part);
        at->ref_part += part;
        sent -= part;
        if (at->ref_part == o->refs[at->refs].blob->len) {
            at->ref_part = 0;
            at->refs++;
        }
    }
}

/* One system call for at most `len` bytes; 0: the socket is full, < 0: it is dead. */
static ssize_t send_some(struct conn *c, const struct output *o, const struct out_cursor *at,
                         size_t len)
{
    ssize_t n;
    if (unlikely(c->transport != NULL)) {
        struct iovec iov[IOV_BATCH];
        n = transport_send(c, iov, fill_iov(o, *at, len, iov));
    } else if (likely(o->ref_count == 0)) {
        n = send(c->source.fd, buf_ptr(&o->bytes) + at->bytes, len, MSG_NOSIGNAL);
    } else {
        struct iovec iov[IOV_BATCH];
        struct msghdr msg = {.msg_iov = iov};
        msg.msg_iovlen = (size_t)fill_iov(o, *at, len, iov);
        n = sendmsg(c->source.fd, &msg, MSG_NOSIGNAL);
    }
    if (n >= 0) {
        stat_bump(&c->thread->counters.writes, 1);
        stat_bump(&c->thread->counters.bytes_out, (uint64_t)n);
        stat_bump(&c->info.net_out, (uint64_t)n);
        return n;
    }
    return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

static void append_bytes(struct output *p, const struct output *o, size_t begin, size_t end)
{
    if (end > begin) /* a buffer without memory may get nothing */
        buf_append(&p->bytes, buf_ptr(&o->bytes) + begin, end - begin);
}

/* Moves what is behind `from` to the connection's own output. */
static void append_pending(struct conn *c, struct output *o, struct out_cursor from)
{
    struct output *p = &c->pending;
    for (uint32_t i = from.refs; i < o->ref_count; i++) {
        struct output_ref *ref = &o->refs[i];
        append_bytes(p, o, from.bytes, ref->at);
        from.bytes = ref->at;
        if (i == from.refs && from.ref_part && !output_len(p))
            c->sent.ref_part = from.ref_part;
        output_ref_blob(p, ref->blob);
    }
    append_bytes(p, o, from.bytes, buf_len(&o->bytes));
}

bool conn_allows(const struct conn *c, size_t bytes)
{
    uint64_t hard = net_settings.output_limits[c->class].hard_bytes;
    return !hard || conn_pending(c) + bytes <= hard;
}

static void check_output_limit(struct conn *c)
{
    const struct output_limit *limit = &net_settings.output_limits[c->class];
    uint64_t hard = limit->hard_bytes, soft = limit->soft_bytes;
    uint64_t have = conn_pending(c) + c->gathered_bytes;
    int64_t now = c->thread->reactor.now_ms;
    if (!c->parser.authenticated && have > LIMIT_PREAUTH_OUTPUT_BYTES)
        hard = LIMIT_PREAUTH_OUTPUT_BYTES;
    if (!soft || have <= soft)
        c->soft_since_ms = 0;
    else if (!c->soft_since_ms)
        c->soft_since_ms = now;
    bool soft_over = c->soft_since_ms && now - c->soft_since_ms > limit->soft_s * 1000;
    if ((hard && have > hard) || soft_over) {
        stat_bump(&c->thread->counters.limit_closed, 1);
        conn_close(c);
    }
}

static void finish_pending(struct conn *c)
{
    output_deinit(&c->pending);
    output_init(&c->pending);
    c->sent = (struct out_cursor){0};
    if (likely(!c->gathered_bytes))
        c->soft_since_ms = 0;
}

static void note_output(struct conn *c)
{
    atomic_store_explicit(&c->info.out_bytes, conn_pending(c) + c->gathered_bytes,
                          memory_order_relaxed);
    atomic_store_explicit(&c->info.out_refs, c->pending.ref_count, memory_order_relaxed);
}

void conn_gather(struct conn *c, size_t bytes)
{
    if (bytes == c->gathered_bytes)
        return;
    c->gathered_bytes = bytes;
    note_output(c);
    if (c->state == CONN_OPEN)
        check_output_limit(c);
}

size_t conn_pending(const struct conn *c)
{
    return remaining(&c->pending, &c->sent);
}

/* Sends a connection's run of the output; the rest becomes its pending output. */
static void send_run(struct conn *c, struct output *out, struct out_cursor from, size_t len,
                     uint64_t lsn)
{
    if (likely(!output_len(&c->pending) && lsn <= net_safe_lsn(c->thread))) {
        ssize_t n = send_some(c, out, &from, len);
        if (likely(n == (ssize_t)len))
            return;
        if (n < 0) {
            conn_close(c);
            return;
        }
        advance(out, &from, (size_t)n);
    }
    conn_gate_output(c, lsn);
    append_pending(c, out, from);
    note_output(c);
    check_output_limit(c);
    conn_update_interest(c);
}

void conn_send_queued(struct net_thread *t)
{
    if (unlikely(t->queued_lsn > net_safe_lsn(t)))
        t->ops->commit(t);
    size_t end = t->out.bytes.end;
    uint32_t refs = t->out.ref_count;
    t->out.ref_count = 0; /* a reference can only belong to the last, unqueued run */
    for (uint32_t i = 0; i < t->queued_count; i++) {
        struct queued_reply *q = &t->queued[i];
        if (unlikely(q->conn->state == CONN_CLOSED))
            continue;
        t->out.bytes.end = t->out.bytes.begin + q->end; /* nothing behind it belongs to this one */
        send_run(q->conn, &t->out, (struct out_cursor){.bytes = q->begin}, q->end - q->begin,
                 q->lsn);
    }
    t->out.bytes.end = end;
    t->out.ref_count = refs;
    t->queued_count = 0;
    t->queued_lsn = 0;
    t->flushes++;
}

/* At the end of the turn, behind its queued runs. */
void conn_write_later(struct conn *c)
{
    if (c->pushed)
        return;
    c->pushed = true;
    c->next_pushed = c->thread->pushed;
    c->thread->pushed = c;
}

void conn_send_pushed(struct net_thread *t)
{
    while (t->pushed) {
        struct conn *c = t->pushed;
        t->pushed = c->next_pushed;
        c->pushed = false;
        conn_write(c);
    }
}

void conn_flush_queued(struct net_thread *t)
{
    conn_send_queued(t);
    output_clear(&t->out);
    conn_send_pushed(t);
}

/* What is appended to the connection's pending output from now on leaves at the end of the turn. */
static void push_begin(struct conn *c)
{
    struct net_thread *t = c->thread;
    if (c->queued_at == t->flushes)
        conn_send_queued(t);
    if (!output_len(&c->pending)) /* else it waits for writability already */
        conn_write_later(c);
}

void conn_deliver(struct conn *c, struct output *reply, uint64_t lsn)
{
    if (c->state != CONN_OPEN || !output_len(reply))
        return;
    push_begin(c);
    conn_gate_output(c, lsn);
    if (output_len(&c->pending)) {
        append_pending(c, reply, (struct out_cursor){0});
    } else {
        struct output empty = c->pending;
        c->pending = *reply;
        *reply = empty;
    }
    note_output(c);
    check_output_limit(c);
}

void conn_push(struct conn *c, struct blob *bytes, uint64_t lsn)
{
    if (c->state != CONN_OPEN)
        return;
    push_begin(c);
    conn_gate_output(c, lsn);
    if (!c->pending.bytes.cap && bytes->len < PUSH_ROOM)
        buf_grow(&c->pending.bytes, PUSH_ROOM);
    if (bytes->len < LIMIT_REPLY_REF_BYTES)
        buf_append(&c->pending.bytes, bytes->bytes, bytes->len);
    else
        output_ref_blob(&c->pending, bytes);
    note_output(c);
    check_output_limit(c);
}

INLINE void queue_run(struct conn *c, size_t begin, size_t end)
{
    struct net_thread *t = c->thread;
    t->queued[t->queued_count++] = (struct queued_reply){c, begin, end, t->reply_lsn};
    t->queued_lsn = MAX(t->queued_lsn, t->reply_lsn);
    c->queued_at = t->flushes;
}

HOT void conn_reply(struct conn *c, size_t begin)
{
    struct net_thread *t = c->thread;
    size_t end = buf_len(&t->out.bytes);
    if (likely(!t->out.ref_count && t->queued_count < QUEUED_MAX && end < QUEUED_BYTES)) {
        if (likely(end > begin))
            queue_run(c, begin, end);
        t->reply_lsn = 0;
        return;
    }
    struct output *out = &t->out;
    t->queued_lsn = MAX(t->queued_lsn, t->reply_lsn);
    conn_send_queued(t);
    if (c->state != CONN_CLOSED)
        send_run(c, out, (struct out_cursor){.bytes = begin}, output_len(out) - begin,
                 t->reply_lsn);
    output_clear(out);
    t->reply_lsn = 0;
}

/* Drops sent bytes from the front of a long queue. References keep their distance. */
static void compact(struct conn *c)
{
    struct output *p = &c->pending;
    if (c->sent.bytes < COMPACT_BYTES && c->sent.refs < COMPACT_REFS)
        return;
    uint32_t done = c->sent.refs;
    for (uint32_t i = 0; i < done; i++) {
        p->ref_bytes -= p->refs[i].blob->len;
        blob_unref(p->refs[i].blob);
    }
    if (done) {
        memmove(p->refs, p->refs + done, (p->ref_count - done) * sizeof(*p->refs));
        p->ref_count -= done;
    }
    for (uint32_t i = 0; i < p->ref_count; i++)
        p->refs[i].at -= c->sent.bytes;
    buf_consume(&p->bytes, c->sent.bytes);
    c->sent.bytes = 0;
    c->sent.refs = 0;
}

void conn_write(struct conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    if (unlikely(c->transport != NULL) && !transport_flush(c)) {
        conn_close(c);
        return;
    }
    size_t len = output_len(&c->pending) ? conn_sendable(c) : 0;
    if (len) {
        ssize_t n = send_some(c, &c->pending, &c->sent, len);
        if (n < 0) {
            conn_close(c);
            return;
        }
        if (n > 0)
            c->active_ms = c->thread->reactor.now_ms;
        advance(&c->pending, &c->sent, (size_t)n);
        conn_gate_passed(c, (size_t)n);
        if (!conn_pending(c))
            finish_pending(c);
        else
            compact(c);
    }
    note_output(c);
    if (c->state == CONN_FLUSHING && !conn_unsent(c))
        conn_close(c);
    else
        conn_update_interest(c);
}

void conn_drain(struct conn *c, int64_t until_ms)
{
    int64_t left_ms = 1;
    if (c->gate)
        conn_gate_look(c->thread);
    while (c->state != CONN_CLOSED && conn_writable(c) && left_ms) {
        struct pollfd pfd = {.fd = c->source.fd, .events = POLLOUT};
        left_ms = MAX(until_ms - clock_monotonic_ms(), (int64_t)0);
        if (poll(&pfd, 1, (int)left_ms) != 1)
            return;
        conn_write(c);
    }
}

/* A head, or a body, that drips in. */
static bool is_too_slow(const struct conn *c, int64_t now_ms)
{
    if (likely(!c->message_ms))
        return false;
    int64_t limit_ms = LIMIT_HTTP_HEAD_MS;
    if (http_parse_is_within(&c->parser) && !http_parse_is_in_head(&c->parser))
        limit_ms += (int64_t)buf_len(&c->in) / LIMIT_HTTP_BYTES_PER_MS;
    return now_ms - c->message_ms > limit_ms;
}

void conn_check_timeouts(struct conn *c, int64_t now_ms)
{
    int timeout_s = net_settings.timeout_s;
    if (c->soft_since_ms)
        check_output_limit(c);
    bool opening = !c->parser.authenticated || (c->transport && !c->transport->ready);
    if (opening && now_ms - c->opened_ms > LIMIT_PREAUTH_MS)
        conn_close(c);
    if (is_too_slow(c, now_ms))
        conn_close(c);
    if (timeout_s > 0 && c->class == CLIENT_NORMAL && !c->held && !c->blocked && !c->away &&
        now_ms - c->active_ms > timeout_s * 1000LL)
        conn_close(c);
}
