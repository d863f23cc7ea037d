#include "cmd/exec.h"

#include "cmd/effect_value.h"
#include "store/settings.h"

#include <limits.h>
#include <stdio.h>

bool fail(struct exec *ex, const char *text)
{
    reply_error(ex->reply, text);
    return false;
}

bool fail_syntax(struct exec *ex)
{
    return fail(ex, ERROR_SYNTAX);
}

bool arg_int(struct exec *ex, uint32_t index, int64_t *out, const char *error)
{
    if (likely(num_parse_int64(ex->argv[index], out)))
        return true;
    return fail(ex, error ? error : ERROR_NOT_INTEGER);
}

bool arg_int_range(struct exec *ex, uint32_t index, int64_t min, int64_t max, int64_t *out,
                   const char *error)
{
    if (!arg_int(ex, index, out, error))
        return false;
    if (likely(*out >= min && *out <= max))
        return true;
    return fail(ex, error ? error : ERROR_OUT_OF_RANGE);
}

bool arg_double(struct exec *ex, uint32_t index, double *out, const char *error)
{
    if (likely(num_parse_double(ex->argv[index], out)))
        return true;
    return fail(ex, error ? error : ERROR_NOT_FLOAT);
}

bool arg_db(struct exec *ex, uint32_t index, int *out)
{
    int64_t value;
    if (!arg_int(ex, index, &value, NULL))
        return false;
    if (value < INT_MIN || value > INT_MAX)
        return fail(ex, "ERR value is out of range, value must between -2147483648 and 2147483647");
    if (value < 0 || value >= ex->txn->ks->db_count)
        return fail(ex, "ERR DB index is out of range");
    *out = (int)value;
    return true;
}

void reply_help(struct exec *ex, const char *const *lines)
{
    char name[48];
    size_t count = 0, len = 0;
    for (const char *p = ex->cmd->full_name; *p && *p != '|' && len < sizeof(name) - 1; p++)
        name[len++] = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
    name[len] = 0;
    while (lines[count])
        count++;
    reply_array(ex->reply, count + 3);
    char usage[112];
    snprintf(usage, sizeof(usage),
             "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", name);
    reply_status(ex->reply, usage);
    for (size_t i = 0; i < count; i++)
        reply_status(ex->reply, lines[i]);
    reply_status(ex->reply, "HELP");
    reply_status(ex->reply, "    Prints this help.");
}

static bool check_type(struct exec *ex, const struct ref *ref, enum value_type type)
{
    if (likely(!ref->entry || entry_type(ref->entry) == type))
        return true;
    return fail(ex, ERROR_WRONGTYPE);
}

bool read_typed(struct exec *ex, uint32_t at, enum value_type type, struct ref *ref)
{
    txn_find_read(ex->txn, &ex->keys[at], ref);
    return check_type(ex, ref, type);
}

bool find_typed(struct exec *ex, uint32_t at, enum value_type type, struct ref *ref)
{
    txn_find(ex->txn, &ex->keys[at], ref);
    return check_type(ex, ref, type);
}

bool find_key(struct exec *ex, struct slice name, struct key *key, struct ref *ref)
{
    *key = key_make(name);
    return txn_find(ex->txn, key, ref);
}

/* A short one moves into the entry. */
static void put_blob(struct txn *t, struct ref *ref, const struct outcome *outcome)
{
    struct blob *blob = outcome->root;
    if (ref->entry && entry_expires(ref->entry) && !outcome->keeps_ttl)
        txn_set_expire(t, ref, TTL_NONE);
    if (blob->len > ENTRY_INLINE_MAX) {
        txn_set_blob(t, ref, blob, outcome->event);
        return;
    }
    txn_set_text(t, ref, slice_make(blob->bytes, blob->len), ENTRY_RAW, outcome->event);
    blob_unref(blob);
}

/* What is there gives way. */
static void put_copy(struct txn *t, const struct outcome *outcome)
{
    struct ref target;
    uint32_t access = entry_access(outcome->copy);
    if (txn_find_in(t, outcome->db, &outcome->key, &target))
        txn_delete(t, &target, store_settings.lazyfree_lazy_server_del, EVENT_NONE);
    txn_put(t, &target, outcome->copy, outcome->event);
    if (outcome->with_access)
        entry_set_access(target.entry, access);
}

void publish_outcome(struct exec *ex, const struct outcome *outcome)
{
    struct ref ref;
    if (unlikely(ex->outcome != NULL)) {
        *ex->outcome = *outcome;
        ex->outcome->stores = true;
        return;
    }
    if (outcome->copy) {
        put_copy(ex->txn, outcome);
        return;
    }
    bool exists = txn_find(ex->txn, &outcome->key, &ref);
    if (outcome->root && outcome->type == TYPE_STRING)
        put_blob(ex->txn, &ref, outcome);
    else if (outcome->root)
        txn_set_collection(ex->txn, &ref, outcome->type, outcome->encoding, outcome->root,
                           outcome->event);
    else if (exists)
        txn_delete(ex->txn, &ref, false, EVENT_DEL);
    if (outcome->as_value)
        effect_value(ex, &outcome->key);
}
