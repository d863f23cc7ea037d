/* XREAD and XREADGROUP. */
#include "cmd/cmd_stream_read.h"

#include "cmd/stream_effect.h"

static bool is_char(struct slice text, char c)
{
    return text.len == 1 && text.ptr[0] == c;
}

static bool parse_streams(struct exec *ex, struct reading *r, uint32_t at)
{
    r->streams = at;
    if ((ex->argc - at) % 2) {
        reply_errorf(ex->reply,
                     "ERR Unbalanced '%s' list of streams: for each stream key an ID or '%c' must "
                     "be specified.",
                     ex->cmd->full_name, r->by_group ? '>' : '$');
        return false;
    }
    r->keys = (ex->argc - at) / 2;
    return true;
}

/* One option; how many arguments it has, 0 after an error. */
static uint32_t parse_option(struct exec *ex, struct reading *r, uint32_t at)
{
    bool more = at + 1 < ex->argc;
    if (arg_is(ex, at, "block") && more) {
        r->blocks = true;
        return blocking_timeout_ms(ex, at + 1, &r->timeout_ms) ? 2 : 0;
    }
    if (arg_is(ex, at, "count") && more) {
        if (!arg_int(ex, at + 1, &r->count, NULL))
            return 0;
        r->count = MAX(r->count, 0);
        return 2;
    }
    if (arg_is(ex, at, "group") && at + 2 < ex->argc) {
        r->group_at = at + 1;
        return r->by_group ? 3
                           : fail(ex, "ERR The GROUP option is only supported by XREADGROUP. You "
                                      "called XREAD instead.");
    }
    if (arg_is(ex, at, "noack")) {
        r->no_ack = true;
        return r->by_group ? 1
                           : fail(ex, "ERR The NOACK option is only supported by XREADGROUP. You "
                                      "called XREAD instead.");
    }
    return fail_syntax(ex);
}

static bool parse_reading(struct exec *ex, struct reading *r)
{
    for (uint32_t at = 1, used; at < ex->argc && !r->streams; at += used) {
        if (arg_is(ex, at, "streams") && at + 1 < ex->argc) {
            if (!parse_streams(ex, r, at + 1))
                return false;
            break;
        }
        if (!(used = parse_option(ex, r, at)))
            return false;
    }
    if (!r->streams)
        return fail_syntax(ex);
    return !r->by_group || r->group_at || fail(ex, "ERR Missing GROUP option for XREADGROUP");
}

/* Looks stream number `i` up; it is missing also when the command is served and need not look. */
static bool find_stream(struct exec *ex, const struct reading *r, uint32_t i, struct key *key,
                        struct ref *ref)
{
    *key = ex->keys[i];
    *ref = (struct ref){.key = key};
    if (!blocking_sees(ex, i))
        return true;
    txn_find_read(ex->txn, &ex->keys[i], ref);
    if (!ref->entry || entry_type(ref->entry) == TYPE_STREAM)
        return true;
    return fail(ex, ERROR_WRONGTYPE);
}

static struct stream_group *find_group(struct exec *ex, const struct reading *r, uint32_t i,
                                       const struct ref *ref)
{
    struct slice name = ex->argv[r->group_at], key = ex->argv[r->streams + i];
    struct stream_group *g = ref->entry ? stream_group_find(stream_of(ref->entry), name) : NULL;
    if (!g)
        reply_errorf(ex->reply,
                     "NOGROUP No such key '%.*s' or consumer group '%.*s' in XREADGROUP with GROUP "
                     "option",
                     (int)key.len, key.ptr, (int)name.len, name.ptr);
    return g;
}

#define ERROR_MEANINGLESS(id)                                                              \
    "ERR The " id " ID is meaningless in the context of XREADGROUP: you want to read the " \
    "history of this consumer by specifying a proper ID, or use the > ID to get new "      \
    "messages. The " id " ID would just return an empty result set."

/* The ID behind which stream `i` is read. */
static bool parse_position(struct exec *ex, const struct reading *r, uint32_t i,
                           const struct stream *s, struct stream_id *out)
{
    uint32_t at = r->streams + r->keys + i;
    struct slice text = ex->argv[at];
    *out = STREAM_ID_MIN;
    if (is_char(text, '$')) {
        if (r->by_group)
            return fail(ex, ERROR_MEANINGLESS("$"));
        *out = s ? s->last_id : STREAM_ID_MIN;
        return true;
    }
    if (is_char(text, '+')) {
        if (r->by_group)
            return fail(ex, ERROR_MEANINGLESS("+"));
        if (s && s->len) {
            *out = stream_last_entry(s);
            return stream_id_decrement(out) || true;
        }
        *out = s ? s->last_id : STREAM_ID_MIN;
        return true;
    }
    if (is_char(text, '>')) {
        *out = STREAM_ID_MAX; /* where the group is, which the reading itself moves */
        return r->by_group || fail(ex, "ERR The > ID can be specified only when calling XREADGROUP "
                                       "using the GROUP <group> <consumer> option.");
    }
    return arg_stream_id(ex, at, 0, out);
}

