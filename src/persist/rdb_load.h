/* rdb_load.h: an RDB file into the keyspace.
 *
 * rdb_load_alone() runs on one thread in exclusive mode (DEBUG RELOAD). rdb_load_shared() is for
 * the start: the calling thread reads, checks and cuts the file into pieces of whole items, which
 * several threads turn into values and insert, each under the lock of the key's shard.
 *
 * Keys that have expired are left out, but of a log's base. A file with the same key twice, a value
 * that is damaged or a database that there is not is refused: the fault says where. What was
 * inserted before stays; who called decides what becomes of it. Memory: some pieces, and the
 * largest item. */
#pragma once

#include "persist/guest.h"
#include "persist/rdb_reader.h"

struct rdb_load {
    /* set by the caller */
    bool verify;   /* the checksum */
    bool replace;  /* a key that exists gives way; else it is a fault */
    bool preamble; /* it is the base of a log: what has expired stays, for the log says when it
                      goes, and commands may follow the data */
    uint64_t bytes_before;                          /* of other files, for the figures */
    void (*function)(void *arg, struct slice item); /* a library, as it stands in the file; the
                                                       calling thread */
    void *arg;
    const _Atomic int *delay_us;   /* per key, for tests; below 0: 1 µs every so many keys */
    const _Atomic bool *cancelled; /* NULL, or: becomes true when nobody wants the data any more */
    /* figures: any thread */
    _Atomic uint64_t keys, expired, bytes_done;
    _Atomic uint64_t bytes_total; /* at least; set by the caller when it knows of more files */
    uint64_t end;                 /* offset behind the data */
    unsigned version;             /* of the file, when it has been opened */
    struct rdb_fault fault;
};

/* OK; ERR_SYS: errno says why the file cannot be opened; ERR_SYNTAX: `fault` says what is wrong
 * with it; ERR_CLOSED: cancelled. */
enum err rdb_load_alone(struct rdb_load *l, const char *path, struct txn *t) MUST_USE;
/* The guests are awake; each is used by one thread. */
enum err rdb_load_shared(struct rdb_load *l, const char *path, struct guest *guests,
                         unsigned count) MUST_USE;
