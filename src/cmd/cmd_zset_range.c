/* Ranges of sorted sets, by rank, score and member: answered, stored, counted, removed. */
#include "base/mem.h"
#include "cmd/cmd_zset.h"

#include <math.h>
#include <stdlib.h>

/* ---- bounds ---- */

/* What strtod makes of the text up to a NUL, as Redis reads bounds: leading spaces, an empty text
 * (0) and overflow pass. */
COLD static bool parse_loose_double(struct slice text, double *out)
{
    size_t size;
    char *copy = ckd_add(&size, text.len, (size_t)1) ? NULL : mem_try_alloc(MEM_OTHER, size);
    if (!copy)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    char *end;
    *out = strtod(copy, &end);
    bool valid = *end == 0 && !isnan(*out);
    mem_free(MEM_OTHER, copy, size);
    return valid;
}

static bool parse_score_bound(struct slice text, double *score, bool *exclusive)
{
    *exclusive = text.len && text.ptr[0] == '(';
    if (*exclusive)
        text = slice_make(text.ptr + 1, text.len - 1);
    return likely(num_parse_double(text, score)) || parse_loose_double(text, score);
}

static bool parse_lex_bound(struct slice text, struct zset_bound *bound)
{
    if (!text.len)
        return false;
    *bound = (struct zset_bound){slice_make(text.ptr + 1, text.len - 1), BOUND_TEXT, false};
    switch (text.ptr[0]) {
    case '-':
        bound->kind = BOUND_LOWEST;
        return text.len == 1;
    case '+':
        bound->kind = BOUND_HIGHEST;
        return text.len == 1;
    case '(':
        bound->exclusive = true;
        return true;
    default:
        return text.ptr[0] == '[';
    }
}

/* The range that arguments `min` and `max` describe. False: the error was answered. */
static bool range_args(struct exec *ex, enum zset_order by, uint32_t min, uint32_t max,
                       struct zset_range *r)
{
    r->by = by;
    if (by == ZSET_BY_RANK)
        return arg_int(ex, min, &r->rank.first, NULL) && arg_int(ex, max, &r->rank.last, NULL);
    if (by == ZSET_BY_SCORE) {
        if (parse_score_bound(ex->argv[min], &r->score.min, &r->score.min_exclusive) &&
            parse_score_bound(ex->argv[max], &r->score.max, &r->score.max_exclusive))
            return true;
        return fail(ex, "ERR min or max is not a float");
    }
    if (parse_lex_bound(ex->argv[min], &r->lex.min) && parse_lex_bound(ex->argv[max], &r->lex.max))
        return true;
    return fail(ex, "ERR min or max not valid string range item");
}

/* ---- ZRANGE and its relatives ---- */

struct query {
    enum zset_order by;
    bool reverse, scores;
    bool store;       /* ZRANGESTORE: options start one later, WITHSCORES is none */
    bool fixed_order; /* the command's name says what ZRANGE says in options */
    bool fixed_reverse;
    int64_t offset, limit;
    struct zset_range range;
};

/* One option at argument `at`; returns how many arguments it has, 0 when an error was answered. */
static uint32_t query_option(struct exec *ex, struct query *q, uint32_t at)
{
    if (!q->store && arg_is(ex, at, "withscores")) {
        q->scores = true;
        return 1;
    }
    if (arg_is(ex, at, "limit") && ex->argc - at > 2) {
        bool valid = arg_int(ex, at + 1, &q->offset, NULL) && arg_int(ex, at + 2, &q->limit, NULL);
        return valid ? 3 : 0;
    }
    if (!q->fixed_reverse && arg_is(ex, at, "rev")) {
        q->reverse = q->fixed_reverse = true;
        return 1;
    }
    bool lex = arg_is(ex, at, "bylex");
    if (!q->fixed_order && (lex || arg_is(ex, at, "byscore"))) {
        q->by = lex ? ZSET_BY_LEX : ZSET_BY_SCORE;
        q->fixed_order = true;
        return 1;
    }
    return fail_syntax(ex);
}

static bool parse_query(struct exec *ex, struct query *q)
{
    uint32_t first = q->store ? 3 : 2;
    q->limit = -1;
    for (uint32_t at = first + 2, used; at < ex->argc; at += used)
        if (!(used = query_option(ex, q, at)))
            return false;
    if (q->limit != -1 && q->by == ZSET_BY_RANK)
        return fail(ex, "ERR syntax error, LIMIT is only supported in combination with either "
                        "BYSCORE or BYLEX");
    if (q->scores && q->by == ZSET_BY_LEX)
        return fail(ex, "ERR syntax error, WITHSCORES not supported in combination with BYLEX");
    bool swapped = q->reverse && q->by != ZSET_BY_RANK; /* given from the highest down */
    return range_args(ex, q->by, first + swapped, first + !swapped, &q->range);
}

static struct zset_span query_span(const struct query *q, const struct zset *z)
{
    struct zset_span span = zset_span(z, &q->range, q->reverse);
    return q->by == ZSET_BY_RANK ? span : zset_span_limit(span, q->offset, q->limit, q->reverse);
}