/* All arguments are checked before anything is read. */
static bool check_streams(struct exec *ex, const struct reading *r)
{
    struct key key;
    struct ref ref;
    struct stream_id id;
    for (uint32_t i = 0; i < r->keys; i++) {
        if (!blocking_sees(ex, i))
            continue;
        if (!find_stream(ex, r, i, &key, &ref) || (r->by_group && !find_group(ex, r, i, &ref)) ||
            !parse_position(ex, r, i, ref.entry ? stream_of(ref.entry) : NULL, &id))
            return false;
    }
    return true;
}

struct read_reply {
    struct output_mark mark;
    size_t streams; /* so far */
};

/* The next stream of the reply: its name; its entries follow. */
static void reply_stream(struct exec *ex, struct read_reply *out, struct slice name)
{
    if (out->streams++ == 0)
        out->mark = reply_defer(ex->reply);
    if (ex->reply->proto != REPLY_RESP3)
        reply_array(ex->reply, 2);
    reply_bulk(ex->reply, name);
}

static void reply_streams_end(struct exec *ex, const struct reading *r,
                              const struct read_reply *out)
{
    bool map = ex->reply->proto == REPLY_RESP3;
    if (out->streams)
        reply_defer_end(ex->reply, out->mark, map ? REPLY_MAP : REPLY_ARRAY, out->streams);
    else if (r->blocks && !ex->served && blocking_may_wait(ex))
        stream_read_wait(ex, r);
    else
        reply_null_array(ex->reply);
}

static void read_stream(struct exec *ex, const struct reading *r, uint32_t i,
                        struct read_reply *out)
{
    struct key key;
    struct ref ref;
    struct stream_id after;
    if (!find_stream(ex, r, i, &key, &ref) || !ref.entry)
        return;
    const struct stream *s = stream_of(ref.entry);
    if (!s->len || !parse_position(ex, r, i, s, &after) ||
        stream_id_compare(stream_last_entry(s), after) <= 0)
        return;
    reply_stream(ex, out, key.name);
    stream_id_increment(&after);
    reply_stream_range(ex->reply, s, after, STREAM_ID_MAX, (uint64_t)r->count, false);
}

/* A consumer's history, which is answered even when there is none. */
static uint64_t history_cost(const struct exec *ex, const struct reading *r,
                             const struct stream_group *g)
{
    const struct stream_consumer *c = stream_consumer_find(g, ex->argv[r->group_at + 1]);
    uint64_t most = r->count ? (uint64_t)r->count : UINT64_MAX, pending = c ? c->pending_count : 0;
    return MIN(most, pending) * COST_ENTRY;
}

/* What stream `i` has to give; 0: nothing, so that who waits for all of them stays here. */
static uint64_t stream_cost(struct exec *ex, const struct reading *r, uint32_t i)
{
    struct ref ref;
    struct stream_id after;
    if (!txn_find(ex->txn, &ex->keys[i], &ref) ||
        !parse_position(ex, r, i, stream_of(ref.entry), &after))
        return 0;
    const struct stream *s = stream_of(ref.entry);
    if (r->by_group) {
        const struct stream_group *g = stream_group_find(s, ex->argv[r->group_at]);
        if (!stream_id_equal(after, STREAM_ID_MAX))
            return history_cost(ex, r, g);
        after = g->last_id;
    }
    if (!s->len || stream_id_compare(stream_last_entry(s), after) <= 0)
        return 0;
    stream_id_increment(&after);
    return stream_read_cost(ex, s, after, STREAM_ID_MAX, (uint64_t)r->count);
}

/* Before anything is read; check_streams() has looked at all of them. A worker must not wait: more
 * than 0 means that the reply has at least a stream. */
static uint64_t read_cost(struct exec *ex, const struct reading *r)
{
    uint64_t cost = 0;
    for (uint32_t i = 0; i < r->keys && ex->slow_limit != UINT64_MAX; i++)
        cost += stream_cost(ex, r, i);
    return cost;
}

/* Whether a worker reads; its lookups, a second one of each key as in Redis, are counted here. */
static bool goes_away(struct exec *ex, const struct reading *r)
{
    struct ref ref;
    if (r->by_group && r->keys > 1) /* each would change */
        return false;
    uint64_t cost = read_cost(ex, r);
    if (likely(r->by_group ? !defer_edit(ex, cost) : !defer(ex, cost)))
        return false;
    for (uint32_t i = 0; i < r->keys; i++)
        if (blocking_sees(ex, i))
            txn_find_read(ex->txn, &ex->keys[i], &ref);
    return true;
}

