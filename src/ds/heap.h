/* heap.h: a 4-ary min-heap of deadlines whose items know their own position.
 *
 * Purpose: timers and key expiry. Four children per node halve the depth of a binary heap and lie
 * next to each other in memory (Johnson's d-ary heap, 1975; LaMarca and Ladner 1996 on caches).
 *
 * Ownership: the heap owns its array, never the items. Whenever an entry gets a new place, also
 * when it is first pushed, moved(item, position) runs, so that the owner can store the position in
 * the item and later call heap_remove() or heap_update() with it. `moved` must be the same function
 * in every call on one heap, must not touch the heap, and is inlined when the caller names it as a
 * constant. A removed item gets no call. The memory class is an argument for the same reason as
 * `moved`: the struct stays at 16 bytes; it too must be the same in every call.
 *
 * Threading: one owner at a time. Invariant: items[(i - 1) / 4].when <= items[i].when. Entries with
 * equal deadlines come out in no particular order. push, remove, update and pop are O(log n). */
#pragma once

#include "base/assert.h"
#include "base/mem.h"

struct heap_item {
    int64_t when;
    void *item;
};

struct heap {
    struct heap_item *items;
    uint32_t len, cap;
};

typedef void (*heap_moved_fn)(void *item, uint32_t position);

INLINE void heap_init(struct heap *h)
{
    *h = (struct heap){0};
}

/* Frees the array; the heap is empty and usable afterwards. */
void heap_deinit(struct heap *h, enum mem_class class);
/* Makes the array a quarter larger (at least 4 entries); part of heap_push(). */
void heap_grow(struct heap *h, enum mem_class class);
/* Halves the array; part of heap_remove(). */
void heap_shrink(struct heap *h, enum mem_class class);
/* True when every entry is in order; for tests. O(n). */
bool heap_validate(const struct heap *h);

/* Bytes of the array as charged. */
INLINE size_t heap_bytes(const struct heap *h)
{
    return h->cap ? mem_size_class(h->cap * sizeof(struct heap_item)) : 0;
}

INLINE void heap_place(struct heap *h, uint32_t at, struct heap_item entry, heap_moved_fn moved)
{
    h->items[at] = entry;
    moved(entry.item, at);
}

/* Puts `entry` at the hole `at` or above it. */
INLINE void heap_rise(struct heap *h, uint32_t at, struct heap_item entry, heap_moved_fn moved)
{
    while (at > 0) {
        uint32_t parent = (at - 1) / 4;
        if (h->items[parent].when <= entry.when)
            break;
        heap_place(h, at, h->items[parent], moved);
        at = parent;
    }
    heap_place(h, at, entry, moved);
}

/* Puts `entry` at the hole `at` or below it. */
INLINE void heap_sink(struct heap *h, uint32_t at, struct heap_item entry, heap_moved_fn moved)
{
    for (;;) {
        uint64_t first = (uint64_t)at * 4 + 1;
        if (first >= h->len)
            break;
        uint32_t least = (uint32_t)first, end = (uint32_t)MIN(first + 4, (uint64_t)h->len);
        for (uint32_t child = least + 1; child < end; child++)
            if (h->items[child].when < h->items[least].when)
                least = child;
        if (entry.when <= h->items[least].when)
            break;
        heap_place(h, at, h->items[least], moved);
        at = least;
    }
    heap_place(h, at, entry, moved);
}

/* Fills the hole `at` with `entry`, wherever it then belongs. */
INLINE void heap_settle(struct heap *h, uint32_t at, struct heap_item entry, heap_moved_fn moved)
{
    if (at > 0 && entry.when < h->items[(at - 1) / 4].when)
        heap_rise(h, at, entry, moved);
    else
        heap_sink(h, at, entry, moved);
}

INLINE void heap_push(struct heap *h, enum mem_class class, int64_t when, void *item,
                      heap_moved_fn moved)
{
    if (unlikely(h->len == h->cap))
        heap_grow(h, class);
    heap_rise(h, h->len++, (struct heap_item){when, item}, moved);
}

/* Changes the deadline of the entry at `position`. */
INLINE void heap_update(struct heap *h, uint32_t position, int64_t when, heap_moved_fn moved)
{
    DASSERT(position < h->len);
    heap_settle(h, position, (struct heap_item){when, h->items[position].item}, moved);
}

/* Takes the entry at `position` out. */
INLINE void heap_remove(struct heap *h, enum mem_class class, uint32_t position,
                        heap_moved_fn moved)
{
    DASSERT(position < h->len);
    struct heap_item last = h->items[--h->len];
    if (position != h->len)
        heap_settle(h, position, last, moved);
    if (unlikely(h->len < h->cap / 4))
        heap_shrink(h, class);
}

/* The entry with the smallest deadline, borrowed until the next change; NULL when empty. */
INLINE const struct heap_item *heap_peek(const struct heap *h)
{
    return h->len ? &h->items[0] : NULL;
}

/* Removes the smallest entry and returns its item; NULL when empty. */
INLINE void *heap_pop(struct heap *h, enum mem_class class, heap_moved_fn moved)
{
    if (h->len == 0)
        return NULL;
    void *item = h->items[0].item;
    heap_remove(h, class, 0, moved);
    return item;
}
