/* INCREX of Redis 8.8: a counter with bounds and an expiry. A result outside the bounds changes
 * nothing, or with SATURATE becomes the bound. */
#include "cmd/set_args.h"
#include "store/string.h"

#include <float.h>
#include <math.h>

enum {
    INCREX_OPTIONS = SET_TIMES | SET_PERSIST
};

struct increx {
    struct set_request expiry;
    uint32_t by, lower, upper; /* arguments with numbers, 0: not given */
    bool real, saturate, only_new_expiry;
};

/* ---- arguments ---- */

/* An option with a number, given once. */
static bool take_number(const struct exec *ex, uint32_t *at, const char *word, uint32_t *out,
                        bool *matched)
{
    *matched = arg_is(ex, *at, word);
    if (!*matched)
        return true;
    if (*out || ++*at == ex->argc)
        return false;
    *out = *at;
    return true;
}

static bool parse_option(const struct exec *ex, uint32_t *at, struct increx *x)
{
    struct {
        const char *word;
        uint32_t *out;
        bool real;
    } numbers[] = {{"byint", &x->by, false},
                   {"byfloat", &x->by, true},
                   {"lbound", &x->lower, false},
                   {"ubound", &x->upper, false}};

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        bool matched;
        if (!take_number(ex, at, numbers[i].word, numbers[i].out, &matched))
            return false;
        x->real |= matched && numbers[i].real;
        if (matched)
            return true;
    }
    if (arg_is(ex, *at, "saturate"))
        return x->saturate = true;
    if (arg_is(ex, *at, "enx"))
        return x->only_new_expiry = true;
    return set_args_option(ex, at, INCREX_OPTIONS, &x->expiry);
}

static bool parse(struct exec *ex, struct increx *x)
{
    for (uint32_t at = 2; at < ex->argc; at++)
        if (!parse_option(ex, &at, x))
            return fail_syntax(ex);
    if (x->only_new_expiry && x->expiry.flags & SET_PERSIST)
        return fail_syntax(ex);
    if (x->only_new_expiry && !(x->expiry.flags & SET_TIMES))
        return fail(ex, "ERR ENX flag requires an expiration option");
    if (!x->expiry.flags)
        x->expiry.flags = SET_KEEPTTL;
    return true;
}

/* ---- the expiry, and the effect ---- */

/* What is left to do when the value has been set, TTL kept: the expiry and the log's form, which
 * Redis 7 replays, too. */
static void finish(struct exec *ex, struct ref *ref, struct slice value, const struct increx *x)
{
    int64_t when = x->expiry.expire_ms, old = entry_expire_ms(ref->entry);
    if (when == TTL_KEEP || (x->only_new_expiry && old >= 0)) {
        set_args_log(ex, ref->key->name, value, TTL_KEEP);
        return;
    }
    if (when >= 0 && txn_is_past(ex->txn, when)) {
        txn_delete(ex->txn, ref, false, EVENT_DEL);
        effect_command(ex->txn, (struct slice[]){SLICE("DEL"), ex->keys[0].name}, 2);
        return;
    }
    if (when != old) {
        txn_set_expire(ex->txn, ref, when);
        txn_commit(ex->txn, ref, when < 0 ? EVENT_PERSIST : EVENT_EXPIRE);
    }
    set_args_log(ex, ref->key->name, value, when);
}

/* ---- integers ---- */

struct range {
    int64_t by, lower, upper;
};

static bool parse_range(struct exec *ex, const struct increx *x, struct range *out)
{
    *out = (struct range){1, INT64_MIN, INT64_MAX};
    if ((x->by && !arg_int(ex, x->by, &out->by, NULL)) ||
        (x->lower && !arg_int(ex, x->lower, &out->lower, NULL)) ||
        (x->upper && !arg_int(ex, x->upper, &out->upper, NULL)))
        return false;
    return out->lower <= out->upper || fail(ex, "ERR LBOUND can't be greater than UBOUND");
}

