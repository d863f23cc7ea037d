#include "persist/aof_log.h"

#include "base/assert.h"
#include "base/clock.h"
#include "os/file.h"
#include "persist/aof_internal.h"

#include <stdio.h>
#include <string.h>

enum {
    LONG_RECORD = 4 << 10 /* gathered at once: the ring's length says little of such */
};

enum err aof_file_open(struct aof_file *f, const char *path, uint64_t size)
{
    const char *slash = strrchr(path, '/');
    snprintf(f->name, sizeof(f->name), "%s", slash ? slash + 1 : path);
    f->size = size;
    return file_append_to(path, size, &f->fd);
}

/* ---- appending: with the shard locks held ---- */

/* The ring is full: takes what is there, or lets whoever does go on. */
static void empty_ring(void *arg)
{
    struct aof_log *log = arg;
    if (!lock_try(&log->ring.reader)) {
        cpu_pause();
        return;
    }
    aof_gather(log);
    lock_release(&log->ring.reader);
}

static uint64_t append(void *arg, int db, struct slice text)
{
    struct aof_log *log = arg;
    uint64_t lsn = aof_ring_put(&log->ring, db, text, empty_ring, log);
    if (unlikely(text.len >= LONG_RECORD))
        empty_ring(log);
    if (unlikely(atomic_load_explicit(&log->gathered, memory_order_relaxed) > AOF_ROOM_BYTES) &&
        !atomic_load_explicit(&log->full, memory_order_relaxed)) {
        aof_look_at_room(log);
        aof_kick(log);
    }
    return lsn;
}

static uint64_t newest(void *arg)
{
    const struct aof_log *log = arg;
    return aof_log_newest(log);
}

/* ---- life ---- */

