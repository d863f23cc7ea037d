#include "cmd/pubsub.h"

#include "base/assert.h"
#include "base/glob.h"
#include "base/hash.h"

enum {
    FIRST_PATTERNS = 4
};

static size_t patterns_bytes(uint32_t cap)
{
    return sizeof(struct pubsub_patterns) + cap * sizeof(struct pubsub_pattern);
}

static struct pubsub_patterns *patterns_create(uint32_t cap)
{
    struct pubsub_patterns *set = mem_alloc(MEM_CLIENT, patterns_bytes(cap));
    *set = (struct pubsub_patterns){.refs = 1, .cap = cap};
    return set;
}

static void patterns_unref(struct pubsub_patterns *set)
{
    if (atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < set->count; i++)
        blob_unref(set->items[i].name);
    mem_free(MEM_CLIENT, set, patterns_bytes(set->cap));
}

void pubsub_init(struct pubsub *ps)
{
    *ps = (struct pubsub){.patterns = patterns_create(FIRST_PATTERNS)};
}

void pubsub_deinit(struct pubsub *ps)
{
    for (size_t i = 0; i < PUBSUB_STRIPES; i++)
        for (int kind = 0; kind < PUBSUB_KINDS; kind++) {
            ASSERT(ps->stripes[i].topics[kind].used == 0);
            table_deinit(&ps->stripes[i].topics[kind], NULL, NULL);
        }
    ASSERT(ps->patterns->count == 0);
    patterns_unref(ps->patterns);
}

static uint64_t last_number(const struct pubsub *ps)
{
    return atomic_load_explicit(&ps->published, memory_order_acquire);
}

/* ---- channels ---- */

static struct pubsub_stripe *stripe_of(struct pubsub *ps, uint64_t hash)
{
    return &ps->stripes[hash >> 58];
}

static uint64_t topic_hash(const void *entry)
{
    return ((const struct pubsub_topic *)entry)->hash;
}

static bool topic_equal(const void *entry, const void *key)
{
    const struct pubsub_topic *topic = entry;
    return slice_equal(slice_make(topic->name, topic->len), *(const struct slice *)key);
}

static struct pubsub_topic *topic_create(struct slice name, uint64_t hash)
{
    struct pubsub_topic *topic = mem_alloc(MEM_CLIENT, sizeof(*topic) + name.len);
    *topic = (struct pubsub_topic){.hash = hash, .len = name.len};
    if (name.len)
        memcpy(topic->name, name.ptr, name.len);
    return topic;
}

static uint64_t join_topic(struct pubsub *ps, enum pubsub_kind kind, struct slice name,
                           uint64_t hash, unsigned reactor)
{
    struct pubsub_stripe *stripe = stripe_of(ps, hash);
    struct table_pos pos;
    lock_acquire(&stripe->lock);
    struct table *topics = &stripe->topics[kind];
    struct pubsub_topic *topic = table_find(topics, hash, topic_equal, &name, &pos);
    if (!topic) {
        topic = topic_create(name, hash);
        table_insert(topics, hash, topic, topic_hash);
        atomic_fetch_add_explicit(&ps->counts[kind], 1, memory_order_relaxed);
    }
    topic->reactors |= (uint64_t)1 << reactor;
    topic->subscribers++;
    uint64_t number = last_number(ps);
    lock_release(&stripe->lock);
    return number;
}

static uint64_t leave_topic(struct pubsub *ps, enum pubsub_kind kind, struct slice name,
                            uint64_t hash, uint64_t reactor_bit)
{
    struct pubsub_stripe *stripe = stripe_of(ps, hash);
    struct table_pos pos;
    lock_acquire(&stripe->lock);
    struct table *topics = &stripe->topics[kind];
    struct pubsub_topic *topic = table_find(topics, hash, topic_equal, &name, &pos);
    ASSERT(topic);
    topic->reactors &= ~reactor_bit;
    if (--topic->subscribers == 0) {
        table_remove(topics, hash, pos, topic_hash);
        mem_free(MEM_CLIENT, topic, sizeof(*topic) + topic->len);
        atomic_fetch_sub_explicit(&ps->counts[kind], 1, memory_order_relaxed);
    }
    uint64_t number = last_number(ps);
    lock_release(&stripe->lock);
    return number;
}

