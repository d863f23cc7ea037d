/* Commands on lists. */
#include "cmd/list_edit.h"

enum {
    TRIMMED_PER_ELEMENT = 8 /* blocks go whole */
};

#define ERROR_NOT_POSITIVE "ERR value is out of range, must be positive"

static const enum event push_events[] = {[DEQUE_HEAD] = EVENT_LPUSH, [DEQUE_TAIL] = EVENT_RPUSH};

static const enum event pop_events[] = {[DEQUE_HEAD] = EVENT_LPOP, [DEQUE_TAIL] = EVENT_RPOP};

/* ---- arguments ---- */

bool list_edit_arg_end(struct exec *ex, uint32_t index, enum deque_end *out)
{
    if (arg_is(ex, index, "left"))
        *out = DEQUE_HEAD;
    else if (arg_is(ex, index, "right"))
        *out = DEQUE_TAIL;
    else
        return fail_syntax(ex);
    return true;
}

/* An inclusive range of positions, negative ones counted from the end, cut to the list. */
struct range {
    uint64_t first, count;
};

static struct range clip(int64_t start, int64_t stop, uint64_t len)
{
    int64_t n = (int64_t)len;
    start = start < 0 ? MAX(start + n, 0) : start;
    stop = stop < 0 ? stop + n : MIN(stop, n - 1);
    if (start > stop || start >= n)
        return (struct range){0, 0};
    return (struct range){(uint64_t)start, (uint64_t)(stop - start) + 1};
}

/* ---- replies ---- */

INLINE void reply_element(struct reply *r, struct packed_value v)
{
    if (likely(v.ptr))
        reply_bulk(r, slice_make(v.ptr, v.len));
    else
        reply_bulk_int(r, v.num);
}

/* `count` elements towards the tail, straight from the blocks. */
HOT static void reply_forward(struct reply *r, struct deque_iter it, uint64_t count)
{
    while (count > 0) {
        const struct deque_block *b = it.block;
        const unsigned char *at = deque_iter_entry(&it);
        uint64_t here = MIN(count, (uint64_t)(b->count - it.nth));
        __builtin_prefetch(b->next);
        for (uint64_t i = 0; i < here; i++) {
            reply_element(r, packed_entry_get(at));
            at += packed_entry_size(at);
        }
        count -= here;
        it = (struct deque_iter){.block = b->next};
    }
}

static void reply_backward(struct reply *r, struct deque_iter it, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        reply_element(r, deque_iter_get(&it));
        deque_iter_prev(&it);
    }
}

/* An array of the `count` elements (no more than there are) at an end, that end first. */
static void reply_end_elements(struct reply *r, const struct deque *d, enum deque_end end,
                               uint64_t count)
{
    struct deque_iter it;
    reply_array(r, count);
    deque_seek(d, end == DEQUE_HEAD ? 0 : -1, &it);
    if (end == DEQUE_HEAD)
        reply_forward(r, it, count);
    else
        reply_backward(r, it, count);
}

/* ---- push ---- */

/* The list under the ref, made when it is missing, about to get `values`. */
static struct deque *edit_for_growth(struct exec *ex, struct ref *ref, const struct slice *values,
                                     uint32_t count)
{
    if (ref->entry)
        txn_edit(ex->txn, ref);
    else
        txn_add(ex->txn, ref, TYPE_LIST, ENC_SHORT_DEQUE, list_create());
    list_will_grow(ref->entry, values, count);
    return list_of(ref->entry);
}

HOT static void push(struct exec *ex, enum deque_end end, bool must_exist)
{
    struct ref ref;
    if (!find_typed(ex, 0, TYPE_LIST, &ref) || !list_edit_elements_fit(ex, 2))
        return;
    if (must_exist && !ref.entry) {
        reply_int(ex->reply, 0);
        return;
    }
    if (defer_edit(ex, ex->argc - 2))
        return;
    struct deque *d = edit_for_growth(ex, &ref, ex->argv + 2, ex->argc - 2);
    for (uint32_t i = 2; i < ex->argc; i++)
        deque_push(d, end, ex->argv[i]);
    txn_commit(ex->txn, &ref, push_events[end]);
    txn_count_changes(ex->txn, (int64_t)ex->argc - 3);
    reply_int(ex->reply, (int64_t)d->len);
}

