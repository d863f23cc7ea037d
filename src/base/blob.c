#include "base/blob.h"

#include <stdatomic.h>

static size_t alloc_size(size_t cap)
{
    return sizeof(struct blob) + cap;
}

struct blob *blob_try_create(size_t len, size_t cap)
{
    size_t size;
    if (ckd_add(&size, sizeof(struct blob), cap))
        return NULL;
    size = mem_size_class(size); /* what the allocator would round it up to */
    struct blob *b = mem_try_alloc(MEM_DATA, size);
    if (!b)
        return NULL;
    atomic_init(&b->refs, 1);
    b->len = len;
    b->cap = size - sizeof(struct blob);
    return b;
}

struct blob *blob_create(size_t len, size_t cap)
{
    struct blob *b = blob_try_create(len, cap);
    if (!b)
        return mem_alloc(MEM_DATA, SIZE_MAX / 2); /* aborts with the usual message */
    return b;
}

void blob_ref(struct blob *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
}

void blob_unref(struct blob *b)
{
    /* acq_rel: the last owner must see the writes of those who let go before it */
    if (atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
        mem_free(MEM_DATA, b, alloc_size(b->cap));
}

bool blob_shared(const struct blob *b)
{
    return atomic_load_explicit(&b->refs, memory_order_acquire) > 1;
}

struct blob *blob_reserve(struct blob *b, size_t cap)
{
    if (b->cap >= cap && !blob_shared(b))
        return b;
    if (!blob_shared(b)) {
        size_t size = mem_size_class(alloc_size(cap));
        struct blob *moved = mem_try_realloc(MEM_DATA, b, alloc_size(b->cap), size);
        if (moved)
            moved->cap = size - sizeof(struct blob);
        return moved;
    }
    struct blob *copy = blob_try_create(b->len, MAX(cap, b->len));
    if (!copy)
        return NULL;
    memcpy(copy->bytes, b->bytes, b->len);
    blob_unref(b);
    return copy;
}

size_t blob_bytes(const struct blob *b)
{
    return mem_size_class(alloc_size(b->cap));
}
