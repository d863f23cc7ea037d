#include "base/assert.h"
#include "store/access.h"
#include "store/draft.h"
#include "store/notify.h"
#include "store/txn_internal.h"
#include "store/value.h"
#include "store/wait.h"
#include "store/watch.h"

enum {
    PINNED_RETRY_MS = 10
};

static void count_key(struct txn *t, struct db *db, unsigned shard, int64_t delta)
{
    struct key_counts *c = &t->stats->counts[db->id];
    int64_t keys = atomic_load_explicit(&c->keys, memory_order_relaxed);
    atomic_store_explicit(&c->keys, keys + delta, memory_order_relaxed);
    uint64_t used = db_part(db, shard)->table.used, bit = (uint64_t)1 << (shard % 64);
    if (unlikely(delta > 0 && used == 1))
        atomic_fetch_or_explicit(&db->nonempty[shard / 64], bit, memory_order_relaxed);
    else if (unlikely(used == 0))
        atomic_fetch_and_explicit(&db->nonempty[shard / 64], ~bit, memory_order_relaxed);
}

static void count_expire(struct txn *t, const struct db *db, int64_t delta)
{
    struct key_counts *c = &t->stats->counts[db->id];
    int64_t expires = atomic_load_explicit(&c->expires, memory_order_relaxed);
    atomic_store_explicit(&c->expires, expires + delta, memory_order_relaxed);
}

static void entry_moved(void *entry, uint32_t position)
{
    entry_set_heap_position(entry, position);
}

void txn_wake_at(struct txn *t, unsigned shard, int64_t when_ms)
{
    _Atomic int64_t *next = &t->ks->shards[shard].next_expire_ms;
    if (when_ms < atomic_load_explicit(next, memory_order_relaxed))
        atomic_store_explicit(next, when_ms, memory_order_relaxed);
}

static void heap_add(struct txn *t, struct db *db, unsigned shard, struct entry *e, int64_t when_ms)
{
    memcpy(entry_expire_at(e), &when_ms, 8);
    heap_push(&db_part(db, shard)->expires, MEM_DATA, when_ms, e, entry_moved);
    txn_wake_at(t, shard, when_ms);
    count_expire(t, db, 1);
}

static void heap_drop(struct txn *t, struct db *db, unsigned shard, struct entry *e)
{
    heap_remove(&db_part(db, shard)->expires, MEM_DATA, entry_heap_position(e), entry_moved);
    count_expire(t, db, -1);
}

/* The entry moved in memory: its places must know. */
static void replace_entry(struct ref *ref, struct entry *e)
{
    ref->entry = e;
    table_pos_set(ref->pos, e);
    if (entry_expires(e))
        ref->part->expires.items[entry_heap_position(e)].item = e;
    txn_members_moved(ref);
}

struct db *ref_db(const struct txn *t, const struct ref *ref)
{
    struct db *db = t->db;
    unsigned shard = ref_shard(t, ref);
    if (likely(ref->part == db_part(db, shard)))
        return db;
    for (int i = 0; i < t->ks->db_count; i++) {
        db = &t->ks->dbs[i];
        if (atomic_load_explicit(&db->parts, memory_order_acquire) &&
            ref->part == db_part(db, shard))
            return db;
    }
    ASSERT(!"ref of an unknown database");
    return NULL;
}

struct entry *txn_unlink(struct txn *t, struct ref *ref)
{
    unsigned shard = ref_shard(t, ref);
    struct db *db = ref_db(t, ref);
    struct entry *e = ref->entry;
    if (entry_expires(e))
        heap_drop(t, db, shard, e);
    if (unlikely(e->flags & ENTRY_MEMBERS_EXPIRE))
        txn_members_unlink(t, ref);
    table_remove(&ref->part->table, ref->key->hash, ref->pos, entry_hash);
    count_key(t, db, shard, -1);
    ref->entry = NULL;
    return e;
}

