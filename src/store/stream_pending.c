/* The pending entries of stream_group.h. */
#include "base/mem.h"
#include "store/stream_group.h"

static struct stream_pending *by_group(const struct avl_node *node)
{
    return node ? STREAM_OWNER(struct stream_pending, in_group, node) : NULL;
}

static struct stream_pending *by_consumer(const struct avl_node *node)
{
    return node ? STREAM_OWNER(struct stream_pending, in_consumer, node) : NULL;
}

struct stream_pending *stream_pending_find(const struct stream_group *g, struct stream_id id)
{
    for (struct avl_node *node = g->pending.root; node;) {
        struct stream_pending *p = by_group(node);
        int order = stream_id_compare(id, p->id);
        if (order == 0)
            return p;
        node = node->child[order > 0];
    }
    return NULL;
}

struct stream_pending *stream_pending_from(const struct stream_group *g, struct stream_id from)
{
    struct avl_node *found = NULL;
    for (struct avl_node *node = g->pending.root; node;) {
        bool right = stream_id_compare(by_group(node)->id, from) < 0;
        found = right ? found : node;
        node = node->child[right];
    }
    return by_group(found);
}

struct stream_pending *stream_pending_from_of(const struct stream_consumer *c,
                                              struct stream_id from)
{
    struct avl_node *found = NULL;
    for (struct avl_node *node = c->pending.root; node;) {
        bool right = stream_id_compare(by_consumer(node)->id, from) < 0;
        found = right ? found : node;
        node = node->child[right];
    }
    return by_consumer(found);
}

struct stream_pending *stream_pending_next(const struct stream_pending *p)
{
    return by_group(avl_next(&p->in_group));
}

struct stream_pending *stream_pending_next_of(const struct stream_pending *p)
{
    return by_consumer(avl_next(&p->in_consumer));
}

struct stream_pending *stream_pending_last(const struct stream_group *g)
{
    return by_group(avl_last(&g->pending));
}

/* New entries have the highest IDs nearly always: one look at the end spares the way down. */
static void link_to_consumer(struct stream_consumer *c, struct stream_pending *p)
{
    struct stream_pending *last = by_consumer(avl_last(&c->pending));
    p->in_consumer.weight = 0;
    if (!last || stream_id_compare(last->id, p->id) < 0)
        avl_insert_last(&c->pending, &p->in_consumer);
    else
        avl_insert_before(&c->pending, &stream_pending_from_of(c, p->id)->in_consumer,
                          &p->in_consumer);
    c->pending_count++;
    p->consumer = c;
}

static void unlink_from_consumer(struct stream_pending *p)
{
    avl_remove(&p->consumer->pending, &p->in_consumer);
    p->consumer->pending_count--;
}

static void link_to_group(struct stream_group *g, struct stream_pending *p,
                          struct stream_pending *before)
{
    p->in_group.weight = 0;
    if (before)
        avl_insert_before(&g->pending, &before->in_group, &p->in_group);
    else
        avl_insert_last(&g->pending, &p->in_group);
    g->pending_count++;
}

struct stream_pending *stream_pending_deliver(struct stream_group *g, struct stream_consumer *c,
                                              struct stream_id id, int64_t now_ms)
{
    struct stream_pending *last = stream_pending_last(g), *p = NULL;
    if (last && stream_id_compare(last->id, id) >= 0)
        p = stream_pending_from(g, id);
    if (p && stream_id_equal(p->id, id)) {
        stream_pending_move(p, c);
    } else {
        struct stream_pending *next = p;
        p = mem_alloc(MEM_DATA, sizeof(*p));
        p->id = id;
        link_to_group(g, p, next);
        link_to_consumer(c, p);
    }
    p->delivered_ms = now_ms;
    p->deliveries = 1;
    return p;
}

void stream_pending_move(struct stream_pending *p, struct stream_consumer *to)
{
    if (p->consumer == to)
        return;
    unlink_from_consumer(p);
    link_to_consumer(to, p);
}

void stream_pending_remove(struct stream_group *g, struct stream_pending *p)
{
    unlink_from_consumer(p);
    avl_remove(&g->pending, &p->in_group);
    g->pending_count--;
    mem_free(MEM_DATA, p, sizeof(*p));
}
