#include "base/mem.h"

#include "base/assert.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/mman.h>

#ifdef USE_JEMALLOC
#include <jemalloc/jemalloc.h>

/* Freed pages go back to the system after a second, not ten: a data set that grows leaves its
 * smaller arrays behind, and 10 % of the memory would be their ghosts. The environment's
 * MALLOC_CONF is read after this and wins. */
const char *malloc_conf = "dirty_decay_ms:1000";
#endif

__thread struct mem_counters *mem_counters_self;

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mem_counters *registry; /* grows only; guarded by registry_lock for writers */

NORETURN COLD static void out_of_memory(size_t size)
{
    fprintf(stderr, "Out of memory allocating %zu bytes\n", size);
    abort();
}

COLD static struct mem_counters *register_thread(void)
{
    struct mem_counters *self = aligned_alloc(CACHE_LINE, sizeof(*self));
    if (!self)
        out_of_memory(sizeof(*self));
    memset(self, 0, sizeof(*self));
    pthread_mutex_lock(&registry_lock);
    self->next = registry;
    __atomic_store_n(&registry, self, __ATOMIC_RELEASE); /* pairs with the acquire in mem_used() */
    pthread_mutex_unlock(&registry_lock);
    mem_counters_self = self;
    return self;
}

void mem_charge(enum mem_class class, int64_t delta)
{
    struct mem_counters *self = mem_counters_self;
    if (unlikely(!self))
        self = register_thread();
    int64_t used = atomic_load_explicit(&self->used[class], memory_order_relaxed);
    atomic_store_explicit(&self->used[class], used + delta, memory_order_relaxed);
}

/* Callers may use the whole size class: jemalloc gives it anyway, libc (and AddressSanitizer) must
 * be asked for it. */
static void *raw_alloc(size_t size)
{
#ifdef USE_JEMALLOC
    return mallocx(size ? size : 1, 0);
#else
    return malloc(mem_size_class(size));
#endif
}

static void raw_free(void *ptr, size_t size)
{
#ifdef USE_JEMALLOC
    sdallocx(ptr, size ? size : 1, 0);
#else
    (void)size;
    free(ptr);
#endif
}

static void *raw_realloc(void *ptr, size_t size)
{
#ifdef USE_JEMALLOC
    return rallocx(ptr, size ? size : 1, 0);
#else
    return realloc(ptr, mem_size_class(size));
#endif
}

void *mem_try_alloc(enum mem_class class, size_t size)
{
    if (size > PTRDIFF_MAX / 2)
        return NULL;
    void *ptr = raw_alloc(size);
    if (likely(ptr != NULL))
        mem_charge(class, (int64_t)mem_size_class(size));
    return ptr;
}

void *mem_alloc(enum mem_class class, size_t size)
{
    void *ptr = mem_try_alloc(class, size);
    if (unlikely(!ptr))
        out_of_memory(size);
    return ptr;
}

void *mem_zalloc(enum mem_class class, size_t size)
{
    return memset(mem_alloc(class, size), 0, size);
}

void *mem_try_realloc(enum mem_class class, void *ptr, size_t old_size, size_t new_size)
{
    if (!ptr)
        return mem_try_alloc(class, new_size);
    if (new_size > PTRDIFF_MAX / 2)
        return NULL;
    void *moved = raw_realloc(ptr, new_size);
    if (likely(moved != NULL))
        mem_charge(class, (int64_t)mem_size_class(new_size) - (int64_t)mem_size_class(old_size));
    return moved;
}

void *mem_realloc(enum mem_class class, void *ptr, size_t old_size, size_t new_size)
{
    void *moved = mem_try_realloc(class, ptr, old_size, new_size);
    if (unlikely(!moved))
        out_of_memory(new_size);
    return moved;
}

void mem_free(enum mem_class class, void *ptr, size_t size)
{
    if (!ptr)
        return;
    mem_charge(class, -(int64_t)mem_size_class(size));
    raw_free(ptr, size);
}

