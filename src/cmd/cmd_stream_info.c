/* XINFO. */
#include "cmd/help.h"
#include "cmd/stream_args.h"

/* False: an error has been answered. */
static bool find_stream(struct exec *ex, struct ref *ref)
{
    if (!read_typed(ex, 0, TYPE_STREAM, ref))
        return false;
    return ref->entry || fail(ex, ERROR_NO_KEY);
}

static void reply_count(struct reply *r, const char *name, uint64_t count)
{
    reply_bulk_cstr(r, name);
    reply_int(r, (int64_t)count);
}

static void reply_id(struct reply *r, const char *name, struct stream_id id)
{
    reply_bulk_cstr(r, name);
    reply_stream_id(r, id);
}

static void reply_progress(struct reply *r, const struct stream_group *g, const struct stream *s)
{
    int64_t lag;
    reply_id(r, "last-delivered-id", g->last_id);
    reply_bulk_cstr(r, "entries-read");
    if (g->entries_read == STREAM_READ_UNKNOWN)
        reply_null(r);
    else
        reply_int(r, g->entries_read);
    reply_bulk_cstr(r, "lag");
    if (stream_group_lag(g, s, &lag))
        reply_int(r, lag);
    else
        reply_null(r);
}

void cmd_xinfo_groups(struct exec *ex)
{
    struct ref ref;
    struct reply *r = ex->reply;
    if (!find_stream(ex, &ref))
        return;
    const struct stream *s = stream_of(ref.entry);
    reply_array(r, s->group_count);
    for (const struct stream_group *g = stream_group_first(s); g; g = stream_group_next(g)) {
        reply_map(r, 6);
        reply_bulk_cstr(r, "name");
        reply_bulk(r, stream_group_name(g));
        reply_count(r, "consumers", g->consumer_count);
        reply_count(r, "pending", g->pending_count);
        reply_progress(r, g, s);
    }
}

void cmd_xinfo_consumers(struct exec *ex)
{
    struct ref ref;
    struct reply *r = ex->reply;
    int64_t now_ms = ex->txn->now_ms;
    if (!find_stream(ex, &ref))
        return;
    struct slice key = ex->argv[2], name = ex->argv[3];
    const struct stream_group *g = stream_group_find(stream_of(ref.entry), name);
    if (!g) {
        reply_errorf(r, "NOGROUP No such consumer group '%.*s' for key name '%.*s'", (int)name.len,
                     name.ptr, (int)key.len, key.ptr);
        return;
    }
    reply_array(r, g->consumer_count);
    for (const struct stream_consumer *c = stream_consumer_first(g); c;
         c = stream_consumer_next(c)) {
        reply_map(r, 4);
        reply_bulk_cstr(r, "name");
        reply_bulk(r, stream_consumer_name(c));
        reply_count(r, "pending", c->pending_count);
        reply_bulk_cstr(r, "idle");
        reply_int(r, MAX(now_ms - c->seen_ms, 0));
        reply_bulk_cstr(r, "inactive");
        reply_int(r, c->active_ms < 0 ? -1 : now_ms - c->active_ms);
    }
}

static void reply_head(struct reply *r, const struct stream *s)
{
    reply_count(r, "length", s->len);
    reply_count(r, "radix-tree-keys", s->block_count);
    reply_count(r, "radix-tree-nodes", s->block_count + 1); /* here an AVL tree: a node per block */
    reply_id(r, "last-generated-id", s->last_id);
    reply_id(r, "max-deleted-entry-id", s->max_deleted_id);
    reply_count(r, "entries-added", s->entries_added);
    reply_id(r, "recorded-first-entry-id", s->first_id);
}

static void reply_edge(struct reply *r, const char *name, const struct stream *s, bool last)
{
    struct stream_iter it;
    struct stream_entry e;
    reply_bulk_cstr(r, name);
    stream_iter_init(&it, s, STREAM_ID_MIN, STREAM_ID_MAX, last);
    if (stream_iter_next(&it, &e))
        reply_stream_entry(r, &e);
    else
        reply_null(r);
}

static void reply_group_pending(struct reply *r, const struct stream_group *g, uint64_t limit)
{
    uint64_t len = 0;
    reply_count(r, "pel-count", g->pending_count);
    reply_bulk_cstr(r, "pending");
    struct output_mark mark = reply_defer(r);
    for (const struct stream_pending *p = stream_pending_from(g, STREAM_ID_MIN);
         p && (!limit || len < limit); p = stream_pending_next(p), len++) {
        reply_array(r, 4);
        reply_stream_id(r, p->id);
        reply_bulk(r, stream_consumer_name(p->consumer));
        reply_int(r, p->delivered_ms);
        reply_int(r, p->deliveries);
    }
    reply_defer_end(r, mark, REPLY_ARRAY, len);
}

