#include "server/persistence_log.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/blocked.h"
#include "server/effects_file.h"
#include "server/latency_monitor.h"
#include "server/persistence_internal.h"
#include "server/server_internal.h"

#include <errno.h>
#include <string.h>

/* ---- what the log tells ---- */

static void safe(void *arg)
{
    struct persistence *p = arg;
    for (unsigned i = 0; i < p->server->thread_count; i++)
        net_thread_safe(&p->server->threads[i]->net);
}

static void wake_parked(const struct persistence *p)
{
    for (unsigned i = 0; i < p->server->thread_count; i++)
        dispatch_gate_wake(p->server->threads[i]);
}

static void state_changed(void *arg, enum aof_state state, int error)
{
    struct persistence *p = arg;
    persistence_refuse(p, REFUSE_LOG, state != AOF_GOOD);
    if (state != AOF_GOOD) /* there will be no room soon: who waits for it is told */
        wake_parked(p);
}

static void room_changed(void *arg, bool room)
{
    struct persistence *p = arg;
    persistence_refuse(p, REFUSE_NO_ROOM, !room);
    if (room)
        wake_parked(p);
}

static void segment_ended(void *arg, uint64_t lsn) {}

/* LATENCY's events, by the names that Redis gives them. */
static void step_took(void *arg, enum aof_step step, int64_t us)
{
    const struct persistence *p = arg;
    int64_t ms = us / 1000;
    if (step == AOF_STEP_SYNC) {
        latency_event("aof-fsync-always", ms);
        return;
    }
    latency_event(step == AOF_STEP_WRITE_BESIDE_SYNC ? "aof-write-pending-fsync"
                  : atomic_load(&p->busy)            ? "aof-write-active-child"
                                                     : "aof-write-alone",
                  ms);
    latency_event("aof-write", ms);
}

static const struct aof_log_ops log_ops = {safe, state_changed, room_changed, segment_ended,
                                           step_took};

/* ---- life ---- */

void persistence_log_rewriting(struct persistence *p)
{
    aof_log_hold_sync(&p->log, atomic_load(&server_settings.no_appendfsync_on_rewrite) &&
                                   (atomic_load(&p->aof.rewriting) || atomic_load(&p->busy)));
}

void persistence_log_apply(struct persistence *p)
{
    static const enum aof_policy policies[] = {
        [FSYNC_NO] = AOF_NO, [FSYNC_EVERYSEC] = AOF_EVERYSEC, [FSYNC_ALWAYS] = AOF_ALWAYS};

    aof_log_set_policy(&p->log, policies[server_settings.appendfsync]);
    aof_log_set_timestamps(&p->log, server_settings.aof_timestamp_enabled);
    persistence_log_rewriting(p);
}

void persistence_log_init(struct persistence *p)
{
    aof_log_init(&p->log, &log_ops, p);
    for (unsigned i = 0; i < p->server->thread_count; i++)
        p->server->threads[i]->net.safe_lsn = &p->log.safe_lsn;
}

static enum err apply_sync_settings(char *errbuf)
{
    persistence_log_apply(&the_server->persistence);
    return OK;
}

void persistence_log_watch_config(void)
{
    config_on_change("appendfsync", apply_sync_settings);
    config_on_change("no-appendfsync-on-rewrite", apply_sync_settings);
    config_on_change("aof-timestamp-enabled", apply_sync_settings);
}

enum err persistence_log_begin(struct persistence *p)
{
    char path[PATH_MAX];
    const struct aof_tail *tail = &p->aof.tail;
    struct aof_file file = {.open_bytes = tail->span_bytes, .crc = tail->crc};
    if (!server_settings.appendonly)
        return OK;
    persistence_log_apply(p);
    if (aof_set_path(&p->aof.set, tail->name, path) != OK ||
        aof_file_open(&file, path, tail->size) != OK || aof_log_start(&p->log) != OK) {
        log_warning("Can't open the append-only file %s: %s", tail->name, strerror(errno));
        return ERR_SYS;
    }
    aof_log_open(&p->log, &file, true);
    p->server->ks->sink = effects_file_before(&p->log.sink);
    return OK;
}

