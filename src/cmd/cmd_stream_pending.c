/* XPENDING: entries that consumers have got and not acknowledged. */
#include "cmd/stream_args.h"

static void reply_summary(struct reply *r, const struct stream_group *g)
{
    size_t len = 0;
    reply_array(r, 4);
    reply_int(r, (int64_t)g->pending_count);
    if (!g->pending_count) {
        reply_null(r);
        reply_null(r);
        reply_null_array(r);
        return;
    }
    reply_stream_id(r, stream_pending_from(g, STREAM_ID_MIN)->id);
    reply_stream_id(r, stream_pending_last(g)->id);
    struct output_mark mark = reply_defer(r);
    for (const struct stream_consumer *c = stream_consumer_first(g); c;
         c = stream_consumer_next(c)) {
        if (!c->pending_count)
            continue;
        reply_array(r, 2);
        reply_bulk(r, stream_consumer_name(c));
        reply_bulk_int(r, (int64_t)c->pending_count);
        len++;
    }
    reply_defer_end(r, mark, REPLY_ARRAY, len);
}

struct pending_args {
    struct stream_id first, last;
    int64_t min_idle_ms, count;
    uint32_t consumer_at; /* 0: of all consumers */
};

static bool parse_pending(struct exec *ex, struct pending_args *a)
{
    uint32_t at = 3;
    *a = (struct pending_args){.count = 0};
    if (ex->argc == 3)
        return true;
    if (ex->argc < 6 || ex->argc > 9)
        return fail_syntax(ex);
    if (arg_is(ex, at, "idle")) {
        if (!arg_int(ex, at + 1, &a->min_idle_ms, NULL))
            return false;
        if (ex->argc < 8)
            return fail_syntax(ex);
        at += 2;
    }
    if (!arg_int(ex, at + 2, &a->count, NULL) ||
        !arg_stream_bound(ex, at, STREAM_BOUND_START, &a->first) ||
        !arg_stream_bound(ex, at + 1, STREAM_BOUND_END, &a->last))
        return false;
    a->count = MAX(a->count, 0);
    a->consumer_at = at + 3 < ex->argc ? at + 3 : 0;
    return true;
}

static void reply_pending(struct reply *r, const struct stream_pending *p, int64_t now_ms)
{
    reply_array(r, 4);
    reply_stream_id(r, p->id);
    reply_bulk(r, stream_consumer_name(p->consumer));
    reply_int(r, MAX(now_ms - p->delivered_ms, 0));
    reply_int(r, p->deliveries);
}

static void reply_list(struct exec *ex, const struct stream_group *g, const struct pending_args *a,
                       const struct stream_consumer *of)
{
    int64_t len = 0, now_ms = ex->txn->now_ms;
    struct output_mark mark = reply_defer(ex->reply);
    struct stream_pending *p =
        of ? stream_pending_from_of(of, a->first) : stream_pending_from(g, a->first);
    for (; p && len < a->count && stream_id_compare(p->id, a->last) <= 0;
         p = of ? stream_pending_next_of(p) : stream_pending_next(p)) {
        if (a->min_idle_ms && now_ms - p->delivered_ms < a->min_idle_ms)
            continue;
        reply_pending(ex->reply, p, now_ms);
        len++;
    }
    reply_defer_end(ex->reply, mark, REPLY_ARRAY, (size_t)len);
}

/* Who asks for idle entries looks at all. */
static uint64_t pending_cost(const struct stream_group *g, const struct pending_args *a)
{
    uint64_t most = a->min_idle_ms ? UINT64_MAX : (uint64_t)a->count;
    return MIN(most, (uint64_t)g->pending_count) * COST_LOOKUP;
}

void cmd_xpending(struct exec *ex)
{
    struct pending_args a;
    struct ref ref;
    struct stream_group *g;
    const struct stream_consumer *of = NULL;
    if (!parse_pending(ex, &a) || !(g = find_stream_group(ex, &ref)) ||
        defer(ex, pending_cost(g, &a)))
        return;
    if (ex->argc == 3) {
        reply_summary(ex->reply, g);
        return;
    }
    if (a.consumer_at && !(of = stream_consumer_find(g, ex->argv[a.consumer_at])))
        reply_array(ex->reply, 0);
    else
        reply_list(ex, g, &a, of);
}
