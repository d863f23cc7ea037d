#include "store/rdb_members.h"

#include "base/le.h"
#include "store/deadlines.h"

enum {
    MEMBER_MIN = 2 /* bytes of a member: two lengths */
};

static const struct member_ops *ops_of(enum value_type type)
{
    return value_ops[type] ? value_ops[type]->member_ops : NULL;
}

static const struct deadlines *deadlines_in(const struct entry *e)
{
    const struct member_ops *ops = ops_of(entry_type(e));
    struct deadlines **place = ops ? ops->deadlines(entry_encoding(e), entry_pointer(e)) : NULL;
    return place ? *place : NULL;
}

bool rdb_members_write(struct buf *out, const struct entry *e)
{
    const struct deadlines *d = deadlines_in(e);
    if (likely(!d) || !d->heap.len)
        return false;
    int64_t earliest_ms = deadlines_next(d);
    le_store64(buf_reserve(out, 8), (uint64_t)earliest_ms);
    buf_advance(out, 8);
    rdb_put_len(out, d->heap.len);
    for (uint32_t i = 0; i < d->heap.len; i++) {
        const struct heap_item *item = &d->heap.items[i];
        struct slice name = member_name(item->item);
        rdb_put_len(out, (uint64_t)(item->when - earliest_ms));
        rdb_put_len(out, name.len);
        buf_append(out, name.ptr, name.len);
    }
    return true;
}

struct lifetime {
    struct slice member;
    int64_t when_ms;
};

static bool take_lifetime(struct rdb_in *in, uint64_t earliest_ms, struct lifetime *out)
{
    uint64_t more_ms, len;
    const unsigned char *name;
    if (!rdb_take_len(in, &more_ms) || more_ms > RDB_DEADLINE_MAX_MS - earliest_ms ||
        !rdb_take_len(in, &len) || !rdb_take(in, len, &name))
        return false;
    *out = (struct lifetime){slice_make(name, len), (int64_t)(earliest_ms + more_ms)};
    return true;
}

/* Every member is in the collection, and once in the list. */
static bool set_all(struct rdb_in *in, const struct member_ops *ops, struct entry *e)
{
    const unsigned char *head;
    uint64_t earliest_ms, count;
    struct lifetime life;
    if (!rdb_take(in, 8, &head) || !rdb_take_len(in, &count) || count > in->left / MEMBER_MIN)
        return false;
    earliest_ms = le_load64(head);
    if (earliest_ms > RDB_DEADLINE_MAX_MS)
        return false;
    while (count--) {
        if (!take_lifetime(in, earliest_ms, &life) ||
            ops->deadline(entry_encoding(e), entry_pointer(e), life.member) != MEMBER_FOREVER)
            return false;
        ops->set_deadline(e, life.member, life.when_ms);
    }
    return in->left == 0;
}

bool rdb_members_read(struct slice text, struct rdb_value *v)
{
    const struct member_ops *ops = ops_of(v->type);
    struct rdb_in in = rdb_in_make(text);
    if (!ops)
        return false;
    struct entry *husk =
        entry_create(SLICE(""), v->type, (struct value_shape){v->encoding, 8, 0}, false);
    entry_set_pointer(husk, v->root);
    bool valid = set_all(&in, ops, husk);
    v->encoding = entry_encoding(husk);
    v->root = entry_pointer(husk);
    entry_free(husk);
    return valid;
}
