/* Commands that read and replace string values. Those that change them:
 * cmd_string_edit.c; those of many keys: cmd_string_many.c. */
#include "cmd/set_args.h"
#include "cmd/string_reply.h"
#include "store/settings.h"

enum {
    SET_OPTIONS = SET_NX | SET_XX | SET_GET | SET_KEEPTTL | SET_TIMES | SET_MATCHES,
    GETEX_OPTIONS = SET_PERSIST | SET_TIMES
};

/* Looks the first key up and answers its string, or null. False: WRONGTYPE was answered. */
INLINE bool reply_value(struct exec *ex, struct ref *ref)
{
    if (!read_typed(ex, 0, TYPE_STRING, ref))
        return false;
    if (ref->entry)
        string_reply(ex->reply, ref->entry);
    else
        reply_null(ex->reply);
    return true;
}

/* /kv shows value and time to live of one moment. */
COLD static void note_time_left(struct exec *ex, const struct entry *e)
{
    int64_t when_ms = entry_expire_ms(e);
    *ex->reply->left_ms = when_ms < 0 ? TTL_NONE : MAX(when_ms - ex->txn->now_ms, 0);
}

HOT void cmd_get(struct exec *ex)
{
    struct ref ref;
    if (reply_value(ex, &ref) && unlikely(ex->reply->left_ms != NULL) && ref.entry)
        note_time_left(ex, ref.entry);
}

/* ---- SET and its older forms ---- */

/* Sets the value and commits; the expiry is an event of its own. */
static void store_value(struct exec *ex, struct ref *ref, const struct set_request *r)
{
    txn_set_string(ex->txn, ref, r->value, r->expire_ms, EVENT_SET);
    if (r->expire_ms >= 0)
        txn_commit(ex->txn, ref, EVENT_EXPIRE);
    if (r->expire_ms >= 0 || r->flags & (SET_GET | SET_MATCHES)) /* what a log must not depend on */
        set_args_log(ex, ref->key->name, r->value, r->expire_ms);
}

/* Whether the conditions let the value be set: *refused. False: an error was answered. A missing
 * key is unequal to everything. */
static bool check_conditions(struct exec *ex, const struct ref *ref, const struct set_request *r,
                             bool *refused)
{
    bool holds = r->flags & (SET_IFNE | SET_IFDNE);
    if (likely(!(r->flags & SET_MATCHES))) {
        *refused = r->flags & (ref->entry ? SET_NX : SET_XX);
        return true;
    }
    if (ref->entry && entry_type(ref->entry) != TYPE_STRING)
        return fail(ex, ERROR_WRONGTYPE);
    if (ref->entry &&
        !set_args_matches(ex, r->flags & SET_MATCHES, ex->argv[r->match_index], ref->entry, &holds))
        return false;
    *refused = !holds;
    return true;
}

/* SET … GET: the old value is the answer, whatever happens; an error takes its place. */
static void run_set_get(struct exec *ex, struct set_request *r)
{
    struct ref ref;
    bool refused;
    if (!read_typed(ex, 0, TYPE_STRING, &ref) || !check_conditions(ex, &ref, r, &refused))
        return;
    if (ref.entry)
        string_reply(ex->reply, ref.entry);
    else
        reply_null(ex->reply);
    if (!refused)
        store_value(ex, &ref, r);
}

/* SET, SETEX and PSETEX from the parsed request on. */
static void run_set(struct exec *ex, struct set_request *r)
{
    struct ref ref;
    bool refused;
    if (!set_args_resolve_expiry(ex, r))
        return;
    if (r->flags & SET_GET) {
        run_set_get(ex, r);
        return;
    }
    txn_find(ex->txn, &ex->keys[0], &ref);
    if (!check_conditions(ex, &ref, r, &refused))
        return;
    if (refused) {
        reply_null(ex->reply);
        return;
    }
    store_value(ex, &ref, r);
    reply_ok(ex->reply);
}

COLD static void set_with_options(struct exec *ex)
{
    struct set_request r = {.value = ex->argv[2]};
    if (set_args_parse(ex, 3, SET_OPTIONS, &r))
        run_set(ex, &r);
}

HOT void cmd_set(struct exec *ex)
{
    struct ref ref;
    if (unlikely(ex->argc != 3)) {
        set_with_options(ex);
        return;
    }
    txn_find(ex->txn, &ex->keys[0], &ref);
    txn_set_string(ex->txn, &ref, ex->argv[2], TTL_NONE, EVENT_SET);
    reply_ok(ex->reply);
}

void cmd_setex(struct exec *ex)
{
    run_set(ex, &(struct set_request){.value = ex->argv[3], .flags = SET_EX, .time_index = 2});
}

