/* RESP requests: "*N\r\n" then N times "$len\r\n<bytes>\r\n", or one inline line of blank-separated
 * words. redis.io/docs/latest/develop/reference/protocol-spec. Two ways lead to a request:
 * scan_fast() takes one that is complete and small straight into the arena; everything else goes
 * through the resumable scan_pending(), which also produces the errors. */
#include "base/le.h"
#include "base/num.h"
#include "base/text.h"
#include "proto/request_internal.h"

INLINE bool ends_line(const char *p)
{
    return memcmp(p, "\r\n", 2) == 0;
}

/* A length and where its line ends; not a length, when `end` is NULL. */
struct length {
    const char *end;
    size_t value;
};

/* The decimal between `at` and CRLF. None when it is anything else, or more than `max`: the slow
 * path will say what. */
NOINLINE static struct length long_length(const char *at, const char *end, uint64_t max)
{
    const struct length none = {NULL, 0};
    size_t value = 0;
    if (end - at < 3 || (unsigned)(*at - '0') > 9 || (*at == '0' && at[1] != '\r'))
        return none;
    for (int digits = 0; (unsigned)(*at - '0') <= 9; at++) {
        value = value * 10 + (size_t)(*at - '0');
        if (++digits > 8 || end - at < 3)
            return none;
    }
    if (!ends_line(at) || value > max)
        return none;
    return (struct length){at + 2, value};
}

/* The length behind a mark, of which at most `max` ≥ 99 is allowed. One digit or two are most often
 * all there is: then the line is looked at as a word with the digits cut out. */
INLINE struct length fast_length(const char *at, const char *end, char mark, uint64_t max)
{
    const uint64_t one = (uint64_t)mark | (uint64_t)'\r' << 16 | (uint64_t)'\n' << 24;
    const uint64_t two = (uint64_t)mark | (uint64_t)'\r' << 24 | (uint64_t)'\n' << 32;
    if (likely(end - at >= 8)) {
        uint64_t line = le_load64(at);
        unsigned first = (unsigned)(line >> 8 & 0xff) - '0';
        unsigned second = (unsigned)(line >> 16 & 0xff) - '0';
        if ((line & 0xffff00ff) == one && first <= 9)
            return (struct length){at + 4, first};
        if ((line & 0xffff0000ff) == two && first - 1 < 9 && second <= 9)
            return (struct length){at + 5, first * 10 + second};
    }
    if (at == end || *at != mark)
        return (struct length){NULL, 0};
    return long_length(at + 1, end, max);
}

/* The bulk at `at`; NULL: not for the fast way. */
INLINE const char *fast_bulk(const struct parser *p, const char *at, const char *end,
                             struct slice *bulk)
{
    struct length len = fast_length(at, end, '$', p->max_bulk);
    if (!len.end || (size_t)(end - len.end) < len.value + 2 || !ends_line(len.end + len.value))
        return NULL;
    *bulk = slice_make(len.end, len.value);
    return len.end + len.value + 2;
}

INLINE bool has_head(const struct request_head *h, const char *data, size_t len)
{
    return h->len && len >= h->len && le_load64(data) == h->first &&
           le_load64(data + h->len - 8) == h->last;
}

static void note_head(struct request_head *h, const char *data, const char *end,
                      const struct slice *argv, uint32_t argc)
{
    size_t len = (size_t)(end - data);
    *h = (struct request_head){.argc = argc};
    if (len < 8 || len > 16)
        return;
    h->first = le_load64(data);
    h->last = le_load64(end - 8);
    h->len = (uint32_t)len;
    h->name_at = (uint32_t)(argv[0].ptr - data);
    h->name_len = (uint32_t)argv[0].len;
}

/* The number of arguments, and the first of them: *at is behind it. False: not for the fast way. */
INLINE bool scan_head(const struct parser *p, const char **at, const char *end,
                      struct request_head *h, struct slice *name)
{
    struct length count = fast_length(*at, end, '*', LIMIT_BATCH_ARGS);
    const char *behind = count.end && count.value ? fast_bulk(p, count.end, end, name) : NULL;
    if (!behind)
        return false;
    note_head(h, *at, behind, name, (uint32_t)count.value);
    *at = behind;
    return true;
}

/* PARSE_MORE here means "not for the fast way", whatever the reason. */
HOT static enum parse_result scan_fast(const struct parser *p, const char *data, size_t len,
                                       struct request_arena *arena, struct request *out)
{
    const char *at = data, *end = data + len;
    struct request_head *h = &arena->head;
    struct slice *argv = arena->slots + arena->used;
    if (unlikely(!p->authenticated))
        return PARSE_MORE;
    if (unlikely(arena->used == LIMIT_BATCH_ARGS))
        return PARSE_FULL;
    out->again = likely(has_head(h, data, len));
    if (likely(out->again)) {
        argv[0] = slice_make(data + h->name_at, h->name_len);
        at += h->len;
    } else if (!scan_head(p, &at, end, h, argv)) {
        return PARSE_MORE;
    }
    uint32_t argc = h->argc;
    if (unlikely(arena->used + argc > LIMIT_BATCH_ARGS))
        return PARSE_FULL;
    for (uint32_t i = 1; i < argc; i++) {
        at = fast_bulk(p, at, end, &argv[i]);
        if (unlikely(!at))
            return PARSE_MORE;
    }
    arena->used += argc;
    out->argv = argv;
    out->argc = argc;
    out->bytes = (size_t)(at - data);
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
    *out = (struct request){.argv = q->args, .argc = q->argc, .bytes = q->at};
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
    out->again = false;
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