HOT static void answer_query(struct exec *ex, struct query q)
{
    struct ref ref;
    if (!parse_query(ex, &q) || !read_typed(ex, 0, TYPE_ZSET, &ref))
        return;
    if (!ref.entry) {
        reply_array(ex->reply, 0);
        return;
    }
    struct zset z = zset_of(ref.entry);
    struct zset_span span = query_span(&q, &z);
    if (!defer(ex, span.count))
        zset_reply_span(ex, &z, span, q.reverse, q.scores);
}

void cmd_zrange(struct exec *ex)
{
    answer_query(ex, (struct query){.by = ZSET_BY_RANK});
}

void cmd_zrevrange(struct exec *ex)
{
    answer_query(
        ex, (struct query){
                .by = ZSET_BY_RANK, .reverse = true, .fixed_order = true, .fixed_reverse = true});
}

void cmd_zrangebyscore(struct exec *ex)
{
    answer_query(ex,
                 (struct query){.by = ZSET_BY_SCORE, .fixed_order = true, .fixed_reverse = true});
}

void cmd_zrevrangebyscore(struct exec *ex)
{
    answer_query(
        ex, (struct query){
                .by = ZSET_BY_SCORE, .reverse = true, .fixed_order = true, .fixed_reverse = true});
}

void cmd_zrangebylex(struct exec *ex)
{
    answer_query(ex, (struct query){.by = ZSET_BY_LEX, .fixed_order = true, .fixed_reverse = true});
}

void cmd_zrevrangebylex(struct exec *ex)
{
    answer_query(
        ex, (struct query){
                .by = ZSET_BY_LEX, .reverse = true, .fixed_order = true, .fixed_reverse = true});
}

static void copy_span(struct zset *to, const struct zset *from, struct zset_span span)
{
    struct zset_iter it;
    struct zset_item item;
    zset_iter_init(&it, from, span, false);
    while (zset_iter_next(&it, &item))
        zset_insert(to, item.member, item.score);
}

void cmd_zrangestore(struct exec *ex)
{
    struct query q = {.by = ZSET_BY_RANK, .store = true};
    struct zset_span span = {0, 0};
    struct zset source;
    struct ref ref;
    if (!parse_query(ex, &q) || !read_typed(ex, 1, TYPE_ZSET, &ref))
        return;
    if (ref.entry) {
        source = zset_of(ref.entry);
        span = query_span(&q, &source);
    }
    if (defer(ex, span.count * COST_ORDER))
        return;
    struct zset result = zset_create(span.count, 0);
    if (span.count)
        copy_span(&result, &source, span);
    zset_publish(ex, &result, EVENT_ZRANGESTORE, false);
}

/* ---- counted and removed ---- */

static void answer_count(struct exec *ex, enum zset_order by)
{
    struct ref ref;
    struct zset_range range;
    if (!range_args(ex, by, 2, 3, &range) || !read_typed(ex, 0, TYPE_ZSET, &ref))
        return;
    size_t count = 0;
    if (ref.entry) {
        struct zset z = zset_of(ref.entry);
        count = zset_span(&z, &range, false).count;
    }
    reply_int(ex->reply, (int64_t)count);
}

void cmd_zcount(struct exec *ex)
{
    answer_count(ex, ZSET_BY_SCORE);
}

void cmd_zlexcount(struct exec *ex)
{
    answer_count(ex, ZSET_BY_LEX);
}

static void remove_range(struct exec *ex, enum zset_order by, enum event event)
{
    struct ref ref;
    struct zset_range range;
    if (!range_args(ex, by, 2, 3, &range) || !find_typed(ex, 0, TYPE_ZSET, &ref))
        return;
    struct zset_span span = {0, 0};
    if (ref.entry) {
        struct zset z = zset_of(ref.entry);
        span = zset_span(&z, &range, false);
        if (span.count < zset_len(&z) && defer_edit(ex, (uint64_t)span.count * COST_ORDER))
            return;
        if (span.count)
            txn_count_changes(ex->txn, (int64_t)span.count - 1);
        txn_edit(ex->txn, &ref);
        if (span.count == zset_len(&z)) { /* freed whole, elsewhere when it is large */
            txn_commit(ex->txn, &ref, event);
            txn_delete_empty(ex->txn, &ref);
        } else if (span.count) {
            zset_remove_span(&z, span);
            zset_finish(ex, &ref, &z, event);
        }
    }
    reply_int(ex->reply, (int64_t)span.count);
}

void cmd_zremrangebyrank(struct exec *ex)
{
    remove_range(ex, ZSET_BY_RANK, EVENT_ZREMRANGEBYRANK);
}

void cmd_zremrangebyscore(struct exec *ex)
{
    remove_range(ex, ZSET_BY_SCORE, EVENT_ZREMRANGEBYSCORE);
}

void cmd_zremrangebylex(struct exec *ex)
{
    remove_range(ex, ZSET_BY_LEX, EVENT_ZREMRANGEBYLEX);
}
