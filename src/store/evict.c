#include "store/evict.h"

#include "base/clock.h"
#include "store/access.h"

enum {
    SWEEP_ROUNDS = 4, /* tries before "nothing to evict" */
    CLOCK_EVERY = 16, /* evictions between looks at the clock */
    SAMPLES_MAX = 64, /* more would not make a better choice */
    RANDOM_TRIES = 4, /* random shards looked at per wanted sample, before going through all */
    TENACITY_US = 50, /* time budget per point of maxmemory-eviction-tenacity up to 10 */
    TENACITY_UNLIMITED = 100,
};

/* ---- policies ---- */

/* One visit of a part whose shard is held. */
struct sampling {
    struct evictor *ev;
    struct txn *txn;
    const struct strategy *strategy;
    struct db *db;
    unsigned wanted, got;
    bool patient; /* wait for locks */
};

struct strategy {
    bool volatile_only; /* only keys with a TTL */
    bool one_sample;    /* any key is as good as another */
    void (*sample)(struct sampling *s, struct part *part);
    uint64_t (*score)(const struct entry *e, int64_t now_ms);
};

static uint64_t score_idle(const struct entry *e, int64_t now_ms)
{
    return access_idle_s(e, now_ms);
}

static uint64_t score_rare(const struct entry *e, int64_t now_ms)
{
    return 255 - access_frequency(e, now_ms);
}

static uint64_t score_soon(const struct entry *e, int64_t now_ms)
{
    return (uint64_t)(INT64_MAX - entry_expire_ms(e));
}

static uint64_t score_none(const struct entry *e, int64_t now_ms)
{
    return 0;
}

static void consider(struct sampling *s, const struct entry *e);

static void consider_visited(void *entry, void *arg)
{
    consider(arg, entry);
}

/* The entries of a few neighbouring buckets: neighbours by hash are strangers. */
static void sample_buckets(struct sampling *s, struct part *part)
{
    uint64_t cursor = rng_next(&s->txn->rng);
    for (unsigned steps = 0; steps < 4 * s->wanted && s->got < s->wanted; steps++)
        cursor = table_scan(&part->table, cursor, consider_visited, s);
}

static void sample_any(struct sampling *s, struct part *part)
{
    struct entry *e = table_random(&part->table, &s->txn->rng);
    if (e)
        consider(s, e);
}

static void sample_expiring(struct sampling *s, struct part *part)
{
    const struct heap *h = &part->expires;
    for (unsigned i = 0; i < h->len && s->got < s->wanted; i++)
        consider(s, h->items[rng_below(&s->txn->rng, h->len)].item);
}

/* The heap knows the first of its part; the samples are the firsts of several parts. */
static void sample_soonest(struct sampling *s, struct part *part)
{
    const struct heap_item *first = heap_peek(&part->expires);
    if (first)
        consider(s, first->item);
}

static const struct strategy strategies[] = {
    [POLICY_VOLATILE_LRU] = {true, false, sample_expiring, score_idle},
    [POLICY_ALLKEYS_LRU] = {false, false, sample_buckets, score_idle},
    [POLICY_VOLATILE_LFU] = {true, false, sample_expiring, score_rare},
    [POLICY_ALLKEYS_LFU] = {false, false, sample_buckets, score_rare},
    [POLICY_VOLATILE_RANDOM] = {true, true, sample_expiring, score_none},
    [POLICY_ALLKEYS_RANDOM] = {false, true, sample_any, score_none},
    [POLICY_VOLATILE_TTL] = {true, false, sample_soonest, score_soon},
    [POLICY_NOEVICTION] = {0}, /* no way to sample: nothing is evicted */
};

/* ---- the pool of candidates ---- */

void evictor_init(struct evictor *ev)
{
    *ev = (struct evictor){.policy = POLICY_NOEVICTION};
    evict_forget(ev);
}

