#include "server/file_job.h"

#include "base/clock.h"
#include "cmd/transaction.h"
#include "io/worker.h"
#include "server/server_internal.h"

#include <semaphore.h>

struct file_job {
    struct job job;
    struct message message;
    struct file_plan *plan;
    struct server_thread *thread;
    struct slow_client *client; /* NULL: gone. The reactor only */
    struct queued_command *command;
    enum reply_proto proto;
    uint64_t started;
    sem_t *done; /* somebody waits: no message is sent */
    bool good;
    char error[FILE_PLAN_ERROR_MAX];
};

/* NULL: there is no thread to be had. */
static struct worker_pool *writer(struct server *s)
{
    lock_acquire(&s->pools_lock);
    if (!s->file_pool && worker_pool_create(1, WORKER_NICE, &s->file_pool) != OK)
        s->file_pool = NULL;
    struct worker_pool *pool = s->file_pool;
    lock_release(&s->pools_lock);
    return pool;
}

void file_job_stop(struct server *s)
{
    if (s->file_pool)
        worker_pool_destroy(s->file_pool);
    s->file_pool = NULL;
}

static void answer(const struct file_job *j, struct reply *reply)
{
    if (j->good)
        reply_ok(reply);
    else
        reply_error(reply, j->error);
}

static void run_job(struct job *self)
{
    struct file_job *j = container_of(self, struct file_job, job);
    j->good = j->plan->run(j->plan, j->error);
    j->plan->destroy(j->plan);
    if (j->done)
        sem_post(j->done);
    else
        reactor_post(&j->thread->net.reactor, &j->message);
}

/* Without a thread it is written here: there is no other job that it could overtake. */
static void run_and_wait(struct exec *ex, struct file_plan *plan, struct worker_pool *pool)
{
    sem_t done;
    struct file_job j = {.plan = plan, .job.run = run_job, .done = &done};
    sem_init(&done, 0, 0);
    if (likely(pool != NULL))
        worker_submit(pool, &j.job);
    else
        run_job(&j.job);
    while (sem_wait(&done) != 0)
        ; /* EINTR */
    sem_destroy(&done);
    answer(&j, ex->reply);
}

static void finish(struct file_job *j)
{
    struct slow_client *c = j->client;
    struct output output;
    output_init(&output);
    struct reply reply = {.out = &output, .proto = j->proto};
    reply_begin(&reply);
    answer(j, &reply);
    reply_end(&reply);
    slow_count_call(j->thread, c, j->command, clock_cycles() - j->started, &reply);
    c->file = NULL;
    slow_answer(c, &output, 0);
    output_deinit(&output);
    conn_return(c->conn);
}

static void come_back(void *receiver, struct message *self)
{
    struct file_job *j = container_of(self, struct file_job, message);
    (void)receiver;
    if (j->client && !atomic_load(&j->thread->net.reactor.stopping))
        finish(j);
    else if (j->client)
        j->client->file = NULL;
    queued_command_destroy(j->command);
    mem_free(MEM_OTHER, j, sizeof(*j));
}

void file_job_start(struct exec *ex, struct file_plan *plan)
{
    struct server_thread *t = exec_thread(ex);
    struct worker_pool *pool = writer(t->server);
    struct queued_command *command =
        ex->in_exec || !pool ? NULL : queued_command_create(ex->cmd, ex->argv, ex->argc);
    if (!command) { /* or no memory for a copy */
        run_and_wait(ex, plan, pool);
        return;
    }
    struct file_job *j = mem_zalloc(MEM_OTHER, sizeof(*j));
    j->plan = plan;
    j->thread = t;
    j->client = client_slow(t->current);
    j->command = command;
    j->proto = t->reply.proto;
    j->started = clock_cycles();
    j->job.run = run_job;
    j->message.run = come_back;
    j->client->file = j;
    ex->deferred = true;
    conn_leave(t->current);
    worker_submit(pool, &j->job);
}

void file_job_forget(struct file_job *j)
{
    j->client = NULL;
}
