/* Redis 8's commands that read or write fields and their time to live at once: HGETEX, HSETEX (with
 * Valkey's NX and XX), HGETDEL. */
#include "cmd/cmd_hash.h"
#include "cmd/member_edit.h"

#define BAD_COUNT "ERR Number of fields must be a positive integer"

/* Answers a field's value; false when there is none (null). */
static bool reply_field(struct exec *ex, const struct ref *ref, struct slice field)
{
    char scratch[NUM_INT64_MAX_LEN];
    struct slice value;
    bool found = ref->entry && hash_find(hash_of(ref->entry), field, scratch, &value);
    if (found)
        reply_bulk(ex->reply, value);
    else
        reply_null(ex->reply);
    return found;
}

/* ---- EX, PX, EXAT, PXAT ---- */

struct unit {
    char word[5];
    bool absolute;
    int64_t ms;
};

static const struct unit units[] = {
    {"ex", false, 1000}, {"px", false, 1}, {"exat", true, 1000}, {"pxat", true, 1}};

static const struct unit *unit_arg(const struct exec *ex, uint32_t index)
{
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (arg_is(ex, index, units[i].word))
            return &units[i];
    return NULL;
}

static bool unit_time(struct exec *ex, const struct unit *unit, uint32_t index, int64_t *when_ms)
{
    return member_time(ex, index, unit->ms, unit->absolute ? 0 : ex->txn->now_ms, when_ms);
}

/* ---- HGETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST] FIELDS n field … ---- */

struct getting {
    bool edits;
    int64_t when_ms;
    struct member_args fields;
};

static bool parse_getting(struct exec *ex, struct getting *g)
{
    const struct unit *unit = unit_arg(ex, 2);
    uint32_t at = 2;
    *g = (struct getting){.when_ms = MEMBER_FOREVER};
    if (unit) {
        if (!unit_time(ex, unit, 3, &g->when_ms))
            return false;
        at = 4;
    } else if (arg_is(ex, 2, "persist")) {
        at = 3;
    }
    g->edits = at > 2;
    return member_args(ex, at, TYPE_HASH, BAD_COUNT, &g->fields);
}

void cmd_hgetex(struct exec *ex)
{
    struct getting g;
    struct ref ref;
    struct member_edit edit;
    if (!parse_getting(ex, &g) || !read_typed(ex, 0, TYPE_HASH, &ref))
        return;
    bool edits = g.edits && ref.entry;
    if (defer_edit(ex, (uint64_t)g.fields.count * (edits ? COST_ORDER : COST_LOOKUP)))
        return;
    reply_array(ex->reply, g.fields.count);
    if (edits)
        member_edit_begin(&edit, ex, &ref, g.when_ms);
    for (uint32_t i = 0; i < g.fields.count; i++) {
        struct slice field = ex->argv[g.fields.first + i];
        if (reply_field(ex, &ref, field) && edits)
            member_edit_one(&edit, field, MEMBER_ALWAYS);
    }
    if (edits)
        member_edit_end(&edit);
}

/* ---- HGETDEL key FIELDS n field … ---- */

static void log_removal(struct exec *ex, const struct member_args *fields)
{
    if (!txn_logs(ex->txn))
        return;
    uint32_t argc = fields->count + 2;
    struct slice *argv = mem_alloc(MEM_OTHER, argc * sizeof(*argv));
    argv[0] = SLICE("HDEL");
    argv[1] = ex->argv[1];
    memcpy(argv + 2, ex->argv + fields->first, fields->count * sizeof(*argv));
    effect_command(ex->txn, argv, argc);
    mem_free(MEM_OTHER, argv, argc * sizeof(*argv));
}

void cmd_hgetdel(struct exec *ex)
{
    struct member_args fields;
    struct ref ref;
    uint32_t removed = 0;
    if (!member_args(ex, 2, TYPE_HASH, BAD_COUNT, &fields) || !read_typed(ex, 0, TYPE_HASH, &ref) ||
        defer_edit(ex, (uint64_t)fields.count * COST_MEMBER))
        return;
    reply_array(ex->reply, fields.count);
    for (uint32_t i = 0; i < fields.count; i++) {
        struct slice field = ex->argv[fields.first + i];
        if (reply_field(ex, &ref, field))
            removed += txn_remove_member(ex->txn, &ref, field);
    }
    if (!removed)
        return;
    log_removal(ex, &fields);
    txn_commit(ex->txn, &ref, EVENT_HDEL);
    if (txn_is_empty(&ref))
        txn_delete_empty(ex->txn, &ref);
}

/* ---- HSETEX key [NX|XX] [FNX|FXX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL] FIELDS n field
 * value … ---- */

enum condition {
    ANY,
    NONE_EXISTS,
    ALL_EXIST
};

struct setting {
    enum condition key, fields;
    bool keep;
    const struct unit *unit; /* NULL: no time was given */
    int64_t when_ms;
    uint32_t first, pairs;
};

static bool fail_arity(struct exec *ex)
{
    reply_errorf(ex->reply, "ERR wrong number of arguments for '%s' command", ex->cmd->name);
    return false;
}

static bool setting_pairs(struct exec *ex, struct setting *s, uint32_t at)
{
    int64_t count;
    if (at + 3 >= ex->argc)
        return fail_arity(ex);
    if (!arg_int_range(ex, at + 1, 1, INT32_MAX, &count, "ERR invalid number of fields"))
        return false;
    uint32_t left = ex->argc - at - 2;
    if (left % 2 || count != left / 2)
        return fail_arity(ex);
    s->first = at + 2;
    s->pairs = left / 2;
    return true;
}

