#include "store/set.h"

#include "base/assert.h"
#include "ds/intset.h"
#include "ds/packed.h"
#include "store/keyspace.h"
#include "store/settings.h"

enum {
    INTSET_ENTRIES_MAX = 1 << 30
};

static size_t intset_limit(void)
{
    return MIN(store_settings.set_max_intset_entries, (size_t)INTSET_ENTRIES_MAX);
}

/* ---- make, free ---- */

static struct set create_table(size_t count)
{
    return (struct set){ENC_TABLE, member_table_create(count)};
}

struct set set_create_as(enum encoding encoding)
{
    if (encoding == ENC_INTSET)
        return (struct set){ENC_INTSET, intset_create()};
    if (encoding == ENC_PACKED)
        return (struct set){ENC_PACKED, packed_create()};
    return create_table(0);
}

struct set set_create(struct set_member *first, size_t count)
{
    int64_t number;
    if (count <= store_settings.set_max_intset_entries && set_member_number(first, &number))
        return set_create_as(ENC_INTSET);
    if (count <= store_settings.set_max_listpack_entries)
        return set_create_as(ENC_PACKED);
    return create_table(count);
}

void set_destroy(struct set s)
{
    if (s.encoding == ENC_INTSET) {
        intset_free(s.root);
    } else if (s.encoding == ENC_PACKED) {
        packed_free(s.root);
    } else {
        member_table_destroy(s.root);
    }
}

void set_release(struct set s)
{
    value_release(TYPE_SET, s.encoding, s.root);
}

uint64_t set_len(const struct set *s)
{
    if (s->encoding == ENC_TABLE)
        return ((const struct table *)s->root)->used;
    return s->encoding == ENC_INTSET ? intset_len(s->root) : packed_len(s->root);
}

/* ---- table ---- */

static struct member *find_node(const struct set *s, struct set_member *m, struct table_pos *pos)
{
    struct slice text = set_member_text(m);
    return table_find(s->root, set_member_hash(m), member_has_name, &text, pos);
}

static void insert_node(const struct set *s, struct set_member *m)
{
    table_insert(s->root, set_member_hash(m), member_create(set_member_text(m)), member_hash);
}

static bool table_add(struct set *s, struct set_member *m)
{
    struct table_pos pos;
    if (find_node(s, m, &pos))
        return false;
    insert_node(s, m);
    return true;
}

static bool table_drop(struct set *s, struct set_member *m)
{
    struct table_pos pos;
    struct member *node = find_node(s, m, &pos);
    if (!node)
        return false;
    member_table_remove(s->root, node, set_member_hash(m), pos);
    return true;
}

/* ---- conversions ---- */

static void convert_to_table(struct set *s, size_t count)
{
    struct set table = create_table(MAX(count, set_len(s)));
    struct set_iter it;
    struct set_member m;
    set_iter_init(&it, s);
    while (set_iter_next(&it, &m))
        insert_node(&table, &m);
    set_destroy(*s);
    *s = table;
}

static void convert_to_packed(struct set *s)
{
    unsigned char *packed = packed_create();
    for (uint32_t i = 0; i < intset_len(s->root); i++)
        packed = packed_append_int(packed, intset_get(s->root, i));
    intset_free(s->root);
    *s = (struct set){ENC_PACKED, packed};
}

void set_expect(struct set *s, size_t count)
{
    if ((s->encoding == ENC_PACKED && count > store_settings.set_max_listpack_entries) ||
        (s->encoding == ENC_INTSET && count > store_settings.set_max_intset_entries))
        convert_to_table(s, count);
}

void set_prefer_intset(struct set *s)
{
    if (s->encoding == ENC_INTSET || set_len(s) > intset_limit())
        return;
    unsigned char *intset = intset_create();
    struct set_iter it;
    struct set_member m;
    set_iter_init(&it, s);
    while (set_iter_next(&it, &m)) {
        int64_t number;
        bool is_number = set_member_number(&m, &number);
        ASSERT(is_number);
        intset = intset_add(intset, number, NULL);
    }
    set_destroy(*s);
    *s = (struct set){ENC_INTSET, intset};
}

/* ---- packed and intset ---- */

static bool packed_set_find(const struct set *s, struct set_member *m, uint32_t *at)
{
    *at = packed_find(s->root, packed_first(s->root), set_member_text(m), 0);
    return *at != 0;
}

static bool packed_set_add(struct set *s, struct set_member *m)
{
    uint32_t at;
    if (packed_set_find(s, m, &at))
        return false;
    struct slice text = set_member_text(m);
    if (packed_len(s->root) < store_settings.set_max_listpack_entries &&
        text.len <= store_settings.set_max_listpack_value && packed_can_add(s->root, text.len)) {
        s->root = packed_append(s->root, text);
    } else {
        convert_to_table(s, packed_len(s->root) + 1);
        insert_node(s, m);
    }
    return true;
}

