/* Commands on the time that a key has to live. In the log all times are absolute: PEXPIREAT, DEL,
 * PERSIST. */
#include "cmd/exec.h"
#include "store/settings.h"

enum expire_option {
    EXPIRE_NX = 1,
    EXPIRE_XX = 2,
    EXPIRE_GT = 4,
    EXPIRE_LT = 8
};

/* ---- EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT ---- */

static bool expire_options(struct exec *ex, unsigned *out)
{
    static const char *const words[] = {"nx", "xx", "gt", "lt"};
    *out = 0;
    for (uint32_t i = 3; i < ex->argc; i++) {
        unsigned bit = 0;
        while (bit < 4 && !arg_is(ex, i, words[bit]))
            bit++;
        if (bit == 4) {
            reply_errorf(ex->reply, "ERR Unsupported option %.*s",
                         (int)MIN(ex->argv[i].len, 65536ul), ex->argv[i].ptr);
            return false;
        }
        *out |= 1u << bit;
    }
    if (*out & EXPIRE_NX && *out & (EXPIRE_XX | EXPIRE_GT | EXPIRE_LT))
        return fail(ex, "ERR NX and XX, GT or LT options at the same time are not compatible");
    if (*out & EXPIRE_GT && *out & EXPIRE_LT)
        return fail(ex, "ERR GT and LT options at the same time are not compatible");
    return true;
}

/* argv[2] as absolute milliseconds. */
static bool expire_time(struct exec *ex, int64_t unit_ms, int64_t base_ms, int64_t *out)
{
    if (!arg_int(ex, 2, out, NULL))
        return false;
    if (likely(!ckd_mul(out, *out, unit_ms) && !ckd_add(out, *out, base_ms)))
        return true;
    reply_errorf(ex->reply, "ERR invalid expire time in '%s' command", ex->cmd->full_name);
    return false;
}

/* A key without a time to live counts as one that lives for ever. */
static bool option_allows(unsigned options, int64_t current_ms, int64_t when_ms)
{
    if (options & EXPIRE_NX && current_ms != TTL_NONE)
        return false;
    if (options & EXPIRE_XX && current_ms == TTL_NONE)
        return false;
    if (options & EXPIRE_GT && (current_ms == TTL_NONE || when_ms <= current_ms))
        return false;
    return !(options & EXPIRE_LT && current_ms != TTL_NONE && when_ms >= current_ms);
}

static void log_expiry(struct exec *ex, int64_t when_ms)
{
    char text[NUM_INT64_MAX_LEN];
    struct slice number = slice_make(text, num_format_int64(text, when_ms));
    effect_command(ex->txn, (struct slice[]){SLICE("PEXPIREAT"), ex->argv[1], number}, 3);
}

static void expire_key(struct exec *ex, int64_t unit_ms, int64_t base_ms)
{
    struct txn *t = ex->txn;
    unsigned options;
    int64_t when_ms;
    struct ref ref;
    if (!expire_options(ex, &options) || !expire_time(ex, unit_ms, base_ms, &when_ms))
        return;
    if (!txn_find(t, &ex->keys[0], &ref) ||
        !option_allows(options, entry_expire_ms(ref.entry), when_ms)) {
        reply_int(ex->reply, 0);
        return;
    }
    if (txn_is_past(t, when_ms)) {
        effect_command(t, (struct slice[]){SLICE("DEL"), ex->argv[1]}, 2);
        txn_delete(t, &ref, store_settings.lazyfree_lazy_expire, EVENT_DEL);
    } else {
        log_expiry(ex, when_ms);
        txn_set_expire(t, &ref, when_ms);
        txn_commit(t, &ref, EVENT_EXPIRE);
    }
    reply_int(ex->reply, 1);
}

void cmd_expire(struct exec *ex)
{
    expire_key(ex, 1000, ex->txn->now_ms);
}

void cmd_pexpire(struct exec *ex)
{
    expire_key(ex, 1, ex->txn->now_ms);
}

void cmd_expireat(struct exec *ex)
{
    expire_key(ex, 1000, 0);
}

void cmd_pexpireat(struct exec *ex)
{
    expire_key(ex, 1, 0);
}

void cmd_persist(struct exec *ex)
{
    struct ref ref;
    bool expired = txn_find(ex->txn, &ex->keys[0], &ref) && entry_expires(ref.entry);
    if (expired) {
        txn_set_expire(ex->txn, &ref, TTL_NONE);
        txn_commit(ex->txn, &ref, EVENT_PERSIST);
    }
    reply_int(ex->reply, expired);
}

/* ---- TTL, PTTL, EXPIRETIME, PEXPIRETIME ---- */

enum {
    NO_SUCH_KEY = -2
};

/* The key's deadline, TTL_NONE or NO_SUCH_KEY. */
static int64_t deadline(struct exec *ex)
{
    struct ref ref;
    ex->txn->no_touch = true;
    return txn_find_read(ex->txn, &ex->keys[0], &ref) ? entry_expire_ms(ref.entry) : NO_SUCH_KEY;
}

static int64_t time_left(struct exec *ex)
{
    int64_t when_ms = deadline(ex);
    return when_ms < 0 ? when_ms : MAX(when_ms - ex->txn->now_ms, 0);
}

static int64_t rounded_seconds(int64_t ms)
{
    return ms < 0 ? ms : ms / 1000 + (ms % 1000 >= 500);
}

void cmd_ttl(struct exec *ex)
{
    reply_int(ex->reply, rounded_seconds(time_left(ex)));
}

void cmd_pttl(struct exec *ex)
{
    reply_int(ex->reply, time_left(ex));
}

void cmd_expiretime(struct exec *ex)
{
    reply_int(ex->reply, rounded_seconds(deadline(ex)));
}

void cmd_pexpiretime(struct exec *ex)
{
    reply_int(ex->reply, deadline(ex));
}
