#include "store/zset_ops.h"

#include "store/settings.h"
#include "store/zset_packed.h"
#include "store/zset_tree.h"

#include <math.h>
#include <stdlib.h>

/* ---- sources ---- */

static size_t source_len(const struct zset_source *s)
{
    if (s->type == TYPE_ZSET)
        return zset_len(&s->zset);
    return s->type == TYPE_SET ? (size_t)set_len(&s->set) : 0;
}

static int compare_sources(const void *a, const void *b)
{
    const struct zset_source *x = a, *y = b;
    size_t p = source_len(x), q = source_len(y);
    if (p != q)
        return p < q ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static void smallest_first(struct zset_source *sources, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sources[i].index = (uint32_t)i;
    qsort(sources, count, sizeof(*sources), compare_sources);
}

/* Over the members of a source. The one last returned is in `member`, ready to be looked up
 * elsewhere. */
struct walk {
    const struct zset_source *source;

    union {
        struct zset_iter zset;
        struct set_iter set;
    };
    struct zset_item item;
    struct set_member member;
    double score;
};

static void walk_init(struct walk *w, const struct zset_source *source)
{
    w->source = source;
    w->score = 1;
    if (source->type == TYPE_ZSET)
        zset_iter_init(&w->zset, &source->zset, zset_all(&source->zset), false);
    else if (source->type == TYPE_SET)
        set_iter_init(&w->set, &source->set);
}

static bool walk_next(struct walk *w)
{
    if (w->source->type == TYPE_SET)
        return set_iter_next(&w->set, &w->member);
    if (w->source->type != TYPE_ZSET || !zset_iter_next(&w->zset, &w->item))
        return false;
    set_member_init(&w->member, w->item.member);
    w->score = w->item.score;
    return true;
}

static bool find_score(const struct zset_source *s, struct set_member *member, double *score)
{
    *score = 1;
    if (s->type == TYPE_SET)
        return set_contains(&s->set, member);
    if (s->type != TYPE_ZSET)
        return false;
    struct slice name = set_member_text(member);
    if (s->zset.encoding == ENC_PACKED)
        return zset_score(&s->zset, name, score);
    struct table_pos pos;
    const struct member *m = zset_tree_find(s->zset.tree, name, set_member_hash(member), &pos);
    if (m)
        *score = member_score(m);
    return m != NULL;
}

/* ---- results ---- */

static double number_or_zero(double value)
{
    return isnan(value) ? 0 : value; /* inf × 0 and inf - inf, as in Redis */
}

static double aggregated(enum zset_aggregate aggregate, double a, double b)
{
    if (aggregate == AGGREGATE_SUM || aggregate == AGGREGATE_COUNT)
        return number_or_zero(a + b);
    return aggregate == AGGREGATE_MIN ? (b < a ? b : a) : (b > a ? b : a);
}

/* What a source puts in for a member that has this score there. */
static double contribution(enum zset_aggregate aggregate, const struct zset_source *s, double score)
{
    return aggregate == AGGREGATE_COUNT ? s->weight : s->weight * score;
}

struct result {
    struct zset_tree *tree;
    size_t longest;
};

static struct result result_begin(void)
{
    return (struct result){zset_tree_create(), 0};
}

static struct member *result_add(struct result *r, struct set_member *member, double score,
                                 bool *added)
{
    struct slice name = set_member_text(member);
    r->longest = MAX(r->longest, name.len);
    return zset_tree_collect(r->tree, name, set_member_hash(member), score, added);
}

static unsigned char *packed_from(const struct ttree *order)
{
    unsigned char *p = packed_create();
    struct ttree_iter it = ttree_first(order);
    for (; ttree_iter_valid(it); ttree_iter_next(&it))
        p = zset_packed_append(p, member_name(ttree_iter_item(it)), ttree_iter_score(it));
    return p;
}

static struct zset result_end(struct result *r)
{
    struct zset_tree *t = r->tree;
    zset_tree_finish(t);
    if (t->members.used > store_settings.zset_max_listpack_entries ||
        r->longest > store_settings.zset_max_listpack_value ||
        !packed_can_add(NULL, r->longest * t->members.used))
        return (struct zset){ENC_TREE, {t}};
    struct zset small = {ENC_PACKED, {packed_from(&t->order)}};
    zset_tree_destroy(t);
    return small;
}

/* ---- union ---- */

static void union_with(struct result *r, const struct zset_source *source,
                       enum zset_aggregate aggregate)
{
    struct walk w;
    for (walk_init(&w, source); walk_next(&w);) {
        double score = number_or_zero(contribution(aggregate, source, w.score));
        bool added;
        struct member *m = result_add(r, &w.member, score, &added);
        if (!added)
            member_set_score(m, aggregated(aggregate, member_score(m), score));
    }
}

struct zset zset_union(struct zset_source *sources, size_t count, enum zset_aggregate aggregate)
{
    struct result r = result_begin();
    smallest_first(sources, count);
    table_reserve(&r.tree->members, source_len(&sources[count - 1]));
    for (size_t i = 0; i < count; i++)
        union_with(&r, &sources[i], aggregate);
    return result_end(&r);
}

/* ---- intersection ---- */

/* Steps to the next member that is in all sources; `score` becomes its aggregate. */
static bool next_common(struct walk *w, const struct zset_source *sources, size_t count,
                        enum zset_aggregate aggregate, double *score)
{
    while (walk_next(w)) {
        double value;
        size_t i = 1;
        *score = number_or_zero(contribution(aggregate, &sources[0], w->score));
        for (; i < count && find_score(&sources[i], &w->member, &value); i++)
            *score = aggregated(aggregate, *score, contribution(aggregate, &sources[i], value));
        if (i == count)
            return true;
    }
    return false;
}

struct zset zset_inter(struct zset_source *sources, size_t count, enum zset_aggregate aggregate)
{
    struct result r = result_begin();
    struct walk w;
    double score;
    bool added;
    smallest_first(sources, count);
    walk_init(&w, &sources[0]);
    while (next_common(&w, sources, count, aggregate, &score))
        result_add(&r, &w.member, score, &added);
    return result_end(&r);
}

size_t zset_inter_count(struct zset_source *sources, size_t count, size_t limit)
{
    struct walk w;
    double score;
    size_t found = 0;
    smallest_first(sources, count);
    walk_init(&w, &sources[0]);
    while (next_common(&w, sources, count, AGGREGATE_SUM, &score))
        if (++found == limit)
            break;
    return found;
}

/* ---- difference ---- */

static bool in_any(const struct zset_source *sources, size_t count, struct set_member *member)
{
    double score;
    for (size_t i = 0; i < count; i++)
        if (find_score(&sources[i], member, &score))
            return true;
    return false;
}

static void keep_unmatched(struct result *r, const struct zset_source *sources, size_t count)
{
    struct walk w;
    bool added;
    for (walk_init(&w, &sources[0]); walk_next(&w);)
        if (!in_any(sources + 1, count - 1, &w.member))
            result_add(r, &w.member, w.score, &added);
}

static void collect_and_strike(struct result *r, const struct zset_source *sources, size_t count)
{
    struct walk w;
    bool added;
    struct table *members = &r->tree->members;
    for (walk_init(&w, &sources[0]); walk_next(&w);)
        result_add(r, &w.member, w.score, &added);
    for (size_t i = 1; i < count && members->used; i++)
        for (walk_init(&w, &sources[i]); walk_next(&w) && members->used;) {
            struct table_pos pos;
            uint64_t hash = set_member_hash(&w.member);
            struct member *m = zset_tree_find(r->tree, set_member_text(&w.member), hash, &pos);
            if (!m)
                continue;
            table_remove(members, hash, pos, member_hash);
            member_free(m);
        }
}

/* Redis's `longest` counts members of the result only; struck ones must not count. */
static void measure(struct result *r)
{
    struct table_iter it;
    const struct member *m;
    r->longest = 0;
    table_iter_init(&it, &r->tree->members);
    while ((m = table_iter_next(&it)))
        r->longest = MAX(r->longest, member_name(m).len);
}

struct zset zset_diff(const struct zset_source *sources, size_t count)
{
    struct result r = result_begin();
    double total = 0, first = (double)source_len(&sources[0]);
    for (size_t i = 0; i < count; i++)
        total += (double)source_len(&sources[i]);
    if (first * (double)count / 2 <= total) {
        keep_unmatched(&r, sources, count);
    } else {
        collect_and_strike(&r, sources, count);
        measure(&r);
    }
    return result_end(&r);
}
