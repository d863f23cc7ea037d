/* aof_set.h: the directory that holds a log: the manifest and the files it names.
 *
 *   <directory>/<name>.manifest           aof_manifest.h
 *   <directory>/<name>.<n>.base.rdb|aof   the data when rewrite n began
 *   <directory>/<name>.<n>.incr.aof       what happened since
 *   <directory>/temp-…                    on its way to one of these; worth nothing
 *
 * The manifest alone says what counts, and is only ever replaced as a whole and durably: so a new
 * set of files takes the place of the old one at one moment, and a failure at any time leaves one
 * of the two. Files of the old set are removed after that.
 *
 * Threading: one thread at a time. Paths are absolute, so that CONFIG SET dir moves nothing. */
#pragma once

#include "persist/aof_manifest.h"

#include <limits.h>

struct aof_set {
    char directory[PATH_MAX], name[NAME_MAX + 1];
    struct aof_manifest manifest; /* as it is on disk, or will be when `old` is taken */
    char old[PATH_MAX]; /* where the base is: outside, as an older server left it; or empty */
};

/* Nothing is read or made. ERR_LIMIT: the path is too long. */
enum err aof_set_init(struct aof_set *s, const char *parent, const char *directory,
                      const char *name) MUST_USE;
void aof_set_deinit(struct aof_set *s);

/* Reads the manifest; there is none: the set is empty. ERR_SYS: errno, ERR_SYNTAX: the fault. */
enum err aof_set_read(struct aof_set *s, struct aof_manifest_fault *fault) MUST_USE;
/* As Redis 7: one file `parent/name` of an older server, and no set that names more than it, is to
 * be the base. Nothing is changed on disk yet: s->old says where it is. ERR_SYS: errno. */
enum err aof_set_find_old(struct aof_set *s, const char *parent) MUST_USE;
/* Moves it into the directory, once it has been loaded. ERR_SYS: errno; it is whole, in one of the
 * two places, and the next attempt finds it. */
enum err aof_set_take_old(struct aof_set *s) MUST_USE;
/* Makes the directory, unless it is there. ERR_SYS. */
enum err aof_set_make_directory(const struct aof_set *s) MUST_USE;
/* Puts a manifest in the place of the one on disk, and in s->manifest; the argument stays the
 * caller's. On failure (ERR_SYS, errno) both are as before. */
enum err aof_set_write(struct aof_set *s, const struct aof_manifest *next) MUST_USE;
/* Removes what is history, then forgets it; failures are no matter, the next time will do. */
void aof_set_remove_history(struct aof_set *s);

/* "<directory>/<name>", or where the old file is; ERR_LIMIT. `out` has PATH_MAX. */
enum err aof_set_path(const struct aof_set *s, const char *name, char *out) MUST_USE;
/* Names of new files; `out` has NAME_MAX + 1. False: too long. */
bool aof_set_base_name(const struct aof_set *s, uint64_t seq, bool rdb, char *out) MUST_USE;
bool aof_set_incr_name(const struct aof_set *s, uint64_t seq, char *out) MUST_USE;
/* Makes an incremental file that says it is marked from its begin (aof_mark.h): *size is then its
 * length. It is synced. ERR_SYS, ERR_LIMIT. */
enum err aof_set_create_incr(const struct aof_set *s, const char *name, uint64_t *size) MUST_USE;
/* Index of the last incremental file that holds more than its opening mark, 0 when there is none.
 * A write that did not end can only be at the end of this one: a file gets its first byte after the
 * last of the one before, but is named by the manifest earlier. */
size_t aof_set_last_with_data(const struct aof_set *s);
/* Removes a file of the directory, if it is there. */
void aof_set_remove(const struct aof_set *s, const char *name);
