#include "cmd/scan_args.h"

#include "base/glob.h"

bool scan_cursor_arg(struct exec *ex, uint32_t index, uint64_t *out)
{
    struct slice text = ex->argv[index];
    bool minus = text.len && text.ptr[0] == '-', sign = minus || (text.len && text.ptr[0] == '+');
    uint64_t value = 0;
    bool valid = text.len != 1 || !sign;
    for (size_t i = sign; i < text.len && valid; i++) {
        unsigned digit = (unsigned)(text.ptr[i] - '0');
        valid = digit <= 9 && !ckd_mul(&value, value, 10) && !ckd_add(&value, value, digit);
    }
    if (!valid)
        return fail(ex, "ERR invalid cursor");
    *out = minus ? -value : value;
    return true;
}

static int type_by_name(struct slice name)
{
    for (int type = 0; type < TYPE_COUNT; type++)
        if (slice_is(name, value_type_name((enum value_type)type)))
            return type;
    return -1;
}

/* A word without a value. */
static bool flag(struct exec *ex, uint32_t index, enum scan_kind kind, struct scan_args *out)
{
    if (arg_is(ex, index, "novalues")) {
        out->names_only = kind == SCAN_HASH;
        return out->names_only || fail(ex, "ERR NOVALUES option can only be used in HSCAN");
    }
    if (arg_is(ex, index, "noscores")) {
        out->names_only = kind == SCAN_ZSET;
        return out->names_only || fail(ex, "ERR NOSCORES option can only be used in ZSCAN");
    }
    return fail_syntax(ex);
}

bool scan_options(struct exec *ex, uint32_t index, enum scan_kind kind, struct scan_args *out)
{
    *out = (struct scan_args){.match_all = true, .count = 10};
    for (; index < ex->argc; index += 2) {
        bool has_value = index + 1 < ex->argc;
        if (has_value && arg_is(ex, index, "count")) {
            if (!arg_int(ex, index + 1, &out->count, NULL))
                return false;
            if (out->count < 1)
                return fail_syntax(ex);
        } else if (has_value && arg_is(ex, index, "match")) {
            out->pattern = ex->argv[index + 1];
            out->match_all = slice_equal(out->pattern, SLICE("*"));
        } else if (has_value && kind == SCAN_KEYS && arg_is(ex, index, "type")) {
            out->by_type = true;
            out->type = type_by_name(ex->argv[index + 1]);
        } else if (flag(ex, index, kind, out)) {
            index--; /* no value follows */
        } else {
            return false;
        }
    }
    return true;
}

bool scan_matches(const struct scan_args *args, struct slice name)
{
    return args->match_all || glob_match(args->pattern, name, false);
}
