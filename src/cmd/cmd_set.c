/* Commands on one set: adding, removing, asking, walking. */
#include "cmd/cmd_set.h"

#include "cmd/scan_args.h"

void reply_member(void *arg, struct set_member *member)
{
    struct reply *r = arg;
    if (member->text.ptr)
        reply_bulk(r, member->text);
    else
        reply_bulk_int(r, member->number);
}

INLINE void member_from_arg(struct set_member *m, const struct exec *ex, uint32_t index)
{
    if (ex->hashed_arg == index)
        set_member_init_hashed(m, ex->argv[index], ex->hash);
    else
        set_member_init(m, ex->argv[index]);
}

static uint64_t add_args(const struct exec *ex, struct set *s)
{
    uint64_t added = 0;
    for (uint32_t i = 2; i < ex->argc; i++) {
        struct set_member m;
        member_from_arg(&m, ex, i);
        added += set_add(s, &m);
    }
    return added;
}

static struct set create_for_args(const struct exec *ex)
{
    struct set_member m;
    set_member_init(&m, ex->argv[2]);
    return set_create(&m, ex->argc - 2);
}

HOT void cmd_sadd(struct exec *ex)
{
    struct ref ref;
    if (!find_typed(ex, 0, TYPE_SET, &ref))
        return;
    struct set s;
    bool exists = ref.entry != NULL;
    if (defer_edit(ex, (uint64_t)(ex->argc - 2) * COST_MEMBER))
        return;
    if (exists) {
        txn_edit(ex->txn, &ref);
        s = set_of(ref.entry);
        set_expect(&s, ex->argc - 2);
    } else {
        s = create_for_args(ex);
    }
    uint64_t added = add_args(ex, &s);
    if (exists)
        set_store(ref.entry, s);
    else
        txn_add(ex->txn, &ref, TYPE_SET, s.encoding, s.root);
    if (added) {
        txn_commit(ex->txn, &ref, EVENT_SADD);
        txn_count_changes(ex->txn, (int64_t)added - 1);
    }
    reply_int(ex->reply, (int64_t)added);
}

/* Reports a removal, and deletes the key when nothing is left. */
static void commit_removal(struct exec *ex, struct ref *ref, const struct set *s, enum event event)
{
    txn_commit(ex->txn, ref, event);
    if (set_len(s) == 0)
        txn_delete_empty(ex->txn, ref);
}

void cmd_srem(struct exec *ex)
{
    struct ref ref;
    int64_t removed = 0;
    if (!find_typed(ex, 0, TYPE_SET, &ref))
        return;
    if (ref.entry) {
        if (defer_edit(ex, (uint64_t)(ex->argc - 2) * COST_MEMBER))
            return;
        txn_edit(ex->txn, &ref);
        struct set s = set_of(ref.entry);
        for (uint32_t i = 2; i < ex->argc && (removed == 0 || set_len(&s)); i++) {
            struct set_member m;
            member_from_arg(&m, ex, i);
            removed += set_remove(&s, &m);
        }
        set_store(ref.entry, s);
        if (removed) {
            commit_removal(ex, &ref, &s, EVENT_SREM);
            txn_count_changes(ex->txn, removed - 1);
        }
    }
    reply_int(ex->reply, removed);
}

static bool holds(const struct ref *ref, struct set_member *m)
{
    struct set s;
    if (!ref->entry)
        return false;
    s = set_of(ref->entry);
    return set_contains(&s, m);
}

HOT void cmd_sismember(struct exec *ex)
{
    struct ref ref;
    struct set_member m;
    if (!read_typed(ex, 0, TYPE_SET, &ref))
        return;
    member_from_arg(&m, ex, 2);
    reply_int(ex->reply, holds(&ref, &m));
}

void cmd_smismember(struct exec *ex)
{
    struct ref ref;
    if (!read_typed(ex, 0, TYPE_SET, &ref) || defer(ex, (ex->argc - 2) * COST_LOOKUP))
        return;
    reply_array(ex->reply, ex->argc - 2);
    for (uint32_t i = 2; i < ex->argc; i++) {
        struct set_member m;
        member_from_arg(&m, ex, i);
        reply_int(ex->reply, holds(&ref, &m));
    }
}

void cmd_scard(struct exec *ex)
{
    struct ref ref;
    uint64_t len = 0;
    if (!read_typed(ex, 0, TYPE_SET, &ref))
        return;
    if (ref.entry) {
        struct set s = set_of(ref.entry);
        len = set_len(&s);
    }
    reply_int(ex->reply, (int64_t)len);
}

