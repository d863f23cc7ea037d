/* Other products' commands for members that expire, whatever the collection: SADDEX, FIELDEXPIRE
 * and FIELDTTL are Dragonfly's, EXPIREMEMBER and its kin KeyDB's. All work on hashes, sets and
 * sorted sets, SADDEX on sets. */
#include "cmd/member_edit.h"
#include "store/set.h"

static bool has_members(const struct entry *e)
{
    enum value_type type = entry_type(e);
    return type == TYPE_HASH || type == TYPE_SET || type == TYPE_ZSET;
}

/* Dragonfly's whole seconds, at least one. */
static bool seconds_arg(struct exec *ex, uint32_t index, int64_t *when_ms)
{
    int64_t now_ms = ex->txn->now_ms, most = (DEADLINE_MAX_MS - now_ms) / 1000;
    if (!arg_int_range(ex, index, 1, most, when_ms, ERROR_NOT_INTEGER))
        return false;
    *when_ms = *when_ms * 1000 + now_ms;
    return true;
}

/* ---- SADDEX key [KEEPTTL] seconds member … ---- */

/* Adds the members from argv[first] on. A new one gets the time to live; one that was there as
 * well, unless `keep`. */
static int64_t add_members(struct exec *ex, struct ref *ref, uint32_t first, bool keep,
                           struct member_edit *edit)
{
    int64_t added = 0;
    for (uint32_t i = first; i < ex->argc; i++) {
        struct set s = set_of(ref->entry);
        struct set_member m;
        set_member_init(&m, ex->argv[i]);
        bool is_new = set_add(&s, &m);
        set_store(ref->entry, s);
        if (is_new || !keep)
            member_edit_one(edit, ex->argv[i], MEMBER_ALWAYS);
        added += is_new;
    }
    return added;
}

static void open_set(struct exec *ex, struct ref *ref)
{
    if (ref->entry) {
        txn_edit(ex->txn, ref);
        return;
    }
    struct set s = set_create_as(ENC_TABLE);
    txn_add(ex->txn, ref, TYPE_SET, s.encoding, s.root);
}

/* In the log SADD stands before the times that member_edit_end() writes. */
static void log_add(struct exec *ex, uint32_t first)
{
    if (!txn_logs(ex->txn))
        return;
    uint32_t argc = ex->argc - first + 2;
    struct slice *argv = mem_alloc(MEM_OTHER, argc * sizeof(*argv));
    argv[0] = SLICE("SADD");
    argv[1] = ex->argv[1];
    memcpy(argv + 2, ex->argv + first, (argc - 2) * sizeof(*argv));
    effect_command(ex->txn, argv, argc);
    mem_free(MEM_OTHER, argv, argc * sizeof(*argv));
}

void cmd_saddex(struct exec *ex)
{
    bool keep = arg_is(ex, 2, "keepttl");
    uint32_t at = keep ? 3 : 2;
    struct ref ref;
    struct member_edit edit;
    int64_t when_ms;
    if (ex->argc < at + 2) {
        reply_errorf(ex->reply, "ERR wrong number of arguments for '%s' command", ex->cmd->name);
        return;
    }
    if (!seconds_arg(ex, at, &when_ms) || !find_typed(ex, 0, TYPE_SET, &ref) ||
        defer_edit(ex, (uint64_t)(ex->argc - at - 1) * COST_ORDER))
        return;
    open_set(ex, &ref);
    member_edit_begin(&edit, ex, &ref, when_ms);
    int64_t added = add_members(ex, &ref, at + 1, keep, &edit);
    if (added) {
        log_add(ex, at + 1);
        txn_commit(ex->txn, &ref, EVENT_SADD);
    }
    member_edit_end(&edit);
    reply_int(ex->reply, added);
}

/* ---- FIELDEXPIRE key seconds member …, FIELDTTL key member ---- */