static void reply_ints(struct exec *ex, int64_t value, int64_t added)
{
    reply_array(ex->reply, 2);
    reply_int(ex->reply, value);
    reply_int(ex->reply, added);
}

static void add_integer(struct exec *ex, struct ref *ref, const struct increx *x,
                        const struct range *range)
{
    char text[NUM_INT64_MAX_LEN];
    int64_t old, added;
    if (!string_read_int(ref->entry, &old)) {
        fail(ex, ERROR_NOT_INTEGER);
        return;
    }
    __int128 sum = (__int128)old + range->by;
    if (!x->saturate && (sum < range->lower || sum > range->upper)) {
        reply_ints(ex, old, 0);
        return;
    }
    int64_t value = (int64_t)MIN(MAX(sum, (__int128)range->lower), (__int128)range->upper);
    if (ckd_sub(&added, value, old)) {
        fail(ex, "ERR increment or decrement would overflow");
        return;
    }
    txn_set_int(ex->txn, ref, value, EVENT_INCRBY);
    finish(ex, ref, slice_make(text, num_format_int64(text, value)), x);
    reply_ints(ex, value, added);
}

/* ---- floating point ---- */

#define ERROR_INFINITE "ERR value or increment would produce Infinity"

struct real_range {
    long double by, lower, upper;
};

static bool parse_real(struct exec *ex, uint32_t at, long double *out)
{
    return !at || num_parse_long_double(ex->argv[at], out) || fail(ex, ERROR_NOT_FLOAT);
}

static bool parse_real_range(struct exec *ex, const struct increx *x, struct real_range *out)
{
    *out = (struct real_range){1, -LDBL_MAX, LDBL_MAX};
    if (!parse_real(ex, x->by, &out->by) || !parse_real(ex, x->lower, &out->lower) ||
        !parse_real(ex, x->upper, &out->upper))
        return false;
    if (!isfinite(out->by) || !isfinite(out->lower) || !isfinite(out->upper))
        return fail(ex, ERROR_INFINITE);
    return out->lower <= out->upper || fail(ex, "ERR LBOUND can't be greater than UBOUND");
}

static void reply_reals(struct exec *ex, long double value, long double added)
{
    reply_array(ex->reply, 2);
    reply_human_double(ex->reply, value);
    reply_human_double(ex->reply, added);
}

static void add_real(struct exec *ex, struct ref *ref, const struct increx *x,
                     const struct real_range *range)
{
    char text[NUM_LONG_DOUBLE_MAX_LEN];
    long double old;
    if (!string_read_long_double(ref->entry, &old)) {
        fail(ex, ERROR_NOT_FLOAT);
        return;
    }
    long double sum = old + range->by;
    bool outside = sum < range->lower || sum > range->upper;
    if (isfinite(old) && outside && !x->saturate) {
        reply_reals(ex, old, 0);
        return;
    }
    long double value = fminl(fmaxl(sum, range->lower), range->upper);
    long double added = outside ? value - old : range->by;
    if (!isfinite(old) || !isfinite(added)) {
        fail(ex, ERROR_INFINITE);
        return;
    }
    struct slice shown = slice_make(text, num_format_long_double(text, value));
    txn_set_text(ex->txn, ref, shown, 0, EVENT_INCRBYFLOAT);
    finish(ex, ref, shown, x);
    reply_reals(ex, value, added);
}

void cmd_increx(struct exec *ex)
{
    struct increx x = {.by = 0};
    struct range range;
    struct real_range real;
    struct ref ref;
    if (!parse(ex, &x) ||
        !(x.real ? parse_real_range(ex, &x, &real) : parse_range(ex, &x, &range)) ||
        !set_args_resolve_expiry(ex, &x.expiry) || !find_typed(ex, 0, TYPE_STRING, &ref))
        return;
    if (x.real)
        add_real(ex, &ref, &x, &real);
    else
        add_integer(ex, &ref, &x, &range);
}
