/* aof_batch.c: records become batches, batches become bytes in a file. */
#include "base/assert.h"
#include "base/clock.h"
#include "base/crc.h"
#include "base/log.h"
#include "base/num.h"
#include "os/file.h"
#include "persist/aof_internal.h"
#include "persist/aof_mark.h"
#include "persist/aof_reader.h"

#include <errno.h>
#include <string.h>

enum {
    GATHER_KEEP = 1 << 20, /* memory kept for the next batch */
    RETRY_MS = 100
};

/* ---- gathering ---- */

static void put_stamp(struct aof_segment *s)
{
    int64_t now_s = clock_wall_ms() / 1000;
    if (now_s != s->stamp_s)
        buf_advance(&s->gather, aof_stamp_format(buf_reserve(&s->gather, AOF_MARK_BYTES), now_s));
    s->stamp_s = now_s;
}

static void gather_record(void *arg, int db, struct slice first, struct slice second)
{
    struct aof_log *log = arg;
    struct aof_segment *s = log->newest;
    if (unlikely(!s))
        return; /* the log was closed */
    if (unlikely(atomic_load_explicit(&log->timestamps, memory_order_relaxed)))
        put_stamp(s);
    if (unlikely(s->db != db))
        aof_put_select(&s->gather, db);
    s->db = db;
    buf_append(&s->gather, first.ptr, first.len);
    buf_append(&s->gather, second.ptr, second.len);
}

uint64_t aof_gather(struct aof_log *log)
{
    struct aof_segment *s = log->newest;
    size_t before = s ? buf_len(&s->gather) : 0;
    uint64_t lsn = aof_ring_take(&log->ring, gather_record, log);
    if (s)
        atomic_fetch_add_explicit(&log->gathered, buf_len(&s->gather) - before,
                                  memory_order_relaxed);
    return lsn;
}

/* ---- batches ---- */

/* The checksum line covers the batch, and what was in the file behind the last such line. */
static void seal(struct aof_log *log, const struct aof_file *f)
{
    size_t len = buf_len(&log->batch);
    log->batch_crc = crc32c(f->crc, buf_ptr(&log->batch), len);
    struct aof_mark mark = {f->open_bytes + len, log->batch_crc};
    buf_advance(&log->batch, aof_mark_format(buf_reserve(&log->batch, AOF_MARK_BYTES), mark));
}

/* Takes what the segment has gathered. False: it has nothing. */
static bool take_batch(struct aof_log *log, struct aof_segment *s)
{
    lock_acquire(&log->ring.reader);
    uint64_t lsn = aof_gather(log);
    log->batch_lsn = s->ended ? s->end_lsn : lsn;
    struct buf empty = log->batch;
    log->batch = s->gather;
    s->gather = empty;
    lock_release(&log->ring.reader);
    if (!buf_len(&log->batch))
        return false;
    atomic_fetch_sub_explicit(&log->gathered, buf_len(&log->batch), memory_order_relaxed);
    seal(log, &s->file);
    atomic_fetch_add_explicit(&log->gathered, buf_len(&log->batch), memory_order_relaxed);
    return true;
}

/* Part of a batch may stand in the file: it goes before anything else is tried, and now if it can,
 * for the room it takes. */
static bool mend(struct aof_segment *s)
{
    if (s->torn && file_cut(s->file.fd, s->file.size) == OK)
        s->torn = false;
    return !s->torn;
}

static void write_failed(struct aof_log *log, struct aof_segment *s)
{
    int error = errno;
    bool closed = atomic_load(&log->closed);
    if (atomic_load(&log->state) == AOF_GOOD)
        log_warning("Error writing to the AOF file %s: %s. %s.", s->file.name, strerror(error),
                    closed ? "The log was turned off: its end is missing"
                           : "Writes are refused until it works again");
    (void)mend(s);
    if (closed) {
        s->failed = true;
        return;
    }
    log->failed_ms = clock_monotonic_ms();
    aof_set_state(log, AOF_WRITE_FAILED, error);
}

static void wrote(struct aof_log *log, struct aof_segment *s)
{
    size_t len = buf_len(&log->batch);
    s->file.size += len;
    s->file.open_bytes = 0;
    s->file.crc = log->batch_crc;
    buf_clear(&log->batch);
    buf_shrink(&log->batch, GATHER_KEEP);
    atomic_fetch_sub_explicit(&log->gathered, len, memory_order_relaxed);
    atomic_fetch_add_explicit(&log->written_bytes, len, memory_order_relaxed);
    atomic_store_explicit(&log->segment_bytes, s->file.size, memory_order_relaxed);
    atomic_fetch_add_explicit(&log->writes, 1, memory_order_relaxed);
    atomic_store(&log->written_lsn, log->batch_lsn);
    if (unlikely(atomic_load(&log->state) == AOF_WRITE_FAILED)) {
        log_warning("AOF write error looks solved. The server can write again.");
        aof_set_state(log, log->failed_number ? AOF_SYNC_FAILED : AOF_GOOD, log->failed_error);
    }
}

/* Everything of an ended segment is written, or it is given up. */
static void end_segment(struct aof_log *log, struct aof_segment *s)
{
    lock_acquire(&log->ring.reader);
    log->oldest = s->next;
    lock_release(&log->ring.reader);
    atomic_fetch_sub_explicit(&log->gathered, buf_len(&s->gather) + buf_len(&log->batch),
                              memory_order_relaxed);
    buf_clear(&log->batch); /* not empty if it is given up */
    atomic_store(&log->written_lsn, s->end_lsn);
    if (log->oldest)
        atomic_store(&log->segment_bytes, log->oldest->file.size);
    aof_add_job(log, s, s->end_lsn, true);
}

