/* cache.h: the scripts of EVAL and SCRIPT LOAD, by the SHA-1 of their text; one for all reactors.
 *
 * Each interpreter compiles a script when it first runs it there. A script is reference counted, so
 * a flush or an eviction takes it from nobody who runs it. Of the scripts that only EVAL brought,
 * the longest unused goes when there are SCRIPT_CACHE_MAX (as in Redis 7.4): a client that puts
 * values into its texts does not fill the memory. What SCRIPT LOAD or EVALSHA has named stays.
 *
 * Threading: any thread; a leaf lock. Complexity: O(1). */
#pragma once

#include "base/lock.h"
#include "base/sha1.h"
#include "base/slice.h"
#include "ds/table.h"

enum {
    SCRIPT_CACHE_MAX = 500, /* of EVAL's */
    SCRIPT_SHA_LEN = 2 * SHA1_BYTES
};

struct script {
    _Atomic uint32_t refs;
    uint32_t flags; /* enum script_flag */
    uint32_t slot;  /* below the cache's slot_count; reused with another serial number */
    uint64_t serial;
    char sha[SCRIPT_SHA_LEN + 1];
    bool evictable;
    struct script *newer, *older; /* of those that are evictable */
    uint64_t hash;
    struct slice body; /* within text, without the header's line */
    size_t len;
    char text[];
};

struct script_cache {
    struct lock lock;
    struct table table;
    struct script *newest, *oldest;
    uint32_t evictable;
    uint64_t next_serial;
    uint32_t *free_slots;
    uint32_t free_count, free_cap, slot_count;
    _Atomic uint64_t count, bytes; /* for INFO */
    _Atomic uint64_t evicted;
    _Atomic uint64_t declaring; /* scripts with declared-keys, so that others need no look */
};

/* Before there are reactors; deinit after them: drops its references. */
void script_cache_init(struct script_cache *c);
void script_cache_deinit(struct script_cache *c);

/* The script with this name (40 hex digits of any case), referenced; NULL: none. */
struct script *script_cache_find(struct script_cache *c, struct slice sha) MUST_USE;
/* Adds a text that compiles, and returns it referenced, or the one that is there. `evictable`: it
 * is EVAL's. */
struct script *script_cache_add(struct script_cache *c, struct slice text, const char *sha,
                                uint32_t flags, struct slice body, bool evictable) MUST_USE;
void script_cache_flush(struct script_cache *c);
void script_unref(struct script *s);
/* Writes the name of a text. */
void script_name(struct slice text, char out[SCRIPT_SHA_LEN + 1]);
