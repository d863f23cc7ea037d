/* aof_files.c: the files of the log at the start: found, loaded, opened, or made. */
#include "base/clock.h"
#include "base/log.h"
#include "os/file.h"
#include "persist/rdb_save.h"
#include "server/persistence_internal.h"
#include "server/server_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

void aof_init(struct aof *a)
{
    memset(a, 0, sizeof(*a));
    atomic_store(&a->last_ok, true);
    atomic_store(&a->rewrite_started_s, -1);
    atomic_store(&a->last_took_s, -1);
}

void aof_deinit(struct aof *a)
{
    aof_set_deinit(&a->set);
}

/* ---- what is there ---- */

static enum err name_set(struct aof *a, char *parent)
{
    if (!getcwd(parent, PATH_MAX) || aof_set_init(&a->set, parent, server_settings.appenddirname,
                                                  server_settings.appendfilename) != OK) {
        log_warning("Fatal error: the path of the append-only directory: %s", strerror(errno));
        return ERR_SYS;
    }
    return OK;
}

static enum err read_set(struct aof *a)
{
    struct aof_manifest_fault fault;
    enum err err = aof_set_read(&a->set, &fault);
    if (err == ERR_SYNTAX)
        log_warning(
            "*** FATAL AOF MANIFEST FILE ERROR *** %s/%s.manifest, line %u: %s. Nothing has "
            "been changed: put a whole manifest there, or restore the directory from a "
            "backup.",
            a->set.directory, a->set.name, fault.line, fault.reason);
    else if (err)
        log_warning("Fatal error: can't open the AOF manifest file %s/%s.manifest for reading: %s. "
                    "Nothing has been changed: make the file and its directory readable, or move "
                    "them away to start without data.",
                    a->set.directory, a->set.name, strerror(errno));
    return err ? ERR_SYS : OK;
}

enum err aof_name_and_read(struct aof *a)
{
    char parent[PATH_MAX];
    enum err err = name_set(a, parent);
    if (!err)
        err = read_set(a);
    a->named = !err;
    return err;
}

static enum err find_old(struct aof *a, const char *parent)
{
    if (aof_set_find_old(&a->set, parent) == OK)
        return OK;
    log_warning("Fatal error: the path of the old AOF file %s: %s", a->set.name, strerror(errno));
    return ERR_SYS;
}

/* Only what could be loaded changes its place. */
static enum err take_old(struct aof *a)
{
    if (!*a->set.old)
        return OK;
    if (aof_set_take_old(&a->set) != OK) {
        log_warning("Error trying to move the old AOF file %s into dir %s: %s. Nothing has been "
                    "lost; make room, or the directory writable, and start again.",
                    a->set.name, a->set.directory, strerror(errno));
        return ERR_SYS;
    }
    log_notice("Successfully migrated an old-style AOF file (%s) into the AOF directory (%s).",
               a->set.name, server_settings.appenddirname);
    return OK;
}

static enum err cannot_make(const struct aof *a, const char *what)
{
    const char *advice = errno == ENOSPC || errno == EDQUOT ? "Make room on the disk"
                                                            : "Make the directory writable";
    log_warning("Can't open or create append-only %s in %s: %s. Nothing that was there has been "
                "changed. %s, or choose another place with 'dir' and 'appenddirname'.",
                what, a->set.directory, strerror(errno), advice);
    return ERR_SYS;
}

enum err aof_start(struct persistence *p, bool *exists)
{
    char parent[PATH_MAX];
    struct aof *a = &p->aof;
    a->load_truncated = server_settings.aof_load_truncated;
    *exists = true;
    enum err err = name_set(a, parent);
    if (!err)
        err = read_set(a);
    a->named = !err;
    if (!err)
        err = find_old(a, parent);
    if (!err && aof_manifest_is_empty(&a->set.manifest)) {
        *exists = false;
        err = aof_open(p);
    }
    return err;
}

/* ---- opening ---- */

/* A base of what is in memory, which is nothing: redis-server wants one. */
static enum err make_base(struct persistence *p, struct aof_manifest *next)
{
    struct aof *a = &p->aof;
    char name[NAME_MAX + 1];
    struct rdb_writer *w = mem_alloc(MEM_OTHER, sizeof(*w));
    struct buf nothing;
    buf_init(&nothing, MEM_OTHER);
    struct rdb_head head = persistence_head(&nothing);
    struct rdb_options options = {.version = (unsigned)server_settings.rdb_version,
                                  .checksum = server_settings.rdb_checksum};
    enum err err = aof_set_base_name(&a->set, next->base_seq + 1, true, name) ? OK : ERR_LIMIT;
    if (!err) {
        head.is_base = true;
        err = rdb_writer_init(w, a->set.directory, "", name, &options);
        if (!err)
            err = rdb_save(p->server->ks, w, &head, clock_wall_ms());
        int error = w->error;
        rdb_writer_deinit(w);
        errno = error;
    }
    mem_free(MEM_OTHER, w, sizeof(*w));
    if (err)
        return cannot_make(a, "base file");
    log_notice("Creating AOF base file %s on server start", name);
    aof_manifest_set_base(next, name, next->base_seq + 1);
    return OK;
}

