/* rdb_writer.h: writes an RDB file: into a temporary file beside the target, which takes the
 * target's place only when all of it is on disk. Whatever happens before leaves the old file whole.
 *
 * The first error sticks: later calls do nothing, rdb_writer_commit() reports it.
 * Owner: one thread at a time. Memory: OUT_BYTES and the largest entry (MEM_OTHER). O(bytes). */
#pragma once

#include "base/err.h"
#include "persist/rdb_item.h"
#include "store/entry.h"

#include <limits.h>

struct rdb_options {
    unsigned version;
    bool checksum;
    bool sync_often;  /* a sync now and then, so that the last one is not a long one */
    bool as_commands; /* no RDB at all: a log of commands that make the data (rdb_commands.h), with
                         marks (aof_mark.h) … */
    bool unmarked;    /* … or without */
};

/* What the head of the file says about the server. */
struct rdb_head {
    const char *server_version;
    int64_t now_s;
    uint64_t used_memory;
    bool is_base;           /* of a log */
    struct slice functions; /* of all libraries: RDB_ITEM_FUNCTION items as they were read */
};

struct rdb_writer {
    struct rdb_options options;
    int fd;                        /* -1: none */
    int error;                     /* errno of the first failure, or 0 */
    int db;                        /* whose keys are being written, -1: none yet */
    uint64_t crc, written, synced; /* crc: of a log, the last mark's */
    struct buf out;
    char path[PATH_MAX], temporary[PATH_MAX];
};

/* Creates the temporary file `directory/temp-PREFIXNAME` for the target `directory/NAME`. deinit is
 * due in every case. */
enum err rdb_writer_init(struct rdb_writer *w, const char *directory, const char *prefix,
                         const char *name, const struct rdb_options *options) MUST_USE;
void rdb_writer_head(struct rdb_writer *w, const struct rdb_head *head);
/* Hints for the reader's tables. */
void rdb_writer_database(struct rdb_writer *w, int db, uint64_t keys, uint64_t expires);
/* One key. Returns false when there is no form for its value: nothing is written. */
bool rdb_writer_entry(struct rdb_writer *w, int db, const struct entry *e, int64_t now_ms);
/* Items that somebody else has encoded; they begin with a SELECT. */
void rdb_writer_items(struct rdb_writer *w, struct slice items);
/* Writes out what has been collected, when it is worth it. */
void rdb_writer_flush(struct rdb_writer *w);
/* The end mark and checksum, sync, close: nothing more can be added. Part of the commit, for those
 * who want to decide about it only then. */
void rdb_writer_seal(struct rdb_writer *w);
/* Seals and renames: others see the file, but a loss of power may still bring the old one back. */
void rdb_writer_place(struct rdb_writer *w);
/* Seals, renames, syncs the directory. On failure errno is set. */
enum err rdb_writer_commit(struct rdb_writer *w) MUST_USE;
/* Without a commit: removes the temporary file. */
void rdb_writer_deinit(struct rdb_writer *w);

/* Appends the item that selects a database, and the one of a key: for those who collect items. */
void rdb_put_select(struct buf *out, int db);
bool rdb_put_entry(struct buf *out, const struct entry *e, int64_t now_ms,
                   unsigned version) MUST_USE;
/* A string's item up to its text, which rdb_put_text() puts behind it. */
void rdb_put_entry_head(struct buf *out, const struct entry *e, int64_t now_ms);
/* Selects a database and gives hints for the reader's tables. */
void rdb_put_database(struct buf *out, int db, uint64_t keys, uint64_t expires);
