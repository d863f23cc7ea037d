/* aof_rewrite.c: a new base takes the place of the old files.
 *
 * 1. A new incremental file is made, and the manifest names it behind the old ones.
 * 2. Alone: the log switches to it, and a snapshot begins.
 * 3. The snapshot becomes a new base.
 * 4. A manifest with the new base and the new incremental file takes the place of the old one: now
 *    the new set counts. The old files are history and are removed.
 * A failure before 4. leaves the old set, which the new incremental file has continued. After a
 * failed sync, and when the log is only being turned on, the old files and the new one do not
 * belong together: then no manifest names the new one before 4. */
#include "base/clock.h"
#include "base/log.h"
#include "os/file.h"
#include "server/effects_file.h"
#include "server/latency_monitor.h"
#include "server/persistence_internal.h"
#include "server/persistence_log.h"
#include "server/server_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum {
    RETRY_MS = 1000,     /* after a failure; twice as long after each more … */
    RETRY_DOUBLINGS = 6, /* … up to a minute */
    CLOSING_US = 1000,
    PERCENT = 100
};

struct rewrite {
    struct persistence *p;
    struct aof_file file; /* the new incremental one; fd -1: none */
    uint64_t seq;         /* its number; 0: none */
    bool logs;            /* there is a log, or there will be */
    bool named;           /* the manifest on disk has the new file */
    bool rdb;             /* the form of the base */
    bool begun;           /* the log writes to the new file */
    bool keeps_history;
    char base[NAME_MAX + 1], incr[NAME_MAX + 1];
};

static bool failed(const char *what, const char *name)
{
    log_warning("Background AOF rewrite: %s %s: %s", what, name, strerror(errno));
    return false;
}

/* ---- 1. ---- */

/* What stands on disk, unless we know: the log was off so far. */
static bool know_set(struct rewrite *r)
{
    struct aof *a = &r->p->aof;
    if (!a->named && aof_name_and_read(a) != OK)
        return false;
    a->newest_seq = MAX(a->newest_seq, a->set.manifest.incr_seq);
    if (aof_set_make_directory(&a->set) != OK)
        return failed("Can't open or create append-only dir", a->set.directory);
    return true;
}

static bool name_incr(struct rewrite *r)
{
    struct aof_manifest next;
    struct aof *a = &r->p->aof;
    aof_manifest_copy(&next, &a->set.manifest);
    aof_manifest_add_incr(&next, r->incr, r->seq);
    r->named = aof_set_write(&a->set, &next) == OK;
    aof_manifest_deinit(&next);
    return r->named || failed("Can't write the manifest in", a->set.directory);
}

static bool make_incr(struct rewrite *r)
{
    char path[PATH_MAX];
    uint64_t size;
    struct aof *a = &r->p->aof;
    r->seq = ++a->newest_seq;
    if (!aof_set_incr_name(&a->set, r->seq, r->incr) ||
        aof_set_create_incr(&a->set, r->incr, &size) != OK ||
        aof_set_path(&a->set, r->incr, path) != OK || aof_file_open(&r->file, path, size) != OK)
        return failed("Can't open the append-only file", r->incr);
    log_notice("Creating AOF incr file %s on background rewrite", r->incr);
    return true;
}

/* The set on disk is whole up to now, and what follows belongs behind it. */
static bool continues_set(const struct persistence *p)
{
    return p->log.newest && atomic_load(&p->log.in_force) &&
           atomic_load(&p->log.state) != AOF_SYNC_FAILED;
}

static bool prepare(struct rewrite *r)
{
    struct guest *g = &r->p->snapshot.guest;
    guest_exclusive(g);
    r->logs = server_settings.appendonly;
    bool continues = r->logs && continues_set(r->p);
    guest_open(g);
    return know_set(r) && (!r->logs || (make_incr(r) && (!continues || name_incr(r))));
}

/* ---- 2. ---- */

static void take_segment_bytes(struct persistence *p)
{
    struct aof_figures f;
    aof_log_figures(&p->log, &f);
    atomic_fetch_add(&p->aof.old_bytes, f.segment_bytes);
}

/* Alone. False: the log was turned off or on meanwhile, or it cannot start. */
static bool switch_log(struct rewrite *r)
{
    struct persistence *p = r->p;
    bool open = p->log.newest != NULL;
    if (server_settings.appendonly != r->logs || atomic_load(&p->cancelled))
        return false;
    if (!r->logs)
        return true;
    if (r->named && !continues_set(p))
        return false; /* it has failed since: the next attempt knows */
    if (!p->log.started && aof_log_start(&p->log) != OK)
        return failed("Can't start the threads of", "the log");
    take_segment_bytes(p);
    if (open)
        aof_log_switch(&p->log, &r->file);
    else
        aof_log_open(&p->log, &r->file, false);
    p->server->ks->sink = effects_file_before(&p->log.sink);
    r->begun = true;
    return true;
}

