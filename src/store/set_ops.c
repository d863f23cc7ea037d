#include "store/set_ops.h"

#include <stdlib.h>

enum {
    UNITE_PROBED = 4
}; /* so many sets are united by asking the ones before, without a set of what was seen */

struct builder { /* a result in the making */
    struct set set;
    bool only_numbers;
};

static void build_visit(void *arg, struct set_member *m)
{
    struct builder *b = arg;
    int64_t number;
    if (b->only_numbers && !set_member_number(m, &number))
        b->only_numbers = false;
    set_add(&b->set, m);
}

static void show_all(const struct set *s, set_visit_fn visit, void *arg)
{
    struct set_iter it;
    struct set_member m;
    set_iter_init(&it, s);
    while (set_iter_next(&it, &m))
        visit(arg, &m);
}

static uint64_t len_or_0(const struct set *s)
{
    return s->root ? set_len(s) : 0;
}

/* ---- intersection ---- */

static int by_len(const void *a, const void *b)
{
    uint64_t x = len_or_0(a), y = len_or_0(b);
    return (x > y) - (x < y);
}

static int by_len_down(const void *a, const void *b)
{
    return by_len(b, a);
}

static bool in_all(const struct set *sets, uint32_t count, const void *but, struct set_member *m)
{
    for (uint32_t i = 0; i < count; i++)
        if (sets[i].root != but && !set_contains(&sets[i], m))
            return false;
    return true;
}

uint64_t set_intersect(struct set *sets, uint32_t count, uint64_t limit, set_visit_fn visit,
                       void *arg)
{
    qsort(sets, count, sizeof(*sets), by_len);
    if (!sets[0].root)
        return 0;
    struct set_iter it;
    struct set_member m;
    uint64_t found = 0;
    set_iter_init(&it, &sets[0]);
    while ((limit == 0 || found < limit) && set_iter_next(&it, &m)) {
        if (!in_all(sets + 1, count - 1, sets[0].root, &m))
            continue;
        found++;
        if (visit)
            visit(arg, &m);
    }
    return found;
}

struct set set_intersection(struct set *sets, uint32_t count)
{
    qsort(sets, count, sizeof(*sets), by_len);
    bool intset = sets[0].root && sets[0].encoding == ENC_INTSET;
    struct builder b = {set_create_as(intset ? ENC_INTSET : ENC_PACKED), true};
    if (set_intersect(sets, count, 0, build_visit, &b) && b.only_numbers)
        set_prefer_intset(&b.set);
    return b.set;
}

/* ---- union ---- */

struct set set_union(const struct set *sets, uint32_t count)
{
    struct builder b = {set_create_as(ENC_INTSET), false};
    for (uint32_t i = 0; i < count; i++)
        if (sets[i].root)
            show_all(&sets[i], build_visit, &b);
    return b.set;
}

static bool in_any(const struct set *sets, uint32_t count, struct set_member *m)
{
    for (uint32_t i = 0; i < count; i++)
        if (sets[i].root && set_contains(&sets[i], m))
            return true;
    return false;
}

static uint64_t unite_probing(const struct set *sets, uint32_t count, set_visit_fn visit, void *arg)
{
    uint64_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct set_iter it;
        struct set_member m;
        if (!sets[i].root)
            continue;
        set_iter_init(&it, &sets[i]);
        while (set_iter_next(&it, &m)) {
            if (in_any(sets, i, &m))
                continue;
            visit(arg, &m);
            found++;
        }
    }
    return found;
}

/* Shows a built result and drops it. */
static uint64_t show_built(struct set result, set_visit_fn visit, void *arg)
{
    uint64_t len = set_len(&result);
    show_all(&result, visit, arg);
    set_release(result);
    return len;
}

static bool all_intsets(const struct set *sets, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (sets[i].root && sets[i].encoding != ENC_INTSET)
            return false;
    return true;
}

uint64_t set_unite(const struct set *sets, uint32_t count, set_visit_fn visit, void *arg)
{
    /* A union of integers comes in ascending order, hence is built. */
    if (count <= UNITE_PROBED && (count == 1 || !all_intsets(sets, count)))
        return unite_probing(sets, count, visit, arg);
    return show_built(set_union(sets, count), visit, arg);
}