void cmd_lpush(struct exec *ex)
{
    push(ex, DEQUE_HEAD, false);
}

void cmd_rpush(struct exec *ex)
{
    push(ex, DEQUE_TAIL, false);
}

void cmd_lpushx(struct exec *ex)
{
    push(ex, DEQUE_HEAD, true);
}

void cmd_rpushx(struct exec *ex)
{
    push(ex, DEQUE_TAIL, true);
}

/* ---- pop ---- */

/* The same when all elements go: they leave with the list, not one by one under the lock. */
static void remove_all(struct exec *ex, struct ref *ref, enum event event)
{
    txn_edit(ex->txn, ref);
    txn_commit(ex->txn, ref, event);
    txn_delete_empty(ex->txn, ref);
}

uint64_t list_edit_pop_many(struct exec *ex, struct ref *ref, enum deque_end end, uint64_t count)
{
    struct deque *d = list_of(ref->entry);
    uint64_t n = MIN(count, d->len);
    txn_count_changes(ex->txn, (int64_t)n - 1);
    reply_end_elements(ex->reply, d, end, n);
    if (n == d->len) {
        remove_all(ex, ref, pop_events[end]);
        return n;
    }
    txn_edit(ex->txn, ref);
    deque_delete_range(d, end == DEQUE_HEAD ? 0 : -(int64_t)n, n);
    list_edit_commit_removal(ex, ref, pop_events[end]);
    return n;
}

HOT void list_edit_pop(struct exec *ex, struct ref *ref, enum deque_end end)
{
    struct packed_value v;
    struct deque *d = list_of(ref->entry);
    deque_peek(d, end, &v);
    reply_element(ex->reply, v);
    txn_edit(ex->txn, ref);
    deque_drop(d, end);
    list_edit_commit_removal(ex, ref, pop_events[end]);
}

HOT static void pop_one(struct exec *ex, enum deque_end end)
{
    struct ref ref;
    if (!find_typed(ex, 0, TYPE_LIST, &ref))
        return;
    if (!ref.entry)
        reply_null(ex->reply);
    else
        list_edit_pop(ex, &ref, end);
}

static void pop_counted(struct exec *ex, enum deque_end end)
{
    struct ref ref;
    int64_t count;
    if (!arg_int_range(ex, 2, 0, INT64_MAX, &count, ERROR_NOT_POSITIVE) ||
        !find_typed(ex, 0, TYPE_LIST, &ref))
        return;
    if (!ref.entry)
        reply_null_array(ex->reply);
    else if (count == 0)
        reply_array(ex->reply, 0);
    else if (!defer_edit(ex, MIN((uint64_t)count, list_of(ref.entry)->len)))
        list_edit_pop_many(ex, &ref, end, (uint64_t)count);
}

INLINE void pop(struct exec *ex, enum deque_end end)
{
    if (likely(ex->argc == 2))
        pop_one(ex, end);
    else if (ex->argc == 3)
        pop_counted(ex, end);
    else
        reply_errorf(ex->reply, "ERR wrong number of arguments for '%s' command", ex->cmd->name);
}

void cmd_lpop(struct exec *ex)
{
    pop(ex, DEQUE_HEAD);
}

void cmd_rpop(struct exec *ex)
{
    pop(ex, DEQUE_TAIL);
}

