/* ZPOPMIN, ZPOPMAX, ZMPOP and ZRANDMEMBER. */
#include "cmd/cmd_zset.h"

/* ---- pops ---- */

size_t zset_pop_count(const struct zset *z, int64_t count)
{
    size_t len = zset_len(z);
    return (uint64_t)count < len ? (size_t)count : len;
}

void zset_drop_popped(struct exec *ex, struct ref *ref, struct zset *z, size_t count, bool max)
{
    enum event event = max ? EVENT_ZPOPMAX : EVENT_ZPOPMIN;
    size_t len = zset_len(z);
    txn_count_changes(ex->txn, (int64_t)count - 1);
    txn_edit(ex->txn, ref);
    if (count == len) { /* freed whole, elsewhere when it is large */
        txn_commit(ex->txn, ref, event);
        txn_delete_empty(ex->txn, ref);
        return;
    }
    zset_remove_span(z, (struct zset_span){max ? len - count : 0, count});
    zset_finish(ex, ref, z, event);
}

void zset_reply_popped(struct exec *ex, const struct zset *z, size_t count, bool max, bool pairs)
{
    struct zset_iter it;
    struct zset_item item;
    struct zset_span span = {max ? zset_len(z) - count : 0, count};
    reply_array(ex->reply, pairs ? count : count * 2);
    zset_iter_init(&it, z, span, max);
    while (zset_iter_next(&it, &item)) {
        if (pairs)
            reply_array(ex->reply, 2);
        reply_bulk(ex->reply, item.member);
        reply_double(ex->reply, item.score);
    }
}

HOT static void pop(struct exec *ex, bool max)
{
    struct ref ref;
    int64_t count = 1;
    if (ex->argc > 3) {
        fail_syntax(ex);
        return;
    }
    if (ex->argc == 3 &&
        !arg_int_range(ex, 2, 0, INT64_MAX, &count, "ERR value is out of range, must be positive"))
        return;
    if (!find_typed(ex, 0, TYPE_ZSET, &ref))
        return;
    if (!ref.entry || count == 0) {
        reply_array(ex->reply, 0);
        return;
    }
    struct zset z = zset_of(ref.entry);
    size_t taken = zset_pop_count(&z, count);
    if (defer_edit(ex, (uint64_t)taken * COST_ORDER))
        return;
    zset_reply_popped(ex, &z, taken, max, ex->argc == 3 && zset_pairs(ex));
    zset_drop_popped(ex, &ref, &z, taken, max);
}

void cmd_zpopmin(struct exec *ex)
{
    pop(ex, false);
}

void cmd_zpopmax(struct exec *ex)
{
    pop(ex, true);
}

bool zset_parse_mpop(struct exec *ex, uint32_t at, bool *max, int64_t *count)
{
    int64_t keys;
    *count = 1;
    if (!arg_int_range(ex, at, 1, INT64_MAX, &keys, "ERR numkeys should be greater than 0"))
        return false;
    if (keys > (int64_t)ex->argc - (int64_t)at - 2)
        return fail_syntax(ex);
    at += 1 + (uint32_t)keys;
    *max = arg_is(ex, at, "max");
    if (!*max && !arg_is(ex, at, "min"))
        return fail_syntax(ex);
    if (++at == ex->argc)
        return true;
    if (!arg_is(ex, at, "count") || at + 1 == ex->argc)
        return fail_syntax(ex);
    return arg_int_range(ex, at + 1, 1, INT64_MAX, count, "ERR count should be greater than 0") &&
           (at + 2 == ex->argc || fail_syntax(ex));
}

/* The log gets what happened, so that a replay needs no other key. */
static void log_mpop(struct exec *ex, struct slice key, bool max, size_t count)
{
    char text[NUM_INT64_MAX_LEN];
    effect_command(ex->txn,
                   (struct slice[]){max ? SLICE("ZPOPMAX") : SLICE("ZPOPMIN"), key,
                                    slice_make(text, num_format_uint64(text, count))},
                   3);
}

bool zset_defer_mpop(struct exec *ex, const struct ref *ref, int64_t count)
{
    struct zset z = zset_of(ref->entry);
    return defer_edit_of(ex, (uint32_t)(ref->key - ex->keys),
                         (uint64_t)zset_pop_count(&z, count) * COST_ORDER);
}

