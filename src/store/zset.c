#include "store/zset.h"

#include "base/assert.h"
#include "store/deadlines.h"
#include "store/settings.h"
#include "store/zset_packed.h"
#include "store/zset_tree.h"

#include <math.h>

/* ---- making, converting ---- */

struct zset zset_create(size_t count, size_t len)
{
    if (count <= store_settings.zset_max_listpack_entries &&
        len <= store_settings.zset_max_listpack_value)
        return (struct zset){ENC_PACKED, {packed_create()}};
    struct zset z = {ENC_TREE, {zset_tree_create()}};
    table_reserve(&z.tree->members, count);
    return z;
}

void zset_destroy(struct zset *z)
{
    if (z->encoding == ENC_PACKED)
        packed_free(z->packed);
    else
        zset_tree_destroy(z->tree);
    z->root = NULL;
}

static void become_tree(struct zset *z, size_t count)
{
    unsigned char *p = z->packed;
    struct zset_tree *t = zset_tree_create();
    char scratch[NUM_INT64_MAX_LEN];
    table_reserve(&t->members, MAX(count, (size_t)zset_packed_len(p)));
    for (uint32_t at = packed_first(p); at; at = zset_packed_next(p, at)) {
        struct slice member = packed_text(p, at, scratch);
        zset_tree_add(t, member, hash_slice(member), zset_packed_score(p, at));
    }
    packed_free(p);
    *z = (struct zset){ENC_TREE, {t}};
}

void zset_expect(struct zset *z, size_t count)
{
    if (z->encoding == ENC_PACKED && count > store_settings.zset_max_listpack_entries)
        become_tree(z, count);
}

/* ---- single members ---- */

size_t zset_len(const struct zset *z)
{
    return z->encoding == ENC_PACKED ? zset_packed_len(z->packed) : ttree_len(&z->tree->order);
}

static struct member *find_in_tree(const struct zset *z, struct slice member)
{
    struct table_pos pos;
    return zset_tree_find(z->tree, member, hash_slice(member), &pos);
}

HOT bool zset_score(const struct zset *z, struct slice member, double *score)
{
    if (z->encoding == ENC_PACKED) {
        uint32_t at = zset_packed_find(z->packed, member);
        if (at)
            *score = zset_packed_score(z->packed, at);
        return at != 0;
    }
    const struct member *m = find_in_tree(z, member);
    if (m)
        *score = member_score(m);
    return m != NULL;
}

HOT bool zset_rank(const struct zset *z, struct slice member, size_t *rank, double *score)
{
    if (z->encoding == ENC_PACKED) {
        uint32_t at = zset_packed_find(z->packed, member);
        if (!at)
            return false;
        *rank = zset_packed_rank(z->packed, at);
        *score = zset_packed_score(z->packed, at);
        return true;
    }
    const struct member *m = find_in_tree(z, member);
    if (!m)
        return false;
    *score = member_score(m);
    *rank = ttree_rank_of_item(&z->tree->order, *score, m);
    return true;
}

/* What the rules make of a member that is there. *score becomes its new score when the answer is
 * ZSET_UPDATED. */
static enum zset_result decide(double current, double *score, unsigned rules)
{
    double wanted = *score;
    if (rules & ZSET_NX)
        return ZSET_REFUSED;
    if (rules & ZSET_INCR)
        wanted += current;
    if (unlikely(isnan(wanted)))
        return ZSET_NAN;
    if ((rules & ZSET_LT && wanted >= current) || (rules & ZSET_GT && wanted <= current))
        return ZSET_REFUSED;
    *score = wanted;
    return wanted == current ? ZSET_SAME : ZSET_UPDATED;
}

static bool fits_packed(const struct zset *z, struct slice member)
{
    return zset_packed_len(z->packed) < store_settings.zset_max_listpack_entries &&
           member.len <= store_settings.zset_max_listpack_value &&
           packed_can_add(z->packed, member.len);
}

