/* file_job.h: a small file that a command writes (CONFIG REWRITE, ACL SAVE), on a thread of its
 * own: a disk that hangs stops nobody but who has asked for it.
 *
 * The handler, which runs alone, puts together what there is to write, as it is at that moment. One
 * thread, made at the first such command, writes file after file, so a later command's is never
 * replaced by an earlier one's. Meanwhile the connection is not read; the reply comes by its
 * reactor's mailbox. EXEC must not wait like that: it waits for the thread, and others wait for it.
 * As long as no thread can be had, the handler writes itself.
 *
 * Ownership: a plan belongs to the job from file_job_start() on. Threading: everything but
 * file_plan.run belongs to the connection's reactor. */
#pragma once

#include "cmd/exec.h"

struct file_job;
struct server;

enum {
    FILE_PLAN_ERROR_MAX = 1024
};

struct file_plan {
    /* Writes the file, on the other thread, and looks at nothing that may change. False: `error`
     * is the reply. */
    bool (*run)(struct file_plan *self, char error[FILE_PLAN_ERROR_MAX]);
    void (*destroy)(struct file_plan *self);
};

/* The command of `ex` is answered when the plan has been carried out; its handler returns now. */
void file_job_start(struct exec *ex, struct file_plan *plan);
/* The client goes; the file is written all the same. */
void file_job_forget(struct file_job *job);
/* Ends the thread when all is written: the reactors have stopped, their mailboxes are there. */
void file_job_stop(struct server *s);