/* Notes that the key has changed, when somebody waits for it. */
INLINE void tell_waiters(struct txn *t, const struct ref *ref)
{
    const struct shard *s = &t->ks->shards[ref_shard(t, ref)];
    if (unlikely(atomic_load_explicit(&s->waiters, memory_order_relaxed) != NULL) && !t->replay)
        wait_note(t, ref_db(t, ref)->id, ref->key);
}

/* The same, and tells who watches the key. */
INLINE void tell_watchers(struct txn *t, const struct ref *ref)
{
    const struct shard *s = &t->ks->shards[ref_shard(t, ref)];
    tell_waiters(t, ref);
    if (unlikely(atomic_load_explicit(&s->watchers, memory_order_relaxed) != NULL))
        watch_touch(t, ref_db(t, ref)->id, ref->key);
}

void txn_tell_watchers(struct txn *t, const struct ref *ref)
{
    tell_watchers(t, ref);
}

void txn_expire(struct txn *t, struct ref *ref)
{
    if (unlikely(t->keep_expired)) {
        ref->entry = NULL;
        return;
    }
    int64_t begun_us = keyspace_step_begin(t->ks);
    txn_edit(t, ref);
    effect_del(t, ref_db(t, ref), entry_key(ref->entry));
    tell_watchers(t, ref);
    struct entry *e = txn_unlink(t, ref);
    if (notify_is_heard(t->ks)) /* the key's name may be the entry's */
        notify_change(t, ref_db(t, ref)->id, ref->key, EVENT_EXPIRED);
    entry_release(e, true);
    keyspace_step_end(t->ks, STEP_EXPIRE_DEL, begun_us);
    stat_add(&t->stats->value[STAT_EXPIRED], 1);
    stat_add(&t->stats->value[STAT_CHANGES], 1);
}

/* Alone: only the shards that change are waited for when the record is not safe. */
COLD static void note_changed(struct txn *t, unsigned shard)
{
    struct changed_shards *c = &t->alone;
    if (!c->any)
        memset(c->bits, 0, sizeof(c->bits));
    c->any = true;
    c->bits[shard / 64] |= (uint64_t)1 << (shard % 64);
}

COLD static void note_all_changed(struct txn *t)
{
    t->alone.any = true;
    memset(t->alone.bits, 0xff, sizeof(t->alone.bits));
}

HOT void txn_edit(struct txn *t, const struct ref *ref)
{
    sched_point();
    DASSERT(t->exclusive || t->held_count > 0 || t->view);
    if (unlikely(t->exclusive) && txn_logs(t))
        note_changed(t, ref_shard(t, ref));
    if (ref->entry && unlikely((ref->entry->flags & ENTRY_PARITY) != t->ks->parity))
        t->ks->snapshot->edit(t->ks->snapshot, t, ref);
}

HOT void txn_commit(struct txn *t, const struct ref *ref, enum event event)
{
    sched_point();
    if (unlikely(t->view != NULL)) {
        draft_note(t->view->draft, event, false);
        t->dirty++;
        return;
    }
    tell_watchers(t, ref);
    if (ref->entry && unlikely(ref->entry->flags & ENTRY_MEMBERS_EXPIRE))
        txn_members_sync(t, ref);
    if (notify_is_heard(t->ks))
        notify_change(t, ref_db(t, ref)->id, ref->key, event);
    t->dirty++;
    stat_add(&t->stats->value[STAT_CHANGES], 1);
}

void txn_commit_unwatched(struct txn *t, const struct ref *ref, enum event event)
{
    sched_point();
    if (unlikely(t->view != NULL)) {
        draft_note(t->view->draft, event, true);
        t->dirty++;
        return;
    }
    tell_waiters(t, ref);
    if (event != EVENT_NONE)
        notify_event(t, ref_db(t, ref)->id, ref->key, event);
    t->dirty++;
    stat_add(&t->stats->value[STAT_CHANGES], 1);
}

static void drop_value(struct entry *e)
{
    enum encoding encoding = entry_encoding(e);
    if (encoding != ENC_INLINE && encoding != ENC_INT)
        value_release(entry_type(e), encoding, entry_pointer(e));
}