void aof_log_init(struct aof_log *log, const struct aof_log_ops *ops, void *arg)
{
    pthread_condattr_t monotonic;
    memset(log, 0, sizeof(*log));
    aof_ring_init(&log->ring);
    log->sink = (struct effect_sink){append, newest, log};
    log->ops = ops;
    log->arg = arg;
    log->policy = AOF_EVERYSEC;
    log->safe_lsn = UINT64_MAX;
    log->closed = true;
    log->last_job = &log->jobs;
    buf_init(&log->batch, MEM_OTHER);
    pthread_mutex_init(&log->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&log->wanted, &monotonic);
    pthread_cond_init(&log->sync_wanted, &monotonic);
    pthread_cond_init(&log->progress, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void aof_log_deinit(struct aof_log *log)
{
    ASSERT(!log->started);
    while (log->oldest) { /* what could not be written */
        struct aof_segment *s = log->oldest;
        log->oldest = s->next;
        file_drop(s->fd);
        aof_segment_destroy(s);
    }
    buf_deinit(&log->batch);
    aof_ring_deinit(&log->ring);
    pthread_mutex_destroy(&log->mutex);
    pthread_cond_destroy(&log->wanted);
    pthread_cond_destroy(&log->sync_wanted);
    pthread_cond_destroy(&log->progress);
}

/* ---- segments ---- */

static struct aof_segment *segment_create(const struct aof_file *file)
{
    struct aof_segment *s = mem_zalloc(MEM_OTHER, sizeof(*s));
    s->file = *file;
    s->fd = file->fd;
    s->db = -1;
    buf_init(&s->gather, MEM_OTHER);
    return s;
}

/* Nothing more goes to the newest segment. With ring.reader held. */
static uint64_t end_newest(struct aof_log *log)
{
    uint64_t lsn = aof_gather(log);
    DASSERT(lsn == aof_log_newest(log)); /* alone: no record is half written */
    if (log->newest) {
        log->newest->ended = true;
        log->newest->end_lsn = lsn;
    }
    return lsn;
}

/* Adds a segment at the end of the chain; what follows goes there. With ring.reader held. */
static void chain(struct aof_log *log, struct aof_segment *s)
{
    struct aof_segment **at = &log->oldest;
    s->follows = *at != NULL;
    s->number = ++log->segment_count;
    while (*at)
        at = &(*at)->next;
    *at = log->newest = s;
}

uint64_t aof_log_open(struct aof_log *log, const struct aof_file *file, bool in_force)
{
    struct aof_segment *s = segment_create(file);
    lock_acquire(&log->writer);
    aof_finish_close(log);
    lock_acquire(&log->ring.reader);
    ASSERT(!log->newest);
    uint64_t lsn = end_newest(log);
    bool first = !log->oldest;
    chain(log, s);
    lock_release(&log->ring.reader);
    if (first) { /* else it follows when the one that is being closed is written */
        atomic_store(&log->written_lsn, lsn);
        atomic_store(&log->synced_lsn, lsn);
        atomic_store(&log->segment_bytes, file->size);
    }
    atomic_store(&log->closed, false);
    atomic_store(&log->in_force, in_force);
    if (in_force)
        atomic_store(&log->safe_lsn, lsn);
    log->sync_due_ms = clock_monotonic_ms();
    lock_release(&log->writer);
    return lsn;
}

uint64_t aof_log_switch(struct aof_log *log, const struct aof_file *next)
{
    struct aof_segment *s = segment_create(next);
    lock_acquire(&log->ring.reader);
    ASSERT(log->newest);
    uint64_t lsn = end_newest(log);
    chain(log, s);
    lock_release(&log->ring.reader);
    aof_kick(log);
    return lsn;
}

/* `writer` is not taken, for somebody may hold it as long as a write takes: what it guards is left
 * to aof_finish_close(). */
void aof_log_close(struct aof_log *log)
{
    lock_acquire(&log->ring.reader);
    ASSERT(log->newest);
    end_newest(log);
    log->newest = NULL;
    bool good = atomic_load(&log->state) == AOF_GOOD;
    for (struct aof_segment *s = log->oldest; s && !good; s = s->next)
        atomic_store(&s->given_up, true);
    lock_release(&log->ring.reader);
    atomic_store(&log->closing, true);
    atomic_store(&log->closed, true);
    atomic_store(&log->safe_lsn, UINT64_MAX);
    aof_set_state(log, AOF_GOOD, 0);
    log->ops->safe(log->arg);
    aof_kick(log);
}

/* What was going on with `writer` held while the log was closed is undone: a failure is no longer
 * anybody's, and nobody waits, even if a rewrite has just put the log in force. */
void aof_finish_close(struct aof_log *log)
{
    if (likely(!atomic_load_explicit(&log->closing, memory_order_acquire)))
        return;
    atomic_store(&log->closing, false);
    atomic_store(&log->in_force, false);
    log->failed_number = 0;
    atomic_store(&log->state, AOF_GOOD);
    log->ops->state(log->arg, AOF_GOOD, 0);
    atomic_store(&log->safe_lsn, UINT64_MAX);
    log->ops->safe(log->arg);
}

bool aof_log_is_empty(struct aof_log *log)
{
    lock_acquire(&log->ring.reader);
    bool empty = !log->oldest;
    lock_release(&log->ring.reader);
    return empty;
}

static uint64_t newest_number(struct aof_log *log)
{
    lock_acquire(&log->ring.reader);
    uint64_t number = log->newest ? log->newest->number : 0;
    lock_release(&log->ring.reader);
    return number;
}

void aof_log_settle(struct aof_log *log)
{
    lock_acquire(&log->writer);
    aof_look_at_jobs(log);
    if (log->failed_number && log->failed_number < newest_number(log)) {
        log->failed_number = 0;
        if (atomic_load(&log->state) == AOF_SYNC_FAILED)
            aof_set_state(log, AOF_GOOD, 0);
    }
    if (!atomic_load(&log->in_force) && newest_number(log)) {
        atomic_store(&log->in_force, true);
        atomic_store(&log->safe_lsn, 0); /* back from "nothing has to wait" */
    }
    aof_publish(log);
    lock_release(&log->writer);
    log->ops->safe(log->arg); /* also when nothing has been logged: what there is became durable */
    aof_kick(log);
}

/* ---- committing ---- */

void aof_log_commit(struct aof_log *log)
{
    uint64_t newest_lsn = aof_log_newest(log);
    bool always = atomic_load_explicit(&log->policy, memory_order_relaxed) == AOF_ALWAYS;
    if (atomic_load_explicit(always ? &log->synced_lsn : &log->written_lsn, memory_order_acquire) <
        newest_lsn)
        aof_kick(log);
}

/* ---- settings and figures ---- */

void aof_log_answer_early(struct aof_log *log)
{
    lock_acquire(&log->writer);
    atomic_store(&log->in_force, false);
    atomic_store(&log->safe_lsn, UINT64_MAX);
    lock_release(&log->writer);
    log->ops->safe(log->arg);
}

void aof_log_set_policy(struct aof_log *log, enum aof_policy policy)
{
    atomic_store(&log->policy, (int)policy);
    aof_kick(log);
}

void aof_log_hold_sync(struct aof_log *log, bool held)
{
    atomic_store(&log->sync_held, held);
    aof_kick(log);
}

void aof_log_set_timestamps(struct aof_log *log, bool on)
{
    atomic_store(&log->timestamps, on);
}

void aof_log_figures(struct aof_log *log, struct aof_figures *out)
{
    *out = (struct aof_figures){
        .segment_bytes = atomic_load(&log->segment_bytes),
        .written_bytes = atomic_load(&log->written_bytes),
        .buffered_bytes = atomic_load(&log->gathered),
        .syncs_pending = atomic_load(&log->syncs_pending),
        .delayed_syncs = atomic_load(&log->delayed_syncs),
        .writes = atomic_load(&log->writes),
        .syncs = atomic_load(&log->syncs),
    };
}
