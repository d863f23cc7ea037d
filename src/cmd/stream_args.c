#include "cmd/stream_args.h"

#include "store/settings.h"

#define ERROR_STREAM_ID "ERR Invalid stream ID specified as stream command argument"

bool arg_stream_id(struct exec *ex, uint32_t index, uint64_t missing_seq, struct stream_id *out)
{
    if (likely(stream_id_parse(ex->argv[index], missing_seq, out, NULL)))
        return true;
    return fail(ex, ERROR_STREAM_ID);
}

bool arg_stream_ids(struct exec *ex, uint32_t from)
{
    struct stream_id id;
    for (uint32_t i = from; i < ex->argc; i++)
        if (!arg_stream_id(ex, i, 0, &id))
            return false;
    return true;
}

static bool parse_bound(struct slice text, uint64_t missing_seq, struct stream_id *out)
{
    if (text.len == 1 && (text.ptr[0] == '-' || text.ptr[0] == '+')) {
        *out = text.ptr[0] == '-' ? STREAM_ID_MIN : STREAM_ID_MAX;
        return true;
    }
    return stream_id_parse(text, missing_seq, out, NULL);
}

bool arg_stream_bound(struct exec *ex, uint32_t index, enum stream_bound which,
                      struct stream_id *out)
{
    struct slice text = ex->argv[index];
    bool start = which == STREAM_BOUND_START;
    uint64_t missing_seq = start ? 0 : UINT64_MAX;
    if (text.len < 2 || text.ptr[0] != '(')
        return parse_bound(text, missing_seq, out) || fail(ex, ERROR_STREAM_ID);
    if (!stream_id_parse(slice_make(text.ptr + 1, text.len - 1), missing_seq, out, NULL))
        return fail(ex, ERROR_STREAM_ID);
    if (start)
        return stream_id_increment(out) || fail(ex, "ERR invalid start ID for the interval");
    return stream_id_decrement(out) || fail(ex, "ERR invalid end ID for the interval");
}

enum {
    TRIM_NODES = 100,     /* blocks that "~" trims at most, unless LIMIT says otherwise */
    TRIM_DEFAULT = 10000, /* where blocks have no limit of entries */
    TRIM_HIGHEST = 1000000
};

struct add_parser {
    struct stream_add_args *out;
    bool adds, limit_given;
    int64_t limit;
};

static bool is_char(struct slice text, char c)
{
    return text.len == 1 && text.ptr[0] == c;
}

/* MAXLEN and MINID: [= | ~] threshold. Returns how many arguments, 0 after an error. */
static uint32_t parse_strategy(struct exec *ex, struct add_parser *p, uint32_t at, bool max_len)
{
    struct stream_trim *trim = &p->out->trim;
    uint32_t value = at + 1;
    int64_t number;
    if (trim->by != TRIM_NONE)
        return fail(ex, "ERR syntax error, MAXLEN and MINID options at the same time are not "
                        "compatible");
    trim->by = max_len ? TRIM_MAXLEN : TRIM_MINID;
    if (at + 2 < ex->argc && (is_char(ex->argv[value], '~') || is_char(ex->argv[value], '='))) {
        trim->approximate = ex->argv[value].ptr[0] == '~';
        value++;
    }
    if (!max_len)
        return arg_stream_id(ex, value, 0, &trim->min_id) ? value - at + 1 : 0;
    if (!arg_int(ex, value, &number, NULL))
        return 0;
    if (number < 0)
        return fail(ex, "ERR The MAXLEN argument must be >= 0.");
    trim->max_len = (uint64_t)number;
    return value - at + 1;
}

static uint32_t parse_limit(struct exec *ex, struct add_parser *p, uint32_t at)
{
    if (!arg_int(ex, at + 1, &p->limit, NULL))
        return 0;
    if (p->limit < 0)
        return fail(ex, "ERR The LIMIT argument must be >= 0.");
    p->limit_given = true;
    return 2;
}

/* One option; how many arguments it has, 0 after an error. */
static uint32_t parse_add_option(struct exec *ex, struct add_parser *p, uint32_t at)
{
    bool more = at + 1 < ex->argc;
    if (arg_is(ex, at, "maxlen") && more)
        return parse_strategy(ex, p, at, true);
    if (arg_is(ex, at, "minid") && more)
        return parse_strategy(ex, p, at, false);
    if (arg_is(ex, at, "limit") && more)
        return parse_limit(ex, p, at);
    if (p->adds && arg_is(ex, at, "nomkstream")) {
        p->out->must_exist = true;
        return 1;
    }
    if (!p->adds)
        return fail_syntax(ex);
    if (!stream_id_parse(ex->argv[at], 0, &p->out->id, &p->out->any_seq))
        return fail(ex, ERROR_STREAM_ID);
    p->out->id_at = at;
    return 1;
}

