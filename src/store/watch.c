#include "store/watch.h"

#include "base/assert.h"

struct watch_table {
    struct table keys; /* of the first node of each key's chain */
};

static uint64_t node_hash(const void *node)
{
    return ((const struct watch *)node)->key.hash;
}

struct wanted {
    int db;
    struct slice name;
};

static bool is_wanted(const void *node, const void *wanted)
{
    const struct watch *n = node;
    const struct wanted *w = wanted;
    return n->db == w->db && slice_equal(n->key.name, w->name);
}

/* ---- counters: each thread its own, only the sums mean something ---- */

static void count(_Atomic int64_t *counter, int64_t delta)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + delta,
                          memory_order_relaxed);
}

int64_t watch_keys(const struct keyspace *ks)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < MAX(ks->gates.count, 1u); i++)
        sum += atomic_load_explicit(&ks->stats[i].watched_keys, memory_order_relaxed);
    return MAX(sum, 0);
}

int64_t watch_clients(const struct keyspace *ks)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < MAX(ks->gates.count, 1u); i++)
        sum += atomic_load_explicit(&ks->stats[i].watching_clients, memory_order_relaxed);
    return MAX(sum, 0);
}

/* ---- the table of a shard; its watch_lock is held ---- */

static struct shard *shard_of(struct txn *t, uint64_t hash)
{
    return &t->ks->shards[keyspace_shard_of(t->ks, hash)];
}

static struct watch_table *table_of(struct shard *s)
{
    return atomic_load_explicit(&s->watchers, memory_order_relaxed);
}

static struct watch_table *open_table(struct shard *s)
{
    struct watch_table *table = table_of(s);
    if (table)
        return table;
    table = mem_zalloc(MEM_CLIENT, sizeof(*table));
    table_init(&table->keys);
    atomic_store_explicit(&s->watchers, table, memory_order_relaxed);
    return table;
}

static void close_if_empty(struct shard *s)
{
    struct watch_table *table = table_of(s);
    if (table->keys.used)
        return;
    atomic_store_explicit(&s->watchers, NULL, memory_order_relaxed);
    table_deinit(&table->keys, NULL, NULL);
    mem_free(MEM_CLIENT, table, sizeof(*table));
}

static struct watch *find_chain(struct shard *s, int db, const struct key *key,
                                struct table_pos *pos)
{
    struct watch_table *table = table_of(s);
    struct wanted wanted = {db, key->name};
    return table ? table_find(&table->keys, key->hash, is_wanted, &wanted, pos) : NULL;
}

static void list_node(struct txn *t, struct shard *s, struct watch *n)
{
    struct table_pos pos;
    struct watch *head = find_chain(s, n->db, &n->key, &pos);
    n->listed = true;
    if (head) { /* behind the head, which the table points to */
        n->previous = head;
        n->next = head->next;
        if (n->next)
            n->next->previous = n;
        head->next = n;
        return;
    }
    table_insert(&open_table(s)->keys, n->key.hash, n, node_hash);
    count(&t->stats->watched_keys, 1);
}

static void unlist_head(struct txn *t, struct shard *s, struct watch *n)
{
    struct table_pos pos;
    struct watch *head = find_chain(s, n->db, &n->key, &pos);
    ASSERT(head == n);
    if (n->next) {
        n->next->previous = NULL;
        table_pos_set(pos, n->next);
        return;
    }
    table_remove(&table_of(s)->keys, n->key.hash, pos, node_hash);
    count(&t->stats->watched_keys, -1);
    close_if_empty(s);
}

static void unlist_node(struct txn *t, struct shard *s, struct watch *n)
{
    n->listed = false;
    if (!n->previous) {
        unlist_head(t, s, n);
        return;
    }
    n->previous->next = n->next;
    if (n->next)
        n->next->previous = n->previous;
}

/* ---- a client's keys ---- */

static struct watch *create_node(const struct txn *t, struct watcher *w, const struct key *key)
{
    struct watch *n = mem_zalloc(MEM_CLIENT, sizeof(*n) + key->name.len);
    char *name = (char *)(n + 1);
    memcpy(name, key->name.ptr, key->name.len);
    n->watcher = w;
    n->db = t->db->id;
    n->key = (struct key){slice_make(name, key->name.len), key->hash};
    return n;
}

static size_t node_bytes(const struct watch *n)
{
    return sizeof(*n) + n->key.name.len;
}

static bool watches(struct shard *s, int db, const struct watcher *w, const struct key *key)
{
    struct table_pos pos;
    const struct watch *n = find_chain(s, db, key, &pos);
    while (n && n->watcher != w)
        n = n->next;
    return n != NULL;
}

static void adopt_node(struct txn *t, struct watcher *w, struct watch *n)
{
    if (!w->first)
        count(&t->stats->watching_clients, 1);
    n->next_own = w->first;
    w->first = n;
    w->count++;
    w->bytes += node_bytes(n);
}

