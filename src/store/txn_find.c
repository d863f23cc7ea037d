#include "base/assert.h"
#include "store/access.h"
#include "store/draft.h"
#include "store/notify.h"
#include "store/txn_internal.h"
#include "store/value.h"

#include <limits.h>

#ifdef DEBUG_CHECKS
_Thread_local const struct txn_guard *txn_guard;

static void check_named(const struct key *key)
{
    ASSERT(!txn_guard || txn_guard->names(txn_guard, key->name));
}
#else
INLINE void check_named(const struct key *key)
{
    (void)key;
}
#endif

COLD static void unheld(struct txn *t)
{
    stat_add(&t->stats->value[STAT_KEYSPEC], 1);
#ifdef DEBUG_CHECKS
    ASSERT(!"a key was looked up whose shard is not held: its command's key spec is wrong");
#endif
    ASSERT(t->restartable && t->dirty == 0);
    longjmp(t->keyspec_unwind, 1);
}

INLINE bool is_held(const struct txn *t, unsigned shard)
{
    return likely(atomic_load_explicit(&t->ks->shards[shard].holder, memory_order_relaxed) ==
                  t->self + 1) ||
           likely(t->exclusive || !txn_locks(shard));
}

/* A slow command sees what it pinned. */
COLD static bool find_in_view(const struct txn_view *v, const struct key *key, struct ref *out)
{
    bool pinned = key >= v->keys && key < v->keys + v->count;
    ASSERT(pinned); /* a destination may have a source's name, hence no search */
    uint32_t at = (uint32_t)(key - v->keys);
    bool drafted = v->draft && at == v->edited;
    *out = (struct ref){.key = key, .entry = drafted ? v->draft->husk : v->entries[at]};
    return out->entry != NULL;
}

/* Deletes an expired key, unless a slow command reads it: then it is only not seen. */
COLD static void drop_expired(struct txn *t, struct ref *ref)
{
    if (!t->exclusive && pins_hold(t->ks, ref->key))
        ref->entry = NULL;
    else
        txn_expire(t, ref);
}

/* An entry with a clock to look at: whether it is still there. */
NOINLINE static bool outlives(struct txn *t, struct ref *ref)
{
    unsigned all = UINT_MAX;
    if (unlikely(t->replay))
        return true;
    if (entry_expires(ref->entry) && t->now_ms > entry_expire_ms(ref->entry)) {
        drop_expired(t, ref);
        return false;
    }
    /* a value with members that expire is pinned for edits only, and then not here */
    return !(ref->entry->flags & ENTRY_MEMBERS_EXPIRE) || txn_members_expire(t, ref, &all);
}

NOINLINE static void step(struct table *table)
{
    table_step(table, entry_hash);
}

INLINE bool find_in(struct txn *t, struct db *db, const struct key *key, struct ref *out)
{
    unsigned shard = keyspace_shard_of(t->ks, key->hash);
    check_named(key);
    if (unlikely(!is_held(t, shard))) {
        if (t->view)
            return find_in_view(t->view, key, out);
        unheld(t);
    }
    out->key = key;
    out->part = db_part(db, shard);
    if (unlikely(table_rehashing(&out->part->table)))
        step(&out->part->table);
    out->entry = table_find(&out->part->table, key->hash, entry_has_key, &key->name, &out->pos);
    if (!out->entry)
        return false;
    return likely(!entry_has_deadline(out->entry)) || outlives(t, out);
}

INLINE void touch(struct txn *t, struct entry *e)
{
    if (likely(!access_is_lfu()))
        entry_set_access(e, t->access_clock);
    else
        access_lfu_touch(e, t->now_ms, &t->rng);
}

INLINE bool find_and_touch(struct txn *t, const struct key *key, struct ref *out)
{
    if (!find_in(t, t->db, key, out))
        return false;
    if (likely(!t->no_touch))
        touch(t, out->entry);
    return true;
}

HOT bool txn_find(struct txn *t, const struct key *key, struct ref *out)
{
    return find_and_touch(t, key, out);
}

INLINE bool find_counted(struct txn *t, const struct key *key, struct ref *out)
{
    bool found = find_and_touch(t, key, out);
    stat_add(&t->stats->value[found ? STAT_HITS : STAT_MISSES], 1);
    return found;
}

