/* aof.h: which files the append-only log has, and when: at the start they are loaded and opened, a
 * rewrite replaces them, CONFIG SET turns the log on and off.
 *
 * The log itself is persist/aof_log.h, the files persist/aof_set.h, loading aof_load.h. A rewrite
 * is a snapshot (persist/snapshot.h) that goes to a new base, so there is one of both at a time;
 * the persist thread does it.
 *
 * Threading: the set belongs to the persist thread once it runs, before that to the main thread; in
 * exclusive mode, with no job under way, to who is alone. Figures: any thread. */
#pragma once

#include "persist/aof_set.h"
#include "server/aof_load.h"

struct persistence;

struct aof {
    struct aof_set set;
    _Atomic bool named;   /* the set has its paths, which never change then */
    bool load_truncated;  /* the setting at the start */
    bool reloading;       /* DEBUG LOADAOF; exclusive mode */
    struct aof_tail tail; /* where the loaded log goes on */
    uint64_t
        newest_seq; /* of an incremental file, named by a manifest or not; the persist thread */

    /* figures; any thread */
    _Atomic bool rewriting, scheduled, last_ok;
    _Atomic bool turning_on;  /* the log has no base yet */
    _Atomic int64_t retry_ms; /* monotonic: from when on an automatic rewrite may begin */
    _Atomic uint64_t rewrites, failures;            /* failures: one after the other */
    _Atomic int64_t rewrite_started_s, last_took_s; /* -1: none */
    _Atomic uint64_t base_bytes; /* all files when the last rewrite ended, or of the base loaded */
    _Atomic uint64_t old_bytes;  /* of all files but the one that is appended to */
};

/* Before there are threads; deinit after them. */
void aof_init(struct aof *a);
void aof_deinit(struct aof *a);

/* aof_files.c */
/* Finds the files by the settings. ERR_SYS (logged). */
enum err aof_name_and_read(struct aof *a) MUST_USE;
/* Looks at what is there. *exists: something has to be loaded; else a new, empty set has been made
 * and opened. ERR_SYS: it must not start (logged). Before there are threads. */
enum err aof_start(struct persistence *p, bool *exists) MUST_USE;
/* Makes what is missing and opens the log where the loaded one ends. Before there are threads, or
 * the persist thread. */
enum err aof_open(struct persistence *p) MUST_USE;
/* Loads the set and opens it. ERR_CLOSED: cancelled; other errors are logged. The persist thread.
 */
enum err aof_load_and_open(struct persistence *p) MUST_USE;
/* DEBUG LOADAOF: empties the keyspace and loads the log again, which need not be turned on.
 * ERR_MISSING: there is none. Exclusive mode. */
enum err aof_reload(struct persistence *p, struct txn *t) MUST_USE;

/* aof_rewrite.c */
/* Begins a rewrite, or notes that one is wanted as soon as the snapshot that runs has ended: false.
 * Any thread. */
bool aof_want_rewrite(struct persistence *p);
/* The job of the persist thread. */
void aof_rewrite(struct persistence *p);
/* Begins what is scheduled, or what the log's size or state asks for. The main thread's timer. */
void aof_check_rewrite(struct persistence *p);
/* CONFIG SET appendonly. */
void aof_watch_config(void);
