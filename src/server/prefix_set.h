/* prefix_set.h: the prefixes that clients of all reactors want to hear of (prefix.h), in one sorted
 * array.
 *
 * An array never changes: whoever adds or removes prefixes makes a new one, under a leaf lock.
 * Every reactor holds a reference to the one it saw last, reads it without a lock, and takes the
 * newest when the version has changed. The prefixes of a key are found from the last one that is
 * not above the key, by links to the longest other prefix of each prefix. Threading: any. Memory:
 * MEM_CLIENT. Complexity: lookup O(log prefixes + matching ones), change O(prefixes). */
#pragma once

#include "base/blob.h"
#include "base/lock.h"
#include "base/slice.h"

struct prefix_item {
    struct blob *name;
    uint64_t reactors; /* a bit for each that has clients for it */
    uint32_t parent;   /* the longest other one that it begins with, or UINT32_MAX */
};

struct prefix_set { /* never changes; ascending */
    _Atomic uint32_t refs;
    uint32_t count, cap;
    struct prefix_item items[];
};

struct prefixes { /* of the server; all zero when new */
    struct lock lock;
    struct prefix_set *set;   /* NULL: there are none; guarded by the lock */
    _Atomic uint64_t version; /* of set; changes under the lock */
    _Atomic uint32_t count;
};

/* Before there are reactors. */
void prefixes_init(struct prefixes *p);
void prefixes_deinit(struct prefixes *p); /* all clients are gone */

/* A reactor has its first client for each of the names (sorted, no two alike), or its last one
 * left.
 */
void prefixes_change(struct prefixes *p, const struct slice *names, uint32_t count,
                     unsigned reactor, bool join);
/* Replaces a reference (NULL: none yet) by one to the newest set, of which there is one. */
void prefixes_refresh(struct prefixes *p, struct prefix_set **set, uint64_t *version);
void prefix_set_unref(struct prefix_set *set); /* NULL is fine */

/* A bit for each reactor with clients for some prefix of the key. */
uint64_t prefix_set_reactors(const struct prefix_set *set, struct slice key);

INLINE struct slice prefix_item_name(const struct prefix_item *item)
{
    return slice_make(item->name->bytes, item->name->len);
}

INLINE bool prefix_begins(struct slice text, struct slice prefix)
{
    return prefix.len <= text.len && bytes_equal(text.ptr, prefix.ptr, prefix.len);
}
