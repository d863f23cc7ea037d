#include "store/deadlines.h"

static void moved(void *member, uint32_t position)
{
    member_set_position(member, position);
}

static struct deadlines *create(void)
{
    struct deadlines *d = mem_alloc(MEM_DATA, sizeof(*d));
    *d = (struct deadlines){.position = DEADLINES_UNLISTED};
    return d;
}

int64_t deadlines_get(const struct deadlines *d, const struct member *m)
{
    return member_expires(m) ? d->heap.items[member_position(m)].when : MEMBER_FOREVER;
}

struct member *deadlines_set(struct deadlines **d, struct member *m, int64_t when_ms)
{
    if (when_ms == MEMBER_FOREVER) {
        deadlines_forget(*d, m);
        return member_reshape(m, false);
    }
    if (member_expires(m)) {
        heap_update(&(*d)->heap, member_position(m), when_ms, moved);
        return m;
    }
    if (!*d)
        *d = create();
    m = member_reshape(m, true);
    heap_push(&(*d)->heap, MEM_DATA, when_ms, m, moved);
    return m;
}

void deadlines_forget(struct deadlines *d, const struct member *m)
{
    if (member_expires(m))
        heap_remove(&d->heap, MEM_DATA, member_position(m), moved);
}

void deadlines_moved(struct deadlines *d, struct member *m)
{
    if (member_expires(m))
        d->heap.items[member_position(m)].item = m;
}

struct deadlines *deadlines_copy(const struct deadlines *d)
{
    if (!d || !d->heap.len)
        return NULL;
    struct deadlines *copy = create();
    size_t bytes = heap_bytes(&d->heap);
    copy->heap = d->heap;
    copy->heap.items = mem_alloc(MEM_DATA, bytes);
    memcpy(copy->heap.items, d->heap.items, d->heap.len * sizeof(struct heap_item));
    return copy;
}

void deadlines_destroy(struct deadlines *d)
{
    if (!d)
        return;
    heap_deinit(&d->heap, MEM_DATA);
    mem_free(MEM_DATA, d, sizeof(*d));
}

size_t deadlines_bytes(const struct deadlines *d)
{
    return d ? mem_size_class(sizeof(*d)) + heap_bytes(&d->heap) : 0;
}
