/* zset_packed.h: the small form of a sorted set: one ds/packed block of member, score, member,
 * score … in ascending (score, member) order. Scores stand there as Redis writes them: whole
 * numbers as integers, others as their shortest text. Only zset*.c include this.
 *
 * Functions that change a block take it and return the one that is valid now. A member passed in
 * must not lie in the block. Complexity: all O(n), n being bounded by zset-max-listpack-entries;
 * the end is found at once. */
#pragma once

#include "ds/packed.h"

/* Offsets are those of members; the score is the entry behind it. 0: none. */

/* Of the entry at this offset, which is a score. */
double zset_packed_score_at(const unsigned char *p, uint32_t score_at);

INLINE double zset_packed_score(const unsigned char *p, uint32_t at)
{
    return zset_packed_score_at(p, packed_next(p, at));
}

/* The member behind this one. */
INLINE uint32_t zset_packed_next(const unsigned char *p, uint32_t at)
{
    return packed_next(p, packed_next(p, at));
}

INLINE uint32_t zset_packed_prev(const unsigned char *p, uint32_t at)
{
    at = packed_prev(p, at);
    return at ? packed_prev(p, at) : 0;
}

INLINE uint32_t zset_packed_len(const unsigned char *p)
{
    return packed_len(p) / 2;
}

INLINE uint32_t zset_packed_last(const unsigned char *p)
{
    uint32_t score_at = packed_last(p);
    return score_at ? packed_prev(p, score_at) : 0;
}

INLINE uint32_t zset_packed_find(const unsigned char *p, struct slice member)
{
    return packed_find(p, packed_first(p), member, 1);
}

/* Members in front of the one at this offset. */
size_t zset_packed_rank(const unsigned char *p, uint32_t at);
/* Puts a new member at its place, or at the end because the caller knows that it belongs there. */
unsigned char *zset_packed_insert(unsigned char *p, struct slice member, double score) MUST_USE;
unsigned char *zset_packed_append(unsigned char *p, struct slice member, double score) MUST_USE;
/* Takes out the member at this offset with its score. */
unsigned char *zset_packed_remove(unsigned char *p, uint32_t at) MUST_USE;