/* Adds members of a set until there are `limit`. */
static void build_up_to(struct builder *b, const struct set *s, uint64_t limit)
{
    struct set_iter it;
    struct set_member m;
    set_iter_init(&it, s);
    while (set_len(&b->set) < limit && set_iter_next(&it, &m))
        build_visit(b, &m);
}

uint64_t set_union_count(const struct set *sets, uint32_t count, uint64_t limit)
{
    uint64_t sum = 0, largest = 0;
    uint64_t enough = limit ? limit : UINT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        sum += len_or_0(&sets[i]);
        largest = MAX(largest, len_or_0(&sets[i]));
    }
    if (largest >= enough || largest == sum) /* one set alone decides */
        return MIN(largest, enough);
    struct builder b = {set_create_as(ENC_INTSET), false};
    for (uint32_t i = 0; i < count; i++)
        if (sets[i].root)
            build_up_to(&b, &sets[i], enough);
    uint64_t found = set_len(&b.set);
    set_release(b.set);
    return found;
}

/* ---- difference ---- */

/* As Redis weighs it: asking the others does half the work per step. */
static bool asking_is_cheaper(const struct set *sets, uint32_t count)
{
    uint64_t asking = 0, removing = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!sets[i].root)
            continue;
        asking += set_len(&sets[0]);
        removing += set_len(&sets[i]);
    }
    return asking / 2 <= removing;
}

static bool subtracts_itself(const struct set *sets, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        if (sets[i].root == sets[0].root)
            return true;
    return false;
}

/* At most `limit` members (0: all); visit may be NULL. */
static uint64_t subtract_asking(struct set *sets, uint32_t count, uint64_t limit,
                                set_visit_fn visit, void *arg)
{
    struct set_iter it;
    struct set_member m;
    uint64_t found = 0;
    qsort(sets + 1, count - 1, sizeof(*sets),
          by_len_down); /* the largest is the likeliest to have it */
    set_iter_init(&it, &sets[0]);
    while ((limit == 0 || found < limit) && set_iter_next(&it, &m)) {
        if (in_any(sets + 1, count - 1, &m))
            continue;
        if (visit)
            visit(arg, &m);
        found++;
    }
    return found;
}

static struct set difference_removing(const struct set *sets, uint32_t count)
{
    struct builder b = {set_create_as(ENC_INTSET), false};
    show_all(&sets[0], build_visit, &b);
    for (uint32_t i = 1; i < count && set_len(&b.set); i++) {
        struct set_iter it;
        struct set_member m;
        if (!sets[i].root)
            continue;
        set_iter_init(&it, &sets[i]);
        while (set_iter_next(&it, &m))
            set_remove(&b.set, &m);
    }
    return b.set;
}

uint64_t set_subtract(struct set *sets, uint32_t count, set_visit_fn visit, void *arg)
{
    if (!sets[0].root || subtracts_itself(sets, count))
        return 0;
    if (asking_is_cheaper(sets, count))
        return subtract_asking(sets, count, 0, visit, arg);
    return show_built(difference_removing(sets, count), visit, arg);
}

struct set set_difference(struct set *sets, uint32_t count)
{
    struct builder b = {{ENC_INTSET, NULL}, false};
    if (!sets[0].root || subtracts_itself(sets, count))
        return set_create_as(ENC_INTSET);
    if (!asking_is_cheaper(sets, count))
        return difference_removing(sets, count);
    b.set = set_create_as(ENC_INTSET);
    subtract_asking(sets, count, 0, build_visit, &b);
    return b.set;
}

uint64_t set_difference_count(struct set *sets, uint32_t count, uint64_t limit)
{
    if (!sets[0].root || subtracts_itself(sets, count))
        return 0;
    if (limit || asking_is_cheaper(sets, count))
        return subtract_asking(sets, count, limit, NULL, NULL);
    struct set result = difference_removing(sets, count);
    uint64_t found = set_len(&result);
    set_release(result);
    return found;
}
