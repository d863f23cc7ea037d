/* Commands on keys of any type: what is there, and away with it or elsewhere. */
#include "cmd/exec.h"
#include "store/notify.h"
#include "store/settings.h"
#include "store/value.h"

/* A lookup that leaves the access clock alone, as for all commands that only ask about a key. */
static bool peek(struct exec *ex, uint32_t at, struct ref *ref)
{
    ex->txn->no_touch = true;
    return txn_find_read(ex->txn, &ex->keys[at], ref);
}

static void delete_keys(struct exec *ex, bool lazy)
{
    int64_t deleted = 0;
    for (uint32_t i = 0; i < ex->key_count; i++) {
        struct ref ref;
        if (!txn_find(ex->txn, &ex->keys[i], &ref))
            continue;
        txn_delete(ex->txn, &ref, lazy, EVENT_DEL);
        deleted++;
    }
    reply_int(ex->reply, deleted);
}

void cmd_del(struct exec *ex)
{
    delete_keys(ex, store_settings.lazyfree_lazy_user_del);
}

void cmd_unlink(struct exec *ex)
{
    delete_keys(ex, true);
}

void cmd_exists(struct exec *ex)
{
    int64_t found = 0;
    struct ref ref;
    for (uint32_t i = 0; i < ex->key_count; i++)
        found += peek(ex, i, &ref);
    reply_int(ex->reply, found);
}

void cmd_touch(struct exec *ex)
{
    int64_t touched = 0;
    struct ref ref;
    for (uint32_t i = 0; i < ex->key_count; i++)
        touched += txn_find_read(ex->txn, &ex->keys[i], &ref);
    reply_int(ex->reply, touched);
}

void cmd_type(struct exec *ex)
{
    struct ref ref;
    reply_status(ex->reply, peek(ex, 0, &ref) ? value_type_name(entry_type(ref.entry)) : "none");
}

/* Every lookup may expire a key or move buckets, so a ref is found again when another lookup came
 * after it. What is at `to` gives way. Both events come when all is done: the new key's own ("new")
 * is first. */
static void move_entry(struct txn *t, int db, const struct key *from, const struct key *to,
                       enum event left, enum event arrived)
{
    struct ref source, target;
    txn_find(t, from, &source);
    struct entry *e = txn_take(t, &source, EVENT_NONE);
    if (txn_find_in(t, db, to, &target))
        txn_delete(t, &target, store_settings.lazyfree_lazy_server_del, EVENT_NONE);
    txn_put(t, &target, e, EVENT_NONE);
    txn_count_changes(t, -1); /* a move is one change */
    notify_event(t, t->db->id, from, left);
    notify_event(t, db, to, arrived);
}

/* False: the source is missing or both are the same key, and that has been answered. */
static bool may_rename(struct exec *ex, bool only_new)
{
    struct ref source;
    if (!txn_find(ex->txn, &ex->keys[0], &source))
        return fail(ex, ERROR_NO_KEY);
    if (!slice_equal(ex->keys[0].name, ex->keys[1].name))
        return true;
    if (only_new)
        reply_int(ex->reply, 0);
    else
        reply_ok(ex->reply);
    return false;
}

void cmd_rename(struct exec *ex)
{
    struct txn *t = ex->txn;
    if (!may_rename(ex, false))
        return;
    move_entry(t, t->db->id, &ex->keys[0], &ex->keys[1], EVENT_RENAME_FROM, EVENT_RENAME_TO);
    reply_ok(ex->reply);
}

void cmd_renamenx(struct exec *ex)
{
    struct txn *t = ex->txn;
    struct ref target;
    if (!may_rename(ex, true))
        return;
    bool taken = txn_find(t, &ex->keys[1], &target);
    if (!taken)
        move_entry(t, t->db->id, &ex->keys[0], &ex->keys[1], EVENT_RENAME_FROM, EVENT_RENAME_TO);
    reply_int(ex->reply, !taken);
}

#define ERROR_SAME_OBJECT "ERR source and destination objects are the same"

void cmd_move(struct exec *ex)
{
    struct txn *t = ex->txn;
    const struct key *key = &ex->keys[0];
    struct ref ref;
    int db;
    if (!arg_db(ex, 2, &db))
        return;
    if (db == t->db->id) {
        reply_error(ex->reply, ERROR_SAME_OBJECT);
        return;
    }
    bool movable = txn_find(t, key, &ref) && !txn_find_in(t, db, key, &ref);
    if (movable)
        move_entry(t, db, key, key, EVENT_MOVE_FROM, EVENT_MOVE_TO);
    reply_int(ex->reply, movable);
}

struct copy_options {
    int db;
    bool replace;
};

static bool copy_options(struct exec *ex, struct copy_options *out)
{
    *out = (struct copy_options){.db = ex->txn->db->id};
    for (uint32_t i = 3; i < ex->argc; i++) {
        if (arg_is(ex, i, "replace")) {
            out->replace = true;
        } else if (arg_is(ex, i, "db") && i + 1 < ex->argc) {
            if (!arg_db(ex, ++i, &out->db))
                return false;
        } else {
            return fail_syntax(ex);
        }
    }
    if (out->db == ex->txn->db->id && slice_equal(ex->keys[0].name, ex->keys[1].name))
        return fail(ex, ERROR_SAME_OBJECT);
    return true;
}

void cmd_copy(struct exec *ex)
{
    struct txn *t = ex->txn;
    const struct key *from = &ex->keys[0], *to = &ex->keys[1];
    struct copy_options options;
    struct ref source, target;
    if (!copy_options(ex, &options))
        return;
    if (!txn_find_read(t, from, &source)) {
        reply_int(ex->reply, 0);
        return;
    }
    if (txn_find_in(t, options.db, to, &target) && !options.replace) {
        reply_int(ex->reply, 0);
        return;
    }
    txn_find(t, from, &source); /* the other look-up may have moved it */
    if (entry_type(source.entry) != TYPE_STRING &&
        defer_claiming(ex, value_elements(source.entry) * COST_MEMBER))
        return;
    struct entry *copy = entry_copy(source.entry, to->name, entry_expires(source.entry));
    publish_outcome(
        ex, &(struct outcome){.copy = copy, .db = options.db, .key = *to, .event = EVENT_COPY_TO});
    reply_int(ex->reply, 1);
}
