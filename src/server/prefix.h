/* prefix.h: CLIENT TRACKING … BCAST: who wants to hear of all keys with a prefix.
 *
 * A reactor collects the keys that its commands change, and at the end of its turn sends all that
 * match, sorted and each once, to the reactors whose clients want them; there they are handed out,
 * prefix by prefix.
 * Complexity: a change O(log prefixes + matching ones); joining and leaving O(prefixes). */
#pragma once

#include "ds/table.h"
#include "server/prefix_set.h"
#include "store/txn.h"

struct server_thread;
struct tracker;

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

void prefix_hub_deinit(struct prefix_hub *hub); /* all clients are gone */

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