void cmd_smembers(struct exec *ex)
{
    struct ref ref;
    struct set_iter it;
    struct set_member m;
    if (!read_typed(ex, 0, TYPE_SET, &ref))
        return;
    if (!ref.entry) {
        reply_set(ex->reply, 0);
        return;
    }
    struct set s = set_of(ref.entry);
    if (defer(ex, set_len(&s)))
        return;
    reply_set(ex->reply, set_len(&s));
    set_iter_init(&it, &s);
    while (set_iter_next(&it, &m))
        reply_member(ex->reply, &m);
}

/* ---- SMOVE ---- */

/* Puts the moved member in; the key is looked up only now, since emptying the source may have moved
 * it. */
static void move_into(struct exec *ex, struct set_member *m)
{
    struct ref ref;
    struct set s;
    txn_find(ex->txn, &ex->keys[1], &ref);
    if (!ref.entry) {
        s = set_create(m, 1);
        set_add(&s, m);
        txn_add(ex->txn, &ref, TYPE_SET, s.encoding, s.root);
        txn_commit(ex->txn, &ref, EVENT_SADD);
        return;
    }
    txn_edit(ex->txn, &ref);
    s = set_of(ref.entry);
    bool added = set_add(&s, m);
    set_store(ref.entry, s);
    if (added)
        txn_commit(ex->txn, &ref, EVENT_SADD);
}

/* Takes the member out of the source; false when it is not there. */
static bool move_out(struct exec *ex, struct ref *ref, struct set_member *m)
{
    struct set s = set_of(ref->entry);
    if (!set_contains(&s, m))
        return false;
    txn_edit(ex->txn, ref);
    set_remove(&s, m);
    set_store(ref->entry, s);
    commit_removal(ex, ref, &s, EVENT_SREM);
    return true;
}

static bool is_set(const struct entry *e)
{
    return entry_type(e) == TYPE_SET;
}

void cmd_smove(struct exec *ex)
{
    struct ref source, target;
    struct set_member m;
    set_member_init(&m, ex->argv[3]);
    /* The source is looked up last: another lookup may move it within its table. */
    txn_find(ex->txn, &ex->keys[1], &target);
    if (!txn_find(ex->txn, &ex->keys[0], &source)) {
        reply_int(ex->reply, 0);
        return;
    }
    if (!is_set(source.entry) || (target.entry && !is_set(target.entry))) {
        fail(ex, ERROR_WRONGTYPE);
        return;
    }
    if (source.entry == target.entry) {
        reply_int(ex->reply, holds(&source, &m));
        return;
    }
    bool moved = move_out(ex, &source, &m);
    if (moved)
        move_into(ex, &m);
    reply_int(ex->reply, moved);
}

/* ---- SSCAN ---- */

struct scan_reply {
    struct reply *reply;
    struct scan_args args;
    size_t count;
};

static void scan_visit(void *arg, struct set_member *m)
{
    struct scan_reply *scan = arg;
    if (!scan->args.match_all && !scan_matches(&scan->args, set_member_text(m)))
        return;
    reply_member(scan->reply, m);
    scan->count++;
}

static void reply_scan_empty(struct reply *r)
{
    reply_array(r, 2);
    reply_bulk(r, SLICE("0"));
    reply_array(r, 0);
}

void cmd_sscan(struct exec *ex)
{
    struct ref ref;
    struct scan_reply scan = {.reply = ex->reply};
    uint64_t cursor;
    char text[NUM_INT64_MAX_LEN];
    if (!scan_cursor_arg(ex, 2, &cursor) || !read_typed(ex, 0, TYPE_SET, &ref))
        return;
    if (!ref.entry) {
        reply_scan_empty(ex->reply);
        return;
    }
    if (!scan_options(ex, 3, SCAN_SET, &scan.args))
        return;
    struct set s = set_of(ref.entry);
    uint64_t count = (uint64_t)scan.args.count;
    if (defer(ex, scan_cost(&scan.args, set_len(&s))))
        return;
    /* The cursor stands before the members: a first walk finds it, the second, over warm lines,
     * shows them. */
    uint64_t next = set_scan(&s, cursor, count, NULL, NULL);
    reply_array(ex->reply, 2);
    reply_bulk(ex->reply, slice_make(text, num_format_uint64(text, next)));
    struct output_mark mark = reply_defer(ex->reply);
    set_scan(&s, cursor, count, scan_visit, &scan);
    reply_defer_end(ex->reply, mark, REPLY_ARRAY, scan.count);
}
