#include "ds/deque_block.h"

STATIC_ASSERT(DEQUE_BLOCK_HEADER == 32, "the header is part of the memory budget");

struct deque_block *deque_block_create(uint32_t cap)
{
    struct deque_block *b = mem_alloc(MEM_DATA, DEQUE_BLOCK_HEADER + (size_t)cap);
    b->cap = cap;
    b->count = 0;
    b->begin = b->end = 0;
    return b;
}

/* Makes the neighbours of `b` point to it, whatever they pointed to. */
static void attach(struct deque *d, struct deque_block *b)
{
    *(b->prev ? &b->prev->next : &d->head) = b;
    *(b->next ? &b->next->prev : &d->tail) = b;
}

void deque_block_link(struct deque *d, struct deque_block *b, struct deque_block *prev)
{
    b->prev = prev;
    b->next = prev ? prev->next : d->head;
    attach(d, b);
    d->blocks++;
}

void deque_block_unlink(struct deque *d, struct deque_block *b)
{
    *(b->prev ? &b->prev->next : &d->head) = b->next;
    *(b->next ? &b->next->prev : &d->tail) = b->prev;
    d->blocks--;
    deque_block_destroy(b);
}

/* Moves the content to a block of `cap` bytes with `begin` bytes of free room in front. */
static struct deque_block *rebuild(struct deque *d, struct deque_block *old, uint32_t cap,
                                   uint32_t begin)
{
    struct deque_block *b = deque_block_create(cap);
    b->prev = old->prev;
    b->next = old->next;
    b->count = old->count;
    b->begin = begin;
    b->end = begin + deque_block_used(old);
    memcpy(b->data + begin, old->data + old->begin, deque_block_used(old));
    attach(d, b);
    deque_block_destroy(old);
    return b;
}

static void slide(struct deque_block *b, uint32_t begin)
{
    uint32_t len = deque_block_used(b);
    memmove(b->data + begin, b->data + b->begin, len);
    b->begin = begin;
    b->end = begin + len;
}

/* Growth leaves all new room at that end, sliding shares it: so pushes at one end never slide, and
 * pushes at both ends slide seldom. */
struct deque_block *deque_block_make_room(struct deque *d, struct deque_block *b,
                                          enum deque_end end, uint32_t size)
{
    if (deque_block_room_at(b, end) >= size)
        return b;
    if (deque_block_room(b) >= size) {
        uint32_t spare = (deque_block_room(b) - size) / 2;
        slide(b, end == DEQUE_HEAD ? size + spare : spare);
        return b;
    }
    uint32_t cap = deque_block_cap(d, deque_block_used(b) + size);
    if (d->blocks > 1 && d->fill < 0)
        cap = MAX(cap, deque_block_cap(d, MIN(b->cap * 2, deque_max_bytes(d))));
    return rebuild(d, b, cap, end == DEQUE_HEAD ? cap - deque_block_used(b) : 0);
}

struct deque_block *deque_block_fit(struct deque *d, struct deque_block *b)
{
    uint32_t cap = deque_block_cap(d, deque_block_used(b));
    if (mem_size_class(DEQUE_BLOCK_HEADER + (size_t)cap) >=
        mem_size_class(DEQUE_BLOCK_HEADER + (size_t)b->cap))
        return b;
    return rebuild(d, b, cap, 0);
}

struct deque_block *deque_block_shrink(struct deque *d, struct deque_block *b)
{
    bool oversize = b->cap > deque_max_bytes(d) && deque_block_room(b) > 0;
    if (likely(!oversize && deque_block_used(b) >= b->cap / 3))
        return b;
    uint32_t want = deque_block_used(b) > deque_max_bytes(d)
                        ? deque_block_used(b)
                        : MIN(deque_block_used(b) + deque_block_used(b) / 4, deque_max_bytes(d));
    uint32_t cap = deque_block_cap(d, want);
    return cap < b->cap ? rebuild(d, b, cap, (cap - deque_block_used(b)) / 2) : b;
}
