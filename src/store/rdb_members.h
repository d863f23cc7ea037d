/* rdb_members.h: the times to live of a collection's members, apart from its value: for RDB files
 * whose form of the value has no room for them.
 *
 *   u64 earliest deadline in ms, little-endian | length count
 *   per member that expires: length deadline - earliest | length of its name, name
 *
 * Pure functions; an entry is read under its shard's lock. O(members that expire), reading in
 * addition what their collection takes to look one up and to enter it in its heap. */
#pragma once

#include "store/rdb_value.h"

/* Appends the times of an entry's members. False: none expires, nothing is appended. */
bool rdb_members_write(struct buf *out, const struct entry *e) MUST_USE;
/* Gives the members of a value their times. False: it is not the list of some members of this
 * value; then some may have theirs. Memory: some bytes per byte of the text. */
bool rdb_members_read(struct slice text, struct rdb_value *v) MUST_USE;
