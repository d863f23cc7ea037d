/* check_aof_file.c: one file of a log: the data in front, the commands, and what is cut. */
#include "tools/check_aof_file.h"

#include "base/crc.h"
#include "os/file.h"
#include "persist/aof_mark.h"
#include "persist/aof_reader.h"
#include "persist/aof_scan.h"
#include "persist/rdb_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "tools/progress.h"

/* A place to cut at, with the mark that the last batch needs then. */
struct cut {
    bool found;
    uint64_t offset;
    struct aof_mark mark;
    bool marked;
};

struct check {
    const char *path;
    const struct check_aof_options *options;
    bool last; /* of its set */
    struct aof_reader reader;
    uint64_t data_bytes; /* of an RDB preamble */
    uint64_t units, commands, transactions;
    int64_t first_s, last_s; /* stamps, 0: none */
    struct cut cut;
    struct progress progress;
};

static enum check_status wrong(const struct check *c, uint64_t offset, const char *reason)
{
    printf("%s: offset %" PRIu64 ": %s\n", c->path, offset, reason);
    return CHECK_BAD;
}

enum check_status check_cannot(const char *path)
{
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return CHECK_USAGE;
}

static enum check_status read_items(struct check *c, struct rdb_reader *r)
{
    struct rdb_item item;
    struct rdb_value v;
    uint64_t keys = 0;
    enum rdb_read got;
    while ((got = rdb_reader_next(r, &item)) == RDB_READ_ITEM) {
        if (item.kind != RDB_ITEM_KEY)
            continue;
        keys++;
        if (!rdb_item_value(&item, &v))
            return wrong(c, r->at, "the value of a key before is damaged or cannot be held");
        rdb_value_deinit(&v);
    }
    if (got == RDB_READ_FAULT)
        return wrong(c, r->fault.offset, r->fault.reason);
    c->data_bytes = r->at;
    printf("  data: RDB version %u, %" PRIu64 " keys, %" PRIu64 " bytes\n", r->version, keys,
           r->at);
    return CHECK_GOOD;
}

static bool begins_with_data(const char *path)
{
    char magic[RDB_MAGIC_BYTES];
    int fd;
    uint64_t size;
    size_t len = 0;
    if (file_open(path, &fd, &size) != OK)
        return false;
    enum err err = file_read(fd, magic, sizeof(magic), &len);
    file_drop(fd);
    return !err && rdb_magic_version(slice_make(magic, len));
}

static enum check_status check_data(struct check *c)
{
    struct rdb_reader r;
    enum check_status status = CHECK_GOOD;
    if (!begins_with_data(c->path))
        return CHECK_GOOD;
    enum err err = rdb_reader_init(&r, c->path, true);
    r.preamble = true;
    if (err == ERR_SYS)
        status = check_cannot(c->path);
    else if (err)
        status = wrong(c, r.fault.offset, r.fault.reason);
    else
        status = read_items(c, &r);
    rdb_reader_deinit(&r);
    return status;
}

/* `from`: where a cut before the line or transaction would be, in the unit. */
static void note_stamp(struct check *c, struct slice line, struct slice unit, size_t from,
                       const struct aof_mark *before)
{
    int64_t stamp_s;
    if (!aof_stamp_read(line, &stamp_s))
        return;
    if (!c->first_s)
        c->first_s = stamp_s;
    c->last_s = stamp_s;
    if (!c->options->to_time || c->cut.found || stamp_s <= c->options->time_s)
        return;
    c->cut = (struct cut){.found = true,
                          .offset = c->reader.at + from,
                          .marked = c->reader.any_mark && before->bytes + from > 0,
                          .mark = {before->bytes + from, crc32c(before->crc, unit.ptr, from)}};
}

static void look_at_unit(struct check *c, struct slice unit, const struct aof_mark *before)
{
    struct aof_scan s;
    size_t at = 0, multi_at = SIZE_MAX;
    c->units++;
    while (at < unit.len) {
        struct slice rest = slice_make(unit.ptr + at, unit.len - at);
        enum aof_scan_result got = aof_scan(rest, rest.len, &s);
        if (got == AOF_SCAN_LINE) {
            note_stamp(c, s.name, unit, MIN(at, multi_at), before);
        } else {
            c->commands++;
            bool multi = s.argc == 1 && slice_is(s.name, "multi");
            c->transactions += multi;
            if (multi)
                multi_at = at;
            else if (s.argc == 1 && slice_is(s.name, "exec"))
                multi_at = SIZE_MAX;
        }
        at += s.len;
    }
}

