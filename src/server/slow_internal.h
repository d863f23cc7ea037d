/* slow_internal.h: what the files of slow commands share: slow.c (start, end and publishing),
 * slow_job.c (what the worker gets and does), slow_wait.c (who waits for pins), slow_image.c (large
 * values that a snapshot wants). */
#pragma once

#include "cmd/transaction.h"
#include "server/server_internal.h"
#include "store/draft.h"

struct slow_job {
    struct job job;
    struct message message;
    struct slow_job *next_done;
    struct server_thread *thread;
    struct slow_client *client; /* NULL: gone. The reactor only */
    struct queued_command *command;
    enum pin_use *uses;     /* [command->key_count] */
    bool *seen;             /* by the worker; likewise */
    struct entry **entries; /* likewise; NULL: not there, or not seen */
    int db;
    uint64_t cycles; /* of the handler */
    uint64_t lsn;    /* what the reply waits for */
    struct exec exec;
    struct txn txn;
    struct txn_view view;
    struct store_stats stats; /* of that txn: for nobody */
    struct reply reply;
    struct output output;
    struct outcome outcome;
    bool claims; /* nobody else uses its destination */
    bool edits;  /* the value of a key: */
    struct draft draft;
};

/* Copies the command of t->exec. NULL: there is no memory for it. */
struct slow_job *slow_job_create(struct server_thread *t, struct slow_client *client);
/* Takes the values along: all keys are pinned, their shards held. */
void slow_job_prepare(struct slow_job *j);
/* A value that is still away must have been given back. */
void slow_job_destroy(struct slow_job *j);
/* For later turns: the job is back. */
void slow_job_came_back(struct slow_job *j);

/* Counts a job. False: a bar is up. */
bool slow_enter(struct server *s);
/* One job less; exclusive commands may have waited for it. */
void slow_leave(struct server *s);

/* The client's next command waits; its waiter is registered. After some waits it runs alone, unless
 * `slow`: that would be the stall that it must not cause. */
void slow_wait(struct server_thread *t, struct slow_client *c, bool slow);
/* Whether the command of t->exec, whose shards are held, meets a pin; then its waiter is
 * registered. */
bool slow_wait_must(struct server_thread *t, struct slow_client *c);
/* Resumes those who were woken; who has to wait again goes to the end of the list. */
void slow_wait_resume(struct server_thread *t);
void slow_wait_init(struct slow_client *c);
void slow_wait_forget(struct server_thread *t, struct slow_client *c);

/* A command that writes is about to run, and a snapshot is under way that may want a large value
 * before it changes, or, `full`, has no room for another one. */
enum slow_verdict slow_image_admit(struct server_thread *t, struct slow_client *c, bool full);
/* A value from so many elements on is large. */
uint64_t slow_threshold(void);
