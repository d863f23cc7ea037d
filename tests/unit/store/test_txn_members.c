/* Members that expire, through txn.h, against a naive twin under a clock of our own: hashes, sets
 * and sorted sets, whose members and whose keys get and lose deadlines, are renamed, moved, copied
 * and overwritten; what has expired goes by lookups or by the shard's timer. Everything that
 * expires reaches the log once, and no memory stays behind. */
#include "base/assert.h"
#include "store/deadlines.h"
#include "store/hash.h"
#include "store/set.h"
#include "store/txn.h"
#include "store/value.h"
#include "store/zset.h"

#include "../ds/model.h"

enum {
    KEYS = 24,
    MEMBERS = 40,
    DBS = 2,
    SHARDS = 4,
    OPS = 150000,
    START_MS = 1000000
};

struct twin_member {
    bool inside;
    int64_t when_ms; /* or MEMBER_FOREVER */
};

struct twin {
    enum value_type type; /* TYPE_STREAM: there is no such key */
    int64_t when_ms;      /* of the key, or TTL_NONE */
    struct twin_member members[MEMBERS];
};

struct world {
    struct keyspace *ks;
    struct txn txn;
    struct rng rng;
    struct twin twins[DBS][KEYS];
    struct effect_sink sink;
    uint64_t logged, lapsed; /* removals of members: in the log, in the twin */
};

/* The ops below write no effects of their own, so what is logged has expired. */
static uint64_t record(void *arg, int db, struct slice text)
{
    static const char *const verbs[] = {"HDEL\r\n", "SREM\r\n", "ZREM\r\n"};
    struct world *w = arg;
    assert_true(db >= 0 && db < DBS);
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        const char *at = text.ptr, *end = text.ptr + text.len;
        while ((at = memmem(at, (size_t)(end - at), verbs[i], 6))) {
            w->logged++;
            at += 6;
        }
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
    for (int db = 0; db < DBS; db++)
        for (int k = 0; k < KEYS; k++)
            w->twins[db][k] = (struct twin){.type = TYPE_STREAM, .when_ms = TTL_NONE};
}

/* ---- the twin ---- */

static void twin_clear(struct twin *t)
{
    *t = (struct twin){.type = TYPE_STREAM, .when_ms = TTL_NONE};
}

static int twin_len(const struct twin *t)
{
    int len = 0;
    for (int m = 0; m < MEMBERS; m++)
        len += t->members[m].inside;
    return len;
}

static bool twin_is_collection(const struct twin *t)
{
    return t->type == TYPE_HASH || t->type == TYPE_SET || t->type == TYPE_ZSET;
}

static bool twin_has_deadlines(const struct twin *t)
{
    for (int m = 0; m < MEMBERS; m++)
        if (t->members[m].inside && t->members[m].when_ms != MEMBER_FOREVER)
            return true;
    return false;
}

/* What a lookup does. */
static void twin_expire(struct world *w, struct twin *t)
{
    int64_t now_ms = w->txn.now_ms;
    if (t->when_ms >= 0 && now_ms > t->when_ms)
        twin_clear(t);
    if (!twin_is_collection(t))
        return;
    for (int m = 0; m < MEMBERS; m++) {
        struct twin_member *one = &t->members[m];
        if (!one->inside || one->when_ms == MEMBER_FOREVER || now_ms <= one->when_ms)
            continue;
        one->inside = false;
        w->lapsed++;
    }
    if (!twin_len(t))
        twin_clear(t);
}

/* ---- both ---- */

struct place {
    int db, number;
    struct key key;
    char name[16];
    struct twin *twin;
};

static void pick_place(struct world *w, struct place *p, int db)
{
    p->db = db;
    p->number = (int)rng_below(&w->rng, KEYS);
    int len = snprintf(p->name, sizeof(p->name), "key:%d", p->number);
    p->key = key_make(slice_make(p->name, (size_t)len));
    p->twin = &w->twins[db][p->number];
}

static struct slice member_text(int m, char *scratch)
{
    return slice_make(scratch, (size_t)sprintf(scratch, "%d%s", m, m % 3 ? "" : "-member"));
}

static void begin(struct world *w, const struct place *p, struct ref *ref)
{
    txn_begin(&w->txn, p->db, true);
    txn_find(&w->txn, &p->key, ref);
    twin_expire(w, p->twin);
    assert_int_equal(ref->entry != NULL, p->twin->type != TYPE_STREAM);
}

