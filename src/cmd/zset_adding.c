#include "cmd/zset_adding.h"

static bool option(struct exec *ex, unsigned allowed, struct zset_adding *a)
{
    static const struct {
        char word[8];
        unsigned rule;
    } options[] = {{"nx", ZSET_NX}, {"xx", ZSET_XX},     {"gt", ZSET_GT},
                   {"lt", ZSET_LT}, {"incr", ZSET_INCR}, {"ch", 0}};

    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if ((options[i].rule & allowed) != options[i].rule ||
            !arg_is(ex, a->first, options[i].word))
            continue;
        a->rules |= options[i].rule;
        a->count_changes |= !options[i].rule;
        return true;
    }
    return false;
}

bool zset_adding_options(struct exec *ex, unsigned allowed, struct zset_adding *a)
{
    while (a->first < ex->argc && ex->argv[a->first].len <= 4 && option(ex, allowed, a))
        a->first++;
    uint32_t left = ex->argc - a->first;
    a->count = left / a->width;
    return (left && left % a->width == 0) || fail_syntax(ex);
}

void zset_adding_open(struct exec *ex, const struct zset_adding *a, struct ref *ref, struct zset *z)
{
    if (ref->entry) {
        txn_edit(ex->txn, ref);
        *z = zset_of(ref->entry);
        zset_expect(z, a->count);
    } else if (a->rules & ZSET_XX) {
        z->root = NULL;
    } else {
        *z = zset_create(a->count, ex->argv[a->first + a->width - 1].len);
        txn_add(ex->txn, ref, TYPE_ZSET, z->encoding, z->root);
    }
}

static enum zset_result add_item(struct exec *ex, const struct zset_adding *a, struct zset *z,
                                 uint32_t i, double *score)
{
    return zset_add(z, ex->argv[a->first + (i + 1) * a->width - 1], score, a->rules);
}

void zset_adding_run(struct exec *ex, const struct zset_adding *a, double *scores)
{
    struct ref ref;
    struct zset z;
    int64_t added = 0, updated = 0;
    bool changed = false;
    if (!find_typed(ex, 0, TYPE_ZSET, &ref))
        return;
    if (defer_edit(ex, (uint64_t)a->count * COST_ORDER))
        return;
    zset_adding_open(ex, a, &ref, &z);
    for (uint32_t i = 0; z.root && i < a->count; i++) {
        enum zset_result result = add_item(ex, a, &z, i, &scores[i]);
        added += result == ZSET_ADDED;
        updated += result == ZSET_UPDATED;
        changed |= result <= ZSET_KEPT;
    }
    if (z.root)
        zset_store(ref.entry, &z);
    if (changed) {
        txn_commit(ex->txn, &ref, EVENT_ZADD);
        txn_count_changes(ex->txn, MAX(added + updated, (int64_t)1) - 1);
    }
    reply_int(ex->reply, a->count_changes ? added + updated : added);
}
