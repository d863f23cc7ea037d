/* What the keyspace asks of a set, and SSCAN. */
#include "ds/intset.h"
#include "ds/packed.h"
#include "store/set.h"

static void value_destroy(enum encoding encoding, void *root)
{
    set_destroy((struct set){encoding, root});
}

static size_t value_effort(enum encoding encoding, const void *root)
{
    return encoding == ENC_TABLE ? ((const struct table *)root)->used : 1;
}

static size_t value_bytes(enum encoding encoding, const void *root, size_t samples)
{
    if (encoding == ENC_INTSET)
        return mem_size_class(intset_bytes(root));
    if (encoding == ENC_PACKED)
        return mem_size_class(packed_bytes(root));
    return member_table_bytes(root, samples);
}

static void *value_copy(enum encoding encoding, const void *root)
{
    if (encoding == ENC_INTSET)
        return intset_dup(root);
    return encoding == ENC_PACKED ? packed_dup(root) : (void *)member_table_copy(root);
}

static void value_visit(enum encoding encoding, const void *root, value_visit_fn visit, void *arg)
{
    struct set s = {encoding, (void *)root};
    struct set_iter it;
    struct set_member m;
    set_iter_init(&it, &s);
    while (set_iter_next(&it, &m))
        visit(arg, set_member_text(&m), SLICE(""));
}

static const struct table *value_members(enum encoding encoding, const void *root)
{
    return encoding == ENC_TABLE ? root : NULL;
}

static struct deadlines **value_deadlines(enum encoding encoding, void *root)
{
    return encoding == ENC_TABLE ? &((struct member_table *)root)->deadlines : NULL;
}

static uint64_t value_len(enum encoding encoding, const void *root)
{
    return set_len(&(struct set){encoding, (void *)root});
}

static int64_t value_deadline(enum encoding encoding, const void *root, struct slice member)
{
    struct set_member m;
    set_member_init(&m, member);
    return set_deadline(&(struct set){encoding, (void *)root}, &m);
}

static void value_set_deadline(struct entry *e, struct slice member, int64_t when_ms)
{
    struct set s = set_of(e);
    struct set_member m;
    set_member_init(&m, member);
    set_set_deadline(&s, &m, when_ms);
    set_store(e, s);
}

static bool value_remove(struct entry *e, struct slice member)
{
    struct set s = set_of(e);
    struct set_member m;
    set_member_init(&m, member);
    bool removed = set_remove(&s, &m);
    set_store(e, s);
    return removed;
}

static const struct member_ops member_ops = {
    .deadlines = value_deadlines,
    .len = value_len,
    .deadline = value_deadline,
    .set_deadline = value_set_deadline,
    .remove = value_remove,
};

const struct value_ops set_value_ops = {
    .destroy = value_destroy,
    .effort = value_effort,
    .bytes = value_bytes,
    .members = value_members,
    .member_ops = &member_ops,
    .copy = value_copy,
    .visit = value_visit,
};

/* ---- SSCAN ---- */

struct scan {
    set_visit_fn visit;
    void *arg;
    uint64_t seen;
};

static void scan_node(void *node, void *arg)
{
    struct scan *scan = arg;
    struct set_member m;
    scan->seen++;
    if (!scan->visit)
        return;
    set_member_init(&m, member_name(node));
    scan->visit(scan->arg, &m);
}

static uint64_t scan_all(const struct set *s, set_visit_fn visit, void *arg)
{
    struct set_iter it;
    struct set_member m;
    set_iter_init(&it, s);
    while (visit && set_iter_next(&it, &m))
        visit(arg, &m);
    return 0;
}

uint64_t set_scan(const struct set *s, uint64_t cursor, uint64_t count, set_visit_fn visit,
                  void *arg)
{
    if (s->encoding != ENC_TABLE)
        return scan_all(s, visit, arg);
    struct scan scan = {visit, arg, 0};
    /* A sparse table must not turn a small COUNT into a long walk. */
    uint64_t buckets = count < UINT64_MAX / 10 ? count * 10 : UINT64_MAX;
    do
        cursor = table_scan(s->root, cursor, scan_node, &scan);
    while (cursor && scan.seen < count && --buckets);
    return cursor;
}