static void end(struct world *w)
{
    txn_end(&w->txn, NULL, 0);
}

/* Looks at everything a reader could see of a key. */
static void check(struct world *w, const struct place *p)
{
    struct ref ref;
    char text[32];
    begin(w, p, &ref);
    if (ref.entry)
        assert_int_equal(entry_type(ref.entry), p->twin->type);
    if (ref.entry && twin_is_collection(p->twin)) {
        for (int m = 0; m < MEMBERS; m++) {
            const struct twin_member *one = &p->twin->members[m];
            int64_t expected = one->inside ? one->when_ms : MEMBER_MISSING;
            assert_int_equal(txn_member_deadline(&ref, member_text(m, text)), expected);
        }
        bool marked = ref.entry->flags & ENTRY_MEMBERS_EXPIRE;
        assert_int_equal(marked, twin_has_deadlines(p->twin));
    }
    end(w);
}

static void check_all(struct world *w)
{
    for (int db = 0; db < DBS; db++) {
        int64_t keys = 0, with_members = 0;
        for (int k = 0; k < KEYS; k++) {
            struct place p;
            pick_place(w, &p, db);
            p.number = k;
            int len = snprintf(p.name, sizeof(p.name), "key:%d", k);
            p.key = key_make(slice_make(p.name, (size_t)len));
            p.twin = &w->twins[db][k];
            check(w, &p);
            keys += p.twin->type != TYPE_STREAM;
            with_members += twin_is_collection(p.twin) && twin_has_deadlines(p.twin);
        }
        assert_int_equal(keyspace_keys(w->ks, db), keys);
        assert_int_equal(keyspace_member_expires(w->ks, db), with_members);
    }
    assert_int_equal(w->logged, w->lapsed);
    assert_int_equal(keyspace_stat(w->ks, STAT_EXPIRED_MEMBERS), w->lapsed);
}

/* ---- operations ---- */

static void add_to_entry(struct entry *e, struct slice text, int value)
{
    if (entry_type(e) == TYPE_HASH) {
        struct hash h = hash_of(e);
        hash_set(&h, text, text);
        hash_store(h, e);
    } else if (entry_type(e) == TYPE_SET) {
        struct set s = set_of(e);
        struct set_member m;
        set_member_init(&m, text);
        set_add(&s, &m);
        set_store(e, s);
    } else {
        struct zset z = zset_of(e);
        double score = value;
        zset_add(&z, text, &score, 0);
        zset_store(e, &z);
    }
}

static void add_key(struct world *w, struct ref *ref, struct twin *twin)
{
    static const enum value_type types[] = {TYPE_HASH, TYPE_SET, TYPE_ZSET};
    enum value_type type = types[rng_below(&w->rng, 3)];
    struct hash h = hash_create();
    struct set s = set_create_as(rng_below(&w->rng, 2) ? ENC_PACKED : ENC_INTSET);
    struct zset z = zset_create(0, 0);
    void *root = type == TYPE_HASH ? h.root : type == TYPE_SET ? s.root : z.root;
    enum encoding encoding = type == TYPE_HASH  ? h.encoding
                             : type == TYPE_SET ? s.encoding
                                                : z.encoding;
    if (type != TYPE_HASH)
        hash_value_ops.destroy(h.encoding, h.root);
    if (type != TYPE_SET)
        set_destroy(s);
    if (type != TYPE_ZSET)
        zset_destroy(&z);
    txn_add(&w->txn, ref, type, encoding, root);
    twin_clear(twin);
    twin->type = type;
}

/* Sets keep the deadline of a member that is added again; the others set it anew. */
static void op_add(struct world *w, struct place *p)
{
    struct ref ref;
    char text[32];
    begin(w, p, &ref);
    if (ref.entry && !twin_is_collection(p->twin)) {
        end(w);
        return;
    }
    if (!ref.entry)
        add_key(w, &ref, p->twin);
    txn_edit(&w->txn, &ref);
    for (uint64_t count = 1 + rng_below(&w->rng, 6); count--;) {
        int m = (int)rng_below(&w->rng, MEMBERS);
        struct twin_member *one = &p->twin->members[m];
        add_to_entry(ref.entry, member_text(m, text), (int)rng_below(&w->rng, 3));
        if (!one->inside || p->twin->type != TYPE_SET)
            one->when_ms = MEMBER_FOREVER;
        one->inside = true;
    }
    txn_commit(&w->txn, &ref, EVENT_HSET);
    end(w);
}

