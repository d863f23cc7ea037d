#include "store/stream_block.h"

#include "base/assert.h"
#include "base/mem.h"
#include "ds/packed.h"
#include "store/settings.h"

enum {
    FLAGS_PACKED = 2,        /* bytes of small numbers in a listpack: flags, "deleted", "0" */
    FIRST_CAP = 128,         /* bytes of the first block of a stream */
    NODE_BYTES_MAX = 1 << 30 /* Redis's limit where the configured one is none or higher */
};

static unsigned char *put_size(unsigned char *at, uint32_t size)
{
    for (; size >= 0x80; size >>= 7)
        *at++ = (unsigned char)(size | 0x80);
    *at++ = (unsigned char)size;
    return at;
}

static const unsigned char *get_size(const unsigned char *at, uint32_t *size)
{
    uint32_t value = *at & 0x7F;
    for (unsigned shift = 7; unlikely(*at++ & 0x80); shift += 7)
        value |= (uint32_t)(*at & 0x7F) << shift;
    *size = value;
    return at;
}

static uint32_t size_bytes(uint32_t size)
{
    return size < 1 << 7 ? 1 : size < 1 << 14 ? 2 : size < 1 << 21 ? 3 : size < 1 << 28 ? 4 : 5;
}

static unsigned char *put_int(unsigned char *at, int64_t value)
{
    uint32_t body = packed_int_body(value);
    packed_write_int(at, value, body);
    return at + body;
}

static const unsigned char *get_int(const unsigned char *at, int64_t *value)
{
    *value = packed_entry_get(at).num;
    return at + packed_entry_body(at);
}

static unsigned char *put_element(unsigned char *at, struct slice text)
{
    struct packed_plan plan = packed_plan_text(text);
    if (plan.is_int)
        packed_write_int(at, plan.num, plan.body);
    else
        packed_write_text(at, plan.text);
    return at + plan.body;
}

struct entry_plan {
    bool same;         /* fields are the shared ones */
    int64_t ms, seq;   /* differences */
    uint64_t body;     /* bytes */
    uint64_t listpack; /* bytes in Redis's form */
};

static bool has_shared_fields(const struct stream_block *b, const struct slice *items,
                              uint32_t count)
{
    const unsigned char *field = b->data;
    if (count != b->fields)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct packed_plan plan = packed_plan_text(items[2 * i]);
        if (!packed_entry_equal(field, &plan))
            return false;
        field += packed_entry_body(field);
    }
    return true;
}

static void plan_int(struct entry_plan *p, int64_t value, bool written)
{
    uint32_t body = packed_int_body(value);
    p->body += written ? body : 0;
    p->listpack += body + 1;
}

static void plan_entry(struct entry_plan *p, const struct stream_block *b, struct stream_id id,
                       const struct slice *items, uint32_t count, bool same)
{
    *p = (struct entry_plan){.same = same,
                             .ms = (int64_t)(id.ms - b->first.ms),
                             .seq = (int64_t)(id.seq - b->first.seq),
                             .body = 1,
                             .listpack = FLAGS_PACKED};
    plan_int(p, p->ms, true);
    plan_int(p, p->seq, true);
    if (!p->same)
        plan_int(p, count, true);
    for (uint32_t i = p->same; i < 2 * count; i += p->same ? 2 : 1) {
        struct packed_plan plan = packed_plan_text(items[i]);
        p->body += plan.body;
        p->listpack += plan.size;
    }
    plan_int(p, p->same ? (int64_t)count + 3 : 2 * (int64_t)count + 4, false); /* its lp-count */
}

static void write_entry(unsigned char *at, const struct entry_plan *p, const struct slice *items,
                        uint32_t count)
{
    unsigned char *begin = at;
    at = put_size(at, (uint32_t)p->body);
    *at++ = p->same ? STREAM_SAME_FIELDS : 0;
    at = put_int(at, p->ms);
    at = put_int(at, p->seq);
    if (!p->same)
        at = put_int(at, count);
    for (uint32_t i = p->same; i < 2 * count; i += p->same ? 2 : 1)
        at = put_element(at, items[i]);
    packed_backlen_write(at, (uint32_t)(at - begin));
}

/* Room for `add` bytes behind `bytes`. */
static void make_room(struct stream_block *b, size_t add)
{
    size_t need = b->bytes + add;
    ASSERT(need <= UINT32_MAX); /* Elements of an entry are bounded by 1 GB, blocks hardly more. */
    if (likely(need <= b->cap))
        return;
    size_t cap = MIN(mem_size_class(MAX(need, need + b->cap / 4)), (size_t)UINT32_MAX);
    b->data = mem_realloc(MEM_DATA, b->data, b->cap, cap);
    b->cap = (uint32_t)cap;
}

