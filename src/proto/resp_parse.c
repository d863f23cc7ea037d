/* RESP requests: "*N\r\n" then N times "$len\r\n<bytes>\r\n", or one inline line of blank-separated
 * words. redis.io/docs/latest/develop/reference/protocol-spec. Two ways lead to a request:
 * scan_fast() takes one that is complete and small straight into the arena; everything else goes
 * through the resumable scan_pending(), which also produces the errors. */
#include "base/num.h"
#include "base/text.h"
#include "proto/request_internal.h"

INLINE bool ends_line(const char *p)
{
    return memcmp(p, "\r\n", 2) == 0;
}

/* A short decimal followed by CRLF; -1 when it is anything else (the slow path will say what). One
 * digit or two are most often all there is. */
INLINE int64_t fast_length(const char **at, const char *end)
{
    const char *p = *at;
    int64_t value = 0;
    if (likely(end - p >= 4)) {
        unsigned first = (unsigned)(p[0] - '0'), second = (unsigned)(p[1] - '0');
        if (first <= 9 && ends_line(p + 1)) {
            *at = p + 3;
            return first;
        }
        if (first - 1 < 9 && second <= 9 && ends_line(p + 2)) {
            *at = p + 4;
            return first * 10 + second;
        }
    }
    if (end - p < 3 || (unsigned)(*p - '0') > 9 || (*p == '0' && p[1] != '\r'))
        return -1;
    for (int digits = 0; (unsigned)(*p - '0') <= 9; p++) {
        value = value * 10 + (*p - '0');
        if (++digits > 8 || end - p < 3)
            return -1;
    }
    if (p[0] != '\r' || p[1] != '\n')
        return -1;
    *at = p + 2;
    return value;
}

/* PARSE_MORE here means "not for the fast way", whatever the reason. */
HOT static enum parse_result scan_fast(const struct parser *p, const char *data, size_t len,
                                       struct request_arena *arena, struct request *out)
{
    const char *at = data + 1, *end = data + len;
    int64_t count = fast_length(&at, end);
    if (count <= 0 || count > LIMIT_BATCH_ARGS || !p->authenticated)
        return PARSE_MORE;
    if (arena->used + (uint32_t)count > LIMIT_BATCH_ARGS)
        return PARSE_FULL;
    struct slice *argv = arena->slots + arena->used;
    for (int64_t i = 0; i < count; i++) {
        if (end - at < 4 || *at != '$')
            return PARSE_MORE;
        at++;
        int64_t bulk = fast_length(&at, end);
        if (bulk < 0 || bulk > end - at - 2 || (uint64_t)bulk > p->max_bulk)
            return PARSE_MORE;
        argv[i] = slice_make(at, (size_t)bulk);
        at += bulk;
        if (!ends_line(at))
            return PARSE_MORE;
        at += 2;
    }
    arena->used += (uint32_t)count;
    *out = (struct request){argv, (uint32_t)count, (size_t)(at - data)};
    return PARSE_DONE;
}

/* Finds the line that starts at q->at: DONE with its text (without CRLF), q->at behind it. Its CR
 * is looked for within the limit alone, so that too long a line is refused whether it comes at once
 * or in pieces. */
static enum parse_result take_line(struct parser *p, struct parse_pending *q, const char *data,
                                   size_t len, const char *what, struct slice *line)
{
    const char *start = data + q->at;
    size_t have = len - q->at;
    const char *cr = memchr(start, '\r', MIN(have, (size_t)LIMIT_INLINE_BYTES));
    if (!cr && have >= LIMIT_INLINE_BYTES)
        return parser_fail(p, "too big %s count string", what);
    if (!cr || cr + 1 == data + len)
        return PARSE_MORE;
    if (cr[1] != '\n')
        return parser_fail(p, "expected CRLF");
    *line = slice_make(start, (size_t)(cr - start));
    q->at += line->len + 2;
    return PARSE_DONE;
}

static enum parse_result take_count(struct parser *p, struct parse_pending *q, const char *data,
                                    size_t len)
{
    struct slice line;
    int64_t count;
    enum parse_result result = take_line(p, q, data, len, "mbulk", &line);
    if (result != PARSE_DONE)
        return result;
    line = slice_make(line.ptr + 1, line.len - 1);
    if (!num_parse_int64(line, &count) || count > LIMIT_REQUEST_ARGS)
        return parser_fail(p, "invalid multibulk length");
    if (count > LIMIT_PREAUTH_ARGS && !p->authenticated)
        return parser_fail(p, "unauthenticated multibulk length");
    q->args_left = count > 0 ? count : 0;
    return PARSE_DONE;
}

