#include "store/hash.h"

#include "base/assert.h"
#include "ds/packed.h"
#include "store/settings.h"

/* ---- a packed hash ---- */

/* Offset of a field's entry, 0 when there is none. */
static uint32_t packed_field(const unsigned char *p, struct slice field)
{
    if (unlikely(field.len > PACKED_VALUE_MAX))
        return 0;
    return packed_find(p, packed_first(p), field, 1);
}

/* Reads the pair at `at` and returns the next one's offset, 0 at the end. */
static uint32_t packed_pair(const unsigned char *p, uint32_t at, struct hash_pair *out)
{
    uint32_t value = packed_next(p, at);
    out->field = packed_text(p, at, out->scratch[0]);
    out->value = packed_text(p, value, out->scratch[1]);
    out->deadline_ms = MEMBER_FOREVER;
    return packed_next(p, value);
}

static void make_table(struct hash *h, uint64_t room)
{
    unsigned char *p = h->root;
    struct member_table *t = member_table_create(MAX(room, (uint64_t)packed_len(p) / 2));
    struct hash_pair pair;
    for (uint32_t at = packed_first(p); at;) {
        at = packed_pair(p, at, &pair);
        table_insert(&t->table, hash_slice(pair.field),
                     member_create_valued(pair.field, pair.value), member_hash);
    }
    packed_free(p);
    *h = (struct hash){ENC_TABLE, t};
}

static bool fits_packed(const unsigned char *p, struct slice field, struct slice value)
{
    size_t limit = store_settings.hash_max_listpack_value;
    return field.len <= limit && value.len <= limit && packed_can_add(p, field.len + value.len);
}

static bool set_packed(struct hash *h, struct slice field, struct slice value)
{
    unsigned char *p = h->root;
    uint32_t at = packed_field(p, field);
    if (at)
        p = packed_replace(p, packed_next(p, at), value);
    else
        p = packed_append(packed_append(p, field), value);
    h->root = p;
    if (unlikely(packed_len(p) / 2 > store_settings.hash_max_listpack_entries))
        make_table(h, 0);
    return !at;
}

static bool remove_packed(struct hash *h, struct slice field)
{
    uint32_t at = packed_field(h->root, field);
    if (!at)
        return false;
    h->root = packed_delete(h->root, &at);
    h->root = packed_delete(h->root, &at);
    return true;
}

/* ---- a table ---- */

/* Gives a member another value; `keep`: and no other time to live. */
INLINE void replace_value(struct member_table *t, struct member *m, struct table_pos pos,
                          struct slice value, bool keep)
{
    struct member *now = m;
    if (unlikely(member_expires(m)) && !keep)
        now = deadlines_set(&t->deadlines, m, MEMBER_FOREVER);
    now = member_set_value(now, value);
    if (now == m)
        return;
    table_pos_set(pos, now);
    if (unlikely(member_expires(now)))
        deadlines_moved(t->deadlines, now);
}

INLINE bool set_member(struct member_table *t, struct slice field, struct slice value, bool keep)
{
    uint64_t hash = hash_slice(field);
    struct table_pos pos;
    struct member *m = member_table_find(t, field, hash, &pos);
    if (m)
        replace_value(t, m, pos, value, keep);
    else
        table_insert(&t->table, hash, member_create_valued(field, value), member_hash);
    return !m;
}

static bool remove_member(struct member_table *t, struct slice field)
{
    uint64_t hash = hash_slice(field);
    struct table_pos pos;
    struct member *m = member_table_find(t, field, hash, &pos);
    if (m)
        member_table_remove(t, m, hash, pos);
    return m != NULL;
}

/* ---- either ---- */

struct hash hash_create(void)
{
    return (struct hash){ENC_PACKED, packed_create()};
}

uint64_t hash_len(struct hash h)
{
    if (h.encoding == ENC_PACKED)
        return packed_len(h.root) / 2;
    return ((const struct table *)h.root)->used;
}

bool hash_find(struct hash h, struct slice field, char scratch[NUM_INT64_MAX_LEN],
               struct slice *value)
{
    if (h.encoding == ENC_PACKED) {
        uint32_t at = packed_field(h.root, field);
        if (at)
            *value = packed_text(h.root, packed_next(h.root, at), scratch);
        return at != 0;
    }
    struct table_pos pos;
    const struct member *m = table_find(h.root, hash_slice(field), member_has_name, &field, &pos);
    if (m)
        *value = member_value(m);
    return m != NULL;
}

