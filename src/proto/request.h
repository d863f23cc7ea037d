/* request.h: what every codec turns bytes into: an argument vector.
 *
 * A parser is a pure function of (state, bytes): it never reads beyond `len`, never blocks, and
 * gives the same requests whatever the chunking. Arguments point into the input (or into
 * parser-owned memory for inline commands), valid until the input moves or the parser is called
 * again. Scanned bytes are not scanned again: the state of an unfinished request survives in
 * parser->pending, allocated only then. */
#pragma once

#include "base/buf.h"
#include "proto/limits.h"

struct request {
    struct slice *argv;
    uint32_t argc;
    bool again;   /* it has the name and as many arguments as the one parsed before it */
    size_t bytes; /* length on the wire */
};

/* How a request begins: up to its first argument after the name. A pipeline repeats that, so most
 * often it is only compared. */
struct request_head {
    uint64_t first, last; /* its first and its last eight bytes: all of them */
    uint32_t len;         /* 8 to 16; 0: that of the last request is of another length */
    uint32_t argc;
    uint32_t name_at, name_len;
};

/* Room for the argument vectors of one batch; one per reactor. */
struct request_arena {
    struct request_head head; /* of the request that was parsed last */
    uint32_t used;
    struct slice slots[LIMIT_BATCH_ARGS];
};

enum codec {
    CODEC_RESP,
    CODEC_FRAME,
    CODEC_HTTP /* http_parse.h */
};

enum parse_result {
    PARSE_DONE,  /* *out is a request of out->bytes bytes; argc may be 0 (nothing to execute) */
    PARSE_MORE,  /* the bytes end inside a request */
    PARSE_FULL,  /* the arena has no room: execute what was parsed, clear it, call again */
    PARSE_ERROR, /* the stream is unusable: answer parser->error and close */
};

/* Of an unfinished HTTP message. */
struct http_progress {
    size_t head;         /* bytes of its head, 0: not yet known */
    uint64_t chunk_left; /* of the chunk being read, and its line end */
    bool in_chunk, told, whole;
};

/* An unfinished request. Offsets, since the input may move before more of it arrives. */
struct parse_pending {
    size_t at;          /* bytes of the request already scanned */
    int64_t args_left;  /* announced and not yet complete */
    int64_t bulk_len;   /* of the argument being read, -1 before its length line */
    struct slice *args; /* ptr holds offsets while unfinished */
    uint32_t argc, cap;
    struct buf text; /* unescaped inline arguments; the body of an HTTP message in chunks */
    struct http_progress http;
};

struct parser {
    enum codec codec;
    bool authenticated; /* else the LIMIT_PREAUTH_* hold */
    uint64_t max_bulk;  /* proto-max-bulk-len */
    struct parse_pending *pending;
    size_t wants;   /* bytes of an unfinished frame, 0: not known yet */
    int status;     /* after PARSE_ERROR of HTTP: what to answer */
    char error[64]; /* after PARSE_ERROR: "Protocol error: …" */
};

/* For one connection. `max_bulk`: bytes of the longest argument. */
void parser_init(struct parser *p, enum codec codec, uint64_t max_bulk);
void parser_deinit(struct parser *p);
/* Parses the request at data[0]. `data` must start where the last complete request ended. */
enum parse_result parser_next(struct parser *p, const char *data, size_t len,
                              struct request_arena *arena, struct request *out);
/* Forgets an unfinished request: its bytes will be given again from the start. */
void parser_reset(struct parser *p);

/* Whether the arguments of the request just handed out are in the parser's memory, until it is
 * called again. Not for HTTP, of which they may be. */
INLINE bool parser_keeps_arguments(const struct parser *p)
{
    return p->pending != NULL;
}

/* Frees the memory of the request last handed out, if it is done. */
void parser_trim(struct parser *p);
/* How many bytes in all the unfinished request is known to need, 0 when unknown: a hint for the
 * buffer's growth. */
size_t parser_wants(const struct parser *p);
/* Memory held for an unfinished request. */
size_t parser_bytes(const struct parser *p);
