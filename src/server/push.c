#include "server/push.h"

#include "base/assert.h"
#include "base/hash.h"
#include "server/http.h"
#include "server/server_internal.h"

/* ---- publications on their way ---- */

struct delivery { /* to one reactor */
    struct message message;
    struct parcel *parcel;
};

enum {
    PROTOCOLS = REPLY_FRAME + 1
};

#define LSN_NEWEST UINT64_MAX

struct parcel { /* a publication: shared by its deliveries */
    _Atomic uint32_t refs;
    uint32_t reactors;
    uint64_t lsn; /* what its receivers wait for; LSN_NEWEST: what is the newest at delivery */
    _Atomic(struct blob *) encoded[PROTOCOLS]; /* made when first needed */
    struct publication publication;            /* its slices point behind the deliveries */
    size_t bytes;
    struct delivery deliveries[];
};

static void parcel_unref(struct parcel *p)
{
    if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (int i = 0; i < PROTOCOLS; i++)
        if (p->encoded[i])
            blob_unref(p->encoded[i]);
    mem_free(MEM_CLIENT, p, p->bytes);
}

struct blob *push_blob(const struct output *o)
{
    struct blob *b = blob_create(buf_len(&o->bytes), buf_len(&o->bytes));
    memcpy(b->bytes, buf_ptr(&o->bytes), b->len);
    return b;
}

static struct blob *encode(const struct publication *p, enum reply_proto proto)
{
    static const char *const words[] = {"message", "pmessage", "smessage"};
    struct output out;
    output_init(&out);
    struct reply r = {.out = &out, .proto = proto};
    reply_begin(&r);
    reply_push(&r, p->kind == PUBSUB_PATTERN ? 4 : 3);
    reply_bulk_cstr(&r, words[p->kind]);
    if (p->kind == PUBSUB_PATTERN)
        reply_bulk(&r, p->pattern);
    reply_bulk(&r, p->channel);
    reply_bulk(&r, p->payload);
    reply_end(&r);
    struct blob *b = push_blob(&out);
    output_deinit(&out);
    return b;
}

/* Several reactors may make it at once: the first one's is taken. */
static struct blob *encoded(struct parcel *p, enum reply_proto proto)
{
    /* acquire: pairs with the release below */
    struct blob *b = atomic_load_explicit(&p->encoded[proto], memory_order_acquire);
    if (likely(b != NULL))
        return b;
    struct blob *fresh = encode(&p->publication, proto);
    if (atomic_compare_exchange_strong_explicit(&p->encoded[proto], &b, fresh, memory_order_acq_rel,
                                                memory_order_acquire))
        return fresh;
    blob_unref(fresh);
    return b;
}

/* ---- delivering ---- */

static uint64_t topic_hash(const void *entry)
{
    return ((const struct local_topic *)entry)->hash;
}

static bool topic_equal(const void *entry, const void *key)
{
    const struct local_topic *topic = entry;
    return slice_equal(slice_make(topic->name, topic->len), *(const struct slice *)key);
}

/* To the client whose command runs: straight behind its replies so far. */
static void push_current(struct server_thread *t, struct blob *b)
{
    if (b->len < LIMIT_REPLY_REF_BYTES)
        buf_append(&t->reply.out->bytes, b->bytes, b->len);
    else
        output_ref_blob(t->reply.out, b);
}

COLD static void push_events(struct conn *c, struct blob *b, uint64_t lsn)
{
    struct blob *text = http_events(client_http(c), slice_make(b->bytes, b->len));
    if (!text)
        return;
    conn_push(c, text, lsn);
    blob_unref(text);
}

void push_bytes(struct server_thread *t, struct conn *c, struct blob *b, uint64_t lsn)
{
    if (unlikely(c == t->current)) {
        t->net.reply_lsn = MAX(t->net.reply_lsn, lsn);
        push_current(t, b);
    } else if (unlikely(client_http(c) != NULL)) {
        push_events(c, b, lsn);
    } else {
        conn_push(c, b, lsn);
    }
}

static void deliver_to(struct server_thread *t, const struct subscription *s, struct parcel *p)
{
    struct conn *c = s->owner->conn;
    if (p->publication.number <= s->since || p->publication.number > s->until ||
        c->state != CONN_OPEN)
        return;
    uint64_t lsn = p->lsn == LSN_NEWEST ? persistence_log_newest(t) : p->lsn;
    push_bytes(t, c, encoded(p, client_session(c)->proto), lsn);
}