bool list_edit_parse_mpop(struct exec *ex, uint32_t at, struct list_edit_mpop *out)
{
    int64_t keys;
    bool counted = false;
    out->count = 1;
    if (!arg_int_range(ex, at, 1, INT64_MAX, &keys, "ERR numkeys should be greater than 0"))
        return false;
    if (keys >= (int64_t)ex->argc - (int64_t)at - 1)
        return fail_syntax(ex);
    at += 1 + (uint32_t)keys;
    if (!list_edit_arg_end(ex, at, &out->end))
        return false;
    for (at++; at < ex->argc; at += 2) {
        if (counted || !arg_is(ex, at, "count") || at + 1 == ex->argc)
            return fail_syntax(ex);
        counted = true;
        if (!arg_int_range(ex, at + 1, 1, INT64_MAX, &out->count,
                           "ERR count should be greater than 0"))
            return false;
    }
    return true;
}

bool list_edit_defer_mpop(struct exec *ex, const struct ref *ref, const struct list_edit_mpop *args)
{
    return defer_edit_of(ex, (uint32_t)(ref->key - ex->keys),
                         MIN((uint64_t)args->count, list_of(ref->entry)->len));
}

void list_edit_mpop(struct exec *ex, struct ref *ref, const struct list_edit_mpop *args)
{
    char text[NUM_INT64_MAX_LEN];
    struct slice name = ref->key->name;
    reply_array(ex->reply, 2);
    reply_bulk(ex->reply, name);
    uint64_t n = list_edit_pop_many(ex, ref, args->end, (uint64_t)args->count);
    struct slice effect[] = {args->end == DEQUE_HEAD ? SLICE("LPOP") : SLICE("RPOP"), name,
                             slice_make(text, num_format_uint64(text, n))};
    effect_command(ex->txn, effect, ARRAY_LEN(effect));
}

void cmd_lmpop(struct exec *ex)
{
    struct list_edit_mpop args;
    struct ref ref;
    if (!list_edit_parse_mpop(ex, 1, &args))
        return;
    for (uint32_t i = 0; i < ex->key_count; i++) {
        if (!find_typed(ex, i, TYPE_LIST, &ref))
            return;
        if (!ref.entry)
            continue;
        if (!list_edit_defer_mpop(ex, &ref, &args))
            list_edit_mpop(ex, &ref, &args);
        return;
    }
    reply_null_array(ex->reply);
}

/* ---- move ---- */

/* Pops from a list that has elements and pushes to another or the same; the reply holds the element
 * meanwhile. */
static void move_element(struct exec *ex, struct ref *source, struct ref *target,
                         enum deque_end from, enum deque_end to)
{
    struct packed_value v;
    char scratch[NUM_INT64_MAX_LEN];
    struct deque *d = list_of(source->entry);
    bool inserts = !target->entry;
    deque_peek(d, from, &v);
    struct slice element = packed_value_text(v, scratch);
    char *copy = reply_bulk_space(ex->reply, element.len);
    memcpy(copy, element.ptr, element.len);
    element.ptr = copy;
    txn_edit(ex->txn, source);
    deque_drop(d, from);
    deque_push(edit_for_growth(ex, target, &element, 1), to, element);
    txn_commit(ex->txn, target, push_events[to]);
    txn_count_changes(ex->txn, -1); /* a move is one */
    if (inserts)
        txn_find(ex->txn, source->key, source); /* it may have moved within its table */
    list_edit_commit_removal(ex, source, pop_events[from]);
}

bool list_edit_move(struct exec *ex, struct ref *source, enum deque_end from, enum deque_end to)
{
    struct ref target;
    if (!find_typed(ex, 1, TYPE_LIST, &target))
        return false;
    txn_find(ex->txn, source->key, source); /* the other look-up may have deleted an expired key */
    move_element(ex, source, &target, from, to);
    return true;
}

static void move(struct exec *ex, enum deque_end from, enum deque_end to)
{
    struct ref source;
    if (!find_typed(ex, 0, TYPE_LIST, &source))
        return;
    if (!source.entry)
        reply_null(ex->reply);
    else
        (void)list_edit_move(ex, &source, from, to);
}

