#include "cmd/exec.h"

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
