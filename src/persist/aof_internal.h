/* aof_internal.h: what the files of the log share. */
#pragma once

#include "persist/aof_log.h"

/* One file of the log. Made by who opens or switches; freed by who ends it. */
struct aof_segment {
    struct aof_segment *next; /* set, with `ended`, by the switch; guarded by ring.reader */
    bool ended;               /* nothing more is gathered … */
    uint64_t number;          /* counts segments, from 1; never changes once it is chained */
    uint64_t end_lsn;         /* … but what has this LSN or less */
    struct buf gather;        /* guarded by ring.reader, like the next two */
    int db;                   /* of the last record; -1: none */
    int64_t stamp_s;
    int fd;                /* never changes */
    _Atomic bool given_up; /* the log was closed while writing failed: no further try */
    /* guarded by `writer` */
    struct aof_file file;
    bool follows; /* another file, which must be durable before this one gets its first byte */
    bool torn;    /* behind file.size stands part of a batch */
    bool failed;  /* a sync of it failed: nothing more is written */
};

struct aof_sync_job { /* for the thread that syncs; in order */
    struct aof_sync_job *next;
    struct aof_segment *segment;
    uint64_t lsn; /* durable when it is done */
    bool last;    /* then the segment is closed and freed */
    bool skip;    /* nothing to sync: it has failed before */
};

/* aof_batch.c: with `writer` held. */
/* Writes one batch of what is there. False: there was nothing, or it cannot be (see state). */
bool aof_write_batch(struct aof_log *log);
/* Syncs what is written, on this thread. */
bool aof_sync_now(struct aof_log *log);
/* Tells who waits what has become safe. */
void aof_publish(struct aof_log *log);
/* A sync of the segment with this number failed with errno. */
void aof_sync_failed(struct aof_log *log, uint64_t number, int error);
/* aof_log.c: the part of aof_log_close() that waits for `writer`. */
void aof_finish_close(struct aof_log *log);
void aof_set_state(struct aof_log *log, enum aof_state state, int error);
/* Tells how long a step took that began then. */
void aof_tell_took(struct aof_log *log, enum aof_step step, int64_t begun_us);

/* aof_batch.c: moves what is in the ring to the segment that gathers. With ring.reader held. */
uint64_t aof_gather(struct aof_log *log);

/* aof_thread.c */
/* Makes the log's thread look, soon. Any thread, any lock. */
void aof_kick(struct aof_log *log);
/* Tells when there is too much to be written, or no longer. Any thread, any lock. */
void aof_look_at_room(struct aof_log *log);
/* Leaves it to the other thread to sync a segment, and to close it if this is the last job of it.
 */
void aof_add_job(struct aof_log *log, struct aof_segment *s, uint64_t lsn, bool last);
/* Looks at what became of these jobs. With `writer` held. */
void aof_look_at_jobs(struct aof_log *log);
/* Waits until the syncing thread has done all jobs. */
void aof_await_jobs(struct aof_log *log);
void aof_segment_destroy(struct aof_segment *s);