void cmd_lmove(struct exec *ex)
{
    enum deque_end from, to;
    if (list_edit_arg_end(ex, 3, &from) && list_edit_arg_end(ex, 4, &to))
        move(ex, from, to);
}

void cmd_rpoplpush(struct exec *ex)
{
    move(ex, DEQUE_TAIL, DEQUE_HEAD);
}

/* ---- by position ---- */

void cmd_llen(struct exec *ex)
{
    struct ref ref;
    if (read_typed(ex, 0, TYPE_LIST, &ref))
        reply_int(ex->reply, ref.entry ? (int64_t)list_of(ref.entry)->len : 0);
}

void cmd_lindex(struct exec *ex)
{
    struct ref ref;
    struct packed_value v;
    int64_t index;
    if (!read_typed(ex, 0, TYPE_LIST, &ref))
        return;
    if (!ref.entry)
        reply_null(ex->reply);
    else if (!arg_int(ex, 2, &index, NULL))
        return;
    else if (deque_get(list_of(ref.entry), index, &v))
        reply_element(ex->reply, v);
    else
        reply_null(ex->reply);
}

HOT void cmd_lrange(struct exec *ex)
{
    struct ref ref;
    struct deque_iter it;
    int64_t start, stop;
    if (!arg_int(ex, 2, &start, NULL) || !arg_int(ex, 3, &stop, NULL) ||
        !read_typed(ex, 0, TYPE_LIST, &ref))
        return;
    struct range range = {0, 0};
    if (ref.entry)
        range = clip(start, stop, list_of(ref.entry)->len);
    if (defer(ex, range.count))
        return;
    reply_array(ex->reply, range.count);
    if (range.count == 0)
        return;
    deque_seek(list_of(ref.entry), (int64_t)range.first, &it);
    reply_forward(ex->reply, it, range.count);
}

void cmd_lset(struct exec *ex)
{
    struct ref ref;
    struct deque_iter it;
    int64_t index;
    if (!find_typed(ex, 0, TYPE_LIST, &ref))
        return;
    if (!ref.entry) {
        fail(ex, ERROR_NO_KEY);
        return;
    }
    if (!arg_int(ex, 2, &index, NULL) || !list_edit_elements_fit(ex, 3))
        return;
    struct deque *d = list_of(ref.entry);
    if (!deque_seek(d, index, &it)) {
        fail(ex, ERROR_INDEX);
        return;
    }
    txn_edit(ex->txn, &ref);
    list_will_grow(ref.entry, &ex->argv[3], 1);
    deque_set(d, &it, ex->argv[3]);
    list_shrunk(ref.entry);
    txn_commit(ex->txn, &ref, EVENT_LSET);
    reply_ok(ex->reply);
}

void cmd_ltrim(struct exec *ex)
{
    struct ref ref;
    int64_t start, stop;
    if (!arg_int(ex, 2, &start, NULL) || !arg_int(ex, 3, &stop, NULL) ||
        !find_typed(ex, 0, TYPE_LIST, &ref))
        return;
    if (!ref.entry) {
        reply_ok(ex->reply);
        return;
    }
    struct deque *d = list_of(ref.entry);
    struct range keep = clip(start, stop, d->len);
    uint64_t behind = d->len - keep.first - keep.count;
    if (keep.count && defer_edit(ex, (d->len - keep.count) / TRIMMED_PER_ELEMENT))
        return;
    reply_ok(ex->reply);
    txn_count_changes(ex->txn, (int64_t)(d->len - keep.count) - 1);
    if (keep.count == 0) {
        remove_all(ex, &ref, EVENT_LTRIM);
        return;
    }
    if (keep.count == d->len)
        effect_suppress(ex->txn); /* the event happens, the data stay */
    txn_edit(ex->txn, &ref);
    deque_delete_range(d, 0, keep.first);
    deque_delete_range(d, -(int64_t)behind, behind);
    list_edit_commit_removal(ex, &ref, EVENT_LTRIM);
}