static void run_delivery(void *receiver, struct message *self)
{
    struct server_thread *t = receiver;
    struct parcel *p = container_of(self, struct delivery, message)->parcel;
    const struct publication *pub = &p->publication;
    const struct slice *name = pub->kind == PUBSUB_PATTERN ? &pub->pattern : &pub->channel;
    struct table_pos pos;
    struct local_topic *topic =
        table_find(&t->push.topics[pub->kind], pub->hash, topic_equal, name, &pos);
    if (topic)
        for (const struct subscription *s = topic->first; s; s = s->next)
            deliver_to(t, s, p);
    parcel_unref(p);
}

/* ---- publishing ---- */

static struct slice place(char **at, struct slice s)
{
    struct slice copy = slice_make(*at, s.len);
    if (s.len)
        memcpy(*at, s.ptr, s.len);
    *at += s.len;
    return copy;
}

static struct parcel *parcel_create(const struct publication *p, uint32_t reactors)
{
    size_t head = sizeof(struct parcel) + reactors * sizeof(struct delivery), bytes;
    if (ckd_add(&bytes, head, p->pattern.len) || ckd_add(&bytes, bytes, p->channel.len) ||
        ckd_add(&bytes, bytes, p->payload.len))
        ASSERT(!"slices of memory cannot be longer than memory");
    struct parcel *parcel = mem_zalloc(MEM_CLIENT, bytes);
    char *at = (char *)parcel + head;
    parcel->refs = parcel->reactors = reactors;
    parcel->bytes = bytes;
    parcel->publication = *p;
    parcel->publication.pattern = place(&at, p->pattern);
    parcel->publication.channel = place(&at, p->channel);
    parcel->publication.payload = place(&at, p->payload);
    return parcel;
}

struct deferred { /* a message, or a publication: published when its turn has come, since its place
                     among the channel's messages is taken under the channel's lock */
    struct deferred *next;
    struct server_thread *to; /* NULL: a publication */
    struct message *message;
    enum pubsub_kind kind;
    size_t channel_len, payload_len;
    char bytes[];
};

void push_defer(struct txn *txn)
{
    struct push_hub *hub = &container_of(txn, struct server_thread, txn)->push;
    hub->defers = txn_logs(txn);
}

void push_defer_end(struct txn *txn)
{
    struct push_hub *hub = &container_of(txn, struct server_thread, txn)->push;
    hub->defers = false;
    txn->told = hub->deferred != NULL;
}

static size_t deferred_bytes(const struct deferred *d)
{
    return sizeof(*d) + d->channel_len + d->payload_len;
}

static void chain_deferred(struct push_hub *hub, struct deferred *d)
{
    *(hub->deferred ? hub->deferred_tail : &hub->deferred) = d;
    hub->deferred_tail = &d->next;
}

COLD static void defer_post(struct push_hub *hub, struct server_thread *to, struct message *m)
{
    struct deferred *d = mem_zalloc(MEM_CLIENT, sizeof(*d));
    d->to = to;
    d->message = m;
    chain_deferred(hub, d);
}

static void defer_publication(struct push_hub *hub, enum pubsub_kind kind, struct slice channel,
                              struct slice payload)
{
    struct deferred head = {.kind = kind, .channel_len = channel.len, .payload_len = payload.len};
    struct deferred *d = mem_alloc(MEM_CLIENT, deferred_bytes(&head));
    *d = head;
    char *at = d->bytes;
    (void)place(&at, channel);
    (void)place(&at, payload);
    chain_deferred(hub, d);
}

static void release_deferred(struct server_thread *self, const struct deferred *d)
{
    if (d->to)
        push_post(self, d->to, d->message);
    else
        push_publish(self, d->kind, slice_make(d->bytes, d->channel_len),
                     slice_make(d->bytes + d->channel_len, d->payload_len));
}

void push_logged(struct txn *txn)
{
    struct server_thread *self = container_of(txn, struct server_thread, txn);
    struct deferred *d = self->push.deferred, *next;
    self->push.deferred = NULL;
    self->push.releases = true;
    for (; d; d = next) {
        next = d->next;
        release_deferred(self, d);
        mem_free(MEM_CLIENT, d, deferred_bytes(d));
    }
    self->push.releases = false;
}

