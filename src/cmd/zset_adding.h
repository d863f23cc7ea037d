/* zset_adding.h: what ZADD and GEOADD share: their options, and many members added in one go.
 * Called from handlers; false means that the error has been answered. */
#pragma once

#include "cmd/exec.h"
#include "store/zset.h"

struct zset_adding {
    unsigned rules;     /* enum zset_rule */
    bool count_changes; /* CH */
    uint32_t first;     /* argument where the first item begins; before: where options do */
    uint32_t width;     /* arguments of an item, its member the last of them */
    uint32_t count;     /* items, at least one */
};

/* Reads CH and the rules of `allowed` from a->first on, and counts the items behind them. Which
 * rules exclude each other is the caller's to say. */
bool zset_adding_options(struct exec *ex, unsigned allowed, struct zset_adding *a) MUST_USE;
/* Finds the set or makes one for these arguments; with ZSET_XX a missing one stays missing (root
 * NULL). */
void zset_adding_open(struct exec *ex, const struct zset_adding *a, struct ref *ref,
                      struct zset *z);
/* Adds all items with these scores to the first key, and answers how many. */
void zset_adding_run(struct exec *ex, const struct zset_adding *a, double *scores);