void *mem_alloc_aligned(enum mem_class class, size_t size)
{
    size = (size + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
    void *ptr = aligned_alloc(CACHE_LINE, size);
    if (!ptr)
        out_of_memory(size);
    mem_charge(class, (int64_t)size);
    return memset(ptr, 0, size);
}

void mem_free_aligned(enum mem_class class, void *ptr, size_t size)
{
    if (!ptr)
        return;
    mem_charge(class, -(int64_t)((size + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1)));
    free(ptr);
}

#ifdef USE_JEMALLOC
static _Atomic size_t mapped; /* what jemalloc's statistics do not know of */

void *mem_map(enum mem_class class, size_t size)
{
    void *ptr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (unlikely(ptr == MAP_FAILED))
        out_of_memory(size);
    atomic_fetch_add_explicit(&mapped, size, memory_order_relaxed);
    mem_charge(class, (int64_t)size);
    return ptr;
}

void mem_unmap(enum mem_class class, void *ptr, size_t size)
{
    atomic_fetch_sub_explicit(&mapped, size, memory_order_relaxed);
    mem_charge(class, -(int64_t)size);
    munmap(ptr, size);
}

void mem_unmap_part(void *ptr, size_t size)
{
    (void)madvise(ptr, size, MADV_DONTNEED);
}
#else
/* The leak checker looks for pointers in the heap, not in foreign pages. */
void *mem_map(enum mem_class class, size_t size)
{
    return mem_zalloc(class, size);
}

void mem_unmap(enum mem_class class, void *ptr, size_t size)
{
    mem_free(class, ptr, size);
}

void mem_unmap_part(void *ptr, size_t size)
{
    (void)ptr;
    (void)size;
}
#endif

char *mem_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(mem_alloc(MEM_OTHER, size), text, size);
}

void mem_strfree(char *text)
{
    if (text)
        mem_free(MEM_OTHER, text, strlen(text) + 1);
}

size_t mem_used(enum mem_class class)
{
    int64_t sum = 0;
    for (struct mem_counters *c = __atomic_load_n(&registry, __ATOMIC_ACQUIRE); c; c = c->next)
        sum += atomic_load_explicit(&c->used[class], memory_order_relaxed);
    return sum > 0 ? (size_t)sum : 0;
}

size_t mem_used_total(void)
{
    size_t sum = 0;
    for (int class = 0; class < MEM_CLASSES; class ++)
        sum += mem_used((enum mem_class) class);
    return sum;
}

static size_t read_rss(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long total = 0, resident = 0;
    if (!file)
        return 0;
    if (fscanf(file, "%lu %lu", &total, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

#ifdef USE_JEMALLOC
static size_t read_stat(const char *name)
{
    size_t value = 0, len = sizeof(value);
    return mallctl(name, &value, &len, NULL, 0) == 0 ? value : 0;
}
#endif

void mem_stats_read(struct mem_stats *out)
{
    memset(out, 0, sizeof(*out));
    out->rss = read_rss();
#ifdef USE_JEMALLOC
    uint64_t epoch = 1;
    size_t len = sizeof(epoch);
    (void)mallctl("epoch", &epoch, &len, &epoch, len);
    size_t pages = atomic_load_explicit(&mapped, memory_order_relaxed);
    out->allocated = read_stat("stats.allocated") + pages;
    out->active = read_stat("stats.active") + pages;
    out->resident = read_stat("stats.resident") + pages;
    out->retained = read_stat("stats.retained");
#endif
}

void mem_purge(void)
{
#ifdef USE_JEMALLOC
    char name[40];
    snprintf(name, sizeof(name), "arena.%d.purge", MALLCTL_ARENAS_ALL);
    (void)mallctl(name, NULL, NULL, NULL, 0);
#endif
}

void mem_report(void (*print)(void *arg, const char *text), void *arg)
{
#ifdef USE_JEMALLOC
    malloc_stats_print(print, arg, NULL);
#else
    print(arg, "No report: the allocator is libc's.\n");
#endif
}

const char *mem_allocator_name(void)
{
#ifdef USE_JEMALLOC
    return "jemalloc-" JEMALLOC_VERSION;
#else
    return "libc";
#endif
}
