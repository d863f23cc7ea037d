/* XCLAIM and XAUTOCLAIM: a consumer becomes the owner of pending entries. */
#include "cmd/stream_effect.h"

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
        stream_pending_count(p);
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
    if (!(c.g = find_stream_group(ex, &ref)) ||
        !parse_min_idle(ex, &c, "ERR Invalid min-idle-time argument for XCLAIM"))
        return;
    while (end < ex->argc && stream_id_parse(ex->argv[end], 0, &id, NULL))
        end++;
    if (!parse_claim_options(ex, &c, end, &last_id))
        return;
    c.s = stream_of(ref.entry);
    if (defer_edit(ex, (uint64_t)(end - 5) * COST_ORDER))
        return;
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

/* Goes over pending entries from `first` on; what was done to them goes to `done`. Returns the ID
 * to go on from, 0-0 at the end. */
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
    if (!parse_autoclaim(ex, &c, &first, &count) || !(c.g = find_stream_group(ex, &ref)))
        return;
    c.s = stream_of(ref.entry);
    uint64_t attempts = MIN((uint64_t)count * ATTEMPTS_PER_ENTRY, (uint64_t)c.g->pending_count);
    if (defer_edit(ex, attempts + MIN((uint64_t)count, attempts) * COST_ORDER))
        return;
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
