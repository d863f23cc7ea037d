#include "proto/request.h"

#include "base/assert.h"
#include "proto/request_internal.h"

#include <stdarg.h>
#include <stdio.h>

void parser_init(struct parser *p, enum codec codec, uint64_t max_bulk)
{
    *p = (struct parser){.codec = codec, .max_bulk = max_bulk, .authenticated = true};
}

void parser_deinit(struct parser *p)
{
    parser_drop_pending(p);
}

struct parse_pending *parser_pending(struct parser *p)
{
    if (!p->pending) {
        p->pending = mem_zalloc(MEM_CLIENT, sizeof(*p->pending));
        buf_init(&p->pending->text, MEM_CLIENT);
        p->pending->bulk_len = -1;
    }
    return p->pending;
}

void parser_drop_pending(struct parser *p)
{
    struct parse_pending *q = p->pending;
    if (!q)
        return;
    mem_free(MEM_CLIENT, q->args, q->cap * sizeof(struct slice));
    buf_deinit(&q->text);
    mem_free(MEM_CLIENT, q, sizeof(*q));
    p->pending = NULL;
}

void pending_push(struct parse_pending *q, struct slice arg)
{
    if (q->argc == q->cap) {
        uint32_t cap = q->cap ? q->cap * 2 : 16;
        q->args = mem_realloc(MEM_CLIENT, q->args, q->cap * sizeof(arg), cap * sizeof(arg));
        q->cap = cap;
    }
    q->args[q->argc++] = arg;
}

enum parse_result parser_fail(struct parser *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = snprintf(p->error, sizeof(p->error), "Protocol error: ");
    vsnprintf(p->error + len, sizeof(p->error) - (size_t)len, format, args);
    va_end(args);
    return PARSE_ERROR;
}

enum parse_result parser_next(struct parser *p, const char *data, size_t len,
                              struct request_arena *arena, struct request *out)
{
    if (likely(p->codec == CODEC_RESP))
        return resp_parse(p, data, len, arena, out);
    return p->codec == CODEC_HTTP ? http_parse(p, data, len, arena, out)
                                  : frame_parse(p, data, len, arena, out);
}

size_t parser_wants(const struct parser *p)
{
    const struct parse_pending *q = p->pending;
    if (p->codec != CODEC_RESP)
        return p->wants;
    return q && q->bulk_len > 0 ? q->at + (size_t)q->bulk_len + 2 : 0;
}

size_t parser_bytes(const struct parser *p)
{
    const struct parse_pending *q = p->pending;
    return q ? sizeof(*q) + q->cap * sizeof(struct slice) + q->text.cap : 0;
}

void parser_reset(struct parser *p)
{
    p->wants = 0;
    parser_drop_pending(p);
}

void parser_trim(struct parser *p)
{
    if (p->pending && !p->pending->at)
        parser_drop_pending(p);
}