static bool setting_time(struct exec *ex, struct setting *s, uint32_t *at)
{
    const struct unit *unit = unit_arg(ex, *at);
    if (s->keep || s->unit)
        return fail(ex, "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");
    s->unit = unit;
    s->keep = !unit;
    if (!unit)
        return true;
    if (++*at >= ex->argc)
        return fail(ex, "ERR missing expire time");
    return unit_time(ex, unit, *at, &s->when_ms);
}

static bool setting_condition(struct exec *ex, enum condition *condition, bool none,
                              const char *error)
{
    if (*condition != ANY)
        return fail(ex, error);
    *condition = none ? NONE_EXISTS : ALL_EXIST;
    return true;
}

static bool setting_option(struct exec *ex, struct setting *s, uint32_t *at)
{
    if (arg_is(ex, *at, "fnx") || arg_is(ex, *at, "fxx"))
        return setting_condition(ex, &s->fields, arg_is(ex, *at, "fnx"),
                                 "ERR Only one of FXX or FNX arguments can be specified");
    if (arg_is(ex, *at, "nx") || arg_is(ex, *at, "xx"))
        return setting_condition(ex, &s->key, arg_is(ex, *at, "nx"),
                                 "ERR Only one of XX or NX arguments can be specified");
    if (arg_is(ex, *at, "keepttl") || unit_arg(ex, *at))
        return setting_time(ex, s, at);
    reply_errorf(ex->reply, "ERR unknown argument: %.*s", (int)MIN(ex->argv[*at].len, 128ul),
                 ex->argv[*at].ptr);
    return false;
}

static bool parse_setting(struct exec *ex, struct setting *s)
{
    *s = (struct setting){.when_ms = MEMBER_FOREVER};
    for (uint32_t at = 2; at < ex->argc; at++) {
        if (arg_is(ex, at, "fields"))
            return setting_pairs(ex, s, at) && hash_check_texts(ex, s->first);
        if (!setting_option(ex, s, &at))
            return false;
    }
    return fail(ex, "ERR missing FIELDS argument");
}

static bool conditions_hold(struct exec *ex, const struct setting *s, const struct ref *ref)
{
    bool exists = ref->entry != NULL;
    if (s->key != ANY && exists != (s->key == ALL_EXIST))
        return false;
    if (s->fields == ANY || (!exists && s->fields == NONE_EXISTS))
        return true;
    for (uint32_t i = 0; exists && i < s->pairs; i++) {
        int64_t deadline_ms = hash_deadline(hash_of(ref->entry), ex->argv[s->first + 2 * i]);
        if ((deadline_ms != MEMBER_MISSING) != (s->fields == ALL_EXIST))
            return false;
    }
    return exists;
}

/* The time is past: what the fields were goes, what they would have been does not come. */
static void set_past(struct exec *ex, struct ref *ref, const struct setting *s)
{
    struct member_edit edit;
    if (!ref->entry)
        return;
    member_edit_begin(&edit, ex, ref, s->when_ms);
    for (uint32_t i = 0; i < s->pairs; i++)
        member_edit_one(&edit, ex->argv[s->first + 2 * i], MEMBER_ALWAYS);
    member_edit_end(&edit);
}

/* With the time that a relative one meant, and without conditions that may not hold again. */
static void log_setting(struct exec *ex, const struct setting *s)
{
    char when[NUM_INT64_MAX_LEN];
    if (!txn_logs(ex->txn))
        return;
    uint32_t argc = 6 + 2 * s->pairs, at = 2;
    struct slice *argv = mem_alloc(MEM_OTHER, argc * sizeof(*argv));
    argv[0] = SLICE("HSETEX");
    argv[1] = ex->argv[1];
    if (s->unit) {
        argv[at++] = SLICE("PXAT");
        argv[at++] = slice_make(when, num_format_int64(when, s->when_ms));
    } else if (s->keep) {
        argv[at++] = SLICE("KEEPTTL");
    }
    /* FIELDS, their number, and they themselves, as they came */
    memcpy(argv + at, ex->argv + s->first - 2, (2 + 2 * s->pairs) * sizeof(*argv));
    effect_command(ex->txn, argv, at + 2 + 2 * s->pairs);
    mem_free(MEM_OTHER, argv, argc * sizeof(*argv));
}

static void set_fields(struct exec *ex, struct ref *ref, const struct setting *s)
{
    struct hash h = hash_open(ex, ref);
    for (uint32_t i = s->first; i < ex->argc; i += 2) {
        if (s->keep || s->unit)
            hash_update(&h, ex->argv[i], ex->argv[i + 1]);
        else
            hash_set(&h, ex->argv[i], ex->argv[i + 1]);
        if (s->unit)
            hash_set_deadline(&h, ex->argv[i], s->when_ms);
    }
    hash_store(h, ref->entry);
    if (s->unit) /* so far the keyspace does not know that members expire */
        txn_set_member_deadline(ex->txn, ref, ex->argv[s->first], s->when_ms);
    txn_commit(ex->txn, ref, EVENT_HSET);
    if (s->unit)
        txn_commit(ex->txn, ref, EVENT_HEXPIRE);
    log_setting(ex, s);
}

void cmd_hsetex(struct exec *ex)
{
    struct setting s;
    struct ref ref;
    if (!parse_setting(ex, &s) || !find_typed(ex, 0, TYPE_HASH, &ref) ||
        defer_edit(ex, (uint64_t)s.pairs * COST_ORDER))
        return;
    bool holds = conditions_hold(ex, &s, &ref);
    if (holds && s.unit && txn_is_past(ex->txn, s.when_ms))
        set_past(ex, &ref, &s);
    else if (holds)
        set_fields(ex, &ref, &s);
    reply_int(ex->reply, holds);
}
