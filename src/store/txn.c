#include "base/assert.h"
#include "base/rand.h"
#include "store/txn_internal.h"

void txn_init(struct txn *t, struct keyspace *ks, unsigned self)
{
    memset(t, 0, sizeof(*t));
    t->ks = ks;
    t->self = self;
    t->stats = &ks->stats[self];
    t->ready_tail = &t->ready;
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
    t->lsn = 0;
    t->alone.any = t->alone.beside = false;
    t->effects.replaced = t->effects.suppressed = false;
}

/* Against nobody a locked instruction would only wait for the loads before it. */
INLINE bool locks(const struct txn *t, unsigned shard)
{
    return !gates_lone(&t->ks->gates) && txn_locks(shard);
}

/* The lock is ours. */
INLINE void note_held(struct txn *t, struct shard *s)
{
    atomic_store_explicit(&s->holder, t->self + 1, memory_order_relaxed);
    if (unlikely(atomic_load_explicit(&s->pins, memory_order_acquire) ||
                 atomic_load_explicit(&s->waiters, memory_order_relaxed)))
        t->busy = true;
}

INLINE void hold(struct txn *t, unsigned shard)
{
    struct shard *s = &t->ks->shards[shard];
    if (locks(t, shard))
        lock_acquire(&s->lock);
    note_held(t, s);
}

INLINE void release(struct txn *t, unsigned shard)
{
    struct shard *s = &t->ks->shards[shard];
    atomic_store_explicit(&s->holder, 0, memory_order_relaxed);
    if (locks(t, shard))
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

NOINLINE static void lock_several(struct txn *t, const struct key *keys, uint32_t count)
{
    enum {
        FEW = 16
    };

    if (count > FEW)
        note_many(t, keys, count);
    else
        for (uint32_t i = 0; i < count; i++)
            note_shard(t, (uint16_t)keyspace_shard_of(t->ks, keys[i].hash));
    for (uint32_t i = 0; i < t->held_count; i++)
        hold(t, t->held[i]);
}

INLINE void lock_one(struct txn *t, unsigned shard)
{
    t->held[0] = (uint16_t)shard;
    t->held_count = 1;
    hold(t, shard);
}

HOT void txn_lock(struct txn *t, const struct key *keys, uint32_t count)
{
    DASSERT(!t->exclusive && t->held_count == 0);
    if (likely(count == 1))
        lock_one(t, keyspace_shard_of(t->ks, keys[0].hash));
    else
        lock_several(t, keys, count);
}

void txn_lock_shard(struct txn *t, unsigned shard)
{
    if (t->exclusive)
        return;
    DASSERT(t->held_count == 0);
    lock_one(t, shard);
}

bool txn_try_shard(struct txn *t, unsigned shard)
{
    DASSERT(!t->exclusive && t->held_count == 0);
    if (locks(t, shard) && !lock_try(&t->ks->shards[shard].lock))
        return false;
    t->held[0] = (uint16_t)shard;
    t->held_count = 1;
    note_held(t, &t->ks->shards[shard]);
    return true;
}

/* What it has read was written by records up to these. */
COLD static void note_lsn(struct txn *t)
{
    for (uint32_t i = 0; i < t->held_count; i++)
        t->lsn = MAX(t->lsn, t->ks->shards[t->held[i]].last_lsn);
}

NOINLINE static void release_several(struct txn *t)
{
    for (uint32_t i = 0; i < t->held_count; i++)
        release(t, t->held[i]);
}

INLINE void drop_locks(struct txn *t)
{
    if (likely(t->held_count == 1))
        release(t, t->held[0]);
    else
        release_several(t);
    t->held_count = 0;
    t->busy = false;
}

/* The waiters' commands are changes of their own: what the txn's own command has done so far stays
 * as it is. */
COLD static void serve_waiters(struct txn *t)
{
    struct db *db = t->db;
    uint64_t dirty = t->dirty;
    bool replaced = t->effects.replaced, suppressed = t->effects.suppressed;
    bool no_touch = t->no_touch, restartable = t->restartable;
    t->dirty = 0;
    t->effects.replaced = t->effects.suppressed = t->restartable = false;
    t->ks->serve(t);
    t->db = db;
    t->dirty = dirty;
    t->effects.replaced = replaced;
    t->effects.suppressed = suppressed;
    t->no_touch = no_touch;
    t->restartable = restartable;
}

void txn_unlock(struct txn *t)
{
    bool serving = unlikely(t->ready != NULL) && !t->exclusive;
    if (serving)
        serve_waiters(t);
    if (unlikely(buf_len(&t->effects.text) || t->told) &&
        !t->exclusive) /* alone, they can wait for the end */
        effect_write(t, NULL, 0);
    if (serving && t->ks->served)
        t->ks->served(t);
    if (txn_logs(t))
        note_lsn(t);
    drop_locks(t);
}

void txn_select(struct txn *t, int db)
{
    t->db = keyspace_db(t->ks, db);
}

void txn_next(struct txn *t, const struct slice *argv, uint32_t argc)
{
    if (unlikely(txn_logs(t)))
        effect_verbatim(t, argv, argc);
    if (t->dirty)
        t->restartable = false;
    t->dirty = 0;
    t->effects.replaced = t->effects.suppressed = false;
}

/* The log was turned off in the middle (EXEC with CONFIG SET): its record is nobody's. */
COLD static void end_unlogged(struct txn *t)
{
    buf_clear(&t->effects.text);
    t->effects.commands = 0;
    t->effects.opening = 0;
    if (t->told)
        t->ks->logged(t);
    t->told = false;
}

/* Somebody hears of it: who waits, or the log. */
NOINLINE static void publish(struct txn *t, const struct slice *argv, uint32_t argc)
{
    bool serving = t->ready != NULL;
    if (serving) {
        txn_next(t, argv, argc);
        serve_waiters(t);
        argc = 0;
    }
    if (txn_logs(t))
        effect_write(t, argv, argc);
    else if (t->effects.commands || t->told)
        end_unlogged(t);
    if (serving && t->ks->served)
        t->ks->served(t);
    if (txn_logs(t))
        note_lsn(t);
}

HOT void txn_end(struct txn *t, const struct slice *argv, uint32_t argc)
{
    if (unlikely(txn_logs(t) || t->ready || t->effects.commands || t->told))
        publish(t, argv, argc);
    drop_locks(t);
}