bool txn_find_quietly(struct txn *t, const struct key *key, struct ref *out)
{
    return find_counted(t, key, out);
}

HOT bool txn_find_read(struct txn *t, const struct key *key, struct ref *out)
{
    bool found = find_counted(t, key, out);
    if (unlikely(!found) && !t->view) /* a view's first look was told of */
        notify_event(t, t->db->id, key, EVENT_KEYMISS);
    return found;
}

bool txn_find_in(struct txn *t, int db, const struct key *key, struct ref *out)
{
    return find_in(t, keyspace_db(t->ks, db), key, out);
}

const struct entry *txn_peek(const struct txn *t, int db, const struct key *key)
{
    struct table_pos pos;
    const struct db *d = &t->ks->dbs[db];
    if (!atomic_load_explicit(&d->parts, memory_order_acquire))
        return NULL;
    const struct table *table = &db_part(d, keyspace_shard_of(t->ks, key->hash))->table;
    return table_find(table, key->hash, entry_has_key, &key->name, &pos);
}

/* A hint, so a busy lock is not waited for; a lone thread needs none (a locked instruction would
 * wait for the loads before it and undo the overlap of misses that prefetching is for). */
INLINE bool peek_begin(struct txn *t, struct lock *lock)
{
    return gates_lone(&t->ks->gates) || lock_try(lock);
}

INLINE void peek_end(struct txn *t, struct lock *lock)
{
    if (!gates_lone(&t->ks->gates))
        lock_release(lock);
}

void txn_prefetch_entry(struct txn *t, const struct db *db, uint64_t hash)
{
    unsigned shard = keyspace_shard_of(t->ks, hash);
    struct lock *lock = &t->ks->shards[shard].lock;
    if (!peek_begin(t, lock))
        return;
    __builtin_prefetch(table_peek(&db_part(db, shard)->table, hash));
    peek_end(t, lock);
}

/* The caller may look at the shard. */
static const struct table *members_of(const struct txn *t, const struct db *db,
                                      const struct key *key)
{
    struct table_pos pos;
    const struct part *part = db_part(db, keyspace_shard_of(t->ks, key->hash));
    const struct entry *e = table_find(&part->table, key->hash, entry_has_key, &key->name, &pos);
    const struct value_ops *ops = e ? value_ops[entry_type(e)] : NULL;
    return ops && ops->members ? ops->members(entry_encoding(e), entry_pointer(e)) : NULL;
}

bool txn_prefetch_member_buckets(struct txn *t, const struct db *db, const struct key *key,
                                 struct member_probe *probes, uint32_t count)
{
    struct lock *lock = &t->ks->shards[keyspace_shard_of(t->ks, key->hash)].lock;
    if (!peek_begin(t, lock))
        return false;
    const struct table *members = members_of(t, db, key);
    for (uint32_t i = 0; members && i < count; i++) {
        probes[i].hash = hash_slice(probes[i].name);
        table_prefetch_bucket(members, probes[i].hash);
    }
    peek_end(t, lock);
    return members != NULL;
}

void txn_prefetch_members(struct txn *t, const struct db *db, const struct key *key,
                          const struct member_probe *probes, uint32_t count)
{
    struct lock *lock = &t->ks->shards[keyspace_shard_of(t->ks, key->hash)].lock;
    if (!peek_begin(t, lock))
        return;
    const struct table *members = members_of(t, db, key);
    for (uint32_t i = 0; members && i < count; i++)
        __builtin_prefetch(table_peek(members, probes[i].hash));
    peek_end(t, lock);
}

void txn_prefetch_held(struct txn *t, const struct key *keys, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        unsigned shard = keyspace_shard_of(t->ks, keys[i].hash);
        table_prefetch_bucket(&db_part(t->db, shard)->table, keys[i].hash);
    }
    for (uint32_t i = 0; i < count; i++) {
        unsigned shard = keyspace_shard_of(t->ks, keys[i].hash);
        __builtin_prefetch(table_peek(&db_part(t->db, shard)->table, keys[i].hash));
    }
}
