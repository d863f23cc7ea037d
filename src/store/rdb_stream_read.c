#include "base/mem.h"
#include "ds/packed.h"
#include "store/rdb_pack.h"
#include "store/rdb_stream.h"

enum {
    RAW_ID = 16,
    PENDING_MIN = RAW_ID + 8 + 1, /* bytes of a pending entry at least */
    FLAGS_KNOWN = STREAM_DELETED | STREAM_SAME_FIELDS,
    /* An entry's texts may have STREAM_ENTRY_MAX bytes, and its node some more. In a block a node
     * is hardly longer than here: no size overflows. */
    NODE_BYTES_MAX = STREAM_ENTRY_MAX + STREAM_ENTRY_MAX / 4,
};

static struct stream_id raw_id(const unsigned char *p)
{
    struct stream_id id = STREAM_ID_MIN;
    for (int i = 0; i < 8; i++) {
        id.ms = id.ms << 8 | p[i];
        id.seq = id.seq << 8 | p[8 + i];
    }
    return id;
}

static bool take_raw_id(struct rdb_in *in, struct stream_id *out)
{
    const unsigned char *p;
    if (!rdb_take(in, RAW_ID, &p))
        return false;
    *out = raw_id(p);
    return true;
}

static bool take_id(struct rdb_in *in, struct stream_id *out)
{
    return rdb_take_len(in, &out->ms) && rdb_take_len(in, &out->seq);
}

/* Never below `min`: nothing that is computed from it overflows. */
static bool take_time(struct rdb_in *in, int64_t min, int64_t *out)
{
    const unsigned char *p;
    if (!rdb_take(in, 8, &p))
        return false;
    *out = (int64_t)le_load64(p);
    return *out >= min;
}

static bool take_count(struct rdb_in *in, uint64_t max, uint64_t *out)
{
    return rdb_take_len(in, out) && *out <= max;
}

/* A node on its way, and the texts of one entry. */
struct node {
    struct stream *stream;
    struct rdb_pack pack;
    struct stream_id first;
    uint64_t shared; /* fields at the head of the node */
    bool begun;      /* has an entry in a block of the stream */
    struct slice *items;
    char (*digits)[NUM_INT64_MAX_LEN];
    size_t cap; /* of items and digits; the shared fields are kept behind the entry's, two apart */
};

static bool next_int(struct node *n, int64_t min, int64_t max, int64_t *out)
{
    struct packed_value v;
    if (!rdb_pack_next(&n->pack, &v) || v.ptr)
        return false;
    *out = v.num;
    return v.num >= min && v.num <= max;
}

static bool next_text(struct node *n, size_t at)
{
    struct packed_value v;
    if (!rdb_pack_next(&n->pack, &v))
        return false;
    n->items[at] = packed_value_text(v, n->digits[at]);
    return true;
}

/* The node's head. Room is made for the shared fields, and for the texts of the largest entry that
 * the node can hold; both are bounded by the node's elements. */
static bool take_head(struct node *n, int64_t *entries)
{
    int64_t max = (int64_t)n->pack.count, live, deleted, shared, zero;
    if (!next_int(n, 0, max, &live) || !next_int(n, 0, max, &deleted) ||
        !next_int(n, 1, max, &shared))
        return false;
    *entries = live + deleted;
    n->shared = (uint64_t)shared;
    n->cap = ((size_t)max + (size_t)shared) * 2;
    n->items = mem_alloc(MEM_OTHER, n->cap * sizeof(*n->items));
    n->digits = mem_alloc(MEM_OTHER, n->cap * sizeof(*n->digits));
    for (size_t i = 0; i < n->shared; i++)
        if (!next_text(n, n->cap - 2 * (n->shared - i)))
            return false;
    return next_int(n, 0, 0, &zero);
}