static void pool_remove(struct evictor *ev, unsigned at)
{
    ev->count--;
    memmove(&ev->pool[at], &ev->pool[at + 1], (ev->count - at) * sizeof(ev->pool[0]));
}

/* Forgets a candidate that is there already: its score is out of date. */
static void pool_forget(struct evictor *ev, const struct evict_candidate *c)
{
    for (unsigned i = 0; i < ev->count; i++) {
        if (ev->pool[i].hash == c->hash && ev->pool[i].db == c->db) {
            pool_remove(ev, i);
            return;
        }
    }
}

static void pool_add(struct evictor *ev, struct evict_candidate c)
{
    pool_forget(ev, &c);
    if (ev->count == EVICT_POOL) {
        if (c.score <= ev->pool[0].score)
            return;
        pool_remove(ev, 0);
    }
    unsigned at = ev->count++;
    for (; at > 0 && ev->pool[at - 1].score > c.score; at--)
        ev->pool[at] = ev->pool[at - 1];
    ev->pool[at] = c;
}

static void consider(struct sampling *s, const struct entry *e)
{
    s->got++;
    pool_add(s->ev, (struct evict_candidate){s->strategy->score(e, s->txn->now_ms), entry_hash(e),
                                             s->db->id});
}

/* ---- sampling ---- */

static bool take_shard(struct txn *t, unsigned shard, bool patient)
{
    if (!patient)
        return txn_try_shard(t, shard);
    txn_lock_shard(t, shard);
    return true;
}

/* A hint without the lock: false is right as long as nothing is added meanwhile. */
static bool may_have_keys(const struct sampling *s, unsigned shard)
{
    if (s->strategy->volatile_only)
        return atomic_load_explicit(&s->txn->ks->shards[shard].next_expire_ms,
                                    memory_order_relaxed) != INT64_MAX;
    uint64_t bits = atomic_load_explicit(&s->db->nonempty[shard / 64], memory_order_relaxed);
    return bits >> (shard % 64) & 1;
}

static void sample_shard(struct sampling *s, unsigned shard)
{
    if (!may_have_keys(s, shard) || !take_shard(s->txn, shard, s->patient))
        return;
    s->strategy->sample(s, db_part(s->db, shard));
    txn_unlock(s->txn);
}

/* Random shards first; when few of them have keys, all, from a random one on. */
static void sample_db(struct sampling *s)
{
    unsigned shards = s->txn->ks->shard_count, tries = RANDOM_TRIES * s->wanted;
    for (unsigned i = 0; i < tries && s->got < s->wanted; i++)
        sample_shard(s, (unsigned)rng_below(&s->txn->rng, shards));
    if (s->got)
        return;
    unsigned start = (unsigned)rng_below(&s->txn->rng, shards);
    for (unsigned i = 0; i < shards && s->got < s->wanted; i++)
        sample_shard(s, (start + i) % shards);
}

static bool is_open(const struct db *db)
{
    return atomic_load_explicit(&db->parts, memory_order_acquire) != NULL;
}

/* Samples every database, or with a random policy the next one that has keys: databases take turns
 * then. */
static void sample_all(struct evictor *ev, struct txn *t, const struct strategy *strategy,
                       bool patient)
{
    unsigned wanted =
        strategy->one_sample ? 1 : (unsigned)MIN(store_settings.maxmemory_samples, SAMPLES_MAX);
    for (int i = 0; i < t->ks->db_count; i++) {
        struct db *db = &t->ks->dbs[ev->next_db++ % t->ks->db_count];
        ev->next_db %= t->ks->db_count;
        if (!is_open(db))
            continue;
        struct sampling s = {ev, t, strategy, db, wanted, 0, patient};
        txn_begin(t, db->id, false);
        sample_db(&s);
        if (strategy->one_sample && s.got)
            return;
    }
}

/* ---- one eviction ---- */

static bool has_hash(const void *entry, const void *hash)
{
    return entry_hash(entry) == *(const uint64_t *)hash;
}

