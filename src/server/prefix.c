#include "server/prefix.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/sorted.h"
#include "server/server_internal.h"

#include <stdlib.h>

void prefix_hub_deinit(struct prefix_hub *hub)
{
    prefix_set_unref(hub->set);
    table_deinit(&hub->local, NULL, NULL);
    ASSERT(hub->changed.used == 0);
    table_deinit(&hub->changed, NULL, NULL);
}

bool prefix_overlaps(struct slice a, struct slice b)
{
    return a.len < b.len ? prefix_begins(b, a) : prefix_begins(a, b);
}

static uint64_t local_hash(const void *entry)
{
    return ((const struct local_prefix *)entry)->hash;
}

static struct slice local_name(const struct local_prefix *l)
{
    return slice_make(l->name, l->len);
}

static bool local_equal(const void *entry, const void *key)
{
    return slice_equal(local_name(entry), *(const struct slice *)key);
}

static struct local_prefix *find_local(struct prefix_hub *hub, struct slice name)
{
    struct table_pos pos;
    return table_find(&hub->local, hash_slice(name), local_equal, &name, &pos);
}

static struct local_prefix *open_local(struct prefix_hub *hub, struct slice name)
{
    struct local_prefix *l = mem_alloc(MEM_CLIENT, sizeof(*l) + name.len);
    *l = (struct local_prefix){.hash = hash_slice(name), .len = name.len};
    if (name.len)
        memcpy(l->name, name.ptr, name.len);
    table_insert(&hub->local, l->hash, l, local_hash);
    return l;
}

static void close_local(struct prefix_hub *hub, struct local_prefix *l)
{
    struct slice name = local_name(l);
    struct table_pos pos;
    ASSERT(table_find(&hub->local, l->hash, local_equal, &name, &pos) == l);
    table_remove(&hub->local, l->hash, pos, local_hash);
    mem_free(MEM_CLIENT, l, sizeof(*l) + l->len);
}

static void link_wish(struct tracker *k, struct local_prefix *l)
{
    struct prefix_link *wish = mem_alloc(MEM_CLIENT, sizeof(*wish));
    *wish = (struct prefix_link){k->prefixes, l->first, &l->first, l, k};
    if (wish->next)
        wish->next->link = &wish->next;
    l->first = wish;
    k->prefixes = wish;
    k->prefix_count++;
}

static void unlink_wish(struct tracker *k, struct prefix_link *wish)
{
    *wish->link = wish->next;
    if (wish->next)
        wish->next->link = wish->link;
    k->prefixes = wish->next_own;
    k->prefix_count--;
    mem_free(MEM_CLIENT, wish, sizeof(*wish));
}

