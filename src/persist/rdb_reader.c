#include "persist/rdb_reader.h"

#include "base/crc.h"
#include "base/le.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static PRINTF_LIKE(2, 3) enum rdb_read fault(struct rdb_reader *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    r->fault.offset = r->at;
    vsnprintf(r->fault.reason, sizeof(r->fault.reason), format, args);
    va_end(args);
    return RDB_READ_FAULT;
}

/* Drops what was handed out before from the window. */
static void drop_passed(struct rdb_reader *r)
{
    if (r->verify)
        r->crc = crc64(r->crc, buf_ptr(&r->file.bytes), r->passed);
    buf_consume(&r->file.bytes, r->passed);
    r->passed = 0;
}

/* What there is of the next item. */
static struct slice ahead(const struct rdb_reader *r)
{
    struct slice all = buf_slice(&r->file.bytes);
    return slice_make(all.ptr + r->passed, all.len - r->passed);
}

/* Makes the window hold at least `missing` bytes more. RDB_READ_ITEM: it does. */
static enum rdb_read fill(struct rdb_reader *r, size_t missing)
{
    drop_passed(r);
    switch (file_window_fill(&r->file, missing, r->fault.reason, sizeof(r->fault.reason))) {
    case FILE_FILLED:
        return RDB_READ_ITEM;
    case FILE_ENDS:
        return fault(r, "the file ends in the middle of an item; it is cut off");
    case FILE_FAILED:
        break;
    }
    r->fault.offset = r->at;
    return RDB_READ_FAULT;
}

enum err rdb_reader_init(struct rdb_reader *r, const char *path, bool verify)
{
    *r = (struct rdb_reader){.verify = verify};
    enum err err = file_window_open(&r->file, path);
    if (err)
        return err;
    if (r->file.size < RDB_MAGIC_BYTES || fill(r, RDB_MAGIC_BYTES) != RDB_READ_ITEM) {
        if (!*r->fault.reason)
            fault(r, "too short for an RDB file (%" PRIu64 " bytes)", r->file.size);
        return ERR_SYNTAX;
    }
    r->version = rdb_magic_version(slice_make(buf_ptr(&r->file.bytes), RDB_MAGIC_BYTES));
    if (!r->version) {
        fault(r, "not an RDB file: it does not begin with REDIS or VALKEY and a version");
        return ERR_SYNTAX;
    }
    if (!rdb_version_known(r->version)) {
        fault(r, "RDB version %u is not one of those that can be read (1 to 12, and 80)",
              r->version);
        return ERR_SYNTAX;
    }
    r->at = r->taken = RDB_MAGIC_BYTES;
    return OK;
}

void rdb_reader_deinit(struct rdb_reader *r)
{
    file_window_deinit(&r->file);
}

static enum rdb_read fault_of(struct rdb_reader *r, const struct rdb_skipper *s)
{
    switch (s->state) {
    case RDB_SKIP_MODULE:
        return fault(r, "it holds data of a module, and there are no modules here");
    case RDB_SKIP_UNKNOWN:
        return fault(r, "a type or opcode that RDB version %u does not have", r->version);
    default:
        return fault(r, "damaged: a byte with which no length can begin");
    }
}

/* The item stands at the front of the window. */
static enum rdb_read finish(struct rdb_reader *r)
{
    uint64_t stored = 0;
    drop_passed(r);
    if (r->version >= RDB_CHECKSUM_SINCE) {
        size_t have = buf_len(&r->file.bytes);
        if (have < RDB_CHECKSUM_BYTES && fill(r, RDB_CHECKSUM_BYTES - have) != RDB_READ_ITEM)
            return RDB_READ_FAULT;
        stored = le_load64(buf_ptr(&r->file.bytes));
        buf_consume(&r->file.bytes, RDB_CHECKSUM_BYTES);
        if (r->verify && stored && stored != r->crc)
            return fault(r, "wrong checksum: the file says %016" PRIx64 ", its bytes %016" PRIx64,
                         stored, r->crc);
        r->at += RDB_CHECKSUM_BYTES;
    }
    if (r->at != r->file.size && !r->preamble)
        return fault(r, "%" PRIu64 " bytes follow the end of the data", r->file.size - r->at);
    return RDB_READ_END;
}

enum rdb_read rdb_reader_next(struct rdb_reader *r, struct rdb_item *out)
{
    r->passed += r->taken;
    r->taken = 0;
    for (;;) {
        struct slice bytes = ahead(r);
        struct rdb_skipper s = rdb_skipper_make(rdb_in_make(bytes));
        if (rdb_item_read(&s, out)) {
            r->taken = bytes.len - s.in.left;
            break;
        }
        if (s.state != RDB_SKIP_SHORT)
            return fault_of(r, &s);
        if (fill(r, s.missing) != RDB_READ_ITEM)
            return RDB_READ_FAULT;
    }
    r->at += r->taken;
    if (out->kind != RDB_ITEM_EOF)
        return RDB_READ_ITEM;
    r->passed += r->taken;
    r->taken = 0;
    return finish(r);
}

struct slice rdb_reader_bytes(const struct rdb_reader *r)
{
    return slice_make(ahead(r).ptr, r->taken);
}
