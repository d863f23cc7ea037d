/* XPENDING, XCLAIM and XAUTOCLAIM: entries that consumers have got and not acknowledged. */
#include "cmd/stream_effect.h"

/* NULL: an error has been answered. */
static struct stream_group *find_group(struct exec *ex, struct ref *ref, bool reads)
{
    bool valid = reads ? read_typed(ex, 0, TYPE_STREAM, ref) : find_typed(ex, 0, TYPE_STREAM, ref);
    if (!valid)
        return NULL;
    struct slice key = ex->argv[1], name = ex->argv[2];
    struct stream_group *g = ref->entry ? stream_group_find(stream_of(ref->entry), name) : NULL;
    if (!g)
        reply_errorf(ex->reply, "NOGROUP No such key '%.*s' or consumer group '%.*s'",
                     (int)key.len, key.ptr, (int)name.len, name.ptr);
    return g;
}

/* ---- XPENDING ---- */

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

static void reply_list(struct exec *ex, const struct stream_group *g,
                       const struct pending_args *a, const struct stream_consumer *of)
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

void cmd_xpending(struct exec *ex)
{
    struct pending_args a;
    struct ref ref;
    struct stream_group *g;
    const struct stream_consumer *of = NULL;
    if (!parse_pending(ex, &a) || !(g = find_group(ex, &ref, true)))
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

/* ---- claims ---- */

struct claiming {
    struct exec *ex;
    struct stream *s;
    struct stream_group *g;
    struct stream_consumer *c;
    struct stream_effect effect;
    int64_t min_idle_ms, delivered_ms, deliveries; /* deliveries -1: one more than before */
    bool force, just_id;
    size_t changes;
};

/* Finds or makes the consumer; from here on something may change. */
static void claim_begin(struct claiming *c, struct ref *ref)
{
    bool added;
    struct exec *ex = c->ex;
    txn_edit(ex->txn, ref);
    stream_effect_begin(&c->effect, ex, ex->argv[1], ex->argv[2], ex->argv[3]);
    c->c = stream_consumer_get(c->g, ex->argv[3], ex->txn->now_ms, &added);
    c->c->seen_ms = ex->txn->now_ms;
    if (added) {
        stream_effect_consumer(&c->effect);
        txn_commit_unwatched(ex->txn, ref, EVENT_XGROUP_CREATECONSUMER);
    }
}

static void claim_end(struct claiming *c, struct ref *ref)
{
    if (c->changes)
        txn_commit_unwatched(c->ex->txn, ref, EVENT_NONE);
    stream_effect_end(&c->effect);
}

/* The entry is no longer in the stream. */
static void claim_drop(struct claiming *c, struct stream_pending *p)
{
    stream_effect_drop(&c->effect, p->id);
    stream_pending_remove(c->g, p);
    c->changes++;
}

static bool is_idle_enough(const struct claiming *c, const struct stream_pending *p)
{
    return !c->min_idle_ms || c->ex->txn->now_ms - p->delivered_ms >= c->min_idle_ms;
}

/* The consumer becomes the owner. */
static void claim_take(struct claiming *c, struct stream_pending *p)
{
    stream_pending_move(p, c->c);
    p->delivered_ms = c->delivered_ms;
    if (c->deliveries >= 0)
        p->deliveries = c->deliveries;
    else if (!c->just_id)
        p->deliveries++;
    c->c->active_ms = c->ex->txn->now_ms;
    stream_effect_claim(&c->effect, p);
    c->changes++;
}

static void claim_reply(const struct claiming *c, struct stream_id id)
{
    struct stream_entry e;
    if (c->just_id || !stream_find(c->s, id, &e))
        reply_stream_id(c->ex->reply, id);
    else
        reply_stream_entry(c->ex->reply, &e);
}

/* ---- XCLAIM ---- */

/* The arguments from `at` on. */
static bool parse_claim_options(struct exec *ex, struct claiming *c, uint32_t at,
                                struct stream_id *last_id)
{
    int64_t now_ms = ex->txn->now_ms;
    bool given = false;
    for (; at < ex->argc; at++) {
        bool more = at + 1 < ex->argc;
        struct slice option = ex->argv[at];
        if (slice_is(option, "force")) {
            c->force = true;
        } else if (slice_is(option, "justid")) {
            c->just_id = true;
        } else if (slice_is(option, "idle") && more) {
            if (!arg_int(ex, ++at, &c->delivered_ms, "ERR Invalid IDLE option argument for XCLAIM"))
                return false;
            given = true;
            if (ckd_sub(&c->delivered_ms, now_ms, c->delivered_ms))
                c->delivered_ms = now_ms;
        } else if (slice_is(option, "time") && more) {
            if (!arg_int(ex, ++at, &c->delivered_ms, "ERR Invalid TIME option argument for XCLAIM"))
                return false;
            given = true;
        } else if (slice_is(option, "retrycount") && more) {
            if (!arg_int(ex, ++at, &c->deliveries,
                         "ERR Invalid RETRYCOUNT option argument for XCLAIM"))
                return false;
        } else if (slice_is(option, "lastid") && more) {
            if (!arg_stream_id(ex, ++at, 0, last_id))
                return false;
        } else {
            reply_errorf(ex->reply, "ERR Unrecognized XCLAIM option '%.*s'", (int)option.len,
                         option.ptr);
            return false;
        }
    }
    if (!given || c->delivered_ms < 0 || c->delivered_ms > now_ms)
        c->delivered_ms = now_ms; /* clients compute times by their own clocks */
    return true;
}

/* Claims one entry; true when it belongs to the reply. */
static bool claim_one(struct claiming *c, struct stream_id id)
{
    struct stream_entry e;
    struct stream_pending *p = stream_pending_find(c->g, id);
    if (!stream_find(c->s, id, &e)) {
        if (p)
            claim_drop(c, p);
        return false;
    }
    if (p ? !is_idle_enough(c, p) : !c->force)
        return false;
    if (!p) /* delivered once, and, as in Redis, once more now */
        p = stream_pending_deliver(c->g, c->c, id, c->delivered_ms);
    claim_take(c, p);
    return true;
}

static void claim_all(struct claiming *c, uint32_t end)
{
    struct stream_id id;
    size_t len = 0;
    struct output_mark mark = reply_defer(c->ex->reply);
    for (uint32_t i = 5; i < end; i++)
        if (stream_id_parse(c->ex->argv[i], 0, &id, NULL) && claim_one(c, id)) {
            claim_reply(c, id);
            len++;
        }
    reply_defer_end(c->ex->reply, mark, REPLY_ARRAY, len);
}

static bool parse_min_idle(struct exec *ex, struct claiming *c, const char *error)
{
    if (!arg_int(ex, 4, &c->min_idle_ms, error))
        return false;
    c->min_idle_ms = MAX(c->min_idle_ms, 0);
    return true;
}

void cmd_xclaim(struct exec *ex)
{
    struct claiming c = {.ex = ex, .deliveries = -1};
    struct ref ref;
    struct stream_id id, last_id = STREAM_ID_MIN;
    uint32_t end = 5;
    if (!(c.g = find_group(ex, &ref, false)) ||
        !parse_min_idle(ex, &c, "ERR Invalid min-idle-time argument for XCLAIM"))
        return;
    while (end < ex->argc && stream_id_parse(ex->argv[end], 0, &id, NULL))
        end++;
    if (!parse_claim_options(ex, &c, end, &last_id))
        return;
    c.s = stream_of(ref.entry);
    claim_begin(&c, &ref);
    bool moves = stream_id_compare(last_id, c.g->last_id) > 0;
    if (moves) {
        c.g->last_id = last_id;
        c.changes++;
    }
    claim_all(&c, end);
    if (moves)
        stream_effect_position(&c.effect, c.g);
    claim_end(&c, &ref);
}

/* ---- XAUTOCLAIM ---- */

enum {
    ATTEMPTS_PER_ENTRY = 10
};

struct claimed {
    struct stream_id id;
    bool deleted;
};

static bool parse_autoclaim(struct exec *ex, struct claiming *c, struct stream_id *first,
                            int64_t *count)
{
    *count = 100;
    if (!parse_min_idle(ex, c, "ERR Invalid min-idle-time argument for XAUTOCLAIM") ||
        !arg_stream_bound(ex, 5, STREAM_BOUND_START, first))
        return false;
    for (uint32_t at = 6; at < ex->argc; at++) {
        if (arg_is(ex, at, "count") && at + 1 < ex->argc) {
            if (!arg_int_range(ex, ++at, 1, INT64_MAX / 16, count, "ERR COUNT must be > 0"))
                return false;
        } else if (arg_is(ex, at, "justid")) {
            c->just_id = true;
        } else {
            return fail_syntax(ex);
        }
    }
    return true;
}

/* Goes over pending entries from `first` on; what was done to them goes to `done`. Returns the ID to
 * go on from, 0-0 at the end. */
static struct stream_id claim_idle(struct claiming *c, struct stream_id first, int64_t count,
                                   struct buf *done)
{
    int64_t attempts = count * ATTEMPTS_PER_ENTRY;
    struct stream_entry e;
    struct stream_pending *p = stream_pending_from(c->g, first), *next;
    for (; p && attempts-- > 0 && count > 0; p = next) {
        struct claimed result = {p->id, !stream_find(c->s, p->id, &e)};
        next = stream_pending_next(p);
        if (!result.deleted && !is_idle_enough(c, p))
            continue;
        if (result.deleted)
            claim_drop(c, p);
        else
            claim_take(c, p);
        buf_append(done, &result, sizeof(result));
        count--;
    }
    return p ? p->id : STREAM_ID_MIN;
}

static void reply_claimed(const struct claiming *c, const struct buf *done, bool deleted)
{
    const char *at = buf_len(done) ? buf_ptr(done) : NULL;
    size_t len = 0;
    struct claimed result;
    struct output_mark mark = reply_defer(c->ex->reply);
    for (size_t i = 0; i < buf_len(done) / sizeof(result); i++) {
        memcpy(&result, at + i * sizeof(result), sizeof(result));
        if (result.deleted != deleted)
            continue;
        if (deleted)
            reply_stream_id(c->ex->reply, result.id);
        else
            claim_reply(c, result.id);
        len++;
    }
    reply_defer_end(c->ex->reply, mark, REPLY_ARRAY, len);
}

void cmd_xautoclaim(struct exec *ex)
{
    struct claiming c = {.ex = ex, .deliveries = -1, .delivered_ms = ex->txn->now_ms};
    struct ref ref;
    struct stream_id first;
    int64_t count;
    struct buf done;
    if (!parse_autoclaim(ex, &c, &first, &count) || !(c.g = find_group(ex, &ref, false)))
        return;
    c.s = stream_of(ref.entry);
    buf_init(&done, MEM_OTHER);
    claim_begin(&c, &ref);
    struct stream_id cursor = claim_idle(&c, first, count, &done);
    claim_end(&c, &ref);
    reply_array(ex->reply, 3);
    reply_stream_id(ex->reply, cursor);
    reply_claimed(&c, &done, false);
    reply_claimed(&c, &done, true);
    buf_deinit(&done);
}
