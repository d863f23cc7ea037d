/* What the keyspace asks of every type, for streams. */
#include "base/mem.h"
#include "store/stream_group.h"

static void ops_destroy(enum encoding encoding, void *root)
{
    stream_destroy(root);
}

static size_t ops_effort(enum encoding encoding, const void *root)
{
    const struct stream *s = root;
    size_t effort = 1 + s->block_count;
    for (const struct stream_group *g = stream_group_first(s); g; g = stream_group_next(g))
        effort += 1 + g->consumer_count + g->pending_count;
    return effort;
}

static size_t group_bytes(const struct stream_group *g)
{
    size_t bytes = mem_size_class(sizeof(*g) + g->name_len);
    for (const struct stream_consumer *c = stream_consumer_first(g); c; c = stream_consumer_next(c))
        bytes += mem_size_class(sizeof(*c) + c->name_len);
    return bytes + g->pending_count * mem_size_class(sizeof(struct stream_pending));
}

/* Blocks of one stream are alike but for the last: some tell the size of all. */
static size_t ops_bytes(enum encoding encoding, const void *root, size_t samples)
{
    const struct stream *s = root;
    size_t bytes = mem_size_class(sizeof(*s)), sampled = 0, seen = 0;
    const struct avl_node *last = s->tail ? &s->tail->node : NULL;
    for (const struct avl_node *node = avl_first(&s->blocks);
         node && node != last && (!samples || seen < samples); node = avl_next(node), seen++)
        sampled += mem_size_class(sizeof(*s->tail)) + mem_size_class(stream_block_of(node)->cap);
    if (seen)
        bytes += (size_t)((double)sampled / (double)seen * (double)(s->block_count - 1));
    if (last)
        bytes += mem_size_class(sizeof(*s->tail)) + mem_size_class(s->tail->cap);
    for (const struct stream_group *g = stream_group_first(s); g; g = stream_group_next(g))
        bytes += group_bytes(g);
    return bytes;
}

static void *ops_copy(enum encoding encoding, const void *root)
{
    const struct stream *s = root;
    struct stream *copy = mem_alloc(MEM_DATA, sizeof(*copy));
    *copy = *s;
    avl_init(&copy->blocks);
    avl_init(&copy->groups);
    copy->group_count = 0;
    for (const struct avl_node *node = avl_first(&s->blocks); node; node = avl_next(node)) {
        copy->tail = stream_block_copy(stream_block_of(node));
        avl_insert_last(&copy->blocks, &copy->tail->node);
    }
    stream_group_copy_all(copy, s);
    return copy;
}

static void ops_visit(enum encoding encoding, const void *root, value_visit_fn visit, void *arg)
{
    struct stream_iter it;
    struct stream_entry e;
    char id[STREAM_ID_MAX_LEN], scratch[2][NUM_INT64_MAX_LEN];
    stream_iter_init(&it, root, STREAM_ID_MIN, STREAM_ID_MAX, false);
    while (stream_iter_next(&it, &e)) {
        visit(arg, stream_id_text(id, e.id), slice_make(NULL, 0));
        for (uint32_t i = 0; i < e.count; i++) {
            struct stream_pair pair = stream_entry_next(&e);
            visit(arg, packed_value_text(pair.field, scratch[0]),
                  packed_value_text(pair.value, scratch[1]));
        }
    }
}

const struct value_ops stream_value_ops = {
    .destroy = ops_destroy,
    .effort = ops_effort,
    .bytes = ops_bytes,
    .copy = ops_copy,
    .visit = ops_visit,
};
