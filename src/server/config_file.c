/* Reading configuration files: lines, quotes, includes, and the message for a bad line. */
#include "base/text.h"
#include "server/config_row.h"
#include "server/settings.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include <sys/stat.h>

enum {
    ARGS_MAX = 1024,        /* words of one line */
    INCLUDE_DEPTH_MAX = 16, /* files inside each other: a file that includes itself must end */
    FILE_SIZE_MAX = 64 * 1048576, /* a device or a data file given by mistake must end, too */
};

/* A text being read, and after it the further files of the same include. */
struct source {
    char *name;
    struct buf text;
    int line;
    glob_t files;
    size_t next_file;
    bool has_files;
};

struct loader {
    struct source stack[INCLUDE_DEPTH_MAX];
    int depth;
    struct slice line; /* the one being read, trimmed */
    struct slice args[ARGS_MAX], more[ARGS_MAX];
    struct buf arg_store, more_store;
    char reason[CONFIG_ERROR_MAX];
};

/* A line kept for its owner, see config_visit_lines(). */
struct kept_line {
    const struct config_row *row;
    char *text, *file;
    int line;
    struct kept_line *next;
};

static struct kept_line *kept_head, **kept_tail = &kept_head;
static char *file_path;
static mode_t file_mask; /* the process's umask */

const char *config_file_path(void)
{
    return file_path ? file_path : "";
}

void config_put_absolute(struct buf *out, const char *path)
{
    char cwd[PATH_MAX];
    if (*path && *path != '/' && getcwd(cwd, sizeof(cwd)))
        buf_printf(out, "%s/", cwd);
    buf_puts(out, path);
}

void config_set_file_path(const char *path)
{
    struct buf absolute;
    buf_init(&absolute, MEM_OTHER);
    config_put_absolute(&absolute, path);
    mem_strfree(file_path);
    file_path = config_copy(buf_slice(&absolute));
    buf_deinit(&absolute);
    file_mask = umask(0); /* there is no way to ask without changing it */
    umask(file_mask);
}

mode_t config_file_mask(void)
{
    return file_mask;
}

void config_files_forget(void)
{
    mem_strfree(file_path);
    file_path = NULL;
    while (kept_head) {
        struct kept_line *next = kept_head->next;
        mem_strfree(kept_head->text);
        mem_strfree(kept_head->file);
        mem_free(MEM_OTHER, kept_head, sizeof(*kept_head));
        kept_head = next;
    }
    kept_tail = &kept_head;
}

static void keep_line(const struct config_row *row, const struct loader *loader)
{
    const struct source *source = &loader->stack[loader->depth - 1];
    struct kept_line *kept = mem_alloc(MEM_OTHER, sizeof(*kept));
    *kept = (struct kept_line){.row = row,
                               .text = config_copy(loader->line),
                               .file = mem_strdup(source->name),
                               .line = source->line};
    *kept_tail = kept;
    kept_tail = &kept->next;
}

static struct slice trim(struct slice text)
{
    while (text.len && strchr(" \t\r\n", text.ptr[text.len - 1]) && text.ptr[text.len - 1])
        text.len--;
    while (text.len && strchr(" \t\r\n", *text.ptr) && *text.ptr) {
        text.ptr++;
        text.len--;
    }
    return text;
}

/* Redis's own first lines, so that who greps for them finds them; the file's name is ours. */
static enum err fatal(struct buf *message, const char *file, int line, struct slice text,
                      const char *reason)
{
    buf_puts(message, "\n*** FATAL CONFIG FILE ERROR (Version " TOKAMAK_VERSION ") ***\n");
    if (line)
        buf_printf(message, "Reading the configuration file, at line %d of %s\n>>> '%.*s'\n", line,
                   file, (int)MIN(text.len, 4096), text.ptr);
    buf_printf(message, "%s\n", reason);
    return ERR_SYNTAX;
}

/* NULL if none is so near that it may have been meant. */
static const char *nearest_directive(const char *word)
{
    const char *best = NULL;
    size_t len = strlen(word);
    unsigned best_distance = (unsigned)MIN(MAX(2, len / 3) + 1, len);
    for (int i = 0; i < CONFIG_ROWS; i++) {
        const struct config_row *row = &config_rows[i];
        if (!row->name || (row->flags & (CONFIG_HIDDEN | CONFIG_RETIRED)))
            continue;
        unsigned distance = text_distance(word, row->name);
        if (distance < best_distance) {
            best_distance = distance;
            best = row->name;
        }
    }
    return best;
}