/* Whether the intset and one more text fit into a packed set: judged, as Redis does, by the widest
 * of its numbers. */
static bool fits_packed(const unsigned char *intset, struct slice text)
{
    char scratch[NUM_INT64_MAX_LEN];
    uint32_t len = intset_len(intset);
    size_t widest = 0, body = 0, total;
    if (len) {
        int64_t low = intset_get(intset, 0), high = intset_get(intset, len - 1);
        widest = MAX(num_format_int64(scratch, low), num_format_int64(scratch, high));
        body = packed_plan_int(low).size;
        body = MAX(body, packed_plan_int(high).size);
    }
    return len < store_settings.set_max_listpack_entries &&
           text.len <= store_settings.set_max_listpack_value &&
           widest <= store_settings.set_max_listpack_value && !ckd_mul(&total, body, len) &&
           !ckd_add(&total, total, text.len) && packed_can_add(NULL, total);
}

static bool intset_set_add(struct set *s, struct set_member *m)
{
    int64_t number;
    if (set_member_number(m, &number)) {
        bool added;
        s->root = intset_add(s->root, number, &added);
        if (added && unlikely(intset_len(s->root) > intset_limit()))
            convert_to_table(s, 0);
        return added;
    }
    struct slice text = set_member_text(m);
    if (fits_packed(s->root, text)) {
        convert_to_packed(s);
        s->root = packed_append(s->root, text);
    } else {
        convert_to_table(s, intset_len(s->root) + 1);
        insert_node(s, m);
    }
    return true;
}

/* ---- by encoding ---- */

HOT bool set_contains(const struct set *s, struct set_member *m)
{
    struct table_pos pos;
    uint32_t at;
    int64_t number;
    if (s->encoding == ENC_TABLE)
        return find_node(s, m, &pos) != NULL;
    if (s->encoding == ENC_PACKED)
        return packed_set_find(s, m, &at);
    return set_member_number(m, &number) && intset_find(s->root, number);
}

HOT bool set_add(struct set *s, struct set_member *m)
{
    if (likely(s->encoding == ENC_TABLE))
        return table_add(s, m);
    return s->encoding == ENC_PACKED ? packed_set_add(s, m) : intset_set_add(s, m);
}

HOT bool set_remove(struct set *s, struct set_member *m)
{
    if (likely(s->encoding == ENC_TABLE))
        return table_drop(s, m);
    if (s->encoding == ENC_PACKED) {
        uint32_t at;
        if (!packed_set_find(s, m, &at))
            return false;
        s->root = packed_delete(s->root, &at);
        return true;
    }
    int64_t number;
    bool removed = false;
    if (set_member_number(m, &number))
        s->root = intset_remove(s->root, number, &removed);
    return removed;
}

int64_t set_deadline(const struct set *s, struct set_member *m)
{
    if (s->encoding != ENC_TABLE)
        return set_contains(s, m) ? MEMBER_FOREVER : MEMBER_MISSING;
    return member_table_deadline(s->root, set_member_text(m));
}

void set_set_deadline(struct set *s, struct set_member *m, int64_t when_ms)
{
    if (s->encoding != ENC_TABLE && when_ms == MEMBER_FOREVER)
        return;
    if (s->encoding != ENC_TABLE)
        convert_to_table(s, 0);
    member_table_set_deadline(s->root, set_member_text(m), when_ms);
}

/* ---- walks ---- */

void set_iter_init(struct set_iter *it, const struct set *s)
{
    it->set = s;
    if (s->encoding == ENC_TABLE)
        table_iter_init(&it->table, s->root);
    else
        it->at = s->encoding == ENC_PACKED ? packed_first(s->root) : 0;
}

static void member_from_packed(struct set_member *m, const unsigned char *packed, uint32_t at)
{
    struct packed_value v = packed_get(packed, at);
    if (v.ptr)
        set_member_init(m, slice_make(v.ptr, v.len));
    else
        set_member_init_number(m, v.num);
}

bool set_iter_next(struct set_iter *it, struct set_member *out)
{
    const struct set *s = it->set;
    if (s->encoding == ENC_TABLE) {
        const struct member *node = table_iter_next(&it->table);
        if (node)
            set_member_init(out, member_name(node));
        return node != NULL;
    }
    if (s->encoding == ENC_PACKED) {
        if (it->at == 0)
            return false;
        member_from_packed(out, s->root, it->at);
        it->at = packed_next(s->root, it->at);
        return true;
    }
    if (it->at == intset_len(s->root))
        return false;
    set_member_init_number(out, intset_get(s->root, it->at++));
    return true;
}
