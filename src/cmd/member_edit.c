#include "cmd/member_edit.h"

/* What differs between the types. */
struct family {
    const char *word, *missing, *mismatch;
    struct slice remove, expire,
        persist; /* verbs of the log; sets: one PEXPIREMEMBERAT per member */
    enum event expired, removed, persisted;
};

#define MISSING(word)  "ERR Mandatory argument " word " is missing or not at the right position"
#define MISMATCH(name) "ERR The `" name "` parameter must match the number of arguments"

static const struct family *family_of(enum value_type type)
{
    static const struct family hash = {.word = "FIELDS",
                                       .missing = MISSING("FIELDS"),
                                       .mismatch = MISMATCH("numfields"),
                                       .remove = {"HDEL", 4},
                                       .expire = {"HPEXPIREAT", 10},
                                       .persist = {"HPERSIST", 8},
                                       .expired = EVENT_HEXPIRE,
                                       .removed = EVENT_HDEL,
                                       .persisted = EVENT_HPERSIST};
    static const struct family zset = {.word = "MEMBERS",
                                       .missing = MISSING("MEMBERS"),
                                       .mismatch = MISMATCH("nummembers"),
                                       .remove = {"ZREM", 4},
                                       .expire = {"ZPEXPIREAT", 10},
                                       .persist = {"ZPERSIST", 8},
                                       .expired = EVENT_ZEXPIRE,
                                       .removed = EVENT_ZREM,
                                       .persisted = EVENT_ZPERSIST};
    static const struct family set = {.remove = {"SREM", 4},
                                      .expired = EVENT_SEXPIRE,
                                      .removed = EVENT_SREM,
                                      .persisted = EVENT_SPERSIST};
    return type == TYPE_HASH ? &hash : type == TYPE_ZSET ? &zset : &set;
}

bool member_args(struct exec *ex, uint32_t at, enum value_type type, const char *count_error,
                 struct member_args *out)
{
    const struct family *family = family_of(type);
    int64_t count;
    if (at >= ex->argc || !arg_is(ex, at, family->word))
        return fail(ex, family->missing);
    if (at + 1 >= ex->argc) {
        reply_errorf(ex->reply, "ERR wrong number of arguments for '%s' command", ex->cmd->name);
        return false;
    }
    if (!arg_int_range(ex, at + 1, 1, INT64_MAX, &count, count_error))
        return false;
    if (count != (int64_t)ex->argc - at - 2)
        return fail(ex, family->mismatch);
    *out = (struct member_args){at + 2, (uint32_t)count};
    return true;
}

static bool fail_time(struct exec *ex)
{
    reply_errorf(ex->reply, "ERR invalid expire time in '%s' command", ex->cmd->name);
    return false;
}

bool member_time(struct exec *ex, uint32_t index, int64_t unit_ms, int64_t base_ms, int64_t *out)
{
    if (!arg_int(ex, index, out, NULL))
        return false;
    if (*out < 0)
        return fail(ex, "ERR invalid expire time, must be >= 0");
    if (*out > DEADLINE_MAX_MS / unit_ms || *out * unit_ms > DEADLINE_MAX_MS - base_ms)
        return fail_time(ex);
    *out = *out * unit_ms + base_ms;
    return true;
}

/* ---- editing ---- */

void member_edit_begin(struct member_edit *edit, struct exec *ex, struct ref *ref, int64_t when_ms)
{
    *edit = (struct member_edit){.ex = ex, .ref = ref, .when_ms = when_ms};
    buf_init(&edit->members, MEM_OTHER);
}

static bool is_past(const struct member_edit *edit)
{
    return edit->when_ms != MEMBER_FOREVER && txn_is_past(edit->ex->txn, edit->when_ms);
}

