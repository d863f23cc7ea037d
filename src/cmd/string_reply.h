/* string_reply.h: a string value as a reply; a long one goes by reference. */
#pragma once

#include "cmd/exec.h"

INLINE void string_reply(struct reply *r, const struct entry *e)
{
    char scratch[NUM_INT64_MAX_LEN];
    if (unlikely(entry_encoding(e) == ENC_BLOB))
        reply_bulk_blob(r, entry_pointer(e));
    else
        reply_bulk(r, entry_string(e, scratch));
}
