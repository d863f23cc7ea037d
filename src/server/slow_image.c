/* What a snapshot asks of a command before it changes something. Old values wait for the disk:
 * while there are too many, who would add one waits before anything has run.
 *
 * A snapshot wants large values as they were when it began, and encoding one takes long. Before a
 * command changes such a value, a worker encodes it, pinned but not locked, while the command
 * waits. Whoever gets there without asking (EXEC in exclusive mode, expiry, eviction) has the
 * value encoded under the lock, by txn_edit(). */
#include "base/assert.h"
#include "server/slow_internal.h"
#include "store/value.h"

struct image {
    struct job job;
    struct message message;
    struct server_thread *thread;
    struct entry *husk;
    int db;
};

static const enum pin_use image_use = PIN_READ;

static void came_back(void *receiver, struct message *self)
{
    struct image *image = container_of(self, struct image, message);
    struct server *s = image->thread->server;
    struct key key = key_make(entry_key(image->husk));
    (void)receiver;
    pins_drop(s->ks, &key, &image_use, 1);
    entry_free(image->husk);
    mem_free(MEM_OTHER, image, sizeof(*image));
    slow_leave(s);
}

/* Also when the server ends: the walk waits for it. */
static void run_image(struct job *self)
{
    struct image *image = container_of(self, struct image, job);
    struct server_thread *t = image->thread;
    struct server *s = t->server;
    s->ks->snapshot->take(s->ks->snapshot, image->db, image->husk);
    reactor_post(&t->net.reactor, &image->message);
    atomic_fetch_sub(&s->slow.computing, 1); /* the last that is touched */
}

/* The key's entry, when the snapshot wants it before it changes. */
static bool find_wanted(const struct txn *t, const struct key *key, struct ref *ref)
{
    *ref = (struct ref){.key = key, .part = db_part(t->db, keyspace_shard_of(t->ks, key->hash))};
    struct entry *e =
        table_find(&ref->part->table, key->hash, entry_has_key, &key->name, &ref->pos);
    ref->entry = e;
    return e && (e->flags & ENTRY_PARITY) != t->ks->parity;
}

static bool is_large(const struct entry *e)
{
    return entry_type(e) != TYPE_STRING && !(e->flags & ENTRY_MEMBERS_EXPIRE) &&
           value_elements(e) >= slow_threshold();
}

static void start(struct server_thread *t, const struct ref *ref)
{
    struct server *s = t->server;
    struct image *image = mem_zalloc(MEM_OTHER, sizeof(*image));
    image->thread = t;
    image->husk = entry_husk(ref->entry);
    image->db = s->ks->snapshot->reserve(s->ks->snapshot, ref);
    image->job.run = run_image;
    image->message.run = came_back;
    atomic_fetch_add(&s->slow.computing, 1);
    worker_submit(s->pool, &image->job);
}

static enum slow_verdict take(struct server_thread *t, struct slow_client *c, const struct ref *ref)
{
    struct keyspace *ks = t->server->ks;
    if (!slow_enter(t->server))
        return SLOW_BARRED;
    if (pins_take(ks, ref->key, &image_use, 1, &c->waiter)) {
        start(t, ref);
        bool waits = pins_wait(ks, ref->key, &c->waiter, PIN_BARS_WRITES);
        ASSERT(waits);
    } else {
        slow_leave(t->server);
    }
    slow_wait(t, c, true);
    return SLOW_WAIT;
}

enum slow_verdict slow_image_admit(struct server_thread *t, struct slow_client *c, bool full)
{
    const struct exec *ex = &t->exec;
    struct ref ref;
    for (uint32_t i = 0; i < ex->key_count; i++) {
        if (likely(!find_wanted(ex->txn, &ex->keys[i], &ref)) || (!full && !is_large(ref.entry)))
            continue;
        enum slow_verdict verdict = full ? SLOW_BARRED : take(t, c, &ref);
        txn_end(ex->txn, NULL, 0);
        return verdict;
    }
    return SLOW_RUN;
}