/* ---- patterns: under the patterns' lock ---- */

static struct pubsub_patterns *copy_patterns(const struct pubsub_patterns *old, uint32_t cap)
{
    struct pubsub_patterns *set = patterns_create(cap);
    set->count = old->count;
    for (uint32_t i = 0; i < old->count; i++) {
        set->items[i] = old->items[i];
        blob_ref(set->items[i].name);
    }
    return set;
}

/* The array, free of readers and with room for one more. */
static struct pubsub_patterns *writable_patterns(struct pubsub *ps)
{
    struct pubsub_patterns *set = ps->patterns;
    bool full = set->count == set->cap;
    /* acquire: pairs with the release of the reader that left */
    if (!full && atomic_load_explicit(&set->refs, memory_order_acquire) == 1)
        return set;
    ps->patterns = copy_patterns(set, full ? set->cap * 2 : set->cap);
    patterns_unref(set);
    return ps->patterns;
}

static struct slice blob_slice(const struct blob *b)
{
    return slice_make(b->bytes, b->len);
}

static struct pubsub_pattern *find_pattern(struct pubsub_patterns *set, struct slice name,
                                           uint64_t hash)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (set->items[i].hash == hash && slice_equal(blob_slice(set->items[i].name), name))
            return &set->items[i];
    return NULL;
}

static struct pubsub_pattern *add_pattern(struct pubsub *ps, struct slice name, uint64_t hash)
{
    struct pubsub_pattern *p = &ps->patterns->items[ps->patterns->count++];
    *p = (struct pubsub_pattern){.hash = hash, .name = blob_create(name.len, name.len)};
    if (name.len)
        memcpy(p->name->bytes, name.ptr, name.len);
    atomic_fetch_add_explicit(&ps->counts[PUBSUB_PATTERN], 1, memory_order_relaxed);
    return p;
}

static uint64_t join_pattern(struct pubsub *ps, struct slice name, uint64_t hash, unsigned reactor)
{
    lock_acquire(&ps->pattern_lock);
    struct pubsub_pattern *p = find_pattern(writable_patterns(ps), name, hash);
    if (!p)
        p = add_pattern(ps, name, hash);
    p->reactors |= (uint64_t)1 << reactor;
    p->subscribers++;
    uint64_t number = last_number(ps);
    lock_release(&ps->pattern_lock);
    return number;
}

static uint64_t leave_pattern(struct pubsub *ps, struct slice name, uint64_t hash,
                              uint64_t reactor_bit)
{
    lock_acquire(&ps->pattern_lock);
    struct pubsub_patterns *set = writable_patterns(ps);
    struct pubsub_pattern *p = find_pattern(set, name, hash);
    ASSERT(p);
    p->reactors &= ~reactor_bit;
    if (--p->subscribers == 0) {
        blob_unref(p->name);
        *p = set->items[--set->count];
        atomic_fetch_sub_explicit(&ps->counts[PUBSUB_PATTERN], 1, memory_order_relaxed);
    }
    uint64_t number = last_number(ps);
    lock_release(&ps->pattern_lock);
    return number;
}

/* ---- joining and leaving ---- */

uint64_t pubsub_join(struct pubsub *ps, enum pubsub_kind kind, struct slice name, uint64_t hash,
                     unsigned reactor)
{
    ASSERT(reactor < PUBSUB_REACTORS_MAX);
    if (kind == PUBSUB_PATTERN)
        return join_pattern(ps, name, hash, reactor);
    return join_topic(ps, kind, name, hash, reactor);
}

uint64_t pubsub_leave(struct pubsub *ps, enum pubsub_kind kind, struct slice name, uint64_t hash,
                      unsigned reactor, bool last)
{
    uint64_t bit = last ? (uint64_t)1 << reactor : 0;
    if (kind == PUBSUB_PATTERN)
        return leave_pattern(ps, name, hash, bit);
    return leave_topic(ps, kind, name, hash, bit);
}