static uint64_t default_limit(void)
{
    int64_t entries = store_settings.stream_node_max_entries, limit;
    if (ckd_mul(&limit, entries, (int64_t)TRIM_NODES))
        return TRIM_HIGHEST;
    return limit <= 0 ? TRIM_DEFAULT : MIN((uint64_t)limit, (uint64_t)TRIM_HIGHEST);
}

static bool check_trim(struct exec *ex, struct add_parser *p)
{
    struct stream_trim *trim = &p->out->trim;
    if (p->limit && trim->by == TRIM_NONE)
        return fail(ex, "ERR syntax error, LIMIT cannot be used without specifying a trimming "
                        "strategy");
    if (!p->adds && trim->by == TRIM_NONE)
        return fail(ex, "ERR syntax error, XTRIM must be called with a trimming strategy");
    if (p->limit_given && !trim->approximate)
        return fail(ex, "ERR syntax error, LIMIT cannot be used without the special ~ option");
    if (trim->approximate)
        trim->limit = p->limit_given ? (uint64_t)p->limit : default_limit();
    return true;
}

bool arg_stream_add(struct exec *ex, bool adds, struct stream_add_args *out)
{
    struct add_parser p = {.out = out, .adds = adds};
    *out = (struct stream_add_args){.id_at = 0};
    for (uint32_t at = 2, used; at < ex->argc && !out->id_at; at += used) {
        if (adds && is_char(ex->argv[at], '*')) {
            out->any_id = true;
            out->id_at = at;
            break;
        }
        if (!(used = parse_add_option(ex, &p, at)))
            return false;
    }
    return check_trim(ex, &p);
}

struct stream_group *find_stream_group(struct exec *ex, struct ref *ref)
{
    if (!read_typed(ex, 0, TYPE_STREAM, ref))
        return NULL;
    struct slice key = ex->argv[1], name = ex->argv[2];
    struct stream_group *g = ref->entry ? stream_group_find(stream_of(ref->entry), name) : NULL;
    if (!g)
        reply_errorf(ex->reply, "NOGROUP No such key '%.*s' or consumer group '%.*s'", (int)key.len,
                     key.ptr, (int)name.len, name.ptr);
    return g;
}

void reply_stream_id(struct reply *r, struct stream_id id)
{
    char text[STREAM_ID_MAX_LEN];
    reply_bulk(r, stream_id_text(text, id));
}

INLINE void reply_value(struct reply *r, struct packed_value v)
{
    if (likely(v.ptr))
        reply_bulk(r, slice_make(v.ptr, v.len));
    else
        reply_bulk_int(r, v.num);
}

HOT void reply_stream_entry(struct reply *r, struct stream_entry *e)
{
    reply_array(r, 2);
    reply_stream_id(r, e->id);
    reply_array(r, (size_t)e->count * 2);
    for (uint32_t i = 0; i < e->count; i++) {
        struct stream_pair pair = stream_entry_next(e);
        reply_value(r, pair.field);
        reply_value(r, pair.value);
    }
}

void reply_stream_range(struct reply *r, const struct stream *s, struct stream_id first,
                        struct stream_id last, uint64_t count, bool reverse)
{
    struct stream_iter it;
    struct stream_entry e;
    uint64_t len = 0;
    struct output_mark mark = reply_defer(r);
    stream_iter_init(&it, s, first, last, reverse);
    while ((!count || len < count) && stream_iter_next(&it, &e)) {
        reply_stream_entry(r, &e);
        len++;
    }
    reply_defer_end(r, mark, REPLY_ARRAY, len);
}

uint64_t stream_read_cost(const struct exec *ex, const struct stream *s, struct stream_id first,
                          struct stream_id last, uint64_t count)
{
    if (ex->slow_limit == UINT64_MAX)
        return 0; /* nobody will ask */
    uint64_t enough = ex->slow_limit / COST_ENTRY + 1;
    count = count ? MIN(count, enough) : enough;
    return COST_ENTRY * (count < enough ? count : stream_reach(s, first, last, enough));
}

uint64_t stream_trim_cost(const struct exec *ex, const struct stream *s,
                          const struct stream_trim *trim)
{
    enum {
        TRIMMED_PER_ELEMENT = 32 /* blocks go whole */
    };

    uint64_t entries = 0;
    if (ex->slow_limit == UINT64_MAX)
        return 0;
    if (trim->by == TRIM_MAXLEN && s->len > trim->max_len)
        entries = s->len - trim->max_len;
    else if (trim->by == TRIM_MINID)
        entries =
            stream_reach(s, STREAM_ID_MIN, trim->min_id, ex->slow_limit * TRIMMED_PER_ELEMENT);
    return (trim->limit ? MIN(entries, trim->limit) : entries) / TRIMMED_PER_ELEMENT;
}
