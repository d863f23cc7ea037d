/* keys_walk.h: KEYS and SCAN, shard by shard: the command does all steps in a row, or the server
 * spreads them over time. Threading: as the txn and the reply given. Memory: SCAN's names, until
 * the walk is ended; patterns stay borrowed. */
#pragma once

#include "cmd/scan_args.h"

struct keys_walk {
    bool (*step)(struct keys_walk *w, struct txn *t, struct reply *r);
    struct scan_args args;
    unsigned next;     /* shard */
    struct exec *asks; /* whether to go on (exec.goes_on); NULL: nobody */
    uint64_t work;     /* since it asked */
    bool broken_off;   /* the answer was no: there is no reply */
    /* KEYS */
    struct output_mark mark;
    size_t count;
    /* SCAN: the cursor stands before the names in the reply */
    uint64_t bucket; /* where the next shard is gone on with */
    uint64_t found, seen;
    struct buf names; /* u32 length, bytes */
    bool answers;     /* all is found */
};

/* ex is a KEYS or a SCAN; KEYS opens its reply. False: the arguments are wrong, and that has been
 * answered. */
bool keys_walk_begin(struct keys_walk *w, struct exec *ex) MUST_USE;
void keys_walk_end(struct keys_walk *w);

/* Goes on with the keys of one shard, locked meanwhile (nothing when the txn is exclusive), or with
 * some of the reply. False: the reply is complete. O(keys of the shard). */
INLINE bool keys_walk_step(struct keys_walk *w, struct txn *t, struct reply *r)
{
    return w->step(w, t, r);
}
