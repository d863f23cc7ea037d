/* key_census.h: how many keys there are of each type, and the memory they take: an estimate.
 *
 * The walk of big_keys.h, which looks at every key some time, counts here. A round over all keys
 * takes as long as there are keys (9,000 a second and reactor); what is told is the last round, or
 * the first as far as it has come.
 *
 * Owner: the counts of the round belong to the walking reactor; what others read is behind a lock
 * (a leaf), taken once per step of the walk and per INFO. */
#pragma once

#include "base/lock.h"
#include "store/entry.h"

struct server;

struct type_counts {
    uint64_t keys[TYPE_COUNT], bytes[TYPE_COUNT];
};

struct key_census { /* part of a big_keys */
    struct type_counts round;
    struct lock lock; /* guards the rest */
    bool complete;    /* `told` is of a whole round */
    struct type_counts told;
};

INLINE void key_census_count(struct key_census *c, enum value_type type, size_t bytes)
{
    c->round.keys[type]++;
    c->round.bytes[type] += bytes;
}

/* After a step of the walk: makes the first round, as far as it has come, visible. */
void key_census_step(struct key_census *c);
/* A round has ended, the next one begins. */
void key_census_round(struct key_census *c);
/* The sums over all threads. Any thread. */
struct type_counts key_census_total(const struct server *s);
