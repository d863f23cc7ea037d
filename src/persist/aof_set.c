#include "persist/aof_set.h"

#include "os/file.h"
#include "persist/aof_mark.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum {
    READ_BYTES = 64 << 10,
    MANIFEST_MAX_BYTES = 64 << 20 /* no manifest is this long; whatever it is, it is none */
};

static enum err join(char *out, size_t cap, const char *a, const char *b, const char *c)
{
    const char *slash = *b ? "/" : "";
    int len = snprintf(out, cap, "%s%s%s%s", a, slash, b, c);
    if (len >= 0 && (size_t)len < cap)
        return OK;
    errno = ENAMETOOLONG;
    return ERR_LIMIT;
}

enum err aof_set_init(struct aof_set *s, const char *parent, const char *directory,
                      const char *name)
{
    memset(s, 0, sizeof(*s));
    enum err err = join(s->directory, sizeof(s->directory), parent, directory, "");
    return err ? err : join(s->name, sizeof(s->name), name, "", "");
}

void aof_set_deinit(struct aof_set *s)
{
    aof_manifest_deinit(&s->manifest);
}

enum err aof_set_path(const struct aof_set *s, const char *name, char *out)
{
    if (unlikely(*s->old) && strcmp(name, s->name) == 0)
        return join(out, PATH_MAX, s->old, "", "");
    return join(out, PATH_MAX, s->directory, name, "");
}

static enum err manifest_path(const struct aof_set *s, const char *prefix, char *out)
{
    char name[NAME_MAX + 1];
    enum err err = join(name, sizeof(name), prefix, "", s->name);
    if (!err)
        err = join(out, PATH_MAX, s->directory, name, ".manifest");
    return err;
}

/* ---- names ---- */

static bool fits(int len)
{
    return len > 0 && len <= NAME_MAX;
}

bool aof_set_base_name(const struct aof_set *s, uint64_t seq, bool rdb, char *out)
{
    return fits(
        snprintf(out, NAME_MAX + 1, "%s.%" PRIu64 ".base.%s", s->name, seq, rdb ? "rdb" : "aof"));
}

bool aof_set_incr_name(const struct aof_set *s, uint64_t seq, char *out)
{
    return fits(snprintf(out, NAME_MAX + 1, "%s.%" PRIu64 ".incr.aof", s->name, seq));
}

/* ---- the manifest ---- */

static enum err read_whole(const char *path, struct buf *out)
{
    int fd;
    uint64_t size;
    size_t len;
    enum err err = file_open(path, &fd, &size);
    if (err)
        return err;
    do {
        err = file_read(fd, buf_reserve(out, READ_BYTES), READ_BYTES, &len);
        buf_advance(out, len);
    } while (!err && len && buf_len(out) <= MANIFEST_MAX_BYTES);
    file_drop(fd);
    return err;
}

enum err aof_set_read(struct aof_set *s, struct aof_manifest_fault *fault)
{
    char path[PATH_MAX];
    struct buf text;
    *fault = (struct aof_manifest_fault){0};
    aof_manifest_deinit(&s->manifest);
    enum err err = manifest_path(s, "", path);
    if (err)
        return ERR_SYS;
    buf_init(&text, MEM_OTHER);
    err = read_whole(path, &text);
    if (!err)
        err = aof_manifest_parse(buf_slice(&text), &s->manifest, fault);
    else if (errno == ENOENT)
        err = OK;
    buf_deinit(&text);
    return err;
}

enum err aof_set_write(struct aof_set *s, const struct aof_manifest *next)
{
    char path[PATH_MAX], temporary[PATH_MAX];
    struct buf text;
    enum err err = manifest_path(s, "", path);
    if (!err)
        err = manifest_path(s, "temp-", temporary);
    if (err)
        return ERR_SYS;
    buf_init(&text, MEM_OTHER);
    aof_manifest_format(&text, next);
    err = file_store(temporary, buf_ptr(&text), buf_len(&text));
    if (!err)
        err = file_replace(temporary, path);
    buf_deinit(&text);
    if (err) {
        file_remove(temporary);
        return ERR_SYS;
    }
    struct aof_manifest copy;
    aof_manifest_copy(&copy, next);
    aof_manifest_deinit(&s->manifest);
    s->manifest = copy;
    return OK;
}

