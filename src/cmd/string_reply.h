/* string_reply.h: a string value as a reply; a long one goes by reference.
 *
 * Threading: that of the reply. O(bytes), O(1) by reference. */
#pragma once

#include "cmd/exec.h"

/* For string_reply(): an integer, or a string in a blob. */
void string_reply_other(struct reply *r, const struct entry *e);

/* Answers the string of a value of TYPE_STRING. */
INLINE void string_reply(struct reply *r, const struct entry *e)
{
    if (likely(entry_encoding(e) == ENC_INLINE))
        reply_bulk(r, entry_inline_string(e));
    else
        string_reply_other(r, e);
}