void hash_expect(struct hash *h, size_t fields)
{
    if (h->encoding == ENC_PACKED && fields > store_settings.hash_max_listpack_entries)
        make_table(h, fields);
}

INLINE bool set(struct hash *h, struct slice field, struct slice value, bool keep)
{
    DASSERT(field.len <= HASH_TEXT_MAX && value.len <= HASH_TEXT_MAX);
    if (h->encoding == ENC_PACKED) {
        if (likely(fits_packed(h->root, field, value)))
            return set_packed(h, field, value);
        make_table(h, 0);
    }
    return set_member(h->root, field, value, keep);
}

bool hash_set(struct hash *h, struct slice field, struct slice value)
{
    return set(h, field, value, false);
}

bool hash_update(struct hash *h, struct slice field, struct slice value)
{
    return set(h, field, value, true);
}

bool hash_remove(struct hash *h, struct slice field)
{
    if (h->encoding == ENC_PACKED)
        return remove_packed(h, field);
    return remove_member(h->root, field);
}

int64_t hash_deadline(struct hash h, struct slice field)
{
    if (h.encoding == ENC_PACKED)
        return packed_field(h.root, field) ? MEMBER_FOREVER : MEMBER_MISSING;
    return member_table_deadline(h.root, field);
}

void hash_set_deadline(struct hash *h, struct slice field, int64_t when_ms)
{
    if (h->encoding == ENC_PACKED && when_ms == MEMBER_FOREVER)
        return;
    if (h->encoding == ENC_PACKED)
        make_table(h, 0);
    member_table_set_deadline(h->root, field, when_ms);
}

void hash_iter_init(struct hash_iter *it, struct hash h)
{
    it->hash = h;
    if (h.encoding == ENC_PACKED)
        it->next = packed_first(h.root);
    else
        table_iter_init(&it->table, h.root);
}

bool hash_iter_next(struct hash_iter *it, struct hash_pair *out)
{
    if (it->hash.encoding == ENC_PACKED) {
        if (!it->next)
            return false;
        it->next = packed_pair(it->hash.root, it->next, out);
        return true;
    }
    const struct member *m = table_iter_next(&it->table);
    if (!m)
        return false;
    out->field = member_name(m);
    out->value = member_value(m);
    out->deadline_ms = MEMBER_FOREVER;
    if (unlikely(member_expires(m)))
        out->deadline_ms = deadlines_get(((struct member_table *)it->hash.root)->deadlines, m);
    return true;
}

static void visit_all(struct hash h, value_visit_fn visit, void *arg)
{
    struct hash_iter it;
    struct hash_pair pair;
    hash_iter_init(&it, h);
    while (hash_iter_next(&it, &pair))
        visit(arg, pair.field, pair.value);
}

struct member_visitor {
    value_visit_fn visit; /* may be NULL */
    void *arg;
    uint64_t seen;
};

static void visit_member(void *member, void *arg)
{
    struct member_visitor *v = arg;
    v->seen++;
    if (v->visit)
        v->visit(v->arg, member_name(member), member_value(member));
}

uint64_t hash_scan(struct hash h, uint64_t cursor, uint64_t count, value_visit_fn visit, void *arg)
{
    enum {
        STEPS_PER_FIELD = 10
    }; /* as Redis limits the buckets that a call looks at */

    if (h.encoding == ENC_PACKED) {
        if (visit)
            visit_all(h, visit, arg);
        return 0;
    }
    struct member_visitor v = {visit, arg, 0};
    uint64_t steps = MIN(count, UINT64_MAX / STEPS_PER_FIELD) * STEPS_PER_FIELD;
    do
        cursor = table_scan(h.root, cursor, visit_member, &v);
    while (cursor && v.seen < count && --steps);
    return cursor;
}

/* ---- random fields ---- */

/* One walk notes where the fields start, then every pick is O(1). */
static void pick_packed(const unsigned char *p, struct rng *rng, uint64_t count,
                        value_visit_fn visit, void *arg)
{
    uint32_t len = packed_len(p) / 2, filled = 0;
    uint32_t *starts = mem_alloc(MEM_OTHER, len * sizeof(*starts));
    struct hash_pair pair;
    for (uint32_t at = packed_first(p); at; at = packed_next(p, packed_next(p, at)))
        starts[filled++] = at;
    while (count--) {
        packed_pair(p, starts[rng_below(rng, len)], &pair);
        visit(arg, pair.field, pair.value);
    }
    mem_free(MEM_OTHER, starts, len * sizeof(*starts));
}

