/* persistence_thread.c: the thread that saves and loads beside the commands, and its jobs. */
#include "base/clock.h"
#include "base/log.h"
#include "os/thread.h"
#include "server/persistence_internal.h"
#include "server/persistence_log.h"
#include "server/server_internal.h"

#include <errno.h>

void persistence_want(struct persistence *p, enum persist_job job)
{
    pthread_mutex_lock(&p->mutex);
    p->jobs |= job;
    pthread_cond_signal(&p->wanted);
    pthread_mutex_unlock(&p->mutex);
}

static enum persist_job next_job(struct persistence *p)
{
    pthread_mutex_lock(&p->mutex);
    while (!p->jobs)
        pthread_cond_wait(&p->wanted, &p->mutex);
    unsigned job = p->jobs & -p->jobs;
    p->jobs &= ~job;
    pthread_mutex_unlock(&p->mutex);
    return (enum persist_job)job;
}

static void begin_and_walk(struct persistence *p)
{
    struct guest *g = &p->snapshot.guest;
    if (!slow_hold(p->server, &p->cancelled))
        return;
    guest_exclusive(g);
    persistence_begin_snapshot(p);
    guest_open(g);
    slow_release(p->server);
    persistence_walk(p);
}

static void save_and_stop(struct persistence *p)
{
    struct guest *g = &p->snapshot.guest;
    if (!slow_hold(p->server, &p->cancelled))
        return;
    guest_exclusive(g);
    enum err err = persistence_last_save(p);
    guest_open(g);
    slow_release(p->server);
    if (err && !p->last_save_forced)
        busy_stop_failed(p->server);
    if (err)
        log_warning("Error trying to save the DB, %s.",
                    p->last_save_forced ? "but exiting anyway" : "can't exit");
    atomic_store(&p->stopping, !err || p->last_save_forced);
    if (!err || p->last_save_forced)
        server_stop(p->server);
}

static void *run(void *arg)
{
    struct persistence *p = arg;
    for (;;)
        switch (next_job(p)) {
        case PERSIST_LOAD:
            persistence_load(p);
            break;
        case PERSIST_WALK:
            persistence_walk(p);
            break;
        case PERSIST_SNAPSHOT:
            begin_and_walk(p);
            break;
        case PERSIST_LAST_SAVE:
            save_and_stop(p);
            break;
        case PERSIST_REWRITE:
            aof_rewrite(p);
            break;
        case PERSIST_QUIT:
            return NULL;
        }
}

void persistence_init(struct persistence *p, struct server *s)
{
    p->server = s;
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->wanted, NULL);
    buf_init(&p->functions, MEM_OTHER);
    buf_init(&p->target_functions, MEM_OTHER);
    atomic_store(&p->last_ok, true);
    atomic_store(&p->last_save_s, clock_wall_ms() / 1000); /* as in Redis, the start counts */
    atomic_store(&p->started_s, -1);
    atomic_store(&p->last_took_s, -1);
    aof_init(&p->aof);
    snapshot_init(&p->snapshot, s->ks);
    persistence_log_init(p);
    p->loader_count = MIN(MAX(thread_cpu_count(), 1u), (unsigned)LOADERS_MAX);
    for (unsigned i = 0; i < p->loader_count; i++)
        guest_init(&p->loaders[i], s->ks);
}

bool persistence_run(struct persistence *p)
{
    p->started = thread_start(&p->thread, "persist", run, p) == OK;
    return p->started;
}

void persistence_stop(struct persistence *p, bool forced)
{
    if (atomic_exchange(&p->stopping, true))
        return; /* once is enough */
    p->last_save_forced = forced;
    busy_stop(p->server);
    persistence_cancel_snapshot(p);
    persistence_want(p, PERSIST_LAST_SAVE);
}

/* What has not begun will not. A snapshot that has begun must be walked to its end. */
static void drop_jobs(struct persistence *p)
{
    pthread_mutex_lock(&p->mutex);
    p->jobs &= PERSIST_WALK;
    pthread_mutex_unlock(&p->mutex);
}

void persistence_end(struct persistence *p)
{
    atomic_store(&p->cancelled, true);
    persistence_cancel_snapshot(p);
    drop_jobs(p);
    persistence_want(p, PERSIST_QUIT);
    if (p->started)
        pthread_join(p->thread, NULL);
    p->started = false;
    persistence_log_end(p);
}

void persistence_deinit(struct persistence *p)
{
    reactor_disarm(&p->server->acceptor, &p->timer);
    aof_deinit(&p->aof);
    snapshot_deinit(&p->snapshot);
    aof_log_deinit(&p->log);
    for (unsigned i = 0; i < p->loader_count; i++)
        guest_deinit(&p->loaders[i]);
    mem_free(MEM_OTHER, p->points, p->point_count * sizeof(*p->points));
    buf_deinit(&p->functions);
    buf_deinit(&p->target_functions);
    pthread_mutex_destroy(&p->mutex);
    pthread_cond_destroy(&p->wanted);
}
