/* stream_id.h: the 128-bit IDs of stream entries: milliseconds, then a sequence number within them.
 * As text "ms-seq". Pure functions, any thread, O(1). */
#pragma once

#include "base/slice.h"

struct stream_id {
    uint64_t ms, seq;
};

enum {
    STREAM_ID_MAX_LEN = 41
};

#define STREAM_ID_MIN ((struct stream_id){0, 0})
#define STREAM_ID_MAX ((struct stream_id){UINT64_MAX, UINT64_MAX})

/* < 0, 0, > 0 */
INLINE int stream_id_compare(struct stream_id a, struct stream_id b)
{
    if (a.ms != b.ms)
        return a.ms < b.ms ? -1 : 1;
    return (a.seq > b.seq) - (a.seq < b.seq);
}

INLINE bool stream_id_equal(struct stream_id a, struct stream_id b)
{
    return ((a.ms ^ b.ms) | (a.seq ^ b.seq)) == 0;
}

INLINE bool stream_id_is_zero(struct stream_id id)
{
    return (id.ms | id.seq) == 0;
}

/* The neighbours. False at the end of the range; *id is untouched then. */
INLINE bool stream_id_increment(struct stream_id *id)
{
    if (id->seq == UINT64_MAX && id->ms == UINT64_MAX)
        return false;
    id->ms += ++id->seq == 0;
    return true;
}

INLINE bool stream_id_decrement(struct stream_id *id)
{
    if (stream_id_is_zero(*id))
        return false;
    id->ms -= id->seq-- == 0;
    return true;
}

/* "ms-seq" without a NUL; `out` holds STREAM_ID_MAX_LEN. Returns the length. */
size_t stream_id_format(char *out, struct stream_id id);

INLINE struct slice stream_id_text(char out[STREAM_ID_MAX_LEN], struct stream_id id)
{
    return slice_make(out, stream_id_format(out, id));
}

/* "ms-seq", or "ms" alone: then the sequence is `missing_seq`. With `any_seq`, "ms-*" is valid
 * too: the sequence is 0 and *any_seq true; it is false for every other form. */
bool stream_id_parse(struct slice text, uint64_t missing_seq, struct stream_id *out,
                     bool *any_seq) MUST_USE;
