/* Commands that read and replace string values. Those that change them: cmd_string_edit.c. */
#include "cmd/exec.h"
#include "store/settings.h"

enum {
    PREFETCH_KEYS = 16
}; /* of a command with many keys: lookups whose misses overlap */

static void reply_string_entry(struct reply *r, const struct entry *e)
{
    char scratch[NUM_INT64_MAX_LEN];
    if (unlikely(entry_encoding(e) == ENC_BLOB))
        reply_bulk_blob(r, entry_pointer(e));
    else
        reply_bulk(r, entry_string(e, scratch));
}

/* Looks the first key up and answers its string, or null. False: WRONGTYPE was answered. */
INLINE bool reply_value(struct exec *ex, struct ref *ref)
{
    if (!read_typed(ex, 0, TYPE_STRING, ref))
        return false;
    if (ref->entry)
        reply_string_entry(ex->reply, ref->entry);
    else
        reply_null(ex->reply);
    return true;
}

HOT void cmd_get(struct exec *ex)
{
    struct ref ref;
    (void)reply_value(ex, &ref);
}

/* ---- options of SET and GETEX ---- */

enum set_flag {
    SET_NX = 1 << 0,
    SET_XX = 1 << 1,
    SET_GET = 1 << 2,
    SET_KEEPTTL = 1 << 3,
    SET_PERSIST = 1 << 4,
    SET_EX = 1 << 5,
    SET_PX = 1 << 6,
    SET_EXAT = 1 << 7,
    SET_PXAT = 1 << 8,
    SET_TIMES = SET_EX | SET_PX | SET_EXAT | SET_PXAT,
    SET_OPTIONS = SET_NX | SET_XX | SET_GET | SET_KEEPTTL | SET_TIMES,
    GETEX_OPTIONS = SET_PERSIST | SET_TIMES,
};

static const struct set_option {
    const char *word;
    uint32_t flag, conflicts; /* not after one of these */
} set_options[] = {
    {"ex", SET_EX, SET_KEEPTTL | SET_PERSIST | (SET_TIMES & ~SET_EX)},
    {"px", SET_PX, SET_KEEPTTL | SET_PERSIST | (SET_TIMES & ~SET_PX)},
    {"nx", SET_NX, SET_XX},
    {"xx", SET_XX, SET_NX},
    {"get", SET_GET, 0},
    {"keepttl", SET_KEEPTTL, SET_TIMES},
    {"exat", SET_EXAT, SET_KEEPTTL | SET_PERSIST | (SET_TIMES & ~SET_EXAT)},
    {"pxat", SET_PXAT, SET_KEEPTTL | SET_PERSIST | (SET_TIMES & ~SET_PXAT)},
    {"persist", SET_PERSIST, SET_TIMES},
};

struct set_request {
    struct slice value;
    uint32_t flags;      /* enum set_flag */
    uint32_t time_index; /* of the argument with the expiry, when one of SET_TIMES is set */
    int64_t expire_ms;   /* absolute, TTL_NONE or TTL_KEEP */
};

static const struct set_option *find_option(const struct exec *ex, uint32_t index, uint32_t allowed)
{
    for (size_t i = 0; i < ARRAY_LEN(set_options); i++)
        if (set_options[i].flag & allowed && arg_is(ex, index, set_options[i].word))
            return &set_options[i];
    return NULL;
}

/* Reads the options from argument `at` on. False: a syntax error was answered. */
static bool parse_options(struct exec *ex, uint32_t at, uint32_t allowed, struct set_request *out)
{
    for (uint32_t i = at; i < ex->argc; i++) {
        const struct set_option *option = find_option(ex, i, allowed);
        if (!option || out->flags & option->conflicts)
            return fail_syntax(ex);
        out->flags |= option->flag;
        if (!(option->flag & SET_TIMES))
            continue;
        if (++i == ex->argc)
            return fail_syntax(ex);
        out->time_index = i;
    }
    return true;
}

static bool fail_expire_time(struct exec *ex)
{
    reply_errorf(ex->reply, "ERR invalid expire time in '%s' command", ex->cmd->full_name);
    return false;
}

/* Turns the time argument, if there is one, into an absolute expiry. False: an error was answered.
 */
static bool resolve_expiry(struct exec *ex, struct set_request *r)
{
    bool seconds = r->flags & (SET_EX | SET_EXAT), relative = r->flags & (SET_EX | SET_PX);
    int64_t when;
    r->expire_ms = r->flags & SET_KEEPTTL ? TTL_KEEP : TTL_NONE;
    if (!(r->flags & SET_TIMES))
        return true;
    if (!arg_int(ex, r->time_index, &when, NULL))
        return false;
    if (when <= 0 || (seconds && when > INT64_MAX / 1000))
        return fail_expire_time(ex);
    when *= seconds ? 1000 : 1;
    if (relative && ckd_add(&when, when, ex->txn->now_ms))
        return fail_expire_time(ex);
    r->expire_ms = when;
    return true;
}