void aof_set_remove(const struct aof_set *s, const char *name)
{
    char path[PATH_MAX];
    if (aof_set_path(s, name, path) == OK)
        file_remove(path);
}

void aof_set_remove_history(struct aof_set *s)
{
    struct aof_manifest next;
    if (!s->manifest.history.count)
        return;
    for (size_t i = 0; i < s->manifest.history.count; i++)
        aof_set_remove(s, s->manifest.history.items[i].name);
    aof_manifest_copy(&next, &s->manifest);
    aof_manifest_forget_history(&next);
    if (aof_set_write(s, &next) != OK)
        errno = 0; /* it names files that are gone, and will be tried again */
    aof_manifest_deinit(&next);
}

/* ---- files ---- */

enum err aof_set_make_directory(const struct aof_set *s)
{
    return file_make_directory(s->directory);
}

static bool file_exists(const char *path)
{
    int fd;
    uint64_t size;
    if (file_open(path, &fd, &size) != OK)
        return errno != ENOENT && errno != ENOTDIR;
    file_drop(fd);
    return true;
}

/* The set says no more than that there is an old file, which has not been moved yet. */
static bool is_half_upgraded(const struct aof_set *s)
{
    char inside[PATH_MAX];
    const struct aof_manifest *m = &s->manifest;
    return m->base.name && !m->incr.count && strcmp(m->base.name, s->name) == 0 &&
           aof_set_path(s, s->name, inside) == OK && !file_exists(inside);
}

enum err aof_set_find_old(struct aof_set *s, const char *parent)
{
    char old[PATH_MAX];
    if (join(old, sizeof(old), parent, s->name, "") != OK)
        return ERR_SYS;
    if (!(aof_manifest_is_empty(&s->manifest) || is_half_upgraded(s)) || !file_exists(old))
        return OK;
    aof_manifest_deinit(&s->manifest);
    aof_manifest_set_base(&s->manifest, s->name, 1);
    memcpy(s->old, old, sizeof(old));
    return OK;
}

enum err aof_set_take_old(struct aof_set *s)
{
    char inside[PATH_MAX];
    struct aof_manifest m;
    enum err err = join(inside, sizeof(inside), s->directory, s->name, "");
    if (!err)
        err = aof_set_make_directory(s);
    aof_manifest_copy(&m, &s->manifest);
    if (!err)
        err = aof_set_write(s, &m);
    if (!err)
        err = file_replace(s->old, inside);
    aof_manifest_deinit(&m);
    if (err)
        return ERR_SYS;
    *s->old = 0;
    return OK;
}

enum err aof_set_create_incr(const struct aof_set *s, const char *name, uint64_t *size)
{
    char path[PATH_MAX], mark[AOF_MARK_BYTES];
    *size = aof_mark_format(mark, (struct aof_mark){0, 0});
    enum err err = aof_set_path(s, name, path);
    /* synced before a manifest names it: else a loss of power could leave it full of zeros */
    return err ? err : file_store(path, mark, *size);
}

static bool has_data(const struct aof_set *s, const char *name)
{
    char path[PATH_MAX], mark[AOF_MARK_BYTES];
    int fd;
    uint64_t size;
    if (aof_set_path(s, name, path) != OK || file_open(path, &fd, &size) != OK)
        return true; /* who loads it will say what is wrong */
    file_drop(fd);
    return size > aof_mark_format(mark, (struct aof_mark){0, 0});
}

size_t aof_set_last_with_data(const struct aof_set *s)
{
    size_t i = s->manifest.incr.count;
    while (i > 1 && !has_data(s, s->manifest.incr.items[i - 1].name))
        i--;
    return i ? i - 1 : 0;
}
