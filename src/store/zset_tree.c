#include "store/zset_tree.h"

#include "base/assert.h"

#include <stdlib.h>

static struct slice name_of(const void *item)
{
    return member_name(item);
}

static const struct ttree_type member_order = {name_of};

struct zset_tree *zset_tree_create(void)
{
    struct zset_tree *t = mem_alloc(MEM_DATA, sizeof(*t));
    table_init(&t->members);
    ttree_init(&t->order, &member_order);
    t->deadlines = NULL;
    return t;
}

static void free_member(void *entry, void *arg)
{
    member_free(entry);
}

void zset_tree_destroy(struct zset_tree *t)
{
    ttree_deinit(&t->order, NULL, NULL);
    table_deinit(&t->members, free_member, NULL);
    deadlines_destroy(t->deadlines);
    mem_free(MEM_DATA, t, sizeof(*t));
}

HOT void zset_tree_add(struct zset_tree *t, struct slice name, uint64_t hash, double score)
{
    struct member *m = member_create_scored(name, score);
    table_insert(&t->members, hash, m, member_hash);
    ttree_insert(&t->order, score, m);
}

HOT void zset_tree_rescore(struct zset_tree *t, struct member *m, double score)
{
    bool found = ttree_update(&t->order, member_score(m), m, score);
    ASSERT(found);
    member_set_score(m, score);
}

void zset_tree_remove(struct zset_tree *t, struct member *m, uint64_t hash, struct table_pos pos)
{
    bool found = ttree_remove(&t->order, member_score(m), m);
    ASSERT(found);
    if (unlikely(member_expires(m)))
        deadlines_forget(t->deadlines, m);
    table_remove(&t->members, hash, pos, member_hash);
    member_free(m);
}

struct member *zset_tree_set_deadline(struct zset_tree *t, struct member *m, struct table_pos pos,
                                      int64_t when_ms)
{
    bool moves = member_expires(m) != (when_ms != MEMBER_FOREVER);
    double score = member_score(m);
    if (moves) { /* the order compares names: it must not hold a node that is freed */
        bool found = ttree_remove(&t->order, score, m);
        ASSERT(found);
    }
    m = deadlines_set(&t->deadlines, m, when_ms);
    table_pos_set(pos, m);
    if (moves)
        ttree_insert(&t->order, score, m);
    return m;
}

static bool is_same(const void *entry, const void *key)
{
    return entry == key;
}

/* For members that are out of the order already. */
static void drop_member(void *item, double score, void *arg)
{
    struct zset_tree *t = arg;
    struct table_pos pos;
    uint64_t hash = member_hash(item);
    void *found = table_find(&t->members, hash, is_same, item, &pos);
    ASSERT(found);
    if (unlikely(member_expires(item)))
        deadlines_forget(t->deadlines, item);
    table_remove(&t->members, hash, pos, member_hash);
    member_free(item);
}

void zset_tree_remove_span(struct zset_tree *t, size_t first, size_t count)
{
    if (count)
        ttree_delete_range(&t->order, first, first + count - 1, drop_member, t);
}

struct member *zset_tree_collect(struct zset_tree *t, struct slice name, uint64_t hash,
                                 double score, bool *added)
{
    struct table_pos pos;
    struct member *m = zset_tree_find(t, name, hash, &pos);
    *added = !m;
    if (m)
        return m;
    m = member_create_scored(name, score);
    table_insert(&t->members, hash, m, member_hash);
    return m;
}

struct scored {
    double score;
    struct member *member;
};

static int compare_scored(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    return slice_compare(member_name(x->member), member_name(y->member));
}

void zset_tree_finish(struct zset_tree *t)
{
    size_t count = t->members.used;
    if (!count)
        return;
    /* Ascending insertion fills the blocks wholly. */
    struct scored *all = mem_alloc(MEM_OTHER, count * sizeof(*all)), *to = all;
    struct table_iter it;
    table_iter_init(&it, &t->members);
    for (struct member *m; (m = table_iter_next(&it)); to++)
        *to = (struct scored){member_score(m), m};
    qsort(all, count, sizeof(*all), compare_scored);
    for (size_t i = 0; i < count; i++)
        ttree_insert(&t->order, all[i].score, all[i].member);
    mem_free(MEM_OTHER, all, count * sizeof(*all));
}
