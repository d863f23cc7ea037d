/* prefix.h: CLIENT TRACKING … BCAST: who wants to hear of all keys with a prefix.
 *
 * All prefixes stand in one sorted array that every reactor reads without a lock: it holds a
 * reference to the one it saw last, and takes the newest when the version has changed. Whoever adds
 * or removes prefixes makes a new array under a leaf lock. The prefixes of a key in it are found
 * from the last one that is not above the key, by links to the longest prefix of each prefix.
 * A reactor collects the keys that its commands change, and at the end of its turn sends all that
 * match, sorted and each once, to the reactors whose clients want them; there they are handed out,
 * prefix by prefix.
 * Complexity: a change O(log prefixes + matching ones); joining and leaving O(prefixes). */
#pragma once

#include "base/blob.h"
#include "base/lock.h"
#include "ds/table.h"
#include "store/txn.h"

struct server_thread;
struct tracker;

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

struct prefix_link { /* one client's wish */
    struct prefix_link *next_own;
    struct prefix_link *next, **link; /* of the prefix */
    struct local_prefix *prefix;
    struct tracker *tracker;
};

struct local_prefix { /* with clients on this reactor */
    uint64_t hash;
    struct prefix_link *first;
    size_t len;
    char name[];
};

struct prefix_hub {         /* part of a tracking_hub */
    struct table local;     /* struct local_prefix */
    struct prefix_set *set; /* as last seen */
    uint64_t version;
    struct table changed;      /* keys that changed in this turn */
    uint64_t changed_reactors; /* who wants one of them */
};

void prefixes_init(struct prefixes *p);
void prefixes_deinit(struct prefixes *p); /* all clients are gone */
void prefix_hub_deinit(struct prefix_hub *hub);

/* Adds prefixes (none of which it has) to a client's. The owner thread, like all from here on. */
void prefix_join(struct server_thread *t, struct tracker *k, const struct slice *names,
                 uint32_t count);
/* Removes all of a client's. */
void prefix_leave(struct server_thread *t, struct tracker *k);
/* One string begins with the other. */
bool prefix_overlaps(struct slice a, struct slice b);

/* A key changes. Called with its shard held. */
void prefix_note(struct server_thread *t, const struct key *key, uint64_t by);
/* The end of a turn: sends what has changed. */
void prefix_broadcast(struct server_thread *t);
