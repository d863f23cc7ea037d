#include "ds/top.h"

struct wanted {
    int space;
    struct slice name;
};

static void moved(void *item, uint32_t position)
{
    ((struct top_item *)item)->at = position;
}

static uint64_t hash_of(const void *entry)
{
    return ((const struct top_item *)entry)->hash;
}

static bool equal(const void *entry, const void *key)
{
    const struct top_item *item = entry;
    const struct wanted *w = key;
    return item->space == w->space && slice_equal(slice_make(item->name, item->len), w->name);
}

static struct top_item *find(const struct top *t, uint64_t hash, const struct wanted *w,
                             struct table_pos *pos)
{
    return table_find(&t->items, hash, equal, w, pos);
}

static struct wanted cut(int space, struct slice name)
{
    return (struct wanted){space, slice_make(name.ptr, MIN(name.len, (size_t)TOP_NAME_MAX))};
}

static void free_item(struct top_item *item)
{
    mem_free(MEM_OTHER, item, sizeof(*item) + item->len);
}

void top_init(struct top *t, uint32_t capacity)
{
    heap_init(&t->heap);
    table_init(&t->items);
    t->capacity = capacity;
}

void top_deinit(struct top *t)
{
    for (uint32_t i = 0; i < t->heap.len; i++)
        free_item(t->heap.items[i].item);
    heap_deinit(&t->heap, MEM_OTHER);
    table_deinit(&t->items, NULL, NULL);
}

static void insert(struct top *t, uint64_t hash, const struct wanted *w, int64_t count,
                   int64_t error)
{
    struct top_item *item = mem_alloc(MEM_OTHER, sizeof(*item) + w->name.len);
    *item = (struct top_item){
        .hash = hash, .count = count, .error = error, .space = w->space, .len = w->name.len};
    if (w->name.len)
        memcpy(item->name, w->name.ptr, w->name.len);
    table_insert(&t->items, hash, item, hash_of);
    heap_push(&t->heap, MEM_OTHER, count, item, moved);
}

static void drop(struct top *t, struct top_item *item)
{
    struct wanted w = {item->space, slice_make(item->name, item->len)};
    struct table_pos pos;
    if (find(t, item->hash, &w, &pos))
        table_remove(&t->items, item->hash, pos, hash_of);
    heap_remove(&t->heap, MEM_OTHER, item->at, moved);
    free_item(item);
}

static void set_count(struct top *t, struct top_item *item, int64_t count)
{
    item->count = count;
    heap_update(&t->heap, item->at, count, moved);
}

void top_add(struct top *t, int space, struct slice name, uint64_t hash, int64_t weight)
{
    struct wanted w = cut(space, name);
    struct table_pos pos;
    struct top_item *item = find(t, hash, &w, &pos);
    int64_t inherited = 0;
    if (likely(item != NULL)) {
        set_count(t, item, item->count + weight);
        return;
    }
    if (t->heap.len == t->capacity) {
        struct top_item *least = t->heap.items[0].item;
        inherited = least->count;
        drop(t, least);
    }
    insert(t, hash, &w, inherited + weight, inherited);
}

void top_put(struct top *t, int space, struct slice name, uint64_t hash, int64_t value)
{
    struct wanted w = cut(space, name);
    struct table_pos pos;
    struct top_item *item = find(t, hash, &w, &pos);
    if (item) {
        set_count(t, item, value);
        return;
    }
    if (t->heap.len == t->capacity) {
        struct top_item *least = t->heap.items[0].item;
        if (least->count >= value)
            return;
        drop(t, least);
    }
    insert(t, hash, &w, value, 0);
}

void top_remove(struct top *t, int space, struct slice name, uint64_t hash)
{
    struct wanted w = cut(space, name);
    struct table_pos pos;
    struct top_item *item = find(t, hash, &w, &pos);
    if (item)
        drop(t, item);
}

void top_halve(struct top *t)
{
    /* every count is halved, hence the order stays */
    for (uint32_t i = 0; i < t->heap.len; i++) {
        struct top_item *item = t->heap.items[i].item;
        item->count /= 2;
        item->error /= 2;
        t->heap.items[i].when = item->count;
    }
    while (t->heap.len && t->heap.items[0].when == 0)
        drop(t, t->heap.items[0].item);
}