void cmd_xread(struct exec *ex)
{
    struct reading r = {.by_group = false};
    struct read_reply out = {.streams = 0};
    if (!parse_reading(ex, &r) || !check_streams(ex, &r) || goes_away(ex, &r))
        return;
    for (uint32_t i = 0; i < r.keys; i++)
        read_stream(ex, &r, i, &out);
    reply_streams_end(ex, &r, &out);
}

struct delivery {
    struct exec *ex;
    const struct reading *r;
    struct stream *s;
    struct stream_group *g;
    struct stream_consumer *c;
    struct stream_effect effect;
    size_t changes;
};

/* Entries that nobody of the group has got. */
static void deliver_new(struct delivery *d)
{
    struct stream_iter it;
    struct stream_entry e;
    struct stream_id first = d->g->last_id;
    size_t len = 0;
    struct output_mark mark = reply_defer(d->ex->reply);
    stream_id_increment(&first);
    stream_iter_init(&it, d->s, first, STREAM_ID_MAX, false);
    while ((!d->r->count || len < (uint64_t)d->r->count) && stream_iter_next(&it, &e)) {
        stream_group_advance(d->g, d->s, e.id);
        reply_stream_entry(d->ex->reply, &e);
        if (!d->r->no_ack) {
            int64_t now_ms = d->ex->txn->now_ms;
            stream_effect_claim(&d->effect, stream_pending_deliver(d->g, d->c, e.id, now_ms));
            d->c->active_ms = now_ms;
        }
        len++;
    }
    if (len)
        stream_effect_position(&d->effect, d->g);
    d->changes += len;
    reply_defer_end(d->ex->reply, mark, REPLY_ARRAY, len);
}

/* An entry that was deleted is still pending: its ID alone. */
static void reply_gone(struct reply *r, struct stream_id id)
{
    reply_array(r, 2);
    reply_stream_id(r, id);
    reply_null_array(r);
}

/* Entries that the consumer has got and not acknowledged. */
static void deliver_history(struct delivery *d, struct stream_id first)
{
    struct stream_entry e;
    size_t len = 0;
    struct output_mark mark = reply_defer(d->ex->reply);
    for (struct stream_pending *p = stream_pending_from_of(d->c, first);
         p && (!d->r->count || len < (uint64_t)d->r->count); p = stream_pending_next_of(p), len++) {
        if (!stream_find(d->s, p->id, &e)) {
            reply_gone(d->ex->reply, p->id);
            continue;
        }
        reply_stream_entry(d->ex->reply, &e);
        p->delivered_ms = d->ex->txn->now_ms;
        stream_pending_count(p);
        stream_effect_claim(&d->effect, p);
        d->changes++;
    }
    reply_defer_end(d->ex->reply, mark, REPLY_ARRAY, len);
}

static void serve_consumer(struct delivery *d, struct slice name, struct stream_id after,
                           struct read_reply *out)
{
    if (!stream_id_equal(after, STREAM_ID_MAX)) {
        reply_stream(d->ex, out, name);
        stream_id_increment(&after);
        deliver_history(d, after);
    } else if (d->s->len && stream_id_compare(stream_last_entry(d->s), d->g->last_id) > 0) {
        reply_stream(d->ex, out, name);
        deliver_new(d);
    }
}

static void read_group(struct exec *ex, const struct reading *r, uint32_t i, struct read_reply *out)
{
    struct key key;
    struct ref ref;
    struct stream_id after;
    bool added;
    struct slice group = ex->argv[r->group_at], consumer = ex->argv[r->group_at + 1];
    if (!find_stream(ex, r, i, &key, &ref) || !ref.entry ||
        !parse_position(ex, r, i, stream_of(ref.entry), &after))
        return; /* checked before: cannot be */
    struct delivery d = {.ex = ex, .r = r, .s = stream_of(ref.entry)};
    d.g = stream_group_find(d.s, group);
    txn_edit(ex->txn, &ref);
    stream_effect_begin(&d.effect, ex, key.name, group, consumer);
    d.c = stream_consumer_get(d.g, consumer, ex->txn->now_ms, &added);
    d.c->seen_ms = ex->txn->now_ms;
    if (added) {
        stream_effect_consumer(&d.effect);
        txn_commit_unwatched(ex->txn, &ref, EVENT_XGROUP_CREATECONSUMER);
    }
    serve_consumer(&d, key.name, after, out);
    if (d.changes)
        txn_commit_unwatched(ex->txn, &ref, EVENT_NONE);
    stream_effect_end(&d.effect);
}

void cmd_xreadgroup(struct exec *ex)
{
    struct reading r = {.by_group = true};
    struct read_reply out = {.streams = 0};
    if (!parse_reading(ex, &r) || !check_streams(ex, &r) || goes_away(ex, &r))
        return;
    for (uint32_t i = 0; i < r.keys; i++)
        read_group(ex, &r, i, &out);
    reply_streams_end(ex, &r, &out);
}
