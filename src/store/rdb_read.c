#include "base/crc.h"
#include "ds/packed.h"
#include "store/hash.h"
#include "store/list.h"
#include "store/rdb_pack.h"
#include "store/rdb_stream.h"
#include "store/rdb_value.h"
#include "store/set.h"
#include "store/zset.h"

#include <math.h>

enum {
    NODE_PLAIN = 1, /* of a quicklist: a single string */
    NODE_LISTPACK = 2,
};

enum {
    SCORE_NAN = 253,
    SCORE_INF = 254,
    SCORE_MINUS_INF = 255,
};

/* What is being built, and the strings on the way to it. */
struct building {
    struct rdb_value *value;
    struct rdb_text first, second;
    uint64_t expected;
};

/* ---- one element ---- */

static bool add_to_set(struct building *b, struct slice element)
{
    struct rdb_value *v = b->value;
    struct set_member m;
    set_member_init(&m, element);
    struct set s = v->root ? (struct set){v->encoding, v->root} : set_create(&m, b->expected);
    bool added = set_add(&s, &m);
    v->encoding = s.encoding;
    v->root = s.root;
    return added;
}

static bool add_to_hash(struct building *b, struct slice field, struct slice value)
{
    struct rdb_value *v = b->value;
    struct hash h = {v->encoding, v->root};
    if (!h.root) {
        h = hash_create();
        hash_expect(&h, b->expected);
    }
    bool added = hash_set(&h, field, value);
    v->encoding = h.encoding;
    v->root = h.root;
    return added;
}

/* A field that expires, at a time of at most 48 bits; 0: never. */
static bool add_to_expiring(struct building *b, struct slice field, struct slice value,
                            uint64_t when_ms)
{
    if (when_ms > RDB_DEADLINE_MAX_MS || !add_to_hash(b, field, value))
        return false;
    struct hash h = {b->value->encoding, b->value->root};
    if (when_ms)
        hash_set_deadline(&h, field, (int64_t)when_ms);
    b->value->encoding = h.encoding;
    b->value->root = h.root;
    return true;
}

static bool add_to_zset(struct building *b, struct slice member, double score)
{
    struct rdb_value *v = b->value;
    if (isnan(score))
        return false;
    struct zset z = {v->encoding, {v->root}};
    if (!z.root)
        z = zset_create(b->expected, member.len);
    bool added = zset_add(&z, member, &score, ZSET_NX) == ZSET_ADDED;
    v->encoding = z.encoding;
    v->root = z.root;
    return added;
}

static bool add_to_list(struct building *b, struct slice element)
{
    struct rdb_value *v = b->value;
    if (!v->root)
        v->root = list_create();
    deque_push(v->root, DEQUE_TAIL, element);
    return true;
}

/* No element is longer, in any collection. */
static bool fits(struct slice text)
{
    return text.len <= PACKED_VALUE_MAX;
}

/* ---- elements one after the other ---- */

static bool take_element(struct rdb_in *in, struct rdb_text *out)
{
    return rdb_take_text(in, out) && fits(out->text);
}

static bool take_text_score(struct rdb_in *in, double *out)
{
    const unsigned char *len, *text;
    if (!rdb_take(in, 1, &len) || *len == SCORE_NAN)
        return false;
    if (*len >= SCORE_INF) {
        *out = *len == SCORE_INF ? (double)INFINITY : -(double)INFINITY;
        return true;
    }
    return rdb_take(in, *len, &text) && num_parse_double(slice_make(text, *len), out);
}

static bool take_score(struct rdb_in *in, bool binary, double *out)
{
    const unsigned char *p;
    if (!binary)
        return take_text_score(in, out);
    if (!rdb_take(in, 8, &p))
        return false;
    uint64_t bits = le_load64(p);
    memcpy(out, &bits, sizeof(bits));
    return true;
}