static void reply_consumer(struct reply *r, const struct stream_consumer *c, uint64_t limit)
{
    uint64_t len = 0;
    reply_map(r, 5);
    reply_bulk_cstr(r, "name");
    reply_bulk(r, stream_consumer_name(c));
    reply_bulk_cstr(r, "seen-time");
    reply_int(r, c->seen_ms);
    reply_bulk_cstr(r, "active-time");
    reply_int(r, c->active_ms);
    reply_count(r, "pel-count", c->pending_count);
    reply_bulk_cstr(r, "pending");
    struct output_mark mark = reply_defer(r);
    for (const struct stream_pending *p = stream_pending_from_of(c, STREAM_ID_MIN);
         p && (!limit || len < limit); p = stream_pending_next_of(p), len++) {
        reply_array(r, 3);
        reply_stream_id(r, p->id);
        reply_int(r, p->delivered_ms);
        reply_int(r, p->deliveries);
    }
    reply_defer_end(r, mark, REPLY_ARRAY, len);
}

static void reply_full_groups(struct reply *r, const struct stream *s, uint64_t limit)
{
    reply_bulk_cstr(r, "groups");
    reply_array(r, s->group_count);
    for (const struct stream_group *g = stream_group_first(s); g; g = stream_group_next(g)) {
        reply_map(r, 7);
        reply_bulk_cstr(r, "name");
        reply_bulk(r, stream_group_name(g));
        reply_progress(r, g, s);
        reply_group_pending(r, g, limit);
        reply_bulk_cstr(r, "consumers");
        reply_array(r, g->consumer_count);
        for (const struct stream_consumer *c = stream_consumer_first(g); c;
             c = stream_consumer_next(c))
            reply_consumer(r, c, limit);
    }
}

static bool parse_full(struct exec *ex, bool *full, int64_t *count)
{
    *full = ex->argc > 3;
    *count = 10;
    bool valid = !*full || (arg_is(ex, 3, "full") &&
                            (ex->argc == 4 || (ex->argc == 6 && arg_is(ex, 4, "count"))));
    if (!valid) {
        help_fail_subcommand(ex);
        return false;
    }
    if (ex->argc == 6 && !arg_int(ex, 5, count, NULL))
        return false;
    *count = *count < 0 ? 10 : *count;
    return true;
}

/* Pending entries are shown twice, of their group and of their consumers. */
static uint64_t full_cost(const struct stream *s, uint64_t limit)
{
    uint64_t most = limit ? limit : UINT64_MAX, cost = MIN(most, s->len) * COST_ENTRY;
    for (const struct stream_group *g = stream_group_first(s); g; g = stream_group_next(g))
        cost += MIN(most, (uint64_t)g->pending_count) * COST_ENTRY + g->consumer_count;
    return cost;
}

void cmd_xinfo_stream(struct exec *ex)
{
    struct ref ref;
    struct reply *r = ex->reply;
    bool full;
    int64_t count;
    if (!find_stream(ex, &ref) || !parse_full(ex, &full, &count))
        return;
    const struct stream *s = stream_of(ref.entry);
    if (full && defer(ex, full_cost(s, (uint64_t)count)))
        return;
    reply_map(r, full ? 9 : 10);
    reply_head(r, s);
    if (!full) {
        reply_count(r, "groups", s->group_count);
        reply_edge(r, "first-entry", s, false);
        reply_edge(r, "last-entry", s, true);
        return;
    }
    reply_bulk_cstr(r, "entries");
    reply_stream_range(r, s, STREAM_ID_MIN, STREAM_ID_MAX, (uint64_t)count, false);
    reply_full_groups(r, s, (uint64_t)count);
}

void cmd_xinfo_help(struct exec *ex)
{
    static const char *const lines[] = {
        "CONSUMERS <key> <groupname>",
        "    The consumers of a group.",
        "GROUPS <key>",
        "    The consumer groups of a stream.",
        "STREAM <key> [FULL [COUNT <count>]",
        "    A stream's counters and its ends; FULL: entries and groups, too.",
        NULL,
    };
    reply_help(ex, lines);
}
