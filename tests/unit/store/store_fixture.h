/* store_fixture.h: a small keyspace with one txn, for tests of the store. */
#pragma once

#include "base/hash.h"
#include "store/access.h"
#include "store/settings.h"
#include "store/txn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum {
    FIXTURE_DBS = 3,
    FIXTURE_NOW_MS = 1700000000
};

struct fixture {
    struct keyspace *ks;
    struct txn txn;
    char name[64]; /* of the key that fixture_key() made last */
};

static inline void fixture_time(struct fixture *f, int64_t now_ms)
{
    f->txn.now_ms = now_ms;
    f->txn.access_clock = access_lru_clock(now_ms);
}

static inline void fixture_init(struct fixture *f, unsigned shards)
{
    hash_seed(NULL);
    store_settings = (struct store_settings){.databases = FIXTURE_DBS,
                                             .maxmemory_policy = POLICY_NOEVICTION,
                                             .maxmemory_samples = 5,
                                             .maxmemory_eviction_tenacity = 100,
                                             .lfu_log_factor = 10,
                                             .lfu_decay_time_min = 1};
    f->ks = keyspace_create(shards, FIXTURE_DBS);
    txn_init(&f->txn, f->ks, gate_register(&f->ks->gates, NULL, NULL));
    rng_seed(&f->txn.rng, 7);
    fixture_time(f, FIXTURE_NOW_MS);
}

static inline void fixture_deinit(struct fixture *f)
{
    txn_deinit(&f->txn);
    keyspace_destroy(f->ks);
}

static inline struct key fixture_key(struct fixture *f, const char *prefix, int number)
{
    int len = snprintf(f->name, sizeof(f->name), "%s:%d", prefix, number);
    return key_make(slice_make(f->name, (size_t)len));
}

static inline void fixture_begin(struct fixture *f, int db, const struct key *key, struct ref *ref)
{
    txn_begin(&f->txn, db, false);
    txn_lock(&f->txn, key, 1);
    txn_find(&f->txn, key, ref);
}

static inline void fixture_set(struct fixture *f, int db, const char *prefix, int number,
                               struct slice value, int64_t expire_ms)
{
    struct key key = fixture_key(f, prefix, number);
    struct ref ref;
    fixture_begin(f, db, &key, &ref);
    txn_set_string(&f->txn, &ref, value, expire_ms, EVENT_SET);
    txn_end(&f->txn, NULL, 0);
}

/* Looks a key up without a use. */
static inline bool fixture_has(struct fixture *f, int db, const char *prefix, int number)
{
    struct key key = fixture_key(f, prefix, number);
    struct ref ref;
    f->txn.no_touch = true;
    fixture_begin(f, db, &key, &ref);
    txn_end(&f->txn, NULL, 0);
    f->txn.no_touch = false;
    return ref.entry != NULL;
}

static inline void fixture_use(struct fixture *f, int db, const char *prefix, int number)
{
    struct key key = fixture_key(f, prefix, number);
    struct ref ref;
    fixture_begin(f, db, &key, &ref);
    txn_end(&f->txn, NULL, 0);
}

static inline int fixture_count(struct fixture *f, int db, const char *prefix, int from, int to)
{
    int found = 0;
    for (int i = from; i < to; i++)
        found += fixture_has(f, db, prefix, i);
    return found;
}
