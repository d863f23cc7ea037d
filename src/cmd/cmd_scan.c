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

/* ---- being broken off ---- */

enum {
    WORK_OF_KEY = 64,
    WORK_BETWEEN_LOOKS = 1 << 20 /* a millisecond */
};

/* A byte of a name may be compared with each of the pattern. */
static void count_work(struct keys_walk *w, struct slice name)
{
    w->work += WORK_OF_KEY + (w->args.match_all ? 0 : name.len * w->args.pattern.len);
}

static bool goes_on(struct keys_walk *w)
{
    if (likely(!w->asks || w->work < WORK_BETWEEN_LOOKS))
        return true;
    w->work = 0;
    w->broken_off = !w->asks->goes_on(w->asks);
    return !w->broken_off;
}

/* ---- KEYS ---- */

static size_t keys_of_shard(struct keys_walk *w, struct txn *t, struct reply *r, unsigned shard,
                            struct dead *dead)
{
    struct table_iter it;
    struct entry *e;
    size_t count = 0;
    table_iter_init(&it, &db_part(t->db, shard)->table);
    while (goes_on(w) && (e = table_iter_next(&it))) {
        count_work(w, entry_key(e));
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

static bool step_keys(struct keys_walk *w, struct txn *t, struct reply *r)
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
    return !w->broken_off;
}

/* ---- SCAN ---- */

enum {
    NAMES_PER_STEP = 1024
};

struct scan {
    struct keys_walk *walk;
    struct txn *txn;
    struct dead dead;
};

static void scan_visit(void *entry, void *arg)
{
    struct entry *e = entry;
    struct scan *s = arg;
    struct keys_walk *w = s->walk;
    struct slice name = entry_key(e);
    w->seen++;
    count_work(w, name);
    if (!scan_matches(&w->args, name) || (w->args.by_type && w->args.type != (int)entry_type(e)))
        return;
    if (txn_is_dead(s->txn, e)) {
        dead_add(&s->dead, e);
        return;
    }
    uint32_t len = (uint32_t)name.len;
    buf_append(&w->names, &len, sizeof(len));
    buf_append(&w->names, name.ptr, len);
    w->found++;
}

static void scan_shard(struct keys_walk *w, struct txn *t, unsigned shard)
{
    struct scan s = {.walk = w, .txn = t};
    buf_init(&s.dead.entries, MEM_OTHER);
    txn_lock_shard(t, shard);
    do
        w->bucket = table_scan(&db_part(t->db, shard)->table, w->bucket, scan_visit, &s);
    while (goes_on(w) && w->bucket && w->seen < (uint64_t)w->args.count);
    dead_delete(&s.dead, t);
    txn_unlock(t);
    buf_deinit(&s.dead.entries);
}

/* All is found: the next cursor, 0 at the end, and how many names follow. */
static void open_answer(struct keys_walk *w, struct reply *r, uint64_t cursor)
{
    char text[NUM_INT64_MAX_LEN];
    reply_array(r, 2);
    reply_bulk(r, slice_make(text, num_format_uint64(text, cursor)));
    reply_array(r, w->found);
    w->answers = true;
}

static bool answer_names(struct keys_walk *w, struct reply *r)
{
    for (unsigned i = 0; i < NAMES_PER_STEP && w->found; i++, w->found--) {
        uint32_t len;
        memcpy(&len, buf_ptr(&w->names), sizeof(len));
        reply_bulk(r, slice_make(buf_ptr(&w->names) + sizeof(len), len));
        buf_consume(&w->names, sizeof(len) + len);
    }
    return w->found != 0;
}

/* Cursor: bucket cursor of the shard's table above the shard's number; small numbers, since some
 * clients make doubles of them. */
static bool step_scan(struct keys_walk *w, struct txn *t, struct reply *r)
{
    if (w->answers)
        return answer_names(w, r);
    int shard = db_next_nonempty(t->ks, t->db, w->next);
    if (shard >= 0 && (unsigned)shard != w->next)
        w->bucket = 0;
    if (shard < 0 || w->seen >= (uint64_t)w->args.count) {
        open_answer(w, r, shard < 0 ? 0 : w->bucket << t->ks->shard_bits | (unsigned)shard);
        return w->found != 0;
    }
    scan_shard(w, t, (unsigned)shard);
    w->next = (unsigned)shard + (w->bucket == 0);
    return !w->broken_off;
}

/* ---- both ---- */

static bool begin_scan(struct keys_walk *w, struct exec *ex)
{
    const struct keyspace *ks = ex->txn->ks;
    uint64_t cursor;
    w->step = step_scan;
    if (!scan_cursor_arg(ex, 1, &cursor) || !scan_options(ex, 2, SCAN_KEYS, &w->args))
        return false;
    w->next = (unsigned)(cursor & (ks->shard_count - 1));
    w->bucket = cursor >> ks->shard_bits;
    return true;
}

bool keys_walk_begin(struct keys_walk *w, struct exec *ex)
{
    *w = (struct keys_walk){.step = step_keys};
    buf_init(&w->names, MEM_OTHER);
    if (ex->cmd->id == CMD_ID_scan)
        return begin_scan(w, ex);
    w->args.pattern = ex->argv[1];
    w->args.match_all = slice_equal(w->args.pattern, SLICE("*"));
    w->mark = reply_defer(ex->reply);
    return true;
}

void keys_walk_end(struct keys_walk *w)
{
    buf_deinit(&w->names);
}

static void walk_all(struct keys_walk *w, struct exec *ex)
{
    struct output_mark mark = output_mark(ex->reply->out);
    w->asks = ex->goes_on ? ex : NULL;
    while (keys_walk_step(w, ex->txn, ex->reply))
        ;
    keys_walk_end(w);
    if (w->broken_off) {
        output_rewind(ex->reply->out, mark);
        reply_error(ex->reply, "ERR The script has been killed");
    }
}

void cmd_keys(struct exec *ex)
{
    struct keys_walk w;
    if (!defer(ex, (uint64_t)keyspace_keys(ex->txn->ks, ex->txn->db->id)) &&
        keys_walk_begin(&w, ex))
        walk_all(&w, ex);
}

void cmd_scan(struct exec *ex)
{
    struct keys_walk w;
    if (!keys_walk_begin(&w, ex))
        return;
    uint64_t keys = (uint64_t)keyspace_keys(ex->txn->ks, ex->txn->db->id);
    if (!defer(ex, COST_LOOKUP * MIN((uint64_t)w.args.count, keys)))
        walk_all(&w, ex);
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
    uint64_t used = table->used;
    ex->txn->no_touch = true;
    bool found = txn_find(t, &key, &ref);
    if (!found && !(any && table->used == used)) /* it had expired, and maybe stays */
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
