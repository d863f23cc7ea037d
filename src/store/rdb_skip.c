#include "store/rdb_skip.h"

#include "store/rdb_value.h"

enum {
    RDB_MODULE_OLD = 6,
    RDB_MODULE = 7,
    STREAM_ID = 16, /* bytes of an entry's ID */
    TIME = 8,       /* bytes of a moment */
    SCORE = 8,
    SCORE_WORDS = 253, /* lengths from here on are NaN and the infinities */
};

static bool fail(struct rdb_skipper *s, enum rdb_skip state)
{
    s->state = state;
    return false;
}

bool rdb_skip_bytes(struct rdb_skipper *s, uint64_t len)
{
    if (len > s->in.left) {
        s->missing = len - s->in.left;
        return fail(s, RDB_SKIP_SHORT);
    }
    s->in.at += len;
    s->in.left -= len;
    return true;
}

bool rdb_skip_byte(struct rdb_skipper *s, uint8_t *out)
{
    const unsigned char *at = s->in.at;
    if (!rdb_skip_bytes(s, 1))
        return false;
    *out = *at;
    return true;
}

/* Bytes of a length from its first one; 0: none begins so. */
static size_t len_bytes(uint8_t first)
{
    if (first >> 6 <= 1)
        return 1 + (first >> 6);
    return first == 0x80 ? 5 : first == 0x81 ? 9 : 0;
}

bool rdb_skip_len(struct rdb_skipper *s, uint64_t *out)
{
    size_t need = s->in.left ? len_bytes(*s->in.at) : 1;
    if (!need)
        return fail(s, RDB_SKIP_BAD);
    if (need > s->in.left)
        return rdb_skip_bytes(s, need);
    return rdb_take_len(&s->in, out) || fail(s, RDB_SKIP_BAD);
}

bool rdb_skip_text(struct rdb_skipper *s)
{
    uint64_t len, unpacked;
    uint8_t first;
    if (!s->in.left || *s->in.at >> 6 != 3)
        return rdb_skip_len(s, &len) && rdb_skip_bytes(s, len);
    if (!rdb_skip_byte(s, &first))
        return false;
    switch (first & 0x3f) {
    case 0:
    case 1:
    case 2:
        return rdb_skip_bytes(s, (uint64_t)1 << (first & 3));
    case 3:
        return rdb_skip_len(s, &len) && rdb_skip_len(s, &unpacked) && rdb_skip_bytes(s, len);
    default:
        return fail(s, RDB_SKIP_BAD);
    }
}

static bool skip_text_score(struct rdb_skipper *s)
{
    uint8_t len;
    return rdb_skip_byte(s, &len) && (len >= SCORE_WORDS || rdb_skip_bytes(s, len));
}

static bool skip_member(struct rdb_skipper *s, uint8_t type)
{
    uint64_t container;
    switch (type) {
    case RDB_HASH:
        return rdb_skip_text(s) && rdb_skip_text(s);
    case RDB_HASH_METADATA_PRE_GA:
    case RDB_HASH_METADATA:
        return rdb_skip_len(s, &container) && rdb_skip_text(s) && rdb_skip_text(s);
    case RDB_ZSET:
        return rdb_skip_text(s) && skip_text_score(s);
    case RDB_ZSET_2:
        return rdb_skip_text(s) && rdb_skip_bytes(s, SCORE);
    case RDB_LIST_QUICKLIST_2:
        return rdb_skip_len(s, &container) && rdb_skip_text(s);
    default:
        return rdb_skip_text(s);
    }
}

static bool skip_members(struct rdb_skipper *s, uint8_t type)
{
    uint64_t count;
    if (!rdb_skip_len(s, &count))
        return false;
    while (count--)
        if (!skip_member(s, type))
            return false;
    return true;
}

/* ---- streams ---- */

static bool skip_lens(struct rdb_skipper *s, int count)
{
    uint64_t len;
    while (count--)
        if (!rdb_skip_len(s, &len))
            return false;
    return true;
}

/* Pending entries of a group: ID, time of delivery, number of deliveries. */
static bool skip_pending(struct rdb_skipper *s)
{
    uint64_t count, deliveries;
    if (!rdb_skip_len(s, &count))
        return false;
    while (count--)
        if (!rdb_skip_bytes(s, STREAM_ID + TIME) || !rdb_skip_len(s, &deliveries))
            return false;
    return true;
}

static bool skip_consumers(struct rdb_skipper *s, uint8_t type)
{
    uint64_t count, owned;
    if (!rdb_skip_len(s, &count))
        return false;
    while (count--) {
        uint64_t times = type == RDB_STREAM_LISTPACKS_3 ? 2 : 1; /* seen; active */
        if (!rdb_skip_text(s) || !rdb_skip_bytes(s, times * TIME) || !rdb_skip_len(s, &owned))
            return false;
        if (owned > UINT64_MAX / STREAM_ID)
            return fail(s, RDB_SKIP_BAD);
        if (!rdb_skip_bytes(s, owned * STREAM_ID))
            return false;
    }
    return true;
}

/* Nodes of ID and listpack; length, last ID, from the second form on first ID, largest deleted ID
 * and entries ever added; groups of name, last ID, from the second form on entries read. */
static bool skip_stream(struct rdb_skipper *s, uint8_t type)
{
    uint64_t nodes, groups;
    bool counted = type != RDB_STREAM_LISTPACKS;
    if (!rdb_skip_len(s, &nodes))
        return false;
    while (nodes--)
        if (!rdb_skip_text(s) || !rdb_skip_text(s))
            return false;
    if (!skip_lens(s, counted ? 8 : 3) || !rdb_skip_len(s, &groups))
        return false;
    while (groups--)
        if (!rdb_skip_text(s) || !skip_lens(s, counted ? 3 : 2) || !skip_pending(s) ||
            !skip_consumers(s, type))
            return false;
    return true;
}

bool rdb_skip_value(struct rdb_skipper *s, uint8_t type)
{
    switch (type) {
    case RDB_STRING:
    case RDB_HASH_ZIPMAP:
    case RDB_LIST_ZIPLIST:
    case RDB_SET_INTSET:
    case RDB_ZSET_ZIPLIST:
    case RDB_HASH_ZIPLIST:
    case RDB_HASH_LISTPACK:
    case RDB_ZSET_LISTPACK:
    case RDB_SET_LISTPACK:
        return rdb_skip_text(s);
    case RDB_LIST:
    case RDB_SET:
    case RDB_ZSET:
    case RDB_HASH:
    case RDB_ZSET_2:
    case RDB_LIST_QUICKLIST:
    case RDB_LIST_QUICKLIST_2:
        return skip_members(s, type);
    case RDB_HASH_METADATA_PRE_GA:
        return skip_members(s, type);
    case RDB_HASH_METADATA:
        return rdb_skip_bytes(s, TIME) && skip_members(s, type);
    case RDB_HASH_LISTPACK_EX_PRE_GA:
        return rdb_skip_text(s);
    case RDB_HASH_LISTPACK_EX:
        return rdb_skip_bytes(s, TIME) && rdb_skip_text(s);
    case RDB_STREAM_LISTPACKS:
    case RDB_STREAM_LISTPACKS_2:
    case RDB_STREAM_LISTPACKS_3:
        return skip_stream(s, type);
    case RDB_MODULE_OLD:
    case RDB_MODULE:
        return fail(s, RDB_SKIP_MODULE);
    default:
        return fail(s, RDB_SKIP_UNKNOWN);
    }
}
