/* aof_log.h: the append-only log: from the effects of commands to bytes on disk, and how far they
 * are safe.
 *
 * Every record has an LSN, its place in the order of execution (aof_ring.h). Records are gathered
 * into batches, a batch is written with one write(2), and behind it stands a line that redis-server
 * takes for a comment:
 *
 *     #CK:<bytes>:<crc32c>\r\n     e.g. #CK:118:0e5da1c4
 *
 * <bytes>, decimal, is the length of what stands between the end of the #CK line before (or the
 * beginning of the file) and this line; <crc32c>, eight hexadecimal digits, is the checksum of
 * these bytes, started with the checksum of the #CK line before (or 0). So a batch can be verified
 * alone, and a missing one shows. With aof-timestamp-enabled a line #TS:<unix seconds>\r\n stands
 * before the first record of a second; it belongs to the batch. A file begins with a SELECT.
 *
 * Safe. safe_lsn is what replies wait for: durable under `always`, else written (write(2) has
 * returned). The log's thread writes, for all reactors at once: a write may hang as long as the
 * disk does. Under `always` it also syncs; otherwise syncs are a second thread's, so no reply waits
 * for one.
 *
 * Segments. A segment is one file. aof_log_switch() ends it at a boundary of records: what has an
 * LSN up to the boundary goes to the old file, the rest to the new one. The rewrite uses it when it
 * takes its snapshot, in exclusive mode.
 *
 * Faults. A write that fails (no space, an I/O error, a short one) leaves the log in
 * AOF_WRITE_FAILED: the file is cut back to the last whole batch and the batch is tried again, ten
 * times a second, until it works. A sync that fails makes the segment useless, since nobody knows
 * what the disk has: AOF_SYNC_FAILED. Nothing becomes safe any more until a rewrite has succeeded:
 * aof_log_switch() to a new file that no manifest names yet, a snapshot of the memory, a manifest
 * with both, aof_log_settle().
 *
 * Owner: the server has one. Threading: stands at each function. Lock order: any shard lock →
 * ring.reader; `writer` → ring.reader; no shard lock or gate is taken in here.
 * Memory: the log owns its buffers and the files it was given. */
#pragma once

#include "base/buf.h"
#include "base/lock.h"
#include "os/thread.h"
#include "persist/aof_ring.h"
#include "store/keyspace.h"

#include <limits.h>

enum aof_policy {
    AOF_ALWAYS,
    AOF_EVERYSEC,
    AOF_NO
};

enum {
    AOF_ROOM_BYTES = 64 << 20 /* gathered and not written: beyond, writers wait */
};

enum aof_state {
    AOF_GOOD,
    AOF_WRITE_FAILED, /* tried again by itself */
    AOF_SYNC_FAILED,  /* until a rewrite has succeeded */
};

/* A file that records can be appended to. New: all zero but fd and name. Of one that was loaded,
 * the loader knows the rest. */
struct aof_file {
    int fd;              /* opened by aof_file_open(); the log closes it */
    uint64_t size;       /* bytes; the next one goes there */
    uint64_t open_bytes; /* behind the last #CK line: the next one covers them, too */
    uint32_t crc;        /* of them, started with that line's */
    char name[NAME_MAX + 1];
};

/* Opens a file to append to, made if it is missing, and cuts it to `size` bytes if it is longer.
 * ERR_SYS. */
enum err aof_file_open(struct aof_file *f, const char *path, uint64_t size) MUST_USE;

enum aof_step { /* what may take long */
    AOF_STEP_WRITE,
    AOF_STEP_WRITE_BESIDE_SYNC, /* a write while a sync is under way */
    AOF_STEP_SYNC               /* under `always` */
};

/* What the log tells the server. Called on the log's threads, or on the thread that commits; the
 * functions must not block and not call the log. */
struct aof_log_ops {
    /* safe_lsn or what aof_log_durable() says has risen: who waits for it should look. */
    void (*safe)(void *arg);
    /* Writes are refused while the state is not AOF_GOOD. `error`: errno of the failure. */
    void (*state)(void *arg, enum aof_state state, int error);
    /* There is too much to be written, or no longer: whoever is going to write waits before it
     * takes locks. */
    void (*room)(void *arg, bool room);
    /* A segment that aof_log_switch() ended is written, synced and closed, or is given up (after a
     * failed sync); `lsn` is its boundary. */
    void (*ended)(void *arg, uint64_t lsn);
    /* A step took so long. May be NULL. */
    void (*took)(void *arg, enum aof_step step, int64_t us);
};

struct aof_segment;
struct aof_sync_job;

struct aof_figures {        /* what INFO shows; any thread */
    uint64_t segment_bytes; /* of the current file, with what was there when it was opened */
    uint64_t written_bytes; /* since the start, into all files */
    uint64_t buffered_bytes;
    uint64_t syncs_pending, delayed_syncs; /* a sync was due while the one before still ran */
    uint64_t writes, syncs;
};

struct aof_log {
    struct aof_ring ring;
    struct effect_sink sink; /* to be plugged into the keyspace while the log is open */
    const struct aof_log_ops *ops;
    void *arg;

    /* any thread; written with `writer` held */
    CACHE_ALIGNED _Atomic uint64_t safe_lsn; /* UINT64_MAX: nothing has to wait */
    _Atomic uint64_t written_lsn, synced_lsn;
    _Atomic int state, error; /* enum aof_state, errno */

