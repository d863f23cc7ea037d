/* worker.h: a worker pool: threads that run jobs off the reactors, most of them at nice 19. Jobs
 * take no shard lock. FIFO, any thread may submit; the job is freed or reused by run(). */
#pragma once

#include "base/err.h"

struct job {
    struct job *next;
    void (*run)(struct job *self);
};

struct worker_pool;

enum {
    WORKER_NICE = 19
};

/* ERR: there is no pool, *out is NULL. */
enum err worker_pool_create(unsigned threads, int nice, struct worker_pool **out) MUST_USE;
void worker_submit(struct worker_pool *p, struct job *job);
/* Jobs waiting or running. */
unsigned worker_pending(struct worker_pool *p);
/* Runs what is queued, then ends the threads. */
void worker_pool_destroy(struct worker_pool *p);
