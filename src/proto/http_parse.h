/* http_parse.h: HTTP/1.1 and 1.0 messages as argument vectors (request.h), strictly by RFC 9112.
 *
 * A message is a request of HTTP_FIELDS arguments: its start line, the headers that somebody reads,
 * and its body. What two readers could understand in two ways is an error: both Content-Length and
 * Transfer-Encoding, either of them twice, a bare LF, a folded line, whitespace before the colon,
 * another transfer coding than chunked, chunk extensions, trailers, absolute and authority targets.
 * After PARSE_ERROR `parser.status` is the status to answer with; the stream is unusable.
 *
 * A message with a long body, or one that expects "100 Continue", is given twice: first its head
 * alone, of 0 bytes and HTTP_STAGE "head", so that nobody sends, and nothing buffers, what will be
 * refused; then whole. Linear in the bytes; the head is scanned once and read at most twice.
 * Threading and lifetimes: as request.h; a body in chunks is copied to the parser. */
#pragma once

#include "proto/request.h"

enum http_field {
    HTTP_METHOD,
    HTTP_TARGET,      /* origin form, or "*" */
    HTTP_VERSION,     /* "1.0" or "1.1" */
    HTTP_PERSISTENCE, /* "keep-alive" or "close": of the connection after the response */
    HTTP_STAGE,       /* "head": the body is still to come; or "whole" */
    HTTP_BODY,
    /* headers; absent: ptr NULL */
    HTTP_HOST,
    HTTP_AUTHORIZATION,
    HTTP_ORIGIN,
    HTTP_FETCH_SITE,
    HTTP_IF_MATCH,
    HTTP_IF_NONE_MATCH,
    HTTP_ENCODING, /* Upstash-Encoding */
    HTTP_EXPECT,
    HTTP_TTL,             /* X-TTL */
    HTTP_ACCEPT_ENCODING, /* the first, if it stands more than once */
    HTTP_FIELDS
};

/* True while a message is unfinished. */
INLINE bool http_parse_is_within(const struct parser *p)
{
    return p->pending && p->pending->at;
}

/* True while its head is. */
INLINE bool http_parse_is_in_head(const struct parser *p)
{
    return http_parse_is_within(p) && !p->pending->http.head;
}
