/* plan.h: what can be done for a whole batch before its first command runs.
 *
 * Stages, each over all requests, so that their cache misses overlap: look the command up, hash its
 * key and prefetch the shard; the bucket; the entry; and of commands that name a member of a large
 * collection the member's bucket, then the member. A pipeline knows what it
 * will touch (MICA, NSDI 2014).
 *
 * Owner: the reactor that runs the batch. A plan holds pointers into its requests. Everything
 * prefetched is a hint; the hashes are facts. O(requests). */
#pragma once

#include "cmd/command.h"
#include "proto/request.h"
#include "store/txn.h"

struct planned {
    const struct command *cmd;
    struct key key; /* of a command with one simple key */
    bool plain;     /* the command is (command.h), and the number of its arguments is right */
    bool one_key;
    bool repeats;        /* no key, or that of the last one that has a key: nothing to prefetch */
    uint32_t member_arg; /* 0, or the argument whose hash is member_hash */
    uint64_t member_hash;
};

/* Fills plans[count]. `prefetch`: the thread is inside its gate; outside, nothing but lookups and
 * hashes. count ≤ LIMIT_BATCH_REQUESTS. */
void plan_batch(struct txn *txn, const struct db *db, const struct request *requests,
                uint32_t count, struct planned *plans, bool prefetch);