static void op_remove(struct world *w, struct place *p)
{
    struct ref ref;
    char text[32];
    begin(w, p, &ref);
    if (ref.entry && twin_is_collection(p->twin)) {
        int m = (int)rng_below(&w->rng, MEMBERS);
        bool removed = txn_remove_member(&w->txn, &ref, member_text(m, text));
        assert_int_equal(removed, p->twin->members[m].inside);
        p->twin->members[m].inside = false;
        if (removed)
            txn_commit(&w->txn, &ref, EVENT_HDEL);
        assert_int_equal(txn_is_empty(&ref), twin_len(p->twin) == 0);
        if (txn_is_empty(&ref)) {
            txn_delete_empty(&w->txn, &ref);
            twin_clear(p->twin);
        }
    }
    end(w);
}

static void op_deadline(struct world *w, struct place *p)
{
    struct ref ref;
    char text[32];
    begin(w, p, &ref);
    if (ref.entry && twin_is_collection(p->twin)) {
        int m = (int)rng_below(&w->rng, MEMBERS);
        int64_t when_ms = w->txn.now_ms + 1 + (int64_t)rng_below(&w->rng, 3000);
        if (rng_below(&w->rng, 5) == 0)
            when_ms = MEMBER_FOREVER;
        if (p->twin->members[m].inside) {
            txn_set_member_deadline(&w->txn, &ref, member_text(m, text), when_ms);
            txn_commit(&w->txn, &ref, EVENT_HEXPIRE);
            p->twin->members[m].when_ms = when_ms;
        }
    }
    end(w);
}

static void op_key(struct world *w, struct place *p)
{
    struct ref ref;
    begin(w, p, &ref);
    if (ref.entry && rng_below(&w->rng, 3)) {
        int64_t when_ms = w->txn.now_ms + (int64_t)rng_below(&w->rng, 4000);
        p->twin->when_ms = rng_below(&w->rng, 2) ? when_ms : TTL_NONE;
        txn_set_expire(&w->txn, &ref, p->twin->when_ms);
        txn_commit(&w->txn, &ref, EVENT_EXPIRE);
    } else if (ref.entry && rng_below(&w->rng, 2)) {
        txn_delete(&w->txn, &ref, false, EVENT_DEL);
        twin_clear(p->twin);
    } else if (ref.entry) {
        txn_set_string(&w->txn, &ref, SLICE("a string"), TTL_NONE, EVENT_SET);
        twin_clear(p->twin);
        p->twin->type = TYPE_STRING;
    }
    end(w);
}

/* RENAME, MOVE and COPY REPLACE, which take members and deadlines along. */
static void op_transfer(struct world *w, struct place *from)
{
    struct place to;
    struct ref source, target;
    bool copy = rng_below(&w->rng, 2);
    pick_place(w, &to, (int)rng_below(&w->rng, DBS));
    if (to.twin == from->twin)
        return;
    begin(w, from, &source);
    if (source.entry) {
        twin_expire(w, to.twin); /* only now it is looked up */
        if (txn_find_in(&w->txn, to.db, &to.key, &target))
            txn_delete(&w->txn, &target, false, EVENT_NONE);
        txn_find(&w->txn, &from->key, &source);
        struct entry *e = copy ? entry_copy(source.entry, to.key.name, entry_expires(source.entry))
                               : txn_take(&w->txn, &source, EVENT_RENAME_FROM);
        txn_find_in(&w->txn, to.db, &to.key, &target);
        txn_put(&w->txn, &target, e, EVENT_RENAME_TO);
        *to.twin = *from->twin;
        if (!copy)
            twin_clear(from->twin);
    }
    end(w);
}

/* A whole new value over the old one, as …STORE does: without deadlines. */
static void op_store(struct world *w, struct place *p)
{
    struct ref ref;
    struct set_member m;
    begin(w, p, &ref);
    set_member_init(&m, SLICE("1"));
    struct set s = set_create(&m, 1);
    set_add(&s, &m);
    txn_set_collection(&w->txn, &ref, TYPE_SET, s.encoding, s.root, EVENT_SUNIONSTORE);
    end(w);
    twin_clear(p->twin);
    p->twin->type = TYPE_SET;
    p->twin->members[1] = (struct twin_member){true, MEMBER_FOREVER};
}

