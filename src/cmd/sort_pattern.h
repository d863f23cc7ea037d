/* sort_pattern.h: the BY and GET patterns of SORT: a key name with a '*' for the element, and
 * possibly a hash field behind "->".
 *
 * Looking a pattern up reads keys that no key spec names: exclusive mode only. What is found is
 * borrowed from the keyspace, or lies in the caller's scratch memory, until the next change. */
#pragma once

#include "cmd/exec.h"

/* Where a lookup puts what it makes: reusable, to be released with buf_deinit(&s->name). */
struct sort_scratch {
    struct buf name; /* of the key */
    char digits[NUM_INT64_MAX_LEN];
};

INLINE bool sort_pattern_has_star(struct slice pattern)
{
    return pattern.len && memchr(pattern.ptr, '*', pattern.len);
}

/* The value that the pattern leads to from an element: "#" is the element itself. False: there is
 * none, or of another type. */
bool sort_pattern_find(struct exec *ex, struct slice pattern, struct slice element,
                       struct sort_scratch *scratch, struct slice *value);
