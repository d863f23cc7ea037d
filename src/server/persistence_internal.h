/* persistence_internal.h: what the files of persistence share. */
#pragma once

#include "server/config.h"
#include "server/persistence.h"

/* Gives the thread a job. Any thread. */
void persistence_want(struct persistence *p, enum persist_job job);

/* persistence.c */
/* Where to save, by the settings. Exclusive mode; false: logged. */
bool persistence_target(struct save_target *target);
/* What the head of a file says. */
struct rdb_head persistence_head(const struct buf *functions);
void persistence_begin_snapshot(struct persistence *p); /* exclusive mode */
/* The snapshot that has begun goes to p->target. False: see p->writer. The thread. */
bool persistence_write_snapshot(struct persistence *p) MUST_USE;
/* The libraries as they are now go into it. Exclusive mode. */
void persistence_keep_functions(struct persistence *p);
void persistence_walk(struct persistence *p); /* the thread */
void persistence_check(struct timer *self);
void persistence_watch_config(void);

/* persistence_load.c */
/* Whether there is something to load; ERR_SYS: there is, and it must not be overwritten, but it
 * cannot be opened (logged). */
enum err persistence_find_file(struct persistence *p, bool *exists) MUST_USE;
void persistence_load(struct persistence *p); /* the thread */
