/* member_table.h: the large form of a hash or a set: a table of nodes (member.h) by their names,
 * and the deadlines of those that expire (deadlines.h; NULL while none ever did).
 *
 * Ownership: it owns its nodes and the deadlines. Threading: the lock of the key's shard; reads
 * change nothing. Lookups and changes O(1), O(log n) for members that expire. */
#pragma once

#include "ds/table.h"
#include "store/deadlines.h"

struct member_table {
    struct table table; /* the first field: a root is also a table */
    struct deadlines *deadlines;
};

/* An empty one with room for `room` members (0: unknown). */
struct member_table *member_table_create(uint64_t room);
void member_table_destroy(struct member_table *t);
/* All members, their values and deadlines. */
struct member_table *member_table_copy(const struct member_table *t);
/* Bytes, from the mean node of `samples` members (0: all). */
size_t member_table_bytes(const struct member_table *t, size_t samples);

INLINE struct member *member_table_find(const struct member_table *t, struct slice name,
                                        uint64_t hash, struct table_pos *pos)
{
    return table_find(&t->table, hash, member_has_name, &name, pos);
}

/* Takes the member found at `pos` out and frees it. */
INLINE void member_table_remove(struct member_table *t, struct member *m, uint64_t hash,
                                struct table_pos pos)
{
    if (unlikely(member_expires(m)))
        deadlines_forget(t->deadlines, m);
    table_remove(&t->table, hash, pos, member_hash);
    member_free(m);
}

/* Absolute milliseconds, MEMBER_FOREVER or MEMBER_MISSING. */
int64_t member_table_deadline(const struct member_table *t, struct slice name);
/* Gives a member that is there another deadline, or MEMBER_FOREVER. */
void member_table_set_deadline(struct member_table *t, struct slice name, int64_t when_ms);
