/* reply.h: the neutral reply writer. Handlers say what they answer; the protocol of the connection
 * decides the bytes.
 *
 * RESP2 and RESP3: redis.io/docs/latest/develop/reference/protocol-spec. Frame (little-endian):
 * "u32 length | value", value = tag u8: 0 nil · 1 error (u32 code, u32 len, bytes) · 2 string (u32
 * len, bytes) · 3 int64 · 4 double (IEEE 754) · 5 array (u32 n, n values); shapes are RESP2's, a
 * push is an array.
 *
 * A reply goes to an output: bytes, and between them references to blobs that are sent without
 * being copied. An aggregate announces its length and is followed by that many values (a map by
 * twice as many). Threading: the thread that runs the command. Nothing fails: out of memory aborts,
 * except for blobs, which are refs. */
#pragma once

#include "base/blob.h"
#include "base/buf.h"
#include "base/num.h"

enum reply_proto {
    REPLY_RESP2,
    REPLY_RESP3,
    REPLY_FRAME
};

/* A blob to be sent after the first `at` bytes of the output's bytes; holds a reference. */
struct output_ref {
    size_t at;
    struct blob *blob;
};

struct output {
    struct buf bytes;
    struct output_ref *refs;
    uint32_t ref_count, ref_cap;
    size_t ref_bytes;
};

/* Empty, without memory; owns its bytes and a reference to each of its blobs. */
void output_init(struct output *o);
void output_deinit(struct output *o);
void output_clear(struct output *o); /* drops content and references, keeps the memory */

/* Remembers the end of the output, so that what follows can be taken back. */
struct output_mark {
    size_t len;
    uint32_t refs;
};

INLINE struct output_mark output_mark(const struct output *o)
{
    return (struct output_mark){buf_len(&o->bytes), o->ref_count};
}

/* Takes back all that was written since the mark. */
void output_rewind(struct output *o, struct output_mark mark);
void output_ref_blob(struct output *o, struct blob *b);
/* Moves all of `from` behind what stands in `o`. */
void output_take(struct output *o, struct output *from);

INLINE size_t output_len(const struct output *o)
{
    return buf_len(&o->bytes) + o->ref_bytes;
}

struct reply {
    struct output *out;
    enum reply_proto proto;
    uint32_t errors;          /* error replies so far */
    char error_code[24];      /* first word of the last one, for INFO errorstats */
    bool error_counted;       /* the last one came from a nested command, which has counted it */
    struct output_mark frame; /* where the open frame starts */
    size_t frame_refs;        /* ref_bytes when it was opened */
    int64_t *left_ms; /* GET puts here what its value has left to live, or -1; NULL: nobody asks */
};

/* Brackets around each complete reply: only the frame protocol needs them. A reply that is longer
 * than a frame's length can say becomes an error. */
void reply_frame_open(struct reply *r);
void reply_frame_close(struct reply *r);

INLINE void reply_begin(struct reply *r)
{
    if (unlikely(r->proto == REPLY_FRAME))
        reply_frame_open(r);
}

INLINE void reply_end(struct reply *r)
{
    if (unlikely(r->proto == REPLY_FRAME))
        reply_frame_close(r);
}

void reply_status(struct reply *r, const char *text); /* "+text" */
void reply_ok(struct reply *r);
/* "-text": starts with the error code, "ERR …". CR, LF and NUL become spaces. */
void reply_error(struct reply *r, const char *text);
void reply_errorf(struct reply *r, const char *format, ...) PRINTF_LIKE(2, 3);
void reply_int(struct reply *r, int64_t value);
void reply_bulk(struct reply *r, struct slice bytes);
void reply_bulk_cstr(struct reply *r, const char *text);
void reply_bulk_int(struct reply *r, int64_t value); /* the decimal text as a string */
/* The string of a blob, by reference when it is long. */
void reply_bulk_blob(struct reply *r, struct blob *b);
/* Bulk of unknown bytes made in place: returns where len bytes go. */
char *reply_bulk_space(struct reply *r, size_t len);
void reply_null(struct reply *r);                 /* RESP2 "$-1", RESP3 "_" */
void reply_null_array(struct reply *r);           /* RESP2 "*-1", RESP3 "_" */
void reply_double(struct reply *r, double value); /* RESP2: bulk with the shortest text */
/* The long text: a double in RESP3, otherwise a bulk string. */
void reply_human_double(struct reply *r, long double value);
void reply_bool(struct reply *r, bool value);
void reply_verbatim(struct reply *r, const char *format3, struct slice text);
void reply_big_number(struct reply *r, struct slice digits);
void reply_array(struct reply *r, size_t count);
void reply_map(struct reply *r, size_t pairs);  /* RESP2: array of 2 × pairs */
void reply_set(struct reply *r, size_t count);  /* RESP2: array */
void reply_push(struct reply *r, size_t count); /* RESP2: array */
/* RESP3 only: a map that belongs to the value after it. */
void reply_attribute(struct reply *r, size_t pairs);
/* An array of integers straight from memory. */
void reply_int_array(struct reply *r, const int64_t *values, size_t count);

enum reply_aggregate {
    REPLY_ARRAY,
    REPLY_MAP,
    REPLY_SET,
    REPLY_PUSH,
    REPLY_ATTRIBUTE
};

/* For lengths known only afterwards: open, write the values, close with the count. May nest. */
struct output_mark reply_defer(struct reply *r);
void reply_defer_end(struct reply *r, struct output_mark mark, enum reply_aggregate kind,
                     size_t count);
