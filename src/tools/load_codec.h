/* load_codec.h: what goes over the wire: one row per protocol.
 *
 * Requests are encoded once, before the run (load_template.h); replies are only measured: where one
 * ends and what it is. Pure functions, any thread. RESP: redis.io/docs/latest/develop/reference/
 * protocol-spec; frame: docs/frame-protocol.md; HTTP: RFC 9112, with the paths of Tokamak's port.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum {
    LOAD_ARGS_MAX = 64,
};

/* What one reply is, as far as it has arrived. */
enum load_reply_kind {
    LOAD_INCOMPLETE,
    LOAD_VALUE,
    LOAD_NIL,
    LOAD_ERROR,
    LOAD_BROKEN
};

struct load_codec {
    const char *name;
    bool resp3;     /* a connection begins with HELLO 3 */
    bool stateless; /* no connection is logged in: requests bring the password along */
    /* Appends a request; at[i] is set to where argument i's bytes begin in `out`, or to SIZE_MAX if
     * they are not there as they are. ERR_LIMIT: the protocol cannot say it. `token` is the
     * password of stateless protocols, or NULL. argc <= LOAD_ARGS_MAX. */
    enum err (*encode)(struct buf *out, const struct slice *argv, uint32_t argc, const char *token,
                       size_t *at);
    /* Looks at the reply at the front of `data`. *size is its length (unless incomplete or broken);
     * *text is what a string, an error or a body says. */
    enum load_reply_kind (*reply)(struct slice data, size_t *size, struct slice *text);
};

extern const struct load_codec load_codecs[];
extern const size_t load_codec_count;

/* By name, any case; "resp" is RESP2. NULL: no such protocol. */
const struct load_codec *load_codec_find(const char *name);

/* load_codec_http.c */
enum err load_http_encode(struct buf *out, const struct slice *argv, uint32_t argc,
                          const char *token, size_t *at) MUST_USE;
enum load_reply_kind load_http_reply(struct slice data, size_t *size, struct slice *text);
