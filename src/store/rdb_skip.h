/* rdb_skip.h: finds where a value of an RDB file ends, without building it: for a reader that has
 * only a part of the file in memory, and for threads that share the building.
 *
 * Lengths and counts are followed, bytes are not looked at: what is well-formed here may still be
 * refused by rdb_value_read(). Pure functions, any thread, no memory; O(elements), O(1) for packed
 * collections. */
#pragma once

#include "store/rdb_text.h"

enum rdb_skip {
    RDB_SKIP_OK,
    RDB_SKIP_SHORT,   /* cut off: at least `missing` bytes more are needed */
    RDB_SKIP_BAD,     /* not a length where there must be one */
    RDB_SKIP_UNKNOWN, /* not a type that has a form */
    RDB_SKIP_MODULE,  /* data of a module: only the module knows its form */
};

/* A cursor that remembers why it stopped. */
struct rdb_skipper {
    struct rdb_in in;
    enum rdb_skip state;
    size_t missing;
};

INLINE struct rdb_skipper rdb_skipper_make(struct rdb_in in)
{
    return (struct rdb_skipper){in, RDB_SKIP_OK, 0};
}

/* All return false, with the reason in `state`, when they cannot. */
bool rdb_skip_bytes(struct rdb_skipper *s, uint64_t len);
bool rdb_skip_byte(struct rdb_skipper *s, uint8_t *out);
bool rdb_skip_len(struct rdb_skipper *s, uint64_t *out);
bool rdb_skip_text(struct rdb_skipper *s);
/* A value of this type, its type byte left out. */
bool rdb_skip_value(struct rdb_skipper *s, uint8_t type);