static void put_new(struct txn *t, struct ref *ref, struct entry *e, int64_t expire_ms)
{
    unsigned shard = ref_shard(t, ref);
    struct db *db = ref_db(t, ref);
    entry_set_access(e, access_is_lfu() ? access_lfu_new(t->now_ms) : t->access_clock);
    e->flags = (uint8_t)((e->flags & ~ENTRY_PARITY) | t->ks->parity);
    ref->pos = table_insert(&ref->part->table, ref->key->hash, e, entry_hash);
    ref->entry = e;
    count_key(t, db, shard, 1);
    if (expire_ms >= 0)
        heap_add(t, db, shard, e, expire_ms);
    notify_event(t, db->id, ref->key, EVENT_NEW);
}

/* Brings the entry to a shape and an expiry; its value bytes are the caller's to fill. */
static void reshape(struct txn *t, struct ref *ref, enum value_type type, struct value_shape shape,
                    int64_t expire_ms)
{
    struct entry *e = ref->entry;
    struct db *db = ref_db(t, ref);
    unsigned shard = ref_shard(t, ref);
    bool had = entry_expires(e), expires = expire_ms == TTL_KEEP ? had : expire_ms >= 0;
    if (unlikely(e->flags & ENTRY_MEMBERS_EXPIRE))
        txn_members_unlink(t, ref);
    drop_value(e);
    if (had && expire_ms != TTL_KEEP)
        heap_drop(t, db, shard, e);
    struct entry *shaped = entry_reshape(e, shape, expires, false);
    shaped->type_encoding = (uint8_t)((shaped->type_encoding & 0xf0) | type);
    shaped->flags &= (uint8_t)~ENTRY_RAW;
    if (expires && expire_ms != TTL_KEEP) {
        ref->entry = shaped;
        table_pos_set(ref->pos, shaped);
        heap_add(t, db, shard, shaped, expire_ms);
    } else if (shaped != e) {
        replace_entry(ref, shaped);
    }
}

/* A string of this very shape is there, and no expiry comes or goes: only its bytes change. */
INLINE bool has_shape(const struct entry *e, struct value_shape shape, int64_t expire_ms)
{
    return e->type_encoding == (TYPE_STRING | ENC_INLINE << 4) && shape.encoding == ENC_INLINE &&
           e->inline_len == shape.bytes && !(e->flags & (ENTRY_EXPIRES | ENTRY_RAW)) &&
           expire_ms < 0;
}

HOT static void put_string(struct txn *t, struct ref *ref, struct value_shape shape,
                           struct slice text, int64_t expire_ms)
{
    txn_edit(t, ref);
    if (!ref->entry) {
        struct entry *e = entry_create(ref->key->name, TYPE_STRING, shape, expire_ms >= 0);
        put_new(t, ref, e, expire_ms);
    } else if (!has_shape(ref->entry, shape, expire_ms)) {
        reshape(t, ref, TYPE_STRING, shape, expire_ms);
    }
    entry_fill_string(ref->entry, shape, text);
}

HOT void txn_set_string(struct txn *t, struct ref *ref, struct slice text, int64_t expire_ms,
                        enum event event)
{
    put_string(t, ref, value_shape_string(text), text, expire_ms);
    txn_commit(t, ref, event);
}

HOT void txn_set_int(struct txn *t, struct ref *ref, int64_t value, enum event event)
{
    struct entry *e = ref->entry;
    if (likely(e && entry_encoding(e) == ENC_INT)) {
        txn_edit(t, ref);
        memcpy(entry_value(e), &value, 8);
        txn_commit(t, ref, event);
        return;
    }
    struct value_shape shape = {ENC_INT, 8, value};
    put_string(t, ref, shape, SLICE(""), TTL_KEEP);
    txn_commit(t, ref, event);
}

void txn_set_text(struct txn *t, struct ref *ref, struct slice text, uint8_t flags,
                  enum event event)
{
    bool fits = text.len <= ENTRY_INLINE_MAX;
    struct value_shape shape = {fits ? ENC_INLINE : ENC_BLOB, fits ? text.len : 8, 0};
    put_string(t, ref, shape, text, TTL_KEEP);
    ref->entry->flags |= flags;
    txn_commit(t, ref, event);
}