void persistence_log_end(struct persistence *p)
{
    if (!aof_log_stop(&p->log))
        log_warning("The end of the append-only file could not be written or synced: what was not "
                    "answered may be missing.");
}

/* ---- replies ---- */

uint64_t persistence_log_newest(const struct server_thread *t)
{
    return aof_log_newest(&t->server->persistence.log);
}

/* Reads the keyspace without keys of its own, or all of it. */
static bool sees_all(const struct server_thread *t, const struct command *cmd, bool alone)
{
    unsigned flags = cmd->flags;
    if (alone)
        return flags & (CMD_READONLY | CMD_WRITE | CMD_MAY_REPLICATE) || cmd->id == CMD_ID_exec;
    return flags & CMD_READONLY && !t->exec.key_count;
}

/* What was executed is not answered with an error, only what has just looked. What has begun to
 * wait has seen nothing, and is answered by whoever serves it. */
COLD static bool refuse_unsafe(struct server_thread *t, uint64_t lsn)
{
    const char *error;
    if (t->current->blocked || persistence_log_is_good(t, lsn, &error))
        return true;
    output_rewind(t->reply.out, t->mark);
    reply_begin(&t->reply);
    reply_error(&t->reply, error);
    return false;
}

bool persistence_log_is_good(const struct server_thread *t, uint64_t lsn, const char **error)
{
    struct persistence *p = &t->server->persistence;
    return !(atomic_load_explicit(&p->refusals, memory_order_relaxed) & REFUSE_LOG) ||
           lsn <= aof_log_safe(&p->log) || persistence_admits(p, CMD_WRITE, false, error);
}

bool persistence_log_seen(struct server_thread *t, const struct command *cmd,
                          struct session *session, bool alone)
{
    const struct persistence *p = &t->server->persistence;
    uint64_t lsn = t->txn.lsn;
    bool only_looked = cmd->flags & CMD_READONLY;
    if (unlikely(t->parts.any || cmd->categories & ACL_SCRIPTING)) /* it may call a function */
        lsn = MAX(lsn, t->server->ks->beside_lsn);
    if (unlikely(t->parts.any)) {
        lsn = MAX(lsn, t->parts.lsn);
        only_looked = !t->parts.acted && session->reply_mode == REPLY_ON;
        t->parts.any = false;
    } else if (sees_all(t, cmd, alone)) {
        lsn = MAX(lsn, aof_log_newest(&p->log));
    }
    if (unlikely(atomic_load_explicit(&p->refusals, memory_order_relaxed) & REFUSE_LOG)) {
        if (cmd->id == CMD_ID_watch) /* its reply tells nothing: EXEC's will */
            return true;
        if (only_looked && !refuse_unsafe(t, lsn))
            return false;
    }
    t->net.reply_lsn = MAX(t->net.reply_lsn, lsn);
    session->lsn = MAX(session->lsn, lsn);
    return true;
}

static void keep_expired(struct server_thread *t, bool keep)
{
    if (keep)
        t->txn.keep_expired = true;
    else if (t->keeps_for_log && !pause_active(t->server))
        t->txn.keep_expired = false;
    t->keeps_for_log = keep;
}

/* PUBLISH and PFCOUNT, which are among what may be replicated, put nothing into the log. */
bool persistence_log_may_write(const struct command *cmd, unsigned flags)
{
    return flags & CMD_WRITE ||
           (flags & CMD_MAY_REPLICATE && !(cmd->flags & (CMD_PUBSUB | CMD_READONLY)));
}

bool persistence_log_keeps(const struct server_thread *t)
{
    return atomic_load_explicit(&t->server->persistence.refusals, memory_order_relaxed) &
           (REFUSE_LOG | REFUSE_NO_ROOM);
}

bool persistence_log_holds(struct server_thread *t, const struct command *cmd, unsigned flags)
{
    unsigned refusals = atomic_load(&t->server->persistence.refusals);
    if (refusals & REFUSE_NO_ROOM && persistence_log_may_write(cmd, flags))
        return true;
    keep_expired(t, refusals & (REFUSE_LOG | REFUSE_NO_ROOM) && !(flags & CMD_WRITE));
    return false;
}

/* ---- EXEC and scripts ---- */