static bool begin_alone(struct rewrite *r)
{
    struct persistence *p = r->p;
    struct aof *a = &p->aof;
    struct guest *g = &p->snapshot.guest;
    guest_exclusive(g);
    bool good = switch_log(r);
    r->rdb = server_settings.aof_use_rdb_preamble;
    r->keeps_history = server_settings.aof_disable_auto_gc;
    good = good && aof_set_base_name(&a->set, a->set.manifest.base_seq + 1, r->rdb, r->base);
    if (good) {
        struct save_target *t = &p->target;
        t->options =
            (struct rdb_options){.version = (unsigned)server_settings.rdb_version,
                                 .checksum = server_settings.rdb_checksum,
                                 .sync_often = server_settings.aof_rewrite_incremental_fsync,
                                 .as_commands = !r->rdb};
        t->is_base = true;
        snprintf(t->directory, sizeof(t->directory), "%s", a->set.directory);
        snprintf(t->name, sizeof(t->name), "%s", r->base);
        persistence_keep_functions(p);
        snapshot_begin(&p->snapshot, t->options.version);
    }
    guest_open(g);
    return good;
}

/* What must not be waited for in exclusive mode: the new file waits until the old one is durable,
 * and a log that was turned off cannot be turned on before its end is written. */
static void await_disk(struct rewrite *r)
{
    struct persistence *p = r->p;
    if (r->named)
        (void)aof_log_flush(&p->log);
    guest_exclusive(&p->snapshot.guest);
    bool closed = !p->log.newest;
    guest_open(&p->snapshot.guest);
    while (r->logs && closed && !aof_log_is_empty(&p->log) && !atomic_load(&p->cancelled))
        usleep(CLOSING_US);
}

/* A value that is away for an edit would be in neither the base nor the log. */
static bool begin(struct rewrite *r)
{
    await_disk(r);
    if (!slow_hold(r->p->server, &r->p->cancelled))
        return false;
    bool good = begin_alone(r);
    slow_release(r->p->server);
    return good;
}

/* ---- 3. ---- */

static bool write_base(struct rewrite *r)
{
    struct persistence *p = r->p;
    bool good = persistence_write_snapshot(p);
    if (good)
        log_notice("Successfully created the AOF base file %s", r->base);
    else if (p->writer.error)
        log_warning("Background AOF rewrite: write error on %s: %s", p->writer.path,
                    strerror(p->writer.error));
    if (good)
        atomic_store(&p->aof.old_bytes, p->writer.written);
    rdb_writer_deinit(&p->writer);
    p->target.is_base = false;
    p->target.options.as_commands = false;
    return good;
}

/* ---- 4. ---- */

/* Files of attempts that no manifest ever named. */
static void remove_strays(const struct rewrite *r, uint64_t from)
{
    char name[NAME_MAX + 1];
    for (uint64_t seq = from; seq < r->seq; seq++)
        if (aof_set_incr_name(&r->p->aof.set, seq, name))
            aof_set_remove(&r->p->aof.set, name);
}

/* CONFIG SET may have turned the log off after the snapshot, and on again: then it is not on yet.
 */
static void settle(struct rewrite *r)
{
    struct persistence *p = r->p;
    aof_log_settle(&p->log);
    guest_exclusive(&p->snapshot.guest);
    if (p->log.newest)
        atomic_store(&p->aof.turning_on, false);
    guest_open(&p->snapshot.guest);
}

static bool take_effect(struct rewrite *r)
{
    struct aof_manifest next;
    struct persistence *p = r->p;
    struct aof *a = &p->aof;
    uint64_t old_seq = a->set.manifest.incr_seq;
    aof_manifest_copy(&next, &a->set.manifest);
    aof_manifest_set_base(&next, r->base, next.base_seq + 1);
    aof_manifest_retire(&next, r->logs ? r->seq : UINT64_MAX);
    if (r->logs && !r->named)
        aof_manifest_add_incr(&next, r->incr, r->seq);
    /* When this fails the base stays: nobody knows which manifest the disk has. */
    int64_t begun_ms = clock_monotonic_ms();
    bool good = aof_set_write(&a->set, &next) == OK;
    latency_event("aof-rename", clock_monotonic_ms() - begun_ms);
    aof_manifest_deinit(&next);
    if (!good)
        return failed("Can't write the manifest in", a->set.directory);
    if (r->logs)
        settle(r);
    remove_strays(r, old_seq + 1);
    if (!r->keeps_history)
        aof_set_remove_history(&a->set);
    return true;
}

/* ---- all of it ---- */

/* A file that the log never got. */
static void drop_incr(struct rewrite *r)
{
    if (!r->begun && r->file.fd >= 0)
        file_drop(r->file.fd);
    if (!r->begun && r->seq && !r->named)
        aof_set_remove(&r->p->aof.set, r->incr);
}

