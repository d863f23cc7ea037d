#include "cmd/set_args.h"

#include "base/digest.h"

static const struct set_option {
    const char *word;
    uint32_t flag, conflicts; /* not after one of these */
} set_options[] = {
    {"ex", SET_EX, SET_EXPIRIES & ~SET_EX},
    {"px", SET_PX, SET_EXPIRIES & ~SET_PX},
    {"nx", SET_NX, SET_XX | SET_MATCHES},
    {"xx", SET_XX, SET_NX | SET_MATCHES},
    {"get", SET_GET, 0},
    {"keepttl", SET_KEEPTTL, SET_TIMES},
    {"exat", SET_EXAT, SET_EXPIRIES & ~SET_EXAT},
    {"pxat", SET_PXAT, SET_EXPIRIES & ~SET_PXAT},
    {"persist", SET_PERSIST, SET_TIMES},
    {"ifeq", SET_IFEQ, SET_NX | SET_XX | SET_MATCHES},
    {"ifne", SET_IFNE, SET_NX | SET_XX | SET_MATCHES},
    {"ifdeq", SET_IFDEQ, SET_NX | SET_XX | SET_MATCHES},
    {"ifdne", SET_IFDNE, SET_NX | SET_XX | SET_MATCHES},
};

static const struct set_option *find_option(struct slice word, uint32_t allowed)
{
    for (size_t i = 0; i < ARRAY_LEN(set_options); i++)
        if (set_options[i].flag & allowed && slice_is(word, set_options[i].word))
            return &set_options[i];
    return NULL;
}

bool set_args_option(const struct exec *ex, uint32_t *at, uint32_t allowed, struct set_request *out)
{
    const struct set_option *option = find_option(ex->argv[*at], allowed);
    if (!option || out->flags & option->conflicts)
        return false;
    out->flags |= option->flag;
    if (!(option->flag & (SET_TIMES | SET_MATCHES)))
        return true;
    if (++*at == ex->argc)
        return false;
    *(option->flag & SET_TIMES ? &out->time_index : &out->match_index) = *at;
    return true;
}

bool set_args_parse(struct exec *ex, uint32_t at, uint32_t allowed, struct set_request *out)
{
    for (; at < ex->argc; at++)
        if (!set_args_option(ex, &at, allowed, out))
            return fail_syntax(ex);
    return true;
}

static bool fail_expire_time(struct exec *ex)
{
    reply_errorf(ex->reply, "ERR invalid expire time in '%s' command", ex->cmd->full_name);
    return false;
}

bool set_args_resolve_expiry(struct exec *ex, struct set_request *r)
{
    bool seconds = r->flags & (SET_EX | SET_EXAT), relative = r->flags & (SET_EX | SET_PX);
    int64_t when;
    r->expire_ms = r->flags & SET_KEEPTTL ? TTL_KEEP : TTL_NONE;
    if (!(r->flags & SET_TIMES))
        return true;
    if (!arg_int(ex, r->time_index, &when, NULL))
        return false;
    if (when <= 0 || (seconds && when > INT64_MAX / 1000))
        return fail_expire_time(ex);
    when *= seconds ? 1000 : 1;
    if (relative && ckd_add(&when, when, ex->txn->now_ms))
        return fail_expire_time(ex);
    r->expire_ms = when;
    return true;
}

/* ---- conditions ---- */

uint32_t set_args_match_word(struct slice word)
{
    const struct set_option *option = find_option(word, SET_MATCHES);
    return option ? option->flag : 0;
}

void set_args_digest(const struct entry *e, char out[DIGEST_LEN])
{
    char scratch[NUM_INT64_MAX_LEN];
    digest_format(digest_xxh3(entry_string(e, scratch)), out);
}

static bool is_hex(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = (char)(text.ptr[i] | 0x20);
        if (!(text.ptr[i] >= '0' && text.ptr[i] <= '9') && !(c >= 'a' && c <= 'f'))
            return false;
    }
    return true;
}

static bool same_digest(struct slice given, const char digest[DIGEST_LEN])
{
    for (size_t i = 0; i < DIGEST_LEN; i++)
        if ((given.ptr[i] | 0x20) != digest[i]) /* digits have that bit set already */
            return false;
    return true;
}

bool set_args_matches(struct exec *ex, uint32_t flag, struct slice operand, const struct entry *e,
                      bool *holds)
{
    char scratch[NUM_INT64_MAX_LEN], digest[DIGEST_LEN];
    bool equal;
    if (flag & (SET_IFEQ | SET_IFNE)) {
        equal = slice_equal(entry_string(e, scratch), operand);
    } else {
        if (operand.len != DIGEST_LEN || !is_hex(operand))
            return fail(ex, "ERR must be exactly 16 hexadecimal characters");
        set_args_digest(e, digest);
        equal = same_digest(operand, digest);
    }
    *holds = equal == !!(flag & (SET_IFEQ | SET_IFDEQ));
    return true;
}

/* ---- effects ---- */

void set_args_log(struct exec *ex, struct slice key, struct slice value, int64_t expire_ms)
{
    char when[NUM_INT64_MAX_LEN];
    struct slice argv[5] = {SLICE("SET"), key, value};
    uint32_t argc = 3;
    if (!txn_logs(ex->txn))
        return;
    if (expire_ms >= 0) {
        argv[argc++] = SLICE("PXAT");
        argv[argc++] = slice_make(when, num_format_int64(when, expire_ms));
    } else if (expire_ms == TTL_KEEP) {
        argv[argc++] = SLICE("KEEPTTL");
    }
    effect_command(ex->txn, argv, argc);
}