/* A member that has a time to live is being set. */
static enum zset_result set_for_ever(struct zset *z, struct member **m, struct table_pos pos,
                                     enum zset_result result)
{
    if (result == ZSET_UPDATED || result == ZSET_SAME)
        *m = zset_tree_set_deadline(z->tree, *m, pos, MEMBER_FOREVER);
    return result == ZSET_SAME ? ZSET_KEPT : result;
}

static enum zset_result add_to_tree(struct zset *z, struct slice member, double *score,
                                    unsigned rules)
{
    struct table_pos pos;
    uint64_t hash = hash_slice(member);
    struct member *m = zset_tree_find(z->tree, member, hash, &pos);
    if (!m && rules & ZSET_XX)
        return ZSET_REFUSED;
    if (!m) {
        zset_tree_add(z->tree, member, hash, *score);
        return ZSET_ADDED;
    }
    enum zset_result result = decide(member_score(m), score, rules);
    if (unlikely(member_expires(m)) && !(rules & ZSET_INCR))
        result = set_for_ever(z, &m, pos, result);
    if (result == ZSET_UPDATED)
        zset_tree_rescore(z->tree, m, *score);
    return result;
}

static enum zset_result add_to_packed(struct zset *z, struct slice member, double *score,
                                      unsigned rules)
{
    uint32_t at = zset_packed_find(z->packed, member);
    if (at) {
        enum zset_result result = decide(zset_packed_score(z->packed, at), score, rules);
        if (result != ZSET_UPDATED)
            return result;
        z->packed = zset_packed_remove(z->packed, at);
        z->packed = zset_packed_insert(z->packed, member, *score);
        return ZSET_UPDATED;
    }
    if (rules & ZSET_XX)
        return ZSET_REFUSED;
    zset_insert(z, member, *score);
    return ZSET_ADDED;
}

HOT enum zset_result zset_add(struct zset *z, struct slice member, double *score, unsigned rules)
{
    if (z->encoding == ENC_PACKED)
        return add_to_packed(z, member, score, rules);
    return add_to_tree(z, member, score, rules);
}

void zset_insert(struct zset *z, struct slice member, double score)
{
    if (z->encoding == ENC_PACKED && !fits_packed(z, member))
        become_tree(z, zset_packed_len(z->packed) + 1);
    if (z->encoding == ENC_PACKED)
        z->packed = zset_packed_insert(z->packed, member, score);
    else
        zset_tree_add(z->tree, member, hash_slice(member), score);
}

bool zset_remove(struct zset *z, struct slice member)
{
    if (z->encoding == ENC_PACKED) {
        uint32_t at = zset_packed_find(z->packed, member);
        if (at)
            z->packed = zset_packed_remove(z->packed, at);
        return at != 0;
    }
    struct table_pos pos;
    uint64_t hash = hash_slice(member);
    struct member *m = zset_tree_find(z->tree, member, hash, &pos);
    if (m)
        zset_tree_remove(z->tree, m, hash, pos);
    return m != NULL;
}

int64_t zset_deadline(const struct zset *z, struct slice member)
{
    if (z->encoding == ENC_PACKED)
        return zset_packed_find(z->packed, member) ? MEMBER_FOREVER : MEMBER_MISSING;
    const struct member *m = find_in_tree(z, member);
    return m ? deadlines_get(z->tree->deadlines, m) : MEMBER_MISSING;
}

void zset_set_deadline(struct zset *z, struct slice member, int64_t when_ms)
{
    struct table_pos pos;
    if (z->encoding == ENC_PACKED && when_ms == MEMBER_FOREVER)
        return;
    if (z->encoding == ENC_PACKED)
        become_tree(z, 0);
    struct member *m = zset_tree_find(z->tree, member, hash_slice(member), &pos);
    ASSERT(m);
    zset_tree_set_deadline(z->tree, m, pos, when_ms);
}

