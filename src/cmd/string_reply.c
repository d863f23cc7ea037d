#include "cmd/string_reply.h"

void string_reply_other(struct reply *r, const struct entry *e)
{
    if (entry_encoding(e) == ENC_INT)
        reply_bulk_int(r, entry_int(e));
    else
        reply_bulk_blob(r, entry_pointer(e));
}