void push_post(struct server_thread *self, struct server_thread *to, struct message *m)
{
    if (unlikely(self && self->push.defers)) {
        defer_post(&self->push, to, m);
        return;
    }
    if (mailbox_post(&to->push.mailbox, m) && to != self)
        reactor_wake(&to->net.reactor);
}

/* Who hears of a change finds it after a crash: a message waits for all that its sender has done or
 * seen. What is deferred gets its record in the log before it is posted. */
static uint64_t lsn_of_sender(const struct server_thread *self)
{
    if (self->push.releases)
        return LSN_NEWEST;
    return self->current ? client_session(self->current)->lsn : 0;
}

static void post(void *arg, const struct publication *p, uint64_t reactors)
{
    struct server_thread *self = arg;
    if (!reactors) /* they have left since the patterns were looked at */
        return;
    struct parcel *parcel = parcel_create(p, (uint32_t)__builtin_popcountll(reactors));
    parcel->lsn = lsn_of_sender(self);
    struct delivery *d = parcel->deliveries;
    for (; reactors; reactors &= reactors - 1, d++) {
        struct server_thread *t = self->server->threads[__builtin_ctzll(reactors)];
        *d = (struct delivery){{.run = run_delivery}, parcel};
        push_post(self, t, &d->message);
    }
}

static void post_nowhere(void *arg, const struct publication *p, uint64_t reactors) {}

uint64_t push_publish(struct server_thread *t, enum pubsub_kind kind, struct slice channel,
                      struct slice payload)
{
    struct pubsub *ps = &t->server->pubsub;
    if (likely(!t->push.defers))
        return pubsub_publish(ps, kind, channel, payload, post, t);
    uint64_t receivers = pubsub_publish(ps, kind, channel, payload, post_nowhere, NULL);
    if (receivers)
        defer_publication(&t->push, kind, channel, payload);
    return receivers;
}

/* ---- subscriptions ---- */

struct subscription_key {
    const struct subscriber *owner;
    const struct local_topic *topic;
};

static uint64_t subscription_hash(const void *entry)
{
    return ((const struct subscription *)entry)->hash;
}

static bool subscription_equal(const void *entry, const void *key)
{
    const struct subscription *s = entry;
    const struct subscription_key *k = key;
    return s->owner == k->owner && s->topic == k->topic;
}

static struct subscription *find(struct subscriber *s, enum pubsub_kind kind,
                                 const struct local_topic *topic, uint64_t *hash,
                                 struct table_pos *pos)
{
    struct subscription_key key = {s, topic};
    uint64_t words[2] = {topic->hash, s->conn->info.id << 2 | kind};
    *hash = hash_bytes(words, sizeof(words));
    return table_find(&thread_of(s->conn)->push.subscriptions, *hash, subscription_equal, &key,
                      pos);
}

static struct local_topic *open_topic(struct push_hub *hub, enum pubsub_kind kind,
                                      struct slice name)
{
    uint64_t hash = hash_slice(name);
    struct table_pos pos;
    struct local_topic *topic = table_find(&hub->topics[kind], hash, topic_equal, &name, &pos);
    if (topic)
        return topic;
    topic = mem_alloc(MEM_CLIENT, sizeof(*topic) + name.len);
    *topic = (struct local_topic){.hash = hash, .kind = kind, .len = name.len};
    if (name.len)
        memcpy(topic->name, name.ptr, name.len);
    table_insert(&hub->topics[kind], hash, topic, topic_hash);
    return topic;
}

static void close_topic(struct push_hub *hub, struct local_topic *topic)
{
    struct slice name = slice_make(topic->name, topic->len);
    struct table_pos pos;
    if (topic->first)
        return;
    ASSERT(table_find(&hub->topics[topic->kind], topic->hash, topic_equal, &name, &pos) == topic);
    table_remove(&hub->topics[topic->kind], topic->hash, pos, topic_hash);
    mem_free(MEM_CLIENT, topic, sizeof(*topic) + topic->len);
}

static void link_subscription(struct subscription *s, struct subscription **own)
{
    s->link = &s->topic->first;
    s->next = s->topic->first;
    if (s->next)
        s->next->link = &s->next;
    s->topic->first = s;
    s->link_own = own;
    s->next_own = *own;
    if (s->next_own)
        s->next_own->link_own = &s->next_own;
    *own = s;
}