void zset_mpop(struct exec *ex, struct ref *ref, bool max, int64_t count)
{
    struct zset z = zset_of(ref->entry);
    size_t taken = zset_pop_count(&z, count);
    reply_array(ex->reply, 2);
    reply_bulk(ex->reply, ref->key->name);
    zset_reply_popped(ex, &z, taken, max, true);
    log_mpop(ex, ref->key->name, max, taken);
    zset_drop_popped(ex, ref, &z, taken, max);
}

void cmd_zmpop(struct exec *ex)
{
    bool max = false;
    int64_t count;
    struct ref ref = {0};
    if (!zset_parse_mpop(ex, 1, &max, &count))
        return;
    for (uint32_t i = 0; i < ex->key_count && !ref.entry; i++)
        if (!find_typed(ex, i, TYPE_ZSET, &ref))
            return;
    if (ref.entry && zset_defer_mpop(ex, &ref, count))
        return;
    if (ref.entry)
        zset_mpop(ex, &ref, max, count);
    else
        reply_null_array(ex->reply);
}

/* ---- ZRANDMEMBER ---- */

enum {
    REPEATS_BATCH = 4096
};

struct random_reply {
    struct exec *ex;
    bool scores;
};

static void random_item(void *arg, const struct zset_item *item)
{
    const struct random_reply *r = arg;
    zset_reply_item(r->ex, item, r->scores);
}

static void answer_repeated(struct exec *ex, const struct zset *z, uint64_t count, bool scores)
{
    struct random_reply r = {ex, scores};
    struct output_mark mark = output_mark(ex->reply->out);
    if (count > REPEATS_MAX) {
        fail(ex, ERROR_OUT_OF_RANGE);
        return;
    }
    zset_reply_header(ex, count, scores);
    while (count) {
        uint64_t batch = MIN(count, (uint64_t)REPEATS_BATCH);
        zset_random(z, &ex->txn->rng, batch, random_item, &r);
        count -= batch;
        if (unlikely(output_len(ex->reply->out) - mark.len > REPEATS_BYTES_MAX)) {
            output_rewind(ex->reply->out, mark);
            fail(ex, ERROR_OUT_OF_RANGE);
            return;
        }
    }
}

static void answer_sample(struct exec *ex, const struct zset *z, size_t count, bool scores)
{
    struct random_reply r = {ex, scores};
    zset_reply_header(ex, count, scores);
    if (count == 1)
        zset_random(z, &ex->txn->rng, 1, random_item, &r);
    else
        zset_sample(z, &ex->txn->rng, count, random_item, &r);
}

static bool parse_random(struct exec *ex, int64_t *count, bool *scores)
{
    *scores = ex->argc == 4;
    if (!arg_int(ex, 2, count, NULL))
        return false;
    if (*count == INT64_MIN)
        return fail(ex, ERROR_COUNT_RANGE);
    if (ex->argc > 4 || (*scores && !arg_is(ex, 3, "withscores")))
        return fail_syntax(ex);
    if (*scores && (*count < -(INT64_MAX / 2) || *count > INT64_MAX / 2))
        return fail(ex, ERROR_OUT_OF_RANGE);
    return true;
}

static void random_single(struct exec *ex)
{
    struct ref ref;
    if (!read_typed(ex, 0, TYPE_ZSET, &ref))
        return;
    if (!ref.entry) {
        reply_null(ex->reply);
        return;
    }
    struct zset z = zset_of(ref.entry);
    struct random_reply r = {ex, false};
    zset_random(&z, &ex->txn->rng, 1, random_item, &r);
}

void cmd_zrandmember(struct exec *ex)
{
    struct ref ref;
    int64_t count;
    bool scores;
    if (ex->argc == 2) {
        random_single(ex);
        return;
    }
    if (!parse_random(ex, &count, &scores) || !read_typed(ex, 0, TYPE_ZSET, &ref))
        return;
    if (!ref.entry || count == 0) {
        reply_array(ex->reply, 0);
        return;
    }
    struct zset z = zset_of(ref.entry);
    uint64_t repeats = (uint64_t)-count, members = zset_pop_count(&z, count);
    if (defer(ex, COST_LOOKUP * (count < 0 ? MIN(repeats, (uint64_t)REPEATS_MAX) : members)))
        return;
    if (count < 0)
        answer_repeated(ex, &z, repeats, scores);
    else
        answer_sample(ex, &z, members, scores);
}
