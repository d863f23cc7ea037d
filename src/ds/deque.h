/* deque.h: a long sequence of strings and integers, cheap at both ends: the list type.
 *
 * Purpose: a doubly linked chain of blocks of listpack entries (ds/packed_entry.h), bounded by
 * `fill` as Redis's list-max-listpack-size: -1..-5 are blocks of 4, 8, 16, 32, 64 KB, a positive
 * number is entries per block (and 8 KB). An element larger than the limit has a block of its own.
 * Unlike in a listpack, the entries lie anywhere in the block, so that a push at the head writes
 * into free room there and moves nothing; the listpack's header and end byte are made when it is
 * dumped.
 *
 *   block: prev, next | cap | begin | end | count | data[cap]    entries are data[begin, end)
 *
 * Memory: a full block is exactly one allocation class (8 KB with its 32-byte header); blocks grow
 * class by class while the list is short. 16-byte elements cost 18.1 bytes each in a long list.
 *
 * Ownership: the deque owns its blocks (MEM_DATA); struct deque lies wherever the owner wants and
 * may be moved by memcpy. A value passed in must not point into the same deque: pop or copy it
 * first. What get and peek return is borrowed until the next change. value.len <= PACKED_VALUE_MAX.
 *
 * Threading: one writer; readers may share an unchanging deque (reading changes nothing).
 *
 * Invariants (deque_validate): no empty block; count and len agree with the entries; begin <= end
 * <= cap; a block with cap above the limit has one entry and no free room. Complexity: push, pop,
 * peek O(1) amortised; seek O(blocks + entries of a block) from the nearer end; insert, set, delete
 * at an iterator O(block); delete_range O(blocks in the range). */
#pragma once

#include "base/buf.h"
#include "ds/packed_entry.h"

struct deque_block {
    struct deque_block *prev, *next;
    uint32_t cap; /* bytes of data[] */
    uint32_t begin, end;
    uint32_t count;
    unsigned char data[];
};

struct deque {
    struct deque_block *head, *tail;
    uint64_t len; /* entries */
    uint32_t blocks;
    int32_t fill;
};

enum deque_end {
    DEQUE_HEAD,
    DEQUE_TAIL,
};

/* A place in a deque. Valid until the deque changes other than through this iterator. */
struct deque_iter {
    struct deque_block *block; /* NULL: past either end */
    uint32_t at;               /* of the entry, counted from block->begin */
    uint32_t nth;              /* number of the entry within the block */
};

/* fill is clamped to -5..32767; 0 means 1, as in Redis. Allocates nothing. */
void deque_init(struct deque *d, int fill);
/* Frees all blocks, O(blocks); the deque is empty and usable afterwards. */
void deque_deinit(struct deque *d);
/* Fills `copy` (uninitialised) with the entries of `d`, block by block. O(bytes). */
void deque_copy(struct deque *copy, const struct deque *d);
/* Bytes of all blocks as charged, without struct deque. O(blocks). */
size_t deque_bytes(const struct deque *d);
/* Bytes of all entries as a single listpack would hold them. O(blocks). */
size_t deque_packed_bytes(const struct deque *d);

/* Copies the value. */
void deque_push(struct deque *d, enum deque_end end, struct slice value);
/* The entry at an end; false when empty. */
bool deque_peek(const struct deque *d, enum deque_end end, struct packed_value *out);
/* Removes the entry at an end; the deque is not empty. */
void deque_drop(struct deque *d, enum deque_end end);
/* peek, append the text to `out`, drop. False when empty. */
bool deque_pop(struct deque *d, enum deque_end end, struct buf *out);

/* Puts the iterator on entry number `index`, -1 being the last. False (and past the end) when out
 * of range. */
bool deque_seek(const struct deque *d, int64_t index, struct deque_iter *it);
/* Entry number `index`; false when out of range. */
bool deque_get(const struct deque *d, int64_t index, struct packed_value *out);

INLINE const unsigned char *deque_iter_entry(const struct deque_iter *it)
{
    return it->block->data + it->block->begin + it->at;
}

/* The entry under the iterator, which is not past the end. */
INLINE struct packed_value deque_iter_get(const struct deque_iter *it)
{
    return packed_entry_get(deque_iter_entry(it));
}

/* Steps towards the tail; false when that leaves the deque. */
INLINE bool deque_iter_next(struct deque_iter *it)
{
    uint32_t size = packed_entry_size(deque_iter_entry(it));
    if (likely(it->nth + 1 < it->block->count)) {
        it->at += size;
        it->nth++;
        return true;
    }
    *it = (struct deque_iter){.block = it->block->next};
    return it->block != NULL;
}

/* Puts the iterator on the last entry of `block` (NULL: past the end, then false). */
bool deque_iter_last(struct deque_iter *it, struct deque_block *block);

/* Steps towards the head; false when that leaves the deque. */
INLINE bool deque_iter_prev(struct deque_iter *it)
{
    if (unlikely(it->nth == 0))
        return deque_iter_last(it, it->block->prev);
    it->at -= packed_entry_size_before(deque_iter_entry(it));
    it->nth--;
    return true;
}

/* These change the deque at an iterator that is not past the end; it stays on its entry. */
void deque_set(struct deque *d, struct deque_iter *it, struct slice value);
void deque_insert_before(struct deque *d, struct deque_iter *it, struct slice value);
void deque_insert_after(struct deque *d, struct deque_iter *it, struct slice value);
/* Deletes the entry and steps to its neighbour towards `towards`; false when there is none. */
bool deque_delete(struct deque *d, struct deque_iter *it, enum deque_end towards);
/* Deletes up to `count` entries from number `start` on (-1: the last); returns how many. */
uint64_t deque_delete_range(struct deque *d, int64_t start, uint64_t count);

/* Checks every invariant; for tests. O(n). */
bool deque_validate(const struct deque *d);
