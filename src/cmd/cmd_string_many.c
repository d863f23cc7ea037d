/* String commands of many keys: MGET, and MSET with its conditional and expiring forms. */
#include "cmd/set_args.h"
#include "cmd/string_reply.h"

enum {
    PREFETCH_KEYS = 16, /* lookups whose misses overlap */
    MSETEX_OPTIONS = SET_NX | SET_XX | SET_KEEPTTL | SET_TIMES
};

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
            string_reply(ex->reply, ref.entry);
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

/* Sets all keys; the value of the first one is argument `first`, the others stand two apart. */
static void set_all(struct exec *ex, uint32_t first, int64_t expire_ms)
{
    for (uint32_t i = 0; i < ex->key_count; i++) {
        struct ref ref;
        prefetch_group(ex, i);
        txn_find(ex->txn, &ex->keys[i], &ref);
        txn_set_string(ex->txn, &ref, ex->argv[first + 2 * i], expire_ms, EVENT_SET);
        if (expire_ms >= 0)
            txn_commit(ex->txn, &ref, EVENT_EXPIRE);
    }
}

static uint32_t count_existing(struct exec *ex)
{
    struct ref ref;
    uint32_t found = 0;
    for (uint32_t i = 0; i < ex->key_count; i++)
        found += txn_find(ex->txn, &ex->keys[i], &ref);
    return found;
}

void cmd_mset(struct exec *ex)
{
    if (!check_pairs(ex))
        return;
    set_all(ex, 2, TTL_NONE);
    reply_ok(ex->reply);
}

void cmd_msetnx(struct exec *ex)
{
    if (!check_pairs(ex))
        return;
    bool set = count_existing(ex) == 0;
    if (set)
        set_all(ex, 2, TTL_NONE);
    reply_int(ex->reply, set);
}

/* MSETEX numkeys key value … [options]: reads the number and the options behind the pairs. */
static bool parse_msetex(struct exec *ex, struct set_request *r)
{
    int64_t count;
    if (!arg_int_range(ex, 1, 1, INT32_MAX, &count, "ERR invalid numkeys value"))
        return false;
    if (count > (int64_t)(ex->argc - 2) / 2)
        return fail(ex, "ERR wrong number of key-value pairs");
    return set_args_parse(ex, 2 + 2 * (uint32_t)count, MSETEX_OPTIONS, r) &&
           set_args_resolve_expiry(ex, r);
}

void cmd_msetex(struct exec *ex)
{
    struct set_request r = {.flags = 0};
    if (!parse_msetex(ex, &r))
        return;
    uint32_t existing = r.flags & (SET_NX | SET_XX) ? count_existing(ex) : 0;
    bool set = !(r.flags & SET_NX && existing) && !(r.flags & SET_XX && existing < ex->key_count);
    if (set)
        set_all(ex, 3, r.expire_ms);
    for (uint32_t i = 0; set && i < ex->key_count; i++)
        set_args_log(ex, ex->keys[i].name, ex->argv[3 + 2 * i], r.expire_ms);
    reply_int(ex->reply, set);
}
