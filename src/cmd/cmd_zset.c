/* Commands on single members of sorted sets, and ZSCAN. */
#include "cmd/cmd_zset.h"

#include "base/mem.h"
#include "cmd/scan_args.h"
#include "cmd/zset_adding.h"

#include <stdio.h>

void zset_reply_span(struct exec *ex, const struct zset *z, struct zset_span span, bool reverse,
                     bool scores)
{
    struct zset_iter it;
    struct zset_item item;
    zset_reply_header(ex, span.count, scores);
    zset_iter_init(&it, z, span, reverse);
    while (zset_iter_next(&it, &item))
        zset_reply_item(ex, &item, scores);
}

void zset_finish(struct exec *ex, struct ref *ref, const struct zset *z, enum event event)
{
    zset_store(ref->entry, z);
    txn_commit(ex->txn, ref, event);
    if (zset_len(z) == 0)
        txn_delete_empty(ex->txn, ref);
}

void zset_publish(struct exec *ex, struct zset *z, enum event event, bool as_value)
{
    size_t len = zset_len(z);
    struct outcome outcome = {.type = TYPE_ZSET,
                              .encoding = z->encoding,
                              .root = z->root,
                              .event = event,
                              .as_value = as_value,
                              .key = ex->keys[0]};
    if (!len) {
        zset_destroy(z);
        outcome.root = NULL;
    }
    publish_outcome(ex, &outcome);
    reply_int(ex->reply, (int64_t)len);
}

/* ---- ZADD, ZINCRBY ---- */

static bool parse_adding(struct exec *ex, struct zset_adding *a)
{
    *a = (struct zset_adding){.first = 2, .width = 2};
    if (!zset_adding_options(ex, ZSET_NX | ZSET_XX | ZSET_GT | ZSET_LT | ZSET_INCR, a))
        return false;
    if (a->rules & ZSET_NX && a->rules & ZSET_XX)
        return fail(ex, "ERR XX and NX options at the same time are not compatible");
    unsigned exclusive = a->rules & (ZSET_NX | ZSET_GT | ZSET_LT);
    if (exclusive & (exclusive - 1))
        return fail(ex, "ERR GT, LT, and/or NX options at the same time are not compatible");
    if (a->rules & ZSET_INCR && a->count > 1)
        return fail(ex, "ERR INCR option supports a single increment-element pair");
    return true;
}

static void add_one(struct exec *ex, const struct zset_adding *a, double score)
{
    struct ref ref;
    struct zset z;
    enum zset_result result = ZSET_REFUSED;
    if (!find_typed(ex, 0, TYPE_ZSET, &ref))
        return;
    zset_adding_open(ex, a, &ref, &z);
    if (z.root)
        result = zset_add(&z, ex->argv[a->first + 1], &score, a->rules);
    if (z.root)
        zset_store(ref.entry, &z); /* it may have left the packed form without a change */
    if (result <= ZSET_KEPT)
        txn_commit(ex->txn, &ref, a->rules & ZSET_INCR ? EVENT_ZINCR : EVENT_ZADD);
    if (result == ZSET_NAN)
        fail(ex, "ERR resulting score is not a number (NaN)");
    else if (!(a->rules & ZSET_INCR))
        reply_int(ex->reply, result == ZSET_ADDED || (a->count_changes && result == ZSET_UPDATED));
    else if (result == ZSET_REFUSED)
        reply_null(ex->reply);
    else
        reply_double(ex->reply, score);
}

HOT void cmd_zadd(struct exec *ex)
{
    struct zset_adding a;
    double score;
    if (!parse_adding(ex, &a))
        return;
    if (likely(a.count == 1)) {
        if (arg_double(ex, a.first, &score, NULL))
            add_one(ex, &a, score);
        return;
    }
    if (defer_edit(ex, (uint64_t)a.count * COST_ORDER)) /* before it reads so many numbers */
        return;
    uint32_t valid = 0;
    double *scores = mem_alloc(MEM_OTHER, a.count * sizeof(*scores));
    while (valid < a.count && arg_double(ex, a.first + valid * 2, &scores[valid], NULL))
        valid++;
    if (valid == a.count)
        zset_adding_run(ex, &a, scores);
    mem_free(MEM_OTHER, scores, a.count * sizeof(*scores));
}

void cmd_zincrby(struct exec *ex)
{
    struct zset_adding a = {.rules = ZSET_INCR, .first = 2, .width = 2, .count = 1};
    double score;
    if (arg_double(ex, a.first, &score, NULL))
        add_one(ex, &a, score);
}

/* ---- other single members ---- */

void cmd_zrem(struct exec *ex)
{
    struct ref ref;
    int64_t removed = 0;
    if (!find_typed(ex, 0, TYPE_ZSET, &ref))
        return;
    if (ref.entry) {
        if (defer_edit(ex, (uint64_t)(ex->argc - 2) * COST_ORDER))
            return;
        txn_edit(ex->txn, &ref);
        struct zset z = zset_of(ref.entry);
        for (uint32_t i = 2; i < ex->argc && zset_len(&z); i++)
            removed += zset_remove(&z, ex->argv[i]);
        if (removed) {
            zset_finish(ex, &ref, &z, EVENT_ZREM);
            txn_count_changes(ex->txn, removed - 1);
        }
    }
    reply_int(ex->reply, removed);
}