/* The texts of an entry, and the number of elements behind them. */
static bool take_items(struct node *n, bool same, int64_t count)
{
    int64_t elements, expected = same ? count + 3 : 2 * count + 4;
    for (size_t i = 0; i < (size_t)count; i++)
        if ((!same && !next_text(n, 2 * i)) || !next_text(n, 2 * i + 1))
            return false;
    return next_int(n, expected, expected, &elements);
}

static bool add_entry(struct node *n, struct stream_id id, bool same, uint32_t count)
{
    struct stream_load how = {.opens = !n->begun,
                              .shared = n->items + (n->cap - 2 * n->shared),
                              .shared_count = (uint32_t)n->shared,
                              .same = same,
                              .count = count};
    if (stream_id_compare(id, n->stream->last_id) <= 0)
        return false;
    stream_load(n->stream, id, n->items, &how);
    n->begun = true;
    return true;
}

static bool take_entry(struct node *n)
{
    int64_t flags, ms, seq, count = (int64_t)n->shared;
    if (!next_int(n, 0, FLAGS_KNOWN, &flags) || !next_int(n, INT64_MIN, INT64_MAX, &ms) ||
        !next_int(n, INT64_MIN, INT64_MAX, &seq))
        return false;
    bool same = flags & STREAM_SAME_FIELDS;
    if (!same && !next_int(n, 1, (int64_t)n->pack.count, &count))
        return false;
    if (!take_items(n, same, count))
        return false;
    struct stream_id id = {n->first.ms + (uint64_t)ms, n->first.seq + (uint64_t)seq};
    return flags & STREAM_DELETED || add_entry(n, id, same, (uint32_t)count);
}

static bool take_entries(struct node *n)
{
    int64_t entries;
    struct packed_value more;
    if (!take_head(n, &entries))
        return false;
    for (int64_t i = 0; i < entries; i++)
        if (!take_entry(n))
            return false;
    return !rdb_pack_next(&n->pack, &more);
}

static bool read_node(struct rdb_in *in, struct stream *s)
{
    struct rdb_text id = {.cap = 0}, listpack = {.cap = 0};
    struct node n = {.stream = s};
    bool valid = rdb_take_text(in, &id) && id.text.len == RAW_ID && rdb_take_text(in, &listpack) &&
                 listpack.text.len <= NODE_BYTES_MAX &&
                 rdb_pack_open(&n.pack, RDB_PACK_LISTPACK, listpack.text);
    if (valid) {
        n.first = raw_id((const unsigned char *)id.text.ptr);
        valid = take_entries(&n);
    }
    mem_free(MEM_OTHER, n.items, n.cap * sizeof(*n.items));
    mem_free(MEM_OTHER, n.digits, n.cap * sizeof(*n.digits));
    rdb_text_deinit(&id);
    rdb_text_deinit(&listpack);
    return valid;
}

static bool read_nodes(struct rdb_in *in, struct stream *s)
{
    uint64_t nodes;
    if (!take_count(in, in->left, &nodes))
        return false;
    for (uint64_t i = 0; i < nodes; i++)
        if (!read_node(in, s))
            return false;
    return true;
}

static bool read_counters(struct rdb_in *in, unsigned form, struct stream *s)
{
    struct stream_id last, first;
    uint64_t len;
    if (!rdb_take_len(in, &len) || len != s->len || !take_id(in, &last) ||
        stream_id_compare(last, s->last_id) < 0)
        return false;
    s->last_id = last;
    s->entries_added = len;
    if (form == 1)
        return true;
    return take_id(in, &first) && take_id(in, &s->max_deleted_id) &&
           rdb_take_len(in, &s->entries_added) && s->entries_added >= len;
}

/* Pending entries that wait for their owners. */
struct owed {
    struct stream_id id;
    int64_t delivered_ms, deliveries;
    bool owned;
};

struct owed_list {
    struct owed *items;
    size_t count, cap;
    size_t owned;
};

