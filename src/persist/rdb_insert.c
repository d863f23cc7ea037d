#include "persist/rdb_insert.h"

#include "store/access.h"
#include "store/rdb_value.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum {
    KEY_SHOWN = 64,      /* bytes of a key in a message */
    BYTES_PER_KEY = 4,   /* of a file, at least */
    RESERVE_MIN = 16384, /* keys; for fewer of them tables grow as ever */
};

void rdb_inserter_init(struct rdb_inserter *x, struct rdb_load *load, struct txn *t,
                       struct rdb_fault *fault)
{
    *x = (struct rdb_inserter){.load = load, .txn = t, .fault = fault};
    x->was_mute = t->mute;
    x->was_replay = t->replay;
    t->mute = true; /* as in Redis; and only reactors can tell anybody */
    t->replay |= load->preamble;
}

void rdb_inserter_deinit(struct rdb_inserter *x)
{
    x->txn->mute = x->was_mute;
    x->txn->replay = x->was_replay;
    rdb_text_deinit(&x->key);
}

static PRINTF_LIKE(3, 4) bool fail(struct rdb_inserter *x, uint64_t offset, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    x->fault->offset = offset;
    vsnprintf(x->fault->reason, sizeof(x->fault->reason), format, args);
    va_end(args);
    return false;
}

static int shown(struct slice key)
{
    return (int)MIN(key.len, (size_t)KEY_SHOWN);
}

static void begin(struct rdb_inserter *x, const struct key *key)
{
    if (x->txn->exclusive) {
        txn_select(x->txn, x->db);
        return;
    }
    txn_begin(x->txn, x->db, false);
    txn_lock(x->txn, key, 1);
}

static void end(struct rdb_inserter *x)
{
    if (!x->txn->exclusive)
        txn_end(x->txn, NULL, 0);
}

static void put(struct txn *t, struct ref *ref, const struct rdb_item *item, struct rdb_value *v)
{
    int64_t expire_ms = item->expire_ms >= 0 ? item->expire_ms : TTL_NONE;
    if (v->type == TYPE_STRING) {
        txn_set_string(t, ref, v->string.text, expire_ms, EVENT_NONE);
    } else {
        txn_set_collection(t, ref, v->type, v->encoding, v->root, EVENT_NONE);
        v->root = NULL;
        if (expire_ms >= 0)
            txn_set_expire(t, ref, expire_ms);
    }
    if (item->frequency >= 0 && access_is_lfu())
        access_set_frequency(ref->entry, (uint32_t)item->frequency, t->now_ms);
    else if (item->idle_s >= 0 && !access_is_lfu())
        access_set_idle(ref->entry, item->idle_s, t->now_ms);
}

static bool insert_value(struct rdb_inserter *x, const struct rdb_item *item, struct rdb_value *v,
                         uint64_t offset)
{
    struct key key = key_make(x->key.text);
    struct ref ref;
    begin(x, &key);
    bool twice = txn_find(x->txn, &key, &ref) && !x->load->replace;
    if (!twice)
        put(x->txn, &ref, item, v);
    end(x);
    if (twice)
        return fail(x, offset, "key '%.*s' is there twice in database %d", shown(key.name),
                    key.name.ptr, x->db);
    atomic_fetch_add_explicit(&x->load->keys, 1, memory_order_relaxed);
    return true;
}

static bool insert_key(struct rdb_inserter *x, const struct rdb_item *item, uint64_t offset)
{
    struct rdb_value v;
    struct rdb_in key = rdb_in_make(item->key);
    if (!rdb_take_text(&key, &x->key) || x->key.text.len > UINT32_MAX)
        return fail(x, offset, "a damaged key");
    if (!rdb_item_value(item, &v))
        return fail(x, offset, "the value of key '%.*s' (type %u) is damaged or cannot be held",
                    shown(x->key.text), x->key.text.ptr, item->type);
    bool good = true,
         expired = !x->load->preamble && item->expire_ms != -1 && item->expire_ms < x->txn->now_ms;
    if (expired)
        atomic_fetch_add_explicit(&x->load->expired, 1, memory_order_relaxed);
    else
        good = insert_value(x, item, &v, offset);
    rdb_value_deinit(&v);
    return good;
}

/* Sizes the tables for what is to come, as far as the file can hold it. */
static void reserve(struct rdb_inserter *x, uint64_t keys)
{
    struct keyspace *ks = x->txn->ks;
    uint64_t most = atomic_load(&x->load->bytes_total) / BYTES_PER_KEY;
    keys = MIN(keys, most);
    uint64_t each = keys / ks->shard_count;
    each += each / 8;
    if (keys < RESERVE_MIN)
        return;
    if (!x->txn->exclusive)
        txn_begin(x->txn, x->db, false);
    else
        txn_select(x->txn, x->db);
    for (unsigned shard = 0; shard < ks->shard_count; shard++) {
        txn_lock_shard(x->txn, shard);
        struct table *table = &db_part(x->txn->db, shard)->table;
        if (!table->used && !table_rehashing(table))
            table_reserve(table, each);
        txn_unlock(x->txn);
    }
}

bool rdb_insert(struct rdb_inserter *x, const struct rdb_item *item, uint64_t offset)
{
    switch (item->kind) {
    case RDB_ITEM_SELECT:
        if (item->number[0] >= (uint64_t)x->txn->ks->db_count)
            return fail(x, offset, "database %llu is needed; raise 'databases' (%d)",
                        (unsigned long long)item->number[0], x->txn->ks->db_count);
        x->db = (int)item->number[0];
        return true;
    case RDB_ITEM_RESIZE:
        reserve(x, item->number[0]);
        return true;
    case RDB_ITEM_KEY:
        return insert_key(x, item, offset);
    default:
        return true;
    }
}

void rdb_insert_prefetch(struct rdb_inserter *x, const struct rdb_item *item)
{
    struct rdb_text key = {.cap = 0};
    struct rdb_in in = rdb_in_make(item->key);
    bool plain = item->kind == RDB_ITEM_KEY && item->key.len && (*item->key.ptr & 0xC0) != 0xC0;
    if (!plain || !rdb_take_text(&in, &key)) /* the text of a plain one lies in the item */
        return;
    const struct db *db = keyspace_db(x->txn->ks, x->db);
    uint64_t hash = hash_slice(key.text);
    txn_prefetch_shard(x->txn, db, hash);
    txn_prefetch_bucket(x->txn, db, hash);
}

void rdb_insert_delay(const struct rdb_load *load)
{
    int delay = load->delay_us ? atomic_load_explicit(load->delay_us, memory_order_relaxed) : 0;
    if (likely(delay == 0))
        return;
    uint64_t keys = atomic_load_explicit(&load->keys, memory_order_relaxed);
    if (delay > 0)
        usleep((useconds_t)MIN(delay, 1000 * 1000));
    else if (keys % (uint64_t) - (int64_t)delay == 0)
        usleep(1);
}