void cmd_zcard(struct exec *ex)
{
    struct ref ref;
    if (!read_typed(ex, 0, TYPE_ZSET, &ref))
        return;
    struct zset z;
    if (ref.entry)
        z = zset_of(ref.entry);
    reply_int(ex->reply, ref.entry ? (int64_t)zset_len(&z) : 0);
}

static void reply_score(struct exec *ex, const struct ref *ref, struct slice member)
{
    double score;
    struct zset z;
    if (ref->entry && (z = zset_of(ref->entry), zset_score(&z, member, &score)))
        reply_double(ex->reply, score);
    else
        reply_null(ex->reply);
}

void cmd_zscore(struct exec *ex)
{
    struct ref ref;
    if (read_typed(ex, 0, TYPE_ZSET, &ref))
        reply_score(ex, &ref, ex->argv[2]);
}

void cmd_zmscore(struct exec *ex)
{
    struct ref ref;
    if (!read_typed(ex, 0, TYPE_ZSET, &ref) || defer(ex, (ex->argc - 2) * COST_LOOKUP))
        return;
    reply_array(ex->reply, ex->argc - 2);
    for (uint32_t i = 2; i < ex->argc; i++)
        reply_score(ex, &ref, ex->argv[i]);
}

static bool rank_options(struct exec *ex, bool *with_score)
{
    *with_score = ex->argc == 4;
    if (ex->argc > 4) {
        reply_errorf(ex->reply, "ERR wrong number of arguments for '%s' command",
                     ex->cmd->full_name);
        return false;
    }
    return ex->argc == 3 || arg_is(ex, 3, "withscore") || fail_syntax(ex);
}

static void answer_rank(struct exec *ex, bool reverse)
{
    struct ref ref;
    struct zset z;
    bool with_score;
    size_t rank;
    double score;
    if (!rank_options(ex, &with_score) || !read_typed(ex, 0, TYPE_ZSET, &ref))
        return;
    if (!ref.entry || (z = zset_of(ref.entry), !zset_rank(&z, ex->argv[2], &rank, &score))) {
        if (with_score)
            reply_null_array(ex->reply);
        else
            reply_null(ex->reply);
        return;
    }
    if (with_score)
        reply_array(ex->reply, 2);
    reply_int(ex->reply, (int64_t)(reverse ? zset_len(&z) - 1 - rank : rank));
    if (with_score)
        reply_double(ex->reply, score);
}

HOT void cmd_zrank(struct exec *ex)
{
    answer_rank(ex, false);
}

HOT void cmd_zrevrank(struct exec *ex)
{
    answer_rank(ex, true);
}

/* ---- ZSCAN ---- */

struct scanning {
    struct exec *ex;
    const struct scan_args *args;
    bool packed;
    size_t count;
};

/* Redis shows the scores of a large set with 17 digits here, and only here. */
static void reply_scan_score(struct scanning *s, double score)
{
    char text[NUM_DOUBLE_MAX_LEN];
    size_t len = s->packed ? num_format_double(text, score)
                           : (size_t)snprintf(text, sizeof(text), "%.17Lg", (long double)score);
    reply_bulk(s->ex->reply, slice_make(text, len));
}

static void scan_item(void *arg, const struct zset_item *item)
{
    struct scanning *s = arg;
    if (!scan_matches(s->args, item->member))
        return;
    reply_bulk(s->ex->reply, item->member);
    if (!s->args->names_only)
        reply_scan_score(s, item->score);
    s->count += s->args->names_only ? 1 : 2;
}

static void scan_set(struct exec *ex, const struct zset *z, uint64_t cursor,
                     const struct scan_args *args)
{
    struct scanning s = {ex, args, z->encoding == ENC_PACKED, 0};
    char text[NUM_INT64_MAX_LEN];
    uint64_t count = (uint64_t)args->count;
    /* The next cursor is answered before the members, so a first walk finds it. */
    uint64_t next = zset_scan(z, cursor, count, NULL, NULL);
    reply_array(ex->reply, 2);
    reply_bulk(ex->reply, slice_make(text, num_format_uint64(text, next)));
    struct output_mark mark = reply_defer(ex->reply);
    zset_scan(z, cursor, count, scan_item, &s);
    reply_defer_end(ex->reply, mark, REPLY_ARRAY, s.count);
}

void cmd_zscan(struct exec *ex)
{
    struct ref ref;
    uint64_t cursor;
    struct scan_args args;
    if (!scan_cursor_arg(ex, 2, &cursor) || !read_typed(ex, 0, TYPE_ZSET, &ref))
        return;
    if (!ref.entry) {
        reply_array(ex->reply, 2);
        reply_bulk_cstr(ex->reply, "0");
        reply_array(ex->reply, 0);
        return;
    }
    if (!scan_options(ex, 3, SCAN_ZSET, &args))
        return;
    struct zset z = zset_of(ref.entry);
    if (!defer(ex, scan_cost(&args, zset_len(&z))))
        scan_set(ex, &z, cursor, &args);
}
