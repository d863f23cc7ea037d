/* rdb_text.h: the two basic parts of Redis's RDB format, lengths and strings, to and from memory.
 *
 *   length  00llllll · 01llllll + 1 byte · 0x80 + u32 · 0x81 + u64     big-endian
 *   string  length, bytes · 0xC0 i8 · 0xC1 i16 · 0xC2 i32 (little-endian) · 0xC3 length of the
 *           compressed bytes, length of the string, LZF-compressed bytes
 *
 * Reading trusts nothing: a cursor never leaves its bytes, and what is allocated is bounded by the
 * size of the input (LZF makes at most 88 bytes of one). Writing gives what Redis would: integers
 * that fit 32 bits, compression above 20 bytes when it pays and rdbcompression allows it.
 * Pure functions on memory of the caller; any thread; O(bytes). */
#pragma once

#include "base/buf.h"
#include "base/num.h"

/* The bytes not yet read. */
struct rdb_in {
    const unsigned char *at;
    size_t left;
};

INLINE struct rdb_in rdb_in_make(struct slice bytes)
{
    return (struct rdb_in){(const unsigned char *)bytes.ptr, bytes.len};
}

/* A string that was read: `text` lies in the input, in `digits` or in `unpacked`. Reusable; zeroed
 * at first, rdb_text_deinit() at the end. Not to be copied. */
struct rdb_text {
    struct slice text;
    char *unpacked;
    size_t cap;
    char digits[NUM_INT64_MAX_LEN];
};

/* Frees what was decompressed. */
void rdb_text_deinit(struct rdb_text *t);

/* All return false, with the cursor anywhere, when the bytes are not what they should be. */

/* The next `len` bytes, in place. */
bool rdb_take(struct rdb_in *in, size_t len, const unsigned char **out) MUST_USE;
/* A plain length. */
bool rdb_take_len(struct rdb_in *in, uint64_t *out) MUST_USE;
bool rdb_take_text(struct rdb_in *in, struct rdb_text *out) MUST_USE;

/* Append a length, or a text with its length. */
void rdb_put_len(struct buf *out, uint64_t len);
void rdb_put_text(struct buf *out, struct slice text);
