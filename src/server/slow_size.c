/* How much work a command would be, from its arguments and the sizes of its values: elements, each
 * weighed by what it costs, about 25 ns. */
#include "server/slow.h"
#include "store/hash.h"
#include "store/list.h"
#include "store/set.h"
#include "store/zset.h"

enum {
    BYTES_PER_ELEMENT = 256, /* of a string that is scanned */
    COST_SET = 2,            /* a lookup per element */
    COST_ZSET = 6,           /* and a sort of the result */
    COST_SORT = 4,
    COST_HLL = 400 /* a sketch */
};

/* The value as it is, expired or not. The shard is held. */
static const struct entry *peek(const struct exec *ex, uint32_t at)
{
    const struct key *key = &ex->keys[at];
    const struct part *part = db_part(ex->txn->db, keyspace_shard_of(ex->txn->ks, key->hash));
    struct table_pos pos;
    return table_find(&part->table, key->hash, entry_has_key, &key->name, &pos);
}

static uint64_t elements(const struct exec *ex, uint32_t at)
{
    const struct entry *e = peek(ex, at);
    if (!e)
        return 0;
    switch (entry_type(e)) {
    case TYPE_STRING:
        return entry_string_len(e) / BYTES_PER_ELEMENT;
    case TYPE_LIST:
        return list_of(e)->len;
    case TYPE_SET:
        return set_len(&(struct set){entry_encoding(e), entry_pointer(e)});
    case TYPE_HASH:
        return hash_len(hash_of(e));
    case TYPE_ZSET: {
        struct zset z = zset_of(e);
        return zset_len(&z);
    }
    default:
        return 0;
    }
}

static uint64_t sum(const struct exec *ex, uint32_t first)
{
    uint64_t total = 0;
    for (uint32_t i = first; i < ex->key_count; i++)
        total += elements(ex, i);
    return total;
}

/* The smallest is walked, the others are asked. */
static uint64_t intersection(const struct exec *ex, uint32_t first)
{
    uint64_t smallest = UINT64_MAX;
    for (uint32_t i = first; i < ex->key_count && smallest; i++)
        smallest = MIN(smallest, elements(ex, i));
    return first < ex->key_count ? smallest * (ex->key_count - first) : 0;
}

/* Positions `at` and `at` + 1 of a list or a sorted set. By score or by member: unknown, and most
 * such ranges are short: 0. */
static uint64_t range(const struct exec *ex, uint32_t key, uint32_t at)
{
    int64_t first, last;
    for (uint32_t i = at + 2; i < ex->argc; i++)
        if (arg_is(ex, i, "byscore") || arg_is(ex, i, "bylex"))
            return 0;
    if (at + 1 >= ex->argc || !num_parse_int64(ex->argv[at], &first) ||
        !num_parse_int64(ex->argv[at + 1], &last))
        return 0;
    int64_t len = (int64_t)elements(ex, key);
    first = MAX(first < 0 ? first + len : first, 0);
    last = MIN(last < 0 ? last + len : last, len - 1);
    return last >= first ? (uint64_t)(last - first) + 1 : 0;
}

/* BY nosort takes out what LIMIT leaves. */
static uint64_t sort(const struct exec *ex)
{
    uint64_t len = elements(ex, 0);
    int64_t limit = INT64_MAX;
    bool unsorted = false;
    for (uint32_t i = 2; i < ex->argc; i++) {
        unsorted |= arg_is(ex, i, "by");
        if (arg_is(ex, i, "limit") && i + 2 < ex->argc &&
            (!num_parse_int64(ex->argv[i + 2], &limit) || limit < 0))
            limit = INT64_MAX;
    }
    return unsorted ? MIN(len, (uint64_t)limit) : len * COST_SORT;
}

static uint64_t lcs(const struct exec *ex)
{
    if (ex->key_count < 2)
        return 0;
    uint64_t a = elements(ex, 0) * BYTES_PER_ELEMENT, b = elements(ex, 1) * BYTES_PER_ELEMENT;
    return b && a > UINT32_MAX / b ? UINT32_MAX : a * b / 16;
}

uint64_t slow_size(const struct exec *ex)
{
    switch (ex->cmd->id) {
    case CMD_ID_sort:
    case CMD_ID_sort_ro:
        return sort(ex);
    case CMD_ID_lrange:
    case CMD_ID_zrange:
    case CMD_ID_zrevrange:
        return range(ex, 0, 2);
    case CMD_ID_zrangestore:
        return range(ex, 1, 3) * COST_ZSET;
    case CMD_ID_sinter:
    case CMD_ID_sintercard:
    case CMD_ID_zintercard:
        return intersection(ex, 0) * COST_SET;
    case CMD_ID_sinterstore:
        return intersection(ex, 1) * COST_SET;
    case CMD_ID_zinter:
        return intersection(ex, 0) * COST_ZSET;
    case CMD_ID_zinterstore:
        return intersection(ex, 1) * COST_ZSET;
    case CMD_ID_sunion:
    case CMD_ID_sdiff:
        return sum(ex, 0) * COST_SET;
    case CMD_ID_sunionstore:
    case CMD_ID_sdiffstore:
        return sum(ex, 1) * COST_SET;
    case CMD_ID_zunion:
    case CMD_ID_zdiff:
        return sum(ex, 0) * COST_ZSET;
    case CMD_ID_zunionstore:
    case CMD_ID_zdiffstore:
        return sum(ex, 1) * COST_ZSET;
    case CMD_ID_keys:
        return (uint64_t)keyspace_keys(ex->txn->ks, ex->txn->db->id);
    case CMD_ID_lcs:
        return lcs(ex);
    case CMD_ID_bitcount:
        return ex->argc == 2 ? sum(ex, 0) : 0;
    case CMD_ID_bitop:
        return sum(ex, 1);
    case CMD_ID_pfcount: /* one alone remembers its count in the value */
        return ex->key_count > 1 ? (uint64_t)ex->key_count * COST_HLL : 0;
    default:
        return sum(ex, 0);
    }
}
