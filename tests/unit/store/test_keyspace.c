/* The keyspace through txn.h, against a naive twin: keys, values, deadlines, counters, the bitmap
 * of shards in use, effects, memory; and several threads at once. */
#include "base/assert.h"
#include "store/txn.h"
#include "store/value.h"

#include <pthread.h>

#include "../ds/model.h"

enum {
    NAMES = 400,
    DBS = 3,
    SHARDS = 64,
    VALUE_MAX = 700,
    START_MS = 1000000
};

struct twin { /* one key of one database */
    bool inside;
    int64_t when_ms;
    size_t len;
    char value[VALUE_MAX];
};

struct world {
    struct keyspace *ks;
    struct txn txn;
    struct rng rng;
    struct twin twins[DBS][NAMES];
    struct effect_sink sink;
    uint64_t expired_logged;
};

static struct slice name_of(uint32_t n, char *scratch)
{
    /* some names are long: 255 bytes and more have another header */
    size_t len = (size_t)sprintf(scratch, "name:%u", n);
    size_t full = n % 50 == 0 ? 254 + n % 3 + n / 50 : len;
    memset(scratch + len, 'x', full > len ? full - len : 0);
    return slice_make(scratch, full);
}

/* Only lazily expired keys reach the log without a command of their own. */
static uint64_t record(void *arg, int db, struct slice text)
{
    struct world *w = arg;
    const char *at = text.ptr, *end = text.ptr + text.len;
    ASSERT(db >= 0 && db < DBS);
    while ((at = memmem(at, (size_t)(end - at), "$3\r\nDEL\r\n", 9))) {
        w->expired_logged++;
        at += 9;
    }
    return 0;
}

static void world_init(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof(*w));
    w->ks = keyspace_create(SHARDS, DBS);
    w->sink = (struct effect_sink){record, NULL, w};
    w->ks->sink = &w->sink;
    txn_init(&w->txn, w->ks, gate_register(&w->ks->gates, NULL, NULL));
    w->txn.now_ms = START_MS;
    rng_seed(&w->rng, seed);
}

static void world_deinit(struct world *w)
{
    txn_deinit(&w->txn);
    keyspace_destroy(w->ks);
}

static void twin_expire(struct world *w)
{
    for (int db = 0; db < DBS; db++)
        for (int n = 0; n < NAMES; n++) {
            struct twin *t = &w->twins[db][n];
            if (t->inside && t->when_ms >= 0 && w->txn.now_ms > t->when_ms)
                t->inside = false;
        }
}

static int64_t random_deadline(struct world *w)
{
    return rng_below(&w->rng, 2) ? TTL_NONE : w->txn.now_ms + (int64_t)rng_below(&w->rng, 300);
}

static void do_set(struct world *w, struct ref *ref, struct twin *t)
{
    char text[VALUE_MAX];
    struct slice value = model_value(&w->rng, text, VALUE_MAX);
    int64_t when = rng_below(&w->rng, 3) ? random_deadline(w) : TTL_KEEP;
    txn_set_string(&w->txn, ref, value, when, EVENT_SET);
    if (when != TTL_KEEP || !t->inside)
        t->when_ms = when == TTL_KEEP ? TTL_NONE : when;
    t->inside = true;
    t->len = value.len;
    memcpy(t->value, value.ptr, value.len);
}

static void do_set_int(struct world *w, struct ref *ref, struct twin *t)
{
    int64_t value = model_number(&w->rng);
    txn_set_int(&w->txn, ref, value, EVENT_INCRBY);
    if (!t->inside)
        t->when_ms = TTL_NONE;
    t->inside = true;
    t->len = num_format_int64(t->value, value);
}

static void do_expire(struct world *w, struct ref *ref, struct twin *t)
{
    if (!ref->entry)
        return;
    t->when_ms = random_deadline(w);
    txn_set_expire(&w->txn, ref, t->when_ms);
    txn_commit(&w->txn, ref, EVENT_EXPIRE);
}

/* The value moves to another name or database, over whatever is there. */
static void do_move(struct world *w, int db, const struct key *from, uint32_t n)
{
    struct txn *t = &w->txn;
    uint32_t m = (uint32_t)rng_below(&w->rng, NAMES);
    int other = (int)rng_below(&w->rng, DBS);
    char scratch[300];
    struct key keys[2] = {*from, key_make(name_of(m, scratch))};
    struct ref ref;
    if (other == db && m == n)
        return;
    txn_unlock(t);
    txn_lock(t, keys, 2);
    if (txn_find_in(t, other, &keys[1], &ref))
        txn_delete(t, &ref, false, EVENT_NONE);
    w->twins[other][m].inside = false;
    if (txn_find(t, &keys[0], &ref)) {
        bool copy = rng_below(&w->rng, 2);
        struct entry *e = copy ? entry_copy(ref.entry, keys[1].name, entry_expires(ref.entry))
                               : txn_take(t, &ref, EVENT_RENAME_FROM);
        txn_find_in(t, other, &keys[1], &ref);
        txn_put(t, &ref, e, EVENT_RENAME_TO);
        w->twins[other][m] = w->twins[db][n];
        w->twins[db][n].inside = copy;
    }
}

