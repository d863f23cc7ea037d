/* rdb_save.h: the whole keyspace into an RDB file at once: SAVE, SHUTDOWN, DEBUG RELOAD. Exclusive
 * mode, or no other thread. O(bytes of the data). */
#pragma once

#include "base/err.h"
#include "persist/rdb_writer.h"
#include "store/keyspace.h"

/* All keys of all databases, head and end included. On failure errno says why, and the old file is
 * whole. */
enum err rdb_save(struct keyspace *ks, struct rdb_writer *w, const struct rdb_head *head,
                  int64_t now_ms) MUST_USE;