static bool take_owed(struct rdb_in *in, struct owed_list *list)
{
    uint64_t count, deliveries;
    if (!take_count(in, in->left / PENDING_MIN, &count))
        return false;
    list->cap = count;
    list->items = mem_alloc(MEM_OTHER, MAX(count, (uint64_t)1) * sizeof(*list->items));
    for (; list->count < count; list->count++) {
        struct owed *o = &list->items[list->count];
        *o = (struct owed){.owned = false};
        if (!take_raw_id(in, &o->id) || !take_time(in, 0, &o->delivered_ms) ||
            !take_count(in, INT64_MAX, &deliveries))
            return false;
        if (list->count && stream_id_compare(o[-1].id, o->id) >= 0)
            return false; /* a duplicate */
        o->deliveries = (int64_t)deliveries;
    }
    return true;
}

static struct owed *find_owed(const struct owed_list *list, struct stream_id id)
{
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = stream_id_compare(id, list->items[middle].id);
        if (order == 0)
            return &list->items[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static bool take_owned(struct rdb_in *in, struct owed_list *list, struct stream_group *g,
                       struct stream_consumer *c)
{
    uint64_t count;
    struct stream_id id;
    if (!take_count(in, in->left / RAW_ID, &count))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        struct owed *o = take_raw_id(in, &id) ? find_owed(list, id) : NULL;
        if (!o || o->owned)
            return false;
        o->owned = true;
        list->owned++;
        stream_pending_deliver(g, c, id, o->delivered_ms)->deliveries = o->deliveries;
    }
    return true;
}

static bool read_consumer(struct rdb_in *in, unsigned form, struct owed_list *list,
                          struct stream_group *g)
{
    struct rdb_text name = {.cap = 0};
    struct stream_consumer *c = NULL;
    bool added = false;
    int64_t seen_ms, active_ms;
    bool valid =
        rdb_take_text(in, &name) && name.text.len <= PACKED_VALUE_MAX && take_time(in, 0, &seen_ms);
    active_ms = valid ? seen_ms : 0;
    if (valid && form >= 3)
        valid = take_time(in, -1, &active_ms);
    if (valid) {
        c = stream_consumer_get(g, name.text, seen_ms, &added);
        c->active_ms = active_ms;
    }
    rdb_text_deinit(&name);
    return valid && added && take_owned(in, list, g, c);
}

static bool read_consumers(struct rdb_in *in, unsigned form, struct owed_list *list,
                           struct stream_group *g)
{
    uint64_t consumers;
    if (!take_count(in, in->left, &consumers))
        return false;
    for (uint64_t i = 0; i < consumers; i++)
        if (!read_consumer(in, form, list, g))
            return false;
    return list->owned == list->count;
}

static bool read_group(struct rdb_in *in, unsigned form, struct stream *s)
{
    struct rdb_text name = {.cap = 0};
    struct stream_id last;
    struct stream_group *g = NULL;
    uint64_t read;
    bool valid =
        rdb_take_text(in, &name) && name.text.len <= PACKED_VALUE_MAX && take_id(in, &last);
    if (valid && form == 1)
        read = (uint64_t)stream_count_until(s, last);
    else
        valid = valid && rdb_take_len(in, &read); /* any: it may have started at its last number */
    if (valid)
        g = stream_group_add(s, name.text, last, (int64_t)read);
    rdb_text_deinit(&name);
    if (!g)
        return false;
    struct owed_list list = {.count = 0};
    valid = take_owed(in, &list) && read_consumers(in, form, &list, g);
    mem_free(MEM_OTHER, list.items, MAX(list.cap, (size_t)1) * sizeof(*list.items));
    return valid;
}

bool rdb_stream_read(struct rdb_in *in, unsigned form, struct stream *s)
{
    uint64_t groups;
    if (!read_nodes(in, s) || !read_counters(in, form, s) || !take_count(in, in->left, &groups))
        return false;
    for (uint64_t i = 0; i < groups; i++)
        if (!read_group(in, form, s))
            return false;
    return true;
}
