/* persistence.c: saves and snapshots. The load is in persistence_load.c, the thread and its jobs in
 * persistence_thread.c. */
#include "server/persistence.h"

#include "base/clock.h"
#include "base/log.h"
#include "persist/rdb_save.h"
#include "server/latency_monitor.h"
#include "server/persistence_internal.h"
#include "server/persistence_log.h"
#include "server/server_internal.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum {
    SLICE_US = 100,
    PART_BYTES = 256 << 10,
    CHECK_MS = 100,
    RETRY_S = 5 /* after a failed snapshot */
};

/* ---- refusals ---- */

void persistence_refuse(struct persistence *p, enum refusal bit, bool on)
{
    if (on)
        atomic_fetch_or(&p->refusals, (unsigned)bit);
    else
        atomic_fetch_and(&p->refusals, ~(unsigned)bit);
}

void persistence_update_refusal(struct persistence *p)
{
    lock_acquire(&p->points_lock);
    bool points = p->point_count > 0;
    persistence_refuse(p, REFUSE_WRITES,
                       points && !atomic_load(&p->last_ok) &&
                           atomic_load(&server_settings.stop_writes_on_bgsave_error));
    lock_release(&p->points_lock);
    /* there are none yet */
    persistence_refuse(p, REFUSE_REPLICAS,
                       atomic_load(&server_settings.min_replicas_to_write) &&
                           atomic_load(&server_settings.min_replicas_max_lag_s));
}

bool persistence_admits(struct persistence *p, unsigned command_flags, bool is_ping,
                        const char **error)
{
    unsigned refusals = atomic_load_explicit(&p->refusals, memory_order_relaxed);
    if (refusals & REFUSE_WRITES && (command_flags & CMD_WRITE || is_ping)) {
        *error = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to "
                 "persist to disk. Commands that may modify the data set are disabled, because "
                 "this instance is configured to report errors during writes if RDB snapshotting "
                 "fails (stop-writes-on-bgsave-error option). Please check the Redis logs for "
                 "details about the RDB error.";
        return false;
    }
    if (refusals & REFUSE_LOG && (command_flags & CMD_WRITE || is_ping)) {
        static _Thread_local char text[128];
        snprintf(text, sizeof(text), "MISCONF Errors writing to the AOF file: %s",
                 strerror(atomic_load(&p->log.error)));
        *error = text;
        return false;
    }
    if (refusals & REFUSE_REPLICAS && command_flags & CMD_WRITE) {
        *error = ERROR_NO_REPLICAS;
        return false;
    }
    if (refusals & REFUSE_LOADING && !(command_flags & CMD_LOADING)) {
        *error = "LOADING Redis is loading the dataset in memory";
        return false;
    }
    return true;
}

/* ---- what is saved, and where ---- */

uint64_t persistence_changes(const struct persistence *p)
{
    return keyspace_stat(p->server->ks, STAT_CHANGES) - atomic_load(&p->saved_changes);
}

bool persistence_target(struct save_target *target)
{
    target->options = (struct rdb_options){
        .version = (unsigned)server_settings.rdb_version,
        .checksum = server_settings.rdb_checksum,
        .sync_often = server_settings.rdb_save_incremental_fsync,
    };
    snprintf(target->name, sizeof(target->name), "%s", server_settings.dbfilename);
    if (getcwd(target->directory, sizeof(target->directory)))
        return true;
    log_warning("Error getting the working directory: %s", strerror(errno));
    return false;
}

struct rdb_head persistence_head(const struct buf *functions)
{
    return (struct rdb_head){
        .server_version = REDIS_VERSION,
        .now_s = clock_wall_ms() / 1000,
        .used_memory = mem_used_total(),
        .functions = buf_slice(functions),
    };
}

static void saved(struct persistence *p, uint64_t changes)
{
    atomic_store(&p->saved_changes, changes);
    atomic_store(&p->last_save_s, clock_wall_ms() / 1000);
    atomic_store(&p->last_ok, true);
    atomic_fetch_add(&p->saves, 1);
    persistence_update_refusal(p);
}

enum err persistence_save(struct persistence *p)
{
    struct save_target *target = mem_alloc(MEM_OTHER, sizeof(*target));
    struct rdb_writer *w = mem_alloc(MEM_OTHER, sizeof(*w));
    struct rdb_head head = persistence_head(&p->functions);
    uint64_t changes = keyspace_stat(p->server->ks, STAT_CHANGES);
    enum err err = ERR_SYS;
    if (persistence_target(target)) {
        err = rdb_writer_init(w, target->directory, "", target->name, &target->options);
        if (!err)
            err = rdb_save(p->server->ks, w, &head, clock_wall_ms());
        if (err)
            log_warning("Write error saving DB on disk: %s: %s", w->path, strerror(w->error));
        rdb_writer_deinit(w);
    }
    if (!err) {
        log_notice("DB saved on disk");
        saved(p, changes);
    }
    mem_free(MEM_OTHER, w, sizeof(*w));
    mem_free(MEM_OTHER, target, sizeof(*target));
    return err;
}