/* The cron looks at nothing else to learn that something of the shard is due. */
static void check_wake(struct world *w, unsigned shard)
{
    int64_t next = atomic_load(&w->ks->shards[shard].next_expire_ms);
    for (int db = 0; db < DBS; db++) {
        const struct part *part = db_part(keyspace_db(w->ks, db), shard);
        const struct heap_item *key = heap_peek(&part->expires);
        const struct heap_item *members = heap_peek(&part->member_expires);
        assert_true(!key || next <= key->when);
        assert_true(!members || next <= members->when);
    }
}

/* The timer; then nothing that is due is left, whether somebody looks or not. */
static void op_timer(struct world *w)
{
    w->txn.now_ms += (int64_t)rng_below(&w->rng, 200);
    for (unsigned shard = 0; shard < SHARDS; shard++) {
        bool more = true;
        while (more) {
            check_wake(w, shard);
            more = txn_expire_shard(&w->txn, shard, 1 + (unsigned)rng_below(&w->rng, 5));
            check_wake(w, shard);
        }
    }
    for (int db = 0; db < DBS; db++)
        for (int k = 0; k < KEYS; k++) {
            twin_expire(w, &w->twins[db][k]);
        }
    for (int db = 0; db < DBS; db++) {
        int64_t keys = 0;
        for (int k = 0; k < KEYS; k++)
            keys += w->twins[db][k].type != TYPE_STREAM;
        assert_int_equal(keyspace_keys(w->ks, db), keys);
    }
}

static void op_swap_or_flush(struct world *w)
{
    struct twin twins[KEYS];
    txn_begin(&w->txn, 0, true);
    if (rng_below(&w->rng, 4)) {
        txn_swap(&w->txn, 0, 1);
        memcpy(twins, w->twins[0], sizeof(twins));
        memcpy(w->twins[0], w->twins[1], sizeof(twins));
        memcpy(w->twins[1], twins, sizeof(twins));
    } else {
        txn_flush(&w->txn, 0, false);
        for (int k = 0; k < KEYS; k++)
            twin_clear(&w->twins[0][k]);
    }
    txn_end(&w->txn, NULL, 0);
}

static void step(struct world *w)
{
    struct place p;
    uint64_t choice = rng_below(&w->rng, 1000);
    pick_place(w, &p, (int)rng_below(&w->rng, DBS));
    if (choice < 300)
        op_add(w, &p);
    else if (choice < 420)
        op_remove(w, &p);
    else if (choice < 760)
        op_deadline(w, &p);
    else if (choice < 800)
        op_key(w, &p);
    else if (choice < 840)
        op_transfer(w, &p);
    else if (choice < 850)
        op_store(w, &p);
    else if (choice < 890)
        op_timer(w);
    else if (choice < 892)
        op_swap_or_flush(w);
    else
        check(w, &p);
    if (choice % 50 == 0)
        w->txn.now_ms += (int64_t)rng_below(&w->rng, 300);
}

static void agrees_with_the_twin(void **state)
{
    static struct world w;
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        size_t before = mem_used(MEM_DATA);
        world_init(&w, seed);
        for (int i = 0; i < OPS; i++) {
            step(&w);
            if (i % 1000 == 0)
                check_all(&w);
        }
        check_all(&w);
        assert_true(w.lapsed > OPS / 100);
        txn_deinit(&w.txn);
        keyspace_destroy(w.ks);
        assert_int_equal(mem_used(MEM_DATA), before);
    }
}

/* A hash with one field that goes at members_ms; the key at key_ms, or TTL_NONE. */
static void add_mortal(struct world *w, int db, const struct key *key, int64_t members_ms,
                       int64_t key_ms)
{
    struct ref ref;
    struct hash h = hash_create();
    hash_set(&h, SLICE("f"), SLICE("v"));
    txn_begin(&w->txn, db, false);
    txn_lock(&w->txn, key, 1);
    assert_false(txn_find(&w->txn, key, &ref));
    txn_add(&w->txn, &ref, TYPE_HASH, h.encoding, h.root);
    txn_set_member_deadline(&w->txn, &ref, SLICE("f"), members_ms);
    if (key_ms != TTL_NONE)
        txn_set_expire(&w->txn, &ref, key_ms);
    txn_commit(&w->txn, &ref, EVENT_HSET);
    txn_end(&w->txn, NULL, 0);
}