static void unknown_directive(struct loader *loader)
{
    char word[64];
    struct slice given = loader->args[0];
    snprintf(word, sizeof(word), "%.*s", (int)MIN(given.len, sizeof(word) - 1), given.ptr);
    const char *nearest = nearest_directive(word);
    config_fail(loader->reason,
                "Bad directive or wrong number of arguments\n"
                "There is no directive '%s'.%s%s%s",
                word, nearest ? " Did you mean '" : "", nearest ? nearest : "",
                nearest ? "'?" : "");
}

static void source_close(struct source *source)
{
    mem_strfree(source->name);
    buf_deinit(&source->text);
    if (source->has_files)
        globfree(&source->files);
    memset(source, 0, sizeof(*source));
}

static bool read_stream(FILE *stream, struct buf *out)
{
    size_t got;
    do {
        got = fread(buf_reserve(out, 65536), 1, 65536, stream);
        buf_advance(out, got);
    } while (got && buf_len(out) <= FILE_SIZE_MAX);
    if (got)
        errno = EFBIG;
    return !got && !ferror(stream);
}

static bool read_file(const char *path, struct buf *out)
{
    FILE *stream = fopen(path, "r");
    if (!stream)
        return false;
    bool ok = read_stream(stream, out);
    int saved = errno;
    fclose(stream);
    errno = saved;
    return ok;
}

/* Opens the next file of the source; false with a reason when it cannot be read. */
static bool source_next_file(struct source *source, char *reason)
{
    const char *path = source->files.gl_pathv[source->next_file++];
    mem_strfree(source->name);
    source->name = mem_strdup(path);
    buf_clear(&source->text);
    source->line = 0;
    if (read_file(path, &source->text))
        return true;
    config_fail(reason, "Fatal error, can't open config file '%s': %s", path, strerror(errno));
    return false;
}

static struct source *push_source(struct loader *loader, const char *name)
{
    struct source *source = &loader->stack[loader->depth++];
    memset(source, 0, sizeof(*source));
    source->name = mem_strdup(name);
    buf_init(&source->text, MEM_OTHER);
    return source;
}

/* A pattern without a match is no error, so that an empty conf.d may be included. */
static bool push_files(struct loader *loader, const char *path)
{
    if (loader->depth == INCLUDE_DEPTH_MAX) {
        config_fail(loader->reason, "Files include each other too deeply (more than %d)",
                    INCLUDE_DEPTH_MAX);
        return false;
    }
    struct source *source = push_source(loader, path);
    source->has_files = true;
    int flags = GLOB_NOESCAPE | (strpbrk(path, "*?[") ? 0 : GLOB_NOCHECK);
    int failed = glob(path, flags, NULL, &source->files);
    if (failed == GLOB_NOMATCH) {
        source->files.gl_pathc = 0;
        return true;
    }
    if (failed) {
        config_fail(loader->reason, "Fatal error, can't open config file '%s': %s", path,
                    strerror(errno));
        return false;
    }
    return source_next_file(source, loader->reason);
}

/* Steps to the next line; closes sources that are read to their end. False at the end of all. */
static bool next_line(struct loader *loader, bool *failed)
{
    while (loader->depth > 0) {
        struct source *source = &loader->stack[loader->depth - 1];
        struct slice rest = buf_slice(&source->text);
        if (rest.len) {
            const char *end = memchr(rest.ptr, '\n', rest.len);
            size_t len = end ? (size_t)(end - rest.ptr) : rest.len;
            loader->line = trim(slice_make(rest.ptr, len));
            buf_consume(&source->text, MIN(len + 1, rest.len));
            source->line++;
            return true;
        }
        if (source->has_files && source->next_file < source->files.gl_pathc) {
            *failed = !source_next_file(source, loader->reason);
            if (*failed)
                return false;
            continue;
        }
        source_close(source);
        loader->depth--;
    }
    return false;
}

static bool line_directive(struct loader *loader, const struct config_row *row, int count)
{
    if (count - 1 < row->min || count - 1 > row->max) {
        config_fail(loader->reason, "Bad directive or wrong number of arguments");
        return false;
    }
    if (strcmp(row->name, "include") == 0) {
        char *path = config_copy(loader->args[1]);
        bool ok = push_files(loader, path);
        mem_strfree(path);
        return ok;
    }
    if (!(row->flags & CONFIG_RETIRED))
        keep_line(row, loader);
    return true;
}

/* One non-empty word for a directive of several words is split again: --save "900 1 300 10". */
static bool set_directive(struct loader *loader, const struct config_row *row, int count)
{
    const struct slice *args = loader->args + 1;
    count--;
    if (!(row->flags & CONFIG_MULTI) && count != 1) {
        config_fail(loader->reason, "wrong number of arguments");
        return false;
    }
    if ((row->flags & CONFIG_MULTI) && count == 1 && args[0].len) {
        count = text_split_args(args[0], &loader->more_store, loader->more, ARGS_MAX);
        args = loader->more;
        if (count < 0) {
            config_fail(loader->reason, "Unbalanced quotes in configuration line");
            return false;
        }
    }
    return config_value_set(row, args, count, loader->reason) != CONFIG_FAILED;
}

