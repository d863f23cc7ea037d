#include "server/aof_load.h"

#include "base/clock.h"
#include "base/log.h"
#include "os/file.h"
#include "server/server_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum {
    STAY_US = 1000,
    MAGIC_BYTES = 5
};

/* One file of the set. */
struct log_part {
    const char *name;
    char path[PATH_MAX];
    bool base, last;
};

struct loading {
    struct aof_load *load;
    const struct aof_set *set;
    struct replay *replay;
};

static PRINTF_LIKE(2, 3) enum err refuse(struct loading *x, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(x->load->fault, sizeof(x->load->fault), format, args);
    va_end(args);
    return ERR_SYNTAX;
}

static bool is_cancelled(const struct loading *x)
{
    const _Atomic bool *cancelled = x->load->rdb->cancelled;
    return cancelled && atomic_load_explicit(cancelled, memory_order_relaxed);
}

static void note_progress(struct loading *x, uint64_t at)
{
    struct rdb_load *r = x->load->rdb;
    atomic_store_explicit(&r->bytes_done, r->bytes_before + at, memory_order_relaxed);
}

/* ---- commands ---- */

/* Runs a unit, alone for a millisecond at a time. False: *unit is what stands behind the command
 * that cannot be run. */
static bool run_unit(struct loading *x, struct slice *unit)
{
    bool good = true;
    struct aof_load *l = x->load;
    while (good && unit->len && !is_cancelled(x)) {
        if (l->guest_count)
            guest_exclusive(&l->guests[0]);
        good = replay_some(x->replay, unit, clock_monotonic_us() + STAY_US);
        if (l->guest_count)
            guest_open(&l->guests[0]);
        if (l->rdb->delay_us && atomic_load(l->rdb->delay_us) > 0)
            usleep((useconds_t)MIN(atomic_load(l->rdb->delay_us), 1000 * 1000));
    }
    return good;
}

static enum err cut(struct loading *x, const struct log_part *f, const struct aof_fault *fault)
{
    int fd;
    log_warning("!!! Warning: short read while loading the AOF file %s!!!", f->name);
    log_warning("!!! Truncating the AOF %s at offset %" PRIu64 " !!! (offset %" PRIu64 ": %s)",
                f->name, fault->whole, fault->offset, fault->reason);
    x->load->truncated = true;
    if (!x->load->keep_files) {
        enum err err = file_append_to(f->path, fault->whole, &fd);
        if (!err) {
            err = file_sync(fd);
            file_drop(fd);
        }
        if (err)
            return refuse(x, "Error truncating the AOF file %s: %s", f->path, strerror(errno));
    }
    log_warning("AOF %s loaded anyway because aof-load-truncated is enabled", f->name);
    return OK;
}

static enum err torn(struct loading *x, const struct log_part *f, const struct aof_fault *fault)
{
    if (!f->last)
        return refuse(x,
                      "Fatal error: the truncated file is not the last file: %s, offset %" PRIu64
                      ": %s. The files are left as they are; 'tokamak-check aof' shows more.",
                      f->path, fault->offset, fault->reason);
    if (x->load->load_truncated)
        return cut(x, f, fault);
    return refuse(x,
                  "Unexpected end of file reading the append only file %s: offset %" PRIu64
                  ": %s. You can: 1) Make a backup of your AOF file, then use 'tokamak-check aof "
                  "--fix <filename.manifest>'. 2) Alternatively you can set the "
                  "'aof-load-truncated' configuration option to yes and restart the server.",
                  f->path, fault->offset, fault->reason);
}

static enum err damaged(struct loading *x, const struct log_part *f, const struct aof_fault *fault)
{
    return refuse(x,
                  "Bad file format reading the append only file %s: offset %" PRIu64
                  ": %s. The file is left as it is: make a backup of your AOF file, then use "
                  "'tokamak-check aof <filename.manifest>' to see what is whole (up to offset "
                  "%" PRIu64 ").",
                  f->path, fault->offset, fault->reason, fault->whole);
}

static void note_tail(struct loading *x, const struct log_part *f, const struct aof_reader *r,
                      bool is_torn)
{
    struct aof_tail *t = &x->load->tail;
    if (f->base)
        return;
    snprintf(t->name, sizeof(t->name), "%s", f->name);
    t->size = is_torn ? r->fault.whole : r->file.size;
    /* a torn part had whole units before it only: the last one ended with a mark, or had none */
    t->span_bytes = r->unit_span_bytes;
    t->crc = r->unit_span_crc;
}

static void report_errors(struct loading *x, const struct log_part *f, uint64_t before)
{
    uint64_t errors = replay_errors(x->replay) - before;
    if (errors)
        log_warning("AOF %s: %" PRIu64 " commands answered an error while they were loaded; the "
                    "first one: %s",
                    f->name, errors, replay_first_error(x->replay));
}

static enum err bad_command(struct loading *x, const struct log_part *f, uint64_t end)
{
    return refuse(x,
                  "Bad command reading the append only file %s: the one before offset %" PRIu64
                  ": %s. The file is left as it is: load it with the server that wrote it, or see "
                  "with 'tokamak-check aof <filename.manifest>' what it holds.",
                  f->path, end, replay_reason(x->replay));
}