static enum aof_read read_units(struct check *c)
{
    struct aof_reader *r = &c->reader;
    struct slice unit;
    struct aof_mark before = {0, 0};
    enum aof_read got;
    while ((got = aof_reader_next(r, &unit)) == AOF_READ_UNIT) {
        look_at_unit(c, unit, &before);
        before = (struct aof_mark){r->unit_span_bytes, r->unit_span_crc};
        progress_show(&c->progress, r->at, r->file.size, c->commands);
    }
    progress_end(&c->progress);
    return got;
}

static void describe(const struct check *c)
{
    printf("  commands: %" PRIu64 ", of them transactions: %" PRIu64 "\n", c->commands,
           c->transactions);
    printf("  checksums: %s\n", c->reader.any_mark ? "yes" : "none");
    if (c->first_s)
        printf("  time stamps: %" PRId64 " to %" PRId64 "\n", c->first_s, c->last_s);
}

static enum check_status cut_file(const struct check *c, uint64_t size, const struct aof_mark *mark)
{
    char line[AOF_MARK_BYTES];
    int fd;
    enum err err = file_append_to(c->path, size, &fd);
    if (err)
        return check_cannot(c->path);
    if (mark)
        err = file_write(fd, line, aof_mark_format(line, *mark));
    if (!err)
        err = file_sync(fd);
    if (err) {
        file_drop(fd);
        return check_cannot(c->path);
    }
    return file_close(fd) == OK ? CHECK_GOOD : check_cannot(c->path);
}

static enum check_status cut_torn(const struct check *c)
{
    const struct aof_fault *f = &c->reader.fault;
    printf("%s: torn: the last %" PRIu64 " bytes, from offset %" PRIu64 " on, are no whole write\n",
           c->path, c->reader.file.size - f->whole, f->whole);
    if (!c->last) {
        printf("%s: other files follow, so it is not the end that is torn: nothing is repaired\n",
               c->path);
        return CHECK_BAD;
    }
    if (!c->options->fix) {
        printf("%s: --fix cuts them off\n", c->path);
        return CHECK_BAD;
    }
    if (cut_file(c, f->whole, NULL) != CHECK_GOOD)
        return CHECK_USAGE;
    printf("%s: repaired: cut at offset %" PRIu64 "\n", c->path, f->whole);
    return CHECK_BAD;
}

static enum check_status cut_at_time(const struct check *c)
{
    const struct cut *cut = &c->cut;
    if (cut_file(c, cut->offset, cut->marked ? &cut->mark : NULL) != CHECK_GOOD)
        return CHECK_USAGE;
    printf("%s: cut at offset %" PRIu64 ": what follows happened after %" PRId64 "\n", c->path,
           cut->offset, c->options->time_s);
    return CHECK_GOOD;
}

static enum check_status judge(struct check *c, enum aof_read end)
{
    if (c->cut.found)
        return cut_at_time(c);
    if (end == AOF_READ_END)
        return CHECK_GOOD;
    wrong(c, c->reader.fault.offset, c->reader.fault.reason);
    if (end == AOF_READ_TORN)
        return cut_torn(c);
    printf("%s: damaged in the middle: what follows offset %" PRIu64
           " cannot be trusted, and is not cut off. Restore the file from a backup.\n",
           c->path, c->reader.fault.whole);
    return CHECK_BAD;
}

enum check_status check_aof_file(const char *path, const struct check_aof_options *options,
                                 bool last, struct check_times *times)
{
    struct check c = {.path = path, .options = options, .last = last};
    progress_init(&c.progress, "commands");
    printf("%s\n", path);
    enum check_status status = check_data(&c);
    if (status == CHECK_GOOD) {
        if (aof_reader_init(&c.reader, path, c.data_bytes) == OK) {
            enum aof_read end = read_units(&c);
            describe(&c);
            status = judge(&c, end);
        } else {
            status = check_cannot(path);
        }
        aof_reader_deinit(&c.reader);
    }
    times->cut = c.cut.found;
    times->stamped |= c.first_s != 0;
    printf("%s: %s\n", path, status == CHECK_GOOD ? "OK" : "NOT GOOD");
    return status;
}
