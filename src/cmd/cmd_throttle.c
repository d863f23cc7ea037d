/* CL.THROTTLE: a rate limiter, in the form of the redis-cell module.
 *
 * The generic cell rate algorithm (ITU-T I.371): the key holds the theoretical arrival time, the
 * moment in ns since 1970 at which a client that keeps to the rate would be through with what it
 * has been granted. A request may run ahead of the clock by the burst; it is put off otherwise. The
 * key expires when that moment has passed. The clock is the batch's, in ms. */
#include "cmd/set_args.h"
#include "store/string.h"

enum {
    NS_PER_MS = 1000 * 1000
};

#define NS_PER_S ((__int128)1000 * NS_PER_MS)

struct limiter {
    int64_t burst, quantity;
    __int128 now, interval, tolerance; /* ns; interval: between requests at the rate */
};

struct verdict {
    bool limited, retries; /* retries: waiting would help */
    __int128 arrival, retry_after, reset_after;
};

static bool parse(struct exec *ex, struct limiter *l)
{
    int64_t count, period;
    l->quantity = 1;
    if (!arg_int_range(ex, 2, 0, INT32_MAX, &l->burst, "ERR invalid max_burst") ||
        !arg_int_range(ex, 3, 1, INT32_MAX, &count, "ERR invalid count") ||
        !arg_int_range(ex, 4, 1, INT32_MAX, &period, "ERR invalid period") ||
        (ex->argc > 5 && !arg_int_range(ex, 5, 0, INT32_MAX, &l->quantity, "ERR invalid quantity")))
        return false;
    if (ex->argc > 6)
        return fail_syntax(ex);
    l->now = (__int128)ex->txn->now_ms * NS_PER_MS;
    l->interval = MAX(period * NS_PER_S / count, (__int128)1);
    l->tolerance = l->interval * (l->burst + 1);
    return true;
}

static struct verdict judge(const struct limiter *l, __int128 stored)
{
    __int128 cost = l->interval * l->quantity, arrival = MAX(l->now, stored);
    __int128 early = arrival + cost - l->tolerance - l->now; /* > 0: by so much too early */
    struct verdict v = {.limited = early > 0, .arrival = arrival};
    if (v.limited) {
        v.retries = cost <= l->tolerance;
        v.retry_after = early;
    } else {
        v.arrival += cost;
    }
    v.reset_after = v.arrival - l->now;
    return v;
}

static int64_t whole_seconds(__int128 ns)
{
    return (int64_t)(ns / NS_PER_S);
}

/* Limited, limit, remaining, seconds until a retry (-1: none needed or none helps), seconds until
 * the limiter is at rest. */
static void answer(struct exec *ex, const struct limiter *l, const struct verdict *v)
{
    __int128 room = l->tolerance - v->reset_after;
    reply_array(ex->reply, 5);
    reply_int(ex->reply, v->limited);
    reply_int(ex->reply, l->burst + 1);
    reply_int(ex->reply, room > 0 ? (int64_t)(room / l->interval) : 0);
    reply_int(ex->reply, v->limited && v->retries ? whole_seconds(v->retry_after) : -1);
    reply_int(ex->reply, whole_seconds(v->reset_after));
}

static void store(struct exec *ex, struct ref *ref, __int128 arrival)
{
    char text[NUM_INT64_MAX_LEN];
    int64_t expire_ms = (int64_t)((arrival + NS_PER_MS - 1) / NS_PER_MS);
    struct slice value = slice_make(text, num_format_int64(text, (int64_t)arrival));
    txn_set_string(ex->txn, ref, value, expire_ms, EVENT_SET);
    txn_commit(ex->txn, ref, EVENT_EXPIRE);
    set_args_log(ex, ex->keys[0].name, value, expire_ms);
}

void cmd_cl_throttle(struct exec *ex)
{
    struct limiter l;
    struct ref ref;
    int64_t stored;
    if (!parse(ex, &l) || !find_typed(ex, 0, TYPE_STRING, &ref))
        return;
    if (!string_read_int(ref.entry, &stored)) {
        fail(ex, ERROR_NOT_INTEGER);
        return;
    }
    struct verdict v = judge(&l, stored);
    if (v.arrival > INT64_MAX) {
        fail(ex, ERROR_OUT_OF_RANGE);
        return;
    }
    if (!v.limited && v.arrival > l.now && l.quantity)
        store(ex, &ref, v.arrival);
    answer(ex, &l, &v);
}