/* A member without a deadline counts as one that lives for ever. */
static bool allows(enum member_rule rule, int64_t current_ms, int64_t when_ms)
{
    switch (rule) {
    case MEMBER_NX:
        return current_ms == MEMBER_FOREVER;
    case MEMBER_XX:
        return current_ms != MEMBER_FOREVER;
    case MEMBER_GT:
        return current_ms != MEMBER_FOREVER && when_ms > current_ms;
    case MEMBER_LT:
        return current_ms == MEMBER_FOREVER || when_ms < current_ms;
    default:
        return true;
    }
}

int member_edit_one(struct member_edit *edit, struct slice member, enum member_rule rule)
{
    struct txn *t = edit->ex->txn;
    int64_t current_ms = txn_member_deadline(edit->ref, member);
    if (current_ms == MEMBER_MISSING)
        return MEMBER_MISSING;
    if (edit->when_ms == MEMBER_FOREVER && current_ms == MEMBER_FOREVER)
        return MEMBER_FOREVER;
    if (!allows(rule, current_ms, edit->when_ms))
        return MEMBER_REFUSED;
    edit->changed++;
    if (txn_logs(t))
        buf_append(&edit->members, &member, sizeof(member));
    if (is_past(edit)) {
        txn_remove_member(t, edit->ref, member);
        return MEMBER_REMOVED;
    }
    txn_set_member_deadline(t, edit->ref, member, edit->when_ms);
    return MEMBER_SET;
}

static struct slice member_at(const struct member_edit *edit, uint32_t i)
{
    struct slice member;
    memcpy(&member, buf_ptr(&edit->members) + i * sizeof(member), sizeof(member));
    return member;
}

/* One command: what stands in `head`, then the members. */
static void log_all(const struct member_edit *edit, const struct slice *head, uint32_t head_argc)
{
    uint32_t argc = head_argc + edit->changed;
    struct slice *argv = mem_alloc(MEM_OTHER, argc * sizeof(*argv));
    memcpy(argv, head, head_argc * sizeof(*argv));
    for (uint32_t i = 0; i < edit->changed; i++)
        argv[head_argc + i] = member_at(edit, i);
    effect_command(edit->ex->txn, argv, argc);
    mem_free(MEM_OTHER, argv, argc * sizeof(*argv));
}

static void log_times(const struct member_edit *edit, const struct family *family)
{
    char when[NUM_INT64_MAX_LEN], count[NUM_INT64_MAX_LEN];
    struct slice key = edit->ex->argv[1];
    struct slice ms = slice_make(when, num_format_int64(when, edit->when_ms));
    struct slice n = slice_make(count, num_format_int64(count, edit->changed));
    if (family->expire.len) {
        log_all(edit, (struct slice[]){family->expire, key, ms, slice_cstr(family->word), n}, 5);
        return;
    }
    for (uint32_t i = 0; i < edit->changed; i++)
        effect_command(edit->ex->txn,
                       (struct slice[]){SLICE("PEXPIREMEMBERAT"), key, member_at(edit, i), ms}, 4);
}

static void log_edit(const struct member_edit *edit, const struct family *family)
{
    char count[NUM_INT64_MAX_LEN];
    struct slice key = edit->ex->argv[1];
    struct slice n = slice_make(count, num_format_int64(count, edit->changed));
    if (is_past(edit))
        log_all(edit, (struct slice[]){family->remove, key}, 2);
    else if (edit->when_ms != MEMBER_FOREVER)
        log_times(edit, family);
    else
        log_all(edit, (struct slice[]){family->persist, key, slice_cstr(family->word), n}, 4);
}

static void finish(struct member_edit *edit, const struct family *family)
{
    struct txn *t = edit->ex->txn;
    enum event event = family->expired;
    if (is_past(edit))
        event = family->removed;
    else if (edit->when_ms == MEMBER_FOREVER)
        event = family->persisted;
    if (txn_logs(t))
        log_edit(edit, family);
    txn_commit(t, edit->ref, event);
    if (txn_is_empty(edit->ref))
        txn_delete_empty(t, edit->ref);
}

void member_edit_end(struct member_edit *edit)
{
    if (edit->changed)
        finish(edit, family_of(entry_type(edit->ref->entry)));
    buf_deinit(&edit->members);
}