static void append(struct stream_block *b, struct stream_id id, const struct slice *items,
                   uint32_t count, bool same)
{
    struct entry_plan p;
    plan_entry(&p, b, id, items, count, same);
    size_t size = size_bytes((uint32_t)p.body) + p.body;
    size += packed_backlen_size(size);
    make_room(b, size);
    write_entry(b->data + b->bytes, &p, items, count);
    b->bytes += (uint32_t)size;
    b->listpack += p.listpack;
    b->live++;
}

void stream_block_append(struct stream_block *b, struct stream_id id, const struct slice *items,
                         uint32_t count)
{
    append(b, id, items, count, has_shared_fields(b, items, count));
}

void stream_block_append_same(struct stream_block *b, struct stream_id id,
                              const struct slice *items)
{
    append(b, id, items, b->fields, true);
}

static void put_shared_fields(struct stream_block *b, const struct slice *items, uint32_t count)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct packed_plan plan = packed_plan_text(items[2 * i]);
        bytes += plan.body;
        b->listpack += plan.size;
    }
    make_room(b, bytes);
    unsigned char *at = b->data;
    for (uint32_t i = 0; i < count; i++)
        at = put_element(at, items[2 * i]);
    b->bytes = (uint32_t)bytes;
    b->fields = count;
}

struct stream_block *stream_block_create(struct stream_id id, const struct slice *items,
                                         uint32_t count, uint32_t expected)
{
    struct stream_block *b = mem_zalloc(MEM_DATA, sizeof(*b));
    b->first = id;
    make_room(b, MAX(expected, (uint32_t)FIRST_CAP));
    put_shared_fields(b, items, count);
    b->begin = b->bytes;
    return b;
}

void stream_block_destroy(struct stream_block *b)
{
    mem_free(MEM_DATA, b->data, b->cap);
    mem_free(MEM_DATA, b, sizeof(*b));
}

struct stream_block *stream_block_copy(const struct stream_block *b)
{
    struct stream_block *copy = mem_alloc(MEM_DATA, sizeof(*copy));
    *copy = *b;
    copy->cap = (uint32_t)mem_size_class(b->bytes);
    copy->data = mem_alloc(MEM_DATA, copy->cap);
    memcpy(copy->data, b->data, b->bytes);
    return copy;
}

void stream_block_close(struct stream_block *b)
{
    size_t cap = mem_size_class(b->bytes);
    if (cap >= b->cap)
        return;
    b->data = mem_realloc(MEM_DATA, b->data, b->cap, cap);
    b->cap = (uint32_t)cap;
}

uint64_t stream_block_listpack_bytes(const struct stream_block *b)
{
    return PACKED_EMPTY + b->listpack + (packed_int_body(b->live) + 1) +
           (packed_int_body(b->dead) + 1) + (packed_int_body(b->fields) + 1) + FLAGS_PACKED;
}

bool stream_block_is_full(const struct stream_block *b, size_t len)
{
    uint64_t max_bytes = store_settings.stream_node_max_bytes;
    int64_t max_entries = store_settings.stream_node_max_entries;
    if (max_bytes == 0 || max_bytes > NODE_BYTES_MAX)
        max_bytes = NODE_BYTES_MAX;
    return stream_block_listpack_bytes(b) + len >= max_bytes ||
           (max_entries && (int64_t)b->live + b->dead >= max_entries);
}

void stream_block_get(const struct stream_block *b, uint32_t at, struct stream_entry *out)
{
    uint32_t body;
    int64_t ms, seq, count = b->fields;
    const unsigned char *p = get_size(b->data + at, &body), *end = p + body;
    uint32_t size = (uint32_t)(end - (b->data + at));
    uint8_t flags = *p++;
    p = get_int(p, &ms);
    p = get_int(p, &seq);
    if (!(flags & STREAM_SAME_FIELDS))
        p = get_int(p, &count);
    *out = (struct stream_entry){
        .at = at,
        .end = at + size + packed_backlen_size(size),
        .flags = flags,
        .count = (uint32_t)count,
        .id = {b->first.ms + (uint64_t)ms, b->first.seq + (uint64_t)seq},
        .field = flags & STREAM_SAME_FIELDS ? b->data : NULL,
        .elements = p,
    };
}

uint32_t stream_block_before(const struct stream_block *b, uint32_t at)
{
    return at - packed_entry_size_before(b->data + at);
}

struct stream_id stream_block_last(const struct stream_block *b)
{
    struct stream_entry e;
    stream_block_get(b, stream_block_before(b, b->bytes), &e);
    return e.id;
}

void stream_block_delete(struct stream_block *b, uint32_t at)
{
    uint32_t body;
    unsigned char *flags = b->data + (get_size(b->data + at, &body) - b->data);
    DASSERT(!(*flags & STREAM_DELETED));
    *flags |= STREAM_DELETED;
    b->live--;
    b->dead++;
    if (at != b->begin || !b->live)
        return;
    struct stream_entry e;
    do {
        stream_block_get(b, b->begin, &e);
        b->begin = e.flags & STREAM_DELETED ? e.end : e.at;
    } while (e.flags & STREAM_DELETED);
}
