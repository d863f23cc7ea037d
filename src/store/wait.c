#include "store/wait.h"

#include "base/assert.h"

struct wait_queue { /* the waiters of one key name, in all databases */
    struct key key; /* the name follows */
    struct wait_node *first, *last;
    uint64_t last_number;
    size_t on_missing; /* waiters that are */
    size_t movers;     /* waiters that need more keys */
    int noted_db;      /* the database for which a txn has noted the key; -1: none */
};

struct wait_table {
    struct table queues;
};

static uint64_t queue_hash(const void *queue)
{
    return ((const struct wait_queue *)queue)->key.hash;
}

static bool queue_is_of(const void *queue, const void *name)
{
    return slice_equal(((const struct wait_queue *)queue)->key.name, *(const struct slice *)name);
}

static void count(_Atomic int64_t *counter, int64_t delta)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + delta,
                          memory_order_relaxed);
}

int64_t wait_keys(const struct keyspace *ks)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < MAX(ks->gates.count, 1u); i++)
        sum += atomic_load_explicit(&ks->stats[i].waited_keys, memory_order_relaxed);
    return MAX(sum, 0);
}

int64_t wait_keys_on_missing(const struct keyspace *ks)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < MAX(ks->gates.count, 1u); i++)
        sum += atomic_load_explicit(&ks->stats[i].waited_on_missing, memory_order_relaxed);
    return MAX(sum, 0);
}

/* ---- the table of a shard; its wait_lock is held ---- */

static struct shard *shard_of(const struct txn *t, uint64_t hash)
{
    return &t->ks->shards[keyspace_shard_of(t->ks, hash)];
}

static struct wait_table *table_of(const struct shard *s)
{
    return atomic_load_explicit(&s->waiters, memory_order_relaxed);
}

static struct wait_table *open_table(struct shard *s)
{
    struct wait_table *table = table_of(s);
    if (table)
        return table;
    table = mem_zalloc(MEM_CLIENT, sizeof(*table));
    table_init(&table->queues);
    atomic_store_explicit(&s->waiters, table, memory_order_relaxed);
    return table;
}

static void close_if_empty(struct shard *s)
{
    struct wait_table *table = table_of(s);
    if (table->queues.used)
        return;
    atomic_store_explicit(&s->waiters, NULL, memory_order_relaxed);
    table_deinit(&table->queues, NULL, NULL);
    mem_free(MEM_CLIENT, table, sizeof(*table));
}

static struct wait_queue *find_queue(const struct shard *s, const struct key *key,
                                     struct table_pos *pos)
{
    const struct wait_table *table = table_of(s);
    return table ? table_find(&table->queues, key->hash, queue_is_of, &key->name, pos) : NULL;
}

static struct wait_queue *open_queue(struct txn *t, struct shard *s, const struct key *key)
{
    struct table_pos pos;
    struct wait_queue *q = find_queue(s, key, &pos);
    if (q)
        return q;
    q = mem_alloc(MEM_CLIENT, sizeof(*q) + key->name.len);
    char *name = (char *)(q + 1);
    memcpy(name, key->name.ptr, key->name.len);
    *q = (struct wait_queue){.key = {slice_make(name, key->name.len), key->hash}, .noted_db = -1};
    table_insert(&open_table(s)->queues, key->hash, q, queue_hash);
    count(&t->stats->waited_keys, 1);
    return q;
}

static void close_queue(struct txn *t, struct shard *s, struct wait_queue *q)
{
    struct table_pos pos;
    ASSERT(find_queue(s, &q->key, &pos) == q);
    table_remove(&table_of(s)->queues, q->key.hash, pos, queue_hash);
    mem_free(MEM_CLIENT, q, sizeof(*q) + q->key.name.len);
    count(&t->stats->waited_keys, -1);
    close_if_empty(s);
}

static void link_node(struct txn *t, struct wait_queue *q, struct wait_node *n)
{
    if (n->waiter->on_missing && q->on_missing++ == 0)
        count(&t->stats->waited_on_missing, 1);
    q->movers += n->waiter->also_count != 0;
    n->queue = q;
    n->number = ++q->last_number;
    n->next = NULL;
    n->previous = q->last;
    if (q->last)
        q->last->next = n;
    else
        q->first = n;
    q->last = n;
}

