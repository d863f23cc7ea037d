#include "store/stream_group.h"

#include "base/mem.h"

/* Where a new node goes: below `parent`, on the side `right`; the root when parent is NULL. */
struct place {
    struct avl_node *parent;
    bool right;
};

static void insert_at(struct avl_tree *tree, struct place place, struct avl_node *node)
{
    node->weight = 0;
    if (!place.parent)
        avl_insert_last(tree, node);
    else if (place.right)
        avl_insert_after(tree, place.parent, node);
    else
        avl_insert_before(tree, place.parent, node);
}

static struct avl_node *find_name(const struct avl_tree *tree, struct slice name,
                                  struct slice (*name_of)(const struct avl_node *),
                                  struct place *place)
{
    *place = (struct place){NULL, false};
    for (struct avl_node *node = tree->root; node; node = node->child[place->right]) {
        int order = slice_compare(name, name_of(node));
        if (order == 0)
            return node;
        *place = (struct place){node, order > 0};
    }
    return NULL;
}

static struct stream_group *group_of(const struct avl_node *node)
{
    return node ? STREAM_OWNER(struct stream_group, node, node) : NULL;
}

static struct slice name_of_group(const struct avl_node *node)
{
    return stream_group_name(group_of(node));
}

struct stream_group *stream_group_find(const struct stream *s, struct slice name)
{
    struct place place;
    return group_of(find_name(&s->groups, name, name_of_group, &place));
}

struct stream_group *stream_group_add(struct stream *s, struct slice name, struct stream_id last_id,
                                      int64_t entries_read)
{
    struct place place;
    if (find_name(&s->groups, name, name_of_group, &place))
        return NULL;
    struct stream_group *g = mem_zalloc(MEM_DATA, sizeof(*g) + name.len);
    g->last_id = last_id;
    g->entries_read = entries_read;
    g->name_len = (uint32_t)name.len;
    memcpy(g->name, name.ptr, name.len);
    insert_at(&s->groups, place, &g->node);
    s->group_count++;
    return g;
}

static void destroy_consumer(struct stream_consumer *c)
{
    mem_free(MEM_DATA, c, sizeof(*c) + c->name_len);
}

static void destroy_group(struct stream_group *g)
{
    struct avl_node *node, *next;
    for (node = avl_postorder_first(&g->pending); node; node = next) {
        next = avl_postorder_next(node);
        struct stream_pending *p = STREAM_OWNER(struct stream_pending, in_group, node);
        mem_free(MEM_DATA, p, sizeof(*p));
    }
    for (node = avl_postorder_first(&g->consumers); node; node = next) {
        next = avl_postorder_next(node);
        destroy_consumer(STREAM_OWNER(struct stream_consumer, node, node));
    }
    mem_free(MEM_DATA, g, sizeof(*g) + g->name_len);
}

void stream_group_remove(struct stream *s, struct stream_group *g)
{
    avl_remove(&s->groups, &g->node);
    s->group_count--;
    destroy_group(g);
}

void stream_group_destroy_all(struct stream *s)
{
    struct avl_node *node = avl_postorder_first(&s->groups), *next;
    for (; node; node = next) {
        next = avl_postorder_next(node);
        destroy_group(group_of(node));
    }
    avl_init(&s->groups);
    s->group_count = 0;
}

struct stream_group *stream_group_first(const struct stream *s)
{
    return group_of(avl_first(&s->groups));
}

struct stream_group *stream_group_next(const struct stream_group *g)
{
    return group_of(avl_next(&g->node));
}

void stream_group_advance(struct stream_group *g, const struct stream *s, struct stream_id id)
{
    if (g->entries_read != STREAM_READ_UNKNOWN && !stream_has_holes_from(s, id))
        g->entries_read = (int64_t)((uint64_t)g->entries_read + 1); /* a client may have set any */
    else if (s->entries_added)
        g->entries_read = stream_count_until(s, id);
    g->last_id = id;
}

bool stream_group_lag(const struct stream_group *g, const struct stream *s, int64_t *lag)
{
    int64_t read = g->entries_read;
    *lag = 0;
    if (!s->entries_added)
        return true;
    if (read == STREAM_READ_UNKNOWN || stream_has_holes_from(s, g->last_id))
        read = stream_count_until(s, g->last_id);
    *lag = (int64_t)(s->entries_added - (uint64_t)read);
    return read != STREAM_READ_UNKNOWN;
}

static struct stream_consumer *consumer_of(const struct avl_node *node)
{
    return node ? STREAM_OWNER(struct stream_consumer, node, node) : NULL;
}

static struct slice name_of_consumer(const struct avl_node *node)
{
    return stream_consumer_name(consumer_of(node));
}

struct stream_consumer *stream_consumer_find(const struct stream_group *g, struct slice name)
{
    struct place place;
    return consumer_of(find_name(&g->consumers, name, name_of_consumer, &place));
}

struct stream_consumer *stream_consumer_get(struct stream_group *g, struct slice name,
                                            int64_t now_ms, bool *added)
{
    struct place place;
    struct stream_consumer *c =
        consumer_of(find_name(&g->consumers, name, name_of_consumer, &place));
    *added = c == NULL;
    if (c)
        return c;
    c = mem_zalloc(MEM_DATA, sizeof(*c) + name.len);
    c->seen_ms = now_ms;
    c->active_ms = -1;
    c->name_len = (uint32_t)name.len;
    memcpy(c->name, name.ptr, name.len);
    insert_at(&g->consumers, place, &c->node);
    g->consumer_count++;
    return c;
}

void stream_consumer_remove(struct stream_group *g, struct stream_consumer *c)
{
    struct avl_node *node = avl_postorder_first(&c->pending), *next;
    for (; node; node = next) {
        next = avl_postorder_next(node);
        struct stream_pending *p = STREAM_OWNER(struct stream_pending, in_consumer, node);
        avl_remove(&g->pending, &p->in_group);
        g->pending_count--;
        mem_free(MEM_DATA, p, sizeof(*p));
    }
    avl_remove(&g->consumers, &c->node);
    g->consumer_count--;
    destroy_consumer(c);
}

struct stream_consumer *stream_consumer_first(const struct stream_group *g)
{
    return consumer_of(avl_first(&g->consumers));
}

struct stream_consumer *stream_consumer_next(const struct stream_consumer *c)
{
    return consumer_of(avl_next(&c->node));
}

static void copy_pending(struct stream_group *to, const struct stream_group *from)
{
    for (struct stream_pending *p = stream_pending_from(from, STREAM_ID_MIN); p;
         p = stream_pending_next(p)) {
        struct stream_consumer *c = stream_consumer_find(to, stream_consumer_name(p->consumer));
        stream_pending_deliver(to, c, p->id, p->delivered_ms)->deliveries = p->deliveries;
    }
}

void stream_group_copy_all(struct stream *to, const struct stream *from)
{
    for (struct stream_group *g = stream_group_first(from); g; g = stream_group_next(g)) {
        bool added;
        struct stream_group *copy =
            stream_group_add(to, stream_group_name(g), g->last_id, g->entries_read);
        for (struct stream_consumer *c = stream_consumer_first(g); c; c = stream_consumer_next(c))
            stream_consumer_get(copy, stream_consumer_name(c), c->seen_ms, &added)->active_ms =
                c->active_ms;
        copy_pending(copy, g);
    }
}
