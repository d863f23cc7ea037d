/* rdb_commands.h: the items of an RDB file as commands that make the same data: the base of a log
 * without RDB preamble, and what tokamak-check converts to. Redis's own commands, as far as they
 * say all; streams go as RESTORE, since XCLAIM cannot make what is pending of a deleted entry;
 * times to live of members by commands that older servers do not know.
 *
 * Pure functions but for the output. O(bytes). Memory: the largest value, twice. */
#pragma once

#include "base/buf.h"
#include "persist/rdb_item.h"

/* Appends the commands of an item: of a key, SELECT of a database, FUNCTION LOAD of a library; none
 * of others. False: a value that is damaged or cannot be held; nothing is appended then. */
bool rdb_item_commands(struct buf *out, const struct rdb_item *item) MUST_USE;

/* Appends one command. */
void rdb_put_command(struct buf *out, const struct slice *argv, uint32_t argc);
