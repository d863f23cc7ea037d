/* settings.h: what the configuration tells the data layers (store and cmd).
 *
 * One global instance, owned by server/config. It is written at start, before there are threads,
 * and by CONFIG SET, which runs in exclusive mode with all gates closed; so code inside a gate
 * reads plain fields. A field read outside a gate is _Atomic (any order: nothing is published
 * through it). */
#pragma once

#include "base/base.h"

/* Which keys eviction may take: low bit set means all keys, clear means only those with a TTL. */
enum maxmemory_policy {
    POLICY_VOLATILE_LRU = 0,
    POLICY_ALLKEYS_LRU = 1,
    POLICY_VOLATILE_LFU = 2,
    POLICY_ALLKEYS_LFU = 3,
    POLICY_VOLATILE_RANDOM = 4,
    POLICY_ALLKEYS_RANDOM = 5,
    POLICY_VOLATILE_TTL = 6,
    POLICY_NOEVICTION = 8,
};

/* Classes of keyspace events, the letters of notify-keyspace-events. */
enum notify_class {
    NOTIFY_KEYSPACE = 1 << 0,                           /* K: channels __keyspace@<db>__:<key> */
    NOTIFY_KEYEVENT = 1 << 1,                           /* E: channels __keyevent@<db>__:<event> */
    NOTIFY_GENERIC = 1 << 2,                            /* g */
    NOTIFY_STRING = 1 << 3,                             /* $ */
    NOTIFY_LIST = 1 << 4,                               /* l */
    NOTIFY_SET = 1 << 5,                                /* s */
    NOTIFY_HASH = 1 << 6,                               /* h */
    NOTIFY_ZSET = 1 << 7,                               /* z */
    NOTIFY_EXPIRED = 1 << 8,                            /* x */
    NOTIFY_EVICTED = 1 << 9,                            /* e */
    NOTIFY_STREAM = 1 << 10,                            /* t */
    NOTIFY_MODULE = 1 << 11,                            /* d */
    NOTIFY_MISS = 1 << 12,                              /* m, not part of A */
    NOTIFY_NEW = 1 << 13,                               /* n, not part of A */
    NOTIFY_ALL = (NOTIFY_MODULE << 1) - NOTIFY_GENERIC, /* A: g to d */
};

struct store_settings {
    int databases;
    int shards;                  /* power of two */
    uint64_t maxmemory, maxkeys; /* 0: no limit */
    enum maxmemory_policy maxmemory_policy;
    int maxmemory_samples, maxmemory_eviction_tenacity;
    int lfu_log_factor, lfu_decay_time_min;
    bool lazyfree_lazy_eviction, lazyfree_lazy_expire, lazyfree_lazy_server_del;
    bool lazyfree_lazy_user_del, lazyfree_lazy_user_flush;
    _Atomic bool rdb_compression;
    unsigned notify_events; /* enum notify_class, OR-ed */

    size_t hash_max_listpack_entries, hash_max_listpack_value;
    size_t set_max_intset_entries, set_max_listpack_entries, set_max_listpack_value;
    size_t zset_max_listpack_entries, zset_max_listpack_value;
    int list_max_listpack_size; /* > 0: elements; -1..-5: 4 KB to 64 KB */
    int list_compress_depth;
    size_t hll_sparse_max_bytes, stream_node_max_bytes;
    int64_t stream_node_max_entries;
};

extern struct store_settings store_settings;
