#include "io/worker.h"

#include "base/mem.h"
#include "os/thread.h"

#include <stdio.h>

struct worker_pool {
    pthread_mutex_t lock;
    pthread_cond_t ready;
    struct job *head, **tail;
    unsigned pending, count, started;
    int nice;
    bool stopping;
    pthread_t threads[];
};

static struct job *next_job(struct worker_pool *p, bool finished_one)
{
    pthread_mutex_lock(&p->lock);
    p->pending -= finished_one;
    while (!p->head && !p->stopping)
        pthread_cond_wait(&p->ready, &p->lock);
    struct job *job = p->head;
    if (job && !(p->head = job->next))
        p->tail = &p->head;
    pthread_mutex_unlock(&p->lock);
    return job;
}

static void *work(void *arg)
{
    struct worker_pool *p = arg;
    thread_set_nice(p->nice);
    for (struct job *job = next_job(p, false); job; job = next_job(p, true))
        job->run(job);
    return NULL;
}

static size_t pool_size(unsigned threads)
{
    return sizeof(struct worker_pool) + threads * sizeof(pthread_t);
}

enum err worker_pool_create(unsigned threads, int nice, struct worker_pool **out)
{
    struct worker_pool *p = mem_zalloc(MEM_OTHER, pool_size(threads));
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->ready, NULL);
    p->tail = &p->head;
    p->nice = nice;
    p->count = threads;
    *out = p;
    for (; p->started < threads; p->started++) {
        char name[24];
        snprintf(name, sizeof(name), "worker-%u", p->started);
        enum err err = thread_start(&p->threads[p->started], name, work, p);
        if (!err)
            continue;
        worker_pool_destroy(p);
        *out = NULL;
        return err;
    }
    return OK;
}

void worker_submit(struct worker_pool *p, struct job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&p->lock);
    *p->tail = job;
    p->tail = &job->next;
    p->pending++;
    pthread_cond_signal(&p->ready);
    pthread_mutex_unlock(&p->lock);
}

unsigned worker_pending(struct worker_pool *p)
{
    pthread_mutex_lock(&p->lock);
    unsigned pending = p->pending;
    pthread_mutex_unlock(&p->lock);
    return pending;
}

void worker_pool_destroy(struct worker_pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->ready);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->started; i++)
        pthread_join(p->threads[i], NULL);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->ready);
    mem_free(MEM_OTHER, p, pool_size(p->count));
}