/* ---- SET and its older forms ---- */

/* What goes to the log when the outcome depends on the clock, or to leave a GET out. */
static void log_set(struct exec *ex, const struct set_request *r)
{
    char when[NUM_INT64_MAX_LEN];
    struct slice argv[5] = {SLICE("SET"), ex->keys[0].name, r->value};
    uint32_t argc = 3;
    if (!txn_logs(ex->txn))
        return;
    if (r->expire_ms >= 0) {
        argv[argc++] = SLICE("PXAT");
        argv[argc++] = slice_make(when, num_format_int64(when, r->expire_ms));
    } else if (r->expire_ms == TTL_KEEP) {
        argv[argc++] = SLICE("KEEPTTL");
    }
    effect_command(ex->txn, argv, argc);
}

/* Sets the value and commits; the expiry is an event of its own. */
static void store_value(struct exec *ex, struct ref *ref, const struct set_request *r)
{
    txn_set_string(ex->txn, ref, r->value, r->expire_ms, EVENT_SET);
    if (r->expire_ms >= 0)
        txn_commit(ex->txn, ref, EVENT_EXPIRE);
    if (r->expire_ms >= 0 || r->flags & SET_GET)
        log_set(ex, r);
}

/* SET, SETEX and PSETEX from the parsed request on. */
static void run_set(struct exec *ex, struct set_request *r)
{
    struct ref ref;
    if (!resolve_expiry(ex, r))
        return;
    if (r->flags & SET_GET) {
        if (!reply_value(ex, &ref))
            return;
    } else {
        txn_find(ex->txn, &ex->keys[0], &ref);
    }
    bool refused = r->flags & (ref.entry ? SET_NX : SET_XX);
    if (!refused)
        store_value(ex, &ref, r);
    if (r->flags & SET_GET)
        return;
    if (refused)
        reply_null(ex->reply);
    else
        reply_ok(ex->reply);
}

COLD static void set_with_options(struct exec *ex)
{
    struct set_request r = {.value = ex->argv[2]};
    if (parse_options(ex, 3, SET_OPTIONS, &r))
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
    if (absolute && r->expire_ms <= ex->txn->now_ms) {
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
    if (!parse_options(ex, 2, GETEX_OPTIONS, &r) || !read_typed(ex, 0, TYPE_STRING, &ref))
        return;
    if (!ref.entry) {
        reply_null(ex->reply);
        return;
    }
    if (!resolve_expiry(ex, &r))
        return;
    reply_string_entry(ex->reply, ref.entry);
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
    reply_bulk(ex->reply, range_of(text, start, end));
}

void cmd_substr(struct exec *ex)
{
    cmd_getrange(ex);
}

/* ---- many keys ---- */

INLINE void prefetch_group(struct exec *ex, uint32_t i)
{
    if (i % PREFETCH_KEYS == 0)
        txn_prefetch_held(ex->txn, ex->keys + i, MIN(ex->key_count - i, (uint32_t)PREFETCH_KEYS));
}

void cmd_mget(struct exec *ex)
{
    reply_array(ex->reply, ex->key_count);
    for (uint32_t i = 0; i < ex->key_count; i++) {
        struct ref ref;
        prefetch_group(ex, i);
        if (txn_find_read(ex->txn, &ex->keys[i], &ref) && entry_type(ref.entry) == TYPE_STRING)
            reply_string_entry(ex->reply, ref.entry);
        else
            reply_null(ex->reply);
    }
}

/* False: a key without a value; the error was answered. */
static bool check_pairs(struct exec *ex)
{
    if (ex->argc % 2 == 1)
        return true;
    reply_errorf(ex->reply, "ERR wrong number of arguments for '%s' command", ex->cmd->full_name);
    return false;
}

static void set_all(struct exec *ex)
{
    for (uint32_t i = 0; i < ex->key_count; i++) {
        struct ref ref;
        prefetch_group(ex, i);
        txn_find(ex->txn, &ex->keys[i], &ref);
        txn_set_string(ex->txn, &ref, ex->argv[2 * i + 2], TTL_NONE, EVENT_SET);
    }
}

void cmd_mset(struct exec *ex)
{
    if (!check_pairs(ex))
        return;
    set_all(ex);
    reply_ok(ex->reply);
}

void cmd_msetnx(struct exec *ex)
{
    struct ref ref;
    bool found = false;
    if (!check_pairs(ex))
        return;
    for (uint32_t i = 0; i < ex->key_count && !found; i++)
        found = txn_find(ex->txn, &ex->keys[i], &ref);
    if (!found)
        set_all(ex);
    reply_int(ex->reply, !found);
}
