#include "proto/http_parse.h"

#include "proto/request_internal.h"

#include <stdio.h>

enum {
    METHOD_MAX = 16,
    LENGTH_DIGITS_MAX = 18,
    CHUNK_DIGITS_MAX = 8,
    CHUNK_LINE_MAX = CHUNK_DIGITS_MAX + 2
};

/* What the head says about the rest of the message. */
struct framing {
    bool has_length, chunked, close, keep_alive;
    uint64_t length;
};

static const struct {
    const char *name;
    enum http_field field;
} known_headers[] = {
    {"host", HTTP_HOST},
    {"authorization", HTTP_AUTHORIZATION},
    {"origin", HTTP_ORIGIN},
    {"sec-fetch-site", HTTP_FETCH_SITE},
    {"if-match", HTTP_IF_MATCH},
    {"if-none-match", HTTP_IF_NONE_MATCH},
    {"upstash-encoding", HTTP_ENCODING},
    {"expect", HTTP_EXPECT},
    {"x-ttl", HTTP_TTL},
    {"accept-encoding", HTTP_ACCEPT_ENCODING},
};

static enum parse_result fail_with(struct parser *p, int status, const char *text)
{
    p->status = status;
    snprintf(p->error, sizeof(p->error), "%s", text);
    return PARSE_ERROR;
}

/* RFC 9110, 5.6.2. */
static bool is_token_char(unsigned char c)
{
    if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
        return true;
    return c && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_token_char((unsigned char)s.ptr[i]))
            return false;
    return s.len > 0;
}

static bool is_field_text(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool is_target_text(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= 0x20 || c >= 0x7f || c == '#')
            return false;
    }
    return true;
}

