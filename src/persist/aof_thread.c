/* aof_thread.c: the thread that writes the log, and the one that syncs beside it. */
#include "base/clock.h"
#include "base/log.h"
#include "os/file.h"
#include "persist/aof_internal.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    TICK_MS = 100,
    SYNC_MS = 1000
};

/* ---- waking ---- */

/* Dekker: we store `kicked` and read `asleep`, the thread the other way round. */
void aof_kick(struct aof_log *log)
{
    if (atomic_exchange(&log->kicked, true) || !atomic_load(&log->asleep))
        return;
    pthread_mutex_lock(&log->mutex);
    pthread_cond_signal(&log->wanted);
    pthread_mutex_unlock(&log->mutex);
}

static struct timespec deadline(int64_t wait_ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t ns = at.tv_nsec + wait_ms % 1000 * 1000000;
    at.tv_sec += wait_ms / 1000 + ns / 1000000000;
    at.tv_nsec = ns % 1000000000;
    return at;
}

/* Until there is work, at most so long. False: the log ends. */
static bool await_work(struct aof_log *log, int64_t wait_ms)
{
    struct timespec until = deadline(wait_ms);
    pthread_mutex_lock(&log->mutex);
    atomic_store(&log->asleep, true);
    while (!atomic_exchange(&log->kicked, false) && !log->quit)
        if (pthread_cond_timedwait(&log->wanted, &log->mutex, &until) == ETIMEDOUT)
            break;
    atomic_store(&log->asleep, false);
    bool quit = log->quit;
    pthread_mutex_unlock(&log->mutex);
    return !quit;
}

/* ---- the syncing thread ---- */

void aof_segment_destroy(struct aof_segment *s)
{
    buf_deinit(&s->gather);
    mem_free(MEM_OTHER, s, sizeof(*s));
}

void aof_add_job(struct aof_log *log, struct aof_segment *s, uint64_t lsn, bool last)
{
    struct aof_sync_job *job = mem_alloc(MEM_OTHER, sizeof(*job));
    bool skip = s->failed || (last && lsn <= atomic_load(&log->synced_lsn));
    *job = (struct aof_sync_job){.segment = s, .lsn = lsn, .last = last, .skip = skip};
    atomic_fetch_add_explicit(&log->syncs_pending, !skip, memory_order_relaxed);
    pthread_mutex_lock(&log->mutex);
    *log->last_job = job;
    log->last_job = &job->next;
    pthread_cond_signal(&log->sync_wanted);
    pthread_mutex_unlock(&log->mutex);
}

static struct aof_sync_job *await_job(struct aof_log *log)
{
    pthread_mutex_lock(&log->mutex);
    while (!log->jobs && !log->sync_quit)
        pthread_cond_wait(&log->sync_wanted, &log->mutex);
    struct aof_sync_job *job = log->jobs;
    pthread_mutex_unlock(&log->mutex);
    return job;
}

static int sync_segment(struct aof_log *log, const struct aof_sync_job *job)
{
    if (job->skip)
        return 0;
    atomic_fetch_add_explicit(&log->syncs, 1, memory_order_relaxed);
    return file_sync_data(job->segment->fd) == OK ? 0 : errno;
}

/* The log's thread hears of failures when it looks; so this one needs no lock under which somebody
 * waits for it. */
static void finish_job(struct aof_log *log, struct aof_sync_job *job, int error)
{
    uint64_t number = job->segment->number;
    if (job->last) {
        if (file_close(job->segment->fd) != OK && !error && !job->skip)
            error = errno;
        aof_segment_destroy(job->segment);
    }
    if (!error && job->lsn > atomic_load(&log->synced_lsn))
        atomic_store(&log->synced_lsn, job->lsn);
    if (!job->skip)
        atomic_fetch_sub_explicit(&log->syncs_pending, 1, memory_order_relaxed);
    pthread_mutex_lock(&log->mutex);
    if (error) {
        log->job_error = error;
        log->job_failed_number = number;
        log->job_failed_lsn = job->lsn;
    }
    log->jobs = job->next;
    if (!log->jobs)
        log->last_job = &log->jobs;
    pthread_cond_broadcast(&log->progress);
    pthread_mutex_unlock(&log->mutex);
    aof_kick(log); /* to hear of a failure, or because the next sync is due */
}

static void *run_sync(void *arg)
{
    struct aof_log *log = arg;
    struct aof_sync_job *job;
    while ((job = await_job(log))) {
        bool last = job->last;
        uint64_t lsn = job->lsn;
        finish_job(log, job, sync_segment(log, job));
        mem_free(MEM_OTHER, job, sizeof(*job));
        log->ops->safe(log->arg);
        if (last)
            log->ops->ended(log->arg, lsn);
    }
    return NULL;
}

void aof_await_jobs(struct aof_log *log)
{
    pthread_mutex_lock(&log->mutex);
    while (log->jobs)
        pthread_cond_wait(&log->progress, &log->mutex);
    pthread_mutex_unlock(&log->mutex);
    aof_look_at_jobs(log);
}

void aof_look_at_jobs(struct aof_log *log)
{
    pthread_mutex_lock(&log->mutex);
    int error = log->job_error;
    uint64_t number = log->job_failed_number, lsn = log->job_failed_lsn;
    log->job_error = 0;
    pthread_mutex_unlock(&log->mutex);
    if (!error)
        return;
    if (atomic_load(&log->closed)) {
        log_warning("Error syncing the AOF, which was turned off: %s", strerror(error));
        atomic_store(&log->synced_lsn, MAX(atomic_load(&log->synced_lsn), lsn));
        return;
    }
    struct aof_segment *s = log->oldest;
    if (s && s->number == number) /* it is still written */
        s->failed = true;
    aof_sync_failed(log, number, error);
}

