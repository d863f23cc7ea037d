/* libraries.c: all libraries: finding, changing, and as bytes. */
#include "base/crc.h"
#include "base/le.h"
#include "base/sorted.h"
#include "script/library.h"
#include "store/rdb_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum {
    OP_LIBRARY = 245, /* persist/rdb_item.h */
    OP_LIBRARY_OLD = 246,
    FOOTER_BYTES = 10, /* u16 version, u64 CRC-64 */
    SHOWN_BYTES = 128,
};

void libraries_init(struct libraries *all)
{
    *all = (struct libraries){0};
}

void libraries_deinit(struct libraries *all)
{
    libraries_clear(all);
    mem_free(MEM_DATA, all->items, all->cap * sizeof(*all->items));
    all->items = NULL;
    all->cap = 0;
}

/* ---- finding ---- */

static bool library_is_before(const void *items, uint32_t at, const void *name)
{
    struct library *const *list = items;
    return slice_compare(list[at]->name, *(const struct slice *)name) < 0;
}

/* Where the library is or belongs. */
static uint32_t library_at(const struct libraries *all, struct slice name, bool *found)
{
    uint32_t at = sorted_place(all->items, all->count, &name, library_is_before);
    *found = at < all->count && slice_equal(all->items[at]->name, name);
    return at;
}

struct library *libraries_find(const struct libraries *all, struct slice name)
{
    bool found;
    uint32_t at = library_at(all, name, &found);
    return found ? all->items[at] : NULL;
}

/* Names of functions have only letters, digits and underscores. */
static int compare_folded(struct slice a, struct slice b)
{
    int order = strncasecmp(a.ptr, b.ptr, MIN(a.len, b.len));
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static bool function_is_before(const void *places, uint32_t at, const void *name)
{
    const struct function_place *list = places;
    return compare_folded(list[at].function->name, *(const struct slice *)name) < 0;
}

bool libraries_find_function(const struct libraries *all, struct slice name,
                             struct function_place *out)
{
    uint32_t at = sorted_place(all->places, all->place_count, &name, function_is_before);
    if (at == all->place_count || compare_folded(name, all->places[at].function->name) != 0)
        return false;
    *out = all->places[at];
    return true;
}

bool libraries_flags(struct libraries *all, struct slice name, uint32_t *out)
{
    struct function_place place;
    lock_acquire(&all->lock);
    bool found = libraries_find_function(all, name, &place);
    if (found)
        *out = place.function->flags;
    lock_release(&all->lock);
    return found;
}

void libraries_count(struct libraries *all, uint32_t *libraries, uint32_t *functions)
{
    lock_acquire(&all->lock);
    *libraries = all->count;
    *functions = all->place_count;
    lock_release(&all->lock);
}

size_t libraries_bytes(const struct libraries *all)
{
    size_t bytes = all->place_count * (sizeof(*all->places) + sizeof(struct library_function));
    for (uint32_t i = 0; i < all->count; i++)
        bytes += sizeof(struct library) + mem_size_class(all->items[i]->code.len + 1);
    return bytes;
}

/* ---- changing ---- */

static int compare_places(const void *a, const void *b)
{
    const struct function_place *x = a, *y = b;
    int order = compare_folded(x->function->name, y->function->name);
    /* two of a library that differ in case: the first one is found */
    return order ? order : (x->function > y->function) - (x->function < y->function);
}

/* After a change of the items, with the lock held. */
static void index_functions(struct libraries *all)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < all->count; i++)
        count += all->items[i]->count;
    mem_free(MEM_DATA, all->places, all->place_count * sizeof(*all->places));
    all->places = count ? mem_alloc(MEM_DATA, count * sizeof(*all->places)) : NULL;
    all->place_count = 0;
    for (uint32_t i = 0; i < all->count; i++)
        for (uint32_t f = 0; f < all->items[i]->count; f++)
            all->places[all->place_count++] =
                (struct function_place){all->items[i], &all->items[i]->functions[f]};
    if (count) /* an empty array has no address */
        qsort(all->places, count, sizeof(*all->places), compare_places);
    atomic_fetch_add(&all->version, 1);
}

/* Puts it in its place and returns the one that gave way, or NULL. */
static struct library *insert(struct libraries *all, struct library *lib)
{
    bool found;
    uint32_t at = library_at(all, lib->name, &found);
    if (found) {
        struct library *old = all->items[at];
        all->items[at] = lib;
        return old;
    }
    if (all->count == all->cap) {
        uint32_t cap = all->cap ? all->cap * 2 : 8;
        all->items = mem_realloc(MEM_DATA, all->items, all->cap * sizeof(*all->items),
                                 cap * sizeof(*all->items));
        all->cap = cap;
    }
    memmove(&all->items[at + 1], &all->items[at], (all->count - at) * sizeof(*all->items));
    all->items[at] = lib;
    all->count++;
    return NULL;
}

static bool refuse_taken(char *error, const char *format, struct slice name)
{
    snprintf(error, LIBRARY_ERROR_BYTES, format, (int)MIN(name.len, (size_t)SHOWN_BYTES), name.ptr);
    return false;
}

