/* aof_load.h: a log into the keyspace: its base, then its incremental files in order.
 *
 * What is whole is applied, in order, and nothing else. The last file may end in the middle of a
 * write: with `load_truncated` it is cut there, else the log is refused. Anything else that is
 * wrong refuses it, with one line that says file, offset, reason and what to do; no file is changed
 * then.
 *
 * The base is loaded by several threads (persist/rdb_load.h), commands run on the calling one,
 * alone with the keyspace for about a millisecond at a time. */
#pragma once

#include "persist/aof_set.h"
#include "persist/rdb_load.h"
#include "server/replay.h"

struct aof_load {
    /* set by the caller */
    struct server *server; /* NULL: a tool */
    struct guest *guests;  /* they are awake; the first one is the calling thread's, too */
    unsigned guest_count;  /* 0: alone in exclusive mode, with `txn` */
    struct txn *txn;
    struct rdb_load *rdb; /* how the base is loaded, and the figures of all */
    bool load_truncated;
    bool keep_files; /* a torn end stays in the file */

    /* results */
    struct aof_tail { /* where the last incremental file goes on; name "": there is none */
        char name[NAME_MAX + 1];
        uint64_t size, span_bytes; /* span: behind the last mark */
        uint32_t crc;
    } tail;

    uint64_t base_bytes, bytes; /* of the base, of all files */
    uint64_t commands, errors;
    char fault[PATH_MAX + 512]; /* one line, when it failed */
    bool truncated;
};

/* OK; ERR_SYNTAX: `fault` says why it was refused (logged by the caller, if it wants to);
 * ERR_CLOSED: cancelled. */
enum err aof_load(struct aof_load *l, const struct aof_set *set) MUST_USE;