    /* any thread */
    _Atomic int policy; /* enum aof_policy */
    _Atomic bool timestamps, sync_held, full;
    _Atomic bool closed;         /* what fails is given up: nobody waits for it */
    _Atomic bool closing;        /* … and whoever has `writer` next ends what it guards of it */
    _Atomic bool in_force;       /* written with `writer` held */
    _Atomic bool kicked, asleep; /* the thread has work; it sleeps (Dekker) */
    _Atomic uint64_t flush_lsn;  /* somebody waits until this is synced */
    _Atomic uint64_t gathered;   /* bytes out of the ring and not yet written */
    _Atomic uint64_t written_bytes, segment_bytes, writes, syncs, delayed_syncs, syncs_pending;

    struct lock room; /* a leaf; guards changes of `full`, and the order of what is told of them */

    /* The chain of segments: changed with ring.reader held; `oldest` with `writer`, too. */
    struct aof_segment *newest; /* gathers; NULL: closed */
    struct aof_segment *oldest; /* is written */
    uint64_t segment_count;     /* since the start; with ring.reader */

    /* guarded by `writer` */
    struct lock writer;
    struct buf batch; /* taken from the oldest, sealed with its #CK line; stays if it fails */
    uint64_t batch_lsn;
    uint32_t batch_crc;
    uint64_t failed_number; /* the newest segment of which a sync failed; 0: none */
    int failed_error;       /* errno of that */
    int64_t failed_ms;      /* when a write failed last */
    int64_t sync_due_ms;    /* changed by the log's thread only */
    bool sync_delayed;      /* noted that it is due while one still runs */

    pthread_t thread, sync_thread;
    bool started;
    pthread_mutex_t mutex; /* a leaf; guards the rest */
    pthread_cond_t wanted, sync_wanted, progress;
    bool quit, sync_quit;
    struct aof_sync_job *jobs, **last_job; /* the first one is being done */
    int job_error;                         /* errno of one that failed; 0: none */
    uint64_t job_failed_number, job_failed_lsn;
};

/* `ops` and `arg` are borrowed until aof_log_deinit(). Nothing is opened or started. */
void aof_log_init(struct aof_log *log, const struct aof_log_ops *ops, void *arg);
/* Starts the threads. ERR_SYS. */
enum err aof_log_start(struct aof_log *log) MUST_USE;
/* Writes, syncs and closes what is open and ends the threads. Nobody appends any more. False: some
 * of it could not be written, or synced (logged). */
bool aof_log_stop(struct aof_log *log);
void aof_log_deinit(struct aof_log *log);

/* ---- exclusive mode, or before there are threads ---- */

/* Begins to log into this file: the caller then plugs `sink` into the keyspace. `in_force`: replies
 * wait from now on; otherwise from aof_log_settle() on: the file means nothing before its base is
 * there (appendonly turned on). The log is closed. Returns the boundary: the newest LSN before. May
 * wait for a write, unless aof_log_is_empty(). */
uint64_t aof_log_open(struct aof_log *log, const struct aof_file *file, bool in_force);
/* What is logged from now on goes to this file. Returns the boundary, the newest LSN before. The
 * new file gets its first byte when the old one is durable, whatever the policy, so that a loss of
 * power leaves no hole: aof_log_flush() before makes that short. Waits for no input or output. */
uint64_t aof_log_switch(struct aof_log *log, const struct aof_file *next);
/* Stops logging: the caller has unplugged the sink. What is there is written, synced and closed by
 * the log's threads; replies wait for nothing more. Waits for no input or output. */
void aof_log_close(struct aof_log *log);

/* ---- any thread ---- */

/* The rewrite that called aof_log_switch() or aof_log_open() last has succeeded: what was logged
 * before stands in the new base, durably. Ends AOF_SYNC_FAILED, unless it was a sync of the new
 * file that failed. */
void aof_log_settle(struct aof_log *log);
/* Nothing is left to be written: after aof_log_close(), once the threads are done with it. */
bool aof_log_is_empty(struct aof_log *log);
/* Waits until everything logged so far is written and synced, whatever the policy. Outside of all
 * locks; may be called in exclusive mode. False: it cannot be, see state. */
bool aof_log_flush(struct aof_log *log);
/* Sees to it that what is logged so far will be safe: called by a reactor at the end of its turn,
 * before replies leave, and outside of all locks. Waits for nothing. */
void aof_log_commit(struct aof_log *log);
/* Replies wait for nothing until the next rewrite: for tests of what has to notice it. */
void aof_log_answer_early(struct aof_log *log);
void aof_log_set_policy(struct aof_log *log, enum aof_policy policy);
/* no-appendfsync-on-rewrite: nothing is synced while a rewrite runs, as under `no`. */
void aof_log_hold_sync(struct aof_log *log, bool held);
/* aof-timestamp-enabled. */
void aof_log_set_timestamps(struct aof_log *log, bool on);
void aof_log_figures(struct aof_log *log, struct aof_figures *out);

/* A reply may leave when this is not below its LSN. */
INLINE uint64_t aof_log_safe(const struct aof_log *log)
{
    return atomic_load_explicit(&log->safe_lsn, memory_order_acquire);
}

/* Replies wait for the log; its files are what a start would load. */
INLINE bool aof_log_in_force(const struct aof_log *log)
{
    return aof_log_safe(log) != UINT64_MAX;
}

/* What has this LSN or less survives a loss of power. */
INLINE uint64_t aof_log_durable(const struct aof_log *log)
{
    if (atomic_load(&log->state) == AOF_SYNC_FAILED)
        return 0;
    return atomic_load(&log->synced_lsn);
}

INLINE uint64_t aof_log_newest(const struct aof_log *log)
{
    return aof_ring_newest(&log->ring);
}