void cmd_fieldexpire(struct exec *ex)
{
    struct ref ref;
    struct member_edit edit;
    int64_t when_ms;
    if (!seconds_arg(ex, 2, &when_ms))
        return;
    txn_find(ex->txn, &ex->keys[0], &ref);
    if (ref.entry && !has_members(ref.entry)) {
        fail(ex, ERROR_WRONGTYPE);
        return;
    }
    if (defer_edit(ex, (uint64_t)(ex->argc - 3) * COST_ORDER))
        return;
    reply_array(ex->reply, ex->argc - 3);
    if (ref.entry)
        member_edit_begin(&edit, ex, &ref, when_ms);
    for (uint32_t i = 3; i < ex->argc; i++)
        reply_int(ex->reply,
                  ref.entry ? member_edit_one(&edit, ex->argv[i], MEMBER_ALWAYS) : MEMBER_MISSING);
    if (ref.entry)
        member_edit_end(&edit);
}

void cmd_fieldttl(struct exec *ex)
{
    enum {
        NO_KEY = -2,
        NO_MEMBER = -3
    };

    struct ref ref;
    ex->txn->no_touch = true;
    if (!txn_find_read(ex->txn, &ex->keys[0], &ref)) {
        reply_int(ex->reply, NO_KEY);
        return;
    }
    if (!has_members(ref.entry)) {
        fail(ex, ERROR_WRONGTYPE);
        return;
    }
    int64_t deadline_ms = txn_member_deadline(&ref, ex->argv[2]);
    if (deadline_ms >= 0)
        deadline_ms = (deadline_ms - ex->txn->now_ms + 999) / 1000;
    reply_int(ex->reply, deadline_ms == MEMBER_MISSING ? NO_MEMBER : deadline_ms);
}

/* ---- EXPIREMEMBER key member delay [unit], EXPIREMEMBERAT, PEXPIREMEMBERAT ---- */

/* argv[3] as absolute milliseconds; as with EXPIRE, a negative one is long ago. */
static bool time_arg(struct exec *ex, int64_t multiply, int64_t divide, int64_t base_ms,
                     int64_t *when_ms)
{
    int64_t value;
    if (!arg_int(ex, 3, &value, NULL))
        return false;
    if (ckd_mul(&value, value / divide, multiply) || ckd_add(&value, value, base_ms) ||
        value > DEADLINE_MAX_MS) {
        reply_errorf(ex->reply, "ERR invalid expire time in '%s' command", ex->cmd->name);
        return false;
    }
    *when_ms = MAX(value, (int64_t)0); /* below it stands MEMBER_FOREVER */
    return true;
}

static void expire_member(struct exec *ex, int64_t when_ms)
{
    struct ref ref;
    struct member_edit edit;
    if (!txn_find(ex->txn, &ex->keys[0], &ref)) {
        reply_int(ex->reply, 0);
        return;
    }
    if (!has_members(ref.entry)) {
        fail(ex, "ERR object type is unsupported");
        return;
    }
    member_edit_begin(&edit, ex, &ref, when_ms);
    int answer = member_edit_one(&edit, ex->argv[2], MEMBER_ALWAYS);
    member_edit_end(&edit);
    reply_int(ex->reply, answer > 0);
}

void cmd_expiremember(struct exec *ex)
{
    static const struct {
        char word[4];
        int64_t multiply, divide;
    } units[] = {{"s", 1000, 1}, {"ms", 1, 1}, {"us", 1, 1000}, {"ns", 1, 1000000}};

    size_t unit = 0;
    int64_t when_ms;
    if (ex->argc > 5) {
        fail_syntax(ex);
        return;
    }
    while (ex->argc == 5 && unit < ARRAY_LEN(units) && !arg_is(ex, 4, units[unit].word))
        unit++;
    if (unit == ARRAY_LEN(units))
        fail(ex, "ERR Invalid unit arg");
    else if (time_arg(ex, units[unit].multiply, units[unit].divide, ex->txn->now_ms, &when_ms))
        expire_member(ex, when_ms);
}

void cmd_expirememberat(struct exec *ex)
{
    int64_t when_ms;
    if (time_arg(ex, 1000, 1, 0, &when_ms))
        expire_member(ex, when_ms);
}

void cmd_pexpirememberat(struct exec *ex)
{
    int64_t when_ms;
    if (time_arg(ex, 1, 1, 0, &when_ms))
        expire_member(ex, when_ms);
}
