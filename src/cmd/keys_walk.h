/* keys_walk.h: KEYS, shard by shard: the command does all steps in a row, or the server spreads
 * them over time. Threading: as the txn and the reply given. Memory: none of its own; the pattern
 * stays borrowed. */
#pragma once

#include "cmd/scan_args.h"

struct keys_walk {
    struct scan_args args;
    struct output_mark mark;
    size_t count;
    unsigned next; /* shard */
};

/* Opens the reply. */
void keys_walk_begin(struct keys_walk *w, struct slice pattern, struct reply *r);
/* Answers with the keys of one shard, locked meanwhile (nothing when the txn is exclusive). False:
 * there are no more, and the reply is complete. O(keys of the shard). */
bool keys_walk_step(struct keys_walk *w, struct txn *t, struct reply *r);
