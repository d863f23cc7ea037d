/* slow.h: slow commands run on the worker pool, so that they slow nobody.
 *
 * A row of commands.def with CMD_SLOW says that the command only reads its keys, apart from a
 * destination that publish_outcome() stores into, or that it changes the value of one key in
 * place. Its handler looks the values up, and when there is too much to do
 * (slow-command-threshold), it returns: see defer() and defer_edit(). Nothing has been done yet.
 * The reactor, which holds the locks, pins all keys (store/pin.h), copies the entries that lead to
 * the values, unlocks, and hands a job to the pool. The worker runs the same handler, with a txn
 * that sees only those entries and a reply of its own. The reactor then publishes the outcome of a
 * …STORE command under the locks of its keys, in O(1): a worker is at nice 19 and must never be off
 * the processor with a lock in its hand. It answers, and lets go of the pins. The command takes
 * effect at the pin when it only reads, else when it is published: its sources are still as it read
 * them.
 *
 * A value that is changed in place leaves its entry for the worker (store/draft.h), and comes back
 * when the change is published. The key is pinned against everybody.
 *
 * A connection whose command is away, or waits for a pin, is read no further, which keeps its
 * commands in order. A command that waited for pins too often runs alone, hence is not starved.
 * Exclusive commands bar new slow ones and wait until none is left; with them, CONFIG SET: no
 * setting changes while a worker may read it.
 *
 * Threading: everything but the worker's part belongs to the connection's reactor. Memory: a job
 * owns its copies, its reply and its outcome; it lives from the start until its reactor has
 * finished it, which must wait while the persist thread is alone. */
#pragma once

#include "cmd/exec.h"
#include "net/conn.h"
#include "server/slow_walk.h"
#include "store/pin.h"

struct queued_command;
struct server;
struct server_thread;
struct slow_job;
struct file_job;

enum {
    SLOW_SLICES = 4
};

/* Of a client. */
struct slow_client {
    struct pin_waiter waiter;
    struct slow_client *next,
        **link; /* of the thread's waiting clients; link NULL: not among them */
    struct conn *conn;
    struct slow_job *job;   /* its command runs on the pool */
    struct slow_walk *walk; /* its command runs in slices */
    struct file_job *file;  /* its command writes a file: file_job.h */
    uint64_t waited_at; /* the command, counted from the connection's first, that waited last … */
    unsigned waits;     /* … and how often */
};

/* Of a reactor. */
struct slow_thread {
    _Atomic bool event; /* a client that waits for a pin was woken */
    struct slow_client *waiting, **last;
    uint32_t waiting_count;
    struct slow_job *done, **done_last;
    struct slow_walk *walks, **last_walk; /* take turns */
    bool barred; /* an exclusive command of this thread keeps slow ones from starting … */
    const struct conn *barrer;            /* … this connection's, or this one's last */
    _Atomic uint64_t run, waits;          /* commands on the pool; waits for pins: statistics */
    _Atomic uint64_t slices[SLOW_SLICES]; /* runs of commands by time per command, from 100 us on */
    _Atomic uint64_t parts;               /* of work that is no command's: they count as runs */
};

/* Of the server. */
struct slow_state {
    CACHE_ALIGNED _Atomic uint32_t jobs; /* started and not finished */
    _Atomic uint32_t bars;               /* threads that have an exclusive command waiting */
    _Atomic bool turned_away;            /* a slow command found a bar */
    _Atomic uint32_t computing;          /* jobs that the pool has */
};

enum slow_verdict {
    SLOW_RUN,   /* here */
    SLOW_AWAY,  /* the pool has it; the locks are dropped */
    SLOW_WAIT,  /* it waits for a pin; the locks are dropped */
    SLOW_BARRED /* it waits for exclusive commands, or a snapshot's disk; the locks are dropped */
};

/* Before its reactor runs. */
void slow_thread_init(struct slow_thread *s);
/* Frees jobs that came too late. The reactor no longer runs, its connections are closed. */
void slow_thread_deinit(struct server_thread *t);
void slow_client_init(struct slow_client *c, struct conn *conn);
/* The connection goes: it waits no longer; its job finishes for nobody. */
void slow_client_deinit(struct server_thread *t, struct slow_client *c);

/* The command of t->exec has CMD_SLOW, or meets a pin; its shards are locked. SLOW_RUN: its handler
 * may be called, and may defer it. SLOW_WAIT: it changes a value that is being read; the txn has
 * ended, and the connection is not read until it may try again. */
enum slow_verdict slow_admit(struct server_thread *t, struct conn *c);
/* Its handler has deferred it. SLOW_RUN: it is to be called again, there is no memory to do it
 * elsewhere. Otherwise the txn has ended, and the connection is not read until it comes back. */
enum slow_verdict slow_defer(struct server_thread *t, struct conn *c);

/* Before exclusive mode: no slow command starts any more. False: some still run; the thread's gate
 * wake comes when the last has ended. */
bool slow_bar(struct server_thread *t, const struct conn *c);
/* The exclusive command has run, or is no longer wanted. */
void slow_unbar(struct server_thread *t);

/* The same for a thread that may sleep: no slow command runs, or starts, until slow_release(). No
 * value is away then for an edit. Gives up when *cancelled says so: false. Outside every gate. */
bool slow_hold(struct server *s, const _Atomic bool *cancelled) MUST_USE;
void slow_release(struct server *s);
/* What a snapshot's walk needs to read large values, and to wake who waits for room. */
void slow_serve_snapshot(struct server *s);

/* Finishes jobs that came back and resumes clients that were woken. Last in each turn, outside the
 * gate. */
void slow_look(struct server_thread *t);
/* Waits until the pool has no job of ours. The reactors no longer run. */
void slow_settle(struct server *s);

/* For jobs and walks: statistics of a command that has run, inside the gate (`c` may be NULL:
 * the client is gone); its reply, outside. */
void slow_count_call(struct server_thread *t, const struct slow_client *c,
                     const struct queued_command *command, uint64_t cycles,
                     const struct reply *reply);
void slow_answer(struct slow_client *c, struct output *output, uint64_t lsn);
/* Before slow_answer(): puts an error in the place of a read's reply, when the log cannot be
 * written and so the reply would wait. Returns what it waits for now. */
uint64_t slow_refuse_unsafe(struct server_thread *t, const struct command *cmd, struct reply *reply,
                            uint64_t lsn) MUST_USE;
/* Counts a run of commands that took this long each. */
void slow_count_slice(struct server_thread *t, uint64_t cycles);
/* Counts a part of work that keeps the reactor as a command would. */
void slow_count_part(struct server_thread *t, uint64_t cycles);

extern uint64_t slow_slice_cycles; /* 100 us; constant after slow_calibrate() */
void slow_calibrate(void);
