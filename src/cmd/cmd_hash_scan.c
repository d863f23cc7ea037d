/* HSCAN and HRANDFIELD. */
#include "cmd/exec.h"
#include "cmd/scan_args.h"
#include "store/hash.h"

/* ---- HSCAN ---- */

struct scan_reply {
    struct reply *reply;
    struct scan_args args;
    size_t count;
};

static void scan_visit(void *arg, struct slice field, struct slice value)
{
    struct scan_reply *scan = arg;
    if (!scan_matches(&scan->args, field))
        return;
    reply_bulk(scan->reply, field);
    if (!scan->args.names_only)
        reply_bulk(scan->reply, value);
    scan->count += scan->args.names_only ? 1 : 2;
}

static void reply_scan(struct scan_reply *scan, struct hash h, uint64_t cursor)
{
    char text[NUM_INT64_MAX_LEN];
    uint64_t count = (uint64_t)scan->args.count;
    /* The next cursor is answered before the fields, so a first walk finds it. */
    uint64_t next = hash_scan(h, cursor, count, NULL, NULL);
    reply_array(scan->reply, 2);
    reply_bulk(scan->reply, slice_make(text, num_format_uint64(text, next)));
    struct output_mark mark = reply_defer(scan->reply);
    hash_scan(h, cursor, count, scan_visit, scan);
    reply_defer_end(scan->reply, mark, REPLY_ARRAY, scan->count);
}

void cmd_hscan(struct exec *ex)
{
    struct scan_reply scan = {.reply = ex->reply};
    struct ref ref;
    uint64_t cursor;
    if (!scan_cursor_arg(ex, 2, &cursor) || !read_typed(ex, 0, TYPE_HASH, &ref))
        return;
    if (!ref.entry) { /* as in Redis, before the options are looked at */
        reply_array(ex->reply, 2);
        reply_bulk(ex->reply, SLICE("0"));
        reply_array(ex->reply, 0);
    } else if (scan_options(ex, 3, SCAN_HASH, &scan.args) &&
               !defer(ex, scan_cost(&scan.args, hash_len(hash_of(ref.entry))))) {
        reply_scan(&scan, hash_of(ref.entry), cursor);
    }
}

/* ---- HRANDFIELD ---- */

struct random_reply {
    struct reply *reply;
    bool with_values;
};

static void random_visit(void *arg, struct slice field, struct slice value)
{
    const struct random_reply *random = arg;
    if (random->with_values && random->reply->proto == REPLY_RESP3)
        reply_array(random->reply, 2);
    reply_bulk(random->reply, field);
    if (random->with_values)
        reply_bulk(random->reply, value);
}

static void announce(const struct random_reply *random, uint64_t count)
{
    bool flat = random->with_values && random->reply->proto != REPLY_RESP3;
    reply_array(random->reply, flat ? count * 2 : count);
}

/* With repetition, in batches so that the size of the reply is looked at now and then. */
static void reply_repeated(struct exec *ex, struct random_reply *random, struct hash h,
                           uint64_t count)
{
    enum {
        BATCH = 4096
    };
    struct output_mark start = output_mark(ex->reply->out);
    if (count > REPEATS_MAX) {
        fail(ex, ERROR_OUT_OF_RANGE);
        return;
    }
    announce(random, count);
    for (uint64_t batch; count; count -= batch) {
        batch = MIN(count, (uint64_t)BATCH);
        hash_pick(h, &ex->txn->rng, batch, random_visit, random);
        if (unlikely(buf_len(&ex->reply->out->bytes) - start.len > REPEATS_BYTES_MAX)) {
            output_rewind(ex->reply->out, start);
            fail(ex, ERROR_OUT_OF_RANGE);
            return;
        }
    }
}

/* argv[2] and argv[3]. False: answered. */
static bool random_args(struct exec *ex, int64_t *count, bool *with_values)
{
    if (!arg_int(ex, 2, count, NULL))
        return false;
    if (*count == INT64_MIN)
        return fail(ex, ERROR_COUNT_RANGE);
    *with_values = ex->argc == 4 && arg_is(ex, 3, "withvalues");
    if (ex->argc > 4 || (ex->argc == 4 && !*with_values))
        return fail_syntax(ex);
    if (*with_values && (*count < -INT64_MAX / 2 || *count > INT64_MAX / 2))
        return fail(ex, ERROR_OUT_OF_RANGE);
    return true;
}

static void reply_many(struct exec *ex)
{
    struct random_reply random = {.reply = ex->reply};
    struct ref ref;
    int64_t count;
    if (!random_args(ex, &count, &random.with_values) || !read_typed(ex, 0, TYPE_HASH, &ref))
        return;
    if (!ref.entry || count == 0) {
        reply_array(ex->reply, 0);
        return;
    }
    struct hash h = hash_of(ref.entry);
    uint64_t repeats = (uint64_t)-count, fields = MIN((uint64_t)count, hash_len(h));
    if (defer(ex, COST_LOOKUP * (count < 0 ? MIN(repeats, (uint64_t)REPEATS_MAX) : fields)))
        return;
    if (count < 0) {
        reply_repeated(ex, &random, h, repeats);
        return;
    }
    announce(&random, fields);
    hash_pick_unique(h, &ex->txn->rng, fields, random_visit, &random);
}

void cmd_hrandfield(struct exec *ex)
{
    struct random_reply random = {.reply = ex->reply};
    struct ref ref;
    if (ex->argc > 2)
        reply_many(ex);
    else if (!read_typed(ex, 0, TYPE_HASH, &ref))
        return;
    else if (ref.entry)
        hash_pick(hash_of(ref.entry), &ex->txn->rng, 1, random_visit, &random);
    else
        reply_null(ex->reply);
}