void txn_set_blob(struct txn *t, struct ref *ref, struct blob *blob, enum event event)
{
    struct value_shape shape = {ENC_BLOB, 8, 0};
    txn_edit(t, ref);
    if (ref->entry && entry_encoding(ref->entry) == ENC_BLOB) {
        if (entry_pointer(ref->entry) != blob)
            value_release(TYPE_STRING, ENC_BLOB, entry_pointer(ref->entry));
    } else if (ref->entry) {
        reshape(t, ref, TYPE_STRING, shape, TTL_KEEP);
    } else {
        put_new(t, ref, entry_create(ref->key->name, TYPE_STRING, shape, false), TTL_NONE);
    }
    entry_set_pointer(ref->entry, blob);
    txn_commit(t, ref, event);
}

void txn_add(struct txn *t, struct ref *ref, enum value_type type, enum encoding encoding,
             void *root)
{
    ASSERT(!ref->entry);
    txn_edit(t, ref);
    struct entry *e =
        entry_create(ref->key->name, type, (struct value_shape){encoding, 8, 0}, false);
    entry_set_pointer(e, root);
    if (unlikely(t->view != NULL))
        draft_add(t->view->draft, ref, e, t->ks->parity);
    else
        put_new(t, ref, e, TTL_NONE);
}

void txn_set_collection(struct txn *t, struct ref *ref, enum value_type type,
                        enum encoding encoding, void *root, enum event event)
{
    struct value_shape shape = {encoding, 8, 0};
    txn_edit(t, ref);
    if (ref->entry)
        reshape(t, ref, type, shape, TTL_NONE);
    else
        put_new(t, ref, entry_create(ref->key->name, type, shape, false), TTL_NONE);
    entry_set_pointer(ref->entry, root);
    txn_members_sync(t, ref);
    txn_commit(t, ref, event);
}

void txn_delete(struct txn *t, struct ref *ref, bool lazy, enum event event)
{
    txn_edit(t, ref);
    entry_release(txn_unlink(t, ref), lazy);
    txn_commit(t, ref, event);
}

void txn_delete_empty(struct txn *t, struct ref *ref)
{
    if (unlikely(t->view != NULL)) {
        t->view->draft->emptied = true;
        return;
    }
    txn_edit(t, ref);
    struct entry *e = txn_unlink(t, ref);
    if (notify_is_heard(t->ks)) /* the caller has committed the change that emptied it */
        notify_change(t, ref_db(t, ref)->id, ref->key, EVENT_DEL);
    entry_release(e, true); /* the key's name may be the entry's */
}

struct entry *txn_take(struct txn *t, struct ref *ref, enum event event)
{
    txn_edit(t, ref);
    struct entry *e = txn_unlink(t, ref);
    txn_commit(t, ref, event);
    return e;
}

void txn_put(struct txn *t, struct ref *ref, struct entry *e, enum event event)
{
    ASSERT(!ref->entry);
    txn_edit(t, ref);
    int64_t expire_ms = entry_expire_ms(e);
    if (!slice_equal(entry_key(e), ref->key->name)) {
        struct value_shape shape = {entry_encoding(e),
                                    entry_encoding(e) == ENC_INLINE ? e->inline_len : 8, 0};
        struct entry *renamed = entry_create(ref->key->name, entry_type(e), shape, expire_ms >= 0);
        renamed->flags |= e->flags & ENTRY_RAW;
        memcpy(entry_value(renamed), entry_value(e), shape.bytes);
        entry_free(e);
        e = renamed;
    }
    put_new(t, ref, e, expire_ms);
    txn_members_sync(t, ref);
    txn_commit(t, ref, event);
}

