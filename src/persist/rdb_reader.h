/* rdb_reader.h: reads an RDB file item by item, with a window of the file in memory.
 *
 * The window grows to the largest item and never beyond what the file has left, so a length that
 * lies costs nothing. The checksum is computed over what was handed out, a window at a time.
 * Nothing is trusted: a fault names the offset of the item and the reason.
 *
 * Owner: one thread. Memory: about the largest item, at least FILE_WINDOW_BYTES (MEM_OTHER). Slices
 * of an item are valid until the next call. O(bytes of the file). */
#pragma once

#include "persist/file_window.h"
#include "persist/rdb_item.h"

struct rdb_fault {
    uint64_t offset;
    char reason[200]; /* one line, without a full stop */
};

struct rdb_reader {
    struct file_window file;
    uint64_t at; /* offset of the next item, after rdb_reader_next() behind the item returned */
    uint64_t crc;
    size_t passed; /* bytes of items before, still at the front of the window and not yet in crc */
    size_t taken;  /* bytes of the item last handed out, behind these */
    unsigned version;
    bool verify;   /* compare the checksum at the end */
    bool preamble; /* something else may follow the data; the caller sets it after init */
    struct rdb_fault fault;
};

enum rdb_read {
    RDB_READ_ITEM,
    RDB_READ_END, /* the end of the file, whole and with the right checksum */
    RDB_READ_FAULT
};

/* Opens and reads the magic. ERR_SYS: errno says why it cannot be opened; any other error: the
 * fault says what is wrong. deinit is due in every case. */
enum err rdb_reader_init(struct rdb_reader *r, const char *path, bool verify) MUST_USE;
void rdb_reader_deinit(struct rdb_reader *r);
/* The next item, never RDB_ITEM_EOF. */
enum rdb_read rdb_reader_next(struct rdb_reader *r, struct rdb_item *out) MUST_USE;
/* The bytes of the item last returned, attributes included. */
struct slice rdb_reader_bytes(const struct rdb_reader *r);
