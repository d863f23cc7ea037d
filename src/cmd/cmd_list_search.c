/* Commands that look for elements of a list by value. */
#include "cmd/list_edit.h"

void cmd_linsert(struct exec *ex)
{
    struct ref ref;
    struct list_search search;
    bool after = arg_is(ex, 2, "after");
    if (!after && !arg_is(ex, 2, "before")) {
        fail_syntax(ex);
        return;
    }
    if (!find_typed(ex, 0, TYPE_LIST, &ref) || !list_edit_elements_fit(ex, 4))
        return;
    if (!ref.entry) {
        reply_int(ex->reply, 0);
        return;
    }
    struct deque *d = list_of(ref.entry);
    if (defer_edit(ex, d->len))
        return;
    list_search_begin(&search, d, ex->argv[3], DEQUE_TAIL, UINT64_MAX);
    if (!list_search_next(&search)) {
        reply_int(ex->reply, -1);
        return;
    }
    txn_edit(ex->txn, &ref);
    list_will_grow(ref.entry, &ex->argv[4], 1);
    (after ? deque_insert_after : deque_insert_before)(d, &search.it, ex->argv[4]);
    txn_commit(ex->txn, &ref, EVENT_LINSERT);
    reply_int(ex->reply, (int64_t)d->len);
}

void cmd_lrem(struct exec *ex)
{
    struct ref ref;
    struct list_search search;
    int64_t count;
    if (!arg_int(ex, 2, &count, NULL) || !find_typed(ex, 0, TYPE_LIST, &ref))
        return;
    if (!ref.entry) {
        reply_int(ex->reply, 0);
        return;
    }
    struct deque *d = list_of(ref.entry);
    if (defer_edit(ex, d->len))
        return;
    list_search_begin(&search, d, ex->argv[3], count < 0 ? DEQUE_HEAD : DEQUE_TAIL, UINT64_MAX);
    if (!list_search_next(&search)) {
        reply_int(ex->reply, 0);
        return;
    }
    uint64_t limit = count == 0 ? UINT64_MAX : count < 0 ? 0 - (uint64_t)count : (uint64_t)count;
    txn_edit(ex->txn, &ref);
    uint64_t removed = list_search_delete(&search, d, limit);
    list_edit_commit_removal(ex, &ref, EVENT_LREM);
    txn_count_changes(ex->txn, (int64_t)removed - 1);
    reply_int(ex->reply, (int64_t)removed);
}

/* A rank: any integer but 0 that can be negated. */
static bool arg_rank(struct exec *ex, uint32_t index, int64_t *out)
{
    if (!arg_int(ex, index, out, NULL))
        return false;
    if (unlikely(*out == 0))
        return fail(ex, "ERR RANK can't be zero: use 1 to start from the first match, 2 from the "
                        "second ... or use negative to start from the end of the list");
    if (unlikely(*out == INT64_MIN))
        return fail(ex, "ERR value is out of range, value must between -9223372036854775807 and "
                        "9223372036854775807");
    return true;
}

struct lpos_args {
    int64_t rank, count, maxlen; /* count -1: not given */
};

static bool parse_lpos(struct exec *ex, struct lpos_args *out)
{
    *out = (struct lpos_args){.rank = 1, .count = -1};
    for (uint32_t i = 3; i < ex->argc; i += 2) {
        bool has_value = i + 1 < ex->argc, ok;
        if (has_value && arg_is(ex, i, "rank"))
            ok = arg_rank(ex, i + 1, &out->rank);
        else if (has_value && arg_is(ex, i, "count"))
            ok = arg_int_range(ex, i + 1, 0, INT64_MAX, &out->count, "ERR COUNT can't be negative");
        else if (has_value && arg_is(ex, i, "maxlen"))
            ok = arg_int_range(ex, i + 1, 0, INT64_MAX, &out->maxlen,
                               "ERR MAXLEN can't be negative");
        else
            ok = fail_syntax(ex);
        if (!ok)
            return false;
    }
    return true;
}

/* Answers with the positions found from the rank on; the search is at its start. */
static void reply_positions(struct reply *r, struct list_search *search, int64_t skip,
                            const struct lpos_args *args)
{
    int64_t found = 0;
    struct output_mark mark = reply_defer(r);
    while ((args->count == 0 || found < args->count) && list_search_next(search)) {
        if (skip > 0) {
            skip--;
            continue;
        }
        reply_int(r, search->index);
        found++;
    }
    reply_defer_end(r, mark, REPLY_ARRAY, (size_t)found);
}

static void reply_position(struct reply *r, struct list_search *search, int64_t skip)
{
    bool found = list_search_next(search);
    for (; found && skip > 0; skip--)
        found = list_search_next(search);
    if (found)
        reply_int(r, search->index);
    else
        reply_null(r);
}

void cmd_lpos(struct exec *ex)
{
    struct ref ref;
    struct lpos_args args;
    struct list_search search = {0};
    if (!parse_lpos(ex, &args) || !read_typed(ex, 0, TYPE_LIST, &ref))
        return;
    if (ref.entry && !args.maxlen && defer(ex, list_of(ref.entry)->len))
        return;
    if (ref.entry)
        list_search_begin(&search, list_of(ref.entry), ex->argv[2],
                          args.rank < 0 ? DEQUE_HEAD : DEQUE_TAIL,
                          args.maxlen ? (uint64_t)args.maxlen : UINT64_MAX);
    int64_t skip = (args.rank < 0 ? -args.rank : args.rank) - 1;
    if (args.count < 0)
        reply_position(ex->reply, &search, skip);
    else
        reply_positions(ex->reply, &search, skip, &args);
}
