/* check_aof.c: a log as a whole: which files it has, and what their manifest says afterwards. */
#include "tools/check_aof.h"

#include "base/hash.h"
#include "persist/aof_set.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include <sys/stat.h>

#include "tools/check_aof_file.h"

#define MANIFEST_END ".manifest"

/* Who asked for a cut must not take silence for one. */
static enum check_status tell_uncut(const char *path, const struct check_aof_options *options,
                                    const struct check_times *times, enum check_status status)
{
    if (!options->to_time || times->cut || status != CHECK_GOOD)
        return status;
    if (times->stamped) {
        printf("%s: nothing is cut: nothing happened after %" PRId64 "\n", path, options->time_s);
        return CHECK_GOOD;
    }
    printf("%s: nothing is cut: there are no time stamps (aof-timestamp-enabled)\n", path);
    return CHECK_BAD;
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len > end_len && strcmp(text + len - end_len, end) == 0;
}

static bool find_in_directory(const char *path, char *name)
{
    int found = 0;
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));)
        if (ends_with(e->d_name, MANIFEST_END) && strncmp(e->d_name, "temp-", 5) != 0) {
            snprintf(name, NAME_MAX + 1, "%s", e->d_name);
            found++;
        }
    if (d)
        closedir(d);
    return found == 1;
}

bool check_find_set(const char *path, char *directory, char *name)
{
    const char *slash = strrchr(path, '/');
    if (is_directory(path)) {
        snprintf(directory, PATH_MAX, "%s", path);
        if (!find_in_directory(path, name))
            return false;
    } else if (ends_with(path, MANIFEST_END)) {
        snprintf(directory, PATH_MAX, "%.*s", slash ? (int)MAX(slash - path, (ptrdiff_t)1) : 1,
                 slash ? path : ".");
        snprintf(name, NAME_MAX + 1, "%s", slash ? slash + 1 : path);
    } else {
        return false;
    }
    name[strlen(name) - strlen(MANIFEST_END)] = 0;
    return true;
}

/* The manifest ends with the file that was cut; those behind it stay where they are, unnamed. */
static enum check_status end_with(struct aof_set *s, size_t incr_kept)
{
    struct aof_manifest next;
    if (incr_kept == s->manifest.incr.count)
        return CHECK_GOOD;
    aof_manifest_copy(&next, &s->manifest);
    aof_manifest_cut(&next, incr_kept);
    enum err err = aof_set_write(s, &next);
    aof_manifest_deinit(&next);
    if (err)
        return check_cannot(s->directory);
    printf("%s: the manifest names no file behind it any more\n", s->directory);
    return CHECK_GOOD;
}

static enum check_status check_files(struct aof_set *s, const struct check_aof_options *options)
{
    char path[PATH_MAX];
    struct check_times times = {false, false};
    size_t last = aof_set_last_with_data(s);
    const struct aof_manifest *m = &s->manifest;
    enum check_status status = CHECK_GOOD;
    if (m->base.name) {
        if (aof_set_path(s, m->base.name, path) != OK)
            return check_cannot(m->base.name);
        status = check_aof_file(path, options, !m->incr.count, &times);
        if (times.cut)
            return status == CHECK_GOOD ? end_with(s, 0) : status;
    }
    for (size_t i = 0; i < m->incr.count && status == CHECK_GOOD; i++) {
        if (aof_set_path(s, m->incr.items[i].name, path) != OK)
            return check_cannot(m->incr.items[i].name);
        status = check_aof_file(path, options, i >= last, &times);
        if (times.cut)
            return status == CHECK_GOOD ? end_with(s, i + 1) : status;
    }
    return tell_uncut(s->directory, options, &times, status);
}

static enum check_status check_set(const char *path, const char *directory, const char *name,
                                   const struct check_aof_options *options)
{
    struct aof_manifest_fault fault;
    struct aof_set *s = mem_zalloc(MEM_OTHER, sizeof(*s));
    enum check_status status = CHECK_GOOD;
    enum err err = aof_set_init(s, directory, "", name);
    if (!err)
        err = aof_set_read(s, &fault);
    if (err == ERR_SYNTAX) {
        printf("%s: line %u: %s\n", path, fault.line, fault.reason);
        status = CHECK_BAD;
    } else if (err) {
        status = check_cannot(path);
    } else if (aof_manifest_is_empty(&s->manifest)) {
        printf("%s: names no file\n", path);
        status = CHECK_BAD;
    } else {
        status = check_files(s, options);
        printf("%s: %s\n", path, status == CHECK_GOOD ? "OK" : "NOT GOOD");
    }
    aof_set_deinit(s);
    mem_free(MEM_OTHER, s, sizeof(*s));
    return status;
}

enum check_status check_aof(const char *path, const struct check_aof_options *options)
{
    char directory[PATH_MAX], name[NAME_MAX + 1];
    struct check_times times = {false, false};
    hash_seed(NULL);
    if (check_find_set(path, directory, name))
        return check_set(path, directory, name, options);
    if (is_directory(path)) {
        fprintf(stderr, "%s: there is no manifest, or more than one\n", path);
        return CHECK_USAGE;
    }
    if (access(path, R_OK) != 0)
        return check_cannot(path);
    enum check_status status = check_aof_file(path, options, true, &times);
    return tell_uncut(path, options, &times, status);
}
