/* deque_block.h: the blocks of a deque, for deque.c and deque_edit.c only.
 *
 * A block belongs to one deque. Functions that return a block may have moved it: the chain then
 * points to the new one, and the old pointer is dead. Threading and layout: see ds/deque.h. */
#pragma once

#include "base/assert.h"
#include "ds/deque.h"

enum {
    DEQUE_BLOCK_HEADER = sizeof(struct deque_block)
};

/* Most bytes of data in a block of several entries: the limit counts the whole allocation, so that
 * a full block fills its class. */
INLINE uint32_t deque_max_bytes(const struct deque *d)
{
    return (d->fill < 0 ? 2048U << -d->fill : 8192U) - DEQUE_BLOCK_HEADER;
}

INLINE uint32_t deque_max_count(const struct deque *d)
{
    return d->fill < 0 ? UINT32_MAX : (uint32_t)d->fill;
}

INLINE uint32_t deque_block_used(const struct deque_block *b)
{
    return b->end - b->begin;
}

INLINE uint32_t deque_block_room(const struct deque_block *b)
{
    return b->cap - deque_block_used(b);
}

/* Whether `size` bytes in `count` entries may join the block. */
INLINE bool deque_block_admits(const struct deque *d, const struct deque_block *b, uint32_t size,
                               uint32_t count)
{
    return (uint64_t)deque_block_used(b) + size <= deque_max_bytes(d) &&
           (uint64_t)b->count + count <= deque_max_count(d);
}

/* The room that a whole size class gives to `want` bytes; no slack beyond the limit. */
INLINE uint32_t deque_block_cap(const struct deque *d, uint32_t want)
{
    uint32_t limit = deque_max_bytes(d);
    if (want > limit)
        return want;
    return MIN((uint32_t)mem_size_class(DEQUE_BLOCK_HEADER + (size_t)want) - DEQUE_BLOCK_HEADER,
               limit);
}

INLINE void deque_block_destroy(struct deque_block *b)
{
    mem_free(MEM_DATA, b, DEQUE_BLOCK_HEADER + (size_t)b->cap);
}

INLINE uint32_t deque_block_room_at(const struct deque_block *b, enum deque_end end)
{
    return end == DEQUE_HEAD ? b->begin : b->cap - b->end;
}

/* An empty block outside any chain, its room behind `begin` 0. */
struct deque_block *deque_block_create(uint32_t cap);
/* Links `b` behind `prev` (NULL: as the head). */
void deque_block_link(struct deque *d, struct deque_block *b, struct deque_block *prev);
/* Takes `b` out of the chain and frees it; its entries still count in d->len. */
void deque_block_unlink(struct deque *d, struct deque_block *b);
/* Makes `size` bytes of room at one end of a block that admits them. */
struct deque_block *deque_block_make_room(struct deque *d, struct deque_block *b,
                                          enum deque_end end, uint32_t size) MUST_USE;
/* Gives memory back when a smaller size class would do. */
struct deque_block *deque_block_fit(struct deque *d, struct deque_block *b);
/* After removals: keeps a block at least a third full, with a quarter of room to change again. */
struct deque_block *deque_block_shrink(struct deque *d, struct deque_block *b);
