/* Commands that walk the keyspace: shard by shard, one lock at a time, so they see no single point
 * in time. Keys found expired are left out of the reply and deleted before the shard is left. */
#include "cmd/keys_walk.h"

#include <math.h>

/* ---- expired keys met on the way ---- */

enum {
    KEPT_TRIES = 100
}; /* RANDOMKEY takes an expired key after so many; as in Redis */

struct dead { /* entries of the shard that is locked */
    struct buf entries;
};

static void dead_add(struct dead *dead, struct entry *e)
{
    buf_append(&dead->entries, &e, sizeof(e));
}

static void dead_delete(struct dead *dead, struct txn *t)
{
    while (unlikely(buf_len(&dead->entries))) {
        struct entry *e;
        struct ref ref;
        memcpy(&e, buf_ptr(&dead->entries), sizeof(e));
        buf_consume(&dead->entries, sizeof(e));
        struct slice name = entry_key(e);
        struct key key = key_make(name);
        txn_find(t, &key, &ref); /* deletes it */
    }
}

/* ---- KEYS ---- */

static size_t keys_of_shard(struct keys_walk *w, struct txn *t, struct reply *r, unsigned shard,
                            struct dead *dead)
{
    struct table_iter it;
    struct entry *e;
    size_t count = 0;
    table_iter_init(&it, &db_part(t->db, shard)->table);
    while ((e = table_iter_next(&it))) {
        if (!scan_matches(&w->args, entry_key(e)))
            continue;
        if (txn_is_dead(t, e)) {
            dead_add(dead, e);
            continue;
        }
        reply_bulk(r, entry_key(e));
        count++;
    }
    return count;
}

void keys_walk_begin(struct keys_walk *w, struct slice pattern, struct reply *r)
{
    *w = (struct keys_walk){.args.pattern = pattern,
                            .args.match_all = slice_equal(pattern, SLICE("*"))};
    w->mark = reply_defer(r);
}

bool keys_walk_step(struct keys_walk *w, struct txn *t, struct reply *r)
{
    struct dead dead;
    int shard = db_next_nonempty(t->ks, t->db, w->next);
    if (shard < 0) {
        reply_defer_end(r, w->mark, REPLY_ARRAY, w->count);
        return false;
    }
    buf_init(&dead.entries, MEM_OTHER);
    txn_lock_shard(t, (unsigned)shard);
    w->count += keys_of_shard(w, t, r, (unsigned)shard, &dead);
    dead_delete(&dead, t);
    txn_unlock(t);
    buf_deinit(&dead.entries);
    w->next = (unsigned)shard + 1;
    return true;
}

void cmd_keys(struct exec *ex)
{
    struct keys_walk w;
    if (defer(ex, (uint64_t)keyspace_keys(ex->txn->ks, ex->txn->db->id)))
        return;
    keys_walk_begin(&w, ex->argv[1], ex->reply);
    while (keys_walk_step(&w, ex->txn, ex->reply))
        ;
}

/* ---- SCAN ---- */

struct scan {
    struct txn *txn;
    struct scan_args args;
    struct dead dead;
    struct buf names; /* u32 length, bytes: the cursor stands before them in the reply */
    uint64_t found, seen;
};

static void scan_visit(void *entry, void *arg)
{
    struct entry *e = entry;
    struct scan *s = arg;
    struct slice name = entry_key(e);
    s->seen++;
    if (!scan_matches(&s->args, name) || (s->args.by_type && s->args.type != (int)entry_type(e)))
        return;
    if (txn_is_dead(s->txn, e)) {
        dead_add(&s->dead, e);
        return;
    }
    uint32_t len = (uint32_t)name.len;
    buf_append(&s->names, &len, sizeof(len));
    buf_append(&s->names, name.ptr, len);
    s->found++;
}

/* Cursor: bucket cursor of the shard's table above the shard's number; small numbers, since some
 * clients make doubles of them. Returns the next one, 0 at the end. */
