/* member.h: the node of a member in a large hash, set or sorted set, one allocation.
 *
 *   offset 0   u8  flags (enum member_flag)
 *          1   u8  name length (255: u32 follows)
 *          2   [u32 name length]               with a name of 255 bytes or more
 *              [u32 position]              with MEMBER_EXPIRES: where in the collection's heap of
 *                                          deadlines, which has the time (deadlines.h)
 *              [double score]                  with MEMBER_SCORED
 *              name bytes
 *              [u8 value length (255: u32 follows), value bytes]   with MEMBER_VALUED
 *
 * Fields are unaligned and nothing has a trailing NUL. The size of the allocation follows from the
 * content. So 16 bytes of name cost 32 in a set or a sorted set, and 48 in a hash with 16 bytes of
 * value.
 *
 * One node type for all three collections: member_hash() and member_has_name() serve every table of
 * members. Ownership: the collection that made it. Threading: none; the key's shard lock guards it.
 * All calls are O(bytes). */
#pragma once

#include "base/hash.h"
#include "base/slice.h"

enum member_flag {
    MEMBER_PLAIN = 0, /* of a set: nothing but its name */
    MEMBER_SCORED = 1,
    MEMBER_VALUED = 2,
    MEMBER_EXPIRES = 4,
};

enum {
    MEMBER_EXPIRE_BYTES = 4,
    MEMBER_LONG = 255
};

struct member {
    uint8_t flags;
    uint8_t short_len;
    char body[];
};

/* Where the optional fields behind the name's length start. */
INLINE const char *member_fields(const struct member *m)
{
    return m->body + (m->short_len == MEMBER_LONG ? 4 : 0);
}

INLINE const char *member_score_at(const struct member *m)
{
    return member_fields(m) + (m->flags & MEMBER_EXPIRES ? MEMBER_EXPIRE_BYTES : 0);
}

INLINE bool member_expires(const struct member *m)
{
    return m->flags & MEMBER_EXPIRES;
}

/* Of a MEMBER_EXPIRES node. */
INLINE uint32_t member_position(const struct member *m)
{
    uint32_t position;
    memcpy(&position, member_fields(m), sizeof(position));
    return position;
}

INLINE void member_set_position(struct member *m, uint32_t position)
{
    memcpy((char *)member_fields(m), &position, sizeof(position));
}

INLINE struct slice member_name(const struct member *m)
{
    uint32_t len = m->short_len;
    if (unlikely(len == MEMBER_LONG))
        memcpy(&len, m->body, 4);
    return slice_make(member_score_at(m) + (m->flags & MEMBER_SCORED ? sizeof(double) : 0), len);
}

INLINE double member_score(const struct member *m)
{
    double score;
    memcpy(&score, member_score_at(m), sizeof(score));
    return score;
}

INLINE void member_set_score(struct member *m, double score)
{
    memcpy((char *)member_score_at(m), &score, sizeof(score));
}

/* The value of a MEMBER_VALUED node; borrowed until it is replaced. */
INLINE struct slice member_value(const struct member *m)
{
    struct slice name = member_name(m);
    const char *at = name.ptr + name.len;
    uint32_t len = (uint8_t)*at++;
    if (unlikely(len == MEMBER_LONG)) {
        memcpy(&len, at, 4);
        at += 4;
    }
    return slice_make(at, len);
}

/* Bytes of the allocation. */
INLINE size_t member_size(const struct member *m)
{
    struct slice last = m->flags & MEMBER_VALUED ? member_value(m) : member_name(m);
    return (size_t)(last.ptr + last.len - (const char *)m);
}

/* For ds/table: the hash of a member, and whether it has the name that `name` (a struct slice)
 * points to. */
uint64_t member_hash(const void *member);

INLINE bool member_has_name(const void *member, const void *name)
{
    return slice_equal(member_name((const struct member *)member), *(const struct slice *)name);
}

/* New members; they copy what they are given. Names and values are at most UINT32_MAX bytes. */
struct member *member_create(struct slice name);
struct member *member_create_scored(struct slice name, double score);
struct member *member_create_valued(struct slice name, struct slice value);
struct member *member_copy(const struct member *m);
void member_free(struct member *m);

/* Another value: in place when the size class stays, otherwise in a new node with the same name.
 * Takes m and returns the node that is valid now (table_pos_set() it when it moved). The value must
 * not point into m. */
struct member *member_set_value(struct member *m, struct slice value) MUST_USE;
/* The same node with or without the field of MEMBER_EXPIRES, whose content is then the caller's to
 * set. Takes m and returns the node that is valid now. */
struct member *member_reshape(struct member *m, bool expires) MUST_USE;