/* Still there, and at least as good a choice as when it was sampled. */
static bool is_still_good(const struct evict_candidate *c, const struct strategy *strategy,
                          const struct entry *e, int64_t now_ms)
{
    return e && (entry_expires(e) || !strategy->volatile_only) &&
           strategy->score(e, now_ms) >= c->score;
}

/* Takes the key out under its lock; the value is freed without. */
static bool evict_key(struct txn *t, const struct evict_candidate *c,
                      const struct strategy *strategy, bool patient)
{
    unsigned shard = keyspace_shard_of(t->ks, c->hash);
    struct entry *e = NULL;
    txn_begin(t, c->db, false);
    if (!take_shard(t, shard, patient))
        return false;
    struct key key = {.hash = c->hash};
    struct ref ref = {.key = &key, .part = db_part(t->db, shard)};
    ref.entry = table_find(&ref.part->table, c->hash, has_hash, &c->hash, &ref.pos);
    if (is_still_good(c, strategy, ref.entry, t->now_ms) && !pins_hold(t->ks, &key)) {
        key.name = entry_key(ref.entry);
        int64_t begun_us = keyspace_step_begin(t->ks);
        e = txn_take(t, &ref, EVENT_EVICTED);
        keyspace_step_end(t->ks, STEP_EVICTION_DEL, begun_us);
        effect_command(t, (struct slice[]){SLICE("DEL"), key.name}, 2);
        stat_add(&t->stats->value[STAT_EVICTED], 1);
    }
    txn_end(t, NULL, 0);
    if (e)
        entry_release(e, store_settings.lazyfree_lazy_eviction);
    return e != NULL;
}

/* False: there is nothing that the policy allows to take. */
static bool evict_one(struct evictor *ev, struct txn *t)
{
    const struct strategy *strategy = &strategies[store_settings.maxmemory_policy];
    if (ev->policy != store_settings.maxmemory_policy)
        ev->count = 0;
    ev->policy = store_settings.maxmemory_policy;
    for (int round = 0; round < SWEEP_ROUNDS && strategy->sample; round++) {
        bool patient = round > 0;
        sample_all(ev, t, strategy, patient);
        while (ev->count) {
            struct evict_candidate c = ev->pool[--ev->count];
            if (evict_key(t, &c, strategy, patient))
                return true;
        }
    }
    return false;
}

/* ---- limits ---- */

/* Bytes above the limit; negative: room left. */
static int64_t memory_excess(void)
{
    if (!store_settings.maxmemory)
        return INT64_MIN;
    int64_t used = (int64_t)mem_used(MEM_DATA) - keyspace_freeing_bytes();
    return used - (int64_t)MIN(store_settings.maxmemory, (uint64_t)INT64_MAX);
}

static int64_t key_excess(const struct keyspace *ks, uint64_t needed)
{
    if (!store_settings.maxkeys)
        return INT64_MIN;
    return keyspace_all_keys(ks) + (int64_t)needed - (int64_t)store_settings.maxkeys;
}

/* How many of the keys do not exist. Only asked when that decides. */
static uint64_t count_missing(struct txn *t, int db, const struct key *keys, uint32_t count)
{
    uint64_t missing = 0;
    txn_begin(t, db, false);
    for (uint32_t i = 0; i < count; i++) {
        unsigned shard = keyspace_shard_of(t->ks, keys[i].hash);
        struct table_pos pos;
        txn_lock_shard(t, shard);
        missing += !table_find(&db_part(t->db, shard)->table, keys[i].hash, entry_has_key,
                               &keys[i].name, &pos);
        txn_unlock(t);
    }
    return missing;
}

static uint64_t keys_needed(struct txn *t, int db, const struct key *keys, uint32_t count)
{
    if (key_excess(t->ks, count) <= 0)
        return count;
    return count_missing(t, db, keys, count);
}