static enum parse_result take_bulk_length(struct parser *p, struct parse_pending *q,
                                          const char *data, size_t len)
{
    struct slice line;
    enum parse_result result;
    if (len > q->at && data[q->at] != '$')
        return parser_fail(p, "expected '$', got '%c'", data[q->at]);
    result = take_line(p, q, data, len, "bulk", &line);
    if (result != PARSE_DONE)
        return result;
    int64_t bulk;
    line = slice_make(line.ptr + 1, line.len - 1);
    if (!num_parse_int64(line, &bulk) || bulk < 0 || (uint64_t)bulk > p->max_bulk)
        return parser_fail(p, "invalid bulk length");
    if (!p->authenticated && bulk > LIMIT_PREAUTH_BULK_BYTES)
        return parser_fail(p, "unauthenticated bulk length");
    q->bulk_len = bulk;
    return PARSE_DONE;
}

static enum parse_result take_bulk(struct parser *p, struct parse_pending *q, const char *data,
                                   size_t len)
{
    size_t bulk = (size_t)q->bulk_len;
    if (len - q->at < bulk + 2)
        return PARSE_MORE;
    if (data[q->at + bulk] != '\r' || data[q->at + bulk + 1] != '\n')
        return parser_fail(p, "expected CRLF");
    pending_push(q, slice_make((const char *)(uintptr_t)q->at, bulk));
    q->at += bulk + 2;
    q->bulk_len = -1;
    q->args_left--;
    return PARSE_DONE;
}

static enum parse_result finish(struct parse_pending *q, const char *data, struct request *out)
{
    for (uint32_t i = 0; i < q->argc; i++)
        q->args[i].ptr = data + (uintptr_t)q->args[i].ptr;
    *out = (struct request){q->args, q->argc, q->at};
    q->at = 0; /* marks it as handed out */
    return PARSE_DONE;
}

static enum parse_result scan_pending(struct parser *p, const char *data, size_t len,
                                      struct request *out)
{
    struct parse_pending *q = parser_pending(p);
    enum parse_result result = q->at ? PARSE_DONE : take_count(p, q, data, len);
    while (result == PARSE_DONE && q->args_left > 0) {
        if (!p->authenticated && q->at > LIMIT_PREAUTH_REQUEST_BYTES)
            return parser_fail(p, "unauthenticated request too large");
        result = q->bulk_len < 0 ? take_bulk_length(p, q, data, len) : take_bulk(p, q, data, len);
    }
    return result == PARSE_DONE ? finish(q, data, out) : result;
}

/* The words of a line are the request. */
static enum parse_result take_words(struct parser *p, struct slice line, struct request *out)
{
    struct parse_pending *q = parser_pending(p);
    size_t max = line.len / 2 + 1;
    struct slice *words = mem_alloc(MEM_CLIENT, max * sizeof(*words));
    int count = text_split_args(line, &q->text, words, (int)max);
    for (int i = 0; i < count; i++)
        pending_push(q, words[i]);
    mem_free(MEM_CLIENT, words, max * sizeof(*words));
    if (count < 0)
        return parser_fail(p, "unbalanced quotes in request");
    if (count > LIMIT_PREAUTH_ARGS && !p->authenticated)
        return parser_fail(p, "unauthenticated multibulk length");
    out->argv = q->args;
    out->argc = q->argc;
    return PARSE_DONE;
}

static enum parse_result scan_inline(struct parser *p, const char *data, size_t len,
                                     struct request *out)
{
    size_t limit = p->authenticated ? LIMIT_INLINE_BYTES : LIMIT_PREAUTH_REQUEST_BYTES;
    const char *newline = memchr(data, '\n', MIN(len, limit));
    if (!newline)
        return len >= limit ? parser_fail(p, "too big inline request") : PARSE_MORE;
    size_t line = (size_t)(newline - data), text = line;
    if (text && data[text - 1] == '\r')
        text--;
    out->bytes = line + 1;
    return take_words(p, slice_make(data, text), out);
}

enum parse_result resp_parse(struct parser *p, const char *data, size_t len,
                             struct request_arena *arena, struct request *out)
{
    if (unlikely(p->pending && !p->pending->at))
        parser_drop_pending(p); /* of the request before, executed by now */
    if (len == 0)
        return PARSE_MORE;
    if (likely(!p->pending)) {
        if (unlikely(data[0] != '*'))
            return scan_inline(p, data, len, out);
        enum parse_result result = scan_fast(p, data, len, arena, out);
        if (likely(result != PARSE_MORE))
            return result;
    }
    return scan_pending(p, data, len, out);
}
