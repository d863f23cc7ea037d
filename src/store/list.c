#include "store/list.h"

#include "base/mem.h"
#include "store/settings.h"

enum {
    PACKED_BYTES_MAX = 8192, /* of a listpack whose limit is a number of elements */
};

struct deque *list_create(void)
{
    struct deque *d = mem_alloc(MEM_DATA, sizeof(*d));
    deque_init(d, store_settings.list_max_listpack_size);
    return d;
}

void list_destroy(struct deque *d)
{
    deque_deinit(d);
    mem_free(MEM_DATA, d, sizeof(*d));
}

/* ---- encodings ---- */

struct listpack_limit {
    size_t bytes, count;
};

static struct listpack_limit growth_limit(void)
{
    int fill = store_settings.list_max_listpack_size;
    if (fill < 0)
        return (struct listpack_limit){(size_t)2048 << MIN(-fill, 5), SIZE_MAX};
    return (struct listpack_limit){PACKED_BYTES_MAX, MAX((size_t)fill, (size_t)1)};
}

void list_will_grow(struct entry *e, const struct slice *values, uint32_t count)
{
    if (entry_encoding(e) == ENC_DEQUE)
        return;
    const struct deque *d = list_of(e);
    struct listpack_limit limit = growth_limit();
    size_t bytes = deque_packed_bytes(d);
    for (uint32_t i = 0; i < count && bytes <= limit.bytes; i++)
        bytes += values[i].len;
    if (bytes > limit.bytes || d->len + count > limit.count)
        entry_set_encoding(e, ENC_DEQUE);
}

void list_shrunk(struct entry *e)
{
    const struct deque *d = list_of(e);
    if (likely(d->blocks != 1) || entry_encoding(e) != ENC_DEQUE)
        return;
    struct listpack_limit limit = growth_limit();
    if (store_settings.list_max_listpack_size >= 0)
        limit.bytes = SIZE_MAX; /* shrinking asks for the number alone */
    if (deque_packed_bytes(d) <= limit.bytes / 2 && d->len <= limit.count / 2)
        entry_set_encoding(e, ENC_SHORT_DEQUE);
}

enum encoding list_encoding(const struct deque *d)
{
    struct listpack_limit limit = growth_limit();
    bool fits = d->len <= limit.count && deque_packed_bytes(d) <= limit.bytes;
    return fits ? ENC_SHORT_DEQUE : ENC_DEQUE;
}

/* ---- search ---- */

void list_search_begin(struct list_search *s, const struct deque *d, struct slice value,
                       enum deque_end towards, uint64_t limit)
{
    *s = (struct list_search){.towards = towards};
    if (value.len > PACKED_VALUE_MAX)
        return; /* no element is that long */
    s->plan = packed_plan_text(value);
    s->left = MIN(limit, d->len);
    s->index = towards == DEQUE_TAIL ? 0 : (int64_t)d->len - 1;
    deque_seek(d, s->index, &s->it);
}

static void step(struct list_search *s)
{
    if (!s->stepped) {
        s->stepped = true;
    } else if (s->towards == DEQUE_TAIL) {
        deque_iter_next(&s->it);
        s->index++;
    } else {
        deque_iter_prev(&s->it);
        s->index--;
    }
}

bool list_search_next(struct list_search *s)
{
    while (s->left > 0) {
        s->left--;
        step(s);
        if (packed_entry_equal(deque_iter_entry(&s->it), &s->plan))
            return true;
    }
    return false;
}

uint64_t list_search_delete(struct list_search *s, struct deque *d, uint64_t limit)
{
    uint64_t deleted = 0;
    do {
        deque_delete(d, &s->it, s->towards);
        s->stepped = false; /* the iterator is on the next element already */
        deleted++;
    } while (deleted < limit && list_search_next(s));
    s->left = 0;
    return deleted;
}

/* ---- what the keyspace asks of every type ---- */

static void ops_destroy(enum encoding encoding, void *root)
{
    list_destroy(root);
}

static size_t ops_effort(enum encoding encoding, const void *root)
{
    const struct deque *d = root;
    return 1 + d->blocks;
}

/* Blocks of one list are alike: some tell the size of all. */
static size_t ops_bytes(enum encoding encoding, const void *root, size_t samples)
{
    const struct deque *d = root;
    size_t bytes = 0, seen = 0;
    for (const struct deque_block *b = d->head; b && (!samples || seen < samples); b = b->next) {
        bytes += mem_size_class(sizeof(*b) + (size_t)b->cap);
        seen++;
    }
    if (seen)
        bytes = (size_t)((double)bytes / (double)seen * d->blocks);
    return mem_size_class(sizeof(*d)) + bytes;
}

static void *ops_copy(enum encoding encoding, const void *root)
{
    struct deque *copy = mem_alloc(MEM_DATA, sizeof(*copy));
    deque_copy(copy, root);
    return copy;
}

static void ops_visit(enum encoding encoding, const void *root, value_visit_fn visit, void *arg)
{
    struct deque_iter it;
    char scratch[NUM_INT64_MAX_LEN];
    for (bool more = deque_seek(root, 0, &it); more; more = deque_iter_next(&it))
        visit(arg, packed_value_text(deque_iter_get(&it), scratch), SLICE(""));
}

const struct value_ops list_value_ops = {
    .destroy = ops_destroy,
    .effort = ops_effort,
    .bytes = ops_bytes,
    .copy = ops_copy,
    .visit = ops_visit,
};
