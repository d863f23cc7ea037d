/* The time to live of hash fields (HEXPIRE …, as in Redis 7.4 and 8) and of members of sorted sets
 * (ZEXPIRE …, as in Garnet): one implementation, two families of names. */
#include "cmd/member_edit.h"

#define BAD_COUNT_EXPIRE_FIELDS  "ERR Parameter `numFields` should be greater than 0"
#define BAD_COUNT_EXPIRE_MEMBERS "ERR Parameter `numMembers` should be greater than 0"
#define BAD_COUNT_FIELDS         "ERR Number of fields must be a positive integer"
#define BAD_COUNT_MEMBERS        "ERR Number of members must be a positive integer"

static void reply_missing(struct exec *ex, uint32_t count)
{
    reply_array(ex->reply, count);
    while (count--)
        reply_int(ex->reply, MEMBER_MISSING);
}

/* ---- HEXPIRE, HPEXPIRE, HEXPIREAT, HPEXPIREAT and theirs ---- */

static enum member_rule rule_arg(const struct exec *ex, uint32_t index)
{
    static const char *const words[] = {[MEMBER_NX] = "nx", "xx", "gt", "lt"};
    enum member_rule rule = MEMBER_LT;
    while (rule != MEMBER_ALWAYS && !arg_is(ex, index, words[rule]))
        rule--;
    return rule;
}

static void expire(struct exec *ex, enum value_type type, int64_t unit_ms, int64_t base_ms)
{
    const char *bad_count = type == TYPE_HASH ? BAD_COUNT_EXPIRE_FIELDS : BAD_COUNT_EXPIRE_MEMBERS;
    struct ref ref;
    struct member_args members;
    struct member_edit edit;
    int64_t when_ms;
    if (!find_typed(ex, 0, type, &ref) || !member_time(ex, 2, unit_ms, base_ms, &when_ms))
        return;
    enum member_rule rule = rule_arg(ex, 3);
    if (!member_args(ex, rule ? 4 : 3, type, bad_count, &members))
        return;
    if (!ref.entry) {
        reply_missing(ex, members.count);
        return;
    }
    if (defer_edit(ex, (uint64_t)members.count * COST_ORDER))
        return;
    reply_array(ex->reply, members.count);
    member_edit_begin(&edit, ex, &ref, when_ms);
    for (uint32_t i = 0; i < members.count; i++)
        reply_int(ex->reply, member_edit_one(&edit, ex->argv[members.first + i], rule));
    member_edit_end(&edit);
}

void cmd_hexpire(struct exec *ex)
{
    expire(ex, TYPE_HASH, 1000, ex->txn->now_ms);
}

void cmd_hpexpire(struct exec *ex)
{
    expire(ex, TYPE_HASH, 1, ex->txn->now_ms);
}

void cmd_hexpireat(struct exec *ex)
{
    expire(ex, TYPE_HASH, 1000, 0);
}

void cmd_hpexpireat(struct exec *ex)
{
    expire(ex, TYPE_HASH, 1, 0);
}

void cmd_zexpire(struct exec *ex)
{
    expire(ex, TYPE_ZSET, 1000, ex->txn->now_ms);
}

void cmd_zpexpire(struct exec *ex)
{
    expire(ex, TYPE_ZSET, 1, ex->txn->now_ms);
}

void cmd_zexpireat(struct exec *ex)
{
    expire(ex, TYPE_ZSET, 1000, 0);
}

void cmd_zpexpireat(struct exec *ex)
{
    expire(ex, TYPE_ZSET, 1, 0);
}

/* ---- HTTL, HPTTL, HEXPIRETIME, HPEXPIRETIME and theirs ---- */

static const char *bad_count(enum value_type type)
{
    return type == TYPE_HASH ? BAD_COUNT_FIELDS : BAD_COUNT_MEMBERS;
}

/* Seconds are rounded up. */
static void reply_time(struct exec *ex, int64_t deadline_ms, int64_t unit_ms, int64_t base_ms)
{
    reply_int(ex->reply,
              deadline_ms < 0 ? deadline_ms : (deadline_ms - base_ms + unit_ms - 1) / unit_ms);
}

static void ttl(struct exec *ex, enum value_type type, int64_t unit_ms, int64_t base_ms)
{
    struct ref ref;
    struct member_args members;
    ex->txn->no_touch = true;
    if (!read_typed(ex, 0, type, &ref) || !member_args(ex, 2, type, bad_count(type), &members))
        return;
    if (!ref.entry) {
        reply_missing(ex, members.count);
        return;
    }
    if (defer(ex, (uint64_t)members.count * COST_LOOKUP))
        return;
    reply_array(ex->reply, members.count);
    for (uint32_t i = 0; i < members.count; i++)
        reply_time(ex, txn_member_deadline(&ref, ex->argv[members.first + i]), unit_ms, base_ms);
}

void cmd_httl(struct exec *ex)
{
    ttl(ex, TYPE_HASH, 1000, ex->txn->now_ms);
}

void cmd_hpttl(struct exec *ex)
{
    ttl(ex, TYPE_HASH, 1, ex->txn->now_ms);
}

void cmd_hexpiretime(struct exec *ex)
{
    ttl(ex, TYPE_HASH, 1000, 0);
}

void cmd_hpexpiretime(struct exec *ex)
{
    ttl(ex, TYPE_HASH, 1, 0);
}

void cmd_zttl(struct exec *ex)
{
    ttl(ex, TYPE_ZSET, 1000, ex->txn->now_ms);
}

void cmd_zpttl(struct exec *ex)
{
    ttl(ex, TYPE_ZSET, 1, ex->txn->now_ms);
}

void cmd_zexpiretime(struct exec *ex)
{
    ttl(ex, TYPE_ZSET, 1000, 0);
}

void cmd_zpexpiretime(struct exec *ex)
{
    ttl(ex, TYPE_ZSET, 1, 0);
}

/* ---- HPERSIST, ZPERSIST ---- */

static void persist(struct exec *ex, enum value_type type)
{
    struct ref ref;
    struct member_args members;
    struct member_edit edit;
    if (!find_typed(ex, 0, type, &ref) || !member_args(ex, 2, type, bad_count(type), &members))
        return;
    if (!ref.entry) {
        reply_missing(ex, members.count);
        return;
    }
    if (defer_edit(ex, (uint64_t)members.count * COST_ORDER))
        return;
    reply_array(ex->reply, members.count);
    member_edit_begin(&edit, ex, &ref, MEMBER_FOREVER);
    for (uint32_t i = 0; i < members.count; i++)
        reply_int(ex->reply, member_edit_one(&edit, ex->argv[members.first + i], MEMBER_ALWAYS));
    member_edit_end(&edit);
}

void cmd_hpersist(struct exec *ex)
{
    persist(ex, TYPE_HASH);
}

void cmd_zpersist(struct exec *ex)
{
    persist(ex, TYPE_ZSET);
}