static enum err make_incr(struct aof *a, struct aof_manifest *next)
{
    uint64_t size, seq = next->incr_seq + 1;
    a->tail = (struct aof_tail){.name = ""};
    if (!aof_set_incr_name(&a->set, seq, a->tail.name) ||
        aof_set_create_incr(&a->set, a->tail.name, &size) != OK)
        return cannot_make(a, "incr file");
    log_notice("Creating AOF incr file %s on server start", a->tail.name);
    a->tail.size = size;
    aof_manifest_add_incr(next, a->tail.name, seq);
    return OK;
}

/* What the set lacks to be appended to. */
static enum err complete(struct persistence *p)
{
    struct aof *a = &p->aof;
    struct aof_manifest next;
    aof_manifest_copy(&next, &a->set.manifest);
    enum err err = aof_set_make_directory(&a->set);
    if (err)
        err = cannot_make(a, "dir");
    else if (aof_manifest_is_empty(&next))
        err = make_base(p, &next);
    if (!err && !*a->tail.name)
        err = make_incr(a, &next);
    if (!err && aof_set_write(&a->set, &next) != OK)
        err = cannot_make(a, "manifest");
    aof_manifest_deinit(&next);
    return err;
}

enum err aof_open(struct persistence *p)
{
    struct aof *a = &p->aof;
    bool found = *a->tail.name;
    if (!found && complete(p) != OK)
        return ERR_SYS;
    if (found)
        log_notice("Opening AOF incr file %s on server start", a->tail.name);
    aof_set_remove_history(&a->set);
    return OK;
}

/* ---- loading ---- */

static void keep_figures(struct aof *a, const struct aof_load *l)
{
    a->tail = l->tail;
    atomic_store(&a->base_bytes, l->base_bytes);
    atomic_store(&a->old_bytes, l->bytes - MIN(l->tail.size, l->bytes));
}

enum err aof_load_and_open(struct persistence *p)
{
    int64_t started_ms = clock_monotonic_ms();
    struct aof_load *l = mem_zalloc(MEM_OTHER, sizeof(*l));
    *l = (struct aof_load){.server = p->server,
                           .guests = p->loaders,
                           .guest_count = p->loader_count,
                           .rdb = &p->load,
                           .load_truncated = p->aof.load_truncated};
    enum err err = aof_load(l, &p->aof.set);
    if (err == ERR_SYNTAX)
        log_warning("%s", l->fault);
    if (!err) {
        log_notice("DB loaded from append only file: %.3f seconds",
                   (double)(clock_monotonic_ms() - started_ms) / 1000);
        keep_figures(&p->aof, l);
        err = take_old(&p->aof);
        if (!err)
            err = aof_open(p);
    }
    mem_free(MEM_OTHER, l, sizeof(*l));
    return err;
}

/* The set as it is on disk; the thread's own copy may be changing. ERR_MISSING: there is none. */
static enum err read_again(struct persistence *p, struct aof_set *set)
{
    char parent[PATH_MAX];
    struct aof_manifest_fault fault;
    enum err err = OK;
    if (!p->aof.named) {
        err = getcwd(parent, sizeof(parent)) ? OK : ERR_SYS;
        if (!err)
            err = aof_set_init(set, parent, server_settings.appenddirname,
                               server_settings.appendfilename);
    } else {
        snprintf(set->directory, sizeof(set->directory), "%s", p->aof.set.directory);
        snprintf(set->name, sizeof(set->name), "%s", p->aof.set.name);
    }
    if (!err && server_settings.appendonly)
        err = aof_log_flush(&p->log) ? OK : ERR_SYS;
    if (!err)
        err = aof_set_read(set, &fault);
    return !err && aof_manifest_is_empty(&set->manifest) ? ERR_MISSING : err;
}

enum err aof_reload(struct persistence *p, struct txn *t)
{
    struct aof_load *l = mem_zalloc(MEM_OTHER, sizeof(*l));
    struct aof_set *set = mem_zalloc(MEM_OTHER, sizeof(*set));
    struct rdb_load rdb = {.verify = server_settings.rdb_checksum};
    struct db *db = t->db;
    *l = (struct aof_load){.server = p->server,
                           .txn = t,
                           .rdb = &rdb,
                           .load_truncated = server_settings.aof_load_truncated,
                           .keep_files = true};
    enum err err = read_again(p, set);
    if (!err) {
        p->aof.reloading = true;
        txn_flush(t, -1, false);
        err = aof_load(l, set);
        p->aof.reloading = false;
        log_warning("%s", err ? l->fault : "Append Only File loaded by DEBUG LOADAOF");
    }
    t->db = db;
    aof_set_deinit(set);
    mem_free(MEM_OTHER, set, sizeof(*set));
    mem_free(MEM_OTHER, l, sizeof(*l));
    return err;
}