static int64_t budget_us(void)
{
    int tenacity = store_settings.maxmemory_eviction_tenacity;
    if (tenacity >= TENACITY_UNLIMITED)
        return INT64_MAX;
    double us = TENACITY_US * MIN(tenacity, 10);
    for (int i = 10; i < tenacity; i++)
        us *= 1.15; /* as Redis: 500 us at 10, two minutes at 99 */
    return (int64_t)us;
}

/* ---- for INFO: how long the limit was exceeded ---- */

static _Atomic int64_t exceeded_since_us, exceeded_total_us;

static void note_verdict(enum evict_verdict verdict)
{
    int64_t since = atomic_load_explicit(&exceeded_since_us, memory_order_relaxed);
    if (likely((verdict == EVICT_FITS) == (since == 0)))
        return;
    int64_t now = clock_monotonic_us();
    if (verdict != EVICT_FITS)
        atomic_compare_exchange_strong(&exceeded_since_us, &since, now);
    else if (atomic_compare_exchange_strong(&exceeded_since_us, &since, 0))
        atomic_fetch_add(&exceeded_total_us, now - since);
}

int64_t evict_exceeded_now_us(void)
{
    int64_t since = atomic_load(&exceeded_since_us);
    return since ? clock_monotonic_us() - since : 0;
}

int64_t evict_exceeded_total_us(void)
{
    return atomic_load(&exceeded_total_us);
}

void evict_reset_stats(void)
{
    atomic_store(&exceeded_since_us, 0);
    atomic_store(&exceeded_total_us, 0);
}

/* ---- making room ---- */

/* Evicts until nothing is above the limits; the excess left is told. */
static enum evict_verdict evict_until_fits(struct evictor *ev, struct txn *t, uint64_t needed)
{
    int64_t start_us = 0;
    for (unsigned n = 0;; n++) {
        bool memory = memory_excess() > 0, keys = key_excess(t->ks, needed) > 0;
        if (!memory && !keys)
            return EVICT_FITS;
        if (needed > store_settings.maxkeys && keys && !memory)
            return EVICT_FULL_KEYS; /* would not fit into an empty server */
        if (!evict_one(ev, t)) {
            if (keyspace_freeing_jobs() && !keys)
                return EVICT_LATER;
            return memory ? EVICT_FULL_MEMORY : EVICT_FULL_KEYS;
        }
        if (n == 0)
            start_us = clock_monotonic_us();
        else if (n % CLOCK_EVERY == 0 && clock_monotonic_us() - start_us > budget_us())
            return EVICT_LATER;
    }
}

/* The share of the room left that this thread may use before it sums again: half the room would do
 * if all threads took theirs at once. */
static int64_t share_of(const struct txn *t, int64_t excess)
{
    return excess == INT64_MIN ? INT64_MAX / 2
                               : -excess / (2 * (int64_t)MAX(t->ks->gates.used, 1u));
}

enum evict_verdict evict_make_room(struct evictor *ev, struct txn *t, int db,
                                   const struct key *keys, uint32_t count)
{
    if (!store_settings.maxkeys)
        count = 0;
    if (likely(ev->key_share >= count && mem_used_self(MEM_DATA) <= ev->memory_share)) {
        ev->key_share -= count;
        return EVICT_FITS;
    }
    uint64_t needed = keys_needed(t, db, keys, count);
    int64_t begun_us = keyspace_step_begin(t->ks);
    enum evict_verdict verdict = evict_until_fits(ev, t, needed);
    keyspace_step_end(t->ks, STEP_EVICTION_CYCLE, begun_us);
    evict_forget(ev);
    if (verdict == EVICT_FITS) {
        ev->memory_share = mem_used_self(MEM_DATA) + share_of(t, memory_excess());
        ev->key_share = share_of(t, key_excess(t->ks, needed));
    }
    note_verdict(verdict);
    return verdict;
}
