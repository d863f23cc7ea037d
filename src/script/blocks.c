#include "script/blocks.h"

INLINE unsigned class_of(size_t size)
{
    return (unsigned)((size - 1) / BLOCK_QUANTUM);
}

static size_t class_bytes(unsigned class)
{
    return (size_t)(class + 1) * BLOCK_QUANTUM;
}

/* What the allocator is asked for; mem_free() wants the same again. */
INLINE size_t bytes_of(size_t size)
{
    return size > BLOCK_BYTES_MAX || SANITIZED ? size : class_bytes(class_of(size));
}

void blocks_deinit(struct blocks *b)
{
    for (unsigned class = 0; class < BLOCK_CLASSES; class ++) {
        for (struct free_block *f = b->free[class], *next; f; f = next) {
            next = f->next;
            mem_free(MEM_OTHER, f, class_bytes(class));
        }
    }
    *b = (struct blocks){0};
}

void *blocks_alloc(struct blocks *b, size_t size)
{
    if (unlikely(size > BLOCK_BYTES_MAX))
        return mem_try_alloc(MEM_OTHER, size);
    unsigned class = class_of(size);
    struct free_block *f = b->free[class];
    if (unlikely(!f))
        return mem_try_alloc(MEM_OTHER, bytes_of(size));
    b->free[class] = f->next;
    b->count[class]--;
    return f;
}

void blocks_free(struct blocks *b, void *ptr, size_t size)
{
    unsigned class = class_of(size);
    if (unlikely(size > BLOCK_BYTES_MAX || b->count[class] == BLOCKS_KEPT)) {
        mem_free(MEM_OTHER, ptr, bytes_of(size));
        return;
    }
    struct free_block *f = ptr;
    f->next = b->free[class];
    b->free[class] = f;
    b->count[class]++;
}

/* The old block cannot stand in for a smaller one: it would be freed with the wrong size. */
static void *shrunk(struct blocks *b, size_t size)
{
    void *moved = blocks_alloc(b, size);
    return likely(moved) ? moved : mem_alloc(MEM_OTHER, bytes_of(size));
}

void *blocks_realloc(struct blocks *b, void *ptr, size_t old_size, size_t size)
{
    if (bytes_of(old_size) == bytes_of(size))
        return ptr;
    if (MIN(old_size, size) > BLOCK_BYTES_MAX)
        return size < old_size ? mem_realloc(MEM_OTHER, ptr, old_size, size)
                               : mem_try_realloc(MEM_OTHER, ptr, old_size, size);
    void *moved = size < old_size ? shrunk(b, size) : blocks_alloc(b, size);
    if (unlikely(!moved))
        return NULL;
    memcpy(moved, ptr, MIN(old_size, size));
    blocks_free(b, ptr, old_size);
    return moved;
}
