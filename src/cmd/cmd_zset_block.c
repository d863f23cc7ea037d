/* The commands on sorted sets that wait for a member. */
#include "cmd/blocking.h"
#include "cmd/cmd_zset.h"

static void wait_for_zset(struct exec *ex, int64_t timeout_ms)
{
    blocking_wait(ex, &(struct blocking){.key_count = ex->key_count,
                                         .ready = blocking_zset_ready,
                                         .timeout_ms = timeout_ms});
}

/* Finds the first of the keys that is a sorted set: ref->entry NULL if none is. False: answered. */
static bool find_first(struct exec *ex, struct ref *ref)
{
    ref->entry = NULL;
    for (uint32_t i = 0; i < ex->key_count && !ref->entry; i++)
        if (!blocking_find(ex, i, TYPE_ZSET, ref))
            return false;
    return true;
}

/* Key, member and score, side by side. The log gets what happened: a replay does not wait. */
static void pop_one(struct exec *ex, struct ref *ref, bool max)
{
    struct zset z = zset_of(ref->entry);
    struct zset_iter it;
    struct zset_item item;
    zset_iter_init(&it, &z, (struct zset_span){max ? zset_len(&z) - 1 : 0, 1}, max);
    if (!zset_iter_next(&it, &item))
        return; /* cannot be: an empty set is no key */
    reply_array(ex->reply, 3);
    reply_bulk(ex->reply, ref->key->name);
    reply_bulk(ex->reply, item.member);
    reply_double(ex->reply, item.score);
    effect_command(ex->txn,
                   (struct slice[]){max ? SLICE("ZPOPMAX") : SLICE("ZPOPMIN"), ref->key->name}, 2);
    zset_drop_popped(ex, ref, &z, 1, max);
}

static void block_pop(struct exec *ex, bool max)
{
    struct ref ref;
    int64_t timeout_ms;
    if (!blocking_timeout(ex, ex->argc - 1, &timeout_ms) || !find_first(ex, &ref))
        return;
    if (ref.entry)
        pop_one(ex, &ref, max);
    else if (blocking_may_wait(ex))
        wait_for_zset(ex, timeout_ms);
    else
        reply_null_array(ex->reply);
}

void cmd_bzpopmin(struct exec *ex)
{
    block_pop(ex, false);
}

void cmd_bzpopmax(struct exec *ex)
{
    block_pop(ex, true);
}

void cmd_bzmpop(struct exec *ex)
{
    struct ref ref;
    int64_t timeout_ms, count;
    bool max = false;
    if (!zset_parse_mpop(ex, 2, &max, &count) || !blocking_timeout(ex, 1, &timeout_ms) ||
        !find_first(ex, &ref))
        return;
    if (ref.entry && zset_defer_mpop(ex, &ref, count))
        return;
    if (ref.entry)
        zset_mpop(ex, &ref, max, count);
    else if (blocking_may_wait(ex))
        wait_for_zset(ex, timeout_ms);
    else
        reply_null_array(ex->reply);
}
