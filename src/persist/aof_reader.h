/* aof_reader.h: reads a log file unit by unit. What comes out can be applied as it stands.
 *
 * A unit is all that was written at once: the commands up to a mark (aof_mark.h), with the right
 * checksum. A file without marks, or a part that another server has added behind the last one, goes
 * command by command as in Redis. A transaction is never split: MULTI and EXEC are in one unit.
 *
 * Where a part has marks, the two ways to be broken can be told apart. TORN: what follows the last
 * whole unit is the begin of a write that did not end, and nothing comes after it: cutting it off
 * loses nothing that was promised. FAULT: the file goes on behind the damage (a mark stands there,
 * not just in a value), or the damage is in a part without marks and is not just a missing end.
 * Nobody may cut there silently.
 *
 * A part is another server's when its first command is SELECT in capitals, which Redis writes first
 * after each start; we write "select" (aof_put_select()).
 *
 * Owner: one thread. Memory: the largest unit (MEM_OTHER), never more than twice what the file has;
 * nothing is believed that the file cannot hold. O(bytes). */
#pragma once

#include "persist/file_window.h"

enum aof_read {
    AOF_READ_UNIT,
    AOF_READ_END,
    AOF_READ_TORN,
    AOF_READ_FAULT
};

struct aof_fault {
    uint64_t offset;  /* where it was seen */
    uint64_t whole;   /* the end of the last whole unit */
    char reason[200]; /* one line, without a full stop */
};

struct aof_reader {
    struct file_window file;
    uint64_t at;         /* offset of the window's begin, which is where the next unit begins */
    size_t scanned;      /* bytes of the window that are whole commands and lines */
    size_t taken;        /* of the unit last handed out */
    uint64_t span_bytes; /* scanned since the last mark */
    uint32_t span_crc;   /* of them, started with that mark's */
    uint64_t unit_span_bytes; /* as they were at the end of the last unit */
    uint32_t unit_span_crc;
    bool marked;   /* we are in a part with marks */
    bool in_multi; /* a transaction is open at `scanned` */
    bool any_mark; /* there was one */
    struct aof_fault fault;
};

/* Opens; reading starts at `offset`, behind an RDB preamble. ERR_SYS: errno; deinit is due in every
 * case. */
enum err aof_reader_init(struct aof_reader *r, const char *path, uint64_t offset) MUST_USE;
void aof_reader_deinit(struct aof_reader *r);
/* The next unit; valid until the next call. TORN and FAULT: r->fault, and no further call. */
enum aof_read aof_reader_next(struct aof_reader *r, struct slice *unit);

/* ---- the commands of a unit ---- */

struct aof_command {
    struct slice *argv; /* into the unit */
    uint32_t argc, cap;
    int64_t stamp_s; /* of the last #TS line so far, or 0 */
};

/* Frees its arguments; a zeroed one may be used at once. */
void aof_command_deinit(struct aof_command *c);
/* Takes the next command off the front of a unit, skipping lines. False: there is none left. */
bool aof_command_take(struct slice *unit, struct aof_command *c);

/* Appends the command that selects a database, in the form that says that it is ours. */
void aof_put_select(struct buf *out, int db);
