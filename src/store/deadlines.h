/* deadlines.h: when the members of one collection expire.
 *
 * The first member of a hash, set or sorted set that gets a time to live gives its collection one
 * of these: a heap of those members by their deadlines. A member's node knows its place in the heap
 * (member.h), the heap knows the time: together 20 bytes for a member, none for one that lives for
 * ever. The keyspace keeps the collections of a part that have one in a heap of their own, by their
 * earliest member (txn_members.c), and sees to `owner` and `position`.
 *
 * Ownership: the collection's root owns it, it owns neither members nor entry. Threading: the lock
 * of the key's shard. Invariant: the heap holds exactly the collection's MEMBER_EXPIRES nodes.
 * Changes O(log n). */
#pragma once

#include "ds/heap.h"
#include "store/member.h"

enum {
    MEMBER_FOREVER = -1, /* no time to live */
    MEMBER_MISSING = -2,
};

#define DEADLINES_UNLISTED UINT32_MAX
/* The latest deadline: Redis's, 46 bits of milliseconds. */
#define DEADLINE_MAX_MS ((int64_t)((1ULL << 46) - 1))

struct entry;

struct deadlines {
    struct heap heap;    /* of struct member */
    struct entry *owner; /* the key's entry, while listed */
    uint32_t position;   /* in the part's heap, or DEADLINES_UNLISTED */
};

/* Absolute milliseconds, or MEMBER_FOREVER. `d` may be NULL when no member expires. */
int64_t deadlines_get(const struct deadlines *d, const struct member *m);
/* Gives a member a deadline, or takes it (MEMBER_FOREVER); *d is made when it is NULL. Takes the
 * node and returns the one that is valid now. */
struct member *deadlines_set(struct deadlines **d, struct member *m, int64_t when_ms) MUST_USE;
/* A member that expires is about to be freed. */
void deadlines_forget(struct deadlines *d, const struct member *m);
/* A node that expires has another address. */
void deadlines_moved(struct deadlines *d, struct member *m);

/* The earliest, INT64_MAX when there is none. */
INLINE int64_t deadlines_next(const struct deadlines *d)
{
    const struct heap_item *first = heap_peek(&d->heap);
    return first ? first->when : INT64_MAX;
}

/* The same times for a copy of the collection, unlisted. Its items are still the old nodes:
 * deadlines_moved() for each node that was copied. NULL gives NULL. */
struct deadlines *deadlines_copy(const struct deadlines *d);
/* NULL is allowed. */
void deadlines_destroy(struct deadlines *d);
size_t deadlines_bytes(const struct deadlines *d);
