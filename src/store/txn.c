#include "store/txn.h"

#include "base/assert.h"
#include "base/clock.h"
#include "store/access.h"
#include "store/value.h"
#include "store/watch.h"

void txn_init(struct txn *t, struct keyspace *ks, unsigned self)
{
    memset(t, 0, sizeof(*t));
    t->ks = ks;
    t->self = self;
    t->stats = &ks->stats[self];
    buf_init(&t->effects.text, MEM_OTHER);
    uint64_t seed;
    rand_secure(&seed, sizeof(seed));
    rng_seed(&t->rng, seed);
}

void txn_deinit(struct txn *t)
{
    buf_deinit(&t->effects.text);
}

HOT void txn_begin(struct txn *t, int db, bool exclusive)
{
    t->db = keyspace_db(t->ks, db);
    t->exclusive = exclusive;
    t->held_count = 0;
    t->dirty = 0;
    t->effects.replaced = t->effects.suppressed = false;
}

/* ---- locks: ascending, each shard once ---- */

/* A build option leaves the locks of every fourth shard out: the linearizability checker must
 * notice. */
INLINE bool locks(unsigned shard)
{
#ifdef BROKEN_LOCK
    return shard % 4 != 0;
#else
    (void)shard;
    return true;
#endif
}

static void hold(struct txn *t, unsigned shard)
{
    struct shard *s = &t->ks->shards[shard];
    if (locks(shard))
        lock_acquire(&s->lock);
    atomic_store_explicit(&s->holder, t->self + 1, memory_order_relaxed);
}

static void release(struct txn *t, unsigned shard)
{
    struct shard *s = &t->ks->shards[shard];
    atomic_store_explicit(&s->holder, 0, memory_order_relaxed);
    if (locks(shard))
        lock_release(&s->lock);
}

/* Inserts into the sorted list of held shards; false when it is there. */
static bool note_shard(struct txn *t, uint16_t shard)
{
    uint32_t at = t->held_count;
    while (at > 0 && t->held[at - 1] > shard)
        at--;
    if (at > 0 && t->held[at - 1] == shard)
        return false;
    memmove(t->held + at + 1, t->held + at, (t->held_count - at) * sizeof(t->held[0]));
    t->held[at] = shard;
    t->held_count++;
    return true;
}

static void note_many(struct txn *t, const struct key *keys, uint32_t count)
{
    uint64_t wanted[SHARDS_MAX / 64] = {0};
    for (uint32_t i = 0; i < count; i++) {
        unsigned shard = keyspace_shard_of(t->ks, keys[i].hash);
        wanted[shard / 64] |= (uint64_t)1 << (shard % 64);
    }
    for (unsigned word = 0; word < SHARDS_MAX / 64; word++)
        for (uint64_t bits = wanted[word]; bits; bits &= bits - 1)
            t->held[t->held_count++] = (uint16_t)(word * 64 + (unsigned)__builtin_ctzll(bits));
}

void txn_lock(struct txn *t, const struct key *keys, uint32_t count)
{
    enum {
        FEW = 16
    };

    DASSERT(!t->exclusive && t->held_count == 0);
    if (likely(count == 1)) {
        t->held[0] = (uint16_t)keyspace_shard_of(t->ks, keys[0].hash);
        t->held_count = 1;
    } else if (count <= FEW) {
        for (uint32_t i = 0; i < count; i++)
            note_shard(t, (uint16_t)keyspace_shard_of(t->ks, keys[i].hash));
    } else {
        note_many(t, keys, count);
    }
    for (uint32_t i = 0; i < t->held_count; i++)
        hold(t, t->held[i]);
}

void txn_lock_shard(struct txn *t, unsigned shard)
{
    if (t->exclusive)
        return;
    DASSERT(t->held_count == 0);
    t->held[0] = (uint16_t)shard;
    t->held_count = 1;
    hold(t, shard);
}

bool txn_try_shard(struct txn *t, unsigned shard)
{
    DASSERT(!t->exclusive && t->held_count == 0);
    if (!lock_try(&t->ks->shards[shard].lock))
        return false;
    atomic_store_explicit(&t->ks->shards[shard].holder, t->self + 1, memory_order_relaxed);
    t->held[0] = (uint16_t)shard;
    t->held_count = 1;
    return true;
}

INLINE void drop_locks(struct txn *t)
{
    for (uint32_t i = 0; i < t->held_count; i++)
        release(t, t->held[i]);
    t->held_count = 0;
}