static void check_key(struct world *w, const struct ref *ref, const struct twin *t)
{
    char scratch[NUM_INT64_MAX_LEN];
    assert_int_equal(ref->entry != NULL, t->inside);
    if (!t->inside)
        return;
    assert_true(slice_equal(entry_string(ref->entry, scratch), slice_make(t->value, t->len)));
    assert_int_equal(entry_expire_ms(ref->entry), t->when_ms);
}

static void one_key(struct world *w)
{
    char scratch[300];
    uint32_t n = (uint32_t)rng_below(&w->rng, NAMES);
    int db = (int)rng_below(&w->rng, DBS);
    struct key key = key_make(name_of(n, scratch));
    struct twin *t = &w->twins[db][n];
    struct ref ref;
    txn_begin(&w->txn, db, false);
    txn_lock(&w->txn, &key, 1);
    txn_find(&w->txn, &key, &ref);
    check_key(w, &ref, t);
    switch (rng_below(&w->rng, 8)) {
    case 0:
    case 1:
    case 2:
        do_set(w, &ref, t);
        break;
    case 3:
        do_set_int(w, &ref, t);
        break;
    case 4:
        do_expire(w, &ref, t);
        break;
    case 5:
        do_move(w, db, &key, n);
        break;
    case 6:
        if (ref.entry)
            txn_delete(&w->txn, &ref, false, EVENT_DEL);
        t->inside = false;
        break;
    default:
        break;
    }
    effect_suppress(&w->txn);
    txn_end(&w->txn, NULL, 0);
}

static void whole_databases(struct world *w)
{
    int a = (int)rng_below(&w->rng, DBS), b = (int)rng_below(&w->rng, DBS);
    txn_begin(&w->txn, a, true);
    if (rng_below(&w->rng, 2)) {
        txn_flush(&w->txn, a, false);
        for (int n = 0; n < NAMES; n++)
            w->twins[a][n].inside = false;
    } else {
        static struct twin row[NAMES];
        txn_swap(&w->txn, a, b);
        memcpy(row, w->twins[a], sizeof(row));
        memmove(w->twins[a], w->twins[b], sizeof(row));
        memcpy(w->twins[b], row, sizeof(row));
    }
    txn_end(&w->txn, NULL, 0);
}

static void expire_all(struct world *w)
{
    w->txn.exclusive = false;
    for (unsigned shard = 0; shard < SHARDS; shard++)
        while (txn_expire_shard(&w->txn, shard, 3))
            ;
}

/* The cron looks at nothing else to learn that a key of the shard is due. */
static void check_deadlines(struct world *w)
{
    for (unsigned shard = 0; shard < SHARDS; shard++) {
        int64_t next = atomic_load(&w->ks->shards[shard].next_expire_ms);
        for (int id = 0; id < DBS; id++) {
            const struct heap_item *top =
                heap_peek(&db_part(keyspace_db(w->ks, id), shard)->expires);
            assert_true(!top || next <= top->when);
        }
    }
}

/* After expire_all() nothing due is left, so all sums must be exact. */
static void check_world(struct world *w)
{
    twin_expire(w);
    check_deadlines(w);
    expire_all(w);
    check_deadlines(w);
    for (int id = 0; id < DBS; id++) {
        int64_t keys = 0, expires = 0, walked = 0;
        struct db *db = keyspace_db(w->ks, id);
        for (int n = 0; n < NAMES; n++) {
            keys += w->twins[id][n].inside;
            expires += w->twins[id][n].inside && w->twins[id][n].when_ms >= 0;
        }
        assert_int_equal(keyspace_keys(w->ks, id), keys);
        assert_int_equal(keyspace_expires(w->ks, id), expires);
        for (int at = -1; (at = db_next_nonempty(w->ks, db, (unsigned)(at + 1))) >= 0;) {
            const struct part *part = db_part(db, (unsigned)at);
            assert_true(part->table.used > 0 && heap_validate(&part->expires));
            walked += (int64_t)part->table.used;
        }
        assert_int_equal(walked, keys); /* no shard with keys is missing in the bitmap */
        assert_int_equal(db_random_nonempty(w->ks, db, &w->rng) >= 0, keys > 0);
    }
    assert_int_equal(w->expired_logged, keyspace_stat(w->ks, STAT_EXPIRED));
}