static void note_end(struct persistence *p, bool good)
{
    struct aof *a = &p->aof;
    struct aof_figures f;
    int64_t now_s = clock_wall_ms() / 1000;
    uint64_t failures = good ? 0 : atomic_load(&a->failures) + 1;
    atomic_store(&a->last_ok, good);
    atomic_store(&a->failures, failures);
    atomic_fetch_add(&a->rewrites, good);
    atomic_store(&a->last_took_s, now_s - atomic_load(&a->rewrite_started_s));
    atomic_store(&a->rewrite_started_s, -1);
    int64_t wait_ms =
        failures ? (int64_t)RETRY_MS << MIN(failures - 1, (uint64_t)RETRY_DOUBLINGS) : 0;
    atomic_store(&a->retry_ms, clock_monotonic_ms() + wait_ms);
    aof_log_figures(&p->log, &f);
    if (good)
        atomic_store(&a->base_bytes, atomic_load(&a->old_bytes) + f.segment_bytes);
    atomic_store(&a->rewriting, false);
    atomic_store(&p->busy, false);
    persistence_log_rewriting(p);
}

void aof_rewrite(struct persistence *p)
{
    struct rewrite *r = mem_zalloc(MEM_OTHER, sizeof(*r));
    r->p = p;
    r->file.fd = -1;
    persistence_log_rewriting(p);
    log_notice("Background append only file rewriting started by pid %d", (int)getpid());
    bool good = prepare(r) && begin(r) && write_base(r) && take_effect(r);
    drop_incr(r);
    if (good)
        log_notice("Background AOF rewrite finished successfully");
    else
        log_warning("Background AOF rewrite terminated with error");
    mem_free(MEM_OTHER, r, sizeof(*r));
    note_end(p, good);
}

/* ---- when ---- */

bool aof_want_rewrite(struct persistence *p)
{
    bool idle = false;
    struct aof *a = &p->aof;
    if (!atomic_compare_exchange_strong(&p->busy, &idle, true)) {
        atomic_store(&a->scheduled, !atomic_load(&a->rewriting));
        return false;
    }
    atomic_store(&a->scheduled, false);
    atomic_store(&a->rewrite_started_s, clock_wall_ms() / 1000);
    atomic_store(&a->rewriting, true);
    persistence_want(p, PERSIST_REWRITE);
    return true;
}

/* The log has grown by so much since the last rewrite. */
static bool has_grown(struct persistence *p)
{
    struct aof_figures f;
    int percentage = atomic_load(&server_settings.auto_aof_rewrite_percentage);
    if (!percentage || atomic_load(&p->log.safe_lsn) == UINT64_MAX)
        return false;
    aof_log_figures(&p->log, &f);
    uint64_t base = MAX(atomic_load(&p->aof.base_bytes), (uint64_t)1);
    uint64_t size = atomic_load(&p->aof.old_bytes) + f.segment_bytes;
    if (size <= (uint64_t)atomic_load(&server_settings.auto_aof_rewrite_min_bytes) || size <= base)
        return false;
    double growth = (double)(size - base) * PERCENT / (double)base;
    if (growth < percentage)
        return false;
    log_notice("Starting automatic rewriting of AOF on %.0f%% growth", growth);
    return true;
}

/* Nothing becomes safe before a rewrite has succeeded. */
static bool must(struct persistence *p)
{
    return atomic_load(&p->log.state) == AOF_SYNC_FAILED || atomic_load(&p->aof.turning_on);
}

void aof_check_rewrite(struct persistence *p)
{
    struct aof *a = &p->aof;
    unsigned blocking = REFUSE_LOADING | REFUSE_ALL;
    if (atomic_load(&p->busy) || atomic_load(&p->refusals) & blocking || atomic_load(&p->stopping))
        return;
    if (!atomic_load(&a->scheduled) &&
        (clock_monotonic_ms() < atomic_load(&a->retry_ms) || !(must(p) || has_grown(p))))
        return;
    aof_want_rewrite(p);
}

/* ---- CONFIG SET appendonly ---- */

static void turn_off(struct persistence *p)
{
    if (atomic_load(&p->aof.rewriting))
        persistence_cancel_snapshot(p);
    atomic_store(&p->aof.turning_on, false);
    atomic_store(&p->aof.scheduled, false);
    if (!p->log.newest)
        return;
    p->server->ks->sink = effects_file_before(NULL);
    if (!p->server->ks->sink)
        effect_forget_owed(p->server->ks);
    aof_log_close(&p->log);
}

/* Exclusive mode. */
static enum err apply_appendonly(char *errbuf)
{
    struct persistence *p = &the_server->persistence;
    bool on = server_settings.appendonly, open = p->log.newest != NULL;
    if (on == open && on == !atomic_load(&p->aof.turning_on))
        return OK;
    if (!on) {
        turn_off(p);
        return OK;
    }
    atomic_store(&p->aof.turning_on, true);
    atomic_store(&p->aof.retry_ms, 0);
    persistence_log_apply(p);
    (void)aof_want_rewrite(p); /* else as soon as the snapshot that runs has ended */
    return OK;
}

void aof_watch_config(void)
{
    config_on_change("appendonly", apply_appendonly);
}
