#include "tools/check_aof.h"

#include "base/crc.h"
#include "base/hash.h"
#include "os/file.h"
#include "persist/aof_mark.h"
#include "persist/aof_reader.h"
#include "persist/aof_scan.h"
#include "persist/aof_set.h"
#include "persist/rdb_reader.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include <sys/stat.h>

#include "tools/progress.h"

#define MANIFEST_END ".manifest"

/* A place to cut at, with the mark that the last batch needs then. */
struct cut {
    bool found;
    uint64_t offset;
    struct aof_mark mark;
    bool marked;
};

/* What the files of a log have shown of a time that was asked for. */
struct times {
    bool cut; /* the last one was cut there */
    bool stamped;
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

static enum check_status cannot(const char *path)
{
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return CHECK_USAGE;
}

/* ---- data in front ---- */

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
        status = cannot(c->path);
    else if (err)
        status = wrong(c, r.fault.offset, r.fault.reason);
    else
        status = read_items(c, &r);
    rdb_reader_deinit(&r);
    return status;
}

/* ---- commands ---- */

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

/* ---- repairs ---- */

static enum check_status cut_file(const struct check *c, uint64_t size, const struct aof_mark *mark)
{
    char line[AOF_MARK_BYTES];
    int fd;
    enum err err = file_append_to(c->path, size, &fd);
    if (err)
        return cannot(c->path);
    if (mark)
        err = file_write(fd, line, aof_mark_format(line, *mark));
    if (!err)
        err = file_sync(fd);
    if (err) {
        file_drop(fd);
        return cannot(c->path);
    }
    return file_close(fd) == OK ? CHECK_GOOD : cannot(c->path);
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

/* ---- files ---- */

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

static enum check_status check_file(const char *path, const struct check_aof_options *options,
                                    bool last, struct times *times)
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
            status = cannot(path);
        }
        aof_reader_deinit(&c.reader);
    }
    times->cut = c.cut.found;
    times->stamped |= c.first_s != 0;
    printf("%s: %s\n", path, status == CHECK_GOOD ? "OK" : "NOT GOOD");
    return status;
}

/* Who asked for a cut must not take silence for one. */
static enum check_status tell_uncut(const char *path, const struct check_aof_options *options,
                                    const struct times *times, enum check_status status)
{
    if (!options->to_time || times->cut || status != CHECK_GOOD)
        return status;
    if (times->stamped) {
        printf("%s: nothing is cut: nothing happened after %" PRId64 "\n", path, options->time_s);
        return CHECK_GOOD;
    }
    printf("%s: nothing is cut: there are no time stamps (aof-timestamp-enabled)\n", path);
    return CHECK_BAD;
}

/* ---- sets ---- */

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len > end_len && strcmp(text + len - end_len, end) == 0;
}

static bool find_in_directory(const char *path, char *name)
{
    int found = 0;
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));)
        if (ends_with(e->d_name, MANIFEST_END) && strncmp(e->d_name, "temp-", 5) != 0) {
            snprintf(name, NAME_MAX + 1, "%s", e->d_name);
            found++;
        }
    if (d)
        closedir(d);
    return found == 1;
}

bool check_find_set(const char *path, char *directory, char *name)
{
    const char *slash = strrchr(path, '/');
    if (is_directory(path)) {
        snprintf(directory, PATH_MAX, "%s", path);
        if (!find_in_directory(path, name))
            return false;
    } else if (ends_with(path, MANIFEST_END)) {
        snprintf(directory, PATH_MAX, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
        snprintf(name, NAME_MAX + 1, "%s", slash ? slash + 1 : path);
    } else {
        return false;
    }
    name[strlen(name) - strlen(MANIFEST_END)] = 0;
    return true;
}

/* The manifest ends with the file that was cut; those behind it stay where they are, unnamed. */
static enum check_status end_with(struct aof_set *s, size_t incr_kept)
{
    struct aof_manifest next;
    if (incr_kept == s->manifest.incr.count)
        return CHECK_GOOD;
    aof_manifest_copy(&next, &s->manifest);
    aof_manifest_cut(&next, incr_kept);
    enum err err = aof_set_write(s, &next);
    aof_manifest_deinit(&next);
    if (err)
        return cannot(s->directory);
    printf("%s: the manifest names no file behind it any more\n", s->directory);
    return CHECK_GOOD;
}

static enum check_status check_files(struct aof_set *s, const struct check_aof_options *options)
{
    char path[PATH_MAX];
    struct times times = {false, false};
    size_t last = aof_set_last_with_data(s);
    const struct aof_manifest *m = &s->manifest;
    enum check_status status = CHECK_GOOD;
    if (m->base.name) {
        if (aof_set_path(s, m->base.name, path) != OK)
            return cannot(m->base.name);
        status = check_file(path, options, !m->incr.count, &times);
        if (times.cut)
            return status == CHECK_GOOD ? end_with(s, 0) : status;
    }
    for (size_t i = 0; i < m->incr.count && status == CHECK_GOOD; i++) {
        if (aof_set_path(s, m->incr.items[i].name, path) != OK)
            return cannot(m->incr.items[i].name);
        status = check_file(path, options, i >= last, &times);
        if (times.cut)
            return status == CHECK_GOOD ? end_with(s, i + 1) : status;
    }
    return tell_uncut(s->directory, options, &times, status);
}

static enum check_status check_set(const char *path, const char *directory, const char *name,
                                   const struct check_aof_options *options)
{
    struct aof_manifest_fault fault;
    struct aof_set *s = mem_zalloc(MEM_OTHER, sizeof(*s));
    enum check_status status = CHECK_GOOD;
    enum err err = aof_set_init(s, directory, "", name);
    if (!err)
        err = aof_set_read(s, &fault);
    if (err == ERR_SYNTAX) {
        printf("%s: line %u: %s\n", path, fault.line, fault.reason);
        status = CHECK_BAD;
    } else if (err) {
        status = cannot(path);
    } else if (aof_manifest_is_empty(&s->manifest)) {
        printf("%s: names no file\n", path);
        status = CHECK_BAD;
    } else {
        status = check_files(s, options);
        printf("%s: %s\n", path, status == CHECK_GOOD ? "OK" : "NOT GOOD");
    }
    aof_set_deinit(s);
    mem_free(MEM_OTHER, s, sizeof(*s));
    return status;
}

enum check_status check_aof(const char *path, const struct check_aof_options *options)
{
    char directory[PATH_MAX], name[NAME_MAX + 1];
    struct times times = {false, false};
    hash_seed(NULL);
    if (check_find_set(path, directory, name))
        return check_set(path, directory, name, options);
    if (is_directory(path)) {
        fprintf(stderr, "%s: there is no manifest, or more than one\n", path);
        return CHECK_USAGE;
    }
    if (access(path, R_OK) != 0)
        return cannot(path);
    enum check_status status = check_file(path, options, true, &times);
    return tell_uncut(path, options, &times, status);
}