static enum err load_commands(struct loading *x, const struct log_part *f, uint64_t offset)
{
    struct aof_reader r;
    struct slice unit;
    uint64_t errors = replay_errors(x->replay);
    enum aof_read got = AOF_READ_END;
    enum err err = aof_reader_init(&r, f->path, offset);
    if (err) {
        err = refuse(x, "Fatal error: can't open the append log file %s for reading: %s", f->path,
                     strerror(errno));
        aof_reader_deinit(&r);
        return err;
    }
    replay_begin_file(x->replay);
    while (!err && (got = aof_reader_next(&r, &unit)) == AOF_READ_UNIT) {
        uint64_t end = r.at + unit.len;
        if (!run_unit(x, &unit))
            err = bad_command(x, f, end - unit.len);
        if (is_cancelled(x))
            err = ERR_CLOSED;
        note_progress(x, end);
    }
    if (!err && got == AOF_READ_TORN)
        err = torn(x, f, &r.fault);
    else if (!err && got == AOF_READ_FAULT)
        err = damaged(x, f, &r.fault);
    if (!err)
        note_tail(x, f, &r, got == AOF_READ_TORN);
    report_errors(x, f, errors);
    aof_reader_deinit(&r);
    return err;
}

/* ---- data ---- */

static bool is_rdb(const char *path)
{
    char magic[MAGIC_BYTES];
    size_t len = 0;
    int fd;
    uint64_t size;
    if (file_open(path, &fd, &size) != OK)
        return false;
    enum err err = file_read(fd, magic, sizeof(magic), &len);
    file_drop(fd);
    return !err && len == sizeof(magic) &&
           (memcmp(magic, "REDIS", MAGIC_BYTES) == 0 || memcmp(magic, "VALKE", MAGIC_BYTES) == 0);
}

static enum err load_data(struct loading *x, const struct log_part *f, uint64_t *end)
{
    struct aof_load *l = x->load;
    log_notice("Reading RDB base file on AOF loading...");
    l->rdb->preamble = true;
    enum err err = l->guest_count ? rdb_load_shared(l->rdb, f->path, l->guests, l->guest_count)
                                  : rdb_load_alone(l->rdb, f->path, l->txn);
    *end = l->rdb->end;
    if (err == ERR_SYS)
        return refuse(x, "Fatal error: can't open the append log file %s for reading: %s", f->path,
                      strerror(errno));
    if (err == ERR_SYNTAX)
        return refuse(x,
                      "Error reading the RDB base file %s, AOF loading aborted: offset %" PRIu64
                      ": %s. The file is left as it is; 'tokamak-check rdb' shows what can be "
                      "saved.",
                      f->path, l->rdb->fault.offset, l->rdb->fault.reason);
    if (!err && l->server &&
        !persistence_join_functions(&l->server->persistence, l->guest_count ? &l->guests[0] : NULL,
                                    true))
        return refuse(x, "The functions of the RDB base file %s cannot be loaded.", f->path);
    return err;
}

/* ---- files ---- */

static enum err load_part(struct loading *x, const struct log_part *f)
{
    int64_t started_ms = clock_monotonic_ms();
    uint64_t offset = 0;
    enum err err = is_rdb(f->path) ? load_data(x, f, &offset) : OK;
    if (!err)
        err = load_commands(x, f, offset);
    if (!err)
        log_notice("DB loaded from %s file %s: %.3f seconds", f->base ? "base" : "incr", f->name,
                   (double)(clock_monotonic_ms() - started_ms) / 1000);
    return err;
}

static enum err name_part(struct loading *x, const char *name, struct log_part *out)
{
    out->name = name;
    if (aof_set_path(x->set, name, out->path) == OK)
        return OK;
    return refuse(x, "Fatal error: the path of the AOF file %s is too long", name);
}

/* How long a file is; it must be there. */
static enum err measure(struct loading *x, const char *name, uint64_t *size)
{
    struct log_part f;
    int fd;
    enum err err = name_part(x, name, &f);
    if (err)
        return err;
    if (file_open(f.path, &fd, size) != OK)
        return refuse(x,
                      "Fatal error: the manifest names the append log file %s, but it cannot be "
                      "opened: %s. Put it back, or restore the whole directory from a backup; "
                      "nothing has been changed.",
                      f.path, strerror(errno));
    file_drop(fd);
    return OK;
}

static enum err measure_all(struct loading *x)
{
    struct aof_load *l = x->load;
    const struct aof_manifest *m = &x->set->manifest;
    uint64_t size;
    enum err err = m->base.name ? measure(x, m->base.name, &l->base_bytes) : OK;
    l->bytes = l->base_bytes;
    for (size_t i = 0; i < m->incr.count && !err; i++) {
        err = measure(x, m->incr.items[i].name, &size);
        if (!err)
            l->bytes += size;
    }
    atomic_store(&l->rdb->bytes_total, l->bytes);
    return err;
}

static enum err load_parts(struct loading *x)
{
    struct log_part f = {.base = true};
    const struct aof_manifest *m = &x->set->manifest;
    enum err err = OK;
    size_t last = aof_set_last_with_data(x->set);
    f.last = !m->incr.count;
    if (m->base.name) {
        err = name_part(x, m->base.name, &f);
        if (!err)
            err = load_part(x, &f);
        x->load->rdb->bytes_before = x->load->base_bytes;
    }
    f.base = false;
    for (size_t i = 0; i < m->incr.count && !err; i++) {
        uint64_t size = 0;
        f.last = i >= last;
        err = measure(x, m->incr.items[i].name, &size);
        if (!err)
            err = name_part(x, m->incr.items[i].name, &f);
        if (!err)
            err = load_part(x, &f);
        x->load->rdb->bytes_before += size;
    }
    return err;
}

enum err aof_load(struct aof_load *l, const struct aof_set *set)
{
    struct loading x = {.load = l, .set = set};
    x.replay = replay_create(l->server, l->guest_count ? &l->guests[0].txn : l->txn);
    enum err err = measure_all(&x);
    if (!err)
        err = load_parts(&x);
    l->commands = replay_commands(x.replay);
    l->errors = replay_errors(x.replay);
    replay_destroy(x.replay);
    return err;
}