static bool take_member(struct rdb_in *in, struct building *b, enum rdb_type type)
{
    double score;
    if (!take_element(in, &b->first))
        return false;
    switch (type) {
    case RDB_LIST:
        return add_to_list(b, b->first.text);
    case RDB_SET:
        return add_to_set(b, b->first.text);
    case RDB_HASH:
        return take_element(in, &b->second) && add_to_hash(b, b->first.text, b->second.text);
    default:
        return take_score(in, type == RDB_ZSET_2, &score) && add_to_zset(b, b->first.text, score);
    }
}

/* Every element has a byte at least, and every pair two. */
static bool read_plain(struct rdb_in *in, struct building *b, enum rdb_type type)
{
    uint64_t each = type == RDB_LIST || type == RDB_SET ? 1 : 2;
    if (!rdb_take_len(in, &b->expected) || b->expected > in->left / each)
        return false;
    for (uint64_t i = 0; i < b->expected; i++)
        if (!take_member(in, b, type))
            return false;
    return true;
}

static bool take_u64(struct rdb_in *in, uint64_t *out)
{
    const unsigned char *p;
    if (!rdb_take(in, sizeof(*out), &p))
        return false;
    *out = le_load64(p);
    return true;
}

/* Every field has three bytes at least. */
static bool read_expiring(struct rdb_in *in, struct building *b, bool relative)
{
    uint64_t earliest = 1, ttl; /* 1: a ttl stands for itself */
    if (relative && (!take_u64(in, &earliest) || earliest > RDB_DEADLINE_MAX_MS))
        return false;
    if (!rdb_take_len(in, &b->expected) || b->expected > in->left / 3)
        return false;
    for (uint64_t i = 0; i < b->expected; i++) {
        if (!rdb_take_len(in, &ttl) || ttl > RDB_DEADLINE_MAX_MS || !take_element(in, &b->first) ||
            !take_element(in, &b->second) ||
            !add_to_expiring(b, b->first.text, b->second.text, ttl ? earliest + ttl - 1 : 0))
            return false;
    }
    return true;
}

/* ---- packed collections ---- */

static bool score_of(struct packed_value v, double *out)
{
    if (!v.ptr) {
        *out = (double)v.num;
        return true;
    }
    return num_parse_double(slice_make(v.ptr, v.len), out);
}

static bool next_member(struct rdb_pack *p, struct building *b, const struct packed_value *value)
{
    struct packed_value with;
    char scratch[2][NUM_INT64_MAX_LEN];
    double score;
    struct slice element = packed_value_text(*value, scratch[0]);
    switch (b->value->type) {
    case TYPE_LIST:
        return add_to_list(b, element);
    case TYPE_SET:
        return add_to_set(b, element);
    case TYPE_HASH:
        return rdb_pack_next(p, &with) &&
               add_to_hash(b, element, packed_value_text(with, scratch[1]));
    default:
        return rdb_pack_next(p, &with) && score_of(with, &score) && add_to_zset(b, element, score);
    }
}

static bool read_packed_text(struct building *b, enum rdb_pack_kind kind, struct slice bytes)
{
    struct rdb_pack p;
    struct packed_value value;
    if (!fits(bytes) || !rdb_pack_open(&p, kind, bytes))
        return false;
    b->expected = p.count / (b->value->type == TYPE_HASH || b->value->type == TYPE_ZSET ? 2 : 1);
    while (rdb_pack_next(&p, &value))
        if (!next_member(&p, b, &value))
            return false;
    return true;
}

static bool number_of(struct packed_value v, int64_t *out)
{
    *out = v.num;
    return !v.ptr || num_parse_int64(slice_make(v.ptr, v.len), out);
}

