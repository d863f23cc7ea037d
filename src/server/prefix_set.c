#include "server/prefix_set.h"

#include "base/assert.h"
#include "base/sorted.h"

enum {
    NO_PARENT = UINT32_MAX
};

static size_t set_bytes(uint32_t cap)
{
    return sizeof(struct prefix_set) + cap * sizeof(struct prefix_item);
}

void prefix_set_unref(struct prefix_set *set)
{
    if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < set->count; i++)
        blob_unref(set->items[i].name);
    mem_free(MEM_CLIENT, set, set_bytes(set->cap));
}

void prefixes_init(struct prefixes *p)
{
    *p = (struct prefixes){0};
}

void prefixes_deinit(struct prefixes *p)
{
    ASSERT(!p->set || p->set->count == 0);
    prefix_set_unref(p->set);
}

static struct blob *blob_of(struct slice text)
{
    struct blob *b = blob_create(text.len, text.len);
    if (text.len)
        memcpy(b->bytes, text.ptr, text.len);
    return b;
}

/* In sorted order the ancestors of an item are among the ancestors of the one before it. */
static void link_parents(struct prefix_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        uint32_t parent = i ? i - 1 : NO_PARENT;
        while (parent != NO_PARENT && !prefix_begins(prefix_item_name(&set->items[i]),
                                                     prefix_item_name(&set->items[parent])))
            parent = set->items[parent].parent;
        set->items[i].parent = parent;
    }
}

static void keep_item(struct prefix_set *set, const struct prefix_item *old, uint64_t reactors)
{
    if (!reactors)
        return;
    blob_ref(old->name);
    set->items[set->count++] = (struct prefix_item){old->name, reactors, NO_PARENT};
}

/* The old set with a reactor's bit set (join) or cleared at the sorted names. */
static struct prefix_set *merge(const struct prefix_set *old, const struct slice *names,
                                uint32_t count, uint64_t bit, bool join)
{
    uint32_t had = old ? old->count : 0, cap = had + (join ? count : 0), i = 0, n = 0;
    struct prefix_set *set = mem_alloc(MEM_CLIENT, set_bytes(cap));
    *set = (struct prefix_set){.refs = 1, .cap = cap};
    while (i < had || n < count) {
        const struct prefix_item *item = i < had ? &old->items[i] : NULL;
        int order = !item ? 1 : n == count ? -1 : slice_compare(prefix_item_name(item), names[n]);
        if (order > 0) {
            ASSERT(join);
            set->items[set->count++] = (struct prefix_item){blob_of(names[n++]), bit, NO_PARENT};
            continue;
        }
        bool named = order == 0;
        keep_item(set, item,
                  !named ? item->reactors
                  : join ? item->reactors | bit
                         : item->reactors & ~bit);
        i++;
        n += named;
    }
    link_parents(set);
    return set;
}

void prefixes_change(struct prefixes *p, const struct slice *names, uint32_t count,
                     unsigned reactor, bool join)
{
    if (!count)
        return;
    lock_acquire(&p->lock);
    struct prefix_set *old = p->set;
    p->set = merge(old, names, count, (uint64_t)1 << reactor, join);
    atomic_store_explicit(&p->count, p->set->count, memory_order_relaxed);
    /* release: pairs with the acquire in prefix.c, though the lock orders the set itself */
    atomic_fetch_add_explicit(&p->version, 1, memory_order_release);
    lock_release(&p->lock);
    prefix_set_unref(old);
}

void prefixes_refresh(struct prefixes *p, struct prefix_set **set, uint64_t *version)
{
    lock_acquire(&p->lock);
    struct prefix_set *old = *set;
    *set = p->set;
    *version = atomic_load_explicit(&p->version, memory_order_relaxed);
    atomic_fetch_add_explicit(&p->set->refs, 1, memory_order_relaxed);
    lock_release(&p->lock);
    prefix_set_unref(old);
}

static bool is_not_above(const void *items, uint32_t at, const void *key)
{
    const struct prefix_item *list = items;
    return slice_compare(prefix_item_name(&list[at]), *(const struct slice *)key) <= 0;
}

/* How many prefixes are not above the key. */
static uint32_t not_above(const struct prefix_set *set, struct slice key)
{
    return sorted_place(set->items, set->count, &key, is_not_above);
}

uint64_t prefix_set_reactors(const struct prefix_set *set, struct slice key)
{
    uint64_t reactors = 0;
    uint32_t at = not_above(set, key);
    at = at ? at - 1 : NO_PARENT;
    while (at != NO_PARENT && !prefix_begins(key, prefix_item_name(&set->items[at])))
        at = set->items[at].parent;
    for (; at != NO_PARENT; at = set->items[at].parent)
        reactors |= set->items[at].reactors;
    return reactors;
}
