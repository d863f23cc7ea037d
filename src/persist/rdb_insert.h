/* rdb_insert.h: one item of an RDB file into the keyspace: the part of loading that every thread
 * does, for rdb_load*.c only. */
#pragma once

#include "persist/rdb_load.h"

/* What a thread needs while it inserts. */
struct rdb_inserter {
    struct rdb_load *load;
    struct txn *txn;
    int db;
    struct rdb_text key;
    struct rdb_fault *fault;
    bool was_mute, was_replay; /* the txn, before */
};

/* `load`, `t` and `fault` are borrowed; a fault is written to the last. */
void rdb_inserter_init(struct rdb_inserter *x, struct rdb_load *load, struct txn *t,
                       struct rdb_fault *fault);
void rdb_inserter_deinit(struct rdb_inserter *x);
/* Any item; `offset` is where it ends. The txn may take locks (inside the gate), or is exclusive.
 * False: the fault is set. */
bool rdb_insert(struct rdb_inserter *x, const struct rdb_item *item, uint64_t offset) MUST_USE;
/* Asks for the memory that inserting the item will touch first. A hint; inside the gate. */
void rdb_insert_prefetch(struct rdb_inserter *x, const struct rdb_item *item);
/* The pause per key that tests ask for; outside the gate. */
void rdb_insert_delay(const struct rdb_load *load);
