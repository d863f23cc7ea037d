/* value.h: what the keyspace must know of each value type: how to free it, how large it is. One row per type
 * in value.c; the rows' functions live in the type's own file (list.c, hash.c …). */
#pragma once

#include "store/entry.h"

struct value_ops {
    /* Frees what the pointer leads to (not called for inline and int strings). */
    void (*destroy)(enum encoding encoding, void *root);
    /* Elements that destroy() walks, 1 when it is a single free. */
    size_t (*effort)(enum encoding encoding, const void *root);
    /* Bytes behind the pointer; large collections are estimated from `samples` members (0: all). */
    size_t (*bytes)(enum encoding encoding, const void *root, size_t samples);
};

extern const struct value_ops *const value_ops[TYPE_COUNT]; /* NULL: the type is not there yet */