static void unlink_node(struct txn *t, struct shard *s, struct wait_node *n)
{
    struct wait_queue *q = n->queue;
    if (n->waiter->on_missing && --q->on_missing == 0)
        count(&t->stats->waited_on_missing, -1);
    q->movers -= n->waiter->also_count != 0;
    if (n->previous)
        n->previous->next = n->next;
    else
        q->first = n->next;
    if (n->next)
        n->next->previous = n->previous;
    else
        q->last = n->previous;
    n->queue = NULL;
    if (!q->first)
        close_queue(t, s, q);
}

/* ---- joining and leaving ---- */

void wait_join(struct txn *t, struct waiter *w)
{
    for (uint32_t i = 0; i < w->key_count; i++) {
        struct wait_node *n = &w->nodes[i];
        struct shard *s = shard_of(t, w->keys[i].hash);
        n->waiter = w;
        n->queue = NULL;
        lock_acquire(&s->wait_lock);
        struct wait_queue *q = open_queue(t, s, &w->keys[i]);
        if (!q->last || q->last->waiter != w) /* nobody else could join since: the shard is held */
            link_node(t, q, n);
        lock_release(&s->wait_lock);
    }
}

void wait_leave(struct txn *t, struct waiter *w)
{
    for (uint32_t i = 0; i < w->key_count; i++) {
        struct shard *s = shard_of(t, w->keys[i].hash);
        lock_acquire(&s->wait_lock);
        if (w->nodes[i].queue)
            unlink_node(t, s, &w->nodes[i]);
        lock_release(&s->wait_lock);
    }
}

/* ---- ready keys ---- */

static void append_ready(struct txn *t, int db, const struct key *key)
{
    struct ready_key *r = mem_alloc(MEM_OTHER, sizeof(*r) + key->name.len);
    char *name = (char *)(r + 1);
    memcpy(name, key->name.ptr, key->name.len);
    *r = (struct ready_key){NULL, db, {slice_make(name, key->name.len), key->hash}};
    *t->ready_tail = r;
    t->ready_tail = &r->next;
}

void wait_note(struct txn *t, int db, const struct key *key)
{
    struct shard *s = shard_of(t, key->hash);
    struct table_pos pos;
    lock_acquire(&s->wait_lock);
    struct wait_queue *q = find_queue(s, key, &pos);
    bool fresh = q && q->noted_db != db;
    if (fresh)
        q->noted_db = db;
    lock_release(&s->wait_lock);
    if (fresh)
        append_ready(t, db, key);
}

struct ready_key *wait_take_ready(struct txn *t)
{
    struct ready_key *r = t->ready;
    struct table_pos pos;
    if (!r)
        return NULL;
    t->ready = r->next;
    if (!r->next)
        t->ready_tail = &t->ready;
    struct shard *s = shard_of(t, r->key.hash);
    lock_acquire(&s->wait_lock);
    struct wait_queue *q = find_queue(s, &r->key, &pos);
    if (q)
        q->noted_db = -1;
    lock_release(&s->wait_lock);
    return r;
}

void wait_free_ready(struct ready_key *r)
{
    mem_free(MEM_OTHER, r, sizeof(*r) + r->key.name.len);
}

static void note_queue(struct txn *t, struct wait_queue *q, int db)
{
    for (const struct wait_node *n = q->first; n; n = n->next)
        if (n->waiter->db == db) {
            append_ready(t, db, &q->key);
            return;
        }
}

void wait_note_all(struct txn *t, int a, int b)
{
    ASSERT(t->exclusive);
    for (unsigned i = 0; i < t->ks->shard_count; i++) {
        struct shard *s = &t->ks->shards[i];
        struct table_iter it;
        struct wait_queue *q;
        if (!table_of(s))
            continue;
        lock_acquire(&s->wait_lock);
        if (table_of(s)) {
            table_iter_init(&it, &table_of(s)->queues);
            while ((q = table_iter_next(&it))) {
                note_queue(t, q, a);
                if (b != a)
                    note_queue(t, q, b);
            }
        }
        lock_release(&s->wait_lock);
    }
}

static bool may_be_served(struct txn *t, const struct wait_node *n, int db, const struct ref *ref)
{
    const struct waiter *w = n->waiter;
    return w->db == db && atomic_load(&w->state) == WAIT_WAITING &&
           w->ready(t, w, (uint32_t)(n - w->nodes), ref);
}