static struct slice trim(struct slice s)
{
    while (s.len && (*s.ptr == ' ' || *s.ptr == '\t')) {
        s.ptr++;
        s.len--;
    }
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Takes what stands before `stop` off the front of *rest, and `stop` with it. */
static bool take_until(struct slice *rest, char stop, struct slice *out)
{
    const char *at = rest->len ? memchr(rest->ptr, stop, rest->len) : NULL;
    if (!at)
        return false;
    *out = slice_make(rest->ptr, (size_t)(at - rest->ptr));
    rest->ptr = at + 1;
    rest->len -= out->len + 1;
    return true;
}

static bool looks_like_version(struct slice s)
{
    return s.len == 8 && memcmp(s.ptr, "HTTP/", 5) == 0 && s.ptr[5] >= '0' && s.ptr[5] <= '9' &&
           s.ptr[6] == '.' && s.ptr[7] >= '0' && s.ptr[7] <= '9';
}

static enum parse_result read_start_line(struct parser *p, struct slice line, struct slice *argv)
{
    if (!take_until(&line, ' ', &argv[HTTP_METHOD]) || !take_until(&line, ' ', &argv[HTTP_TARGET]))
        return fail_with(p, 400, "malformed request line");
    if (!is_token(argv[HTTP_METHOD]) || argv[HTTP_METHOD].len > METHOD_MAX)
        return fail_with(p, 400, "malformed method");
    if (!looks_like_version(line))
        return fail_with(p, 400, "malformed version");
    if (line.ptr[5] != '1' || line.ptr[7] > '1')
        return fail_with(p, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    struct slice target = argv[HTTP_TARGET];
    bool star = slice_equal(target, SLICE("*")) && slice_equal(argv[HTTP_METHOD], SLICE("OPTIONS"));
    if (!is_target_text(target) || !(star || (target.len && *target.ptr == '/')))
        return fail_with(p, 400, "malformed target");
    argv[HTTP_VERSION] = line.ptr[7] == '1' ? SLICE("1.1") : SLICE("1.0");
    return PARSE_DONE;
}

static enum parse_result read_length(struct parser *p, struct slice value, struct framing *f)
{
    if (f->has_length)
        return fail_with(p, 400, "Content-Length twice");
    if (!value.len || value.len > LENGTH_DIGITS_MAX)
        return fail_with(p, 400, "malformed Content-Length");
    f->has_length = true;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return fail_with(p, 400, "malformed Content-Length");
        f->length = f->length * 10 + (uint64_t)(value.ptr[i] - '0');
    }
    return PARSE_DONE;
}

static enum parse_result read_coding(struct parser *p, struct slice value, struct framing *f)
{
    if (f->chunked)
        return fail_with(p, 400, "Transfer-Encoding twice");
    if (!slice_is(value, "chunked"))
        return fail_with(p, 501, "unknown transfer coding");
    f->chunked = true;
    return PARSE_DONE;
}

static void read_connection(struct slice value, struct framing *f)
{
    struct slice option;
    bool more = true;
    while (more) {
        more = take_until(&value, ',', &option);
        if (!more)
            option = value;
        option = trim(option);
        f->close |= slice_is(option, "close");
        f->keep_alive |= slice_is(option, "keep-alive");
    }
}

static enum parse_result read_header(struct parser *p, struct slice line, struct slice *argv,
                                     struct framing *f)
{
    struct slice name;
    if (*line.ptr == ' ' || *line.ptr == '\t')
        return fail_with(p, 400, "folded header line");
    if (!take_until(&line, ':', &name) || !is_token(name) || !is_field_text(line))
        return fail_with(p, 400, "malformed header");
    struct slice value = trim(line);
    if (slice_is(name, "content-length"))
        return read_length(p, value, f);
    if (slice_is(name, "transfer-encoding"))
        return read_coding(p, value, f);
    if (slice_is(name, "connection")) {
        read_connection(value, f);
        return PARSE_DONE;
    }
    for (size_t i = 0; i < ARRAY_LEN(known_headers); i++) {
        if (!slice_is(name, known_headers[i].name))
            continue;
        struct slice *field = &argv[known_headers[i].field];
        if (!field->ptr)
            *field = value;
        else if (known_headers[i].field != HTTP_ACCEPT_ENCODING) /* a list may go on */
            return fail_with(p, 400, "a header that may stand once stands twice");
    }
    return PARSE_DONE;
}

static enum parse_result check_framing(struct parser *p, struct slice *argv,
                                       const struct framing *f)
{
    bool old = argv[HTTP_VERSION].ptr[2] == '0';
    if (f->chunked && f->has_length)
        return fail_with(p, 400, "both Content-Length and Transfer-Encoding");
    if (f->chunked && old)
        return fail_with(p, 400, "Transfer-Encoding in HTTP/1.0");
    if (!argv[HTTP_HOST].ptr && !old)
        return fail_with(p, 400, "no Host");
    if (argv[HTTP_EXPECT].ptr && !slice_is(argv[HTTP_EXPECT], "100-continue"))
        return fail_with(p, 417, "unknown expectation");
    if (f->length > p->max_bulk)
        return fail_with(p, 413, "body longer than proto-max-bulk-len");
    bool keep = old ? f->keep_alive && !f->close : !f->close;
    argv[HTTP_PERSISTENCE] = keep ? SLICE("keep-alive") : SLICE("close");
    return PARSE_DONE;
}

/* `head` ends with its empty line. */
static enum parse_result read_head(struct parser *p, struct slice head, struct slice *argv,
                                   struct framing *f)
{
    struct slice line = {0};
    uint32_t headers = 0;
    *f = (struct framing){0};
    for (int i = 0; i < HTTP_FIELDS; i++)
        argv[i] = (struct slice){0};
    take_until(&head, '\n', &line);
    line.len--; /* each line ends with CR LF: scan_head() */
    enum parse_result result = read_start_line(p, line, argv);
    while (result == PARSE_DONE && take_until(&head, '\n', &line) && --line.len > 0) {
        if (++headers > LIMIT_HTTP_HEADERS)
            return fail_with(p, 431, "too many headers");
        result = read_header(p, line, argv, f);
    }
    return result == PARSE_DONE ? check_framing(p, argv, f) : result;
}

/* Looks for the end of the head from q->at on, a line at a time. */
static enum parse_result scan_head(struct parser *p, const char *data, size_t len, size_t *at,
                                   size_t *head)
{
    size_t view = MIN(len, (size_t)LIMIT_HTTP_HEAD_BYTES);
    const char *lf;
    while (*at < view && (lf = memchr(data + *at, '\n', view - *at)) != NULL) {
        size_t end = (size_t)(lf - data);
        if (end == 0 || data[end - 1] != '\r')
            return fail_with(p, 400, "bare LF");
        if (end == 1)
            return fail_with(p, 400, "empty line before the request line");
        *at = end + 1;
        if (data[end - 2] == '\n') {
            *head = *at;
            return PARSE_DONE;
        }
    }
    if (len >= LIMIT_HTTP_HEAD_BYTES)
        return fail_with(p, 431, "head longer than 16 KB");
    *at = view;
    return PARSE_MORE;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "<hex>\r\n" at data[q->at]. */
static enum parse_result read_chunk_size(struct parser *p, struct parse_pending *q,
                                         const char *data, size_t len)
{
    size_t have = MIN(len - q->at, (size_t)CHUNK_LINE_MAX);
    const char *line = data + q->at, *lf = have ? memchr(line, '\n', have) : NULL;
    uint64_t size = 0;
    if (!lf)
        return have < CHUNK_LINE_MAX ? PARSE_MORE : fail_with(p, 400, "malformed chunk size");
    size_t digits = (size_t)(lf - line);
    if (digits < 2 || line[--digits] != '\r')
        return fail_with(p, 400, "malformed chunk size");
    for (size_t i = 0; i < digits; i++) {
        if (hex_digit(line[i]) < 0)
            return fail_with(p, 400, "malformed chunk size");
        size = size * 16 + (uint64_t)hex_digit(line[i]);
    }
    if (size + buf_len(&q->text) > p->max_bulk)
        return fail_with(p, 413, "body longer than proto-max-bulk-len");
    q->at += digits + 2;
    q->http.chunk_left = size;
    q->http.in_chunk = true;
    return PARSE_DONE;
}

/* The line end behind a chunk, or behind the last one, where trailers could stand. */
static enum parse_result read_chunk_end(struct parser *p, struct parse_pending *q, const char *data,
                                        size_t len)
{
    if (q->at < len && data[q->at] != '\r')
        return fail_with(p, 400, "malformed end of a chunk, or trailers");
    if (len - q->at < 2)
        return PARSE_MORE;
    if (data[q->at + 1] != '\n')
        return fail_with(p, 400, "malformed end of a chunk");
    q->at += 2;
    q->http.in_chunk = false;
    return PARSE_DONE;
}

/* Appends what has come of the body to q->text. */
static enum parse_result read_chunks(struct parser *p, struct parse_pending *q, const char *data,
                                     size_t len)
{
    for (;;) {
        bool last = q->http.in_chunk && q->http.chunk_left == 0 && q->bulk_len == 0;
        enum parse_result result = PARSE_DONE;
        if (!q->http.in_chunk) {
            result = read_chunk_size(p, q, data, len);
            if (result == PARSE_DONE)
                q->bulk_len = (int64_t)q->http.chunk_left;
        } else if (q->http.chunk_left) {
            size_t part = (size_t)MIN(q->http.chunk_left, (uint64_t)(len - q->at));
            buf_append(&q->text, data + q->at, part);
            q->at += part;
            q->http.chunk_left -= part;
            result = part ? PARSE_DONE : PARSE_MORE;
        } else {
            result = read_chunk_end(p, q, data, len);
            if (result == PARSE_DONE && last)
                return PARSE_DONE;
        }
        if (result != PARSE_DONE)
            return result;
    }
}

/* The head is there, the body is not: whether the head is shown first. */
static enum parse_result show_head(struct parse_pending *q, const struct framing *f,
                                   struct request_arena *arena, struct request *out)
{
    bool asks = out->argv[HTTP_EXPECT].ptr != NULL;
    if (q->http.told || !(asks || f->chunked || f->length > LIMIT_HTTP_UNTOLD_BYTES))
        return PARSE_MORE;
    q->http.told = true;
    out->argv[HTTP_STAGE] = SLICE("head");
    out->argc = HTTP_FIELDS;
    out->bytes = 0;
    arena->used += HTTP_FIELDS;
    return PARSE_DONE;
}

static enum parse_result finish(struct request_arena *arena, struct request *out, size_t bytes,
                                struct slice body)
{
    out->argv[HTTP_STAGE] = SLICE("whole");
    out->argv[HTTP_BODY] = body;
    out->argc = HTTP_FIELDS;
    out->bytes = bytes;
    arena->used += HTTP_FIELDS;
    return PARSE_DONE;
}

static enum parse_result take_chunked(struct parser *p, struct slice data, size_t head,
                                      const struct framing *f, struct request_arena *arena,
                                      struct request *out)
{
    struct parse_pending *q = parser_pending(p);
    if (!q->http.head)
        q->http.head = q->at = head;
    enum parse_result result = read_chunks(p, q, data.ptr, data.len);
    if (result == PARSE_MORE)
        return show_head(q, f, arena, out);
    if (result != PARSE_DONE)
        return result;
    size_t bytes = q->at;
    q->http.whole = true;
    q->at = 0; /* parser_trim() may have it */
    return finish(arena, out, bytes, buf_slice(&q->text));
}

static enum parse_result take_counted(struct parser *p, struct slice data, size_t head,
                                      const struct framing *f, struct request_arena *arena,
                                      struct request *out)
{
    if (likely(data.len - head >= f->length)) {
        parser_drop_pending(p);
        return finish(arena, out, head + (size_t)f->length,
                      slice_make(data.ptr + head, (size_t)f->length));
    }
    struct parse_pending *q = parser_pending(p);
    q->http.head = q->at = head;
    p->wants = head + (size_t)f->length;
    return show_head(q, f, arena, out);
}

enum parse_result http_parse(struct parser *p, const char *data, size_t len,
                             struct request_arena *arena, struct request *out)
{
    struct framing f;
    if (p->pending && p->pending->http.whole)
        parser_drop_pending(p); /* the message before */
    if (p->wants && len < p->wants)
        return PARSE_MORE;
    p->wants = 0;
    size_t at = p->pending ? p->pending->at : 0, head = p->pending ? p->pending->http.head : 0;
    enum parse_result result = head ? PARSE_DONE : scan_head(p, data, len, &at, &head);
    if (result == PARSE_MORE && len)
        parser_pending(p)->at = at;
    if (result != PARSE_DONE)
        return result;
    if (arena->used + HTTP_FIELDS > LIMIT_BATCH_ARGS)
        return PARSE_FULL;
    out->argv = arena->slots + arena->used;
    out->again = false;
    result = read_head(p, slice_make(data, head), out->argv, &f);
    if (result != PARSE_DONE)
        return result;
    struct slice all = slice_make(data, len);
    return f.chunked ? take_chunked(p, all, head, &f, arena, out)
                     : take_counted(p, all, head, &f, arena, out);
}
