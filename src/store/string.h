/* string.h: string values that are changed in place: APPEND, SETRANGE and what sets bits.
 *
 * An edit gives the old content in writable memory, followed by zero bytes up to the wanted length;
 * the caller writes there and ends the edit. Up to ENTRY_INLINE_MAX bytes the work is done in the
 * edit itself and copied into the entry; above that the value is a blob, grown with slack, so that
 * a string built by N appends costs O(N) copies in all. A blob that is being sent to somebody is
 * copied first (blob_reserve). An edited string counts as "raw" and keeps its expiry.
 *
 * Ownership: the struct lives on the caller's stack and borrows txn and ref. Threading: under the
 * shard's lock, as the txn. Nothing has changed when string_edit_begin() fails. */
#pragma once

#include "base/err.h"
#include "store/txn.h"

struct string_edit {
    struct txn *txn;
    struct ref *ref;
    char *bytes; /* write here, `len` bytes */
    size_t len;
    struct blob *blob; /* the value when it is one, else NULL: `small` */
    bool in_place;     /* the blob was the value before */
    char small[ENTRY_INLINE_MAX];
};

/* Opens a string (or a missing key) for writing with at least `min_len` bytes. `slack`: it is
 * likely to grow again. ERR_NOMEM: a string that large cannot be had. */
enum err string_edit_begin(struct string_edit *edit, struct txn *t, struct ref *ref, size_t min_len,
                           bool slack) MUST_USE;
/* Bytes that beginning would copy or clear, at most. */
size_t string_edit_effort(const struct ref *ref, size_t min_len);
/* Makes the result the value and commits it. */
void string_edit_end(struct string_edit *edit, enum event event);

/* The integer that a string value reads as; a missing key is 0. False: it is none. */
bool string_read_int(const struct entry *e, int64_t *out) MUST_USE;
/* The same for floating point. */
bool string_read_long_double(const struct entry *e, long double *out) MUST_USE;
