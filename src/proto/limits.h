/* limits.h: every bound of the input and output paths, by name. */
#pragma once

#include "base/base.h"

enum {
    LIMIT_INLINE_BYTES = 64 * 1024,       /* an inline command, a length line */
    LIMIT_REQUEST_ARGS = INT32_MAX,       /* *N; memory grows only as arguments arrive */
    LIMIT_FRAME_ARGS = 1 << 20,           /* of one frame, which is parsed in one go */
    LIMIT_PREAUTH_ARGS = 16,              /* before authentication … */
    LIMIT_PREAUTH_BULK_BYTES = 16 * 1024, /* … one argument */
    LIMIT_PREAUTH_REQUEST_BYTES = 16 * 1024,
    LIMIT_PREAUTH_OUTPUT_BYTES = 4 * 1024,
    LIMIT_PREAUTH_MS = 10 * 1000,
    LIMIT_HTTP_HEAD_BYTES = 16 * 1024, /* request line and headers … */
    LIMIT_HTTP_HEADERS = 100,
    LIMIT_HTTP_HEAD_MS = 10 * 1000,      /* … all of them, from their first byte on */
    LIMIT_HTTP_BYTES_PER_MS = 1,         /* slower bodies are given up */
    LIMIT_HTTP_UNTOLD_BYTES = 16 * 1024, /* a longer body is read only when its head was accepted */
    LIMIT_HTTP_COMMANDS = 1 << 20,       /* of one pipeline */
    LIMIT_BATCH_REQUESTS = 32,           /* parsed and executed together */
    LIMIT_BATCH_ARGS = 2048,             /* of all requests of one batch */
    LIMIT_RECV_BYTES = 64 * 1024,        /* one recv into the reactor's buffer */
    LIMIT_TURN_OUTPUT_BYTES = 256 * 1024, /* of replies made before they are sent */
    LIMIT_REPLY_REF_BYTES = 32 * 1024,    /* strings from here on are sent by reference */
    LIMIT_WIRE_BYTES = 128 * 1024,        /* of plaintext encrypted before the socket takes more */
    LIMIT_HANDSHAKES = 16,                /* steps of a thread's TLS handshakes under way */
    LIMIT_ACCEPT_BATCH = 256,             /* connections accepted in one turn */
};