/* ---- the value type ---- */

static void value_destroy(enum encoding encoding, void *root)
{
    zset_destroy(&(struct zset){encoding, {root}});
}

static size_t value_effort(enum encoding encoding, const void *root)
{
    return encoding == ENC_PACKED ? 1 : ttree_len(&((const struct zset_tree *)root)->order);
}

static size_t value_bytes(enum encoding encoding, const void *root, size_t samples)
{
    if (encoding == ENC_PACKED)
        return mem_size_class(packed_bytes(root));
    const struct zset_tree *t = root;
    size_t count = ttree_len(&t->order), seen = 0, sum = 0;
    struct ttree_iter it = ttree_first(&t->order);
    for (; ttree_iter_valid(it) && (!samples || seen < samples); ttree_iter_next(&it), seen++)
        sum += mem_size_class(member_size(ttree_iter_item(it)));
    if (seen && seen < count)
        sum = (size_t)((double)sum / (double)seen * (double)count);
    return mem_size_class(sizeof(*t)) + table_bytes(&t->members) + ttree_bytes(&t->order) + sum +
           deadlines_bytes(t->deadlines);
}

static void *value_copy(enum encoding encoding, const void *root)
{
    if (encoding == ENC_PACKED)
        return packed_dup(root);
    const struct zset_tree *t = root;
    struct zset_tree *copy = zset_tree_create();
    table_reserve(&copy->members, t->members.used);
    copy->deadlines = deadlines_copy(t->deadlines);
    struct ttree_iter it = ttree_first(&t->order);
    for (; ttree_iter_valid(it); ttree_iter_next(&it)) {
        struct member *twin = member_copy(ttree_iter_item(it));
        deadlines_moved(copy->deadlines, twin);
        table_insert(&copy->members, member_hash(twin), twin, member_hash);
        ttree_insert(&copy->order, ttree_iter_score(it), twin);
    }
    return copy;
}

static void value_visit(enum encoding encoding, const void *root, value_visit_fn visit, void *arg)
{
    struct zset z = {encoding, {(void *)root}};
    struct zset_iter it;
    struct zset_item item;
    char text[NUM_DOUBLE_MAX_LEN];
    zset_iter_init(&it, &z, zset_all(&z), false);
    while (zset_iter_next(&it, &item))
        visit(arg, item.member, slice_make(text, num_format_double(text, item.score)));
}

static const struct table *value_members(enum encoding encoding, const void *root)
{
    return encoding == ENC_TREE ? &((const struct zset_tree *)root)->members : NULL;
}

static struct deadlines **value_deadlines(enum encoding encoding, void *root)
{
    return encoding == ENC_TREE ? &((struct zset_tree *)root)->deadlines : NULL;
}

static uint64_t value_len(enum encoding encoding, const void *root)
{
    return zset_len(&(struct zset){encoding, {(void *)root}});
}

static int64_t value_deadline(enum encoding encoding, const void *root, struct slice member)
{
    return zset_deadline(&(struct zset){encoding, {(void *)root}}, member);
}

static void value_set_deadline(struct entry *e, struct slice member, int64_t when_ms)
{
    struct zset z = zset_of(e);
    zset_set_deadline(&z, member, when_ms);
    zset_store(e, &z);
}

static bool value_remove(struct entry *e, struct slice member)
{
    struct zset z = zset_of(e);
    bool removed = zset_remove(&z, member);
    zset_store(e, &z);
    return removed;
}

static const struct member_ops member_ops = {
    .deadlines = value_deadlines,
    .len = value_len,
    .deadline = value_deadline,
    .set_deadline = value_set_deadline,
    .remove = value_remove,
};

const struct value_ops zset_value_ops = {
    .destroy = value_destroy,
    .effort = value_effort,
    .bytes = value_bytes,
    .members = value_members,
    .member_ops = &member_ops,
    .copy = value_copy,
    .visit = value_visit,
};
