/* mem.h: the accounting allocator.
 *
 * Every allocation is charged to a class, so that data and client buffers stay apart (maxmemory
 * bounds MEM_DATA; buffers never evict data). Counters are per thread and summed on demand, hence
 * an allocation touches no shared cache line; a block may be freed by another thread than the one
 * that made it, so single counters may be negative while the sum is exact.
 *
 * Callers know their sizes: mem_free() takes the size given to mem_alloc() or any other size with
 * the same mem_size_class(). The charge of a block is mem_size_class(size).
 *
 * Out of memory: mem_alloc() and mem_realloc() abort (small internal allocations); mem_try_alloc()
 * returns NULL and serves sizes that a client chose.
 *
 * Threading: any thread. A thread's counters live until process end. */
#pragma once

#include "base/base.h"

#include <stdatomic.h>

enum mem_class {
    MEM_DATA,   /* keys, values, tables, heaps: what maxmemory bounds */
    MEM_CLIENT, /* connections and their buffers */
    MEM_OTHER,  /* configuration, tables of the server itself */
    MEM_CLASSES,
};

struct mem_counters {
    CACHE_ALIGNED _Atomic int64_t used[MEM_CLASSES]; /* written by the owner thread only */
    struct mem_counters *next;
};

extern __thread struct mem_counters *mem_counters_self; /* use mem_charge() */

/* Bytes really taken by an allocation of `size`: jemalloc's size classes (quantum 16, four classes
 * per doubling; jemalloc.net/jemalloc.3.html, "Size classes"). */
INLINE size_t mem_size_class(size_t size)
{
    if (size <= 8)
        return 8;
    if (size <= 128)
        return (size + 15) & ~(size_t)15;
    int lg_delta = 64 - __builtin_clzll(size - 1) - 3;
    size_t delta = (size_t)1 << lg_delta;
    return (size + delta - 1) & ~(delta - 1);
}

/* Adds `delta` bytes to the calling thread's counter. Allocation functions call it themselves. */
void mem_charge(enum mem_class class, int64_t delta);

/* Charged to `class`. Aborts without memory, as do all but the mem_try_… ones, which are for sizes
 * that a client chose and return NULL. */
void *mem_alloc(enum mem_class class, size_t size);
void *mem_zalloc(enum mem_class class, size_t size);
void *mem_try_alloc(enum mem_class class, size_t size) MUST_USE;
/* May move; `old_size` may be 0 with ptr NULL. Aborts when out of memory. */
void *mem_realloc(enum mem_class class, void *ptr, size_t old_size, size_t new_size);
void *mem_try_realloc(enum mem_class class, void *ptr, size_t old_size, size_t new_size) MUST_USE;
/* ptr may be NULL (then size is ignored). */
void mem_free(enum mem_class class, void *ptr, size_t size);
/* Cache-line aligned and zeroed, for long-lived arrays. Free with mem_free_aligned(). */
void *mem_alloc_aligned(enum mem_class class, size_t size);
void mem_free_aligned(enum mem_class class, void *ptr, size_t size);
/* Zeroed pages of their own, for arrays of 64 KB and more (`size` a power of two): made in O(1),
 * since the system clears each page at its first use, and given back at once, where the allocator
 * would keep freed pages for a while. Aborts when out of memory. Charged as mem_size_class(size).
 */
void *mem_map(enum mem_class class, size_t size);
void mem_unmap(enum mem_class class, void *ptr, size_t size);
/* Gives pages within a mapped block back early: it reads as zeroes (or as it was) from now on. The
 * charge stays. `ptr` and `size` are multiples of 64 KB. */
void mem_unmap_part(void *ptr, size_t size);
/* Heap copy of a NUL-terminated text, charged to MEM_OTHER; mem_strfree() releases it. */
char *mem_strdup(const char *text);
void mem_strfree(char *text);

/* Sum over all threads; exact when no thread allocates meanwhile. Never negative. */
size_t mem_used(enum mem_class class);
size_t mem_used_total(void);

/* The calling thread's own part of the sum; negative when it frees what others allocated. */
INLINE int64_t mem_used_self(enum mem_class class)
{
    const struct mem_counters *self = mem_counters_self;
    return self ? atomic_load_explicit(&self->used[class], memory_order_relaxed) : 0;
}

struct mem_stats {
    size_t allocated, active, resident, retained; /* as jemalloc's stats.*; 0 with libc */
    size_t rss;                                   /* resident set of the process */
};

/* Takes microseconds: for INFO and the memory metrics. */
void mem_stats_read(struct mem_stats *out);
/* Gives unused pages back to the system. */
void mem_purge(void);
/* The allocator's report as text, in pieces, for people. */
void mem_report(void (*print)(void *arg, const char *text), void *arg);
const char *mem_allocator_name(void);
