/* Intersection, union and difference of sets, answered, counted or stored. */
#include "cmd/cmd_set.h"
#include "store/hll.h"
#include "store/set_ops.h"

enum {
    FEW_SOURCES = 16
};

/* The source sets of a command; a missing key has a NULL root. */
struct sources {
    struct set *sets;
    uint32_t count;
    struct set few[FEW_SOURCES];
};

/* Looks up ex->keys from `first` on. False: WRONGTYPE was answered. Roots stay where they are,
 * whatever the lookups move. */
static bool sources_open(struct exec *ex, uint32_t first, struct sources *src)
{
    src->count = ex->key_count - first;
    src->sets = src->count <= FEW_SOURCES ? src->few
                                          : mem_alloc(MEM_OTHER, src->count * sizeof(struct set));
    for (uint32_t i = 0; i < src->count; i++) {
        struct ref ref;
        if (!read_typed(ex, first + i, TYPE_SET, &ref)) {
            if (src->sets != src->few)
                mem_free(MEM_OTHER, src->sets, src->count * sizeof(struct set));
            return false;
        }
        src->sets[i] = ref.entry ? set_of(ref.entry) : (struct set){ENC_INTSET, NULL};
    }
    return true;
}

static void sources_close(struct sources *src)
{
    if (src->sets != src->few)
        mem_free(MEM_OTHER, src->sets, src->count * sizeof(struct set));
}

/* ---- answered ---- */

static uint64_t show_intersection(struct sources *src, struct reply *r)
{
    return set_intersect(src->sets, src->count, 0, reply_member, r);
}

static uint64_t show_union(struct sources *src, struct reply *r)
{
    return set_unite(src->sets, src->count, reply_member, r);
}

static uint64_t show_difference(struct sources *src, struct reply *r)
{
    return set_subtract(src->sets, src->count, reply_member, r);
}

static void answer(struct exec *ex, uint64_t (*show)(struct sources *src, struct reply *r))
{
    struct sources src;
    if (!sources_open(ex, 0, &src))
        return;
    struct output_mark mark = reply_defer(ex->reply);
    reply_defer_end(ex->reply, mark, REPLY_SET, show(&src, ex->reply));
    sources_close(&src);
}

void cmd_sinter(struct exec *ex)
{
    answer(ex, show_intersection);
}

void cmd_sunion(struct exec *ex)
{
    answer(ex, show_union);
}

void cmd_sdiff(struct exec *ex)
{
    answer(ex, show_difference);
}

/* ---- stored ---- */

/* The result becomes the value of the first key, or the key goes when the result is empty. */
static void publish(struct exec *ex, struct set result, enum event event)
{
    struct ref ref;
    uint64_t len = set_len(&result);
    bool exists = txn_find(ex->txn, &ex->keys[0], &ref);
    if (len) {
        txn_set_collection(ex->txn, &ref, TYPE_SET, result.encoding, result.root, event);
    } else {
        set_destroy(result);
        if (exists)
            txn_delete(ex->txn, &ref, false, EVENT_DEL);
    }
    reply_int(ex->reply, (int64_t)len);
}

void cmd_sinterstore(struct exec *ex)
{
    struct sources src;
    if (!sources_open(ex, 1, &src))
        return;
    publish(ex, set_intersection(src.sets, src.count), EVENT_SINTERSTORE);
    sources_close(&src);
}

void cmd_sunionstore(struct exec *ex)
{
    struct sources src;
    if (!sources_open(ex, 1, &src))
        return;
    publish(ex, set_union(src.sets, src.count), EVENT_SUNIONSTORE);
    sources_close(&src);
}

void cmd_sdiffstore(struct exec *ex)
{
    struct sources src;
    if (!sources_open(ex, 1, &src))
        return;
    publish(ex, set_difference(src.sets, src.count), EVENT_SDIFFSTORE);
    sources_close(&src);
}

/* ---- counted ---- */

struct count_request {
    int64_t keys, limit;
    bool approximate;
};

static bool parse_count_options(struct exec *ex, bool approximable, struct count_request *r)
{
    for (uint32_t at = 2 + (uint32_t)r->keys; at < ex->argc; at++) {
        if (approximable && arg_is(ex, at, "approx")) {
            r->approximate = true;
            continue;
        }
        if (!arg_is(ex, at, "limit") || ++at == ex->argc)
            return fail_syntax(ex);
        if (!arg_int_range(ex, at, 0, INT64_MAX, &r->limit, "ERR LIMIT can't be negative"))
            return false;
    }
    return true;
}

/* Reads "numkeys key … [options]" and opens the sets. False: an error was answered. */
static bool count_begin(struct exec *ex, bool approximable, struct count_request *r,
                        struct sources *src)
{
    *r = (struct count_request){.limit = 0};
    if (!arg_int_range(ex, 1, 1, INT64_MAX, &r->keys, "ERR numkeys should be greater than 0"))
        return false;
    if (r->keys > (int64_t)ex->argc - 2)
        return fail(ex, "ERR Number of keys can't be greater than number of args");
    return parse_count_options(ex, approximable, r) && sources_open(ex, 0, src);
}

void cmd_sintercard(struct exec *ex)
{
    struct count_request r;
    struct sources src;
    if (!count_begin(ex, false, &r, &src))
        return;
    reply_int(ex->reply,
              (int64_t)set_intersect(src.sets, src.count, (uint64_t)r.limit, NULL, NULL));
    sources_close(&src);
}

void cmd_sdiffcard(struct exec *ex)
{
    struct count_request r;
    struct sources src;
    if (!count_begin(ex, false, &r, &src))
        return;
    reply_int(ex->reply, (int64_t)set_difference_count(src.sets, src.count, (uint64_t)r.limit));
    sources_close(&src);
}

/* A HyperLogLog's estimate: no memory for the members, an error of about 0.8 %. */
static uint64_t estimate_union(const struct sources *src)
{
    uint8_t registers[HLL_REGISTERS] = {0};
    for (uint32_t i = 0; i < src->count; i++) {
        struct set_iter it;
        struct set_member m;
        if (!src->sets[i].root)
            continue;
        set_iter_init(&it, &src->sets[i]);
        while (set_iter_next(&it, &m)) {
            struct hll_point point = hll_point(set_member_text(&m));
            registers[point.index] = MAX(registers[point.index], point.count);
        }
    }
    return hll_count_registers(registers);
}

void cmd_sunioncard(struct exec *ex)
{
    struct count_request r;
    struct sources src;
    if (!count_begin(ex, true, &r, &src))
        return;
    uint64_t limit = (uint64_t)r.limit, found;
    if (r.approximate)
        found = MIN(estimate_union(&src), limit ? limit : UINT64_MAX);
    else
        found = set_union_count(src.sets, src.count, limit);
    reply_int(ex->reply, (int64_t)found);
    sources_close(&src);
}