/* A listpack of field, value and deadline in turn. */
static bool read_expiring_pack(struct rdb_in *in, struct building *b, bool headed)
{
    struct rdb_pack p;
    struct packed_value field, value, when;
    uint64_t earliest;
    int64_t when_ms;
    char scratch[2][NUM_INT64_MAX_LEN];
    if ((headed && !take_u64(in, &earliest)) || !rdb_take_text(in, &b->first) ||
        !fits(b->first.text) || !rdb_pack_open(&p, RDB_PACK_LISTPACK, b->first.text))
        return false;
    b->expected = p.count / 3;
    while (rdb_pack_next(&p, &field)) {
        if (!rdb_pack_next(&p, &value) || !rdb_pack_next(&p, &when) || !number_of(when, &when_ms) ||
            !add_to_expiring(b, packed_value_text(field, scratch[0]),
                             packed_value_text(value, scratch[1]), (uint64_t)when_ms))
            return false;
    }
    return true;
}

static bool read_pack(struct rdb_in *in, struct building *b, enum rdb_pack_kind kind)
{
    return rdb_take_text(in, &b->first) && read_packed_text(b, kind, b->first.text);
}

static bool read_node(struct rdb_in *in, struct building *b, bool old)
{
    uint64_t container = NODE_LISTPACK;
    if (old)
        return read_pack(in, b, RDB_PACK_ZIPLIST);
    if (!rdb_take_len(in, &container))
        return false;
    if (container == NODE_PLAIN)
        return take_element(in, &b->first) && add_to_list(b, b->first.text);
    return container == NODE_LISTPACK && read_pack(in, b, RDB_PACK_LISTPACK);
}

static bool read_quicklist(struct rdb_in *in, struct building *b, bool old)
{
    uint64_t nodes;
    if (!rdb_take_len(in, &nodes) || nodes > in->left)
        return false;
    for (uint64_t i = 0; i < nodes; i++)
        if (!read_node(in, b, old))
            return false;
    return true;
}

/* ---- all types ---- */

static bool type_of(uint8_t type, enum value_type *out)
{
    static const uint8_t types[] = {
        /* value type + 1; 0: none that can be read */
        [RDB_STRING] = TYPE_STRING + 1,
        [RDB_LIST] = TYPE_LIST + 1,
        [RDB_SET] = TYPE_SET + 1,
        [RDB_ZSET] = TYPE_ZSET + 1,
        [RDB_HASH] = TYPE_HASH + 1,
        [RDB_ZSET_2] = TYPE_ZSET + 1,
        [RDB_HASH_ZIPMAP] = TYPE_HASH + 1,
        [RDB_LIST_ZIPLIST] = TYPE_LIST + 1,
        [RDB_SET_INTSET] = TYPE_SET + 1,
        [RDB_ZSET_ZIPLIST] = TYPE_ZSET + 1,
        [RDB_HASH_ZIPLIST] = TYPE_HASH + 1,
        [RDB_LIST_QUICKLIST] = TYPE_LIST + 1,
        [RDB_HASH_LISTPACK] = TYPE_HASH + 1,
        [RDB_ZSET_LISTPACK] = TYPE_ZSET + 1,
        [RDB_LIST_QUICKLIST_2] = TYPE_LIST + 1,
        [RDB_SET_LISTPACK] = TYPE_SET + 1,
        [RDB_STREAM_LISTPACKS] = TYPE_STREAM + 1,
        [RDB_STREAM_LISTPACKS_2] = TYPE_STREAM + 1,
        [RDB_STREAM_LISTPACKS_3] = TYPE_STREAM + 1,
        [RDB_HASH_METADATA_PRE_GA] = TYPE_HASH + 1,
        [RDB_HASH_LISTPACK_EX_PRE_GA] = TYPE_HASH + 1,
        [RDB_HASH_METADATA] = TYPE_HASH + 1,
        [RDB_HASH_LISTPACK_EX] = TYPE_HASH + 1,
    };

    if (type >= ARRAY_LEN(types) || !types[type])
        return false;
    *out = (enum value_type)(types[type] - 1);
    return true;
}