void watch_add(struct txn *t, struct watcher *w, const struct key *key)
{
    struct shard *s = shard_of(t, key->hash);
    struct ref ref;
    txn_find_in(t, t->db->id, key, &ref);
    lock_acquire(&s->watch_lock);
    if (!watches(s, t->db->id, w, key)) {
        struct watch *n = create_node(t, w, key);
        adopt_node(t, w, n);
        list_node(t, s, n);
    }
    lock_release(&s->watch_lock);
}

void watch_clear(struct txn *t, struct watcher *w)
{
    bool had = w->first != NULL;
    while (w->first) {
        struct watch *n = w->first;
        struct shard *s = shard_of(t, n->key.hash);
        w->first = n->next_own;
        lock_acquire(&s->watch_lock);
        if (n->listed)
            unlist_node(t, s, n);
        lock_release(&s->watch_lock);
        mem_free(MEM_CLIENT, n, node_bytes(n));
    }
    w->count = 0;
    w->bytes = 0;
    /* Nobody can raise the flag any more; who did has taken us off the count. */
    if (had && !atomic_exchange(w->touched, false))
        count(&t->stats->watching_clients, -1);
}

bool watch_decide(struct txn *t, const struct watcher *w)
{
    for (const struct watch *n = w->first; n && !atomic_load(w->touched); n = n->next_own) {
        struct ref ref;
        txn_find_in(t, n->db, &n->key, &ref);
    }
    return atomic_load(w->touched);
}

/* ---- changes ---- */

static void raise_flag(struct txn *t, struct watcher *w)
{
    if (!atomic_exchange(w->touched, true))
        count(&t->stats->watching_clients, -1);
}

void watch_touch(struct txn *t, int db, const struct key *key)
{
    struct shard *s = shard_of(t, key->hash);
    struct table_pos pos;
    lock_acquire(&s->watch_lock);
    struct watch *n = find_chain(s, db, key, &pos);
    if (n) {
        table_remove(&table_of(s)->keys, key->hash, pos, node_hash);
        count(&t->stats->watched_keys, -1);
        close_if_empty(s);
    }
    for (; n; n = n->next) {
        n->listed = false;
        raise_flag(t, n->watcher);
    }
    lock_release(&s->watch_lock);
}

/* ---- changes of whole databases ---- */

/* A watched key, copied: its node may go as soon as the lock is released. The name follows. */
struct copied_key {
    uint64_t hash;
    size_t len;
};

/* Appends the watched keys of one or two databases to `out`. */
static void copy_keys(struct shard *s, int a, int b, struct buf *out)
{
    struct table_iter it;
    const struct watch *n;
    lock_acquire(&s->watch_lock);
    if (table_of(s)) {
        table_iter_init(&it, &table_of(s)->keys);
        while ((n = table_iter_next(&it)))
            if (n->db == a || n->db == b) {
                struct copied_key copy = {n->key.hash, n->key.name.len};
                buf_append(out, &copy, sizeof(copy));
                buf_append(out, n->key.name.ptr, n->key.name.len);
            }
    }
    lock_release(&s->watch_lock);
}

static void visit_keys(struct txn *t, int a, int b,
                       void (*visit)(struct txn *t, int a, int b, const struct key *key))
{
    struct buf copies;
    struct copied_key copy;
    ASSERT(t->exclusive);
    buf_init(&copies, MEM_OTHER);
    for (unsigned i = 0; i < t->ks->shard_count; i++)
        if (table_of(&t->ks->shards[i]))
            copy_keys(&t->ks->shards[i], a, b, &copies);
    for (size_t at = 0; at < buf_len(&copies); at += sizeof(copy) + copy.len) {
        memcpy(&copy, buf_ptr(&copies) + at, sizeof(copy));
        struct key key = {slice_make(buf_ptr(&copies) + at + sizeof(copy), copy.len), copy.hash};
        visit(t, a, b, &key);
    }
    buf_deinit(&copies);
}

/* Even a key that has expired and is still there goes now: it had not when it was watched. */
static bool is_stored(struct txn *t, int db, const struct key *key)
{
    struct part *part = db_part(keyspace_db(t->ks, db), keyspace_shard_of(t->ks, key->hash));
    struct table_pos pos;
    return table_find(&part->table, key->hash, entry_has_key, &key->name, &pos) != NULL;
}

static void flush_key(struct txn *t, int db, int same, const struct key *key)
{
    if (is_stored(t, db, key))
        watch_touch(t, db, key);
}

void watch_flush(struct txn *t, int db)
{
    visit_keys(t, db, db, flush_key);
}

/* The lookups delete what has expired: to who watches a missing key, an expired one coming in its
 * place is no change. */
static void swap_key(struct txn *t, int a, int b, const struct key *key)
{
    struct ref ref;
    bool in_a = txn_find_in(t, a, key, &ref), in_b = txn_find_in(t, b, key, &ref);
    if (!in_a && !in_b)
        return;
    watch_touch(t, a, key);
    watch_touch(t, b, key);
}

void watch_swap(struct txn *t, int a, int b)
{
    if (a != b)
        visit_keys(t, a, b, swap_key);
}