void persistence_cancel_snapshot(struct persistence *p)
{
    lock_acquire(&p->commit_lock);
    snapshot_cancel(&p->snapshot);
    lock_release(&p->commit_lock);
}

enum err persistence_last_save(struct persistence *p)
{
    persistence_cancel_snapshot(p);
    if (p->spoiled) {
        log_warning("A script that had written was broken off: what changed since the last save is "
                    "not saved, as after SHUTDOWN NOSAVE.");
        return OK;
    }
    enum err err = persistence_save(p);
    if (!err)
        persistence_refuse(p, REFUSE_ALL, true);
    return err;
}

void persistence_spoil(struct persistence *p)
{
    p->spoiled = true;
    persistence_refuse(p, REFUSE_ALL, true);
}

void persistence_flushed(void)
{
    struct persistence *p = &the_server->persistence;
    if (!server_settings.save_point_count || persistence_loading(p) || p->aof.reloading)
        return;
    if (persistence_saving(p))
        persistence_cancel_snapshot(p);
    if (persistence_save(p) != OK)
        return; /* logged; the data is gone, and the old file is what there is */
}

bool persistence_saves_at_end(struct persistence *p, unsigned options)
{
    lock_acquire(&p->points_lock);
    bool points = p->point_count > 0;
    lock_release(&p->points_lock);
    if (persistence_loading(p) || options & SHUTDOWN_NOSAVE)
        return false;
    return options & SHUTDOWN_SAVE || points;
}

/* ---- snapshots ---- */

/* Sleeps as rdb-key-save-delay says, for the keys since the last time. */
static void pay_delay(struct persistence *p)
{
    int delay = atomic_load(&server_settings.rdb_key_save_delay_us);
    uint64_t keys = atomic_load(&p->snapshot.keys_done) - p->delay_paid;
    p->delay_paid += keys;
    int64_t left_us = delay > 0   ? (int64_t)keys * delay
                      : delay < 0 ? (int64_t)keys / -(int64_t)delay
                                  : 0;
    while (left_us > 0 && !snapshot_muted(&p->snapshot)) {
        int64_t step = MIN(left_us, 10 * 1000);
        usleep((useconds_t)step);
        left_us -= step;
    }
}

static bool write_items(struct snapshot_output *self, struct slice items)
{
    struct persistence *p = container_of(self, struct persistence, output);
    rdb_writer_items(&p->writer, items);
    rdb_writer_flush(&p->writer);
    pay_delay(p);
    return !p->writer.error;
}

static void begin_file(struct persistence *p)
{
    struct rdb_head head = persistence_head(&p->target_functions);
    const struct save_target *t = &p->target;
    head.is_base = t->is_base;
    if (!*t->directory) {
        p->writer = (struct rdb_writer){.fd = -1, .error = ENOENT};
        snprintf(p->writer.path, sizeof(p->writer.path), "%s", t->name);
    } else if (rdb_writer_init(&p->writer, t->directory, "bg-", t->name, &t->options) == OK) {
        rdb_writer_head(&p->writer, &head);
    }
    if (p->writer.error)
        snapshot_cancel(&p->snapshot);
}

/* The file takes its place unless the snapshot was cancelled before. What takes long is done
 * without the lock, for which FLUSHALL may wait. */
static bool end_file(struct persistence *p, bool whole)
{
    if (whole)
        rdb_writer_seal(&p->writer);
    lock_acquire(&p->commit_lock);
    bool counts = whole && !snapshot_muted(&p->snapshot);
    if (counts)
        rdb_writer_place(&p->writer);
    lock_release(&p->commit_lock);
    return counts && rdb_writer_commit(&p->writer) == OK;
}

bool persistence_write_snapshot(struct persistence *p)
{
    bool slow = atomic_load(&server_settings.rdb_key_save_delay_us) != 0;
    p->output = (struct snapshot_output){write_items, slow ? 0 : SLICE_US, slow ? 0 : PART_BYTES};
    p->delay_paid = 0;
    begin_file(p);
    return end_file(p, snapshot_walk(&p->snapshot, &p->output));
}

void persistence_walk(struct persistence *p)
{
    bool good = persistence_write_snapshot(p);
    int error = p->writer.error;
    if (good) {
        log_notice("Background saving terminated with success");
        saved(p, p->snapshot_changes);
    } else if (error) {
        log_warning("Background saving error: %s: %s", p->writer.path, strerror(error));
        atomic_store(&p->last_ok, false);
    } else {
        log_warning("Background saving was cancelled");
    }
    int64_t begun_ms = clock_monotonic_ms();
    rdb_writer_deinit(&p->writer);
    if (!good)
        latency_event("rdb-unlink-temp-file", clock_monotonic_ms() - begun_ms);
    int64_t now_s = clock_wall_ms() / 1000;
    atomic_store(&p->last_took_s, now_s - atomic_load(&p->started_s));
    atomic_store(&p->started_s, -1);
    atomic_store(&p->busy, false);
    persistence_update_refusal(p);
}

