/* aof_mark.h: the comment lines of log files. Redis skips every line that begins with '#', so a
 * file that has them loads there too.
 *
 *   #CK:<bytes>:<crc32c>\r\n   the bytes between the mark before it (or the begin of the file) and
 *                              this line: how many, and their checksum, eight digits of lower case
 *                              hex, started with the checksum of the mark before (or 0): so no mark
 *                              can be missing. Behind each batch that was written at once. A mark
 *                              of 0 bytes opens a file: from there on everything is marked.
 *   #TS:<seconds>\r\n          what follows happened at this time or later (Redis's own line)
 *
 * A manifest ends with such a mark over all lines before it, with a bare \n.
 * Pure functions, any thread. */
#pragma once

#include "base/slice.h"

enum {
    AOF_MARK_BYTES = 40 /* the longest line, at most */
};

struct aof_mark {
    uint64_t bytes;
    uint32_t crc;
};

/* Write a line with its end, return its length; `out` has AOF_MARK_BYTES. */
size_t aof_mark_format(char *out, struct aof_mark mark);
size_t aof_stamp_format(char *out, int64_t seconds);

/* Read one without its end. False: it is none, not even nearly: exactly what is written counts. */
bool aof_mark_read(struct slice line, struct aof_mark *out) MUST_USE;
bool aof_stamp_read(struct slice line, int64_t *seconds) MUST_USE;
