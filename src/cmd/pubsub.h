/* pubsub.h: who subscribes to what, as far as publishers need to know: for each channel and pattern
 * the reactors with subscribers, and how many there are. It knows neither sockets nor clients: a
 * reactor keeps its own lists (server/push.h) and tells here when it gains or loses a subscriber.
 *
 * Channels stand in stripes by hash, each with its lock; a publication is handed out (post) while
 * its stripe is locked, so all reactors see one channel's messages in one order. Patterns are one
 * array that publishers read without a lock: a writer changes it in place when nobody reads, else a
 * copy. Each publication has a number; a subscription made at number n gets those above n, whenever
 * a reactor comes to deliver them. Lock order: gate, shards, stripe, patterns.
 * Threading: any. Complexity: publish O(patterns); subscribe to a pattern O(patterns). */
#pragma once

#include "base/lock.h"
#include "ds/table.h"
#include "proto/reply.h"

enum pubsub_kind {
    PUBSUB_CHANNEL,
    PUBSUB_PATTERN,
    PUBSUB_SHARD,
    PUBSUB_KINDS
};

enum {
    PUBSUB_STRIPES = 64,
    PUBSUB_REACTORS_MAX = 64
};

struct pubsub_topic {
    uint64_t hash, reactors; /* reactors: a bit for each that has subscribers */
    uint64_t subscribers;
    size_t len;
    char name[];
};

struct pubsub_pattern {
    uint64_t hash, reactors, subscribers;
    struct blob *name;
};

struct pubsub_patterns {
    _Atomic uint32_t refs; /* grows under the patterns' lock only */
    uint32_t count, cap;
    struct pubsub_pattern items[];
};

struct pubsub_stripe {
    CACHE_ALIGNED struct lock lock;
    struct table topics[PUBSUB_KINDS]; /* not of PUBSUB_PATTERN */
};

struct pubsub {
    struct pubsub_stripe stripes[PUBSUB_STRIPES];
    CACHE_ALIGNED struct lock pattern_lock;
    struct pubsub_patterns *patterns; /* never NULL */
    _Atomic uint64_t published;       /* the last number given out */
    _Atomic uint64_t counts[PUBSUB_KINDS];
};

struct publication {
    enum pubsub_kind kind;                  /* of the subscriptions it is for */
    uint64_t number, hash;                  /* hash: of the pattern or channel subscribed to */
    struct slice pattern, channel, payload; /* pattern: PUBSUB_PATTERN only */
};

/* Sends the publication to the reactors of the mask; copies what it needs. Called under a stripe's
 * lock: takes no other. */
typedef void (*pubsub_post_fn)(void *arg, const struct publication *p, uint64_t reactors);

/* Before there are reactors; deinit after them. */
void pubsub_init(struct pubsub *ps);
void pubsub_deinit(struct pubsub *ps); /* all have left */

/* A subscriber of this reactor more or less. Returns the number of the last publication that came
 * before. `last`: the reactor has no other subscriber to it. */
uint64_t pubsub_join(struct pubsub *ps, enum pubsub_kind kind, struct slice name, uint64_t hash,
                     unsigned reactor);
uint64_t pubsub_leave(struct pubsub *ps, enum pubsub_kind kind, struct slice name, uint64_t hash,
                      unsigned reactor, bool last);

/* Publishes to the channel's subscribers, then to those of matching patterns (PUBSUB_CHANNEL only);
 * returns how many there are. */
uint64_t pubsub_publish(struct pubsub *ps, enum pubsub_kind kind, struct slice channel,
                        struct slice payload, pubsub_post_fn post, void *arg);

/* Clients that listen to this channel, those of patterns not counted. Takes its stripe's lock. */
uint64_t pubsub_subscribers(struct pubsub *ps, enum pubsub_kind kind, struct slice channel);
/* Replies with the names of the channels that match; pattern.ptr NULL: all. */
void pubsub_reply_channels(struct pubsub *ps, enum pubsub_kind kind, struct slice pattern,
                           struct reply *r);

/* Different channels or patterns with a subscriber. */
INLINE uint64_t pubsub_count(const struct pubsub *ps, enum pubsub_kind kind)
{
    return atomic_load_explicit(&ps->counts[kind], memory_order_relaxed);
}