static void write_effects(struct txn *t, const struct slice *argv, uint32_t argc);

void txn_unlock(struct txn *t)
{
    if (unlikely(buf_len(&t->effects.text)) && !t->exclusive) /* alone, they can wait for the end */
        write_effects(t, NULL, 0);
    drop_locks(t);
}

COLD static void unheld(struct txn *t)
{
    stat_add(&t->stats->value[STAT_KEYSPEC], 1);
#ifdef DEBUG_CHECKS
    ASSERT(!"a key was looked up whose shard is not held: its command's key spec is wrong");
#endif
    ASSERT(t->restartable && t->dirty == 0);
    longjmp(t->keyspec_unwind, 1);
}

INLINE void assert_held(struct txn *t, unsigned shard)
{
    if (likely(atomic_load_explicit(&t->ks->shards[shard].holder, memory_order_relaxed) ==
               t->self + 1) ||
        likely(t->exclusive || !locks(shard)))
        return;
    unheld(t);
}

/* ---- counters and expiry bookkeeping ---- */

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

static void heap_add(struct txn *t, struct db *db, unsigned shard, struct entry *e, int64_t when_ms)
{
    memcpy(entry_expire_at(e), &when_ms, 8);
    heap_push(&db_part(db, shard)->expires, MEM_DATA, when_ms, e, entry_moved);
    _Atomic int64_t *next = &t->ks->shards[shard].next_expire_ms;
    if (when_ms < atomic_load_explicit(next, memory_order_relaxed))
        atomic_store_explicit(next, when_ms, memory_order_relaxed);
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
}

/* ---- lookups ---- */

static unsigned shard_of(const struct txn *t, const struct ref *ref)
{
    return keyspace_shard_of(t->ks, ref->key->hash);
}

