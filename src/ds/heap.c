#include "ds/heap.h"

enum {
    HEAP_MIN = 4
};

static void resize(struct heap *h, enum mem_class class, size_t cap)
{
    /* Whole size classes: the rounding would be paid for anyway. */
    size_t bytes = mem_size_class(MAX(cap, (size_t)HEAP_MIN) * sizeof(struct heap_item));
    cap = bytes / sizeof(struct heap_item);
    ASSERT(cap >= h->len && cap <= UINT32_MAX);
    h->items = mem_realloc(class, h->items, h->cap * sizeof(struct heap_item),
                           cap * sizeof(struct heap_item));
    h->cap = (uint32_t)cap;
}

void heap_deinit(struct heap *h, enum mem_class class)
{
    mem_free(class, h->items, h->cap * sizeof(struct heap_item));
    heap_init(h);
}

void heap_grow(struct heap *h, enum mem_class class)
{
    resize(h, class, MAX((size_t)h->cap + h->cap / 4, (size_t)h->cap + 1));
}

void heap_shrink(struct heap *h, enum mem_class class)
{
    if (h->cap > HEAP_MIN)
        resize(h, class, h->cap / 2);
}

bool heap_validate(const struct heap *h)
{
    if (h->len > h->cap)
        return false;
    for (uint32_t i = 1; i < h->len; i++)
        if (h->items[i].when < h->items[(i - 1) / 4].when)
            return false;
    return true;
}
