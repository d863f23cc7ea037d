/* intset.h: a sorted set of int64 in one block, in the byte layout of Redis's intset.
 *
 *   offset  size  field
 *   0       4     width of an element in bytes: 2, 4 or 8 (u32 LE)
 *   4       4     number of elements (u32 LE)
 *   8       n*w   elements, signed, little-endian, strictly ascending
 *
 * Purpose: sets of integers up to set-max-intset-entries; the block is what an RDB file holds.
 * Ownership: the caller owns the block and frees it with intset_free(). Functions that may move it
 * take the block and return the new one; the old pointer is dead then. Memory is MEM_DATA in whole
 * size classes, so the header alone tells what to free.
 * Threading: one writer; readers may share an unchanging block.
 * Invariants: the width is the smallest that holds every element ever added; it never goes down.
 * find is O(log n); add and remove are O(n) by memmove; the rest is O(1). */
#pragma once

#include "base/base.h"

enum {
    INTSET_HEADER = 8
};

/* An empty one, owned by the caller. */
unsigned char *intset_create(void);
void intset_free(unsigned char *set); /* NULL is allowed */
/* Copy of a block of ours or of one that intset_validate() accepted. */
unsigned char *intset_dup(const unsigned char *set);
uint32_t intset_len(const unsigned char *set);
/* Size of the layout above; what is allocated is mem_size_class() of it. */
size_t intset_bytes(const unsigned char *set);
bool intset_find(const unsigned char *set, int64_t value);
/* Element number `index` in ascending order; index < intset_len(). */
int64_t intset_get(const unsigned char *set, uint32_t index);
/* *added (may be NULL) tells whether the value is new. */
unsigned char *intset_add(unsigned char *set, int64_t value, bool *added) MUST_USE;
/* *removed (may be NULL) tells whether the value was there. */
unsigned char *intset_remove(unsigned char *set, int64_t value, bool *removed) MUST_USE;
/* Whether foreign bytes are a well-formed set (an empty one too); reads nothing beyond `len`. O(n).
 */
bool intset_validate(const unsigned char *bytes, size_t len);
