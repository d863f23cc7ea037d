/* LCS; the algorithm is base/lcs.h's. */
#include "base/lcs.h"
#include "cmd/exec.h"
#include "proto/settings.h"

#include <stdatomic.h>

#define ERROR_LCS_MEMORY \
    "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"

struct lcs_options {
    bool len, idx, with_match_len;
    int64_t min_match_len;
};

static bool parse_option(struct exec *ex, uint32_t *at, struct lcs_options *out)
{
    if (arg_is(ex, *at, "idx"))
        out->idx = true;
    else if (arg_is(ex, *at, "len"))
        out->len = true;
    else if (arg_is(ex, *at, "withmatchlen"))
        out->with_match_len = true;
    else if (arg_is(ex, *at, "minmatchlen") && *at + 1 < ex->argc)
        return arg_int(ex, ++*at, &out->min_match_len, NULL);
    else
        return fail_syntax(ex);
    return true;
}

static bool parse_options(struct exec *ex, struct lcs_options *out)
{
    *out = (struct lcs_options){0};
    for (uint32_t at = 3; at < ex->argc; at++)
        if (!parse_option(ex, &at, out))
            return false;
    if (out->len && out->idx)
        return fail(ex, "ERR If you want both the length and indexes, please just use IDX.");
    return true;
}

/* The limit of Redis, whose table takes four bytes per pair of characters. */
static bool check_size(struct exec *ex, struct slice a, struct slice b)
{
    int64_t max = atomic_load_explicit(&proto_settings.max_bulk_len, memory_order_relaxed), need;
    if (a.len >= UINT32_MAX - 1 || b.len >= UINT32_MAX - 1)
        return fail(ex, "ERR String too long for LCS");
    if (ckd_mul(&need, (int64_t)a.len + 1, (int64_t)b.len + 1) || ckd_mul(&need, need, 4) ||
        need > max)
        return fail(ex, ERROR_LCS_MEMORY);
    return true;
}

static void reply_range(struct reply *r, size_t start, size_t len)
{
    reply_array(r, 2);
    reply_int(r, (int64_t)start);
    reply_int(r, (int64_t)(start + len - 1));
}

static void reply_matches(struct exec *ex, struct lcs *lcs, const struct lcs_options *options)
{
    struct lcs_run run;
    size_t count = 0;
    reply_map(ex->reply, 2);
    reply_bulk_cstr(ex->reply, "matches");
    struct output_mark mark = reply_defer(ex->reply);
    while (lcs_previous(lcs, &run)) {
        if ((int64_t)run.len < options->min_match_len)
            continue;
        reply_array(ex->reply, options->with_match_len ? 3 : 2);
        reply_range(ex->reply, run.a, run.len);
        reply_range(ex->reply, run.b, run.len);
        if (options->with_match_len)
            reply_int(ex->reply, (int64_t)run.len);
        count++;
    }
    reply_defer_end(ex->reply, mark, REPLY_ARRAY, count);
    reply_bulk_cstr(ex->reply, "len");
    reply_int(ex->reply, (int64_t)lcs->len);
}

static void reply_text(struct exec *ex, struct lcs *lcs)
{
    struct lcs_run run;
    size_t at = lcs->len;
    char *out = reply_bulk_space(ex->reply, at);
    while (lcs_previous(lcs, &run)) {
        at -= run.len;
        memcpy(out + at, lcs->a.ptr + run.a, run.len);
    }
}

static void run_lcs(struct exec *ex, struct slice a, struct slice b,
                    const struct lcs_options *options)
{
    struct lcs lcs;
    if (!check_size(ex, a, b))
        return;
    if (lcs_init(&lcs, a, b, !options->len) != OK) {
        fail(ex, "ERR Insufficient memory, failed allocating transient memory for LCS");
        return;
    }
    if (options->len)
        reply_int(ex->reply, (int64_t)lcs.len);
    else if (options->idx)
        reply_matches(ex, &lcs, options);
    else
        reply_text(ex, &lcs);
    lcs_deinit(&lcs);
}

void cmd_lcs(struct exec *ex)
{
    char scratch[2][NUM_INT64_MAX_LEN];
    struct slice texts[2] = {SLICE(""), SLICE("")};
    struct lcs_options options;
    bool strings = true;
    for (uint32_t i = 0; i < 2; i++) {
        struct ref ref;
        if (!txn_find_read(ex->txn, &ex->keys[i], &ref))
            continue;
        if (entry_type(ref.entry) == TYPE_STRING)
            texts[i] = entry_string(ref.entry, scratch[i]);
        else
            strings = false;
    }
    if (!strings)
        fail(ex, "ERR The specified keys must contain string values");
    else if (parse_options(ex, &options))
        run_lcs(ex, texts[0], texts[1], &options);
}
