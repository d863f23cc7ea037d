/* packed.h: a sequence of strings and integers in one block, byte for byte Redis's listpack.
 *
 *   offset  size  field
 *   0       4     total bytes, this header and the end byte included (u32 LE)
 *   4       2     number of entries (u16 LE); 65535: more than 65534 or unknown, count them
 *   6       ...   entries, see ds/packed_entry.h
 *   last    1     0xFF
 *
 * Purpose: small hashes, sets, sorted sets and lists; the block is what an RDB file holds.
 *
 * Ownership: the caller owns the block and frees it with packed_free(). Functions that may move it
 * take the block and return the new one; the old pointer is dead then. Memory is MEM_DATA in whole
 * size classes, so the header alone tells what to free, and most insertions allocate nothing.
 * A value passed in must not point into the block it is written to.
 *
 * Positions are offsets from the block's start, hence they survive a move of the block. 0 means "no
 * entry". A change invalidates the offsets behind its place.
 *
 * Threading: one writer; readers may share an unchanging block (reading changes nothing).
 * Complexity: next, prev, first, last, get are O(1); insertion and deletion O(bytes behind the
 * place); seek and find O(entries). A block stays below 1 GB: ask packed_can_add() before adding.
 */
#pragma once

#include "ds/packed_entry.h"

enum {
    PACKED_HEADER = 6,
    PACKED_EMPTY = PACKED_HEADER + 1,
    PACKED_COUNT_UNKNOWN = 65535,
    PACKED_BYTES_MAX = 1 << 30,
};

/* An empty one, owned by the caller. */
unsigned char *packed_create(void);
void packed_free(unsigned char *p); /* NULL is allowed */
/* Copy of a block of ours or of one that packed_validate() accepted. */
unsigned char *packed_dup(const unsigned char *p);

/* Size of the layout above; what is allocated is mem_size_class() of it. */
INLINE uint32_t packed_bytes(const unsigned char *p)
{
    return le_load32(p);
}

/* Number of entries; O(1) up to 65534, otherwise O(n). */
uint32_t packed_len(const unsigned char *p);
/* Whether text of `len` bytes more keeps the block (NULL: an empty one) below 1 GB. */
bool packed_can_add(const unsigned char *p, size_t len);

INLINE uint32_t packed_first(const unsigned char *p)
{
    return p[PACKED_HEADER] == PACKED_END ? 0 : PACKED_HEADER;
}

INLINE uint32_t packed_next(const unsigned char *p, uint32_t at)
{
    at += packed_entry_size(p + at);
    return p[at] == PACKED_END ? 0 : at;
}

INLINE uint32_t packed_prev(const unsigned char *p, uint32_t at)
{
    return at == PACKED_HEADER ? 0 : at - packed_entry_size_before(p + at);
}

INLINE uint32_t packed_last(const unsigned char *p)
{
    return packed_prev(p, packed_bytes(p) - 1);
}

/* for (each offset `at` of p): the body may read, not change. */
#define packed_foreach(p, at) for (uint32_t at = packed_first(p); at; at = packed_next((p), at))

/* Offset of entry number `index`, -1 being the last; 0 when out of range. */
uint32_t packed_seek(const unsigned char *p, int64_t index);

/* Borrowed until the next change of the block. */
INLINE struct packed_value packed_get(const unsigned char *p, uint32_t at)
{
    return packed_entry_get(p + at);
}

INLINE struct slice packed_text(const unsigned char *p, uint32_t at,
                                char scratch[NUM_INT64_MAX_LEN])
{
    return packed_value_text(packed_get(p, at), scratch);
}

/* Offset of the first entry at or behind `from` (0: none, finds nothing) that equals `value`,
 * looking at every (skip + 1)th entry: skip 1 from the first key visits keys only. 0 when there is
 * none. */
uint32_t packed_find(const unsigned char *p, uint32_t from, struct slice value, unsigned skip);

/* Insert before the entry at offset `at`; packed_bytes(p) - 1 is the end. The new entry is at `at`.
 */
unsigned char *packed_insert(unsigned char *p, uint32_t at, struct slice value) MUST_USE;
unsigned char *packed_insert_after(unsigned char *p, uint32_t at, struct slice value) MUST_USE;
unsigned char *packed_append(unsigned char *p, struct slice value) MUST_USE;
unsigned char *packed_append_int(unsigned char *p, int64_t value) MUST_USE;
/* The entry stays at `at`; in place when its size does not change. */
unsigned char *packed_replace(unsigned char *p, uint32_t at, struct slice value) MUST_USE;
/* Sets *at to the entry that followed, 0 when it was the last. */
unsigned char *packed_delete(unsigned char *p, uint32_t *at) MUST_USE;
/* Deletes up to `count` entries from number `index` on (-1: the last); out of range: nothing. */
unsigned char *packed_delete_range(unsigned char *p, int64_t index, uint32_t count) MUST_USE;

/* Whether foreign bytes are a well-formed block (an empty one too): header, every entry with its
 * back length, count. Reads nothing beyond `len`; what passes is safe for every function here.
 * O(n). */
bool packed_validate(const unsigned char *bytes, size_t len);
