/* library.h: the function libraries that have been loaded, as all threads share them: texts, names
 * and flags. What Lua makes of them is each interpreter's own (library_load.h).
 *
 * Library names are told apart by case, functions of different libraries are not: each finds its
 * function by a name in any case.
 *
 * Threading: changed only while the changer runs alone (exclusive mode), read by whoever is inside
 * its gate. libraries_flags() and libraries_count() may be called outside of it, too: a leaf lock
 * keeps what they read in place. Memory: MEM_DATA, what maxmemory bounds. Finding is O(log n), a
 * change O(n log n) of all functions. */
#pragma once

#include "base/buf.h"
#include "base/lock.h"

#include <stdatomic.h>

enum {
    LIBRARY_ERROR_BYTES = 512
};

struct library_function {
    struct slice name;
    struct slice description; /* ptr NULL: none */
    uint32_t flags;           /* enum script_flag */
};

struct library {
    uint64_t serial;         /* never given twice */
    struct slice name, code; /* the code with its first line */
    size_t body_at;          /* where Lua's text begins: the end of the first line */
    struct library_function *functions;
    uint32_t count, cap;
};

struct function_place {
    const struct library *library;
    const struct library_function *function;
};

struct libraries {
    struct library **items; /* by name */
    uint32_t count, cap;
    struct function_place *places; /* by name, case folded */
    uint32_t place_count;
    _Atomic uint64_t version; /* another one after each change */
    struct lock lock;         /* for those outside of the gates */
};

/* ---- one library ---- */

/* Reads the first line of a library's text, "#!lua name=<name>"; NULL: `error` says why not,
 * without a code. The library has no functions yet. */
struct library *library_create(struct slice code, char error[LIBRARY_ERROR_BYTES]) MUST_USE;
void library_destroy(struct library *lib); /* may be NULL */

/* What Lua is given: the end of the first line stays, so that line numbers fit. */
INLINE struct slice library_body(const struct library *lib)
{
    return slice_make(lib->code.ptr + lib->body_at, lib->code.len - lib->body_at);
}

/* Adds a function; description.ptr may be NULL. False: `error` says why not. */
bool library_add(struct library *lib, struct slice name, struct slice description, uint32_t flags,
                 char error[LIBRARY_ERROR_BYTES]) MUST_USE;

/* ---- all of them ---- */

/* Before there are reactors; deinit after them. */
void libraries_init(struct libraries *all);
void libraries_deinit(struct libraries *all);

/* Borrowed; NULL: there is none. O(log n). */
struct library *libraries_find(const struct libraries *all, struct slice name);
/* False: there is no such function. */
bool libraries_find_function(const struct libraries *all, struct slice name,
                             struct function_place *out);
/* The flags of a function; false: there is none. Any thread, at any time. */
bool libraries_flags(struct libraries *all, struct slice name, uint32_t *out);
/* Their number, and that of their functions. Any thread, at any time. */
void libraries_count(struct libraries *all, uint32_t *libraries, uint32_t *functions);
size_t libraries_bytes(const struct libraries *all); /* O(libraries) */

/* Whether adding the library would fail; `replaces`: one of its name would give way. */
bool libraries_admit(const struct libraries *all, const struct library *lib, bool replaces,
                     char error[LIBRARY_ERROR_BYTES]) MUST_USE;
/* Adds it, and drops one of its name. It was admitted. */
void libraries_add(struct libraries *all, struct library *lib);
bool libraries_delete(struct libraries *all, struct slice name); /* false: not there */
void libraries_clear(struct libraries *all);
/* Moves all libraries of `from`, which is empty afterwards; or none, and `error` says why. */
bool libraries_join(struct libraries *all, struct libraries *from, bool replace,
                    char error[LIBRARY_ERROR_BYTES]) MUST_USE;

/* ---- as bytes ---- */

/* Items of an RDB file (persist/rdb_item.h): for each library 0xF5 and its text as a string. */
void libraries_write(const struct libraries *all, struct buf *out);

/* What FUNCTION DUMP answers: the items and the footer of a DUMP payload. */
void libraries_dump(const struct libraries *all, struct buf *out);

/* The items of a dump; false: its footer is not right. */
bool libraries_open_dump(struct slice payload, struct slice *items) MUST_USE;
/* Calls `take` with each text of the items; false: the bytes are damaged, or take() said so.
 * `error` says why. */
bool libraries_each_text(struct slice items,
                         bool (*take)(void *arg, struct slice code, char *error), void *arg,
                         char error[LIBRARY_ERROR_BYTES]) MUST_USE;
