/* Union, intersection and difference of sorted sets and sets: answered, stored, counted. */
#include "base/mem.h"
#include "cmd/cmd_zset.h"
#include "cmd/effect_value.h"
#include "store/zset_ops.h"

enum {
    FEW_SOURCES = 16
};

enum set_op {
    OP_UNION,
    OP_INTER,
    OP_DIFF,
    OP_COUNT
};

struct operation {
    enum set_op op;
    bool store; /* the first key is the destination */
    bool scores;
    enum zset_aggregate aggregate;
    int64_t limit;
    struct zset_source *sources;
    uint32_t count;
    struct zset_source few[FEW_SOURCES];
};

/* ---- arguments: checked in the order of Redis ---- */

static bool parse_numkeys(struct exec *ex, struct operation *o)
{
    uint32_t at = o->store ? 2 : 1;
    int64_t count;
    if (!arg_int(ex, at, &count, NULL))
        return false;
    if (count < 1) {
        reply_errorf(ex->reply, "ERR at least 1 input key is needed for '%s' command",
                     ex->cmd->full_name);
        return false;
    }
    if (count > (int64_t)(ex->argc - at - 1))
        return fail_syntax(ex);
    o->count = (uint32_t)count;
    return true;
}

static bool find_source(struct exec *ex, uint32_t at, struct zset_source *s)
{
    struct ref ref;
    *s = (struct zset_source){.type = TYPE_COUNT, .weight = 1};
    if (!txn_find_read(ex->txn, &ex->keys[at], &ref))
        return true;
    s->type = entry_type(ref.entry);
    if (s->type == TYPE_ZSET)
        s->zset = zset_of(ref.entry);
    else if (s->type == TYPE_SET)
        s->set = set_of(ref.entry);
    else
        return fail(ex, ERROR_WRONGTYPE);
    return true;
}

/* Roots stay where they are, whatever later lookups move. */
static bool find_sources(struct exec *ex, struct operation *o)
{
    for (uint32_t i = 0; i < o->count; i++)
        if (!find_source(ex, o->store + i, &o->sources[i]))
            return false;
    return true;
}

static bool parse_weights(struct exec *ex, struct operation *o, uint32_t at)
{
    for (uint32_t i = 0; i < o->count; i++)
        if (!arg_double(ex, at + i, &o->sources[i].weight, "ERR weight value is not a float"))
            return false;
    return true;
}

static bool parse_aggregate(struct exec *ex, struct operation *o, uint32_t at)
{
    if (arg_is(ex, at, "sum"))
        o->aggregate = AGGREGATE_SUM;
    else if (arg_is(ex, at, "min"))
        o->aggregate = AGGREGATE_MIN;
    else if (arg_is(ex, at, "max"))
        o->aggregate = AGGREGATE_MAX;
    else if (arg_is(ex, at, "count"))
        o->aggregate = AGGREGATE_COUNT;
    else
        return fail_syntax(ex);
    return true;
}

/* The option at argument `at`: how many arguments it has, 0 when an error was answered. */
static uint32_t parse_option(struct exec *ex, struct operation *o, uint32_t at)
{
    uint32_t left = ex->argc - at;
    bool combines = o->op == OP_UNION || o->op == OP_INTER;
    if (combines && left > o->count && arg_is(ex, at, "weights"))
        return parse_weights(ex, o, at + 1) ? 1 + o->count : 0;
    if (combines && left >= 2 && arg_is(ex, at, "aggregate"))
        return parse_aggregate(ex, o, at + 1) ? 2 : 0;
    if (!o->store && o->op != OP_COUNT && arg_is(ex, at, "withscores")) {
        o->scores = true;
        return 1;
    }
    if (o->op == OP_COUNT && left >= 2 && arg_is(ex, at, "limit"))
        return arg_int_range(ex, at + 1, 0, INT64_MAX, &o->limit, "ERR LIMIT can't be negative")
                   ? 2
                   : 0;
    return fail_syntax(ex);
}

static bool parse_options(struct exec *ex, struct operation *o)
{
    uint32_t at = (o->store ? 3 : 2) + o->count;
    for (uint32_t used; at < ex->argc; at += used)
        if (!(used = parse_option(ex, o, at)))
            return false;
    return true;
}

/* ---- running ---- */

static struct zset compute(struct operation *o)
{
    switch (o->op) {
    case OP_UNION:
        return zset_union(o->sources, o->count, o->aggregate);
    case OP_INTER:
        return zset_inter(o->sources, o->count, o->aggregate);
    default:
        return zset_diff(o->sources, o->count);
    }
}

static void finish(struct exec *ex, struct operation *o)
{
    static const enum event stored[] = {EVENT_ZUNIONSTORE, EVENT_ZINTERSTORE, EVENT_ZDIFFSTORE};

    if (o->op == OP_COUNT) {
        reply_int(ex->reply, (int64_t)zset_inter_count(o->sources, o->count, (size_t)o->limit));
        return;
    }
    struct zset result = compute(o);
    if (o->store) {
        zset_publish(ex, &result, stored[o->op]);
        if (o->aggregate == AGGREGATE_COUNT)
            effect_value(ex, &ex->keys[0]); /* Redis 7 cannot count */
        return;
    }
    zset_reply_span(ex, &result, zset_all(&result), false, o->scores);
    value_release(TYPE_ZSET, result.encoding, result.root);
}

static void run(struct exec *ex, enum set_op op, bool store)
{
    struct operation o = {.op = op, .store = store};
    if (!parse_numkeys(ex, &o))
        return;
    size_t size = o.count * sizeof(*o.sources);
    o.sources = o.count <= FEW_SOURCES ? o.few : mem_alloc(MEM_OTHER, size);
    if (find_sources(ex, &o) && parse_options(ex, &o))
        finish(ex, &o);
    if (o.sources != o.few)
        mem_free(MEM_OTHER, o.sources, size);
}

void cmd_zunion(struct exec *ex)
{
    run(ex, OP_UNION, false);
}

void cmd_zinter(struct exec *ex)
{
    run(ex, OP_INTER, false);
}

void cmd_zdiff(struct exec *ex)
{
    run(ex, OP_DIFF, false);
}

void cmd_zunionstore(struct exec *ex)
{
    run(ex, OP_UNION, true);
}

void cmd_zinterstore(struct exec *ex)
{
    run(ex, OP_INTER, true);
}

void cmd_zdiffstore(struct exec *ex)
{
    run(ex, OP_DIFF, true);
}

void cmd_zintercard(struct exec *ex)
{
    run(ex, OP_COUNT, false);
}