void persistence_keep_functions(struct persistence *p)
{
    buf_clear(&p->target_functions);
    buf_append(&p->target_functions, buf_ptr(&p->functions), buf_len(&p->functions));
}

void persistence_begin_snapshot(struct persistence *p)
{
    int64_t now_s = clock_wall_ms() / 1000;
    if (!persistence_target(&p->target))
        *p->target.directory = 0; /* the walk will fail: there is nowhere to write to */
    persistence_keep_functions(p);
    p->snapshot_changes = keyspace_stat(p->server->ks, STAT_CHANGES);
    atomic_store(&p->started_s, now_s);
    atomic_store(&p->last_try_s, now_s);
    snapshot_begin(&p->snapshot, p->target.options.version);
    log_notice("Background saving started by pid %d", (int)getpid());
}

bool persistence_snapshot(struct persistence *p)
{
    bool idle = false;
    if (!atomic_compare_exchange_strong(&p->busy, &idle, true))
        return false;
    persistence_begin_snapshot(p);
    persistence_want(p, PERSIST_WALK);
    return true;
}

bool persistence_schedule(struct persistence *p)
{
    bool idle = false;
    if (!atomic_compare_exchange_strong(&p->busy, &idle, true)) {
        if (!atomic_load(&p->aof.rewriting))
            return !snapshot_running(&p->snapshot);
        atomic_store(&p->save_scheduled, true);
        return true;
    }
    persistence_want(p, PERSIST_SNAPSHOT);
    return true;
}

/* ---- save points ---- */

static bool point_reached(const struct persistence *p, const struct save_point *point,
                          int64_t now_s, uint64_t changes)
{
    bool may_try = atomic_load(&p->last_ok) || now_s - atomic_load(&p->last_try_s) > RETRY_S;
    return may_try && changes >= (uint64_t)point->changes &&
           now_s - atomic_load(&p->last_save_s) > point->seconds;
}

static bool snapshot_is_due(struct persistence *p)
{
    bool due = false;
    int64_t now_s = clock_wall_ms() / 1000;
    uint64_t changes = persistence_changes(p);
    lock_acquire(&p->points_lock);
    for (size_t i = 0; i < p->point_count && !due; i++) {
        due = point_reached(p, &p->points[i], now_s, changes);
        if (due)
            log_notice("%lld changes in %lld seconds. Saving...", (long long)p->points[i].changes,
                       (long long)p->points[i].seconds);
    }
    lock_release(&p->points_lock);
    return due;
}

void persistence_check(struct timer *self)
{
    struct persistence *p = container_of(self, struct persistence, timer);
    struct server *s = p->server;
    bool idle = false;
    if (!(atomic_load(&p->refusals) & (REFUSE_LOADING | REFUSE_ALL))) {
        if (!atomic_load(&p->busy) && !atomic_load(&s->cron_paused) &&
            (atomic_load(&p->save_scheduled) || snapshot_is_due(p)) &&
            atomic_compare_exchange_strong(&p->busy, &idle, true)) {
            atomic_store(&p->save_scheduled, false);
            persistence_want(p, PERSIST_SNAPSHOT);
        }
    }
    if (!atomic_load(&s->cron_paused))
        aof_check_rewrite(p);
    reactor_arm(&s->acceptor, self, s->acceptor.now_ms + CHECK_MS);
}

static enum err apply_points(char *errbuf)
{
    struct persistence *p = &the_server->persistence;
    size_t count = server_settings.save_point_count, bytes = count * sizeof(*p->points);
    struct save_point *copy = count ? mem_alloc(MEM_OTHER, bytes) : NULL;
    if (count)
        memcpy(copy, server_settings.save_points, bytes);
    lock_acquire(&p->points_lock);
    struct save_point *old = p->points;
    size_t old_bytes = p->point_count * sizeof(*old);
    p->points = copy;
    p->point_count = count;
    lock_release(&p->points_lock);
    mem_free(MEM_OTHER, old, old_bytes);
    persistence_update_refusal(p);
    return OK;
}

static enum err apply_refusals(char *errbuf)
{
    persistence_update_refusal(&the_server->persistence);
    return OK;
}

void persistence_watch_config(void)
{
    char unused[CONFIG_ERROR_MAX];
    (void)apply_points(unused);
    config_on_change("save", apply_points);
    persistence_log_watch_config();
    config_on_change("stop-writes-on-bgsave-error", apply_refusals);
    config_on_change("min-replicas-to-write", apply_refusals);
    config_on_change("min-replicas-max-lag", apply_refusals);
}
