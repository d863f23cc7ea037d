#include "base/crc.h"
#include "ds/intset.h"
#include "ds/packed.h"
#include "store/hash.h"
#include "store/list.h"
#include "store/rdb_stream.h"
#include "store/rdb_value.h"
#include "store/set.h"
#include "store/zset.h"

enum {
    NODE_PLAIN = 1, /* of a quicklist: a single string */
    NODE_LISTPACK = 2,
};

static void put_type(struct buf *out, enum rdb_type type)
{
    buf_putc(out, (char)type);
}

static void put_pack(struct buf *out, enum rdb_type type, const void *bytes, size_t len)
{
    put_type(out, type);
    rdb_put_text(out, slice_make(bytes, len));
}

/* ---- lists ---- */

static void put_block(struct buf *out, const struct deque_block *b, struct buf *scratch)
{
    uint32_t bytes = b->end - b->begin;
    size_t size = (size_t)PACKED_EMPTY + bytes;
    if (size > PACKED_BYTES_MAX) { /* then it is a single element */
        char digits[NUM_INT64_MAX_LEN];
        rdb_put_len(out, NODE_PLAIN);
        rdb_put_text(out, packed_value_text(packed_entry_get(b->data + b->begin), digits));
        return;
    }
    buf_clear(scratch);
    unsigned char *p = (unsigned char *)buf_reserve(scratch, size);
    le_store32(p, (uint32_t)size);
    le_store16(p + 4, (uint16_t)MIN(b->count, (uint32_t)PACKED_COUNT_UNKNOWN));
    memcpy(p + PACKED_HEADER, b->data + b->begin, bytes);
    p[size - 1] = PACKED_END;
    rdb_put_len(out, NODE_LISTPACK);
    rdb_put_text(out, slice_make(p, size));
}

static void put_list(struct buf *out, const struct deque *d)
{
    struct buf scratch;
    buf_init(&scratch, MEM_OTHER);
    put_type(out, RDB_LIST_QUICKLIST_2);
    rdb_put_len(out, d->blocks);
    for (const struct deque_block *b = d->head; b; b = b->next)
        put_block(out, b, &scratch);
    buf_deinit(&scratch);
}

/* ---- sets, hashes, sorted sets ---- */

/* Small sets of strings too: version 10 has no listpack for them. */
static void put_set(struct buf *out, struct set s)
{
    struct set_iter it;
    struct set_member m;
    if (s.encoding == ENC_INTSET) {
        put_pack(out, RDB_SET_INTSET, s.root, intset_bytes(s.root));
        return;
    }
    put_type(out, RDB_SET);
    rdb_put_len(out, set_len(&s));
    set_iter_init(&it, &s);
    while (set_iter_next(&it, &m))
        rdb_put_text(out, set_member_text(&m));
}

static void put_u64(struct buf *out, uint64_t value)
{
    le_store64(buf_reserve(out, sizeof(value)), value);
    buf_advance(out, sizeof(value));
}

static void put_expiring_hash(struct buf *out, struct hash h, int64_t earliest_ms)
{
    struct hash_iter it;
    struct hash_pair pair;
    put_type(out, RDB_HASH_METADATA);
    put_u64(out, (uint64_t)earliest_ms);
    rdb_put_len(out, hash_len(h));
    hash_iter_init(&it, h);
    while (hash_iter_next(&it, &pair)) {
        bool expires = pair.deadline_ms != MEMBER_FOREVER;
        rdb_put_len(out, expires ? (uint64_t)(pair.deadline_ms - earliest_ms + 1) : 0);
        rdb_put_text(out, pair.field);
        rdb_put_text(out, pair.value);
    }
}

static void put_hash(struct buf *out, struct hash h, bool with_times)
{
    struct hash_iter it;
    struct hash_pair pair;
    if (h.encoding == ENC_PACKED) {
        put_pack(out, RDB_HASH_LISTPACK, h.root, packed_bytes(h.root));
        return;
    }
    const struct deadlines *deadlines = ((const struct member_table *)h.root)->deadlines;
    if (with_times && deadlines && deadlines->heap.len) {
        put_expiring_hash(out, h, deadlines_next(deadlines));
        return;
    }
    put_type(out, RDB_HASH);
    rdb_put_len(out, hash_len(h));
    hash_iter_init(&it, h);
    while (hash_iter_next(&it, &pair)) {
        rdb_put_text(out, pair.field);
        rdb_put_text(out, pair.value);
    }
}

/* From the highest score down: Redis inserts faster at the front. */
static void put_zset(struct buf *out, struct zset z)
{
    struct zset_iter it;
    struct zset_item item;
    if (z.encoding == ENC_PACKED) {
        put_pack(out, RDB_ZSET_LISTPACK, z.packed, packed_bytes(z.packed));
        return;
    }
    put_type(out, RDB_ZSET_2);
    rdb_put_len(out, zset_len(&z));
    zset_iter_init(&it, &z, zset_all(&z), true);
    while (zset_iter_next(&it, &item)) {
        uint64_t bits;
        rdb_put_text(out, item.member);
        memcpy(&bits, &item.score, sizeof(bits));
        put_u64(out, bits);
    }
}

bool rdb_value_keeps_members(enum value_type type, unsigned version)
{
    return type == TYPE_HASH && version >= RDB_VERSION_EXPIRING;
}

static bool write_root(struct buf *out, enum value_type type, enum encoding encoding,
                       const void *root, unsigned version)
{
    switch (type) {
    case TYPE_LIST:
        put_list(out, root);
        return true;
    case TYPE_SET:
        put_set(out, (struct set){encoding, (void *)root});
        return true;
    case TYPE_HASH:
        put_hash(out, (struct hash){encoding, (void *)root},
                 rdb_value_keeps_members(type, version));
        return true;
    case TYPE_ZSET:
        put_zset(out, (struct zset){encoding, {(void *)root}});
        return true;
    case TYPE_STREAM:
        put_type(out, RDB_STREAM_LISTPACKS_2);
        rdb_stream_write(out, root);
        return true;
    default:
        return false;
    }
}

bool rdb_value_write_root(struct buf *out, enum value_type type, enum encoding encoding,
                          const void *root)
{
    return write_root(out, type, encoding, root, RDB_VERSION_EXPIRING);
}

bool rdb_value_write(struct buf *out, const struct entry *e, unsigned version)
{
    char digits[NUM_INT64_MAX_LEN];
    if (entry_type(e) != TYPE_STRING)
        return write_root(out, entry_type(e), entry_encoding(e), entry_pointer(e), version);
    put_type(out, RDB_STRING);
    rdb_put_text(out, entry_string(e, digits));
    return true;
}

void rdb_payload_seal(struct buf *out, size_t begin)
{
    bool expiring = buf_ptr(out)[begin] == RDB_HASH_METADATA;
    le_store16(buf_reserve(out, RDB_PAYLOAD_FOOTER),
               expiring ? RDB_VERSION_EXPIRING : RDB_VERSION_WRITTEN);
    buf_advance(out, 2);
    uint64_t crc = crc64(0, buf_ptr(out) + begin, buf_len(out) - begin);
    le_store64(buf_reserve(out, 8), crc);
    buf_advance(out, 8);
}

bool rdb_payload_write(struct buf *out, const struct entry *e)
{
    size_t begin = buf_len(out);
    if (!rdb_value_write(out, e, RDB_VERSION_EXPIRING))
        return false;
    rdb_payload_seal(out, begin);
    return true;
}
