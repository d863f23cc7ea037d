#include "persist/rdb_writer.h"

#include "base/assert.h"
#include "base/crc.h"
#include "base/le.h"
#include "os/file.h"
#include "persist/aof_mark.h"
#include "persist/aof_reader.h"
#include "persist/rdb_commands.h"
#include "store/access.h"
#include "store/rdb_members.h"

#include <errno.h>
#include <stdio.h>

enum {
    OUT_BYTES = 1 << 20,
    SYNC_BYTES = 32 << 20,
};

/* ---- items ---- */

static void put_opcode(struct buf *out, enum rdb_opcode opcode)
{
    buf_putc(out, (char)opcode);
}

void rdb_put_select(struct buf *out, int db)
{
    put_opcode(out, RDB_OP_SELECT);
    rdb_put_len(out, (uint64_t)db);
}

/* As Redis: what the eviction policy in force goes by. */
static void put_access(struct buf *out, const struct entry *e, int64_t now_ms)
{
    enum maxmemory_policy policy = store_settings.maxmemory_policy;
    if (access_is_lfu()) {
        put_opcode(out, RDB_OP_FREQUENCY);
        buf_putc(out, (char)access_frequency(e, now_ms));
    } else if (policy == POLICY_ALLKEYS_LRU || policy == POLICY_VOLATILE_LRU) {
        put_opcode(out, RDB_OP_IDLE);
        rdb_put_len(out, access_idle_s(e, now_ms));
    }
}

static void put_attributes(struct buf *out, const struct entry *e, int64_t now_ms)
{
    if (entry_expires(e)) {
        put_opcode(out, RDB_OP_EXPIRE_MS);
        le_store64(buf_reserve(out, 8), (uint64_t)entry_expire_ms(e));
        buf_advance(out, 8);
    }
    put_access(out, e, now_ms);
}

void rdb_put_entry_head(struct buf *out, const struct entry *e, int64_t now_ms)
{
    put_attributes(out, e, now_ms);
    buf_putc(out, RDB_STRING);
    rdb_put_text(out, entry_key(e));
}

static void put_property(struct buf *out, const char *name, struct slice value)
{
    put_opcode(out, RDB_OP_AUX);
    rdb_put_text(out, slice_cstr(name));
    rdb_put_text(out, value);
}

/* Others load the collection and skip what they have no place for. */
COLD static void put_members(struct buf *out, const struct entry *e)
{
    struct buf times;
    buf_init(&times, MEM_OTHER);
    if (rdb_members_write(&times, e))
        put_property(out, RDB_PROPERTY_MEMBERS, buf_slice(&times));
    buf_deinit(&times);
}

bool rdb_put_entry(struct buf *out, const struct entry *e, int64_t now_ms, unsigned version)
{
    size_t begin = buf_len(out);
    if (unlikely(e->flags & ENTRY_MEMBERS_EXPIRE) &&
        !rdb_value_keeps_members(entry_type(e), version))
        put_members(out, e);
    put_attributes(out, e, now_ms);
    size_t type_at = buf_len(out); /* the type stands before the key, the value writes it behind */
    buf_putc(out, 0);
    rdb_put_text(out, entry_key(e));
    size_t value_at = buf_len(out);
    if (!rdb_value_write(out, e, version)) {
        out->end = out->begin + begin;
        return false;
    }
    char *bytes = buf_ptr(out);
    bytes[type_at] = bytes[value_at];
    size_t rest = buf_len(out) - value_at - 1;
    memmove(bytes + value_at, bytes + value_at + 1, rest);
    out->end--;
    return true;
}

void rdb_put_database(struct buf *out, int db, uint64_t keys, uint64_t expires)
{
    rdb_put_select(out, db);
    put_opcode(out, RDB_OP_RESIZE);
    rdb_put_len(out, keys);
    rdb_put_len(out, expires);
}

static void put_number(struct buf *out, const char *name, int64_t value)
{
    char digits[NUM_INT64_MAX_LEN];
    put_property(out, name, slice_make(digits, num_format_int64(digits, value)));
}

/* ---- the file ---- */

static bool failed(struct rdb_writer *w, enum err err)
{
    if (err && !w->error)
        w->error = errno ? errno : EIO;
    return w->error != 0;
}

static enum err paths(struct rdb_writer *w, const char *directory, const char *prefix,
                      const char *name)
{
    int a = snprintf(w->path, sizeof(w->path), "%s/%s", directory, name);
    int b = snprintf(w->temporary, sizeof(w->temporary), "%s/temp-%s%s", directory, prefix, name);
    if (MAX(a, b) < (int)sizeof(w->path))
        return OK;
    errno = ENAMETOOLONG;
    return ERR_SYS;
}

enum err rdb_writer_init(struct rdb_writer *w, const char *directory, const char *prefix,
                         const char *name, const struct rdb_options *options)
{
    *w = (struct rdb_writer){.options = *options, .fd = -1, .db = -1};
    buf_init(&w->out, MEM_OTHER);
    enum err err = paths(w, directory, prefix, name);
    if (!err)
        err = file_create(w->temporary, &w->fd);
    failed(w, err);
    return err;
}