static void unlink_subscription(struct subscription *s)
{
    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    *s->link_own = s->next_own;
    if (s->next_own)
        s->next_own->link_own = s->link_own;
}

/* Tells others what this client listens to. */
static void publish_counts(struct subscriber *s, uint32_t before)
{
    struct server_thread *t = thread_of(s->conn);
    uint32_t total = push_total(s);
    int class = total ? CLIENT_PUBSUB : CLIENT_NORMAL;
    s->conn->class = class;
    client_session(s->conn)->subscribed = total;
    atomic_store_explicit(&s->conn->info.class, class, memory_order_relaxed);
    for (int kind = 0; kind < PUBSUB_KINDS; kind++)
        atomic_store_explicit(&s->conn->info.subscriptions[kind], s->count[kind],
                              memory_order_relaxed);
    if (!before != !total)
        atomic_fetch_add_explicit(&t->push.subscribers, total ? 1 : -1, memory_order_relaxed);
}

bool push_subscribe(struct subscriber *s, enum pubsub_kind kind, struct slice name)
{
    struct server_thread *t = thread_of(s->conn);
    struct local_topic *topic = open_topic(&t->push, kind, name);
    struct table_pos pos;
    uint64_t hash;
    if (find(s, kind, topic, &hash, &pos))
        return false;
    struct subscription *n = mem_alloc(MEM_CLIENT, sizeof(*n));
    *n = (struct subscription){.topic = topic, .owner = s, .hash = hash, .until = UINT64_MAX};
    link_subscription(n, &s->first[kind]);
    table_insert(&t->push.subscriptions, hash, n, subscription_hash);
    n->since = pubsub_join(&t->server->pubsub, kind, name, topic->hash, t->net.reactor.id);
    s->count[kind]++;
    publish_counts(s, push_total(s) - 1);
    return true;
}

/* Others no longer count it; what they published before may be on its way. */
static void leave(struct subscription *n)
{
    struct server_thread *t = thread_of(n->owner->conn);
    struct local_topic *topic = n->topic;
    bool last = !topic->first->next;
    n->until = pubsub_leave(&t->server->pubsub, topic->kind, slice_make(topic->name, topic->len),
                            topic->hash, t->net.reactor.id, last);
}

static void drop(struct subscription *n)
{
    struct subscriber *s = n->owner;
    struct push_hub *hub = &thread_of(s->conn)->push;
    struct local_topic *topic = n->topic;
    struct table_pos pos;
    uint64_t hash;
    ASSERT(find(s, topic->kind, topic, &hash, &pos) == n);
    table_remove(&hub->subscriptions, hash, pos, subscription_hash);
    unlink_subscription(n);
    s->count[topic->kind]--;
    publish_counts(s, push_total(s) + 1);
    close_topic(hub, topic);
    mem_free(MEM_CLIENT, n, sizeof(*n));
}

void push_deliver_before_reply(struct server_thread *t)
{
    struct reply *r = &t->reply;
    if (mailbox_empty(&t->push.mailbox))
        return;
    if (r->proto == REPLY_FRAME)
        output_rewind(r->out, r->frame);
    push_deliver(&t->push, t);
    t->mark = output_mark(r->out); /* who takes the reply back leaves what was delivered */
    reply_begin(r);
}

bool push_unsubscribe(struct exec *ex, struct subscriber *s, enum pubsub_kind kind,
                      struct slice name)
{
    struct push_hub *hub = &thread_of(s->conn)->push;
    uint64_t hash = hash_slice(name);
    struct table_pos pos;
    struct local_topic *topic = table_find(&hub->topics[kind], hash, topic_equal, &name, &pos);
    struct subscription *n = topic ? find(s, kind, topic, &hash, &pos) : NULL;
    if (!n)
        return false;
    leave(n);
    if (!ex->in_exec) /* whose reply has begun */
        push_deliver_before_reply(exec_thread(ex));
    drop(n);
    return true;
}

void push_forget(struct subscriber *s)
{
    for (int kind = 0; kind < PUBSUB_KINDS; kind++)
        while (s->first[kind]) {
            struct subscription *n = s->first[kind];
            leave(n);
            drop(n);
        }
}

void push_hub_deinit(struct push_hub *hub)
{
    for (int kind = 0; kind < PUBSUB_KINDS; kind++)
        table_deinit(&hub->topics[kind], NULL, NULL);
    table_deinit(&hub->subscriptions, NULL, NULL);
}
