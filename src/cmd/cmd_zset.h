/* cmd_zset.h: what the handlers of the sorted set family share: replies of members and the ends of
 * writes. */
#pragma once

#include "cmd/exec.h"
#include "store/zset.h"

/* A member list with scores is flat in RESP2; RESP3 has pairs in it. */
INLINE bool zset_pairs(const struct exec *ex)
{
    return ex->reply->proto == REPLY_RESP3;
}

INLINE void zset_reply_header(struct exec *ex, size_t count, bool scores)
{
    reply_array(ex->reply, scores && !zset_pairs(ex) ? count * 2 : count);
}

INLINE void zset_reply_item(struct exec *ex, const struct zset_item *item, bool scores)
{
    if (scores && zset_pairs(ex))
        reply_array(ex->reply, 2);
    reply_bulk(ex->reply, item->member);
    if (scores)
        reply_double(ex->reply, item->score);
}

/* The whole answer for a span, from its end when `reverse`. */
void zset_reply_span(struct exec *ex, const struct zset *z, struct zset_span span, bool reverse,
                     bool scores);
/* After an edit in place: writes the handle back, commits, and deletes the key when the set has
 * become empty. */
void zset_finish(struct exec *ex, struct ref *ref, const struct zset *z, enum event event);
/* The `count` > 0 lowest or highest members: their number, when there are fewer; the answer; and
 * taking them out afterwards. */
size_t zset_pop_count(const struct zset *z, int64_t count);
void zset_reply_popped(struct exec *ex, const struct zset *z, size_t count, bool max, bool pairs);
void zset_drop_popped(struct exec *ex, struct ref *ref, struct zset *z, size_t count, bool max);
/* numkeys key … MIN|MAX [COUNT n], numkeys being argument `at`. False: answered. */
bool zset_parse_mpop(struct exec *ex, uint32_t at, bool *max, int64_t *count) MUST_USE;
/* Before ZMPOP of one of ex->keys: whether it is too much to do here. */
bool zset_defer_mpop(struct exec *ex, const struct ref *ref, int64_t count) MUST_USE;
/* ZMPOP of a key that has members: the reply and the effect. */
void zset_mpop(struct exec *ex, struct ref *ref, bool max, int64_t count);
/* The result becomes the value of the first key, or the key goes when the result is empty; answers
 * its size. Takes z. */
void zset_publish(struct exec *ex, struct zset *z, enum event event, bool as_value);