/* Ends a batch of commands. */
static void put_mark(struct rdb_writer *w)
{
    size_t len = buf_len(&w->out);
    w->crc = crc32c((uint32_t)w->crc, buf_slice(&w->out).ptr, len);
    char *mark = buf_reserve(&w->out, AOF_MARK_BYTES);
    buf_advance(&w->out, aof_mark_format(mark, (struct aof_mark){len, (uint32_t)w->crc}));
}

static void write_out(struct rdb_writer *w)
{
    if (w->options.as_commands && !w->options.unmarked)
        put_mark(w);
    size_t len = buf_len(&w->out);
    if (!w->error) {
        if (w->options.checksum && !w->options.as_commands)
            w->crc = crc64(w->crc, buf_ptr(&w->out), len);
        failed(w, file_write(w->fd, buf_ptr(&w->out), len));
        w->written += len;
    }
    buf_clear(&w->out);
    buf_shrink(&w->out, 4 * OUT_BYTES);
    if (w->options.sync_often && w->written - w->synced >= SYNC_BYTES && !w->error) {
        failed(w, file_sync(w->fd));
        w->synced = w->written;
    }
}

void rdb_writer_flush(struct rdb_writer *w)
{
    if (buf_len(&w->out) >= OUT_BYTES)
        write_out(w);
}

void rdb_writer_head(struct rdb_writer *w, const struct rdb_head *head)
{
    struct buf *out = &w->out;
    if (w->options.as_commands) {
        write_out(w); /* the mark that says that there will be marks */
        rdb_writer_items(w, head->functions);
        return;
    }
    rdb_magic_write(out, w->options.version);
    put_property(out, "redis-ver", slice_cstr(head->server_version));
    put_number(out, "redis-bits", (int64_t)sizeof(void *) * 8);
    put_number(out, "ctime", head->now_s);
    put_number(out, "used-mem", (int64_t)head->used_memory);
    put_number(out, "aof-base", head->is_base);
    put_property(out, "tokamak-ver", SLICE(TOKAMAK_VERSION));
    buf_append(out, head->functions.ptr, head->functions.len);
}

void rdb_writer_database(struct rdb_writer *w, int db, uint64_t keys, uint64_t expires)
{
    if (w->options.as_commands)
        aof_put_select(&w->out, db);
    else
        rdb_put_database(&w->out, db, keys, expires);
    w->db = db;
}

static void put_commands(struct rdb_writer *w, struct slice items)
{
    struct rdb_item item;
    struct rdb_skipper s = rdb_skipper_make(rdb_in_make(items));
    while (s.in.left && !w->error) {
        bool good = rdb_item_read(&s, &item) && rdb_item_commands(&w->out, &item);
        ASSERT(good); /* somebody here has just encoded it */
        rdb_writer_flush(w);
    }
}

/* Through the form that it has in an RDB file: one way for all. */
static bool put_entry_as_commands(struct rdb_writer *w, const struct entry *e, int64_t now_ms)
{
    struct buf item;
    buf_init(&item, MEM_OTHER);
    bool written = rdb_put_entry(&item, e, now_ms, RDB_VERSION_EXPIRING);
    if (written)
        put_commands(w, buf_slice(&item));
    buf_deinit(&item);
    return written;
}

bool rdb_writer_entry(struct rdb_writer *w, int db, const struct entry *e, int64_t now_ms)
{
    if (w->db != db && w->options.as_commands)
        aof_put_select(&w->out, db);
    else if (w->db != db)
        rdb_put_select(&w->out, db);
    w->db = db;
    if (w->options.as_commands)
        return put_entry_as_commands(w, e, now_ms);
    return rdb_put_entry(&w->out, e, now_ms, w->options.version);
}

void rdb_writer_items(struct rdb_writer *w, struct slice items)
{
    if (w->options.as_commands)
        put_commands(w, items);
    else
        buf_append(&w->out, items.ptr, items.len);
    w->db = -1;
}

static void finish(struct rdb_writer *w)
{
    if (w->options.as_commands) {
        write_out(w);
        return;
    }
    put_opcode(&w->out, RDB_OP_EOF);
    write_out(w);
    le_store64(buf_reserve(&w->out, RDB_CHECKSUM_BYTES), w->options.checksum ? w->crc : 0);
    buf_advance(&w->out, RDB_CHECKSUM_BYTES);
    write_out(w);
}

void rdb_writer_seal(struct rdb_writer *w)
{
    if (w->fd < 0)
        return;
    if (!w->error)
        finish(w);
    if (!w->error)
        failed(w, file_sync(w->fd));
    failed(w, file_close(w->fd));
    w->fd = -1;
}

void rdb_writer_place(struct rdb_writer *w)
{
    rdb_writer_seal(w);
    if (w->error || !*w->temporary)
        return;
    failed(w, file_rename(w->temporary, w->path));
    if (!w->error)
        *w->temporary = 0;
}

enum err rdb_writer_commit(struct rdb_writer *w)
{
    rdb_writer_place(w);
    if (!w->error)
        failed(w, file_sync_name(w->path));
    errno = w->error;
    return w->error ? ERR_SYS : OK;
}

void rdb_writer_deinit(struct rdb_writer *w)
{
    if (w->fd >= 0)
        file_drop(w->fd);
    w->fd = -1;
    if (*w->temporary) /* not committed */
        file_remove(w->temporary);
    buf_deinit(&w->out);
}