static void agrees_with_the_twin(void **state)
{
    (void)state;
    static struct world w;
    world_init(&w, 1);
    for (long op = 0, ops = model_ops(); op < ops; op++) {
        if (rng_below(&w.rng, 20) == 0) {
            w.txn.now_ms += (int64_t)rng_below(&w.rng, 4);
            twin_expire(&w);
        }
        one_key(&w);
        if (op % 997 == 0)
            check_world(&w);
        if (op % 5003 == 0)
            whole_databases(&w);
    }
    check_world(&w);
    assert_true(keyspace_stat(w.ks, STAT_EXPIRED) > 0);
    world_deinit(&w);
    assert_int_equal(mem_used_total(), 0);
}

/* A key expires when the clock has passed its deadline, not when it reaches it; a read counts, and
 * deletes. */
static void expiry_is_exact(void **state)
{
    (void)state;
    static struct world w;
    struct key key = key_make(SLICE("k"));
    struct ref ref;
    world_init(&w, 2);
    txn_begin(&w.txn, 0, false);
    txn_lock(&w.txn, &key, 1);
    assert_false(txn_find_read(&w.txn, &key, &ref));
    txn_set_string(&w.txn, &ref, SLICE("v"), START_MS + 5, EVENT_SET);
    w.txn.now_ms = START_MS + 5;
    assert_true(txn_find_read(&w.txn, &key, &ref));
    w.txn.now_ms = START_MS + 6;
    assert_false(txn_find_read(&w.txn, &key, &ref));
    assert_int_equal(keyspace_keys(w.ks, 0), 0);
    assert_int_equal(keyspace_stat(w.ks, STAT_HITS), 1);
    assert_int_equal(keyspace_stat(w.ks, STAT_MISSES), 2);
    effect_suppress(&w.txn);
    txn_end(&w.txn, NULL, 0);
    assert_int_equal(w.expired_logged, 1);
    world_deinit(&w);
}

/* ---- threads ---- */

enum {
    THREADS = 4,
    COUNTERS = 50
};

struct worker {
    pthread_t thread;
    struct txn txn;
    unsigned rounds;
    int64_t added;
};

static void add_one(struct txn *t, const struct key *key)
{
    struct ref ref;
    int64_t value = txn_find(t, key, &ref) ? entry_int(ref.entry) : 0;
    txn_set_int(t, &ref, value + 1, EVENT_INCRBY);
}

/* Two counters under their shards' locks; sometimes a walk that reads every key of a shard. */
static void *count_up(void *arg)
{
    struct worker *w = arg;
    struct txn *t = &w->txn;
    for (unsigned i = 0; i < w->rounds; i++) {
        char scratch[2][300];
        struct key keys[2];
        for (int k = 0; k < 2; k++)
            keys[k] = key_make(name_of((uint32_t)rng_below(&t->rng, COUNTERS), scratch[k]));
        ASSERT(gate_enter(&t->ks->gates, t->self));
        txn_begin(t, 0, false);
        txn_lock(t, keys, 2);
        add_one(t, &keys[0]);
        add_one(t, &keys[1]);
        txn_end(t, NULL, 0);
        w->added += 2;
        if (i % 64 == 0) {
            unsigned shard = (unsigned)rng_below(&t->rng, SHARDS);
            struct table_iter it;
            txn_begin(t, 0, false);
            txn_lock_shard(t, shard);
            table_iter_init(&it, &db_part(t->db, shard)->table);
            for (const struct entry *e; (e = table_iter_next(&it));)
                ASSERT(entry_int(e) > 0);
            txn_unlock(t);
        }
        gate_leave(&t->ks->gates, t->self);
    }
    return NULL;
}

static int64_t sum_of_counters(struct keyspace *ks)
{
    int64_t sum = 0;
    for (unsigned shard = 0; shard < SHARDS; shard++) {
        struct table_iter it;
        table_iter_init(&it, &db_part(keyspace_db(ks, 0), shard)->table);
        for (const struct entry *e; (e = table_iter_next(&it));)
            sum += entry_int(e);
    }
    return sum;
}

static void no_update_is_lost(void **state)
{
    (void)state;
    static struct worker workers[THREADS];
    struct keyspace *ks = keyspace_create(SHARDS, 1);
    unsigned rounds = (unsigned)(model_ops() / 10 + 1);
    int64_t added = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.rounds = rounds};
        txn_init(&workers[i].txn, ks, gate_register(&ks->gates, NULL, NULL));
        workers[i].txn.now_ms = START_MS;
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&workers[i].thread, NULL, count_up, &workers[i]);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        txn_deinit(&workers[i].txn);
        added += workers[i].added;
    }
    assert_int_equal(sum_of_counters(ks), added);
    assert_int_equal(keyspace_keys(ks, 0), COUNTERS);
    assert_int_equal(keyspace_stat(ks, STAT_CHANGES), added);
    keyspace_destroy(ks);
    assert_int_equal(mem_used_total(), 0);
}

int main(void)
{
    hash_seed("0123456789abcdef");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_twin),
        cmocka_unit_test(expiry_is_exact),
        cmocka_unit_test(no_update_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
