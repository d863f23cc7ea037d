/* Commands on the entries of streams: XADD, XLEN, XDEL, XTRIM, XSETID, XRANGE, XREVRANGE. */
#include "base/mem.h"
#include "cmd/stream_args.h"

static bool check_add(struct exec *ex, const struct stream_add_args *a)
{
    uint32_t items = ex->argc - a->id_at - 1;
    if (!a->id_at || items < 2 || items % 2 == 1) {
        reply_error(ex->reply, "ERR wrong number of arguments for 'xadd' command");
        return false;
    }
    if (!a->any_id && !a->any_seq && stream_id_is_zero(a->id))
        return fail(ex, "ERR The ID specified in XADD must be greater than 0-0");
    return true;
}

/* The ID that the new entry gets. */
static bool choose_id(struct exec *ex, const struct stream *s, struct stream_add_args *a)
{
    struct stream_id last = s->last_id;
    if (stream_id_equal(last, STREAM_ID_MAX))
        return fail(ex, "ERR The stream has exhausted the last possible ID, unable to add more "
                        "items");
    bool valid = true;
    if (a->any_id)
        valid = stream_next_id(s, ex->txn->now_ms, &a->id);
    else if (a->any_seq && last.ms == a->id.ms) /* a wrapped sequence is not above the last */
        a->id.seq = last.seq + 1;
    if (valid && stream_id_compare(a->id, last) > 0)
        return true;
    return fail(ex, "ERR The ID specified in XADD is equal or smaller than the target stream top "
                    "item");
}

static bool check_items(struct exec *ex, uint32_t from)
{
    size_t len = 0;
    for (uint32_t i = from; i < ex->argc; i++)
        len += ex->argv[i].len;
    return likely(len <= STREAM_ENTRY_MAX) || fail(ex, "ERR Elements are too large to be stored");
}

/* A replay knows neither the time nor where blocks end: it gets the ID, and the length left. */
static void log_add(struct exec *ex, const struct stream_add_args *a, const struct stream *s)
{
    char id[STREAM_ID_MAX_LEN], digits[NUM_INT64_MAX_LEN];
    uint32_t items = ex->argc - a->id_at - 1, argc = 2;
    if (!txn_logs(ex->txn) || !(a->any_id || a->any_seq || a->trim.approximate))
        return;
    size_t bytes = (items + 6) * sizeof(struct slice);
    struct slice *argv = mem_alloc(MEM_OTHER, bytes);
    argv[0] = SLICE("XADD");
    argv[1] = ex->argv[1];
    if (a->trim.by != TRIM_NONE) {
        argv[argc++] = SLICE("MAXLEN");
        argv[argc++] = SLICE("=");
        argv[argc++] = slice_make(digits, num_format_uint64(digits, s->len));
    }
    argv[argc++] = stream_id_text(id, a->id);
    memcpy(argv + argc, ex->argv + a->id_at + 1, items * sizeof(*argv));
    effect_command(ex->txn, argv, argc + items);
    mem_free(MEM_OTHER, argv, bytes);
}

HOT void cmd_xadd(struct exec *ex)
{
    static const struct stream none; /* what a missing key is like */
    struct stream_add_args a;
    struct ref ref;
    if (!arg_stream_add(ex, true, &a) || !check_add(ex, &a) ||
        !find_typed(ex, 0, TYPE_STREAM, &ref))
        return;
    if (!ref.entry && a.must_exist) {
        reply_null(ex->reply);
        return;
    }
    if (!choose_id(ex, ref.entry ? stream_of(ref.entry) : &none, &a) ||
        !check_items(ex, a.id_at + 1))
        return;
    uint64_t cost = (ex->argc - a.id_at) * COST_LOOKUP;
    if (ref.entry && unlikely(a.trim.by != TRIM_NONE))
        cost += stream_trim_cost(ex, stream_of(ref.entry), &a.trim);
    if (defer_edit(ex, cost))
        return;
    if (ref.entry)
        txn_edit(ex->txn, &ref);
    else
        txn_add(ex->txn, &ref, TYPE_STREAM, ENC_STREAM, stream_create());
    struct stream *s = stream_of(ref.entry);
    stream_append(s, a.id, ex->argv + a.id_at + 1, (ex->argc - a.id_at - 1) / 2);
    txn_commit(ex->txn, &ref, EVENT_XADD);
    if (a.trim.by != TRIM_NONE && stream_trim(s, &a.trim))
        txn_commit(ex->txn, &ref, EVENT_XTRIM);
    log_add(ex, &a, s);
    reply_stream_id(ex->reply, a.id);
}

void cmd_xdel(struct exec *ex)
{
    struct ref ref;
    struct stream_id id;
    int64_t deleted = 0;
    if (!find_typed(ex, 0, TYPE_STREAM, &ref))
        return;
    if (!ref.entry) {
        reply_int(ex->reply, 0);
        return;
    }
    if (!arg_stream_ids(ex, 2) || defer_edit(ex, (uint64_t)(ex->argc - 2) * COST_MEMBER))
        return;
    txn_edit(ex->txn, &ref);
    for (uint32_t i = 2; i < ex->argc; i++)
        if (stream_id_parse(ex->argv[i], 0, &id, NULL))
            deleted += stream_delete(stream_of(ref.entry), id);
    if (deleted)
        txn_commit(ex->txn, &ref, EVENT_XDEL);
    reply_int(ex->reply, deleted);
}