void txn_set_expire(struct txn *t, struct ref *ref, int64_t when_ms)
{
    struct entry *e = ref->entry;
    struct db *db = ref_db(t, ref);
    unsigned shard = ref_shard(t, ref);
    txn_edit(t, ref);
    if (entry_expires(e))
        heap_drop(t, db, shard, e);
    if (entry_expires(e) != (when_ms >= 0)) {
        enum encoding encoding = entry_encoding(e);
        struct value_shape shape = {encoding, encoding == ENC_INLINE ? e->inline_len : 8, 0};
        e = entry_reshape(e, shape, when_ms >= 0, true);
        ref->entry = e;
        table_pos_set(ref->pos, e);
        txn_members_moved(ref);
    }
    if (when_ms >= 0)
        heap_add(t, db, shard, e, when_ms);
}

void txn_changed(struct txn *t)
{
    ASSERT(t->exclusive);
    t->alone.beside = true;
    t->dirty++;
    stat_add(&t->stats->value[STAT_CHANGES], 1);
}

void txn_flush(struct txn *t, int db, bool lazy)
{
    ASSERT(t->exclusive);
    for (int i = 0; i < t->ks->db_count; i++)
        if (db == i || db < 0) {
            watch_flush(t, i);
            keyspace_flush(t->ks, i, lazy);
            wait_note_all(t, i, i);
        }
    notify_flush(t);
    note_all_changed(t);
    t->dirty++;
    stat_add(&t->stats->value[STAT_CHANGES], 1);
}

void txn_swap(struct txn *t, int a, int b)
{
    ASSERT(t->exclusive);
    watch_swap(t, a, b);
    keyspace_swap(t->ks, a, b);
    wait_note_all(t, a, b);
    note_all_changed(t);
    t->dirty++;
    stat_add(&t->stats->value[STAT_CHANGES], 1);
}

/* False: a slow command reads the value, and its end is waited for. The keys behind it wait too:
 * the heap has no way past its top, and nobody can see them. */
static bool expire_top(struct txn *t, struct db *db, struct part *part)
{
    struct entry *e = heap_peek(&part->expires)->item;
    struct key key = key_make(entry_key(e));
    struct ref ref = {.key = &key, .part = part};
    ref.entry = table_find(&part->table, key.hash, entry_has_key, &key.name, &ref.pos);
    ASSERT(ref.entry == e);
    if (unlikely(pins_hold(t->ks, &key)))
        return false;
    t->db = db;
    txn_expire(t, &ref);
    return true;
}

static int64_t first_of(const struct heap *h)
{
    const struct heap_item *top = heap_peek(h);
    return top ? top->when : INT64_MAX;
}

/* Expires what is due in one database; returns when the next key or member is. */
static int64_t expire_part(struct txn *t, struct db *db, unsigned shard, unsigned *budget)
{
    struct part *part = db_part(db, shard);
    const struct heap_item *top;
    t->db = db;
    bool pinned = false;
    txn_members_expire_part(t, db, shard, budget);
    while ((top = heap_peek(&part->expires)) && top->when < t->now_ms && *budget) {
        if ((pinned = !expire_top(t, db, part)))
            break;
        --*budget;
    }
    if (unlikely(txn_logs(t)))
        effect_write(t, NULL, 0);
    int64_t keys_ms = pinned ? t->now_ms + PINNED_RETRY_MS : first_of(&part->expires);
    int64_t members_ms = first_of(&part->member_expires); /* only now: keys took theirs along */
    return MIN(keys_ms, members_ms);
}

bool txn_expire_shard(struct txn *t, unsigned shard, unsigned budget)
{
    int64_t next = INT64_MAX;
    txn_begin(t, 0, false); /* whatever the last command was */
    txn_lock_shard(t, shard);
    for (int i = 0; i < t->ks->db_count; i++) {
        struct db *db = &t->ks->dbs[i];
        if (!atomic_load_explicit(&db->parts, memory_order_acquire))
            continue;
        int64_t first = expire_part(t, db, shard, &budget);
        next = MIN(next, first);
    }
    /* under the lock that whoever adds an earlier one takes */
    atomic_store_explicit(&t->ks->shards[shard].next_expire_ms, next, memory_order_relaxed);
    txn_unlock(t);
    return budget == 0 || next < t->now_ms; /* members have had their half of the budget */
}