static bool read_stream(struct rdb_in *in, struct rdb_value *v, unsigned form)
{
    v->encoding = ENC_STREAM;
    v->root = stream_create();
    return rdb_stream_read(in, form, v->root);
}

static bool read_collection(struct rdb_in *in, struct building *b, enum rdb_type type)
{
    switch (type) {
    case RDB_LIST_ZIPLIST:
    case RDB_ZSET_ZIPLIST:
    case RDB_HASH_ZIPLIST:
        return read_pack(in, b, RDB_PACK_ZIPLIST);
    case RDB_HASH_LISTPACK:
    case RDB_ZSET_LISTPACK:
    case RDB_SET_LISTPACK:
        return read_pack(in, b, RDB_PACK_LISTPACK);
    case RDB_HASH_ZIPMAP:
        return read_pack(in, b, RDB_PACK_ZIPMAP);
    case RDB_SET_INTSET:
        return read_pack(in, b, RDB_PACK_INTSET);
    case RDB_STREAM_LISTPACKS:
        return read_stream(in, b->value, 1);
    case RDB_STREAM_LISTPACKS_2:
        return read_stream(in, b->value, 2);
    case RDB_STREAM_LISTPACKS_3:
        return read_stream(in, b->value, 3);
    case RDB_LIST_QUICKLIST:
    case RDB_LIST_QUICKLIST_2:
        return read_quicklist(in, b, type == RDB_LIST_QUICKLIST);
    case RDB_HASH_METADATA_PRE_GA:
    case RDB_HASH_METADATA:
        return read_expiring(in, b, type == RDB_HASH_METADATA);
    case RDB_HASH_LISTPACK_EX_PRE_GA:
    case RDB_HASH_LISTPACK_EX:
        return read_expiring_pack(in, b, type == RDB_HASH_LISTPACK_EX);
    default:
        return read_plain(in, b, type);
    }
}

bool rdb_value_read(struct rdb_in *in, uint8_t type, struct rdb_value *out)
{
    *out = (struct rdb_value){.root = NULL};
    struct building b = {.value = out};
    if (!type_of(type, &out->type))
        return false;
    bool valid;
    if (out->type == TYPE_STRING)
        valid = rdb_take_text(in, &out->string);
    else
        valid = read_collection(in, &b, type) && out->root; /* no root: an empty collection */
    if (valid && out->type == TYPE_LIST)
        out->encoding = list_encoding(out->root);
    rdb_text_deinit(&b.first);
    rdb_text_deinit(&b.second);
    if (!valid)
        rdb_value_deinit(out);
    return valid;
}

void rdb_value_deinit(struct rdb_value *v)
{
    if (v->root)
        value_ops[v->type]->destroy(v->encoding, v->root);
    rdb_text_deinit(&v->string);
    v->root = NULL;
}

static bool is_known_version(unsigned version)
{
    return (version >= 1 && version <= 12) || version == 80;
}

bool rdb_payload_skip_checksum;

enum rdb_payload_result rdb_payload_read(struct slice payload, struct rdb_value *out)
{
    if (payload.len <= RDB_PAYLOAD_FOOTER)
        return RDB_PAYLOAD_BAD_FOOTER;
    size_t len = payload.len - RDB_PAYLOAD_FOOTER;
    const char *footer = payload.ptr + len;
    if (!is_known_version(le_load16(footer)) ||
        (!rdb_payload_skip_checksum && crc64(0, payload.ptr, len + 2) != le_load64(footer + 2)))
        return RDB_PAYLOAD_BAD_FOOTER;
    struct rdb_in in = rdb_in_make(slice_make(payload.ptr + 1, len - 1));
    if (!rdb_value_read(&in, (uint8_t)payload.ptr[0], out))
        return RDB_PAYLOAD_BAD_VALUE;
    if (!in.left)
        return RDB_PAYLOAD_OK;
    rdb_value_deinit(out);
    return RDB_PAYLOAD_BAD_VALUE;
}
