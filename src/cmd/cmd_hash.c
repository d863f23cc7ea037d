/* Commands on hashes: one field, several, or all of them. cmd_hash_scan.c has SCAN and random
 * choice. */
#include "cmd/cmd_hash.h"

#include "proto/settings.h"

#include <math.h>

bool hash_check_texts(struct exec *ex, uint32_t from)
{
    for (uint32_t i = from; i < ex->argc; i++)
        if (unlikely(ex->argv[i].len > HASH_TEXT_MAX))
            return fail(ex, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    return true;
}

struct hash hash_open(struct exec *ex, struct ref *ref)
{
    if (ref->entry) {
        txn_edit(ex->txn, ref);
    } else {
        struct hash h = hash_create();
        txn_add(ex->txn, ref, TYPE_HASH, h.encoding, h.root);
    }
    return hash_of(ref->entry);
}

void hash_close(struct exec *ex, struct ref *ref, struct hash h, enum event event)
{
    hash_store(h, ref->entry);
    txn_commit(ex->txn, ref, event);
}

/* The field argv[2]; a time to live that it has stays. */
static void set_one(struct exec *ex, struct ref *ref, struct slice value, enum event event)
{
    struct hash h = hash_open(ex, ref);
    hash_update(&h, ex->argv[2], value);
    hash_close(ex, ref, h, event);
}

/* The field argv[2] of the key for a write; `value` is empty and *found false when there is none.
 * False: answered. */
static bool find_one(struct exec *ex, struct ref *ref, bool *found, struct slice *value,
                     char scratch[NUM_INT64_MAX_LEN])
{
    if (!find_typed(ex, 0, TYPE_HASH, ref))
        return false;
    *found = ref->entry && hash_find(hash_of(ref->entry), ex->argv[2], scratch, value);
    return true;
}

/* ---- writes ---- */

/* Sets all pairs from argv[2] on. False: answered. */
static bool set_pairs(struct exec *ex, int64_t *added)
{
    struct ref ref;
    if (ex->argc % 2) {
        reply_errorf(ex->reply, "ERR wrong number of arguments for '%s' command", ex->cmd->name);
        return false;
    }
    if (!find_typed(ex, 0, TYPE_HASH, &ref) || !hash_check_texts(ex, 2))
        return false;
    if (defer_edit(ex, (uint64_t)(ex->argc - 2) / 2 * COST_MEMBER))
        return false;
    struct hash h = hash_open(ex, &ref);
    hash_expect(&h, (ex->argc - 2) / 2);
    *added = 0;
    for (uint32_t i = 2; i < ex->argc; i += 2)
        *added += hash_set(&h, ex->argv[i], ex->argv[i + 1]);
    hash_close(ex, &ref, h, EVENT_HSET);
    txn_count_changes(ex->txn, (int64_t)(ex->argc - 2) / 2 - 1);
    return true;
}

HOT void cmd_hset(struct exec *ex)
{
    int64_t added;
    if (set_pairs(ex, &added))
        reply_int(ex->reply, added);
}

void cmd_hmset(struct exec *ex)
{
    int64_t added;
    if (set_pairs(ex, &added))
        reply_ok(ex->reply);
}

void cmd_hsetnx(struct exec *ex)
{
    char scratch[NUM_INT64_MAX_LEN];
    struct ref ref;
    struct slice value;
    bool found;
    if (!find_one(ex, &ref, &found, &value, scratch) || !hash_check_texts(ex, 2))
        return;
    if (!found)
        set_one(ex, &ref, ex->argv[3], EVENT_HSET);
    reply_int(ex->reply, !found);
}

void cmd_hdel(struct exec *ex)
{
    struct ref ref;
    int64_t removed = 0;
    if (!find_typed(ex, 0, TYPE_HASH, &ref))
        return;
    if (ref.entry) {
        if (defer_edit(ex, (uint64_t)(ex->argc - 2) * COST_MEMBER))
            return;
        struct hash h = hash_open(ex, &ref);
        for (uint32_t i = 2; i < ex->argc; i++)
            removed += hash_remove(&h, ex->argv[i]);
        if (removed) {
            hash_close(ex, &ref, h, EVENT_HDEL);
            txn_count_changes(ex->txn, removed - 1);
        }
        if (hash_len(h) == 0)
            txn_delete_empty(ex->txn, &ref);
    }
    reply_int(ex->reply, removed);
}

void cmd_hincrby(struct exec *ex)
{
    char scratch[NUM_INT64_MAX_LEN];
    struct ref ref;
    struct slice old;
    bool found;
    int64_t by, value = 0;
    if (!arg_int(ex, 3, &by, NULL) || !find_one(ex, &ref, &found, &old, scratch) ||
        !hash_check_texts(ex, 2))
        return;
    if (found && !num_parse_int64(old, &value)) {
        fail(ex, "ERR hash value is not an integer");
        return;
    }
    if (ckd_add(&value, value, by)) {
        fail(ex, "ERR increment or decrement would overflow");
        return;
    }
    set_one(ex, &ref, slice_make(scratch, num_format_int64(scratch, value)), EVENT_HINCRBY);
    reply_int(ex->reply, value);
}

/* Sums differ between machines, so the log gets the result. HSET would end a field's time to live.
 */
static void log_result(struct exec *ex, struct ref *ref, struct slice value)
{
    struct slice key = ex->argv[1], field = ex->argv[2];
    struct slice plain[] = {SLICE("HSET"), key, field, value};
    struct slice keep[] = {SLICE("HSETEX"), key,  SLICE("KEEPTTL"), SLICE("FIELDS"), SLICE("1"),
                           field,           value};
    if (hash_deadline(hash_of(ref->entry), field) == MEMBER_FOREVER)
        effect_command(ex->txn, plain, ARRAY_LEN(plain));
    else
        effect_command(ex->txn, keep, ARRAY_LEN(keep));
}

static bool arg_increment(struct exec *ex, uint32_t index, long double *out)
{
    if (!num_parse_long_double(ex->argv[index], out))
        return fail(ex, ERROR_NOT_FLOAT);
    return isfinite(*out) || fail(ex, "ERR value is NaN or Infinity");
}

void cmd_hincrbyfloat(struct exec *ex)
{
    char scratch[NUM_INT64_MAX_LEN], text[NUM_LONG_DOUBLE_MAX_LEN];
    struct ref ref;
    struct slice old;
    bool found;
    long double by, value = 0;
    if (!arg_increment(ex, 3, &by) || !find_one(ex, &ref, &found, &old, scratch) ||
        !hash_check_texts(ex, 2))
        return;
    if (found && !num_parse_long_double(old, &value)) {
        fail(ex, "ERR hash value is not a float");
        return;
    }
    value += by;
    if (!isfinite(value)) {
        fail(ex, ERROR_NAN_OR_INF);
        return;
    }
    struct slice result = slice_make(text, num_format_long_double(text, value));
    set_one(ex, &ref, result, EVENT_HINCRBYFLOAT);
    log_result(ex, &ref, result);
    reply_bulk(ex->reply, result);
}

/* ---- reads ---- */

/* The field argv[2] for a read. False: answered. A missing key or field gives *found false. */
static bool read_one(struct exec *ex, bool *found, struct slice *value,
                     char scratch[NUM_INT64_MAX_LEN])
{
    struct ref ref;
    if (!read_typed(ex, 0, TYPE_HASH, &ref))
        return false;
    *found = ref.entry && hash_find(hash_of(ref.entry), ex->argv[2], scratch, value);
    return true;
}

HOT void cmd_hget(struct exec *ex)
{
    char scratch[NUM_INT64_MAX_LEN];
    struct slice value;
    bool found;
    if (!read_one(ex, &found, &value, scratch))
        return;
    if (found)
        reply_bulk(ex->reply, value);
    else
        reply_null(ex->reply);
}

void cmd_hexists(struct exec *ex)
{
    char scratch[NUM_INT64_MAX_LEN];
    struct slice value;
    bool found;
    if (read_one(ex, &found, &value, scratch))
        reply_int(ex->reply, found);
}

void cmd_hstrlen(struct exec *ex)
{
    char scratch[NUM_INT64_MAX_LEN];
    struct slice value;
    bool found;
    if (read_one(ex, &found, &value, scratch))
        reply_int(ex->reply, found ? (int64_t)value.len : 0);
}

void cmd_hmget(struct exec *ex)
{
    char scratch[NUM_INT64_MAX_LEN];
    struct slice value;
    struct ref ref;
    if (!read_typed(ex, 0, TYPE_HASH, &ref) || defer(ex, (ex->argc - 2) * COST_LOOKUP))
        return;
    reply_array(ex->reply, ex->argc - 2);
    for (uint32_t i = 2; i < ex->argc; i++) {
        if (ref.entry && hash_find(hash_of(ref.entry), ex->argv[i], scratch, &value))
            reply_bulk(ex->reply, value);
        else
            reply_null(ex->reply);
    }
}

void cmd_hlen(struct exec *ex)
{
    struct ref ref;
    if (read_typed(ex, 0, TYPE_HASH, &ref))
        reply_int(ex->reply, ref.entry ? (int64_t)hash_len(hash_of(ref.entry)) : 0);
}

enum parts {
    FIELDS = 1,
    VALUES = 2,
    BOTH = 3
};

static void reply_all(struct exec *ex, enum parts parts)
{
    struct ref ref;
    struct hash_iter it;
    struct hash_pair pair;
    if (!read_typed(ex, 0, TYPE_HASH, &ref))
        return;
    size_t len = ref.entry ? hash_len(hash_of(ref.entry)) : 0;
    if (defer(ex, len))
        return;
    if (parts == BOTH)
        reply_map(ex->reply, len);
    else
        reply_array(ex->reply, len);
    if (!ref.entry)
        return;
    hash_iter_init(&it, hash_of(ref.entry));
    while (hash_iter_next(&it, &pair)) {
        if (parts & FIELDS)
            reply_bulk(ex->reply, pair.field);
        if (parts & VALUES)
            reply_bulk(ex->reply, pair.value);
    }
}

void cmd_hgetall(struct exec *ex)
{
    reply_all(ex, BOTH);
}

void cmd_hkeys(struct exec *ex)
{
    reply_all(ex, FIELDS);
}

void cmd_hvals(struct exec *ex)
{
    reply_all(ex, VALUES);
}