void cmd_psetex(struct exec *ex)
{
    run_set(ex, &(struct set_request){.value = ex->argv[3], .flags = SET_PX, .time_index = 2});
}

void cmd_setnx(struct exec *ex)
{
    struct ref ref;
    bool found = txn_find(ex->txn, &ex->keys[0], &ref);
    if (!found)
        txn_set_string(ex->txn, &ref, ex->argv[2], TTL_NONE, EVENT_SET);
    reply_int(ex->reply, !found);
}

void cmd_getset(struct exec *ex)
{
    struct set_request r = {.value = ex->argv[2], .flags = SET_GET, .expire_ms = TTL_NONE};
    struct ref ref;
    if (reply_value(ex, &ref))
        store_value(ex, &ref, &r);
}

/* ---- reads with a side effect ---- */

static void delete_read(struct exec *ex, struct ref *ref, bool lazy)
{
    struct slice argv[2] = {SLICE("DEL"), ex->keys[0].name};
    txn_delete(ex->txn, ref, lazy, EVENT_DEL);
    effect_command(ex->txn, argv, 2);
}

void cmd_getdel(struct exec *ex)
{
    struct ref ref;
    if (reply_value(ex, &ref) && ref.entry)
        delete_read(ex, &ref, false);
}

static void log_expiry(struct exec *ex, int64_t expire_ms)
{
    char when[NUM_INT64_MAX_LEN];
    struct slice key = ex->keys[0].name;
    if (!txn_logs(ex->txn))
        return;
    if (expire_ms < 0) {
        effect_command(ex->txn, (struct slice[]){SLICE("PERSIST"), key}, 2);
        return;
    }
    struct slice text = slice_make(when, num_format_int64(when, expire_ms));
    effect_command(ex->txn, (struct slice[]){SLICE("PEXPIREAT"), key, text}, 3);
}

static void change_expiry(struct exec *ex, struct ref *ref, const struct set_request *r)
{
    bool absolute = r->flags & (SET_EXAT | SET_PXAT);
    if (absolute && txn_is_past(ex->txn, r->expire_ms)) {
        delete_read(ex, ref, store_settings.lazyfree_lazy_expire);
        return;
    }
    if (r->expire_ms < 0 && !entry_expires(ref->entry))
        return;
    txn_set_expire(ex->txn, ref, r->expire_ms);
    txn_commit(ex->txn, ref, r->expire_ms < 0 ? EVENT_PERSIST : EVENT_EXPIRE);
    log_expiry(ex, r->expire_ms);
}

void cmd_getex(struct exec *ex)
{
    struct set_request r = {.flags = 0};
    struct ref ref;
    if (!set_args_parse(ex, 2, GETEX_OPTIONS, &r) || !read_typed(ex, 0, TYPE_STRING, &ref))
        return;
    if (!ref.entry) {
        reply_null(ex->reply);
        return;
    }
    if (!set_args_resolve_expiry(ex, &r))
        return;
    string_reply(ex->reply, ref.entry);
    if (r.flags)
        change_expiry(ex, &ref, &r);
}

/* ---- parts ---- */

void cmd_strlen(struct exec *ex)
{
    struct ref ref;
    if (read_typed(ex, 0, TYPE_STRING, &ref))
        reply_int(ex->reply, ref.entry ? (int64_t)entry_string_len(ref.entry) : 0);
}

/* The bytes from start to end, both included, negative ones counted from the end of the string. */
static struct slice range_of(struct slice text, int64_t start, int64_t end)
{
    int64_t len = (int64_t)text.len;
    if (start < 0 && end < 0 && start > end)
        return SLICE("");
    start = MAX(start < 0 ? start + len : start, (int64_t)0);
    end = MIN(MAX(end < 0 ? end + len : end, (int64_t)0), len - 1);
    if (start > end)
        return SLICE("");
    return slice_make(text.ptr + start, (size_t)(end - start) + 1);
}

void cmd_getrange(struct exec *ex)
{
    char scratch[NUM_INT64_MAX_LEN];
    int64_t start, end;
    struct ref ref;
    if (!arg_int(ex, 2, &start, NULL) || !arg_int(ex, 3, &end, NULL) ||
        !read_typed(ex, 0, TYPE_STRING, &ref))
        return;
    struct slice text = ref.entry ? entry_string(ref.entry, scratch) : SLICE("");
    text = range_of(text, start, end);
    if (!defer(ex, text.len / BYTES_PER_ELEMENT))
        reply_bulk(ex->reply, text);
}

void cmd_substr(struct exec *ex)
{
    cmd_getrange(ex);
}