static bool retry_is_due(const struct aof_log *log)
{
    return likely(atomic_load_explicit(&log->state, memory_order_relaxed) != AOF_WRITE_FAILED) ||
           clock_monotonic_ms() - log->failed_ms >= RETRY_MS;
}

static bool is_ended(struct aof_log *log, struct aof_segment *s)
{
    lock_acquire(&log->ring.reader);
    bool ended = s->ended;
    lock_release(&log->ring.reader);
    return ended;
}

/* What follows in another file must not reach the disk before the end of this one: after a loss of
 * power something in the middle would be missing. The syncing thread wakes us; when it could not
 * sync, nothing follows until a rewrite has taken the place of both. */
static bool must_wait(struct aof_log *log, struct aof_segment *s)
{
    if (likely(!s->follows))
        return false;
    pthread_mutex_lock(&log->mutex);
    s->follows = log->jobs || log->job_error || log->failed_number;
    pthread_mutex_unlock(&log->mutex);
    return s->follows;
}

static enum err write_batch(struct aof_log *log, struct aof_segment *s)
{
    int64_t begun_us = clock_monotonic_us();
    bool beside = atomic_load_explicit(&log->syncs_pending, memory_order_relaxed) != 0;
    enum err err = file_write(s->file.fd, buf_ptr(&log->batch), buf_len(&log->batch));
    int error = errno;
    aof_tell_took(log, beside ? AOF_STEP_WRITE_BESIDE_SYNC : AOF_STEP_WRITE, begun_us);
    errno = error;
    return err;
}

bool aof_write_batch(struct aof_log *log)
{
    struct aof_segment *s = log->oldest;
    if (!s || !retry_is_due(log) || must_wait(log, s))
        return false;
    if (unlikely(atomic_load_explicit(&s->given_up, memory_order_relaxed)))
        s->failed = true;
    if (unlikely(s->failed) || (!buf_len(&log->batch) && !take_batch(log, s))) {
        if (likely(!is_ended(log, s)))
            return false;
        end_segment(log, s);
        aof_publish(log);
        return true;
    }
    if (unlikely(!mend(s))) {
        write_failed(log, s);
        return false;
    }
    s->torn = true;
    if (unlikely(write_batch(log, s) != OK)) {
        write_failed(log, s);
        return false;
    }
    s->torn = false;
    wrote(log, s);
    aof_publish(log);
    return true;
}

/* ---- what there is room for ---- */

/* The lock keeps the two things that are told of in the order in which they became true: a late "no
 * room" would stop all writes, and with them whoever could take it back. */
void aof_look_at_room(struct aof_log *log)
{
    lock_acquire(&log->room);
    bool full = atomic_load(&log->full);
    uint64_t gathered = atomic_load(&log->gathered);
    if (full ? gathered < AOF_ROOM_BYTES / 2 : gathered > AOF_ROOM_BYTES) {
        atomic_store(&log->full, !full);
        log->ops->room(log->arg, full);
    }
    lock_release(&log->room);
}

/* ---- what is safe ---- */

static bool waits_for_sync(const struct aof_log *log)
{
    return atomic_load(&log->policy) == AOF_ALWAYS && !atomic_load(&log->sync_held);
}

void aof_publish(struct aof_log *log)
{
    uint64_t written = atomic_load(&log->written_lsn), synced = atomic_load(&log->synced_lsn);
    uint64_t lsn = waits_for_sync(log) ? MIN(written, synced) : written;
    if (unlikely(atomic_load_explicit(&log->full, memory_order_relaxed)))
        aof_look_at_room(log);
    uint64_t safe = atomic_load(&log->safe_lsn);
    if (!atomic_load_explicit(&log->in_force, memory_order_relaxed) || log->failed_number ||
        lsn <= safe)
        return;
    /* seq_cst: then whoever waits is looked for. It fails when the log was just closed. */
    if (atomic_compare_exchange_strong(&log->safe_lsn, &safe, lsn))
        log->ops->safe(log->arg);
}

void aof_tell_took(struct aof_log *log, enum aof_step step, int64_t begun_us)
{
    if (log->ops->took)
        log->ops->took(log->arg, step, clock_monotonic_us() - begun_us);
}

void aof_set_state(struct aof_log *log, enum aof_state state, int error)
{
    atomic_store(&log->error, error);
    if (atomic_exchange(&log->state, (int)state) != (int)state)
        log->ops->state(log->arg, state, error);
}

void aof_sync_failed(struct aof_log *log, uint64_t number, int error)
{
    log_warning(
        "Error syncing the AOF: %s. Nobody knows what the disk has of it: writes are refused "
        "until a rewrite into new files has succeeded.",
        strerror(error));
    log->failed_number = MAX(log->failed_number, number);
    log->failed_error = error;
    aof_set_state(log, AOF_SYNC_FAILED, error);
}

bool aof_sync_now(struct aof_log *log)
{
    struct aof_segment *s = log->oldest;
    uint64_t lsn = atomic_load(&log->written_lsn);
    if (!s || s->failed || lsn <= atomic_load(&log->synced_lsn))
        return false;
    aof_await_jobs(log); /* of files before this one */
    atomic_fetch_add_explicit(&log->syncs, 1, memory_order_relaxed);
    int64_t begun_us = clock_monotonic_us();
    if (file_sync_data(s->fd) != OK) {
        s->failed = true;
        aof_sync_failed(log, s->number, errno);
        return false;
    }
    if (atomic_load(&log->policy) == AOF_ALWAYS)
        aof_tell_took(log, AOF_STEP_SYNC, begun_us);
    atomic_store(&log->synced_lsn, lsn);
    aof_publish(log);
    return true;
}
