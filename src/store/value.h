/* value.h: what the keyspace must know of each value type: how to free it, how large it is, how to
 * copy it and how to walk it. One row per type in value.c; the rows' functions live in the type's
 * own file (list.c, hash.c …). */
#pragma once

#include "store/entry.h"

/* One element of a value. What `element` and `value` hold depends on the type:
 *   string (bytes, empty) · list, set (element, empty) · hash (field, value) · zset (member, score
 * in the shortest text) stream (entry ID and no value, its ptr being NULL; then one call for each of
 * the entry's pairs: field, value). The slices are valid during the call. */
typedef void (*value_visit_fn)(void *arg, struct slice element, struct slice value);

struct table;
struct deadlines;

/* Members with a time to live of their own (deadlines.h): hash, set, sorted set. */
struct member_ops {
    /* Where the root keeps its deadlines; NULL in encodings that cannot have any. */
    struct deadlines **(*deadlines)(enum encoding encoding, void *root);
    uint64_t (*len)(enum encoding encoding, const void *root);
    /* Absolute milliseconds, MEMBER_FOREVER or MEMBER_MISSING. */
    int64_t (*deadline)(enum encoding encoding, const void *root, struct slice member);
    /* Of a member that is there; encoding and root of the entry may change. */
    void (*set_deadline)(struct entry *e, struct slice member, int64_t when_ms);
    /* False when it was not there. The collection may become empty. `member` may lie in it. */
    bool (*remove)(struct entry *e, struct slice member);
};

struct value_ops {
    /* Frees what the pointer leads to (not called for inline and int strings). */
    void (*destroy)(enum encoding encoding, void *root);
    /* Elements that destroy() walks, 1 when it is a single free. */
    size_t (*effort)(enum encoding encoding, const void *root);
    /* Bytes behind the pointer; large collections are estimated from `samples` members (0: all). */
    size_t (*bytes)(enum encoding encoding, const void *root, size_t samples);
    /* The table of members, or NULL in other encodings: planned lookups prefetch in it. No
     * function: there never is one. */
    const struct table *(*members)(enum encoding encoding, const void *root);
    const struct member_ops *member_ops; /* NULL: elements of this type do not expire */
    /* A deep copy of the same encoding, owned by the caller; COPY. A value that cannot change in
     * place may be shared. */
    void *(*copy)(enum encoding encoding, const void *root);
    /* Calls visit for each element in value order (lists: head to tail; sorted sets: by score; sets
     * and hashes: any). */
    void (*visit)(enum encoding encoding, const void *root, value_visit_fn visit, void *arg);
};

extern const struct value_ops *const value_ops[TYPE_COUNT]; /* NULL: the type is not there yet */

/* A copy of an entry under another key, its expiry field (not its place in a heap) included when
 * `expires`. */
struct entry *entry_copy(const struct entry *e, struct slice key, bool expires);
/* Bytes of an entry with its value and its share of the shard's table and heap; `samples` as in
 * value_ops.bytes. */
size_t entry_memory(const struct entry *e, size_t samples);
/* How long it takes to go through a value: elements of a collection; of a string the number of
 * pieces that take as long to read as one. O(1), of a stream O(groups). */
uint64_t value_elements(const struct entry *e);
/* What STRLEN, LLEN, SCARD, HLEN, ZCARD or XLEN says; expired members count until they are deleted.
 * O(1). */
uint64_t entry_len(const struct entry *e);
/* Walks an entry's value; strings of every encoding included. */
void entry_visit(const struct entry *e, value_visit_fn visit, void *arg);
