/* Random members. A table picks a random bucket and slot and tries again when it hit an empty one,
 * so each member is equally likely; several different members are found by selection sampling
 * (Knuth, TAOCP 2, 3.4.2, algorithm S) in one walk, or by picking and remembering when the sample
 * is much smaller than the set. */
#include "base/assert.h"
#include "ds/intset.h"
#include "ds/packed.h"
#include "store/set.h"

enum {
    WALK_FACTOR = 3, /* a sample larger than 1/3 of the set is chosen by a walk */
    MOVE_FACTOR = 5, /* as Redis: what remains moves when it is at most 1/5 of what goes */
    FEW_POPS = 4,    /* so many members are popped one by one from packed sets and intsets */
};

/* Picks a member and returns what tells it from others while the set does not change: never 0. */
static uint64_t pick(const struct set *s, struct rng *rng, struct set_member *out)
{
    if (s->encoding == ENC_TABLE) {
        const struct member *node = table_random(s->root, rng);
        set_member_init(out, member_name(node));
        return (uint64_t)(uintptr_t)node;
    }
    uint32_t index = (uint32_t)rng_below(rng, set_len(s));
    if (s->encoding == ENC_INTSET) {
        set_member_init_number(out, intset_get(s->root, index));
        return (uint64_t)index + 1;
    }
    uint32_t at = packed_seek(s->root, index);
    struct packed_value v = packed_get(s->root, at);
    if (v.ptr)
        set_member_init(out, slice_make(v.ptr, v.len));
    else
        set_member_init_number(out, v.num);
    return at;
}

HOT void set_random(const struct set *s, struct rng *rng, struct set_member *out)
{
    pick(s, rng, out);
}

/* ---- different members ---- */

static void sample_by_walk(const struct set *s, struct rng *rng, uint64_t count, set_visit_fn visit,
                           void *arg)
{
    struct set_iter it;
    struct set_member m;
    uint64_t left = set_len(s);
    set_iter_init(&it, s);
    while (count && set_iter_next(&it, &m)) {
        if (rng_below(rng, left--) >= count)
            continue;
        visit(arg, &m);
        count--;
    }
}

/* A set of numbers other than 0, open-addressed. */
struct seen {
    uint64_t *slots;
    unsigned bits;
};

static bool seen_add(struct seen *seen, uint64_t value)
{
    uint64_t mask = ((uint64_t)1 << seen->bits) - 1;
    uint64_t at = (value * 0x9e3779b97f4a7c15ULL) >> (64 - seen->bits);
    while (seen->slots[at]) {
        if (seen->slots[at] == value)
            return false;
        at = (at + 1) & mask;
    }
    seen->slots[at] = value;
    return true;
}

static void sample_by_picks(const struct set *s, struct rng *rng, uint64_t count,
                            set_visit_fn visit, void *arg)
{
    struct seen seen = {.bits = 4};
    struct set_member m;
    while ((uint64_t)1 << seen.bits < 2 * count)
        seen.bits++;
    size_t bytes = sizeof(uint64_t) << seen.bits;
    seen.slots = mem_zalloc(MEM_OTHER, bytes);
    while (count) {
        if (!seen_add(&seen, pick(s, rng, &m)))
            continue;
        visit(arg, &m);
        count--;
    }
    mem_free(MEM_OTHER, seen.slots, bytes);
}

void set_sample(const struct set *s, struct rng *rng, uint64_t count, set_visit_fn visit, void *arg)
{
    ASSERT(count < set_len(s));
    if (s->encoding == ENC_PACKED || count > set_len(s) / WALK_FACTOR)
        sample_by_walk(s, rng, count, visit, arg);
    else
        sample_by_picks(s, rng, count, visit, arg);
}

/* ---- SPOP ---- */

static void pop_each(struct set *s, struct rng *rng, uint64_t count, set_visit_fn visit, void *arg)
{
    struct set_member m;
    while (count--) {
        pick(s, rng, &m);
        visit(arg, &m);
        set_remove(s, &m);
    }
}

/* Copies what stays into a new block of the same encoding. */
static void pop_by_walk(struct set *s, struct rng *rng, uint64_t count, set_visit_fn visit,
                        void *arg)
{
    struct set kept = set_create_as(s->encoding);
    struct set_iter it;
    struct set_member m;
    uint64_t left = set_len(s);
    set_iter_init(&it, s);
    while (set_iter_next(&it, &m)) {
        if (rng_below(rng, left--) < count) {
            visit(arg, &m);
            count--;
        } else if (kept.encoding == ENC_INTSET) {
            kept.root = intset_add(kept.root, m.number, NULL);
        } else {
            kept.root = packed_append(kept.root, set_member_text(&m));
        }
    }
    set_destroy(*s);
    *s = kept;
}

/* Moves what stays to a new set and leaves the rest where it is. */
static void pop_by_moving(struct set *s, struct rng *rng, set_visit_fn visit, void *arg,
                          uint64_t staying, struct set *rest)
{
    struct set kept = set_create_as(ENC_PACKED);
    struct set_iter it;
    struct set_member m;
    while (staying--) {
        pick(s, rng, &m);
        set_add(&kept, &m);
        set_remove(s, &m);
    }
    set_iter_init(&it, s);
    while (set_iter_next(&it, &m))
        visit(arg, &m);
    *rest = *s;
    *s = kept;
}

/* Members that expire stay in the table that knows when. */
static bool expires(const struct set *s)
{
    const struct deadlines *d = ((const struct member_table *)s->root)->deadlines;
    return d && d->heap.len;
}

void set_pop(struct set *s, struct rng *rng, uint64_t count, set_visit_fn visit, void *arg,
             struct set *rest)
{
    uint64_t len = set_len(s), staying = len - count;
    ASSERT(count < len);
    *rest = (struct set){s->encoding, NULL};
    if (s->encoding != ENC_TABLE && count > FEW_POPS)
        pop_by_walk(s, rng, count, visit, arg);
    else if (s->encoding == ENC_TABLE && staying <= count / MOVE_FACTOR && !expires(s))
        pop_by_moving(s, rng, visit, arg, staying, rest);
    else
        pop_each(s, rng, count, visit, arg);
}