static struct db *db_of(const struct txn *t, const struct ref *ref)
{
    struct db *db = t->db;
    unsigned shard = shard_of(t, ref);
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

static void log_del(struct txn *t, const struct db *db, struct slice key);

static struct entry *unlink_entry(struct txn *t, struct ref *ref)
{
    unsigned shard = shard_of(t, ref);
    struct db *db = db_of(t, ref);
    struct entry *e = ref->entry;
    if (entry_expires(e))
        heap_drop(t, db, shard, e);
    table_remove(&ref->part->table, ref->key->hash, ref->pos, entry_hash);
    count_key(t, db, shard, -1);
    ref->entry = NULL;
    return e;
}

/* Tells who watches the key that it has changed. */
INLINE void tell_watchers(struct txn *t, const struct ref *ref)
{
    const struct shard *s = &t->ks->shards[shard_of(t, ref)];
    if (unlikely(atomic_load_explicit(&s->watchers, memory_order_relaxed) != NULL))
        watch_touch(t, db_of(t, ref)->id, ref->key);
}

static void expire_entry(struct txn *t, struct ref *ref)
{
    txn_edit(t, ref);
    log_del(t, db_of(t, ref), entry_key(ref->entry));
    tell_watchers(t, ref);
    entry_release(unlink_entry(t, ref), true);
    stat_add(&t->stats->value[STAT_EXPIRED], 1);
    stat_add(&t->stats->value[STAT_CHANGES], 1);
}

INLINE bool find_in(struct txn *t, struct db *db, const struct key *key, struct ref *out)
{
    unsigned shard = keyspace_shard_of(t->ks, key->hash);
    assert_held(t, shard);
    out->key = key;
    out->part = db_part(db, shard);
    if (unlikely(table_rehashing(&out->part->table)))
        table_step(&out->part->table, entry_hash);
    out->entry = table_find(&out->part->table, key->hash, entry_has_key, &key->name, &out->pos);
    if (!out->entry)
        return false;
    if (unlikely(entry_expires(out->entry)) && t->now_ms > entry_expire_ms(out->entry)) {
        expire_entry(t, out);
        return false;
    }
    return true;
}

INLINE void touch(struct txn *t, struct entry *e)
{
    if (likely(!access_is_lfu()))
        entry_set_access(e, t->access_clock);
    else
        access_lfu_touch(e, t->now_ms, &t->rng);
}

HOT bool txn_find(struct txn *t, const struct key *key, struct ref *out)
{
    if (!find_in(t, t->db, key, out))
        return false;
    if (likely(!t->no_touch))
        touch(t, out->entry);
    return true;
}

HOT bool txn_find_read(struct txn *t, const struct key *key, struct ref *out)
{
    bool found = txn_find(t, key, out);
    stat_add(&t->stats->value[found ? STAT_HITS : STAT_MISSES], 1);
    return found;
}

bool txn_find_in(struct txn *t, int db, const struct key *key, struct ref *out)
{
    return find_in(t, keyspace_db(t->ks, db), key, out);
}

/* A hint, so a busy lock is not waited for; a lone thread needs none (a locked instruction would
 * wait for the loads before it and undo the overlap of misses that prefetching is for). */
INLINE bool peek_begin(struct txn *t, struct lock *lock)
{
    return t->ks->gates.count == 1 || lock_try(lock);
}

INLINE void peek_end(struct txn *t, struct lock *lock)
{
    if (t->ks->gates.count != 1)
        lock_release(lock);
}

void txn_prefetch_bucket(struct txn *t, const struct db *db, uint64_t hash)
{
    unsigned shard = keyspace_shard_of(t->ks, hash);
    struct lock *lock = &t->ks->shards[shard].lock;
    if (!peek_begin(t, lock))
        return;
    table_prefetch_bucket(&db_part(db, shard)->table, hash);
    peek_end(t, lock);
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

bool txn_prefetch_member_bucket(struct txn *t, const struct db *db, const struct key *key,
                                struct slice member, uint64_t *hash)
{
    struct lock *lock = &t->ks->shards[keyspace_shard_of(t->ks, key->hash)].lock;
    if (!peek_begin(t, lock))
        return false;
    const struct table *members = members_of(t, db, key);
    if (members) {
        *hash = hash_slice(member);
        table_prefetch_bucket(members, *hash);
    }
    peek_end(t, lock);
    return members != NULL;
}

void txn_prefetch_member(struct txn *t, const struct db *db, const struct key *key, uint64_t hash)
{
    struct lock *lock = &t->ks->shards[keyspace_shard_of(t->ks, key->hash)].lock;
    if (!peek_begin(t, lock))
        return;
    const struct table *members = members_of(t, db, key);
    if (members)
        __builtin_prefetch(table_peek(members, hash));
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

/* ---- changes ---- */

void txn_edit(struct txn *t, const struct ref *ref)
{
    sched_point();
    DASSERT(t->exclusive || t->held_count > 0);
    (void)ref;
    (void)t;
}

HOT void txn_commit(struct txn *t, const struct ref *ref, const char *event)
{
    sched_point();
    (void)event;
    tell_watchers(t, ref);
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
    unsigned shard = shard_of(t, ref);
    struct db *db = db_of(t, ref);
    entry_set_access(e, access_is_lfu() ? access_lfu_new(t->now_ms) : t->access_clock);
    ref->pos = table_insert(&ref->part->table, ref->key->hash, e, entry_hash);
    ref->entry = e;
    count_key(t, db, shard, 1);
    if (expire_ms >= 0)
        heap_add(t, db, shard, e, expire_ms);
}

/* Brings the entry to a shape and an expiry; its value bytes are the caller's to fill. */
static void reshape(struct txn *t, struct ref *ref, enum value_type type, struct value_shape shape,
                    int64_t expire_ms)
{
    struct entry *e = ref->entry;
    struct db *db = db_of(t, ref);
    unsigned shard = shard_of(t, ref);
    bool had = entry_expires(e), expires = expire_ms == TTL_KEEP ? had : expire_ms >= 0;
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

HOT static void put_string(struct txn *t, struct ref *ref, struct value_shape shape,
                           struct slice text, int64_t expire_ms)
{
    txn_edit(t, ref);
    if (ref->entry) {
        reshape(t, ref, TYPE_STRING, shape, expire_ms);
    } else {
        struct entry *e = entry_create(ref->key->name, TYPE_STRING, shape, expire_ms >= 0);
        put_new(t, ref, e, expire_ms);
    }
    entry_fill_string(ref->entry, shape, text);
}

HOT void txn_set_string(struct txn *t, struct ref *ref, struct slice text, int64_t expire_ms,
                        const char *event)
{
    put_string(t, ref, value_shape_string(text), text, expire_ms);
    txn_commit(t, ref, event);
}

HOT void txn_set_int(struct txn *t, struct ref *ref, int64_t value, const char *event)
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
                  const char *event)
{
    bool fits = text.len <= ENTRY_INLINE_MAX;
    struct value_shape shape = {fits ? ENC_INLINE : ENC_BLOB, fits ? text.len : 8, 0};
    put_string(t, ref, shape, text, TTL_KEEP);
    ref->entry->flags |= flags;
    txn_commit(t, ref, event);
}

void txn_set_blob(struct txn *t, struct ref *ref, struct blob *blob, const char *event)
{
    struct value_shape shape = {ENC_BLOB, 8, 0};
    txn_edit(t, ref);
    if (ref->entry && entry_encoding(ref->entry) == ENC_BLOB) {
        if (entry_pointer(ref->entry) != blob)
            blob_unref(entry_pointer(ref->entry));
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
    put_new(t, ref, e, TTL_NONE);
}

void txn_set_collection(struct txn *t, struct ref *ref, enum value_type type,
                        enum encoding encoding, void *root, const char *event)
{
    struct value_shape shape = {encoding, 8, 0};
    txn_edit(t, ref);
    if (ref->entry)
        reshape(t, ref, type, shape, TTL_NONE);
    else
        put_new(t, ref, entry_create(ref->key->name, type, shape, false), TTL_NONE);
    entry_set_pointer(ref->entry, root);
    txn_commit(t, ref, event);
}

void txn_delete(struct txn *t, struct ref *ref, bool lazy, const char *event)
{
    txn_edit(t, ref);
    entry_release(unlink_entry(t, ref), lazy);
    txn_commit(t, ref, event);
}

void txn_delete_empty(struct txn *t, struct ref *ref)
{
    txn_edit(t, ref);
    entry_release(unlink_entry(t, ref), true);
}

struct entry *txn_take(struct txn *t, struct ref *ref, const char *event)
{
    txn_edit(t, ref);
    struct entry *e = unlink_entry(t, ref);
    txn_commit(t, ref, event);
    return e;
}

void txn_put(struct txn *t, struct ref *ref, struct entry *e, const char *event)
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
    txn_commit(t, ref, event);
}

void txn_set_expire(struct txn *t, struct ref *ref, int64_t when_ms)
{
    struct entry *e = ref->entry;
    struct db *db = db_of(t, ref);
    unsigned shard = shard_of(t, ref);
    txn_edit(t, ref);
    if (entry_expires(e))
        heap_drop(t, db, shard, e);
    if (entry_expires(e) != (when_ms >= 0)) {
        enum encoding encoding = entry_encoding(e);
        struct value_shape shape = {encoding, encoding == ENC_INLINE ? e->inline_len : 8, 0};
        e = entry_reshape(e, shape, when_ms >= 0, true);
        ref->entry = e;
        table_pos_set(ref->pos, e);
    }
    if (when_ms >= 0)
        heap_add(t, db, shard, e, when_ms);
}

void txn_flush(struct txn *t, int db, bool lazy)
{
    ASSERT(t->exclusive);
    for (int i = 0; i < t->ks->db_count; i++)
        if (db == i || db < 0) {
            watch_flush(t, i);
            keyspace_flush(t->ks, i, lazy);
        }
    t->dirty++;
    stat_add(&t->stats->value[STAT_CHANGES], 1);
}

void txn_swap(struct txn *t, int a, int b)
{
    ASSERT(t->exclusive);
    watch_swap(t, a, b);
    keyspace_swap(t->ks, a, b);
    t->dirty++;
    stat_add(&t->stats->value[STAT_CHANGES], 1);
}

/* ---- timely expiry ---- */

static void expire_top(struct txn *t, struct db *db, struct part *part)
{
    struct entry *e = heap_peek(&part->expires)->item;
    struct key key = key_make(entry_key(e));
    struct ref ref = {.key = &key, .part = part};
    ref.entry = table_find(&part->table, key.hash, entry_has_key, &key.name, &ref.pos);
    ASSERT(ref.entry == e);
    t->db = db;
    expire_entry(t, &ref);
}

/* Expires what is due in one database; returns when the next key is. */
static int64_t expire_part(struct txn *t, struct db *db, unsigned shard, unsigned *budget)
{
    struct part *part = db_part(db, shard);
    const struct heap_item *top;
    t->db = db;
    while ((top = heap_peek(&part->expires)) && top->when < t->now_ms && *budget) {
        expire_top(t, db, part);
        --*budget;
    }
    if (unlikely(txn_logs(t)))
        write_effects(t, NULL, 0);
    return top ? top->when : INT64_MAX;
}

bool txn_expire_shard(struct txn *t, unsigned shard, unsigned budget)
{
    int64_t next = INT64_MAX;
    txn_begin(t, 0, false); /* whatever the last command was */
    txn_lock_shard(t, shard);
    for (int i = 0; i < t->ks->db_count; i++) {
        struct db *db = &t->ks->dbs[i];
        if (atomic_load_explicit(&db->parts, memory_order_acquire))
            next = MIN(next, expire_part(t, db, shard, &budget));
    }
    /* under the lock that whoever adds an earlier one takes */
    atomic_store_explicit(&t->ks->shards[shard].next_expire_ms, next, memory_order_relaxed);
    txn_unlock(t);
    return budget == 0;
}

/* ---- effects ---- */

static void encode_command(struct buf *out, const struct slice *argv, uint32_t argc)
{
    buf_printf(out, "*%u\r\n", argc);
    for (uint32_t i = 0; i < argc; i++) {
        buf_printf(out, "$%zu\r\n", argv[i].len);
        buf_append(out, argv[i].ptr, argv[i].len);
        buf_append(out, "\r\n", 2);
    }
}

static void encode_select(struct buf *out, int db)
{
    char text[NUM_INT64_MAX_LEN];
    struct slice number = slice_make(text, num_format_int64(text, db));
    encode_command(out, (struct slice[]){SLICE("SELECT"), number}, 2);
}

/* Adds a command on a database, with a SELECT when the one before was on another (MOVE, COPY,
 * EXEC). */
static void put_effect(struct txn *t, const struct db *db, const struct slice *argv, uint32_t argc)
{
    struct effects *e = &t->effects;
    if (!e->commands++)
        e->first_db = e->db = db->id;
    if (e->db != db->id)
        encode_select(&e->text, db->id);
    e->db = db->id;
    encode_command(&e->text, argv, argc);
}

void effect_command(struct txn *t, const struct slice *argv, uint32_t argc)
{
    t->effects.replaced = true;
    if (txn_logs(t))
        put_effect(t, t->db, argv, argc);
}

void effect_suppress(struct txn *t)
{
    t->effects.suppressed = true;
}

static void log_del(struct txn *t, const struct db *db, struct slice key)
{
    if (txn_logs(t))
        put_effect(t, db, (struct slice[]){SLICE("DEL"), key}, 2);
}

COLD static void put_verbatim(struct txn *t, const struct slice *argv, uint32_t argc)
{
    if (t->dirty && argc && !t->effects.replaced && !t->effects.suppressed)
        put_effect(t, t->db, argv, argc);
}

/* One record: it leaves the reader in the database where it started. */
COLD static void write_effects(struct txn *t, const struct slice *argv, uint32_t argc)
{
    struct effects *e = &t->effects;
    put_verbatim(t, argv, argc);
    if (e->commands && e->db != e->first_db)
        encode_select(&e->text, e->first_db);
    if (e->opening && e->commands > 1)
        encode_command(&e->text, (struct slice[]){SLICE("EXEC")}, 1);
    else
        buf_consume(&e->text, e->opening);
    if (e->commands)
        t->ks->sink->write(t->ks->sink->arg, e->first_db, buf_slice(&e->text));
    buf_clear(&e->text);
    e->commands = 0;
    e->opening = 0;
}

/* ---- several commands in one txn ---- */

void txn_group(struct txn *t)
{
    struct effects *e = &t->effects;
    if (!txn_logs(t) || e->commands)
        return;
    encode_command(&e->text, (struct slice[]){SLICE("MULTI")}, 1);
    e->opening = buf_len(&e->text);
}

void txn_select(struct txn *t, int db)
{
    t->db = keyspace_db(t->ks, db);
}

void txn_next(struct txn *t, const struct slice *argv, uint32_t argc)
{
    if (unlikely(txn_logs(t)))
        put_verbatim(t, argv, argc);
    if (t->dirty)
        t->restartable = false;
    t->dirty = 0;
    t->effects.replaced = t->effects.suppressed = false;
}

HOT void txn_end(struct txn *t, const struct slice *argv, uint32_t argc)
{
    if (unlikely(txn_logs(t)))
        write_effects(t, argv, argc);
    drop_locks(t);
}