/* ---- publishing ---- */

/* Numbers the publication, and takes the patterns as they are at this moment: NULL when there are
 * none. */
static struct pubsub_patterns *number_publication(struct pubsub *ps, struct publication *p)
{
    struct pubsub_patterns *set = NULL;
    if (p->kind == PUBSUB_SHARD || !pubsub_count(ps, PUBSUB_PATTERN)) {
        p->number = atomic_fetch_add_explicit(&ps->published, 1, memory_order_acq_rel) + 1;
        return NULL;
    }
    lock_acquire(&ps->pattern_lock);
    p->number = atomic_fetch_add_explicit(&ps->published, 1, memory_order_acq_rel) + 1;
    set = ps->patterns;
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    lock_release(&ps->pattern_lock);
    return set;
}

static uint64_t publish_patterns(const struct pubsub_patterns *set, struct publication p,
                                 pubsub_post_fn post, void *arg)
{
    uint64_t receivers = 0;
    p.kind = PUBSUB_PATTERN;
    for (uint32_t i = 0; i < set->count; i++) {
        const struct pubsub_pattern *item = &set->items[i];
        p.pattern = blob_slice(item->name);
        if (!glob_match(p.pattern, p.channel, false))
            continue;
        p.hash = item->hash;
        post(arg, &p, item->reactors);
        receivers += item->subscribers;
    }
    return receivers;
}

uint64_t pubsub_publish(struct pubsub *ps, enum pubsub_kind kind, struct slice channel,
                        struct slice payload, pubsub_post_fn post, void *arg)
{
    uint64_t hash = hash_slice(channel), receivers = 0;
    struct pubsub_stripe *stripe = stripe_of(ps, hash);
    struct table_pos pos;
    lock_acquire(&stripe->lock);
    struct pubsub_topic *topic =
        table_find(&stripe->topics[kind], hash, topic_equal, &channel, &pos);
    if (topic || (kind == PUBSUB_CHANNEL && pubsub_count(ps, PUBSUB_PATTERN))) {
        struct publication p = {kind, 0, hash, {0}, channel, payload};
        struct pubsub_patterns *set = number_publication(ps, &p);
        if (topic) {
            post(arg, &p, topic->reactors);
            receivers = topic->subscribers;
        }
        if (set) {
            receivers += publish_patterns(set, p, post, arg);
            patterns_unref(set);
        }
    }
    lock_release(&stripe->lock);
    return receivers;
}

/* ---- looking ---- */

uint64_t pubsub_subscribers(struct pubsub *ps, enum pubsub_kind kind, struct slice channel)
{
    uint64_t hash = hash_slice(channel);
    struct pubsub_stripe *stripe = stripe_of(ps, hash);
    struct table_pos pos;
    lock_acquire(&stripe->lock);
    struct pubsub_topic *topic =
        table_find(&stripe->topics[kind], hash, topic_equal, &channel, &pos);
    uint64_t count = topic ? topic->subscribers : 0;
    lock_release(&stripe->lock);
    return count;
}

static size_t reply_stripe(struct pubsub_stripe *stripe, enum pubsub_kind kind,
                           struct slice pattern, struct reply *r)
{
    struct table_iter it;
    size_t shown = 0;
    lock_acquire(&stripe->lock);
    table_iter_init(&it, &stripe->topics[kind]);
    for (struct pubsub_topic *topic; (topic = table_iter_next(&it));) {
        struct slice name = slice_make(topic->name, topic->len);
        if (pattern.ptr && !glob_match(pattern, name, false))
            continue;
        reply_bulk(r, name);
        shown++;
    }
    lock_release(&stripe->lock);
    return shown;
}

void pubsub_reply_channels(struct pubsub *ps, enum pubsub_kind kind, struct slice pattern,
                           struct reply *r)
{
    struct output_mark mark = reply_defer(r);
    size_t shown = 0;
    for (size_t i = 0; i < PUBSUB_STRIPES; i++)
        shown += reply_stripe(&ps->stripes[i], kind, pattern, r);
    reply_defer_end(r, mark, REPLY_ARRAY, shown);
}
