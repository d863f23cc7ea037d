#include "ds/packed.h"
#include "store/rdb_stream.h"

static void put_id(struct buf *out, struct stream_id id)
{
    rdb_put_len(out, id.ms);
    rdb_put_len(out, id.seq);
}

static void store_big_endian(char *at, uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        at[i] = (char)value;
}

static struct slice raw_id(char raw[16], struct stream_id id)
{
    store_big_endian(raw, id.ms);
    store_big_endian(raw + 8, id.seq);
    return slice_make(raw, 16);
}

static void put_raw_id(struct buf *out, struct stream_id id)
{
    char raw[16];
    struct slice bytes = raw_id(raw, id);
    buf_append(out, bytes.ptr, bytes.len);
}

static void put_time(struct buf *out, int64_t ms)
{
    le_store64(buf_reserve(out, 8), (uint64_t)ms);
    buf_advance(out, 8);
}

struct listpack {
    struct buf bytes;
    size_t count;
};

static void put_planned(struct listpack *lp, const struct packed_plan *plan)
{
    packed_entry_write((unsigned char *)buf_reserve(&lp->bytes, plan->size), plan);
    buf_advance(&lp->bytes, plan->size);
    lp->count++;
}

static void put_int(struct listpack *lp, int64_t value)
{
    struct packed_plan plan = packed_plan_int(value);
    put_planned(lp, &plan);
}

static void put_value(struct listpack *lp, struct packed_value v)
{
    struct packed_plan plan =
        v.ptr ? packed_plan_text(slice_make(v.ptr, v.len)) : packed_plan_int(v.num);
    put_planned(lp, &plan);
}

static void put_entry(struct listpack *lp, const struct stream_block *b, struct stream_entry *e)
{
    bool same = e->flags & STREAM_SAME_FIELDS;
    put_int(lp, same ? STREAM_SAME_FIELDS : 0);
    put_int(lp, (int64_t)(e->id.ms - b->first.ms));
    put_int(lp, (int64_t)(e->id.seq - b->first.seq));
    if (!same)
        put_int(lp, e->count);
    for (uint32_t i = 0; i < e->count; i++) {
        struct stream_pair pair = stream_entry_next(e);
        if (!same)
            put_value(lp, pair.field);
        put_value(lp, pair.value);
    }
    put_int(lp, same ? (int64_t)e->count + 3 : 2 * (int64_t)e->count + 4);
}

/* Deleted entries are left out. */
static void put_block(struct buf *out, const struct stream_block *b, struct listpack *lp)
{
    char raw[16];
    struct stream_entry e;
    const unsigned char *field = b->data;
    buf_clear(&lp->bytes);
    buf_reserve(&lp->bytes, PACKED_HEADER);
    buf_advance(&lp->bytes, PACKED_HEADER);
    lp->count = 0;
    put_int(lp, b->live);
    put_int(lp, 0);
    put_int(lp, b->fields);
    for (uint32_t i = 0; i < b->fields; i++, field += packed_entry_body(field))
        put_value(lp, packed_entry_get(field));
    put_int(lp, 0);
    for (uint32_t at = b->begin; at < b->bytes; at = e.end) {
        stream_block_get(b, at, &e);
        if (!(e.flags & STREAM_DELETED))
            put_entry(lp, b, &e);
    }
    buf_putc(&lp->bytes, (char)PACKED_END);
    char *p = buf_ptr(&lp->bytes);
    le_store32(p, (uint32_t)buf_len(&lp->bytes));
    le_store16(p + 4, (uint16_t)MIN(lp->count, (size_t)PACKED_COUNT_UNKNOWN));
    rdb_put_text(out, raw_id(raw, b->first));
    rdb_put_text(out, buf_slice(&lp->bytes));
}

static void put_consumer(struct buf *out, const struct stream_consumer *c)
{
    rdb_put_text(out, stream_consumer_name(c));
    put_time(out, c->seen_ms);
    rdb_put_len(out, c->pending_count);
    for (const struct stream_pending *p = stream_pending_from_of(c, STREAM_ID_MIN); p;
         p = stream_pending_next_of(p))
        put_raw_id(out, p->id);
}

static void put_group(struct buf *out, const struct stream_group *g)
{
    rdb_put_text(out, stream_group_name(g));
    put_id(out, g->last_id);
    rdb_put_len(out, (uint64_t)g->entries_read);
    rdb_put_len(out, g->pending_count);
    for (const struct stream_pending *p = stream_pending_from(g, STREAM_ID_MIN); p;
         p = stream_pending_next(p)) {
        put_raw_id(out, p->id);
        put_time(out, p->delivered_ms);
        rdb_put_len(out, (uint64_t)p->deliveries);
    }
    rdb_put_len(out, g->consumer_count);
    for (const struct stream_consumer *c = stream_consumer_first(g); c; c = stream_consumer_next(c))
        put_consumer(out, c);
}

void rdb_stream_write(struct buf *out, const struct stream *s)
{
    struct listpack lp;
    buf_init(&lp.bytes, MEM_OTHER);
    rdb_put_len(out, s->block_count);
    for (const struct avl_node *node = avl_first(&s->blocks); node; node = avl_next(node))
        put_block(out, stream_block_of(node), &lp);
    rdb_put_len(out, s->len);
    put_id(out, s->last_id);
    put_id(out, s->first_id);
    put_id(out, s->max_deleted_id);
    rdb_put_len(out, s->entries_added);
    rdb_put_len(out, s->group_count);
    for (const struct stream_group *g = stream_group_first(s); g; g = stream_group_next(g))
        put_group(out, g);
    buf_deinit(&lp.bytes);
}