static uint64_t scan_run(struct scan *s, uint64_t cursor)
{
    struct txn *t = s->txn;
    unsigned bits = t->ks->shard_bits;
    uint64_t bucket = cursor >> bits;
    unsigned wanted = (unsigned)(cursor & (t->ks->shard_count - 1));
    int shard;
    while ((shard = db_next_nonempty(t->ks, t->db, wanted)) >= 0) {
        if ((unsigned)shard != wanted)
            bucket = 0;
        if (s->seen >= (uint64_t)s->args.count)
            return bucket << bits | (unsigned)shard;
        txn_lock_shard(t, (unsigned)shard);
        do
            bucket = table_scan(&db_part(t->db, (unsigned)shard)->table, bucket, scan_visit, s);
        while (bucket && s->seen < (uint64_t)s->args.count);
        dead_delete(&s->dead, t);
        txn_unlock(t);
        wanted = (unsigned)shard + (bucket == 0);
    }
    return 0;
}

static void reply_names(struct reply *r, struct buf *names, uint64_t count)
{
    reply_array(r, count);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t len;
        memcpy(&len, buf_ptr(names), sizeof(len));
        reply_bulk(r, slice_make(buf_ptr(names) + sizeof(len), len));
        buf_consume(names, sizeof(len) + len);
    }
}

void cmd_scan(struct exec *ex)
{
    struct scan s = {.txn = ex->txn};
    uint64_t cursor;
    if (!scan_cursor_arg(ex, 1, &cursor) || !scan_options(ex, 2, SCAN_KEYS, &s.args))
        return;
    buf_init(&s.names, MEM_OTHER);
    buf_init(&s.dead.entries, MEM_OTHER);
    cursor = scan_run(&s, cursor);
    char text[NUM_INT64_MAX_LEN];
    reply_array(ex->reply, 2);
    reply_bulk(ex->reply, slice_make(text, num_format_uint64(text, cursor)));
    reply_names(ex->reply, &s.names, s.found);
    buf_deinit(&s.names);
    buf_deinit(&s.dead.entries);
}

/* ---- RANDOMKEY ---- */

/* A shard is taken with a chance in proportion to its keys: always when it holds as many as hardly
 * any does. */
static bool accept_shard(struct txn *t, uint64_t used, double limit)
{
    return (double)used >= limit || rng_double(&t->rng) * limit < (double)used;
}

/* The keys that the fullest shards hold, were they spread by chance. */
static double crowded_shard(const struct txn *t)
{
    double mean = (double)keyspace_keys(t->ks, t->db->id) / t->ks->shard_count;
    return mean + 4 * sqrt(mean) + 4;
}

/* Answers with a key of this shard, with an expired one only when `any`. False: look elsewhere. */
static bool random_of_shard(struct exec *ex, unsigned shard, double limit, bool any)
{
    struct txn *t = ex->txn;
    const struct table *table = &db_part(t->db, shard)->table;
    struct entry *e = accept_shard(t, table->used, limit) ? table_random(table, &t->rng) : NULL;
    if (!e)
        return false;
    struct slice name = entry_key(e);
    struct key key = key_make(name);
    struct ref ref;
    ex->txn->no_touch = true;
    bool found = txn_find(t, &key, &ref), kept = t->keep_expired || pins_hold(t->ks, &key);
    if (!found && !(any && kept)) /* it had expired */
        return false;
    reply_bulk(ex->reply, found ? entry_key(ref.entry) : name);
    return true;
}

void cmd_randomkey(struct exec *ex)
{
    struct txn *t = ex->txn;
    double limit = crowded_shard(t);
    int shard, tries = 0;
    while ((shard = db_random_nonempty(t->ks, t->db, &t->rng)) >= 0) {
        txn_lock_shard(t, (unsigned)shard);
        bool any = ++tries > KEPT_TRIES; /* all may have expired, and stay */
        bool answered = random_of_shard(ex, (unsigned)shard, limit, any);
        txn_unlock(t);
        if (answered)
            return;
    }
    reply_null(ex->reply);
}
