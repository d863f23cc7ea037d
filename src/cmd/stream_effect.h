/* stream_effect.h: what the log gets from commands that hand entries out. Who gets an entry depends
 * on the time and on what others have read, so a replay is told the outcome: XCLAIM with explicit
 * times and counts, as Redis does, but one for all entries that share them.
 *
 * Owner: the command that runs. Nothing is made while there is no log. */
#pragma once

#include "cmd/stream_args.h"

struct stream_effect {
    struct txn *txn;
    struct slice key, group, consumer;
    int64_t delivered_ms, deliveries; /* of the entries gathered */
    bool acknowledged;                /* they are no longer pending */
    uint32_t count;
    struct buf ids; /* texts of STREAM_ID_MAX_LEN + 1 bytes, the first being the length */
};

/* The slices are borrowed until the end. */
void stream_effect_begin(struct stream_effect *e, struct exec *ex, struct slice key,
                         struct slice group, struct slice consumer);
/* A consumer was made. */
void stream_effect_consumer(struct stream_effect *e);
/* The consumer has got this entry. */
void stream_effect_claim(struct stream_effect *e, const struct stream_pending *p);
/* The entry is no longer pending. */
void stream_effect_drop(struct stream_effect *e, struct stream_id id);
/* The group has read on. */
void stream_effect_position(struct stream_effect *e, const struct stream_group *g);
/* Hands over what has been gathered. Nothing at all happened: the command leaves no trace. */
void stream_effect_end(struct stream_effect *e);
