/* invalidation.h: names of keys that clients must forget, on their way to them.
 *
 * One invalidation is shared by the messages to several reactors; it never changes, the last
 * reference frees it. Threading: any. Memory: MEM_CLIENT. */
#pragma once

#include "proto/reply.h"

struct changed_key {
    struct slice name;
    uint64_t by; /* id of the client that changed it last, 0: nobody's command */
};

struct invalidation {
    _Atomic uint32_t refs;
    uint32_t count; /* 0: forget all keys */
    size_t bytes;
    struct changed_key keys[];
};

/* Some keys of it, in order, without those that one client changed itself. */
struct key_range {
    struct invalidation *of;
    uint32_t first, count;
    uint64_t except; /* changed_key.by; 0: none is left out */
};

/* Copies the names; one reference. */
struct invalidation *invalidation_create(const struct changed_key *keys, uint32_t count);
void invalidation_ref(struct invalidation *inv);
void invalidation_unref(struct invalidation *inv);

/* The message for a client: in RESP3 a push "invalidate", else one of the channel
 * __redis__:invalidate. The caller's reference. */
struct blob *invalidation_encode(const struct key_range *range, enum reply_proto proto);
/* How many keys the range leaves. */
uint32_t invalidation_count(const struct key_range *range);