static bool load_line(struct loader *loader)
{
    if (loader->line.len == 0 || *loader->line.ptr == '#')
        return true;
    int count = text_split_args(loader->line, &loader->arg_store, loader->args, ARGS_MAX);
    if (count < 0 || count == ARGS_MAX) {
        config_fail(loader->reason, count < 0 ? "Unbalanced quotes in configuration line"
                                              : "Too many words in configuration line");
        return false;
    }
    if (count == 0)
        return true;
    const struct config_row *row = config_find_row(loader->args[0], NULL);
    if (!row) {
        unknown_directive(loader);
        return false;
    }
    return row->type == CONFIG_LINES ? line_directive(loader, row, count)
                                     : set_directive(loader, row, count);
}

/* The bytes of `line` stay valid in the source below a pushed include, so the message can show it.
 */
static enum err run(struct loader *loader, bool opened, struct buf *message)
{
    bool failed = !opened;
    const char *file = "";
    int line = 0;
    config_save_begin_loading();
    while (!failed && next_line(loader, &failed)) {
        file = loader->stack[loader->depth - 1].name;
        line = loader->stack[loader->depth - 1].line;
        failed = !load_line(loader);
        if (failed)
            break;
        line = 0; /* what fails between lines, opening a file, has no line of its own */
    }
    config_save_end_loading();
    enum err err = failed ? fatal(message, file, line, loader->line, loader->reason) : OK;
    while (loader->depth > 0)
        source_close(&loader->stack[--loader->depth]);
    buf_deinit(&loader->arg_store);
    buf_deinit(&loader->more_store);
    mem_free(MEM_OTHER, loader, sizeof(*loader));
    return err;
}

static struct loader *loader_create(void)
{
    struct loader *loader = mem_zalloc(MEM_OTHER, sizeof(*loader));
    buf_init(&loader->arg_store, MEM_OTHER);
    buf_init(&loader->more_store, MEM_OTHER);
    return loader;
}

enum err config_load_text(const char *name, struct slice text, struct buf *message)
{
    struct loader *loader = loader_create();
    struct source *source = push_source(loader, name);
    if (text.len)
        buf_append(&source->text, text.ptr, text.len);
    return run(loader, true, message);
}

enum err config_load_file(const char *path, struct buf *message)
{
    struct loader *loader = loader_create();
    bool opened = push_files(loader, path);
    return run(loader, opened, message);
}

/* A log file that cannot be opened would go unnoticed later, when there is no terminal. */
static bool log_file_opens(char *reason)
{
    if (!*server_settings.logfile)
        return true;
    FILE *file = fopen(server_settings.logfile, "a");
    if (!file) {
        config_fail(reason, "Can't open the log file: %s", strerror(errno));
        return false;
    }
    fclose(file);
    return true;
}

enum err config_check_loaded(struct buf *message)
{
    char reason[CONFIG_ERROR_MAX];
    config_normalize();
    if (!log_file_opens(reason))
        return fatal(message, "", 0, SLICE(""), reason);
    if (server_settings.cluster_enabled && *server_settings.primary_host)
        return fatal(message, "", 0, SLICE(""), "replicaof directive not allowed in cluster mode");
    return OK;
}

enum err config_visit_lines(const char *directive, config_line_fn visit, void *ctx,
                            struct buf *message)
{
    struct slice *args = mem_alloc(MEM_OTHER, ARGS_MAX * sizeof(*args));
    struct buf store;
    enum err err = OK;
    buf_init(&store, MEM_OTHER);
    for (struct kept_line *kept = kept_head; kept && !err; kept = kept->next) {
        char reason[CONFIG_ERROR_MAX] = "";
        if (strcmp(kept->row->name, directive) != 0)
            continue;
        int count = text_split_args(slice_cstr(kept->text), &store, args, ARGS_MAX);
        err = visit(ctx, args + 1, count - 1, reason);
        if (err)
            fatal(message, kept->file, kept->line, slice_cstr(kept->text), reason);
    }
    buf_deinit(&store);
    mem_free(MEM_OTHER, args, ARGS_MAX * sizeof(*args));
    return err;
}

void config_list_inactive_lines(struct buf *out)
{
    for (int i = 0; i < CONFIG_ROWS; i++) {
        const struct config_row *row = &config_rows[i];
        const struct kept_line *kept = kept_head;
        if (row->type != CONFIG_LINES || !(row->flags & CONFIG_INACTIVE))
            continue;
        while (kept && kept->row != row)
            kept = kept->next;
        if (kept)
            buf_printf(out, "%s%s", buf_len(out) ? ", " : "", row->name);
    }
}