struct waiter *wait_claim_next(struct txn *t, int db, const struct ref *ref, uint64_t *after)
{
    struct shard *s = shard_of(t, ref->key->hash);
    struct table_pos pos;
    struct waiter *claimed = NULL;
    lock_acquire(&s->wait_lock);
    struct wait_queue *q = find_queue(s, ref->key, &pos);
    bool any = q && (ref->entry || q->on_missing); /* when all is served, the rest is not asked */
    for (struct wait_node *n = any ? q->first : NULL; n && !claimed; n = n->next) {
        if (n->number <= *after)
            continue;
        *after = n->number;
        if (may_be_served(t, n, db, ref) && wait_claim(n->waiter, WAIT_SERVED))
            claimed = n->waiter;
    }
    lock_release(&s->wait_lock);
    return claimed;
}

/* ---- keys that serving needs ---- */

bool wait_here(const struct txn *t)
{
    for (uint32_t i = 0; t->busy && i < t->held_count; i++)
        if (table_of(&t->ks->shards[t->held[i]]))
            return true;
    return false;
}

struct closure {
    struct txn *txn;
    const struct key *keys; /* that become ready … */
    uint32_t key_count;
    struct buf found; /* … and what follows: struct found_key each, the name behind it */
    uint64_t *hashes;
    int count, db;
    uint32_t budget;
    int expanded; /* of hashes: their waiters have been looked at, or are */
    bool loops;   /* an element may come to a key again */
};

struct found_key {
    uint64_t hash;
    size_t len;
};

static bool is_origin(const struct closure *c, uint64_t hash)
{
    for (uint32_t i = 0; i < c->key_count; i++)
        if (c->keys[i].hash == hash)
            return true;
    return false;
}

static void add_key(struct closure *c, const struct key *key)
{
    for (int i = 0; i < c->count; i++)
        if (c->hashes[i] == key->hash) {
            c->loops |= i < c->expanded;
            return;
        }
    c->loops |= c->budget != UINT32_MAX && is_origin(c, key->hash);
    if (c->count == WAIT_ALSO_MAX) {
        c->count = -1;
        return;
    }
    struct found_key found = {key->hash, key->name.len};
    c->hashes[c->count++] = key->hash;
    buf_append(&c->found, &found, sizeof(found));
    buf_append(&c->found, key->name.ptr, key->name.len);
}

/* An element that comes here once serves one waiter, so no more than `budget` of those that move it
 * on are served. */
static void add_targets(struct closure *c, const struct key *key)
{
    struct shard *s = shard_of(c->txn, key->hash);
    struct table_pos pos;
    uint32_t left = c->budget;
    if (!table_of(s))
        return;
    lock_acquire(&s->wait_lock);
    struct wait_queue *q = find_queue(s, key, &pos);
    size_t movers = q ? q->movers : 0; /* a crowd without any is not gone through */
    for (struct wait_node *n = q ? q->first : NULL; movers && left && c->count >= 0; n = n->next) {
        const struct waiter *w = n->waiter;
        movers -= w->also_count != 0;
        if (!w->also_count || (c->db >= 0 && w->db != c->db) ||
            atomic_load(&w->state) != WAIT_WAITING)
            continue;
        for (uint32_t i = 0; i < w->also_count && c->count >= 0; i++)
            add_key(c, &w->keys[w->key_count + i]);
        left--;
    }
    lock_release(&s->wait_lock);
}

static void close_over(struct closure *c)
{
    struct found_key found;
    buf_init(&c->found, MEM_OTHER);
    for (uint32_t i = 0; i < c->key_count && c->count >= 0; i++)
        add_targets(c, &c->keys[i]);
    for (size_t at = 0; at < buf_len(&c->found) && c->count >= 0; at += sizeof(found) + found.len) {
        memcpy(&found, buf_ptr(&c->found) + at, sizeof(found));
        struct buf name; /* the list grows while it is read */
        buf_init(&name, MEM_OTHER);
        buf_append(&name, buf_ptr(&c->found) + at + sizeof(found), found.len);
        c->expanded++;
        add_targets(c, &(struct key){buf_slice(&name), found.hash});
        buf_deinit(&name);
    }
    buf_deinit(&c->found);
}

int wait_also(struct txn *t, const struct key *keys, uint32_t count, uint32_t budget, int db,
              uint64_t hashes[WAIT_ALSO_MAX])
{
    struct closure c = {
        .txn = t, .keys = keys, .key_count = count, .hashes = hashes, .db = db, .budget = budget};
    close_over(&c);
    if (unlikely(c.loops) && c.budget != UINT32_MAX) { /* an element serves any number of waiters */
        c.count = c.expanded = 0;
        c.budget = UINT32_MAX;
        close_over(&c);
    }
    return c.count;
}