void cmd_xtrim(struct exec *ex)
{
    struct stream_add_args a;
    struct ref ref;
    char digits[NUM_INT64_MAX_LEN];
    if (!arg_stream_add(ex, false, &a) || !find_typed(ex, 0, TYPE_STREAM, &ref))
        return;
    if (!ref.entry) {
        reply_int(ex->reply, 0);
        return;
    }
    struct stream *s = stream_of(ref.entry);
    if (defer_edit(ex, stream_trim_cost(ex, s, &a.trim)))
        return;
    txn_edit(ex->txn, &ref);
    uint64_t deleted = stream_trim(s, &a.trim);
    if (deleted)
        txn_commit(ex->txn, &ref, EVENT_XTRIM);
    if (deleted && a.trim.approximate) {
        struct slice len = slice_make(digits, num_format_uint64(digits, s->len));
        effect_command(
            ex->txn,
            (struct slice[]){SLICE("XTRIM"), ex->argv[1], SLICE("MAXLEN"), SLICE("="), len}, 5);
    }
    reply_int(ex->reply, (int64_t)deleted);
}

struct setid_args {
    struct stream_id id, max_deleted;
    int64_t entries_added; /* -1: not given */
};

static bool parse_setid(struct exec *ex, struct setid_args *a)
{
    *a = (struct setid_args){.entries_added = -1};
    if (!arg_stream_id(ex, 2, 0, &a->id))
        return false;
    for (uint32_t at = 3; at < ex->argc; at += 2) {
        bool more = at + 1 < ex->argc;
        if (arg_is(ex, at, "entriesadded") && more) {
            if (!arg_int(ex, at + 1, &a->entries_added, NULL))
                return false;
            if (a->entries_added < 0)
                return fail(ex, "ERR entries_added must be positive");
        } else if (arg_is(ex, at, "maxdeletedid") && more) {
            if (!arg_stream_id(ex, at + 1, 0, &a->max_deleted))
                return false;
            if (stream_id_compare(a->id, a->max_deleted) < 0)
                return fail(ex, "ERR The ID specified in XSETID is smaller than the provided "
                                "max_deleted_entry_id");
        } else {
            return fail_syntax(ex);
        }
    }
    return true;
}

static bool check_setid(struct exec *ex, const struct setid_args *a, const struct stream *s)
{
    if (stream_id_compare(a->id, s->max_deleted_id) < 0)
        return fail(ex, "ERR The ID specified in XSETID is smaller than current "
                        "max_deleted_entry_id");
    if (!s->len)
        return true;
    if (stream_id_compare(a->id, stream_last_entry(s)) < 0)
        return fail(ex, "ERR The ID specified in XSETID is smaller than the target stream top "
                        "item");
    if (a->entries_added >= 0 && s->len > (uint64_t)a->entries_added)
        return fail(ex, "ERR The entries_added specified in XSETID is smaller than the target "
                        "stream length");
    return true;
}

void cmd_xsetid(struct exec *ex)
{
    struct setid_args a;
    struct ref ref;
    if (!parse_setid(ex, &a) || !find_typed(ex, 0, TYPE_STREAM, &ref))
        return;
    if (!ref.entry) {
        fail(ex, ERROR_NO_KEY);
        return;
    }
    struct stream *s = stream_of(ref.entry);
    if (!check_setid(ex, &a, s))
        return;
    txn_edit(ex->txn, &ref);
    s->last_id = a.id;
    if (a.entries_added >= 0)
        s->entries_added = (uint64_t)a.entries_added;
    if (!stream_id_is_zero(a.max_deleted))
        s->max_deleted_id = a.max_deleted;
    txn_commit_unwatched(ex->txn, &ref, EVENT_XSETID);
    reply_ok(ex->reply);
}

void cmd_xlen(struct exec *ex)
{
    struct ref ref;
    if (read_typed(ex, 0, TYPE_STREAM, &ref))
        reply_int(ex->reply, ref.entry ? (int64_t)stream_of(ref.entry)->len : 0);
}

static void range(struct exec *ex, bool reverse)
{
    struct ref ref;
    struct stream_id first, last;
    int64_t count = -1;
    if (!arg_stream_bound(ex, reverse ? 3 : 2, STREAM_BOUND_START, &first) ||
        !arg_stream_bound(ex, reverse ? 2 : 3, STREAM_BOUND_END, &last))
        return;
    for (uint32_t at = 4; at < ex->argc; at += 2) {
        if (!arg_is(ex, at, "count") || at + 1 == ex->argc) {
            fail_syntax(ex);
            return;
        }
        if (!arg_int(ex, at + 1, &count, NULL))
            return;
        count = MAX(count, 0);
    }
    if (!read_typed(ex, 0, TYPE_STREAM, &ref))
        return;
    uint64_t most = (uint64_t)MAX(count, 0);
    if (!ref.entry)
        reply_array(ex->reply, 0);
    else if (count == 0)
        reply_null_array(ex->reply);
    else if (!defer(ex, stream_read_cost(ex, stream_of(ref.entry), first, last, most)))
        reply_stream_range(ex->reply, stream_of(ref.entry), first, last, most, reverse);
}

void cmd_xrange(struct exec *ex)
{
    range(ex, false);
}

void cmd_xrevrange(struct exec *ex)
{
    range(ex, true);
}