void hash_pick(struct hash h, struct rng *rng, uint64_t count, value_visit_fn visit, void *arg)
{
    ASSERT(hash_len(h) > 0);
    if (h.encoding == ENC_TABLE) {
        struct member_visitor v = {visit, arg, 0};
        while (count--)
            visit_member(table_random(h.root, rng), &v);
    } else if (count > 1) {
        pick_packed(h.root, rng, count, visit, arg);
    } else if (count == 1) {
        struct hash_pair pair;
        uint64_t index = 2 * rng_below(rng, hash_len(h));
        packed_pair(h.root, packed_seek(h.root, (int64_t)index), &pair);
        visit(arg, pair.field, pair.value);
    }
}

/* Selection sampling (Knuth, vol. 2, 3.4.2, algorithm S): each field is taken with the chance
 * wanted / left. */
static void pick_by_walk(struct hash h, struct rng *rng, uint64_t wanted, value_visit_fn visit,
                         void *arg)
{
    struct hash_iter it;
    struct hash_pair pair;
    uint64_t left = hash_len(h);
    hash_iter_init(&it, h);
    for (; wanted && hash_iter_next(&it, &pair); left--) {
        if (wanted < left && rng_below(rng, left) >= wanted)
            continue;
        visit(arg, pair.field, pair.value);
        wanted--;
    }
}

/* Few out of many: a pick that was seen before is drawn again. */
static void pick_by_drawing(const struct table *t, struct rng *rng, uint64_t wanted,
                            value_visit_fn visit, void *arg)
{
    struct member_visitor v = {visit, arg, 0};
    struct table seen;
    struct table_pos pos;
    table_init(&seen);
    while (seen.used < wanted) {
        struct member *m = table_random(t, rng);
        struct slice name = member_name(m);
        uint64_t hash = hash_slice(name);
        if (table_find(&seen, hash, member_has_name, &name, &pos))
            continue;
        table_insert(&seen, hash, m, member_hash);
        visit_member(m, &v);
    }
    table_deinit(&seen, NULL, NULL);
}

void hash_pick_unique(struct hash h, struct rng *rng, uint64_t count, value_visit_fn visit,
                      void *arg)
{
    uint64_t len = hash_len(h);
    ASSERT(count <= len);
    if (h.encoding == ENC_PACKED || count > len / 4)
        pick_by_walk(h, rng, count, visit, arg);
    else
        pick_by_drawing(h.root, rng, count, visit, arg);
}

/* ---- what the keyspace asks ---- */

static void value_destroy(enum encoding encoding, void *root)
{
    if (encoding == ENC_PACKED)
        packed_free(root);
    else
        member_table_destroy(root);
}

static size_t value_effort(enum encoding encoding, const void *root)
{
    return encoding == ENC_PACKED ? 1 : ((const struct table *)root)->used;
}

static size_t value_bytes(enum encoding encoding, const void *root, size_t samples)
{
    if (encoding == ENC_PACKED)
        return mem_size_class(packed_bytes(root));
    return member_table_bytes(root, samples);
}

static void *value_copy(enum encoding encoding, const void *root)
{
    return encoding == ENC_PACKED ? packed_dup(root) : (void *)member_table_copy(root);
}

static void value_visit(enum encoding encoding, const void *root, value_visit_fn visit, void *arg)
{
    visit_all((struct hash){encoding, (void *)root}, visit, arg);
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
    return hash_len((struct hash){encoding, (void *)root});
}

static int64_t value_deadline(enum encoding encoding, const void *root, struct slice member)
{
    return hash_deadline((struct hash){encoding, (void *)root}, member);
}

static void value_set_deadline(struct entry *e, struct slice member, int64_t when_ms)
{
    struct hash h = hash_of(e);
    hash_set_deadline(&h, member, when_ms);
    hash_store(h, e);
}

static bool value_remove(struct entry *e, struct slice member)
{
    struct hash h = hash_of(e);
    bool removed = hash_remove(&h, member);
    hash_store(h, e);
    return removed;
}

static const struct member_ops member_ops = {
    .deadlines = value_deadlines,
    .len = value_len,
    .deadline = value_deadline,
    .set_deadline = value_set_deadline,
    .remove = value_remove,
};

const struct value_ops hash_value_ops = {
    .destroy = value_destroy,
    .effort = value_effort,
    .bytes = value_bytes,
    .members = value_members,
    .member_ops = &member_ops,
    .copy = value_copy,
    .visit = value_visit,
};
