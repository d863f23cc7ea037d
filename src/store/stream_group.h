/* stream_group.h: consumer groups of a stream: how far a group has read, its consumers, and which
 * entries they have got but not acknowledged.
 *
 * A pending entry (struct stream_pending) is one allocation with exactly one consumer. It hangs in
 * two AVL trees in the order of IDs: the group's, which owns it, and its consumer's, an index for
 * that consumer's history. It is made with a consumer and moved from one to the other; nothing else
 * can point to it, so a pending entry shared by two consumers cannot be written down.
 *
 * Groups hang in their stream, consumers in their group, in the order of their names.
 * Ownership: the stream owns all of it (MEM_DATA). Threading: that of the stream.
 * Complexity: lookups and changes O(log n); freeing a group or a consumer O(its pending entries).
 */
#pragma once

#include "store/stream.h"

enum {
    STREAM_READ_UNKNOWN = -1 /* entries_read: that cannot be told */
};

struct stream_group {
    struct avl_node node; /* in stream->groups */
    struct stream_id last_id;
    int64_t entries_read;    /* how many entries were added up to last_id, or unknown */
    struct avl_tree pending; /* struct stream_pending: in_group */
    struct avl_tree consumers;
    size_t pending_count, consumer_count;
    uint32_t name_len;
    char name[];
};

struct stream_consumer {
    struct avl_node node;    /* in group->consumers */
    int64_t seen_ms;         /* of the last attempt to read or claim */
    int64_t active_ms;       /* of the last success, -1: none */
    struct avl_tree pending; /* struct stream_pending: in_consumer */
    size_t pending_count;
    uint32_t name_len;
    char name[];
};

struct stream_pending {
    struct avl_node in_group, in_consumer;
    struct stream_id id;
    struct stream_consumer *consumer;
    int64_t delivered_ms;
    int64_t deliveries;
};

/* Once more; a client may have set it to the last number. */
INLINE void stream_pending_count(struct stream_pending *p)
{
    p->deliveries += p->deliveries < INT64_MAX;
}

#define STREAM_OWNER(type, member, ptr) ((type *)((char *)(ptr)-offsetof(type, member)))

/* Borrowed; NULL: there is none. */
struct stream_group *stream_group_find(const struct stream *s, struct slice name);
/* NULL: there is one with this name. */
struct stream_group *stream_group_add(struct stream *s, struct slice name, struct stream_id last_id,
                                      int64_t entries_read);
void stream_group_remove(struct stream *s, struct stream_group *g);
void stream_group_destroy_all(struct stream *s);
/* Gives `to`, which has none, copies of all groups. */
void stream_group_copy_all(struct stream *to, const struct stream *from);
/* In the order of names; NULL at the end. */
struct stream_group *stream_group_first(const struct stream *s);
struct stream_group *stream_group_next(const struct stream_group *g);
/* The entry that follows last_id goes out to a consumer: the counters move on. */
void stream_group_advance(struct stream_group *g, const struct stream *s, struct stream_id id);
/* How many entries the group has yet to read. False: that cannot be told. */
bool stream_group_lag(const struct stream_group *g, const struct stream *s, int64_t *lag);

INLINE struct slice stream_group_name(const struct stream_group *g)
{
    return slice_make(g->name, g->name_len);
}

/* Borrowed; NULL: there is none. */
struct stream_consumer *stream_consumer_find(const struct stream_group *g, struct slice name);
/* Finds or adds one, then *added is true. */
struct stream_consumer *stream_consumer_get(struct stream_group *g, struct slice name,
                                            int64_t now_ms, bool *added);
/* Its pending entries go with it. */
void stream_consumer_remove(struct stream_group *g, struct stream_consumer *c);
struct stream_consumer *stream_consumer_first(const struct stream_group *g);
struct stream_consumer *stream_consumer_next(const struct stream_consumer *c);

INLINE struct slice stream_consumer_name(const struct stream_consumer *c)
{
    return slice_make(c->name, c->name_len);
}

/* Borrowed; NULL: it is not pending. */
struct stream_pending *stream_pending_find(const struct stream_group *g, struct stream_id id);
/* Adds one, or takes the one that is there over from its consumer: delivered once, now. */
struct stream_pending *stream_pending_deliver(struct stream_group *g, struct stream_consumer *c,
                                              struct stream_id id, int64_t now_ms);
void stream_pending_move(struct stream_pending *p, struct stream_consumer *to);
void stream_pending_remove(struct stream_group *g, struct stream_pending *p);
/* The first one of the group, or of one consumer, whose ID is not below `from`; then the next. NULL
 * at the end. */
struct stream_pending *stream_pending_from(const struct stream_group *g, struct stream_id from);
struct stream_pending *stream_pending_next(const struct stream_pending *p);
struct stream_pending *stream_pending_from_of(const struct stream_consumer *c,
                                              struct stream_id from);
struct stream_pending *stream_pending_next_of(const struct stream_pending *p);
/* The one with the highest ID. */
struct stream_pending *stream_pending_last(const struct stream_group *g);