static int compare_names(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static void change_sorted(struct server_thread *t, struct buf *names, bool join)
{
    uint32_t count = (uint32_t)(buf_len(names) / sizeof(struct slice));
    if (count)
        qsort(buf_ptr(names), count, sizeof(struct slice), compare_names);
    prefixes_change(&t->server->prefixes, (const struct slice *)buf_ptr(names), count,
                    t->net.reactor.id, join);
}

void prefix_join(struct server_thread *t, struct tracker *k, const struct slice *names,
                 uint32_t count)
{
    struct prefix_hub *hub = &t->tracking.prefix;
    struct buf fresh; /* struct slice: those that are this reactor's first */
    buf_init(&fresh, MEM_CLIENT);
    for (uint32_t i = 0; i < count; i++) {
        struct local_prefix *l = find_local(hub, names[i]);
        if (!l) {
            l = open_local(hub, names[i]);
            buf_append(&fresh, &names[i], sizeof(names[i]));
        }
        link_wish(k, l);
    }
    change_sorted(t, &fresh, true);
    buf_deinit(&fresh);
}

void prefix_leave(struct server_thread *t, struct tracker *k)
{
    struct buf empty, names;
    buf_init(&empty, MEM_CLIENT);
    buf_init(&names, MEM_CLIENT);
    while (k->prefixes) {
        struct local_prefix *l = k->prefixes->prefix;
        struct slice name = local_name(l);
        unlink_wish(k, k->prefixes);
        if (l->first)
            continue;
        buf_append(&empty, &l, sizeof(struct local_prefix *));
        buf_append(&names, &name, sizeof(name));
    }
    change_sorted(t, &names, false);
    for (size_t at = 0; at < buf_len(&empty); at += sizeof(struct local_prefix *)) {
        struct local_prefix *l;
        memcpy(&l, buf_ptr(&empty) + at, sizeof(struct local_prefix *));
        close_local(&t->tracking.prefix, l);
    }
    buf_deinit(&names);
    buf_deinit(&empty);
}

/* NULL: there have been no prefixes yet. */
static const struct prefix_set *current_set(struct server_thread *t)
{
    struct prefixes *p = &t->server->prefixes;
    struct prefix_hub *hub = &t->tracking.prefix;
    if (unlikely(atomic_load_explicit(&p->version, memory_order_acquire) != hub->version))
        prefixes_refresh(p, &hub->set, &hub->version);
    return hub->set;
}

struct noted_key {
    uint64_t hash, by;
    size_t len;
    char name[];
};

static uint64_t noted_hash(const void *entry)
{
    return ((const struct noted_key *)entry)->hash;
}

static bool noted_equal(const void *entry, const void *key)
{
    const struct noted_key *n = entry;
    return slice_equal(slice_make(n->name, n->len), ((const struct key *)key)->name);
}

static void collect(struct prefix_hub *hub, const struct key *key, uint64_t by)
{
    struct table_pos pos;
    struct noted_key *n = table_find(&hub->changed, key->hash, noted_equal, key, &pos);
    if (!n) {
        n = mem_alloc(MEM_CLIENT, sizeof(*n) + key->name.len);
        *n = (struct noted_key){.hash = key->hash, .len = key->name.len};
        if (n->len)
            memcpy(n->name, key->name.ptr, n->len);
        n->by = by;
        table_insert(&hub->changed, n->hash, n, noted_hash);
    } else if (n->by) { /* what was nobody's change stays one that all must hear of */
        n->by = by;
    }
}

void prefix_note(struct server_thread *t, const struct key *key, uint64_t by)
{
    const struct prefix_set *set = current_set(t);
    uint64_t reactors = set && set->count ? prefix_set_reactors(set, key->name) : 0;
    if (!reactors)
        return;
    collect(&t->tracking.prefix, key, by);
    t->tracking.prefix.changed_reactors |= reactors;
}

static int compare_keys(const void *a, const void *b)
{
    return slice_compare(((const struct changed_key *)a)->name,
                         ((const struct changed_key *)b)->name);
}

static void free_noted(void *entry, void *arg)
{
    struct noted_key *n = entry;
    (void)arg;
    mem_free(MEM_CLIENT, n, sizeof(*n) + n->len);
}

/* All that has changed, in order; nothing has afterwards. */
static struct invalidation *take_changed(struct prefix_hub *hub)
{
    struct buf keys;
    struct table_iter it;
    buf_init(&keys, MEM_CLIENT);
    table_iter_init(&it, &hub->changed);
    for (const struct noted_key *n; (n = table_iter_next(&it));) {
        struct changed_key key = {slice_make(n->name, n->len), n->by};
        buf_append(&keys, &key, sizeof(key));
    }
    size_t count = buf_len(&keys) / sizeof(struct changed_key);
    qsort(buf_ptr(&keys), count, sizeof(struct changed_key), compare_keys);
    struct invalidation *inv =
        invalidation_create((const struct changed_key *)buf_ptr(&keys), (uint32_t)count);
    buf_deinit(&keys);
    table_deinit(&hub->changed, free_noted, NULL);
    table_init(&hub->changed);
    return inv;
}

struct broadcast {
    struct message message;
    struct invalidation *inv;
};

static bool key_is_before(const void *keys, uint32_t at, const void *prefix)
{
    return slice_compare(((const struct changed_key *)keys)[at].name,
                         *(const struct slice *)prefix) < 0;
}

/* The keys with the prefix: they stand side by side. */
static struct key_range range_of(struct invalidation *inv, struct slice prefix)
{
    uint32_t begin = sorted_place(inv->keys, inv->count, &prefix, key_is_before), end = begin;
    while (end < inv->count && prefix_begins(inv->keys[end].name, prefix))
        end++;
    return (struct key_range){inv, begin, end - begin, 0};
}

static void send_without_own(struct server_thread *t, struct tracker *k, struct key_range range)
{
    struct encodings own = {0};
    range.except = k->conn->info.id;
    if (invalidation_count(&range))
        tracking_send(t, k, &range, &own);
    encodings_deinit(&own);
}

static void hand_out(struct server_thread *t, const struct local_prefix *l,
                     const struct key_range *range)
{
    struct encodings shared = {0};
    for (const struct prefix_link *wish = l->first; wish; wish = wish->next)
        if (wish->tracker->modes & TRACKING_NOLOOP)
            send_without_own(t, wish->tracker, *range);
        else
            tracking_send(t, wish->tracker, range, &shared);
    encodings_deinit(&shared);
}

static void run_broadcast(void *receiver, struct message *self)
{
    struct server_thread *t = receiver;
    struct broadcast *b = container_of(self, struct broadcast, message);
    const struct prefix_set *set = current_set(t);
    uint64_t bit = (uint64_t)1 << t->net.reactor.id;
    for (uint32_t i = 0; set && i < set->count; i++) {
        if (!(set->items[i].reactors & bit))
            continue;
        struct slice name = prefix_item_name(&set->items[i]);
        struct key_range range = range_of(b->inv, name);
        if (range.count)
            hand_out(t, find_local(&t->tracking.prefix, name), &range);
    }
    invalidation_unref(b->inv);
    mem_free(MEM_CLIENT, b, sizeof(*b));
}

void prefix_broadcast(struct server_thread *t)
{
    struct prefix_hub *hub = &t->tracking.prefix;
    uint64_t reactors = hub->changed_reactors;
    if (likely(!reactors))
        return;
    hub->changed_reactors = 0;
    struct invalidation *inv = take_changed(hub);
    for (; reactors; reactors &= reactors - 1) {
        struct broadcast *b = mem_alloc(MEM_CLIENT, sizeof(*b));
        *b = (struct broadcast){{.run = run_broadcast}, inv};
        invalidation_ref(inv);
        push_post(t, t->server->threads[__builtin_ctzll(reactors)], &b->message);
    }
    invalidation_unref(inv);
}
