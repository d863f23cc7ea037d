/* persistence.h: when data is saved and loaded: save points, SAVE and BGSAVE, the load at the
 * start, the save at the end.
 *
 * One thread of its own ("persist") does what takes long: the walk of a snapshot, the load, the
 * save that a signal asks for. Others give it jobs. Fields say who may touch them. */
#pragma once

#include "io/reactor.h"
#include "persist/aof_log.h"
#include "persist/rdb_load.h"
#include "persist/rdb_writer.h"
#include "persist/snapshot.h"
#include "server/aof.h"
#include "server/settings.h"

#include <pthread.h>

struct server;
struct exec;

enum {
    LOADERS_MAX = 8
};

/* Why commands are refused, or wait. */
enum refusal {
    REFUSE_LOADING = 1,  /* what needs data: -LOADING */
    REFUSE_WRITES = 2,   /* the last snapshot failed: -MISCONF */
    REFUSE_ALL = 4,      /* the last save is done: nothing may change any more */
    REFUSE_LOG = 8,      /* writes: the log cannot be written, -MISCONF */
    REFUSE_NO_ROOM = 16, /* too much is to be written to it: writes wait */
    REFUSE_REPLICAS = 32 /* writes: too few replicas have them, -NOREPLICAS */
};

/* What the thread has to do, the first one first. */
enum persist_job {
    PERSIST_LOAD = 1,
    PERSIST_WALK = 2,     /* a snapshot that has begun */
    PERSIST_SNAPSHOT = 4, /* begin one, then walk */
    PERSIST_LAST_SAVE = 8,
    PERSIST_QUIT = 16,
    PERSIST_REWRITE = 32, /* of the log */
};

struct save_target { /* chosen in exclusive mode: CONFIG SET may change both while a walk runs */
    char directory[PATH_MAX], name[NAME_MAX + 1];
    struct rdb_options options;
    bool is_base; /* of the log */
};

struct persistence {
    struct server *server;
    _Atomic unsigned refusals; /* enum refusal, OR-ed; any thread */

    pthread_t thread;
    bool started;
    pthread_mutex_t mutex;
    pthread_cond_t wanted;
    unsigned jobs; /* enum persist_job, under the mutex */
    bool last_save_forced;

    struct snapshot snapshot;
    struct save_target target;   /* of the snapshot */
    struct buf target_functions; /* the libraries that go into it */
    struct rdb_writer writer;    /* of the snapshot: its thread */
    uint64_t delay_paid;         /* keys for which rdb-key-save-delay has been slept; its thread */
    struct snapshot_output output;
    struct lock commit_lock;     /* a file takes its place, or the snapshot is cancelled */
    uint64_t snapshot_changes;   /* STAT_CHANGES when it began */
    _Atomic bool busy;           /* a snapshot is asked for or runs, for a file or the log's base */
    _Atomic bool save_scheduled; /* one is wanted when the one that runs for the log has ended */
    _Atomic bool stopping;       /* the last save has been asked for */
    bool spoiled;                /* the data has half of a script's work in it; exclusive mode */

    struct aof aof;

    struct guest loaders[LOADERS_MAX];
    unsigned loader_count;
    struct rdb_load load;
    int64_t load_started_s;
    bool load_log; /* what is loaded is the log, not the RDB file */
    _Atomic bool cancelled, load_failed;
    struct buf functions; /* library items of the file; exclusive mode, or the loading thread */

    struct aof_log log; /* persistence_log.h */

    struct timer timer; /* on the main thread: save points */
    struct lock points_lock;
    struct save_point *points; /* a copy of save's */
    size_t point_count;

    /* figures; any thread */
    _Atomic uint64_t saved_changes; /* STAT_CHANGES that the file holds */
    _Atomic uint64_t saves;
    _Atomic int64_t last_save_s, last_try_s; /* wall clock */
    _Atomic int64_t started_s, last_took_s;  /* of snapshots; -1: none */
    _Atomic bool last_ok;
};

/* Before there are threads. The thread starts with persistence_start(). */
void persistence_init(struct persistence *p, struct server *s);
/* Loads the file, if there is one, beside what else the server does. Refuses what must not start.
 */
enum err persistence_start(struct persistence *p) MUST_USE;
/* Starts the thread; false: the system refuses. */
bool persistence_run(struct persistence *p);
/* After the reactors have ended: cancels what runs and ends the thread. */
void persistence_end(struct persistence *p);
void persistence_deinit(struct persistence *p);

/* Saves everything, now. Exclusive mode. */
enum err persistence_save(struct persistence *p) MUST_USE;
/* Begins a snapshot into the file. Exclusive mode; false: one is running. */
bool persistence_snapshot(struct persistence *p);
/* The same as soon as whoever is alone now is through: in a transaction, of which the file must not
 * hold a half. */
bool persistence_schedule(struct persistence *p);
/* The data has half of a script's work in it, and the server is to stop: no command runs any more,
 * and the save of the shutdown leaves the file as it is. Exclusive mode. */
void persistence_spoil(struct persistence *p);
/* The save of a shutdown; afterwards no command runs any more. Exclusive mode. */
enum err persistence_last_save(struct persistence *p) MUST_USE;
/* What a signal or SHUTDOWN without options means: whether to save. Any thread. */
bool persistence_saves_at_end(struct persistence *p, unsigned shutdown_options);
/* Stops the server, with a save first: the persist thread does it. The main thread. */
void persistence_stop(struct persistence *p, bool forced);
/* The running snapshot, if any, ends without a file. Any thread. */
void persistence_cancel_snapshot(struct persistence *p);
/* DEBUG RELOAD. Exclusive mode. */
enum err persistence_reload(struct persistence *p, struct txn *t, bool replace) MUST_USE;
/* Builds the libraries of `functions`, as a file had them, and adds them to the server's; false:
 * logged. The guest becomes exclusive for that; NULL: the caller is. */
bool persistence_join_functions(struct persistence *p, struct guest *guest, bool replace) MUST_USE;
/* FLUSHALL: the running snapshot has lost its point, and the file its data. Exclusive mode. */
void persistence_flushed(void);

#define ERROR_NO_REPLICAS "NOREPLICAS Not enough good replicas to write."

/* False: answered. For commands that some refusal may concern. */
bool persistence_admits(struct persistence *p, unsigned command_flags, bool is_ping,
                        const char **error);
/* Changes since the last save. */
uint64_t persistence_changes(const struct persistence *p);
/* Refuses, or no longer. Any thread. */
void persistence_refuse(struct persistence *p, enum refusal why, bool on);
/* Whether writes are refused may have changed. Any thread. */
void persistence_update_refusal(struct persistence *p);

/* The last save is done: nothing may change, or be answered, any more. Inside the gate, or alone:
 * the save was alone too. */
INLINE bool persistence_has_ended(const struct persistence *p)
{
    return atomic_load_explicit(&p->refusals, memory_order_relaxed) & REFUSE_ALL;
}

/* A snapshot goes, or will go, to the RDB file. */
INLINE bool persistence_saving(const struct persistence *p)
{
    return atomic_load(&p->busy) && !atomic_load(&p->aof.rewriting);
}

/* Fewer replicas than min-replicas-to-write: writes are refused with ERROR_NO_REPLICAS. */
INLINE bool persistence_lacks_replicas(const struct persistence *p)
{
    return atomic_load_explicit(&p->refusals, memory_order_relaxed) & REFUSE_REPLICAS;
}

INLINE bool persistence_loading(const struct persistence *p)
{
    return atomic_load_explicit(&p->refusals, memory_order_relaxed) & REFUSE_LOADING;
}