/* Whether a function of the library has its name from another one, which stays. */
static bool functions_are_free(const struct libraries *all, const struct library *lib,
                               const struct libraries *leaving, char *error)
{
    struct function_place place;
    bool leaves;
    for (uint32_t i = 0; i < lib->count; i++) {
        if (!libraries_find_function(all, lib->functions[i].name, &place) ||
            slice_equal(place.library->name, lib->name))
            continue;
        if (leaving) {
            (void)library_at(leaving, place.library->name, &leaves);
            if (leaves)
                continue;
        }
        return refuse_taken(error, "Function %.*s already exists", lib->functions[i].name);
    }
    return true;
}

bool libraries_admit(const struct libraries *all, const struct library *lib, bool replaces,
                     char error[LIBRARY_ERROR_BYTES])
{
    if (!replaces && libraries_find(all, lib->name))
        return refuse_taken(error, "Library '%.*s' already exists", lib->name);
    return functions_are_free(all, lib, NULL, error);
}

void libraries_add(struct libraries *all, struct library *lib)
{
    lock_acquire(&all->lock);
    struct library *old = insert(all, lib);
    index_functions(all);
    lock_release(&all->lock);
    library_destroy(old);
}

bool libraries_delete(struct libraries *all, struct slice name)
{
    bool found;
    uint32_t at = library_at(all, name, &found);
    if (!found)
        return false;
    lock_acquire(&all->lock);
    struct library *old = all->items[at];
    memmove(&all->items[at], &all->items[at + 1], (all->count - at - 1) * sizeof(*all->items));
    all->count--;
    index_functions(all);
    lock_release(&all->lock);
    library_destroy(old);
    return true;
}

void libraries_clear(struct libraries *all)
{
    lock_acquire(&all->lock);
    for (uint32_t i = 0; i < all->count; i++)
        library_destroy(all->items[i]);
    mem_free(MEM_DATA, all->places, all->place_count * sizeof(*all->places));
    all->places = NULL;
    all->count = all->place_count = 0;
    atomic_fetch_add(&all->version, 1);
    lock_release(&all->lock);
}

bool libraries_join(struct libraries *all, struct libraries *from, bool replace,
                    char error[LIBRARY_ERROR_BYTES])
{
    for (uint32_t i = 0; i < from->count && !replace; i++)
        if (libraries_find(all, from->items[i]->name))
            return refuse_taken(error, "Library %.*s already exists", from->items[i]->name);
    for (uint32_t i = 0; i < from->count; i++)
        if (!functions_are_free(all, from->items[i], from, error))
            return false;
    for (uint32_t i = 0; i < from->count; i++)
        libraries_add(all, from->items[i]);
    from->count = 0; /* they have moved */
    libraries_clear(from);
    return true;
}

/* ---- as bytes ---- */

void libraries_write(const struct libraries *all, struct buf *out)
{
    for (uint32_t i = 0; i < all->count; i++) {
        buf_putc(out, (char)OP_LIBRARY);
        rdb_put_text(out, all->items[i]->code);
    }
}

void libraries_dump(const struct libraries *all, struct buf *out)
{
    size_t begin = buf_len(out);
    libraries_write(all, out);
    le_store16(buf_reserve(out, 2), RDB_VERSION_WRITTEN);
    buf_advance(out, 2);
    uint64_t crc = crc64(0, buf_ptr(out) + begin, buf_len(out) - begin);
    le_store64(buf_reserve(out, 8), crc);
    buf_advance(out, 8);
}

bool libraries_open_dump(struct slice payload, struct slice *items)
{
    if (payload.len < FOOTER_BYTES)
        return false;
    size_t len = payload.len - FOOTER_BYTES;
    unsigned version = le_load16(payload.ptr + len);
    uint64_t crc = le_load64(payload.ptr + len + 2);
    *items = slice_make(payload.ptr, len);
    return version <= RDB_VERSION_EXPIRING && crc == crc64(0, payload.ptr, len + 2);
}

static bool take_item(struct rdb_in *in, struct rdb_text *text,
                      bool (*take)(void *arg, struct slice code, char *error), void *arg,
                      char *error)
{
    const unsigned char *type;
    const char *fault = "can not read data type";
    if (rdb_take(in, 1, &type)) {
        fault = *type == OP_LIBRARY_OLD ? "Pre-GA function format not supported"
                                        : "given type is not a function";
        if (*type == OP_LIBRARY && rdb_take_text(in, text))
            return take(arg, text->text, error);
        if (*type == OP_LIBRARY)
            fault = "failed loading the given functions payload";
    }
    snprintf(error, LIBRARY_ERROR_BYTES, "%s", fault);
    return false;
}

bool libraries_each_text(struct slice items,
                         bool (*take)(void *arg, struct slice code, char *error), void *arg,
                         char error[LIBRARY_ERROR_BYTES])
{
    struct rdb_in in = rdb_in_make(items);
    struct rdb_text text = {0};
    bool good = true;
    while (in.left && good)
        good = take_item(&in, &text, take, arg, error);
    rdb_text_deinit(&text);
    return good;
}
