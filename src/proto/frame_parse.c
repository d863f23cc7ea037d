/* Frame requests, little-endian: "u32 length | u32 n | n × (u32 len | bytes)", length counting what
 * follows it, n at least 1 (every request has its reply). A frame is parsed when it is whole; until
 * then its length alone is looked at. */
#include "proto/request_internal.h"

static uint32_t load_u32(const char *at)
{
    const unsigned char *p = (const unsigned char *)at;
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static enum parse_result check_length(struct parser *p, uint32_t length)
{
    if (length < 4)
        return parser_fail(p, "invalid frame length");
    if (!p->authenticated && length > LIMIT_PREAUTH_REQUEST_BYTES)
        return parser_fail(p, "unauthenticated frame length");
    return PARSE_DONE;
}

static enum parse_result check_count(struct parser *p, uint32_t length, uint32_t n)
{
    if (n == 0)
        return parser_fail(p, "frame without arguments");
    if (n > (length - 4) / 4)
        return parser_fail(p, "frame too short for its arguments");
    if (n > LIMIT_FRAME_ARGS)
        return parser_fail(p, "too many arguments in frame");
    if (n > LIMIT_PREAUTH_ARGS && !p->authenticated)
        return parser_fail(p, "unauthenticated multibulk length");
    return PARSE_DONE;
}

static enum parse_result take_args(struct parser *p, const char *at, const char *end, uint32_t n,
                                   struct slice *argv)
{
    for (uint32_t i = 0; i < n; i++) {
        if (end - at < 4)
            return parser_fail(p, "frame too short for its arguments");
        uint32_t len = load_u32(at);
        at += 4;
        if (len > (size_t)(end - at))
            return parser_fail(p, "invalid argument length in frame");
        if (len > p->max_bulk)
            return parser_fail(p, "invalid bulk length");
        argv[i] = slice_make(at, len);
        at += len;
    }
    return at == end ? PARSE_DONE : parser_fail(p, "bytes left over in frame");
}

static enum parse_result take_many(struct parser *p, const char *at, const char *end, uint32_t n,
                                   struct request *out)
{
    struct parse_pending *q = parser_pending(p);
    for (uint32_t i = 0; i < n; i++)
        pending_push(q, SLICE(""));
    out->argv = q->args;
    return take_args(p, at, end, n, q->args);
}

enum parse_result frame_parse(struct parser *p, const char *data, size_t len,
                              struct request_arena *arena, struct request *out)
{
    parser_drop_pending(p); /* arguments of the request before */
    p->wants = 0;
    if (len < 4)
        return PARSE_MORE;
    uint32_t length = load_u32(data);
    enum parse_result result = check_length(p, length);
    if (result != PARSE_DONE)
        return result;
    if (len - 4 < length) {
        p->wants = 4 + (size_t)length;
        return PARSE_MORE;
    }
    uint32_t n = load_u32(data + 4);
    const char *at = data + 8, *end = data + 4 + length;
    result = check_count(p, length, n);
    if (result != PARSE_DONE)
        return result;
    *out = (struct request){.argc = n, .bytes = 4 + (size_t)length};
    if (n > LIMIT_BATCH_ARGS)
        return take_many(p, at, end, n, out);
    if (arena->used + n > LIMIT_BATCH_ARGS)
        return PARSE_FULL;
    out->argv = arena->slots + arena->used;
    arena->used += n;
    return take_args(p, at, end, n, out->argv);
}