/* A key that is due, whose members would not be yet, once hid what another database has. */
static void timer_forgets_no_database(void **state)
{
    static struct world w;
    struct key key = key_make(SLICE("k"));
    unsigned shard;
    (void)state;
    world_init(&w, 1);
    shard = keyspace_shard_of(w.ks, key.hash);
    add_mortal(&w, 0, &key, START_MS + 200, TTL_NONE);
    add_mortal(&w, 1, &key, START_MS + 100, START_MS + 10);
    w.txn.now_ms = START_MS + 20;
    assert_false(txn_expire_shard(&w.txn, shard, 50));
    assert_int_equal(keyspace_keys(w.ks, 1), 0);
    assert_int_equal(atomic_load(&w.ks->shards[shard].next_expire_ms), START_MS + 200);
    txn_deinit(&w.txn);
    keyspace_destroy(w.ks);
}

/* What a deadline costs: 4 bytes in the node and 16 in the heap, whose array has a quarter to spare
 * at most. */
static void costs_what_it_says(void **state)
{
    enum {
        COUNT = 10000
    };

    (void)state;
    char text[32];
    struct set s = set_create_as(ENC_TABLE);
    struct set_member m;
    for (int i = 0; i < COUNT; i++) {
        set_member_init(&m, slice_make(text, (size_t)sprintf(text, "m%07d", i)));
        set_add(&s, &m);
    }
    size_t plain = mem_used(MEM_DATA);
    for (int i = 0; i < COUNT; i++) {
        set_member_init(&m, slice_make(text, (size_t)sprintf(text, "m%07d", i)));
        set_set_deadline(&s, &m, START_MS + i);
    }
    size_t each = (mem_used(MEM_DATA) - plain) / COUNT;
    assert_true(each >= 16 && each <= 4 + 16 + 4);
    set_destroy(s);
}

/* A log says itself what has expired: a replay finds everything, and logs nothing. */
static void replay_expires_nothing(void **state)
{
    struct world w;
    struct ref ref;
    struct key key = key_make(SLICE("k")), collection = key_make(SLICE("c"));
    struct set_member m;
    world_init(&w, 1);
    set_member_init(&m, SLICE("m"));
    struct set s = set_create(&m, 1);
    w.txn.replay = true;
    txn_begin(&w.txn, 0, true);
    assert_true(txn_is_past(&w.txn, 1) == false);
    assert_false(txn_logs(&w.txn));
    assert_false(txn_find(&w.txn, &key, &ref));
    txn_set_string(&w.txn, &ref, SLICE("v"), 1, EVENT_NONE);
    assert_true(txn_find(&w.txn, &key, &ref));
    assert_false(txn_is_dead(&w.txn, ref.entry));
    assert_true(set_add(&s, &m));
    assert_false(txn_find(&w.txn, &collection, &ref));
    txn_set_collection(&w.txn, &ref, TYPE_SET, s.encoding, s.root, EVENT_NONE);
    txn_set_member_deadline(&w.txn, &ref, SLICE("m"), 1);
    assert_true(txn_find(&w.txn, &collection, &ref));
    assert_int_equal(txn_member_deadline(&ref, SLICE("m")), 1);
    txn_end(&w.txn, NULL, 0);
    w.txn.replay = false;
    txn_begin(&w.txn, 0, true);
    assert_true(txn_is_past(&w.txn, 1));
    assert_false(txn_find(&w.txn, &key, &ref));
    assert_false(txn_find(&w.txn, &collection, &ref));
    txn_end(&w.txn, NULL, 0);
    txn_deinit(&w.txn);
    keyspace_destroy(w.ks);
}

int main(void)
{
    store_settings = (struct store_settings){.hash_max_listpack_entries = 16,
                                             .hash_max_listpack_value = 64,
                                             .set_max_intset_entries = 16,
                                             .set_max_listpack_entries = 16,
                                             .set_max_listpack_value = 64,
                                             .zset_max_listpack_entries = 16,
                                             .zset_max_listpack_value = 64,
                                             .databases = DBS};
    hash_seed(NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_twin),
        cmocka_unit_test(timer_forgets_no_database),
        cmocka_unit_test(costs_what_it_says),
        cmocka_unit_test(replay_expires_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