/* ---- the writing thread ---- */

static bool wants_sync(const struct aof_log *log)
{
    if (atomic_load(&log->flush_lsn) > atomic_load(&log->synced_lsn))
        return true;
    return atomic_load(&log->policy) == AOF_ALWAYS && !atomic_load(&log->sync_held);
}

/* everysec: once a second, beside the writes. One that still runs then is not joined by another;
 * the next one begins when it ends. So what is older than a second, or than the last sync took if
 * that is longer, is durable or being synced. */
static void sync_beside(struct aof_log *log)
{
    int64_t now_ms = clock_monotonic_ms();
    uint64_t written = atomic_load(&log->written_lsn);
    if (atomic_load(&log->policy) != AOF_EVERYSEC || atomic_load(&log->sync_held) ||
        now_ms < log->sync_due_ms || written <= atomic_load(&log->synced_lsn) || !log->oldest ||
        log->oldest->failed)
        return;
    if (atomic_load(&log->syncs_pending)) {
        atomic_fetch_add_explicit(&log->delayed_syncs, !log->sync_delayed, memory_order_relaxed);
        log->sync_delayed = true;
        return;
    }
    log->sync_due_ms = now_ms + SYNC_MS;
    log->sync_delayed = false;
    aof_add_job(log, log->oldest, written, false);
}

/* Until a sync is due, or a tick. With `writer` held. */
static int64_t idle_ms(const struct aof_log *log)
{
    int64_t due_ms = log->sync_due_ms - clock_monotonic_ms();
    return due_ms > 0 && due_ms < TICK_MS ? due_ms : TICK_MS;
}

/* Returns how long there is nothing to do, unless somebody calls. */
static int64_t work(struct aof_log *log)
{
    lock_acquire(&log->writer);
    aof_finish_close(log);
    aof_look_at_jobs(log);
    while (aof_write_batch(log))
        if (wants_sync(log))
            aof_sync_now(log);
    if (wants_sync(log)) /* asked for later, or the policy has changed */
        aof_sync_now(log);
    sync_beside(log);
    int64_t wait_ms = idle_ms(log);
    lock_release(&log->writer);
    if (unlikely(atomic_load(&log->full))) /* it may have become so when all was written */
        aof_look_at_room(log);
    pthread_mutex_lock(&log->mutex);
    pthread_cond_broadcast(&log->progress);
    pthread_mutex_unlock(&log->mutex);
    return wait_ms;
}

static void *run(void *arg)
{
    struct aof_log *log = arg;
    int64_t wait_ms = TICK_MS;
    while (await_work(log, wait_ms))
        wait_ms = work(log);
    return NULL;
}

enum err aof_log_start(struct aof_log *log)
{
    if (thread_start(&log->sync_thread, "aof-sync", run_sync, log) != OK)
        return ERR_SYS;
    if (thread_start(&log->thread, "aof-log", run, log) != OK) {
        pthread_mutex_lock(&log->mutex);
        log->sync_quit = true;
        pthread_cond_signal(&log->sync_wanted);
        pthread_mutex_unlock(&log->mutex);
        pthread_join(log->sync_thread, NULL);
        return ERR_SYS;
    }
    log->started = true;
    return OK;
}

static void end_thread(struct aof_log *log, bool *quit, pthread_cond_t *wanted, pthread_t thread)
{
    pthread_mutex_lock(&log->mutex);
    *quit = true;
    pthread_cond_signal(wanted);
    pthread_mutex_unlock(&log->mutex);
    pthread_join(thread, NULL);
}

/* Whether some segment is not written to its end; `open`: the newest still gathers. */
static bool has_segments(struct aof_log *log, bool *open)
{
    lock_acquire(&log->ring.reader); /* the thread may just end one */
    bool some = log->oldest != NULL;
    *open = log->newest != NULL;
    lock_release(&log->ring.reader);
    return some;
}

/* Once nobody appends. What cannot be written now is given up. */
bool aof_log_stop(struct aof_log *log)
{
    if (!log->started)
        return true;
    bool open;
    bool good = !has_segments(log, &open) || aof_log_flush(log);
    if (open)
        aof_log_close(log);
    end_thread(log, &log->quit, &log->wanted, log->thread);
    lock_acquire(&log->writer);
    aof_finish_close(log);
    aof_await_jobs(log);
    while (aof_write_batch(log))
        aof_await_jobs(log);
    if (log->oldest)
        good = false;
    lock_release(&log->writer);
    end_thread(log, &log->sync_quit, &log->sync_wanted, log->sync_thread);
    log->started = false;
    return good && !log->job_error;
}

bool aof_log_flush(struct aof_log *log)
{
    uint64_t lsn = aof_log_newest(log);
    atomic_store(&log->flush_lsn, lsn);
    pthread_mutex_lock(&log->mutex);
    while (atomic_load(&log->synced_lsn) < lsn && atomic_load(&log->state) == AOF_GOOD) {
        struct timespec until = deadline(TICK_MS);
        pthread_mutex_unlock(&log->mutex);
        aof_kick(log);
        pthread_mutex_lock(&log->mutex);
        pthread_cond_timedwait(&log->progress, &log->mutex, &until);
    }
    pthread_mutex_unlock(&log->mutex);
    return atomic_load(&log->state) == AOF_GOOD;
}