void persistence_log_saw(struct server_thread *t, const struct key *keys, uint32_t count)
{
    struct keyspace *ks = t->server->ks;
    for (uint32_t i = 0; i < count; i++)
        t->parts.lsn = MAX(t->parts.lsn, ks->shards[keyspace_shard_of(ks, keys[i].hash)].last_lsn);
}

void persistence_log_begin_parts(struct server_thread *t)
{
    if (!txn_logs(&t->txn) || t->parts.any)
        return;
    t->parts.lsn = 0;
    t->parts.acted = false;
    t->parts.any = true;
}

/* A script inside EXEC is no part: its commands are. */
static void note_part(struct server_thread *t, const struct command *cmd)
{
    const struct exec *ex = &t->exec;
    t->parts.acted |= (cmd->flags & (CMD_WRITE | CMD_PUBSUB | CMD_ADMIN)) != 0;
    persistence_log_saw(t, ex->keys, ex->key_count);
    if (cmd->flags & (CMD_READONLY | CMD_WRITE) && !(cmd->categories & ACL_SCRIPTING) &&
        (!ex->key_count || cmd->flags & CMD_WALKS || command_runs_alone(cmd, ex->argv, ex->argc)))
        t->parts.lsn = aof_log_newest(&t->server->persistence.log);
}

void persistence_log_part(struct server_thread *t, const struct command *cmd)
{
    bool keeps = persistence_log_keeps(t);
    if (unlikely(txn_logs(&t->txn)))
        note_part(t, cmd);
    if (unlikely(keeps || t->keeps_for_log))
        keep_expired(t, keeps && !(cmd->flags & CMD_WRITE));
}

void persistence_log_end_parts(struct server_thread *t)
{
    if (unlikely(t->keeps_for_log))
        keep_expired(t, false);
    if (!txn_logs(&t->txn)) /* one of them has turned the log off */
        t->parts.any = false;
}

/* ---- INFO ---- */

static void put(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, "%s:%llu\r\n", name, (unsigned long long)value);
}

static void put_seconds(struct buf *out, const char *name, int64_t value)
{
    buf_printf(out, "%s:%lld\r\n", name, (long long)value);
}

static void put_rewrites(const struct aof *a, struct buf *out)
{
    int64_t started_s = atomic_load(&a->rewrite_started_s);
    put(out, "aof_rewrite_in_progress", atomic_load(&a->rewriting));
    put(out, "aof_rewrite_scheduled", atomic_load(&a->scheduled));
    put_seconds(out, "aof_last_rewrite_time_sec", atomic_load(&a->last_took_s));
    put_seconds(out, "aof_current_rewrite_time_sec",
                started_s < 0 ? -1 : clock_wall_ms() / 1000 - started_s);
    buf_printf(out, "aof_last_bgrewrite_status:%s\r\n", atomic_load(&a->last_ok) ? "ok" : "err");
    put(out, "aof_rewrites", atomic_load(&a->rewrites));
    put(out, "aof_rewrites_consecutive_failures", atomic_load(&a->failures));
}

void persistence_log_info(struct persistence *p, struct buf *out)
{
    struct aof_figures f;
    bool on = server_settings.appendonly;
    aof_log_figures(&p->log, &f);
    put(out, "aof_enabled", on);
    put_rewrites(&p->aof, out);
    buf_printf(out, "aof_last_write_status:%s\r\n",
               atomic_load(&p->log.state) == AOF_GOOD ? "ok" : "err");
    buf_puts(out, "aof_last_cow_size:0\r\nmodule_fork_in_progress:0\r\n"
                  "module_fork_last_cow_size:0\r\n");
    if (!on)
        return;
    put(out, "aof_current_size", atomic_load(&p->aof.old_bytes) + f.segment_bytes);
    put(out, "aof_base_size", atomic_load(&p->aof.base_bytes));
    put(out, "aof_pending_rewrite", atomic_load(&p->aof.scheduled));
    put(out, "aof_buffer_length", f.buffered_bytes);
    put(out, "aof_pending_bio_fsync", f.syncs_pending);
    put(out, "aof_delayed_fsync", f.delayed_syncs);
    put(out, "aof_writes", f.writes);
    put(out, "aof_fsyncs", f.syncs);
}
