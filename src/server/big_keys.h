/* big_keys.h: the largest values, known without a scan.
 *
 * Two sources fill a list of 32 keys per thread: the sampled writes of hot_keys.h, and a walk in
 * which each reactor looks at its shards a few buckets at a time for ever (about 1,300 buckets, or
 * 9,000 keys, a second). What the list says may be old: a reader looks at each key again, and drops
 * those that are gone. Sizes of collections are estimated from five of their elements. The walk
 * also takes the census of types (key_census.h).
 *
 * Owner: the walk's place belongs to its reactor; the list has a lock (a leaf). */
#pragma once

#include "base/lock.h"
#include "ds/top.h"
#include "server/key_census.h"
#include "store/txn.h"

struct server_thread;

enum {
    BIG_KEYS = 32,
    BIG_KEY_BYTES = 4096, /* smaller ones are not remembered */
    BIG_KEY_SAMPLES = 5
};

struct big_keys { /* part of a server_thread */
    struct lock lock;
    struct top top; /* by bytes */
    unsigned shard; /* the walk: where it goes on */
    int db;
    uint64_t cursor;
    int64_t next_ms;
    struct key_census census;
};

/* Of one thread; empty. */
void big_keys_init(struct big_keys *b);
void big_keys_deinit(struct big_keys *b);
/* A sampled command may have changed these keys, whose shards are held. */
void big_keys_note(struct server_thread *t, int db, const struct key *keys, uint32_t count);
/* A step of the walk; inside the gate, with no shard held. */
void big_keys_walk(struct server_thread *t, int64_t now_ms);
